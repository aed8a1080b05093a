// Mesh frames: what Warren nodes say to each other inside a link, beside IP packets. docs/wire.md
// has the same layout.
//
//   0  1  first nibble 0, second nibble 1 (frame version)
//   1  1  type
//   2  1  hops left; 0 = for the neighbour only
//   3  1  zero
//   4  2  length of what follows the header, little-endian
//   6  2  zero
//   8  4  source member number (0 until there are certificates)
//  12  4  destination member number, likewise
//
//   type 1 hello       u16 lowest and u16 highest wire version, u32 zero, u64 features, u64 record
//   sequence type 2 echo        u64 token of the sender's choice type 3 echo reply  the token
//
// Transports may pad a frame; length decides. Unknown types are ignored and counted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace warren::mesh {

inline constexpr size_t frame_header_bytes = 16;
inline constexpr uint16_t wire_version = 1;

enum class frame_type : uint8_t { hello = 1, echo = 2, echo_reply = 3 };

struct frame {
   frame_type type{};
   std::span<const uint8_t> body;
};

struct hello {
   uint16_t version_min = wire_version, version_max = wire_version;
   uint64_t features = 0;
   uint64_t record_sequence = 0;
};
inline constexpr size_t hello_bytes = 24;
inline constexpr size_t echo_bytes = 8;

inline uint64_t get_le(const uint8_t* at, size_t bytes) {
   uint64_t v = 0;
   for (size_t i = bytes; i-- > 0;)
      v = v << 8 | at[i];
   return v;
}
inline void put_le(uint8_t* at, uint64_t v, size_t bytes) {
   for (size_t i = 0; i < bytes; i++)
      at[i] = static_cast<uint8_t>(v >> (8 * i));
}

/// Nothing for another frame version or a length beyond the packet.
inline std::optional<frame> parse_frame(std::span<const uint8_t> packet) {
   if (packet.size() < frame_header_bytes || packet[0] != 0x01) return std::nullopt;
   const size_t length = get_le(&packet[4], 2);
   if (length > packet.size() - frame_header_bytes) return std::nullopt;
   return frame{static_cast<frame_type>(packet[1]), packet.subspan(frame_header_bytes, length)};
}

inline std::optional<hello> parse_hello(std::span<const uint8_t> body) {
   if (body.size() < hello_bytes) return std::nullopt;
   return hello{static_cast<uint16_t>(get_le(&body[0], 2)),
                static_cast<uint16_t>(get_le(&body[2], 2)), get_le(&body[8], 8),
                get_le(&body[16], 8)};
}

/// `out` has room for the header and the body.
inline size_t write_frame(uint8_t* out, frame_type type, std::span<const uint8_t> body) {
   std::fill_n(out, frame_header_bytes, uint8_t{0});
   out[0] = 0x01;
   out[1] = static_cast<uint8_t>(type);
   put_le(out + 4, body.size(), 2);
   std::copy(body.begin(), body.end(), out + frame_header_bytes);
   return frame_header_bytes + body.size();
}

inline std::array<uint8_t, hello_bytes> write_hello(const hello& h) {
   std::array<uint8_t, hello_bytes> body{};
   put_le(&body[0], h.version_min, 2);
   put_le(&body[2], h.version_max, 2);
   put_le(&body[8], h.features, 8);
   put_le(&body[16], h.record_sequence, 8);
   return body;
}

} // namespace warren::mesh
