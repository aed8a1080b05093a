#pragma once
// Every constant of the WireGuard timer state machine, with the protocol's values as defaults.
// Tests pass shortened ones; a real node never does. Durations are nanoseconds.
#include <cstdint>

namespace warren::wireguard {

inline constexpr uint64_t second_ns = 1'000'000'000;
inline constexpr uint64_t millisecond_ns = 1'000'000;

struct timing {
   uint64_t rekey_after_messages = 1ull << 60;
   uint64_t reject_after_messages = UINT64_MAX - (1ull << 13);
   uint64_t rekey_after_time = 120 * second_ns;
   uint64_t reject_after_time = 180 * second_ns;
   uint64_t erase_after_time =
         540 * second_ns; // three times reject_after_time, without a new session
   uint64_t rekey_timeout = 5 * second_ns;
   uint64_t rekey_jitter = 333 * millisecond_ns; // a random 0..jitter is added to each timeout
   uint32_t handshake_tries = 18;                // times 5 s: gives up after 90 s
   uint64_t keepalive_timeout = 10 * second_ns;
   uint64_t cookie_lifetime = 120 * second_ns; // of a secret, and of a cookie on the other side
   uint64_t initiation_interval = 20 * millisecond_ns; // per peer, between accepted initiations

   // Ours: a cookie reply brings the next try forward to this delay plus a random 0..spread, but
   // never two tries in a row. The paper waits for rekey_timeout; five seconds of outage for every
   // peer of a busy node are worse than one more 148-byte packet from each of them.
   uint64_t cookie_retry_delay = 50 * millisecond_ns;
   uint64_t cookie_retry_spread = 200 * millisecond_ns;

   // Ours: under load = more handshake messages with a valid mac1 than `load_burst` plus one per
   // `load_interval`; the state lingers for `load_linger`. 200/s cost 1 % of a core when forged and
   // 4 % when real.
   uint64_t load_interval = 5 * millisecond_ns;
   uint32_t load_burst = 64;
   uint64_t load_linger = 1 * second_ns;

   // On receive the initiator asks for a new session this long before the old one is refused.
   constexpr uint64_t rekey_on_receive_after() const noexcept {
      return reject_after_time - keepalive_timeout - rekey_timeout;
   }
};

} // namespace warren::wireguard
