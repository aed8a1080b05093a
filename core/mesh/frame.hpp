// Mesh frames: what Warren nodes say to each other inside a link, beside IP packets. docs/wire.md
// has the same layout.
//
//   0  1  first nibble 0, second nibble 1 (frame version)
//   1  1  type
//   2  1  hops left; 0 = for the neighbour only
//   3  1  zero
//   4  2  length of what follows the header, little-endian
//   6  2  overlay: which transport (first bytes of the BLAKE2b of its name); else zero
//   8  4  source: member number, or until there are certificates the first bytes of the BLAKE2b of
//         the node id; only overlay frames use it
//  12  4  destination, likewise
//
//   type 1 hello         u16 lowest and u16 highest wire version, u32 zero, u64 features, u64 epoch
//                        of the newest network secret, u64 its name
//   type 2 echo          u64 token of the sender's choice, u64 that the sending process has chosen
//   type 3 echo reply    the token
//   type 4 message       u32 channel, then bytes for the plugin of that channel
//   type 5 bulk segment  core/mesh/bulk.hpp
//   type 6 bulk ack      likewise
//   type 7 overlay       a datagram of the transport named in bytes 6 and 7, from the source to the
//                        destination member
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

enum class frame_type : uint8_t {
   hello = 1,
   echo = 2,
   echo_reply = 3,
   message = 4,
   bulk_segment = 5,
   bulk_ack = 6,
   overlay = 7,
};

struct frame {
   frame_type type{};
   uint8_t hops = 0;
   uint16_t transport = 0;
   uint32_t source = 0, destination = 0;
   std::span<const uint8_t> body;
};

struct hello {
   uint16_t version_min = wire_version, version_max = wire_version;
   uint64_t features = 0;
   uint64_t epoch = 0; // of a network with certificates
   std::array<uint8_t, 8> secret{};
};
inline constexpr size_t hello_bytes = 32;
inline constexpr size_t echo_bytes = 8, echo_instance_bytes = 16;

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
   return frame{static_cast<frame_type>(packet[1]),
                packet[2],
                static_cast<uint16_t>(get_le(&packet[6], 2)),
                static_cast<uint32_t>(get_le(&packet[8], 4)),
                static_cast<uint32_t>(get_le(&packet[12], 4)),
                packet.subspan(frame_header_bytes, length)};
}

inline std::optional<hello> parse_hello(std::span<const uint8_t> body) {
   if (body.size() < hello_bytes) return std::nullopt;
   hello h{static_cast<uint16_t>(get_le(&body[0], 2)),
           static_cast<uint16_t>(get_le(&body[2], 2)),
           get_le(&body[8], 8),
           get_le(&body[16], 8),
           {}};
   std::copy_n(&body[24], h.secret.size(), h.secret.begin());
   return h;
}

/// The header alone, before a body that is there already.
inline void write_overlay_header(uint8_t* out, uint8_t hops, size_t body_bytes, uint16_t transport,
                                 uint32_t source, uint32_t destination) {
   out[0] = 0x01;
   out[1] = static_cast<uint8_t>(frame_type::overlay);
   out[2] = hops;
   out[3] = 0;
   put_le(out + 4, body_bytes, 2);
   put_le(out + 6, transport, 2);
   put_le(out + 8, source, 4);
   put_le(out + 12, destination, 4);
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
   put_le(&body[16], h.epoch, 8);
   std::copy(h.secret.begin(), h.secret.end(), &body[24]);
   return body;
}

} // namespace warren::mesh
