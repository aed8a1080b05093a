// How a Warren node that knows a peer by its node id alone learns the peer's tunnel key.
//
// A small exchange of two datagrams on the transport's socket, before any session: each side's
// signed statement "my tunnel key is K", sealed to the other's node id. Who does not know the id
// cannot form one and gets no answer; who is not in our table gets none either, so strangers learn
// nothing and see nothing but random bytes. Pure: bytes in, bytes out; mesh decides when to ask.
//
//   datagram (always 256 bytes) = sealed box( plaintext of 208 bytes )
//
//   plaintext   0  1   version, 1
//               1  1   kind: 1 question, 2 answer
//               2  6   zero
//               8  8   sequence, little-endian: Unix milliseconds when the tunnel key was taken
//               into use
//              16 16   nonce: fresh in a question, repeated in its answer
//              32 32   sender's node id
//              64 32   receiver's node id
//              96 32   sender's tunnel key
//             128 64   Ed25519 signature of "warren/tunnel-key/1" NUL and bytes 0..127
//             192 16   proof that the sender holds the tunnel key: BLAKE2b, keyed by X25519(tunnel
//             key, receiver's node id), of bytes 0..191
#pragma once

#include "core/crypto/keys.hpp"
#include "core/trust/identity.hpp"

namespace warren::trust {

inline constexpr size_t key_datagram_bytes = 256;

enum class key_message_kind : uint8_t { question = 1, answer = 2 };

struct key_message {
   key_message_kind kind = key_message_kind::question;
   uint64_t sequence = 0;
   std::array<uint8_t, 16> nonce{};
   crypto::bytes32 sender{};
   crypto::bytes32 tunnel_key{};
};

/// Could this datagram be one of ours? Cheap; tried before the cryptography, after WireGuard's
/// message types are excluded.
bool looks_like_key_datagram(std::span<const uint8_t> datagram);

/// Signs and seals; errc::invalid when `receiver` is no usable key. sender, tunnel_key and sequence
/// are taken from `self`.
base::result<std::vector<uint8_t>>
seal_key_message(const identity& self, const crypto::bytes32& receiver, const key_message& message);

/// Opens and verifies; the sender has proved its node id and named its tunnel key. Says nothing
/// about whether we know it.
base::result<key_message> open_key_message(const identity& self, std::span<const uint8_t> datagram);

} // namespace warren::trust
