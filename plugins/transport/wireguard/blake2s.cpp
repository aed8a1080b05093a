// BLAKE2s over OpenSSL's EVP, with the algorithm objects fetched once.
#include "plugins/transport/wireguard/blake2s.hpp"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

namespace warren::wireguard {

namespace {

constexpr size_t block_size = 64;

void require(bool ok) noexcept {
   if (ok) return;
   std::fputs("wireguard: BLAKE2s of the OpenSSL library failed\n", stderr);
   std::abort();
}

const EVP_MD* digest() noexcept {
   static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr);
   require(fetched != nullptr);
   return fetched;
}

EVP_MAC* mac() noexcept {
   static EVP_MAC* const fetched = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
   require(fetched != nullptr);
   return fetched;
}

// A digest that can be used several times, so that an HMAC costs one context.
class hasher {
 public:
   hasher() noexcept : context_(EVP_MD_CTX_new()) { require(context_ != nullptr); }
   ~hasher() { EVP_MD_CTX_free(context_); }
   hasher(const hasher&) = delete;
   hasher& operator=(const hasher&) = delete;

   void start() noexcept { require(EVP_DigestInit_ex2(context_, digest(), nullptr) == 1); }
   void add(bytes_view part) noexcept {
      if (!part.empty()) require(EVP_DigestUpdate(context_, part.data(), part.size()) == 1);
   }
   key32 finish() noexcept {
      key32 out;
      require(EVP_DigestFinal_ex(context_, out.data(), nullptr) == 1);
      return out;
   }

   key32 hmac(bytes_view key, std::initializer_list<bytes_view> parts) noexcept {
      require(key.size() <= block_size);
      uint8_t pad[block_size] = {};
      if (!key.empty()) std::memcpy(pad, key.data(), key.size());
      for (uint8_t& byte : pad)
         byte ^= 0x36;
      start();
      add(pad);
      for (const bytes_view part : parts)
         add(part);
      key32 inner = finish();
      for (uint8_t& byte : pad)
         byte ^= 0x36 ^ 0x5c;
      start();
      add(pad);
      add(inner);
      const key32 out = finish();
      sodium_memzero(pad, sizeof pad);
      sodium_memzero(inner.data(), inner.size());
      return out;
   }

 private:
   EVP_MD_CTX* context_;
};

void hkdf(const key32& chaining_key, bytes_view input,
          std::initializer_list<key32*> outputs) noexcept {
   hasher h;
   key32 secret = h.hmac(chaining_key, {input});
   key32 previous;
   uint8_t number = 0;
   for (key32* const out : outputs) {
      number++;
      previous =
            number == 1 ? h.hmac(secret, {{&number, 1}}) : h.hmac(secret, {previous, {&number, 1}});
      *out = previous;
   }
   sodium_memzero(secret.data(), secret.size());
   sodium_memzero(previous.data(), previous.size());
}

} // namespace

key32 blake2s(std::initializer_list<bytes_view> parts) noexcept {
   hasher h;
   h.start();
   for (const bytes_view part : parts)
      h.add(part);
   return h.finish();
}

void blake2s_mac(bytes_view key, std::initializer_list<bytes_view> parts,
                 std::span<uint8_t> out) noexcept {
   size_t size = out.size();
   const OSSL_PARAM params[2] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};
   EVP_MAC_CTX* const context = EVP_MAC_CTX_new(mac());
   require(context != nullptr && EVP_MAC_init(context, key.data(), key.size(), params) == 1);
   for (const bytes_view part : parts)
      if (!part.empty()) require(EVP_MAC_update(context, part.data(), part.size()) == 1);
   require(EVP_MAC_final(context, out.data(), &size, out.size()) == 1);
   EVP_MAC_CTX_free(context);
}

key32 hmac_blake2s(bytes_view key, std::initializer_list<bytes_view> parts) noexcept {
   return hasher{}.hmac(key, parts);
}

void kdf1(const key32& chaining_key, bytes_view input, key32& out1) noexcept {
   hkdf(chaining_key, input, {&out1});
}

void kdf2(const key32& chaining_key, bytes_view input, key32& out1, key32& out2) noexcept {
   hkdf(chaining_key, input, {&out1, &out2});
}

void kdf3(const key32& chaining_key, bytes_view input, key32& out1, key32& out2,
          key32& out3) noexcept {
   hkdf(chaining_key, input, {&out1, &out2, &out3});
}

void keyed_mac::release::operator()(EVP_MAC_CTX* context) const noexcept {
   EVP_MAC_CTX_free(context);
}

void keyed_mac::set_key(const key32& key) {
   size_t size = 16;
   const OSSL_PARAM params[2] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};
   context_.reset(EVP_MAC_CTX_new(mac()));
   require(context_ && EVP_MAC_init(context_.get(), key.data(), key.size(), params) == 1);
}

std::array<uint8_t, 16> keyed_mac::operator()(bytes_view message) noexcept {
   std::array<uint8_t, 16> out;
   size_t size = out.size();
   // Without a key, init starts a new message under the key that the context has.
   require(context_ && EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 &&
           EVP_MAC_update(context_.get(), message.data(), message.size()) == 1 &&
           EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1);
   return out;
}

} // namespace warren::wireguard
