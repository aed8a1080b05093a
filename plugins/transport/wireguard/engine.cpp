// The peer table and configuration of the engine. Handshakes, data and timers are in the files
// named after them.
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/peer.hpp"
#include <sodium.h>

namespace warren::wireguard {

engine::engine(engine_events& events, random_source random, std::unique_ptr<aead_backend> aead,
               const timing& times)
    : events_(events), random_(std::move(random)), aead_(std::move(aead)), times_(times),
      cookies_(times.cookie_lifetime), limiter_(random_) {}

engine::~engine() = default;

void engine::set_identity(identity own, uint64_t now, int64_t wall_ns) {
   note_time(now, wall_ns);
   own_ = std::move(own);
   has_identity_ = true;
   cookies_.set_public_key(own_.public_key);
   for (const auto& slot : peers_) {
      if (!slot) continue;
      peer& p = *slot;
      drop_handshake(p);
      const bool had_session = drop_all_sessions(p);
      p.wants_handshake = false;
      p.may_initiate_at = 0;
      p.unanswered_at = p.keepalive_at = p.erase_at = never;
      p.keepalive_again = false;
      prepare_peer(p);
      timers_.set(p.id, earliest_deadline(p));
      if (had_session) events_.session_lost(p.id, lost_reason::identity_changed);
   }
}

void engine::set_mtu(uint32_t inner_mtu) noexcept { mtu_ = inner_mtu; }

peer_id engine::add_peer(const peer_config& config) {
   if (by_key_.contains(config.public_key)) return no_peer;
   peer_id id;
   if (free_ids_.empty()) {
      id = static_cast<peer_id>(peers_.size());
      peers_.emplace_back();
   } else {
      id = free_ids_.back();
      free_ids_.pop_back();
   }
   peers_[id] = std::make_unique<peer>();
   peer& p = *peers_[id];
   p.id = id;
   p.public_key = config.public_key;
   p.psk = config.psk;
   p.remote = config.remote;
   p.tag = config.tag;
   p.persistent_keepalive = config.persistent_keepalive_s * second_ns;
   p.cookies.set_public_key(p.public_key);
   by_key_.emplace(p.public_key, id);
   if (has_identity_) prepare_peer(p);
   timers_.set(id, earliest_deadline(p));
   return id;
}

void engine::remove_peer(peer_id id) noexcept {
   peer* const p = find(id);
   if (p == nullptr) return;
   drop_handshake(*p);
   drop_all_sessions(*p);
   timers_.set(id, never);
   by_key_.erase(p->public_key);
   peers_[id].reset();
   free_ids_.push_back(id);
}

void engine::set_psk(peer_id id, const key32& psk) noexcept {
   if (peer* const p = find(id)) p->psk = psk;
}

void engine::set_keepalive(peer_id id, uint16_t seconds, uint64_t now) noexcept {
   peer* const p = find(id);
   if (p == nullptr) return;
   const bool was_off = p->persistent_keepalive == 0;
   p->persistent_keepalive = seconds * second_ns;
   // Switching it on is meant to open the path at once, not after the first interval.
   if (was_off && seconds != 0) p->last_traffic = never;
   now_ = now;
   timers_.set(id, earliest_deadline(*p));
}

void engine::set_endpoint(peer_id id, const endpoint& remote) noexcept {
   if (peer* const p = find(id)) p->remote = remote;
}

bool engine::ready(peer_id id, uint64_t now) const noexcept {
   const peer* const p = find(id);
   return p != nullptr && may_seal(p->current.get(), now);
}

void engine::want_session(peer_id id, uint64_t now) noexcept {
   peer* const p = find(id);
   if (p == nullptr || may_seal(p->current.get(), now)) return;
   request_handshake(*p, now);
}

peer_stats engine::stats(peer_id id) const noexcept {
   const peer* const p = find(id);
   if (p == nullptr) return {};
   peer_stats out = p->stats;
   out.remote = p->remote;
   out.up = may_seal(p->current.get(), now_);
   if (p->disabled != peer_error::none) out.last_error = p->disabled;
   return out;
}

endpoint engine::remote(peer_id id) const noexcept {
   const peer* const p = find(id);
   return p != nullptr ? p->remote : endpoint{};
}

uint64_t engine::tag(peer_id id) const noexcept {
   const peer* const p = find(id);
   return p != nullptr ? p->tag : 0;
}

peer_id engine::find_peer(const key32& public_key) const noexcept {
   const auto found = by_key_.find(public_key);
   return found != by_key_.end() ? found->second : no_peer;
}

peer* engine::find(peer_id id) const noexcept {
   return id < peers_.size() ? peers_[id].get() : nullptr;
}

void engine::note_time(uint64_t now, int64_t wall_ns) noexcept {
   now_ = now;
   wall_offset_ = wall_ns - static_cast<int64_t>(now);
}

// A random number that nobody can guess and that is free.
uint32_t engine::new_index(peer& p, keypair* session) {
   for (;;) {
      uint32_t index = 0;
      random_(&index, sizeof index);
      if (by_index_.try_emplace(index, index_entry{&p, session}).second) return index;
   }
}

void engine::prepare_peer(peer& p) {
   p.disabled = peer_error::none;
   sodium_memzero(p.static_static.data(), p.static_static.size());
   if (p.public_key == own_.public_key)
      p.disabled = peer_error::own_key;
   else if (!own_.dh(p.public_key.data(), p.static_static.data()))
      p.disabled = peer_error::low_order_key;
}

void engine::drop_handshake(peer& p) noexcept {
   if (!p.initiating) return;
   by_index_.erase(p.handshake_index);
   p.handshake.wipe();
   p.initiating = false;
   p.retry_at = never;
}

void engine::drop_session(std::unique_ptr<keypair>& slot) noexcept {
   if (!slot) return;
   by_index_.erase(slot->local_index);
   slot.reset();
}

bool engine::drop_all_sessions(peer& p) noexcept {
   const bool any = p.previous || p.current || p.next;
   drop_session(p.previous);
   drop_session(p.current);
   drop_session(p.next);
   return any;
}

// Only for the source of an authentic message.
void engine::set_remote(peer& p, const endpoint& from) noexcept {
   if (p.remote == from && p.remote.local == from.local) return;
   p.remote = from;
   events_.endpoint_changed(p.id, p.remote);
}

} // namespace warren::wireguard
