// Handshake messages of the engine, both directions: what is admitted, what is answered, how
// sessions come about.
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/messages.hpp"
#include "plugins/transport/wireguard/peer.hpp"
#include <algorithm>
#include <sodium.h>

namespace warren::wireguard {

namespace {

// A response with a live receiver index is one that we asked for: the index is a random number that
// only the peer and somebody on the path can know. So it needs no cookie, up to this many forged
// ones per try.
constexpr uint32_t bad_responses_max = 4;

} // namespace

// One try, with everything fresh: no two initiations share an ephemeral key or a time stamp.
void engine::initiate(peer& p, uint64_t now) noexcept {
   drop_handshake(p);
   const int64_t wall = static_cast<int64_t>(now) + wall_offset_;
   const bool later = p.last_sent_wall == INT64_MIN ||
                      (wall > p.last_sent_wall && tai64n(wall) > tai64n(p.last_sent_wall));
   p.last_sent_wall = later ? wall : p.last_sent_wall + timestamp_step_ns;

   p.handshake_index = new_index(p, nullptr);
   p.initiating = true;
   p.bad_responses = 0;
   p.wants_handshake = false;
   p.tries++;
   p.tried = p.remote;
   initiation_message message;
   if (!create_initiation(own_.public_key, p.public_key, p.static_static, tai64n(p.last_sent_wall),
                          p.handshake_index, random_, p.handshake, message)) {
      drop_handshake(p); // a low-order key; cannot happen, because such a peer is disabled
      return;
   }
   std::array<uint8_t, initiation_message::size> bytes;
   message.write(bytes);
   p.cookies.add_macs(bytes, now, times_.cookie_lifetime);
   p.may_initiate_at = now + times_.rekey_timeout;
   p.retry_at = now + handshake_timeout();
   on_sent(p, bytes.size(), 1, now);
   arm(p, p.retry_at);
   counters_.initiations_sent++;
   events_.send(p.id, p.remote, bytes);
}

uint64_t engine::handshake_timeout() noexcept {
   return times_.rekey_timeout + random_below(times_.rekey_jitter + 1);
}

receive_result engine::receive_control(datagram& d, uint64_t now, int64_t wall_ns) noexcept {
   switch (type_of({d.data, d.len}).value_or(0)) {
   case uint32_t(message_type::initiation):
      return receive_initiation(d, now);
   case uint32_t(message_type::response):
      return receive_response(d, now, wall_ns);
   case uint32_t(message_type::cookie_reply):
      return receive_cookie(d, now);
   default:
      return receive_result::malformed;
   }
}

// Decides, before any public key operation, whether a handshake message is worth one.
//
// Load is measured as a rate, since the engine has no queue: each message with a valid mac1 fills a
// bucket that leaks one per load_interval; when it holds more than load_burst, we are under load
// until load_linger after that. Messages with a bad mac1 do not count: they cost a microsecond and
// must not make us demand cookies of everybody else.
bool engine::admit(const datagram& d, uint32_t sender_index, uint64_t now,
                   receive_result& why) noexcept {
   const std::span<const uint8_t> message{d.data, d.len};
   if (!cookies_.mac1_ok(message)) {
      why = receive_result::bad_mac;
      return false;
   }
   const uint64_t full = now + times_.load_burst * times_.load_interval;
   load_level_ = std::max(load_level_, now) + times_.load_interval;
   if (load_level_ > full) {
      load_level_ = full;
      loaded_until_ = now + times_.load_linger;
   }
   if (!under_load(now)) return true;
   if (!cookies_.mac2_ok(message, d.from, now, random_)) {
      std::array<uint8_t, cookie_reply_size> reply;
      cookies_.make_reply(message, sender_index, d.from, now, random_, reply);
      counters_.cookies_sent++;
      events_.send(no_peer, d.from, reply);
      why = receive_result::cookie_sent;
      return false;
   }
   why = receive_result::rate_limited;
   return limiter_.allow(d.from, now);
}

receive_result engine::receive_initiation(datagram& d, uint64_t now) noexcept {
   const auto message = initiation_message::parse({d.data, d.len});
   if (!message) return receive_result::malformed;
   receive_result refused{};
   if (!admit(d, message->sender, now, refused)) return refused;

   received_initiation initiation;
   if (!open_initiation_static(own_.public_key, own_.dh, *message, initiation))
      return receive_result::bad_auth;
   if (initiation.static_public == own_.public_key) return receive_result::disabled;
   peer* p = find(find_peer(initiation.static_public));
   if (p != nullptr) {
      if (p->disabled != peer_error::none) return receive_result::disabled;
      if (!open_initiation_timestamp(p->static_static, *message, initiation))
         return receive_result::bad_auth;
   } else {
      // A stranger proves its key before anybody hears of it: the static key alone can be copied by
      // anyone.
      key32 shared;
      const bool authentic = own_.dh(initiation.static_public.data(), shared.data()) &&
                             open_initiation_timestamp(shared, *message, initiation);
      sodium_memzero(shared.data(), shared.size());
      if (!authentic) return receive_result::bad_auth;
      p = find(events_.unknown_peer(initiation.static_public, d.from));
      if (p == nullptr || p->public_key != initiation.static_public)
         return receive_result::stranger;
   }
   if (initiation.sent_at <= p->greatest_timestamp) return receive_result::stale_timestamp;
   if (now < p->initiations_from) return receive_result::rate_limited;
   p->greatest_timestamp = initiation.sent_at;
   p->initiations_from = now + times_.initiation_interval;
   d.peer = p->id;
   on_received(*p, d.len, 1, now);

   response_message response;
   session_keys keys;
   const uint32_t index = new_index(*p, nullptr);
   if (!create_response(initiation, p->psk, index, random_, response, keys)) {
      by_index_.erase(index);
      return receive_result::bad_auth;
   }
   // Until the initiator confirms, data still goes out under `current`; `previous` has to make
   // room.
   drop_session(p->previous);
   drop_session(p->next);
   p->next = make_keypair(*p, keys, index, initiation.sender, false, now);
   set_remote(*p, d.from);
   std::array<uint8_t, response_message::size> bytes;
   response.write(bytes);
   p->cookies.add_macs(bytes, now, times_.cookie_lifetime);
   p->may_initiate_at = now + times_.rekey_timeout;
   on_sent(*p, bytes.size(), 1, now);
   counters_.responses_sent++;
   events_.send(p->id, p->remote, bytes);
   return receive_result::control;
}

receive_result engine::receive_response(datagram& d, uint64_t now, int64_t wall_ns) noexcept {
   const auto message = response_message::parse({d.data, d.len});
   if (!message) return receive_result::malformed;
   const auto found = by_index_.find(message->receiver);
   if (found == by_index_.end() || found->second.session != nullptr)
      return receive_result::unknown_index;
   peer& p = *found->second.owner;
   if (p.bad_responses < bad_responses_max) {
      if (!cookies_.mac1_ok({d.data, d.len})) return receive_result::bad_mac;
   } else {
      receive_result refused{};
      if (!admit(d, message->sender, now, refused)) return refused;
   }
   session_keys keys;
   if (!consume_response(p.handshake, own_.dh, p.psk, *message, keys)) {
      p.bad_responses++;
      p.stats.last_error = peer_error::response_rejected;
      return receive_result::bad_auth;
   }
   // The index stays ours: it now leads to the session.
   const uint32_t index = p.handshake_index;
   drop_handshake(p);
   auto session = make_keypair(p, keys, index, message->sender, true, now);
   if (p.next) {
      // The other side started a handshake at the same time and may use that session already.
      drop_session(p.current);
      drop_session(p.previous);
      p.previous = std::move(p.next);
   } else {
      drop_session(p.previous);
      p.previous = std::move(p.current);
   }
   p.current = std::move(session);
   d.peer = p.id;
   on_received(p, d.len, 1, now);
   set_remote(p, d.from);
   handshake_done(p, now, wall_ns);
   // The first message of the initiator confirms the keys. If nothing was staged, an empty one
   // does.
   if (p.current->send_counter == 0) send_keepalive(p, now);
   return receive_result::control;
}

receive_result engine::receive_cookie(datagram& d, uint64_t now) noexcept {
   const auto message = cookie_message::parse({d.data, d.len});
   if (!message) return receive_result::malformed;
   const auto found = by_index_.find(message->receiver);
   if (found == by_index_.end()) return receive_result::unknown_index;
   peer& p = *found->second.owner;
   if (!p.cookies.consume_reply(*message, now)) return receive_result::bad_auth;
   d.peer = p.id;
   p.stats.rx_bytes += d.len;
   p.stats.rx_packets++;
   // Not proof of who sent it, so no roaming and no timers, except that the next try comes earlier.
   if (p.initiating && found->second.session == nullptr && p.early == early_retry::none) {
      p.early = early_retry::pending;
      p.retry_at = std::min(p.retry_at, now + times_.cookie_retry_delay +
                                              random_below(times_.cookie_retry_spread + 1));
      arm(p, p.retry_at);
   }
   return receive_result::control;
}

std::unique_ptr<keypair> engine::make_keypair(peer& p, const session_keys& keys,
                                              uint32_t local_index, uint32_t remote_index,
                                              bool initiator, uint64_t now) {
   auto k = std::make_unique<keypair>();
   k->send = aead_->make_key(keys.send);
   k->receive = aead_->make_key(keys.receive);
   k->created = now;
   k->local_index = local_index;
   k->remote_index = remote_index;
   k->initiator = initiator;
   by_index_[local_index] = {&p, k.get()};
   p.erase_at = now + times_.erase_after_time;
   arm(p, p.erase_at);
   return k;
}

// A session is confirmed on both sides, as far as we can know.
void engine::handshake_done(peer& p, uint64_t now, int64_t wall_ns) noexcept {
   p.superseded = true;
   p.wants_handshake = false;
   p.tries = 0;
   p.stats.handshakes++;
   p.stats.last_handshake_ns = now;
   p.stats.last_handshake_wall_ns = wall_ns;
   p.stats.last_error = peer_error::none;
   events_.session_ready(p.id);
}

} // namespace warren::wireguard
