// One read of a TUN device, up to 64 KiB with a virtio header, to single packets with complete
// checksums in pool slots.
//
// A superpacket may hold more segments than a batch or the pool can take at once: next() is called
// until done() and goes on counting (sequence numbers, IPv4 identification) where it stopped.
// Everything in the virtio header is checked against the packet and hdr_len is not used at all,
// since the kernel gets it wrong for forwarded packets. Pure but for the pool; owned by a TUN
// device, its thread only.
#pragma once

#include "core/io/packet_pool.hpp"
#include "core/io/virtio.hpp"

#include <cstdint>
#include <span>

namespace warren::io {

class splitter {
 public:
   /// `packet` stays where it is until done(). False for a header and packet that do not fit
   /// together: nothing to split then.
   bool begin(const virtio_header& header, std::span<const uint8_t> packet);
   /// Up to out.size() packets; fewer when the pool is out of memory, 0 when done. From the second
   /// on they carry WRN_PKT_RUN.
   uint32_t next(packet_pool& pool, std::span<wrn_pkt> out, uint32_t headroom, uint32_t tailroom);
   bool done() const { return offset_ >= packet_.size() && !whole_; }
   /// Forgets what is left; returns how many packets that were.
   uint32_t abandon();

 private:
   bool begin_whole(const virtio_header& header);
   bool find_transport6(uint8_t& protocol);
   void write_segment(uint8_t* to, uint32_t payload, bool last);

   std::span<const uint8_t> packet_;
   bool whole_ = false;           // one packet, copied as it is
   bool finish_csum_ = false;     // of a whole packet
   bool zero_means_none_ = false; // UDP: a computed checksum of 0 is sent as 0xffff
   bool v4_ = false;
   uint8_t protocol_ = 0;
   uint32_t csum_start_ = 0;
   uint32_t csum_offset_ = 0;
   uint32_t transport_ = 0;     // offset of the TCP or UDP header
   uint32_t header_bytes_ = 0;  // all headers, copied to each segment
   uint32_t segment_ = 0;       // payload bytes of all but the last
   uint32_t offset_ = 0;        // of the next payload byte
   uint32_t index_ = 0;         // of the next segment
   uint64_t ip_sum_ = 0;        // IPv4 header without length, identification and checksum
   uint64_t pseudo_sum_ = 0;    // without the length
   uint64_t transport_sum_ = 0; // transport header without what differs per segment
};

} // namespace warren::io
