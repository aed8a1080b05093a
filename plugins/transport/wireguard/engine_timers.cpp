// Timers of the engine. A peer's true deadlines are fields that packets only move to later times;
// the heap holds a lower bound of the earliest one. When that bound is reached, fire() looks again
// and puts back what is left.
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/peer.hpp"
#include <algorithm>

namespace warren::wireguard {

namespace {

constexpr size_t fired_per_call_max = 64; // an initiation costs about 0.1 ms

uint64_t persistent_keepalive_at(const peer& p) noexcept {
   if (p.persistent_keepalive == 0) return never;
   return p.last_traffic != never ? p.last_traffic + p.persistent_keepalive : 0;
}

} // namespace

void engine::on_time(uint64_t now, int64_t wall_ns) noexcept {
   note_time(now, wall_ns);
   for (size_t i = 0; i < fired_per_call_max && timers_.next() <= now; i++) {
      peer& p = *find(timers_.next_peer());
      fire(p, now);
      timers_.set(p.id, earliest_deadline(p));
   }
}

// Starts a handshake, unless one is running; when one was sent a moment ago, as soon as that is
// long enough ago. A new address does not wait and gets all its tries.
void engine::request_handshake(peer& p, uint64_t now) noexcept {
   if (!has_identity_ || p.disabled != peer_error::none) return;
   const bool new_address = p.initiating && !(p.tried == p.remote);
   if (p.initiating && !new_address) return;
   if (!p.remote) {
      p.stats.last_error = peer_error::no_endpoint;
      return;
   }
   if (now < p.may_initiate_at && !new_address) {
      p.wants_handshake = true;
      arm(p, p.may_initiate_at);
      return;
   }
   p.tries = 0;
   p.early = early_retry::none;
   p.superseded = false;
   initiate(p, now);
}

uint64_t engine::earliest_deadline(const peer& p) const noexcept {
   if (!has_identity_ || p.disabled != peer_error::none) return never;
   return std::min({p.retry_at, p.wants_handshake ? p.may_initiate_at : never, p.unanswered_at,
                    p.keepalive_at, persistent_keepalive_at(p), p.erase_at});
}

void engine::arm(peer& p, uint64_t deadline) noexcept {
   if (deadline < timers_.deadline(p.id)) timers_.set(p.id, deadline);
}

// Every branch moves its own deadline beyond `now`, or on_time() would not come to an end.
void engine::fire(peer& p, uint64_t now) noexcept {
   const auto forget_source = [&] { // perhaps the own address is what stopped working
      if (p.remote.local == 0) return;
      p.remote.local = 0;
      events_.endpoint_changed(p.id, p.remote);
   };
   if (now >= p.retry_at) {
      if (p.superseded) {
         drop_handshake(p);
      } else if (p.early == early_retry::pending) {
         p.early = early_retry::done;
         p.tries--; // an extra one, or the tries would be over too soon
         initiate(p, now);
      } else if (p.tries < times_.handshake_tries) {
         p.early = early_retry::none;
         forget_source();
         initiate(p, now);
      } else {
         drop_handshake(p);
         p.unanswered_at = never;
         p.stats.last_error = peer_error::handshake_timeout;
         if (p.erase_at == never && (p.previous || p.current || p.next))
            p.erase_at = now + times_.erase_after_time;
         events_.session_lost(p.id, lost_reason::handshake_timeout);
      }
   }
   if (now >= p.unanswered_at) {
      p.unanswered_at = never;
      forget_source();
      request_handshake(p, now);
   }
   if (now >= p.keepalive_at) {
      const bool again = p.keepalive_again;
      p.keepalive_at = never;
      p.keepalive_again = false;
      send_keepalive(p, now);
      if (again) p.keepalive_at = now + times_.keepalive_timeout;
   }
   if (now >= persistent_keepalive_at(p)) {
      p.last_traffic = now; // also when nothing can be sent: then try again in one interval
      if (may_seal(p.current.get(), now))
         send_keepalive(p, now);
      else
         request_handshake(p, now);
   }
   if (p.wants_handshake && now >= p.may_initiate_at) {
      p.wants_handshake = false;
      request_handshake(p, now);
   }
   if (now >= p.erase_at) {
      p.erase_at = never;
      if (drop_all_sessions(p)) events_.session_lost(p.id, lost_reason::keys_erased);
   }
}

void engine::on_sent(peer& p, size_t bytes, size_t packets, uint64_t now) noexcept {
   p.stats.tx_bytes += bytes;
   p.stats.tx_packets += packets;
   p.last_traffic = now;
   p.keepalive_at = never;
   p.keepalive_again = false;
}

void engine::on_data_sent(peer& p, uint64_t now) noexcept {
   if (p.unanswered_at != never) return;
   p.unanswered_at = now + times_.keepalive_timeout + handshake_timeout();
   arm(p, p.unanswered_at);
}

void engine::on_received(peer& p, size_t bytes, size_t packets, uint64_t now) noexcept {
   p.stats.rx_bytes += bytes;
   p.stats.rx_packets += packets;
   p.last_traffic = now;
   p.unanswered_at = never;
}

// Only data arms the passive keepalive; if keepalives did, both sides would answer each other's for
// ever.
void engine::on_data_received(peer& p, size_t packets, uint64_t now) noexcept {
   if (p.keepalive_at == never) {
      p.keepalive_at = now + times_.keepalive_timeout;
      arm(p, p.keepalive_at);
      packets--;
   }
   if (packets != 0) p.keepalive_again = true;
}

uint64_t engine::random_below(uint64_t bound) noexcept {
   uint64_t value = 0;
   random_(&value, sizeof value);
   return value % bound;
}

} // namespace warren::wireguard
