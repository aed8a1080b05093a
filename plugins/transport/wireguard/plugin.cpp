// WireGuard as a Warren transport: translates between the plugin ABI and the protocol library,
// packet by packet in place.
//
// Everything runs on the instance's strand. The library knows peers, the core knows links; one link
// is one peer. Packets that wait for a session are staged here, bounded, oldest dropped first.
#include "plugins/transport/wireguard/engine.hpp"
#include "warren/sdk.hpp"

#include <algorithm>
#include <deque>

#ifdef WARREN_WIREGUARD_TEST_TIMERS
#include "tests/support/wireguard_test_timers.hpp"
#endif

namespace warren::wireguard {

namespace {

constexpr size_t staged_max =
      128; // as other implementations do: a second of a slow flow, not a minute of a fast one
constexpr uint8_t initiation_type = 1;

timing timers() {
#ifdef WARREN_WIREGUARD_TEST_TIMERS
   return test_timers();
#else
   return {};
#endif
}

endpoint to_endpoint(const wrn_addr& addr, uint32_t local = 0) {
   endpoint e;
   e.family = addr.family;
   e.port = addr.port;
   e.scope_id = addr.scope_id;
   std::memcpy(e.ip.data(), addr.ip, e.ip.size());
   e.local = local;
   return e;
}

wrn_addr to_addr(const endpoint& e) {
   wrn_addr a{};
   a.family = e.family;
   a.prefix_len = e.family == WRN_AF_INET ? 32 : 128;
   a.port = e.port;
   a.scope_id = e.scope_id;
   std::memcpy(a.ip, e.ip.data(), e.ip.size());
   return a;
}

uint32_t drop_reason_of(receive_result r) {
   switch (r) {
   case receive_result::malformed:
      return WRN_DROP_MALFORMED;
   case receive_result::replay:
   case receive_result::stale_timestamp:
      return WRN_DROP_REPLAY;
   case receive_result::rate_limited:
      return WRN_DROP_RATE;
   case receive_result::unknown_index:
   case receive_result::stranger:
   case receive_result::disabled:
      return WRN_DROP_NO_LINK;
   case receive_result::expired:
      return WRN_DROP_EXPIRED;
   default:
      return WRN_DROP_AUTH;
   }
}

struct peer_link : sdk::link {
   peer_id id = no_peer;
   uint32_t initiations = 0; // since the last session
   std::deque<wrn_pkt> staged;
};

class transport final : public sdk::transport<transport, peer_link>, public engine_events {
 public:
   static constexpr sdk::info about{
#ifdef WARREN_WIREGUARD_TEST_TIMERS
         .id = "org.warren.wireguard-test-timers",
#else
         .id = "org.warren.wireguard",
#endif
         .name = "wireguard",
         .vendor = "Warren",
         .version = "0.1.0",
         .license = "Apache-2.0",
         .summary = "WireGuard, wire-compatible with every other implementation."};
   static constexpr std::array options{sdk::option::choice(
         "aead", "auto|ipsec-mb|openssl|libsodium", "\"auto\"",
         "Which library seals packets; auto measures them at start and takes the fastest.")};
   static constexpr std::array metrics{
         sdk::metric::counter("handshake_initiations_total", "Handshake initiations sent."),
         sdk::metric::counter("handshake_responses_total", "Handshake responses sent."),
         sdk::metric::counter("cookie_replies_total", "Cookie replies sent under load."),
         sdk::metric::counter("keepalives_total", "Keepalives sent.")};
   static constexpr wrn_transport_limits limits{WRN_TF_ROAMS_REMOTE, seal_headroom, seal_tailroom,
                                                data_overhead};

   void configure(const sdk::config& config) {
      const std::string wanted = config.text("aead");
      auto backend = wanted == "auto" ? fastest_aead([this] { return warren().stopwatch(); })
                                      : find_aead(wanted);
      if (!backend)
         throw sdk::config_error("aead", "aead \"" + wanted +
                                               "\" does not work on this machine; use \"auto\"");
      const std::string chosen(backend->name());
      engine_ = std::make_unique<engine>(
            *this, [this](void* data, size_t size) { warren().random(data, size); },
            std::move(backend), timers());
      warren().log(WRN_LOG_DEBUG, "aead_chosen", sdk::field("backend", chosen));
   }

   void on_start() {
      initiations_ = warren().make_counter("handshake_initiations_total");
      responses_ = warren().make_counter("handshake_responses_total");
      cookies_ = warren().make_counter("cookie_replies_total");
      keepalives_ = warren().make_counter("keepalives_total");
      take_identity();
   }

   void on_stop() {
      for (auto& [handle, l] : links())
         on_close(l);
      warren().timer_cancel(timer_);
      armed_ = never; // or an instance that starts again would wait for a timer that is gone
   }

   void on_event(const wrn_event& event) {
      if (event.type == WRN_EV_IDENTITY_CHANGED) take_identity();
      rearm();
   }

   void on_timer(wrn_handle, uint64_t) {
      timer_ = 0;
      armed_ = never;
      engine_->on_time(now(), warren().wall_ns());
      rearm();
   }

   void on_bound() { rearm(); }

   wrn_status on_open(link& l) {
      peer_config config;
      std::copy_n(l.params.tunnel_key.bytes, 32, config.public_key.begin());
      std::copy_n(l.params.psk.bytes, 32, config.psk.begin());
      config.persistent_keepalive_s = keepalive_of(l);
      config.remote = to_endpoint(l.remote);
      config.tag = l.handle;
      if (l.params.mtu != 0) engine_->set_mtu(l.params.mtu);
      l.id = engine_->add_peer(config);
      if (l.id == no_peer) return WRN_E_EXISTS;
      rearm();
      return WRN_OK;
   }

   void on_update(link& l) {
      key32 psk{};
      std::copy_n(l.params.psk.bytes, 32, psk.begin());
      engine_->set_psk(l.id, psk);
      engine_->set_keepalive(l.id, keepalive_of(l), now());
      if (l.params.mtu != 0) engine_->set_mtu(l.params.mtu);
      rearm();
   }

   void on_close(link& l) {
      drop_staged(l, WRN_DROP_EXPIRED);
      engine_->remove_peer(l.id);
   }

   void on_path(link& l) {
      engine_->set_endpoint(l.id, to_endpoint(l.remote));
      if (!l.staged.empty()) engine_->want_session(l.id, now());
      rearm();
   }

   void on_connect(link& l) {
      if (engine_->ready(l.id, now())) return;
      engine_->want_session(l.id, now());
      rearm();
   }

   void on_send(link& l, sdk::batch packets) {
      if (socket() == 0) return warren().drop(packets, WRN_DROP_NO_LINK, l.params.peer);
      size_t sealed = 0;
      if (l.staged.empty() && engine_->ready(l.id, now())) sealed = seal_and_send(l, packets);
      if (sealed < packets.size()) {
         stage(l, packets.subspan(sealed));
         engine_->want_session(l.id, now());
         if (!engine_->ready(l.id, now())) set_state(l, WRN_LINK_CONNECTING);
      }
      rearm();
   }

   void on_datagrams(sdk::batch packets) {
      std::array<datagram, WRN_BATCH_MAX> datagrams;
      const size_t n = packets.size();
      for (size_t i = 0; i < n; i++) {
         datagrams[i] = datagram{};
         datagrams[i].data = packets[i].buf + packets[i].off;
         datagrams[i].len = packets[i].len;
         datagrams[i].from = to_endpoint(packets[i].addr, packets[i].local);
      }
      engine_->receive({datagrams.data(), n}, now(), warren().wall_ns());
      // Runs of data of one peer go up together; descriptors are rewritten in place, and what is no
      // data leaves the run.
      size_t run = 0, kept = 0;
      peer_id run_peer = no_peer;
      const auto flush = [&] {
         if (kept == 0) return;
         const sdk::batch whole = packets.subspan(run, kept);
         kept = 0;
         if (link* l = link_of(run_peer))
            deliver(*l, whole);
         else
            warren().drop(whole, WRN_DROP_NO_LINK);
      };
      for (size_t i = 0; i < n; i++) {
         const datagram& d = datagrams[i];
         link* l = d.peer != no_peer ? link_of(d.peer) : nullptr;
         if (l != nullptr) l->stats.last_heard = now();
         if (d.result == receive_result::data) {
            packets[i].off = static_cast<uint32_t>(d.plain - packets[i].buf);
            packets[i].len = d.plain_len;
            if (kept == 0 || d.peer != run_peer) {
               flush();
               run = i;
               run_peer = d.peer;
            }
            packets[run + kept++] = packets[i];
         } else if (d.result == receive_result::keepalive || d.result == receive_result::control ||
                    d.result == receive_result::cookie_sent) {
            warren().free(packets.subspan(i, 1));
         } else {
            warren().drop(packets.subspan(i, 1), drop_reason_of(d.result),
                          l != nullptr ? l->params.peer : 0);
         }
      }
      flush();
      rearm();
   }

   void fill_stats(link& l) {
      const peer_stats s = engine_->stats(l.id);
      l.stats.state = s.up                             ? WRN_LINK_UP
                      : l.state == WRN_LINK_CONNECTING ? WRN_LINK_CONNECTING
                                                       : WRN_LINK_DOWN;
      l.stats.tx_packets = s.tx_packets;
      l.stats.tx_bytes = s.tx_bytes;
      l.stats.rx_packets = s.rx_packets;
      l.stats.rx_bytes = s.rx_bytes;
      l.stats.handshake_wall_ns = s.last_handshake_wall_ns;
      l.stats.remote = to_addr(s.remote);
   }

 private:
   // --- engine_events ---------------------------------------------------------------------------
   void send(peer_id id, const endpoint& to, std::span<const uint8_t> message) override {
      if (!to) return; // the path was taken away while a handshake was under way
      auto packet = warren().alloc(static_cast<uint32_t>(message.size()));
      if (!packet) return; // the protocol repeats what matters
      std::copy(message.begin(), message.end(), packet->buf + packet->off);
      packet->addr = to_addr(to);
      packet->local = to.local;
      packet->qos = 7;
      send_raw({&*packet, 1});
      link* l = id != no_peer && message[0] == initiation_type ? link_of(id) : nullptr;
      if (l == nullptr) return;
      // A second initiation means that the first was not answered, even while an old session could
      // still seal.
      if (++l->initiations > 1 || !engine_->ready(id, now())) set_state(*l, WRN_LINK_CONNECTING);
   }

   void session_ready(peer_id id) override {
      link* l = link_of(id);
      if (l == nullptr) return;
      l->initiations = 0;
      l->stats.last_heard = now();
      std::array<wrn_pkt, WRN_BATCH_MAX> batch;
      while (!l->staged.empty()) {
         const size_t n = std::min(l->staged.size(), batch.size());
         std::copy_n(l->staged.begin(), n, batch.begin());
         l->staged.erase(l->staged.begin(), l->staged.begin() + static_cast<long>(n));
         const size_t sealed = seal_and_send(*l, {batch.data(), n});
         if (sealed < n) {
            warren().drop({batch.data() + sealed, n - sealed}, WRN_DROP_EXPIRED, l->params.peer);
            break;
         }
      }
      set_state(*l, WRN_LINK_UP);
   }

   void session_lost(peer_id id, lost_reason reason) override {
      link* l = link_of(id);
      if (l == nullptr) return;
      l->initiations = 0;
      drop_staged(*l, WRN_DROP_EXPIRED);
      const bool rejected = engine_->stats(id).last_error == peer_error::response_rejected;
      set_state(*l, WRN_LINK_DOWN,
                rejected                                   ? WRN_E_AUTH
                : reason == lost_reason::handshake_timeout ? WRN_E_TIMEOUT
                                                           : WRN_E_CLOSED);
   }

   void endpoint_changed(peer_id id, const endpoint& remote) override {
      if (link* l = link_of(id)) moved(*l, to_addr(remote));
   }

   peer_id unknown_peer(const key32& public_key, const endpoint& from) override {
      wrn_key key{};
      std::copy(public_key.begin(), public_key.end(), key.bytes);
      const link* l = incoming(key, to_addr(from));
      return l != nullptr ? l->id : no_peer;
   }

   // --- the rest
   // ----------------------------------------------------------------------------------
   uint64_t now() const { return warren().now(); }
   link* link_of(peer_id id) { return find(engine_->tag(id)); }
   static uint16_t keepalive_of(const link& l) {
      return static_cast<uint16_t>(std::min(l.params.keepalive_s, 65535u));
   }

   void take_identity() {
      const wrn_key own = warren().tunnel_key();
      const auto* table = warren().get<wrn_host_identity>(WRN_HOST_IDENTITY);
      engine::identity identity;
      std::copy_n(own.bytes, 32, identity.public_key.begin());
      identity.dh = [this, table](const uint8_t* peer, uint8_t* out) {
         wrn_key key{}, shared{};
         std::memcpy(key.bytes, peer, 32);
         const bool ok = table->dh(warren().raw(), &key, &shared) == WRN_OK;
         std::memcpy(out, shared.bytes, 32);
         explicit_bzero(shared.bytes, sizeof shared.bytes);
         return ok;
      };
      engine_->set_identity(std::move(identity), now(), warren().wall_ns());
   }

   /// Returns how many were taken. Without an address a seal would be a number used up for nothing.
   size_t seal_and_send(link& l, sdk::batch packets) {
      const endpoint remote = engine_->remote(l.id);
      if (!remote) {
         warren().drop(packets, WRN_DROP_NO_LINK, l.params.peer);
         return packets.size();
      }
      std::array<frame, WRN_BATCH_MAX> frames;
      for (size_t i = 0; i < packets.size(); i++)
         frames[i] = {packets[i].buf + packets[i].off, packets[i].len};
      const size_t sealed = engine_->seal(l.id, {frames.data(), packets.size()}, now());
      if (sealed == 0) return 0;
      const wrn_addr addr = to_addr(remote);
      for (size_t i = 0; i < sealed; i++) {
         packets[i].off = static_cast<uint32_t>(frames[i].data - packets[i].buf);
         packets[i].len = frames[i].len;
         packets[i].addr = addr;
         packets[i].local = remote.local;
      }
      send_raw(packets.first(sealed));
      return sealed;
   }

   void stage(link& l, sdk::batch packets) {
      for (const wrn_pkt& packet : packets) {
         if (l.staged.size() == staged_max) {
            warren().drop({&l.staged.front(), 1}, WRN_DROP_QUEUE_FULL, l.params.peer);
            l.staged.pop_front();
         }
         l.staged.push_back(packet);
      }
   }

   void drop_staged(link& l, uint32_t reason) {
      for (wrn_pkt& packet : l.staged)
         warren().drop({&packet, 1}, reason, l.params.peer);
      l.staged.clear();
   }

   /// One host timer serves the engine's earliest deadline; packets only move deadlines back, so it
   /// is mostly armed already.
   void rearm() {
      const uint64_t next = engine_->next_deadline();
      if (next < armed_ && warren().timer_set(timer_, next)) armed_ = next;
      const engine_counters& c = engine_->counters();
      initiations_.set(c.initiations_sent);
      responses_.set(c.responses_sent);
      cookies_.set(c.cookies_sent);
      keepalives_.set(c.keepalives_sent);
   }

   std::unique_ptr<engine> engine_;
   wrn_handle timer_ = 0;
   uint64_t armed_ = never;
   sdk::counter initiations_, responses_, cookies_, keepalives_;
};

} // namespace

} // namespace warren::wireguard

WARREN_PLUGIN(warren::wireguard::transport)
