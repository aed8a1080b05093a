// warren.host.identity/1 of the fake host: real keys, made from the number of the instance.
#include "sdk/check/host_identity.hpp"
#include "core/crypto/keys.hpp"
#include "sdk/check/host_mesh.hpp"

#include <algorithm>

namespace warren::check {

namespace {

crypto::bytes32 seed_of(const instance& who, const char* what, uint64_t generation) {
   crypto::bytes32 seed;
   uint64_t x = mix(who.number) ^ mix(generation + static_cast<uint64_t>(*what));
   for (uint8_t& b : seed)
      b = static_cast<uint8_t>(x = mix(x));
   return seed;
}

const crypto::tunnel_key& key_of(instance& who) {
   struct made {
      uint64_t generation = UINT64_MAX;
      crypto::tunnel_key key;
   };
   auto& m = who.part<made>();
   const uint64_t wanted = who.part<identity_part>().generation;
   if (m.generation != wanted) {
      m.key = crypto::tunnel_key_from_secret(seed_of(who, "tunnel", wanted));
      m.generation = wanted;
   }
   return m.key;
}

void WRN_CALL node_id(const wrn_host* host, wrn_key* out) {
   *out = node_id_of(instance::of(host, "node_id", place::main_io));
}
void WRN_CALL tunnel_key(const wrn_host* host, wrn_key* out) {
   *out = tunnel_key_of(instance::of(host, "tunnel_key", place::main_io));
}

wrn_status WRN_CALL dh(const wrn_host* host, const wrn_key* peer, wrn_key* out) {
   instance& me = instance::of(host, "dh", place::main_io);
   crypto::bytes32 shared{};
   if (me.fails("dh") || !crypto::x25519(key_of(me).secret, std::to_array(peer->bytes), shared))
      return WRN_E_AUTH;
   std::copy(shared.begin(), shared.end(), out->bytes);
   if (me.secrets.size() < 64) me.secrets.emplace_back(shared.begin(), shared.end());
   return WRN_OK;
}

constexpr wrn_host_identity functions{node_id, tunnel_key, dh};

} // namespace

wrn_key tunnel_key_of(instance& who) {
   if (instance* other = who.part<identity_part>().claims) return tunnel_key_of(*other);
   wrn_key out{};
   const auto& key = key_of(who).public_key;
   std::copy(key.begin(), key.end(), out.bytes);
   return out;
}

extern const host_table identity_table{WRN_HOST_IDENTITY, &functions, nullptr};

} // namespace warren::check
