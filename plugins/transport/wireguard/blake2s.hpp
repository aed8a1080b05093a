#pragma once
// BLAKE2s in the four shapes the handshake needs: hash, keyed MAC, HMAC and the HKDF chain over it.
// Stateless except for keyed_mac; the algorithm objects are fetched once per process and never
// change, so any thread may call. A failure of the crypto library (out of memory) ends the process:
// there is no safe way on.
#include "plugins/transport/wireguard/types.hpp"
#include <initializer_list>
#include <memory>
#include <span>

struct evp_mac_ctx_st;

namespace warren::wireguard {

using bytes_view = std::span<const uint8_t>;

// BLAKE2s-256 of the parts, one after the other.
key32 blake2s(std::initializer_list<bytes_view> parts) noexcept;

// Keyed BLAKE2s; the size of `out` (1..32) is the digest size and part of the hash. `key` is 1..32
// bytes.
void blake2s_mac(bytes_view key, std::initializer_list<bytes_view> parts,
                 std::span<uint8_t> out) noexcept;

// HMAC (not the keyed mode) over BLAKE2s-256; keys up to 64 bytes.
key32 hmac_blake2s(bytes_view key, std::initializer_list<bytes_view> parts) noexcept;

// HKDF with one to three outputs. Outputs may be the same object as `chaining_key`.
void kdf1(const key32& chaining_key, bytes_view input, key32& out1) noexcept;
void kdf2(const key32& chaining_key, bytes_view input, key32& out1, key32& out2) noexcept;
void kdf3(const key32& chaining_key, bytes_view input, key32& out1, key32& out2,
          key32& out3) noexcept;

// Keyed BLAKE2s-128 with a key that stays, for floods: 560 ns for an initiation, against 680 ns.
class keyed_mac {
 public:
   void set_key(const key32& key);
   std::array<uint8_t, 16> operator()(bytes_view message) noexcept;

 private:
   struct release {
      void operator()(evp_mac_ctx_st* context) const noexcept;
   };
   std::unique_ptr<evp_mac_ctx_st, release> context_;
};

} // namespace warren::wireguard
