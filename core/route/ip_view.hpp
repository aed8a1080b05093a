// Reads what routing needs of an inner IP packet, without copying. Every byte is hostile; bounds
// are checked here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace warren::route {

/// RFC 791 and RFC 8200 header fields. Pointers lie inside the packet given to parse_ip().
struct ip_view {
   uint8_t family = 0;        // 4 or 6
   uint8_t protocol = 0;      // IPv4 protocol, IPv6 next header (extension headers are not walked)
   uint16_t header_bytes = 0; // IPv4 with options; IPv6 always 40
   uint32_t total_bytes = 0;  // as the header says
   const uint8_t* source = nullptr; // 4 or 16 bytes
   const uint8_t* destination = nullptr;
   uint16_t source_port = 0; // 0 for what has none, and for later fragments
   uint16_t destination_port = 0;
};

/// Nothing when the packet is no IPv4 or IPv6 packet, or shorter than it says.
inline std::optional<ip_view> parse_ip(std::span<const uint8_t> packet) {
   ip_view view;
   if (packet.size() < 20) return std::nullopt;
   const uint8_t* p = packet.data();
   bool has_ports = true;
   if (p[0] >> 4 == 4) {
      view.family = 4;
      view.header_bytes = static_cast<uint16_t>((p[0] & 15) * 4);
      view.total_bytes = static_cast<uint32_t>(p[2] << 8 | p[3]);
      view.protocol = p[9];
      view.source = p + 12;
      view.destination = p + 16;
      has_ports = (p[6] & 0x1f) == 0 && p[7] == 0;
      if (view.header_bytes < 20) return std::nullopt;
   } else if (p[0] >> 4 == 6) {
      if (packet.size() < 40) return std::nullopt;
      view.family = 6;
      view.header_bytes = 40;
      view.total_bytes = 40u + static_cast<uint32_t>(p[4] << 8 | p[5]);
      view.protocol = p[6];
      view.source = p + 8;
      view.destination = p + 24;
   } else {
      return std::nullopt;
   }
   if (view.total_bytes > packet.size() || view.total_bytes < view.header_bytes)
      return std::nullopt;
   if (has_ports && (view.protocol == 6 || view.protocol == 17) &&
       view.total_bytes >= view.header_bytes + 4u) {
      const uint8_t* ports = p + view.header_bytes;
      view.source_port = static_cast<uint16_t>(ports[0] << 8 | ports[1]);
      view.destination_port = static_cast<uint16_t>(ports[2] << 8 | ports[3]);
   }
   return view;
}

} // namespace warren::route
