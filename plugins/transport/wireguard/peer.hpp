#pragma once
// Everything the engine keeps for one peer: configuration, the handshake in flight, the three key
// slots and the time stamps that its timers are computed from. Plain data; the engine holds the
// rules.
#include "plugins/transport/wireguard/cookie.hpp"
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/handshake.hpp"
#include "plugins/transport/wireguard/keypair.hpp"

namespace warren::wireguard {

// A cookie reply brings the next try forward, but not the one after it: cookies can be forged on
// the path.
enum class early_retry : uint8_t { none, pending, done };

struct peer {
   // Configuration.
   peer_id id = no_peer;
   key32 public_key{};
   key32 psk{};
   endpoint remote{};
   uint64_t tag = 0;
   uint64_t persistent_keepalive = 0; // ns, 0 = off
   peer_error disabled = peer_error::none;
   key32 static_static{}; // shared secret of both static keys

   // The handshake that we started. The one that we answer needs no state: it is over with the
   // response.
   initiator_state handshake;
   uint32_t handshake_index = 0;
   bool initiating = false;
   bool superseded = false; // a session came about otherwise: do not try again
   early_retry early = early_retry::none;
   uint32_t tries = 0;
   endpoint tried;             // where the last try went
   uint32_t bad_responses = 0; // since the last try
   uint64_t retry_at = never;
   uint64_t may_initiate_at = 0; // rekey_timeout after the last handshake message that we sent
   bool wants_handshake = false; // as soon as may_initiate_at has passed
   cookie_jar cookies;
   int64_t last_sent_wall = INT64_MIN; // the last time stamp that we used
   timestamp greatest_timestamp{};     // the last one that we accepted
   uint64_t initiations_from = 0;      // none is accepted earlier

   // Sessions. `next` is the responder's, until the initiator has shown that it got the response.
   std::unique_ptr<keypair> previous;
   std::unique_ptr<keypair> current;
   std::unique_ptr<keypair> next;

   // Timers.
   uint64_t unanswered_at = never; // data was sent, and nothing authentic came back until then
   uint64_t keepalive_at = never;  // data was received, and nothing was sent until then
   bool keepalive_again = false;   // more data came while keepalive_at was running
   uint64_t last_traffic = never;  // authentic, either direction; `never` = none yet, so the
                                   // persistent keepalive is due
   uint64_t erase_at = never;

   peer_stats stats; // without remote and up

   ~peer();
};

} // namespace warren::wireguard
