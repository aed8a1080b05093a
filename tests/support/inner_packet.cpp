#include "tests/support/inner_packet.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace warren::support {

namespace {

void put16(bytes& p, size_t at, uint32_t v) {
   p[at] = static_cast<uint8_t>(v >> 8);
   p[at + 1] = static_cast<uint8_t>(v);
}

void put32(bytes& p, size_t at, uint32_t v) {
   put16(p, at, v >> 16);
   put16(p, at + 2, v & 0xffff);
}

uint32_t get16(const bytes& p, size_t at) { return static_cast<uint32_t>(p[at] << 8 | p[at + 1]); }
uint32_t get32(const bytes& p, size_t at) { return get16(p, at) << 16 | get16(p, at + 2); }

uint32_t words(std::span<const uint8_t> data, uint32_t sum) {
   for (size_t i = 0; i < data.size(); i += 2) {
      sum += static_cast<uint32_t>(data[i]) << 8;
      if (i + 1 < data.size()) sum += data[i + 1];
      sum = (sum & 0xffff) + (sum >> 16);
   }
   return sum;
}

uint32_t pseudo_header(const bytes& p, uint8_t protocol, size_t length) {
   uint32_t sum = p[0] >> 4 == 4 ? words({p.data() + 12, 8}, 0) : words({p.data() + 8, 32}, 0);
   sum += protocol;
   sum += static_cast<uint32_t>(length >> 16) + static_cast<uint32_t>(length & 0xffff);
   return (sum & 0xffff) + (sum >> 16);
}

} // namespace

bytes random_payload(uint64_t seed, size_t size) {
   bytes out(size);
   for (uint8_t& b : out) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      b = static_cast<uint8_t>(seed >> 56);
   }
   return out;
}

uint16_t naive_checksum(std::span<const uint8_t> data, uint32_t start) {
   return static_cast<uint16_t>(~words(data, start));
}

size_t transport_offset(const bytes& p, uint8_t& protocol) {
   if (p[0] >> 4 == 4) {
      protocol = p[9];
      return (p[0] & 15u) * 4;
   }
   protocol = p[6];
   size_t at = 40;
   while (protocol == 60 || protocol == 0 || protocol == 43) {
      if (at + 8 > p.size()) return 0;
      protocol = p[at];
      at += (p[at + 1] + 1u) * 8;
   }
   return protocol == 6 || protocol == 17 ? at : 0;
}

void set_checksums(bytes& p) {
   if (p[0] >> 4 == 4) {
      put16(p, 10, 0);
      put16(p, 10, naive_checksum({p.data(), (p[0] & 15u) * 4}));
   }
   uint8_t protocol;
   const size_t at = transport_offset(p, protocol);
   if (at == 0) return;
   const size_t field = at + (protocol == 6 ? 16 : 6);
   put16(p, field, 0);
   uint16_t sum =
         naive_checksum({p.data() + at, p.size() - at}, pseudo_header(p, protocol, p.size() - at));
   if (protocol == 17 && sum == 0) sum = 0xffff;
   put16(p, field, sum);
}

bytes make_packet(const packet_spec& s, std::span<const uint8_t> payload) {
   const size_t ip = s.v6 ? 40 + s.extension_headers * 8u : 20 + s.ip_option_words * 4u;
   const size_t transport = s.tcp ? 20 + s.tcp_option_words * 4u : 8;
   bytes p(ip + transport + payload.size());
   const auto protocol = static_cast<uint8_t>(s.tcp ? 6 : 17);
   if (s.v6) {
      put32(p, 0, 0x60000000u | static_cast<uint32_t>(s.tos) << 20);
      put16(p, 4, static_cast<uint32_t>(p.size() - 40));
      p[6] = s.extension_headers != 0 ? 60 : protocol;
      p[7] = s.ttl;
      p[8] = p[24] = 0xfd;
      p[23] = 1;
      p[39] = static_cast<uint8_t>(s.host + 1);
      for (uint8_t i = 0; i < s.extension_headers; i++) {
         p[40 + i * 8u] = i + 1 < s.extension_headers ? 60 : protocol;
         p[42 + i * 8u] = 1; // PadN
         p[43 + i * 8u] = 4;
      }
   } else {
      p[0] = static_cast<uint8_t>(0x45 + s.ip_option_words);
      p[1] = s.tos;
      put16(p, 2, static_cast<uint32_t>(p.size()));
      put16(p, 4, s.id);
      put16(p, 6, s.fragment | (s.df ? 0x4000u : 0u));
      p[8] = s.ttl;
      p[9] = protocol;
      put32(p, 12, 0x0a000001);
      put32(p, 16, 0x0a000100u + s.host);
      std::fill_n(p.begin() + 20, s.ip_option_words * 4, static_cast<uint8_t>(1));
   }
   put16(p, ip, s.source_port);
   put16(p, ip + 2, s.destination_port);
   if (s.tcp) {
      put32(p, ip + 4, s.sequence);
      put32(p, ip + 8, s.acknowledgement);
      p[ip + 12] = static_cast<uint8_t>((5 + s.tcp_option_words) << 4);
      p[ip + 13] = s.tcp_flags;
      put16(p, ip + 14, s.window);
      std::fill_n(p.begin() + static_cast<long>(ip) + 20, s.tcp_option_words * 4,
                  static_cast<uint8_t>(1));
   } else {
      put16(p, ip + 4, static_cast<uint32_t>(8 + payload.size()));
   }
   std::copy(payload.begin(), payload.end(), p.begin() + static_cast<long>(ip + transport));
   set_checksums(p);
   return p;
}

io::virtio_header make_partial(bytes& p, uint16_t gso_size) {
   io::virtio_header h;
   uint8_t protocol;
   const size_t at = transport_offset(p, protocol);
   WRN_ASSERT(at != 0);
   h.flags = 1;
   h.csum_start = static_cast<uint16_t>(at);
   h.csum_offset = protocol == 6 ? 16 : 6;
   h.gso_size = gso_size;
   if (gso_size != 0) h.gso_type = protocol == 17 ? 5 : (p[0] >> 4 == 4 ? 1 : 4);
   h.hdr_len = 3; // wrong on purpose: nobody may believe it
   put16(p, at + h.csum_offset, pseudo_header(p, protocol, p.size() - at));
   return h;
}

std::vector<bytes> naive_split(const io::virtio_header& h, const bytes& packet) {
   bytes whole = packet;
   if (h.gso_type == 0) {
      if ((h.flags & 1) != 0) {
         uint16_t sum = naive_checksum({whole.data() + h.csum_start, whole.size() - h.csum_start});
         if (sum == 0 && h.csum_offset == 6) sum = 0xffff;
         put16(whole, static_cast<size_t>(h.csum_start) + h.csum_offset, sum);
      }
      return {whole};
   }
   uint8_t protocol;
   const size_t at = transport_offset(whole, protocol);
   const size_t headers = at + (protocol == 6 ? (whole[at + 12] >> 4) * 4u : 8u);
   std::vector<bytes> out;
   for (size_t off = headers; off < whole.size(); off += h.gso_size) {
      const size_t n = std::min<size_t>(h.gso_size, whole.size() - off);
      bytes p(whole.begin(), whole.begin() + static_cast<long>(headers));
      p.insert(p.end(), whole.begin() + static_cast<long>(off),
               whole.begin() + static_cast<long>(off + n));
      if (p[0] >> 4 == 4) {
         put16(p, 2, static_cast<uint32_t>(p.size()));
         put16(p, 4, get16(whole, 4) + static_cast<uint32_t>(out.size()));
      } else {
         put16(p, 4, static_cast<uint32_t>(p.size() - 40));
      }
      if (protocol == 6) {
         put32(p, at + 4, get32(whole, at + 4) + static_cast<uint32_t>(off - headers));
         if (off + n != whole.size()) p[at + 13] &= static_cast<uint8_t>(~0x09); // PSH, FIN
         if (!out.empty()) p[at + 13] &= 0x7f;                                   // CWR
      } else {
         put16(p, at + 4, static_cast<uint32_t>(p.size() - at));
      }
      set_checksums(p);
      out.push_back(std::move(p));
   }
   return out;
}

bytes without_identification(bytes p) {
   if (p.size() < 20 || p[0] >> 4 != 4 || (p[6] & 0x40) == 0) return p;
   if (naive_checksum({p.data(), std::min<size_t>((p[0] & 15u) * 4, p.size())}) == 0)
      put16(p, 10, 0);
   put16(p, 4, 0);
   return p;
}

} // namespace warren::support
