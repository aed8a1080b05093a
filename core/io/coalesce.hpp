// A batch of inner packets to the fewest writes of a TUN device: neighbours of one flow become a
// superpacket, a virtio header and pieces.
//
// No payload moves: the first packet's headers are patched in place and the payloads of the others
// follow as iovecs. What the kernel makes of a superpacket are the very packets that were joined
// (for IPv4 with DF, but for the identification, which means nothing there), so everything that
// would get lost forbids joining. Packets of one flow keep their order: a packet joins only the
// last write of its flow, and one that cannot join closes what is open between its two addresses.
//
// Pure; owned by a TUN device, its thread only. The result lives in the object until the next
// join().
#pragma once

#include "core/io/virtio.hpp"
#include "warren/packet.h"

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace warren::io {

struct coalesce_options {
   bool tcp = true;
   bool udp = true; // needs USO of the device
};

class coalescer {
 public:
   static constexpr uint32_t pieces_max = WRN_BATCH_MAX + 1;

   /// At most WRN_BATCH_MAX packets; returns the number of writes, in the order of their first
   /// packets. Changes header bytes of packets that others were joined to.
   uint32_t join(std::span<wrn_pkt> packets, const coalesce_options& options);
   /// The pieces of write `w` into out[pieces_max]; returns how many.
   uint32_t pieces(uint32_t w, iovec* out);
   /// How many packets a write holds, and their indices in order: the first, then next() until
   /// `none`.
   uint32_t packets_of(uint32_t w) const { return writes_[w].count; }
   static constexpr uint32_t none = 255;
   uint32_t first(uint32_t w) const { return writes_[w].first; }
   uint32_t next(uint32_t packet) const { return next_[packet]; }
   /// Takes the changes to the first packet's headers back, so that all can be written one by one.
   void undo(uint32_t w);

 private:
   struct parsed {          // offsets and what decides about joining
      uint8_t protocol = 0; // 0: never joined
      bool v6 = false;
      bool verified = false;
      uint16_t transport = 0;
      uint16_t headers = 0;
      uint16_t payload = 0;
   };
   struct write {
      virtio_header header;
      uint8_t first;
      uint8_t last;
      uint16_t count;
      bool closed;
      uint16_t segment;
      uint32_t bytes; // of the whole IP packet
      uint32_t sequence_next;
      uint8_t flags; // of the last TCP segment
      struct {
         uint16_t ip_length, ip_sum, transport_sum, udp_length;
         uint8_t flags;
      } before;
   };

   static parsed parse(const wrn_pkt& packet, const coalesce_options& options);
   bool verify(uint32_t i);
   bool same_flow(uint32_t a, uint32_t b) const;
   bool same_addresses(uint32_t a, uint32_t b) const;
   bool may_join(const write& w, uint32_t i);
   void close_between(uint32_t i);
   void finish(write& w);
   uint8_t* data(uint32_t i) const { return packets_[i].buf + packets_[i].off; }

   std::span<wrn_pkt> packets_;
   parsed parsed_[WRN_BATCH_MAX];
   uint8_t next_[WRN_BATCH_MAX];
   write writes_[WRN_BATCH_MAX];
   uint32_t count_ = 0;
};

} // namespace warren::io
