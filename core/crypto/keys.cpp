#include "core/crypto/keys.hpp"

#include "core/base/encode.hpp"

#include <algorithm>
#include <sodium.h>

namespace warren::crypto {

namespace {

constexpr std::string_view id_prefix = "key_";
constexpr std::string_view network_prefix = "net_";

/// libsodium's 64-byte secret form (seed || public), wiped on scope exit.
struct expanded_key {
   std::array<uint8_t, crypto_sign_SECRETKEYBYTES> bytes{};
   bytes32 public_key{};
   explicit expanded_key(std::span<const uint8_t, 32> seed) {
      crypto_sign_seed_keypair(public_key.data(), bytes.data(), seed.data());
   }
   ~expanded_key() { sodium_memzero(bytes.data(), bytes.size()); }
   expanded_key(const expanded_key&) = delete;
   expanded_key& operator=(const expanded_key&) = delete;
};

} // namespace

base::result<void> init() {
   if (sodium_init() < 0)
      return base::fail(base::errc::unavailable, "libsodium cannot start: no source of randomness");
   return {};
}

secret32::secret32(std::span<const uint8_t, 32> bytes) {
   std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

secret32::~secret32() { sodium_memzero(bytes_.data(), bytes_.size()); }

secret32::secret32(secret32&& other) noexcept : bytes_(other.bytes_) {
   sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

secret32& secret32::operator=(secret32&& other) noexcept {
   if (this != &other) {
      bytes_ = other.bytes_;
      sodium_memzero(other.bytes_.data(), other.bytes_.size());
   }
   return *this;
}

bool secret32::operator==(const secret32& other) const {
   return sodium_memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
}

signing_key make_signing_key(const random_source& random) {
   bytes32 seed{};
   random(seed.data(), seed.size());
   auto key = signing_key_from_seed(seed);
   sodium_memzero(seed.data(), seed.size());
   return key;
}

signing_key signing_key_from_seed(std::span<const uint8_t, 32> seed) {
   const expanded_key expanded(seed);
   return signing_key{expanded.public_key, secret32(seed)};
}

std::array<uint8_t, 64> sign(const signing_key& key, std::span<const uint8_t> message) {
   const expanded_key expanded(key.seed.bytes());
   std::array<uint8_t, 64> signature{};
   crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                        expanded.bytes.data());
   return signature;
}

bool verify(const bytes32& id, std::span<const uint8_t> message,
            std::span<const uint8_t, 64> signature) {
   return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                      id.data()) == 0;
}

tunnel_key make_tunnel_key(const random_source& random) {
   bytes32 secret{};
   random(secret.data(), secret.size());
   // Clamped as RFC 7748 section 5 does at use, so that the stored text equals what `wg pubkey` and
   // `wg showconf` print.
   secret[0] &= 248;
   secret[31] = static_cast<uint8_t>((secret[31] & 127) | 64);
   auto key = tunnel_key_from_secret(secret);
   sodium_memzero(secret.data(), secret.size());
   return key;
}

tunnel_key tunnel_key_from_secret(std::span<const uint8_t, 32> secret) {
   tunnel_key key;
   key.secret = secret32(secret);
   crypto_scalarmult_base(key.public_key.data(), secret.data());
   return key;
}

bool x25519(const secret32& secret, const bytes32& peer, bytes32& out) {
   return crypto_scalarmult(out.data(), secret.bytes().data(), peer.data()) == 0;
}

base::result<std::vector<uint8_t>> seal_to(const bytes32& node_id,
                                           std::span<const uint8_t> message) {
   bytes32 curve{};
   if (crypto_sign_ed25519_pk_to_curve25519(curve.data(), node_id.data()) != 0)
      return base::fail(base::errc::invalid, format_node_id(node_id) + " is not a valid node id");
   std::vector<uint8_t> box(message.size() + crypto_box_SEALBYTES);
   if (crypto_box_seal(box.data(), message.data(), message.size(), curve.data()) != 0)
      return base::fail(base::errc::invalid, format_node_id(node_id) + " is of low order");
   return box;
}

base::result<std::vector<uint8_t>> open_sealed(const signing_key& key,
                                               std::span<const uint8_t> box) {
   if (box.size() < crypto_box_SEALBYTES)
      return base::fail(base::errc::invalid, "sealed message too short");
   const expanded_key expanded(key.seed.bytes());
   bytes32 curve_secret{};
   bytes32 curve_public{};
   crypto_sign_ed25519_sk_to_curve25519(curve_secret.data(), expanded.bytes.data());
   const int converted = crypto_sign_ed25519_pk_to_curve25519(curve_public.data(), key.id.data());
   std::vector<uint8_t> message(box.size() - crypto_box_SEALBYTES);
   const bool opened =
         converted == 0 && crypto_box_seal_open(message.data(), box.data(), box.size(),
                                                curve_public.data(), curve_secret.data()) == 0;
   sodium_memzero(curve_secret.data(), curve_secret.size());
   if (!opened) return base::fail(base::errc::invalid, "not sealed to this node");
   return message;
}

namespace {

possession_proof possession_mac(const bytes32& shared, std::span<const uint8_t> message) {
   possession_proof proof{};
   crypto_generichash(proof.data(), proof.size(), message.data(), message.size(), shared.data(),
                      shared.size());
   return proof;
}

} // namespace

base::result<possession_proof> prove_possession(const tunnel_key& own,
                                                const bytes32& verifier_node_id,
                                                std::span<const uint8_t> message) {
   bytes32 curve{}, shared{};
   if (crypto_sign_ed25519_pk_to_curve25519(curve.data(), verifier_node_id.data()) != 0 ||
       !x25519(own.secret, curve, shared))
      return base::fail(base::errc::invalid,
                        format_node_id(verifier_node_id) + " is not a usable node id");
   const possession_proof proof = possession_mac(shared, message);
   sodium_memzero(shared.data(), shared.size());
   return proof;
}

bool verify_possession(const signing_key& own, const bytes32& prover_tunnel_key,
                       std::span<const uint8_t> message, const possession_proof& proof) {
   const expanded_key expanded(own.seed.bytes());
   bytes32 curve_secret{}, shared{};
   crypto_sign_ed25519_sk_to_curve25519(curve_secret.data(), expanded.bytes.data());
   const bool usable =
         crypto_scalarmult(shared.data(), curve_secret.data(), prover_tunnel_key.data()) == 0;
   const possession_proof wanted = possession_mac(shared, message);
   sodium_memzero(curve_secret.data(), curve_secret.size());
   sodium_memzero(shared.data(), shared.size());
   return usable && sodium_memcmp(wanted.data(), proof.data(), wanted.size()) == 0;
}

uint32_t short_name(std::string_view domain, std::span<const uint8_t> bytes) {
   std::vector<uint8_t> all(domain.begin(), domain.end());
   all.push_back(0);
   all.insert(all.end(), bytes.begin(), bytes.end());
   std::array<uint8_t, crypto_generichash_BYTES_MIN> hash{};
   crypto_generichash(hash.data(), hash.size(), all.data(), all.size(), nullptr, 0);
   return static_cast<uint32_t>(hash[0]) | static_cast<uint32_t>(hash[1]) << 8 |
          static_cast<uint32_t>(hash[2]) << 16 | static_cast<uint32_t>(hash[3]) << 24;
}

std::string format_node_id(const bytes32& id) {
   return std::string(id_prefix) + base::base58_encode(id);
}

base::result<bytes32> parse_node_id(std::string_view text) {
   bytes32 id{};
   if (!text.starts_with(id_prefix) || !base::base58_decode(text.substr(id_prefix.size()), id))
      return base::fail(base::errc::invalid,
                        "'" + std::string(text) +
                              "' is not a node id; expected key_ and 43 or 44 base58 characters, "
                              "as 'warren key show' prints");
   if (crypto_core_ed25519_is_valid_point(id.data()) == 0)
      return base::fail(base::errc::invalid,
                        "'" + std::string(text) + "' is not a point of Ed25519; was it mistyped?");
   return id;
}

std::string format_network_id(const bytes32& id) {
   return std::string(network_prefix) + base::base58_encode(id);
}

base::result<bytes32> parse_network_id(std::string_view text) {
   bytes32 id{};
   if (!text.starts_with(network_prefix) ||
       !base::base58_decode(text.substr(network_prefix.size()), id))
      return base::fail(base::errc::invalid,
                        "'" + std::string(text) +
                              "' is not a network id; expected net_ and 32 to 44 base58 "
                              "characters, as 'warren network show' prints");
   return id;
}

std::string format_tunnel_key(const bytes32& key) { return base::base64_encode(key); }

base::result<bytes32> parse_tunnel_key(std::string_view text) {
   bytes32 key{};
   if (!base::base64_decode(text, key))
      return base::fail(
            base::errc::invalid,
            "'" + std::string(text.substr(0, 8)) +
                  "…' is not a tunnel key; expected 44 base64 characters, as 'wg pubkey' prints");
   return key;
}

bool is_zero(std::span<const uint8_t> bytes) {
   return sodium_is_zero(bytes.data(), bytes.size()) == 1;
}

} // namespace warren::crypto
