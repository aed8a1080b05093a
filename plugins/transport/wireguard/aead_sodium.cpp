// ChaCha20-Poly1305 by libsodium: the slowest on x86 (its Poly1305 has no AVX), but without any
// per-call overhead and on every machine.
#include "plugins/transport/wireguard/aead_internal.hpp"
#include <sodium.h>

namespace warren::wireguard {

namespace {

class sodium_key final : public aead_key {
 public:
   explicit sodium_key(std::span<const uint8_t, 32> key) noexcept {
      std::memcpy(key_, key.data(), sizeof key_);
   }
   ~sodium_key() override { sodium_memzero(key_, sizeof key_); }

   void seal(std::span<aead_job> jobs) noexcept override {
      uint8_t nonce[nonce_size];
      for (aead_job& job : jobs) {
         write_nonce(nonce, job.counter);
         job.ok = crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                        job.data, job.data + job.len, nullptr, job.data, job.len, nullptr, 0,
                        nullptr, nonce, key_) == 0;
      }
   }

   void open(std::span<aead_job> jobs) noexcept override {
      uint8_t nonce[nonce_size];
      for (aead_job& job : jobs) {
         write_nonce(nonce, job.counter);
         job.ok = crypto_aead_chacha20poly1305_ietf_decrypt_detached(job.data, nullptr, job.data,
                                                                     job.len, job.data + job.len,
                                                                     nullptr, 0, nonce, key_) == 0;
      }
   }

 private:
   uint8_t key_[32];
};

class sodium_backend final : public aead_backend {
 public:
   std::string_view name() const noexcept override { return "libsodium"; }
   std::unique_ptr<aead_key> make_key(std::span<const uint8_t, 32> key) override {
      return std::make_unique<sodium_key>(key);
   }
};

} // namespace

std::unique_ptr<aead_backend> make_sodium_aead() {
   if (sodium_init() < 0) return nullptr;
   return std::make_unique<sodium_backend>();
}

} // namespace warren::wireguard
