// warren.host.sign/1 of the fake host: real signatures by the instance's own key.
#include "core/crypto/keys.hpp"
#include "sdk/check/host_mesh.hpp"
#include "warren/host/sign.h"

#include <algorithm>
#include <array>

namespace warren::check {

namespace {

struct sign_part {
   bool made = false;
   crypto::signing_key key;
};

const crypto::signing_key& key_of(instance& who) {
   auto& part = who.part<sign_part>();
   if (!part.made) {
      std::array<uint8_t, 32> seed{};
      chance(mix(who.number) ^ 0x516e).fill(seed.data(), seed.size());
      part.key = crypto::signing_key_from_seed(seed);
      part.made = true;
   }
   return part.key;
}

std::vector<uint8_t> covered(instance& me, const wrn_str& type, const wrn_bytes& statement) {
   std::string text = "warren plugin statement 1";
   text += '\0';
   text += me.home.tested().desc->id;
   text += '\0';
   text.append(type.ptr, type.len);
   text += '\0';
   std::vector<uint8_t> all(text.begin(), text.end());
   all.insert(all.end(), statement.ptr, statement.ptr + statement.len);
   return all;
}

bool is_type(const wrn_str& type) {
   return type.ptr != nullptr && type.len >= 1 && type.len <= 64 &&
          std::all_of(type.ptr, type.ptr + type.len, [](char c) { return c > ' ' && c < 127; });
}

wrn_status WRN_CALL sign(const wrn_host* host, wrn_str type, wrn_bytes statement,
                         uint8_t* signature) {
   instance& me = instance::of(host, "sign", place::active);
   if (!is_type(type)) return WRN_E_INVALID;
   if (statement.len > WRN_STATEMENT_MAX) return WRN_E_TOO_BIG;
   const auto made = crypto::sign(key_of(me), covered(me, type, statement));
   std::copy(made.begin(), made.end(), signature);
   return WRN_OK;
}

wrn_status WRN_CALL verify(const wrn_host* host, const wrn_key* node_id, wrn_str type,
                           wrn_bytes statement, const uint8_t* signature) {
   instance& me = instance::of(host, "verify", place::active);
   if (!is_type(type)) return WRN_E_INVALID;
   if (statement.len > WRN_STATEMENT_MAX) return WRN_E_TOO_BIG;
   return crypto::verify(std::to_array(node_id->bytes), covered(me, type, statement),
                         std::span<const uint8_t, 64>(signature, 64))
                ? WRN_OK
                : WRN_E_AUTH;
}

constexpr wrn_host_sign functions{sign, verify};

} // namespace

wrn_key node_id_of(instance& who) {
   wrn_key out{};
   const auto& id = key_of(who).id;
   std::copy(id.begin(), id.end(), out.bytes);
   return out;
}

extern const host_table sign_table{WRN_HOST_SIGN, &functions, nullptr};

} // namespace warren::check
