// Keys and the few operations on them that the core itself needs, over libsodium. Values; any
// thread after init(). Secret halves are wiped when they go out of scope and are never formatted
// except by the one function that writes key files.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace warren::crypto {

/// Prepares libsodium; call once before anything else here.
base::result<void> init();

using bytes32 = std::array<uint8_t, 32>;

/// 32 secret bytes, wiped on destruction. Copying is explicit by clone().
class secret32 {
 public:
   secret32() = default;
   explicit secret32(std::span<const uint8_t, 32> bytes);
   ~secret32();
   secret32(secret32&& other) noexcept;
   secret32& operator=(secret32&& other) noexcept;
   secret32(const secret32&) = delete;
   secret32& operator=(const secret32&) = delete;

   secret32 clone() const { return secret32(std::span<const uint8_t, 32>(bytes_)); }
   std::span<const uint8_t, 32> bytes() const { return bytes_; }
   bool operator==(const secret32& other) const; // constant time

 private:
   bytes32 bytes_{};
};

using random_source = std::function<void(void*, size_t)>;

/// Ed25519 (RFC 8032): the node id and what signs for it.
struct signing_key {
   bytes32 id{}; // public
   secret32 seed;
};
signing_key make_signing_key(const random_source& random);
signing_key signing_key_from_seed(std::span<const uint8_t, 32> seed);
std::array<uint8_t, 64> sign(const signing_key& key, std::span<const uint8_t> message);
bool verify(const bytes32& id, std::span<const uint8_t> message,
            std::span<const uint8_t, 64> signature);

/// X25519 (RFC 7748): the tunnel key, what WireGuard sees.
struct tunnel_key {
   bytes32 public_key{};
   secret32 secret;
};
tunnel_key make_tunnel_key(const random_source& random);
tunnel_key tunnel_key_from_secret(std::span<const uint8_t, 32> secret);
/// False when the result is all zero: `peer` is of low order.
bool x25519(const secret32& secret, const bytes32& peer, bytes32& out);

/// Anonymous public-key encryption to the holder of a node id (libsodium sealed box on the curve
/// image of the Ed25519 key).
inline constexpr size_t sealed_overhead = 48;
base::result<std::vector<uint8_t>> seal_to(const bytes32& node_id,
                                           std::span<const uint8_t> message);
base::result<std::vector<uint8_t>> open_sealed(const signing_key& key,
                                               std::span<const uint8_t> box);

/// Proves to the holder of a node id that the caller holds a tunnel key: a keyed BLAKE2b over
/// `message` with the X25519 secret of both. errc::invalid when the other side's key is of low
/// order.
using possession_proof = std::array<uint8_t, 16>;
base::result<possession_proof> prove_possession(const tunnel_key& own,
                                                const bytes32& verifier_node_id,
                                                std::span<const uint8_t> message);
bool verify_possession(const signing_key& own, const bytes32& prover_tunnel_key,
                       std::span<const uint8_t> message, const possession_proof& proof);

/// The first bytes of the BLAKE2b of a text and bytes: short names for what is long. Not secret.
uint32_t short_name(std::string_view domain, std::span<const uint8_t> bytes);

/// "key_" and base58 of the 32 bytes.
std::string format_node_id(const bytes32& id);
base::result<bytes32> parse_node_id(std::string_view text);
/// "net_" and base58 of the 32 bytes: a network's id, the hash of its first document.
std::string format_network_id(const bytes32& id);
base::result<bytes32> parse_network_id(std::string_view text);
/// Base64 as `wg` writes it.
std::string format_tunnel_key(const bytes32& key);
base::result<bytes32> parse_tunnel_key(std::string_view text);

bool is_zero(std::span<const uint8_t> bytes);

} // namespace warren::crypto
