// ChaCha20-Poly1305 by OpenSSL's EVP. The cost per call is kept down as far as EVP lets us: the
// cipher is fetched once per backend, a context lives as long as its key, and per packet only the
// nonce is set.
#include "plugins/transport/wireguard/aead_internal.hpp"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace warren::wireguard {

namespace {

struct free_cipher {
   void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
};
struct free_context { // OpenSSL wipes the key in it
   void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};

class openssl_key final : public aead_key {
 public:
   openssl_key(const EVP_CIPHER* cipher, const uint8_t* key) : context_(EVP_CIPHER_CTX_new()) {
      good_ = context_ && EVP_EncryptInit_ex2(context_.get(), cipher, key, nullptr, nullptr) == 1;
   }

   // One context serves both directions: without a cipher and a key, Init only sets direction and
   // nonce.
   void seal(std::span<aead_job> jobs) noexcept override {
      uint8_t nonce[nonce_size];
      for (aead_job& job : jobs) {
         write_nonce(nonce, job.counter);
         int done = 0;
         OSSL_PARAM params[2] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                                   job.data + job.len, tag_size),
                                 OSSL_PARAM_construct_end()};
         job.ok = good_ &&
                  EVP_EncryptInit_ex2(context_.get(), nullptr, nullptr, nonce, nullptr) == 1 &&
                  update(job, EVP_EncryptUpdate) &&
                  EVP_EncryptFinal_ex(context_.get(), nonce, &done) == 1 &&
                  EVP_CIPHER_CTX_get_params(context_.get(), params) == 1;
      }
   }

   void open(std::span<aead_job> jobs) noexcept override {
      uint8_t nonce[nonce_size];
      for (aead_job& job : jobs) {
         write_nonce(nonce, job.counter);
         int done = 0;
         const OSSL_PARAM params[2] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                                         job.data + job.len,
                                                                         tag_size),
                                       OSSL_PARAM_construct_end()};
         job.ok = good_ &&
                  EVP_DecryptInit_ex2(context_.get(), nullptr, nullptr, nonce, params) == 1 &&
                  update(job, EVP_DecryptUpdate) &&
                  EVP_DecryptFinal_ex(context_.get(), nonce, &done) == 1;
      }
   }

 private:
   template <class Update> bool update(const aead_job& job, Update function) noexcept {
      // The length is remote input only up to the size of a datagram; EVP takes an int.
      int done = 0;
      return job.len == 0 ||
             function(context_.get(), job.data, &done, job.data, static_cast<int>(job.len)) == 1;
   }

   std::unique_ptr<EVP_CIPHER_CTX, free_context> context_;
   bool good_ = false;
};

class openssl_backend final : public aead_backend {
 public:
   std::string_view name() const noexcept override { return "openssl"; }
   std::unique_ptr<aead_key> make_key(std::span<const uint8_t, 32> key) override {
      if (!cipher_) return nullptr;
      return std::make_unique<openssl_key>(cipher_.get(), key.data());
   }

 private:
   std::unique_ptr<EVP_CIPHER, free_cipher> cipher_{
         EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)};
};

} // namespace

std::unique_ptr<aead_backend> make_openssl_aead() { return std::make_unique<openssl_backend>(); }

} // namespace warren::wireguard
