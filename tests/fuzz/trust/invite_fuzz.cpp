// Input: an invite as text; or, after "!", claims that are signed with the issuer's key first, so
// that what lies behind the signature is reached, too. What is taken is within its bounds and can
// be written and read again unchanged.
#include "core/base/encode.hpp"
#include "core/trust/invite.hpp"
#include "core/trust/name.hpp"

#include <cstddef>
#include <cstdint>

namespace {

namespace base = warren::base;
namespace crypto = warren::crypto;
namespace trust = warren::trust;

std::span<const uint8_t> bytes_of(std::string_view text) {
   return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// The seed is 32 times 1; the corpus is made with the same.
const crypto::signing_key& issuer() {
   static const crypto::signing_key key = [] {
      crypto::bytes32 seed{};
      seed.fill(1);
      return crypto::signing_key_from_seed(seed);
   }();
   return key;
}

std::string signed_token(std::string_view claims) {
   const std::string text = base::base64url_encode(bytes_of(R"({"alg":"EdDSA","typ":"JWT"})")) +
                            "." + base::base64url_encode(bytes_of(claims));
   return text + "." + base::base64url_encode(crypto::sign(issuer(), bytes_of(text)));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = crypto::init().has_value();
   WRN_ASSERT(ready);
   std::string text(reinterpret_cast<const char*>(data), size);
   if (text.starts_with('!')) text = signed_token(std::string_view(text).substr(1));
   const auto first = trust::parse_invite(text);
   if (!first) {
      WRN_ASSERT(!first.error().text.empty() && first.error().text.size() < 400);
      return 0;
   }
   WRN_ASSERT(first->token.size() <= trust::invite_bytes_max);
   if (!first->signature_ok) {
      WRN_ASSERT(!first->why.empty());
      return 0;
   }
   const trust::invite& v = first->value;
   WRN_ASSERT(trust::is_name(v.network_name));
   WRN_ASSERT(!v.endpoints.empty() && v.endpoints.size() <= trust::invite_endpoints_max);
   if (v.issuer != issuer().id) return 0;
   const auto token = trust::encode_invite(v, issuer());
   if (!token) return 0; // too long once it is written in full
   const auto second = trust::parse_invite(*token);
   WRN_ASSERT(second && second->signature_ok && second->value.secret == v.secret);
   WRN_ASSERT(trust::encode_invite(second->value, issuer()).value() == *token);
   return 0;
}
