#pragma once
// The wire formats: parsing and writing, nothing else. Integers are little-endian; the first byte
// is the type and the next three are zero, so together they read as a 32-bit type. Handshake
// messages have exactly one length.
#include "plugins/transport/wireguard/types.hpp"
#include <algorithm>
#include <optional>
#include <span>

namespace warren::wireguard {

inline uint32_t load_le32(const uint8_t* p) noexcept {
   return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}
inline void store_le32(uint8_t* p, uint32_t v) noexcept {
   for (int i = 0; i < 4; i++)
      p[i] = static_cast<uint8_t>(v >> 8 * i);
}
inline uint64_t load_le64(const uint8_t* p) noexcept {
   return load_le32(p) | uint64_t{load_le32(p + 4)} << 32;
}
inline void store_le64(uint8_t* p, uint64_t v) noexcept {
   store_le32(p, static_cast<uint32_t>(v));
   store_le32(p + 4, static_cast<uint32_t>(v >> 32));
}
inline uint16_t load_be16(const uint8_t* p) noexcept {
   return static_cast<uint16_t>(p[0] << 8 | p[1]);
}

enum class message_type : uint32_t { initiation = 1, response = 2, cookie_reply = 3, data = 4 };

// The type as it stands, known or not; nullopt when there is no room for one.
inline std::optional<uint32_t> type_of(std::span<const uint8_t> message) noexcept {
   if (message.size() < 4) return std::nullopt;
   return load_le32(message.data());
}

//  0         4          8            40              88                 116      132      148
//  | type 1  | sender   | ephemeral  | static + tag  | time stamp + tag | mac1   | mac2   |
struct initiation_message {
   static constexpr size_t size = 148;
   uint32_t sender = 0;
   key32 ephemeral{};
   std::array<uint8_t, 48> sealed_static{};
   std::array<uint8_t, 28> sealed_timestamp{};

   static std::optional<initiation_message> parse(std::span<const uint8_t> in) noexcept {
      if (in.size() != size || load_le32(in.data()) != uint32_t(message_type::initiation))
         return std::nullopt;
      initiation_message m;
      m.sender = load_le32(&in[4]);
      std::copy_n(&in[8], 32, m.ephemeral.begin());
      std::copy_n(&in[40], 48, m.sealed_static.begin());
      std::copy_n(&in[88], 28, m.sealed_timestamp.begin());
      return m;
   }
   // Leaves the MACs zero.
   void write(std::span<uint8_t, size> out) const noexcept {
      store_le32(&out[0], uint32_t(message_type::initiation));
      store_le32(&out[4], sender);
      std::copy(ephemeral.begin(), ephemeral.end(), &out[8]);
      std::copy(sealed_static.begin(), sealed_static.end(), &out[40]);
      std::copy(sealed_timestamp.begin(), sealed_timestamp.end(), &out[88]);
      std::fill(out.begin() + 116, out.end(), uint8_t{0});
   }
};

//  0         4          8            12           44              60       76       92
//  | type 2  | sender   | receiver   | ephemeral  | empty + tag   | mac1   | mac2   |
struct response_message {
   static constexpr size_t size = 92;
   uint32_t sender = 0;
   uint32_t receiver = 0;
   key32 ephemeral{};
   std::array<uint8_t, 16> sealed_nothing{};

   static std::optional<response_message> parse(std::span<const uint8_t> in) noexcept {
      if (in.size() != size || load_le32(in.data()) != uint32_t(message_type::response))
         return std::nullopt;
      response_message m;
      m.sender = load_le32(&in[4]);
      m.receiver = load_le32(&in[8]);
      std::copy_n(&in[12], 32, m.ephemeral.begin());
      std::copy_n(&in[44], 16, m.sealed_nothing.begin());
      return m;
   }
   // Leaves the MACs zero.
   void write(std::span<uint8_t, size> out) const noexcept {
      store_le32(&out[0], uint32_t(message_type::response));
      store_le32(&out[4], sender);
      store_le32(&out[8], receiver);
      std::copy(ephemeral.begin(), ephemeral.end(), &out[12]);
      std::copy(sealed_nothing.begin(), sealed_nothing.end(), &out[44]);
      std::fill(out.begin() + 60, out.end(), uint8_t{0});
   }
};

//  0         4            8            32                 64
//  | type 3  | receiver   | nonce 24   | cookie 16 + tag  |
struct cookie_message {
   static constexpr size_t size = 64;
   uint32_t receiver = 0;
   std::array<uint8_t, 24> nonce{};
   std::array<uint8_t, 32> sealed_cookie{};

   static std::optional<cookie_message> parse(std::span<const uint8_t> in) noexcept {
      if (in.size() != size || load_le32(in.data()) != uint32_t(message_type::cookie_reply))
         return std::nullopt;
      cookie_message m;
      m.receiver = load_le32(&in[4]);
      std::copy_n(&in[8], 24, m.nonce.begin());
      std::copy_n(&in[32], 32, m.sealed_cookie.begin());
      return m;
   }
   void write(std::span<uint8_t, size> out) const noexcept {
      store_le32(&out[0], uint32_t(message_type::cookie_reply));
      store_le32(&out[4], receiver);
      std::copy(nonce.begin(), nonce.end(), &out[8]);
      std::copy(sealed_cookie.begin(), sealed_cookie.end(), &out[32]);
   }
};

//  0         4            8            16
//  | type 4  | receiver   | counter    | ciphertext + tag 16 ...
struct data_header {
   static constexpr size_t size = 16;
   static constexpr size_t message_size_min = size + 16; // an empty packet: a keepalive

   static bool is_data(std::span<const uint8_t> in) noexcept {
      return in.size() >= message_size_min && load_le32(in.data()) == uint32_t(message_type::data);
   }
   static uint32_t receiver(const uint8_t* message) noexcept { return load_le32(message + 4); }
   static uint64_t counter(const uint8_t* message) noexcept { return load_le64(message + 8); }
   static void write(uint8_t* message, uint32_t receiver, uint64_t counter) noexcept {
      store_le32(message, uint32_t(message_type::data));
      store_le32(message + 4, receiver);
      store_le64(message + 8, counter);
   }
};

} // namespace warren::wireguard
