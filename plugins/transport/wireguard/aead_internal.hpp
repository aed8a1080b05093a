#pragma once
// What the AEAD backends share among themselves; not for the rest of the library.
#include "plugins/transport/wireguard/aead.hpp"
#include "plugins/transport/wireguard/messages.hpp"
#include <cstring>

namespace warren::wireguard {

inline constexpr size_t nonce_size = 12;

// 4 zero bytes, then the counter, little-endian.
inline void write_nonce(uint8_t* nonce, uint64_t counter) noexcept {
   std::memset(nonce, 0, 4);
   store_le64(nonce + 4, counter);
}

std::unique_ptr<aead_backend> make_openssl_aead();
std::unique_ptr<aead_backend> make_sodium_aead();
#ifdef WARREN_HAVE_IPSEC_MB
std::unique_ptr<aead_backend> make_ipsec_mb_aead(); // null when the CPU is not supported
#endif

} // namespace warren::wireguard
