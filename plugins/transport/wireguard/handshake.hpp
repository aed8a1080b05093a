#pragma once
// The Noise_IKpsk2 handshake: four steps as functions over small states that wipe themselves. The
// static private key stays with the caller, who does X25519 for us. No MACs, timers or replay
// checks here; see cookie.hpp and engine.hpp.
#include "plugins/transport/wireguard/messages.hpp"
#include "plugins/transport/wireguard/types.hpp"

namespace warren::wireguard {

using timestamp = std::array<uint8_t, 12>; // TAI64N; compares as bytes

// Whitened to steps of 2^24 ns, so that it tells nobody how precise our clock is.
inline constexpr int64_t timestamp_step_ns = 1 << 24;
timestamp tai64n(int64_t wall_ns) noexcept;

struct session_keys {
   key32 send{};
   key32 receive{};
   ~session_keys();
};

// What the initiator keeps between its message and the response.
struct initiator_state {
   key32 chaining_key{};
   key32 hash{};
   key32 ephemeral_private{};
   ~initiator_state() { wipe(); }
   void wipe() noexcept;
};

// What the responder knows from an initiation.
struct received_initiation {
   key32 chaining_key{};
   key32 hash{};
   key32 ephemeral{};
   key32 static_public{};
   timestamp sent_at{};
   uint32_t sender = 0;
   ~received_initiation();
};

// `static_static` is the shared secret of both static keys, computed once per peer.
// False when the peer's key is a low-order point.
[[nodiscard]] bool create_initiation(const key32& own_public, const key32& peer_public,
                                     const key32& static_static, const timestamp& now,
                                     uint32_t sender, const random_source& random,
                                     initiator_state& state, initiation_message& out) noexcept;

// Reads who sent it. Not authentic yet: anyone can encrypt anyone's public key to us.
[[nodiscard]] bool open_initiation_static(const key32& own_public, const dh_function& own_dh,
                                          const initiation_message& in,
                                          received_initiation& out) noexcept;
// Reads when it was sent; true proves that the sender holds the private key of `static_public`.
[[nodiscard]] bool open_initiation_timestamp(const key32& static_static,
                                             const initiation_message& in,
                                             received_initiation& state) noexcept;

[[nodiscard]] bool create_response(const received_initiation& initiation, const key32& psk,
                                   uint32_t sender, const random_source& random,
                                   response_message& out, session_keys& keys) noexcept;

// Leaves `state` as it was when the response is not authentic, so that a forged one cannot end the
// handshake.
[[nodiscard]] bool consume_response(const initiator_state& state, const dh_function& own_dh,
                                    const key32& psk, const response_message& in,
                                    session_keys& keys) noexcept;

} // namespace warren::wireguard
