// How a Warren node that knows a peer by its node id alone learns the peer's tunnel key.
//
// A small exchange of two datagrams on the transport's socket, before any session: each side's
// signed statement "my tunnel key is K", sealed to the other's node id. Who does not know the id
// cannot form one and gets no answer; who is not in our table gets none either, so strangers learn
// nothing and see nothing but random bytes. Pure: bytes in, bytes out; mesh decides when to ask.
//
// In a network with certificates a node that is not in our table may still knock: it names what
// entitles it, the network's secret or an invite, and proves that it knows it by a tag.
//
//   datagram (always 320 bytes) = sealed box( plaintext of 272 bytes )
//
//   plaintext   0  1   version, 2
//               1  1   kind: 1 question, 2 answer
//               2  1   entitlement: 0 none, 1 the network's secret, 2 an invite
//               3  1   verdict of an answer: 0 come in, else why not
//               4  1   answer: 1 = the place for a link has been made just now
//               5  3   zero
//               8  8   sequence, little-endian: Unix milliseconds when the tunnel key was taken
//               into use
//              16 16   nonce: fresh in a question, repeated in its answer
//              32 32   sender's node id
//              64 32   receiver's node id
//              96 32   sender's tunnel key
//             128  8   epoch of the newest secret that the sender has
//             136  8   its name
//             144 16   invite
//             160 16   tag: BLAKE2b, keyed by what entitles, of nonce, sender, receiver, tunnel key
//             176 16   network: the first bytes of its id
//             192 64   Ed25519 signature of "warren/tunnel-key/2" NUL and bytes 0..191
//             256 16   proof that the sender holds the tunnel key: BLAKE2b, keyed by X25519(tunnel
//             key, receiver's node id), of bytes 0..255
#pragma once

#include "core/crypto/keys.hpp"
#include "core/trust/identity.hpp"

namespace warren::trust {

inline constexpr size_t key_datagram_bytes = 320;

enum class key_message_kind : uint8_t { question = 1, answer = 2 };
enum class entitlement : uint8_t { none = 0, secret = 1, invite = 2 };

struct key_message {
   key_message_kind kind = key_message_kind::question;
   uint64_t sequence = 0;
   std::array<uint8_t, 16> nonce{};
   crypto::bytes32 sender{};
   crypto::bytes32 tunnel_key{};
   entitlement by = entitlement::none;
   uint8_t verdict = 0; // trust::invite_verdict
   bool fresh = false;
   uint64_t epoch = 0;
   std::array<uint8_t, 8> secret{};
   std::array<uint8_t, 16> invite{}, tag{}, network{};
};

/// The tag by which a knock shows that its sender knows `key`.
std::array<uint8_t, 16> knock_tag(const crypto::secret32& key, const key_message& message,
                                  const crypto::bytes32& sender, const crypto::bytes32& receiver,
                                  const crypto::bytes32& tunnel_key);

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
