#include "core/io/split.hpp"

#include "core/io/checksum.hpp"

#include <algorithm>
#include <cstring>

namespace warren::io {

namespace {

constexpr uint32_t extension_headers_max = 8; // of one packet; real ones have at most a few
constexpr uint8_t hop_by_hop = 0, routing = 43, destination_options = 60;

} // namespace

bool splitter::begin(const virtio_header& header, std::span<const uint8_t> packet) {
   *this = splitter();
   packet_ = packet;
   const auto refuse = [this] {
      *this = splitter();
      return false;
   };
   if (packet.size() < 20 || packet.size() > 0xffff + 40u) return refuse();
   const uint8_t version = packet[0] >> 4;
   v4_ = version == 4;
   if (!v4_ && (version != 6 || packet.size() < 40)) return refuse();
   const auto type = static_cast<uint8_t>(header.gso_type & ~virtio::gso_ecn);
   if (type == virtio::gso_none) return begin_whole(header) || refuse();

   // The checksum of a superpacket is partial by definition; we compute all of it, but a header
   // that contradicts the packet is refused.
   if (header.gso_size == 0 || (header.flags & virtio::needs_csum) == 0) return refuse();
   protocol_ = type == virtio::gso_udp ? ip::udp : ip::tcp;
   if (type != virtio::gso_udp && type != (v4_ ? virtio::gso_tcp4 : virtio::gso_tcp6))
      return refuse();
   uint8_t protocol = 0;
   if (v4_) {
      transport_ = static_cast<uint32_t>(packet[0] & 15) * 4;
      protocol = packet[9];
      const bool fragment = (load16(&packet[6]) & 0x3fff) != 0;
      if (transport_ < 20 || fragment) return refuse();
   } else if (!find_transport6(protocol)) {
      return refuse();
   }
   const uint32_t fixed = protocol_ == ip::tcp ? 20 : 8;
   if (protocol != protocol_ || header.csum_start != transport_ ||
       header.csum_offset != (protocol_ == ip::tcp ? 16 : 6) || transport_ + fixed > packet.size())
      return refuse();
   const uint8_t* const transport = &packet[transport_];
   const uint32_t transport_bytes =
         protocol_ == ip::tcp ? static_cast<uint32_t>(transport[12] >> 4) * 4 : 8;
   header_bytes_ = transport_ + transport_bytes;
   if (transport_bytes < fixed || header_bytes_ >= packet.size()) return refuse();
   // A segment must fit its own length field.
   segment_ = header.gso_size;
   if (header_bytes_ + std::min<uint64_t>(segment_, packet.size() - header_bytes_) > 0xffff)
      return refuse();
   offset_ = header_bytes_;

   // What differs per segment is zeroed in a copy and added to these sums later.
   uint8_t copy[60];
   if (v4_) {
      std::memcpy(copy, packet.data(), transport_);
      std::memset(copy + 2, 0, 4); // length, identification
      std::memset(copy + 10, 0, 2);
      ip_sum_ = sum_bytes(copy, transport_);
      pseudo_sum_ = pseudo_sum4(&packet[12], protocol_, 0);
   } else if (pseudo_sum_ == 0) {
      pseudo_sum_ = pseudo_sum6(&packet[8], &packet[24], protocol_, 0);
   }
   std::memcpy(copy, transport, transport_bytes);
   if (protocol_ == ip::tcp) {
      std::memset(copy + 4, 0, 4);  // sequence number
      copy[13] = 0;                 // flags
      std::memset(copy + 16, 0, 2); // checksum
   } else {
      std::memset(copy + 4, 0, 4); // length and checksum
   }
   transport_sum_ = sum_bytes(copy, transport_bytes);
   return true;
}

bool splitter::begin_whole(const virtio_header& header) {
   whole_ = true;
   if ((header.flags & virtio::needs_csum) == 0) return true;
   csum_start_ = header.csum_start;
   csum_offset_ = header.csum_offset;
   if (csum_start_ < 20 || csum_start_ + csum_offset_ + 2 > packet_.size()) return false;
   finish_csum_ = true;
   const uint8_t protocol = v4_ ? packet_[9] : packet_[6];
   zero_means_none_ = csum_offset_ == 6 && protocol != ip::tcp;
   return true;
}

/// Walks the IPv6 extension headers a superpacket may have. With a routing header the pseudo-header
/// names the final destination.
bool splitter::find_transport6(uint8_t& protocol) {
   protocol = packet_[6];
   uint32_t at = 40;
   for (uint32_t i = 0; i < extension_headers_max; i++) {
      if (protocol == ip::tcp || protocol == ip::udp) {
         transport_ = at;
         return true;
      }
      if (protocol != hop_by_hop && protocol != routing && protocol != destination_options)
         return false;
      if (at + 8 > packet_.size()) return false;
      const uint32_t bytes = (packet_[at + 1] + 1u) * 8;
      if (at + bytes > packet_.size()) return false;
      if (protocol == routing && packet_[at + 3] != 0) {
         const uint8_t type = packet_[at + 2];
         if (bytes < 24 || (type != 0 && type != 2 && type != 4)) return false;
         // A segment routing header lists its last stop first, the older kinds last.
         const uint32_t final_address = type == 4 ? at + 8 : at + bytes - 16;
         pseudo_sum_ = pseudo_sum6(&packet_[8], &packet_[final_address], protocol_, 0);
      }
      protocol = packet_[at];
      at += bytes;
   }
   return false;
}

uint32_t splitter::next(packet_pool& pool, std::span<wrn_pkt> out, uint32_t headroom,
                        uint32_t tailroom) {
   const auto size = static_cast<uint32_t>(packet_.size());
   if (whole_) {
      if (out.empty() || pool.alloc(out.first(1), size, headroom, tailroom) == 0) return 0;
      uint8_t* const to = out[0].buf + out[0].off;
      std::memcpy(to, packet_.data(), size);
      if (finish_csum_) {
         // The field holds the sum of the pseudo-header, so it is summed like the rest.
         auto sum = static_cast<uint16_t>(~fold(sum_bytes(to + csum_start_, size - csum_start_)));
         if (sum == 0 && zero_means_none_) sum = 0xffff;
         store_sum(to + csum_start_ + csum_offset_, sum);
      }
      whole_ = false;
      offset_ = size;
      return 1;
   }
   uint32_t count = 0;
   while (count < out.size() && offset_ < size) {
      // All full segments of this batch at once, the last and shorter one alone.
      const uint32_t full = (size - offset_) / segment_;
      const uint32_t payload = full != 0 ? segment_ : size - offset_;
      const auto wanted = static_cast<uint32_t>(
            std::min<size_t>(out.size() - count, std::max<uint32_t>(full, 1)));
      const auto part = out.subspan(count, wanted);
      const uint32_t got = pool.alloc(part, header_bytes_ + payload, headroom, tailroom);
      for (uint32_t i = 0; i < got; i++) {
         write_segment(part[i].buf + part[i].off, payload, offset_ + payload == size);
         if (count + i != 0) part[i].flags |= WRN_PKT_RUN;
         offset_ += payload;
         index_++;
      }
      count += got;
      if (got < wanted) break;
   }
   return count;
}

uint32_t splitter::abandon() {
   if (done()) return 0;
   const auto size = static_cast<uint32_t>(packet_.size());
   const uint32_t left = whole_ ? 1 : (size - offset_ + segment_ - 1) / segment_;
   *this = splitter();
   return left;
}

void splitter::write_segment(uint8_t* to, uint32_t payload, bool last) {
   std::memcpy(to, packet_.data(), header_bytes_);
   const uint32_t bytes = header_bytes_ + payload;
   uint8_t* const transport = to + transport_;
   const uint32_t transport_and_payload = bytes - transport_;
   if (v4_) {
      const auto id = static_cast<uint16_t>(load16(to + 4) + index_);
      store16(to + 2, static_cast<uint16_t>(bytes));
      store16(to + 4, id);
      store_sum(to + 10, static_cast<uint16_t>(
                               ~fold(ip_sum_ + sum_of(static_cast<uint16_t>(bytes)) + sum_of(id))));
   } else {
      store16(to + 4, static_cast<uint16_t>(bytes - 40));
   }
   uint64_t sum = copy_and_sum(to + header_bytes_, packet_.data() + offset_, payload) +
                  transport_sum_ + pseudo_sum_ +
                  sum_of(static_cast<uint16_t>(transport_and_payload));
   if (protocol_ == ip::tcp) {
      const uint32_t sequence = load32(transport + 4) + (offset_ - header_bytes_);
      store32(transport + 4, sequence);
      if (!last) transport[13] &= static_cast<uint8_t>(~(ip::tcp_fin | ip::tcp_psh));
      if (index_ != 0) transport[13] &= static_cast<uint8_t>(~ip::tcp_cwr);
      sum += sum_of(static_cast<uint16_t>(sequence >> 16)) +
             sum_of(static_cast<uint16_t>(sequence)) + sum_of(transport[13]);
      store_sum(transport + 16, static_cast<uint16_t>(~fold(sum)));
   } else {
      store16(transport + 4, static_cast<uint16_t>(transport_and_payload));
      sum += sum_of(static_cast<uint16_t>(transport_and_payload));
      const auto folded = static_cast<uint16_t>(~fold(sum));
      store_sum(transport + 6, folded != 0 ? folded : 0xffff);
   }
}

} // namespace warren::io
