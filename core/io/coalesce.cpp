#include "core/io/coalesce.hpp"

#include "core/base/error.hpp"
#include "core/io/checksum.hpp"

#include <cstring>

namespace warren::io {

namespace {

constexpr uint32_t flows_max =
      16; // collected side by side in one batch; beyond it the oldest is closed
constexpr uint32_t ip_bytes_max = 65535;

} // namespace

/// Packets that may ever be joined: complete, without options or fragments, TCP with only ACK and
/// PSH, at least one payload byte.
coalescer::parsed coalescer::parse(const wrn_pkt& packet, const coalesce_options& options) {
   parsed out;
   const uint8_t* const p = packet.buf + packet.off;
   if (packet.len < 28 || packet.len > ip_bytes_max) return out;
   uint8_t protocol;
   uint32_t transport;
   if (p[0] == 0x45) {
      if (load16(p + 2) != packet.len || (load16(p + 6) & 0xbfff) != 0) return out;
      protocol = p[9];
      transport = 20;
   } else if (p[0] >> 4 == 6 && packet.len >= 48) {
      if (load16(p + 4) + 40u != packet.len) return out;
      protocol = p[6];
      transport = 40;
      out.v6 = true;
   } else {
      return out;
   }
   const uint8_t* const t = p + transport;
   uint32_t headers;
   if (protocol == ip::tcp && options.tcp) {
      if (transport + 20 > packet.len) return out;
      headers = transport + static_cast<uint32_t>(t[12] >> 4) * 4;
      const uint8_t flags = t[13];
      if ((t[12] & 15) != 0 || t[12] >> 4 < 5) return out;
      if (flags != ip::tcp_ack && flags != (ip::tcp_ack | ip::tcp_psh)) return out;
   } else if (protocol == ip::udp && options.udp) {
      headers = transport + 8;
      if (load16(t + 4) != packet.len - transport) return out;
      if (load16(t + 6) == 0) return out; // sent without a checksum
   } else {
      return out;
   }
   if (headers >= packet.len) return out;
   out.protocol = protocol;
   out.transport = static_cast<uint16_t>(transport);
   out.headers = static_cast<uint16_t>(headers);
   out.payload = static_cast<uint16_t>(packet.len - headers);
   return out;
}

/// Header and transport checksums hold; a packet is summed at most once, and only when there is
/// something to join it with.
bool coalescer::verify(uint32_t i) {
   parsed& f = parsed_[i];
   if (f.verified) return true;
   const uint8_t* const p = data(i);
   const uint32_t length = packets_[i].len - f.transport;
   if (!f.v6 && fold(sum_bytes(p, 20)) != 0xffff) return false;
   const uint64_t pseudo = f.v6 ? pseudo_sum6(p + 8, p + 24, f.protocol, length)
                                : pseudo_sum4(p + 12, f.protocol, length);
   f.verified = fold(pseudo + sum_bytes(p + f.transport, length)) == 0xffff;
   return f.verified;
}

bool coalescer::same_addresses(uint32_t a, uint32_t b) const {
   const uint8_t* const x = data(a);
   const uint8_t* const y = data(b);
   if (x[0] >> 4 != y[0] >> 4) return false;
   if (x[0] >> 4 == 4) return std::memcmp(x + 12, y + 12, 8) == 0;
   return std::memcmp(x + 8, y + 8, 32) == 0;
}

bool coalescer::same_flow(uint32_t a, uint32_t b) const {
   const parsed& f = parsed_[a];
   const parsed& g = parsed_[b];
   return f.protocol == g.protocol && f.v6 == g.v6 &&
          std::memcmp(data(a) + f.transport, data(b) + g.transport, 4) == 0 && same_addresses(a, b);
}

bool coalescer::may_join(const write& w, uint32_t i) {
   const parsed& f = parsed_[i];
   const parsed& g = parsed_[w.first];
   if (w.closed || f.headers != g.headers || f.payload > w.segment ||
       w.bytes + f.payload > ip_bytes_max)
      return false;
   const uint8_t* const x = data(w.first);
   const uint8_t* const y = data(i);
   if (f.v6) {
      // Version, traffic class, flow label; hop limit.
      if (std::memcmp(x, y, 4) != 0 || x[7] != y[7]) return false;
   } else {
      // TOS; fragment word; TTL. The identification counts on, or stands still where DF makes it
      // meaningless.
      if (x[1] != y[1] || std::memcmp(x + 6, y + 6, 3) != 0) return false;
      const uint16_t id = load16(y + 4), id_first = load16(x + 4);
      const bool fixed = (y[6] & 0x40) != 0 && id == id_first;
      if (!fixed && id != static_cast<uint16_t>(id_first + w.count)) return false;
   }
   if (f.protocol == ip::tcp) {
      const uint8_t* const s = x + g.transport;
      const uint8_t* const t = y + f.transport;
      // Acknowledgement and data offset; window; urgent pointer and options.
      if (load32(t + 4) != w.sequence_next || std::memcmp(s + 8, t + 8, 5) != 0 ||
          std::memcmp(s + 14, t + 14, 2) != 0 ||
          std::memcmp(s + 18, t + 18, f.headers - f.transport - 18u) != 0)
         return false;
   }
   return true;
}

/// Packet i cannot join; nothing that comes after it may overtake it.
void coalescer::close_between(uint32_t i) {
   if (packets_[i].len < 20 || (data(i)[0] >> 4 == 6 && packets_[i].len < 40)) return; // of no flow
   for (uint32_t w = 0; w < count_; w++)
      if (!writes_[w].closed && same_addresses(writes_[w].first, i)) writes_[w].closed = true;
}

uint32_t coalescer::join(std::span<wrn_pkt> packets, const coalesce_options& options) {
   WRN_ASSERT(packets.size() <= WRN_BATCH_MAX);
   packets_ = packets;
   count_ = 0;
   uint8_t open[flows_max]; // the last write of each flow
   uint32_t open_count = 0, oldest = 0;
   for (uint32_t i = 0; i < packets.size(); i++) {
      parsed& f = parsed_[i] = parse(packets[i], options);
      next_[i] = none;
      uint32_t slot = open_count;
      if (f.protocol == 0) {
         close_between(i);
      } else {
         for (slot = 0; slot < open_count; slot++)
            if (same_flow(writes_[open[slot]].first, i)) break;
         if (slot < open_count) {
            write& w = writes_[open[slot]];
            if (may_join(w, i) && verify(w.first) && verify(i)) {
               next_[w.last] = static_cast<uint8_t>(i);
               w.last = static_cast<uint8_t>(i);
               w.count++;
               w.bytes += f.payload;
               w.sequence_next += f.payload;
               w.flags = data(i)[f.transport + (f.protocol == ip::tcp ? 13 : 0)];
               w.closed = f.payload < w.segment ||
                          (f.protocol == ip::tcp && (w.flags & ip::tcp_psh) != 0);
               continue;
            }
            // Otherwise a new write takes its place below; nothing joins this one any more.
         }
      }
      const auto index = static_cast<uint8_t>(count_++);
      write& w = writes_[index];
      w = write{};
      w.first = w.last = static_cast<uint8_t>(i);
      w.count = 1;
      w.bytes = packets[i].len;
      w.closed = f.protocol == 0;
      w.segment = f.payload;
      if (f.protocol == 0) continue;
      if (f.protocol == ip::tcp) {
         const uint8_t* const t = data(i) + f.transport;
         w.sequence_next = load32(t + 4) + f.payload;
         w.flags = t[13];
         w.closed = (w.flags & ip::tcp_psh) != 0;
      }
      if (slot == open_count) {
         if (open_count < flows_max) {
            open_count++;
         } else {
            slot = oldest;
            oldest = (oldest + 1) % flows_max;
         }
      }
      open[slot] = index;
   }
   for (uint32_t w = 0; w < count_; w++)
      if (writes_[w].count > 1) finish(writes_[w]);
   return count_;
}

/// Turns the first packet's headers into those of the superpacket.
void coalescer::finish(write& w) {
   const parsed& f = parsed_[w.first];
   uint8_t* const p = data(w.first);
   uint8_t* const t = p + f.transport;
   const bool tcp = f.protocol == ip::tcp;
   const uint32_t length = w.bytes - f.transport;
   w.header.flags = virtio::needs_csum;
   w.header.gso_type = !tcp ? virtio::gso_udp : (f.v6 ? virtio::gso_tcp6 : virtio::gso_tcp4);
   w.header.hdr_len = f.headers;
   w.header.gso_size = w.segment;
   w.header.csum_start = f.transport;
   w.header.csum_offset = tcp ? 16 : 6;
   uint8_t* const length_field = p + (f.v6 ? 4 : 2);
   w.before.ip_length = load16(length_field);
   store16(length_field, static_cast<uint16_t>(w.bytes - (f.v6 ? 40u : 0u)));
   if (!f.v6) {
      w.before.ip_sum = load_sum(p + 10);
      store_sum(p + 10, 0);
      store_sum(p + 10, static_cast<uint16_t>(~fold(sum_bytes(p, 20))));
   }
   uint8_t* const sum_field = t + w.header.csum_offset;
   w.before.transport_sum = load_sum(sum_field);
   const uint64_t pseudo = f.v6 ? pseudo_sum6(p + 8, p + 24, f.protocol, length)
                                : pseudo_sum4(p + 12, f.protocol, length);
   store_sum(sum_field, fold(pseudo)); // the kernel adds the rest and complements
   if (tcp) {
      w.before.flags = t[13];
      t[13] = w.flags;
   } else {
      w.before.udp_length = load16(t + 4);
      store16(t + 4, static_cast<uint16_t>(length));
   }
}

void coalescer::undo(uint32_t index) {
   write& w = writes_[index];
   if (w.count < 2) return;
   const parsed& f = parsed_[w.first];
   uint8_t* const p = data(w.first);
   uint8_t* const t = p + f.transport;
   store16(p + (f.v6 ? 4 : 2), w.before.ip_length);
   if (!f.v6) store_sum(p + 10, w.before.ip_sum);
   store_sum(t + w.header.csum_offset, w.before.transport_sum);
   if (f.protocol == ip::tcp)
      t[13] = w.before.flags;
   else
      store16(t + 4, w.before.udp_length);
   w.header = virtio_header{};
}

uint32_t coalescer::pieces(uint32_t index, iovec* out) {
   write& w = writes_[index];
   uint32_t n = 0;
   out[n++] = {&w.header, sizeof w.header};
   out[n++] = {data(w.first), packets_[w.first].len};
   for (uint32_t i = next_[w.first]; i != none; i = next_[i])
      out[n++] = {data(i) + parsed_[i].headers, parsed_[i].payload};
   return n;
}

} // namespace warren::io
