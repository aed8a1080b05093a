// Reads what access rules need of an inner packet: the protocol behind IPv6 extension headers,
// fragments, ports, TCP flags, ICMP types. Every byte is hostile; bounds are checked here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace warren::route {

inline constexpr uint8_t protocol_icmp = 1, protocol_tcp = 6, protocol_udp = 17,
                         protocol_icmp6 = 58;

/// IPv6 extension headers of one packet that are walked; more is nobody's packet.
inline constexpr int extension_headers_max = 8;

/// Pointers lie inside the packet given to parse_inner().
struct inner_packet {
   uint8_t family = 0;
   uint8_t protocol = 0; // of the payload, behind extension headers
   const uint8_t* source = nullptr;
   const uint8_t* destination = nullptr;
   std::span<const uint8_t> payload; // as far as it is there
   bool fragment = false;            // a part of a packet
   uint32_t offset = 0;              // in bytes; 0: the first
   uint32_t id = 0;

   bool later_fragment() const { return fragment && offset != 0; }
   bool is_icmp() const { return protocol == (family == 4 ? protocol_icmp : protocol_icmp6); }
};

/// Nothing when it is no IP packet, shorter than it says, or has extension headers that are cut off
/// or too many. `quoted`: by an ICMP error, which gives the beginning only.
inline std::optional<inner_packet> parse_inner(std::span<const uint8_t> bytes,
                                               bool quoted = false) {
   inner_packet out;
   const uint8_t* p = bytes.data();
   if (bytes.size() < 20) return std::nullopt;
   out.family = p[0] >> 4;
   size_t at = 0, total = 0;
   if (out.family == 4) {
      at = (p[0] & 15u) * 4;
      total = static_cast<size_t>(p[2] << 8 | p[3]);
      const auto word = static_cast<uint16_t>(p[6] << 8 | p[7]);
      out.protocol = p[9];
      out.source = p + 12;
      out.destination = p + 16;
      out.offset = (word & 0x1fffu) * 8;
      out.fragment = (word & 0x3fff) != 0;
      out.id = static_cast<uint32_t>(p[4] << 8 | p[5]);
      if (at < 20) return std::nullopt;
   } else if (out.family == 6 && bytes.size() >= 40) {
      at = 40;
      total = 40 + static_cast<size_t>(p[4] << 8 | p[5]);
      out.protocol = p[6];
      out.source = p + 8;
      out.destination = p + 24;
   } else {
      return std::nullopt;
   }
   if (total < at || (total > bytes.size() && !quoted)) return std::nullopt;
   bytes = bytes.first(total < bytes.size() ? total : bytes.size());
   if (at > bytes.size()) return std::nullopt;
   for (int headers = 0; out.family == 6; headers++) {
      const uint8_t type = out.protocol;
      const bool plain = type == 0 || type == 43 || type == 60; // hop-by-hop, routing, destination
      if (!plain && type != 44 && type != 51) break;
      if (headers == extension_headers_max || bytes.size() - at < 8) return std::nullopt;
      const uint8_t* h = p + at;
      const size_t length = type == 44   ? 8
                            : type == 51 ? (h[1] + 2u) * 4 // RFC 4302
                                         : (h[1] + 1u) * 8;
      if (length > bytes.size() - at) return std::nullopt;
      out.protocol = h[0];
      at += length;
      if (type != 44) continue;
      const auto word = static_cast<uint16_t>(h[2] << 8 | h[3]);
      out.offset = word & 0xfff8u;
      out.fragment = (word & 0xfff9) != 0; // else it is a whole packet (RFC 6946)
      out.id = static_cast<uint32_t>(h[4]) << 24 | static_cast<uint32_t>(h[5]) << 16 |
               static_cast<uint32_t>(h[6]) << 8 | h[7];
      if (out.offset != 0) break; // what follows is from the middle of something
   }
   out.payload = bytes.subspan(at);
   return out;
}

/// Bytes of the payload's header that must be there to be judged.
inline size_t header_needed(const inner_packet& p) {
   if (p.protocol == protocol_tcp) return 14; // to the flags
   return p.protocol == protocol_udp || p.is_icmp() ? 8 : 0;
}

} // namespace warren::route
