#pragma once
// What every part of the WireGuard library shares: keys, peers and outer addresses. Times are
// monotonic nanoseconds (`now`), the wall clock is nanoseconds since 1970. Plain values, no thread
// of their own.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace warren::wireguard {

using key32 = std::array<uint8_t, 32>;

// A slot in the engine, valid from add_peer() to remove_peer(); slots are used again afterwards.
using peer_id = uint32_t;
inline constexpr peer_id no_peer = UINT32_MAX;
inline constexpr uint64_t never = UINT64_MAX;

// An outer address. Opaque except for ip and port, which cookies and rate limits are bound to.
struct endpoint {
   uint8_t family = 0; // 0 none, 4, 6
   uint16_t port = 0;
   uint32_t scope_id = 0;
   std::array<uint8_t, 16> ip{}; // family 4 uses the first four bytes, the rest is zero
   uint32_t local = 0; // which own address it came in on: echoed, never interpreted; 0 = any

   explicit operator bool() const noexcept { return family != 0; }
   // The same remote address; the local token does not count.
   friend bool operator==(const endpoint& a, const endpoint& b) noexcept {
      return a.family == b.family && a.port == b.port && a.scope_id == b.scope_id && a.ip == b.ip;
   }
};

// Fills a buffer with bytes fit for keys. Tests pass a seeded one.
using random_source = std::function<void(void* data, size_t size)>;

// X25519 of our static private key (which this library never sees) with a public key.
// False when the result is all zero, that is, when the public key is one of the low-order points.
using dh_function = std::function<bool(const uint8_t* public_key, uint8_t* shared_secret)>;

} // namespace warren::wireguard
