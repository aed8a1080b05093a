// WireGuard as a Warren transport: translates between the plugin ABI and the protocol library, packet by packet in place.
//
// Everything runs on the instance's strand. The library knows peers, the core knows links; one link is one peer. Packets that wait for
// a session are staged here, bounded, oldest dropped first.
#include "plugins/transport/wireguard/engine.hpp"
#include "warren/ext/transport.h"
#include "warren/host/identity.h"
#include "warren/host/metrics.h"
#include "warren/host/udp.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <unordered_map>

#ifdef WARREN_WIREGUARD_TEST_TIMERS
#include "tests/support/wireguard_test_timers.hpp"
#endif

namespace warren::wireguard {

namespace {

constexpr size_t staged_max = 128; // as other implementations do: a second of a slow flow, not a minute of a fast one
constexpr uint32_t initiation_type = 1;

constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_UDP, WRN_HOST_LINK, WRN_HOST_IDENTITY, WRN_HOST_METRICS, nullptr};
constexpr wrn_param params[] = {
      {"aead", WRN_P_ENUM, 0, "auto|ipsec-mb|openssl|libsodium", "\"auto\"",
       "Which library seals packets; auto measures them at start and takes the fastest."},
      {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr wrn_plugin_desc description{
#ifdef WARREN_WIREGUARD_TEST_TIMERS
      "org.warren.wireguard-test-timers", "wireguard",
#else
      "org.warren.wireguard", "wireguard",
#endif
      "Warren", "0.1.0", "Apache-2.0", "WireGuard, wire-compatible with every other implementation.",
      WRN_KIND_TRANSPORT, 0, WRN_CAP_DETERMINISTIC, params, needs};

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
   case receive_result::malformed: return WRN_DROP_MALFORMED;
   case receive_result::replay:
   case receive_result::stale_timestamp: return WRN_DROP_REPLAY;
   case receive_result::rate_limited: return WRN_DROP_RATE;
   case receive_result::unknown_index:
   case receive_result::stranger:
   case receive_result::disabled: return WRN_DROP_NO_LINK;
   case receive_result::expired: return WRN_DROP_EXPIRED;
   default: return WRN_DROP_AUTH;
   }
}

struct link_state {
   wrn_handle link = 0;
   wrn_handle peer = 0;
   peer_id id = no_peer;
   uint32_t state = 0;
   uint32_t initiations = 0; // since the last session
   uint64_t last_heard = 0;
   std::deque<wrn_pkt> staged;
};

class transport final : public engine_events {
 public:
   explicit transport(const wrn_host* host) : host_(host) {
      udp_ = static_cast<const wrn_host_udp*>(host->get_ext(host, WRN_HOST_UDP));
      link_ = static_cast<const wrn_host_link*>(host->get_ext(host, WRN_HOST_LINK));
      identity_ = static_cast<const wrn_host_identity*>(host->get_ext(host, WRN_HOST_IDENTITY));
      metrics_ = static_cast<const wrn_host_metrics*>(host->get_ext(host, WRN_HOST_METRICS));
   }

   wrn_status configure(const wrn_conf* conf, wrn_error* error) {
      const auto* table = static_cast<const wrn_host_conf*>(host_->get_ext(host_, WRN_HOST_CONF));
      wrn_str wanted{};
      if (const wrn_status status = table->get_str(conf, "aead", &wanted); status != WRN_OK) return status;
      const std::string_view name(wanted.ptr, wanted.len);
      auto backend = name == "auto" ? fastest_aead([this] { return host_->stopwatch(host_); }) : find_aead(name);
      if (!backend) {
         table->where(conf, "aead", error);
         std::snprintf(error->text, sizeof error->text, "aead \"%.*s\" does not work on this machine; use \"auto\"",
                       static_cast<int>(wanted.len), wanted.ptr);
         return WRN_E_CONFIG;
      }
      const std::string chosen(backend->name());
      engine_ = std::make_unique<engine>(
            *this, [this](void* data, size_t size) { host_->random(host_, data, size); }, std::move(backend), timers());
      const wrn_kv fields[] = {{"backend", WRN_KV_STR, 0, {.s = {chosen.data(), chosen.size()}}}};
      host_->log(host_, WRN_LOG_DEBUG, "aead_chosen", fields, 1);
      return WRN_OK;
   }

   wrn_status start() {
      initiations_ = cell("handshake_initiations_total", "Handshake initiations sent.");
      responses_ = cell("handshake_responses_total", "Handshake responses sent.");
      cookies_ = cell("cookie_replies_total", "Cookie replies sent under load.");
      keepalives_ = cell("keepalives_total", "Keepalives sent.");
      take_identity();
      return WRN_OK;
   }

   void stop() {
      for (auto& [handle, l] : links_) {
         drop_staged(l, WRN_DROP_EXPIRED);
         engine_->remove_peer(l.id);
      }
      links_.clear();
      if (timer_ != 0) host_->timer_cancel(host_, timer_);
      timer_ = 0;
      sock_ = 0;
   }

   void on_event(const wrn_event& event) {
      if (event.type == WRN_EV_IDENTITY_CHANGED) take_identity();
      rearm();
   }

   void on_timer() {
      timer_ = 0;
      armed_ = never;
      engine_->on_time(now(), host_->wall_ns(host_));
      rearm();
   }

   void on_bound(wrn_handle sock) {
      sock_ = sock;
      rearm();
   }

   wrn_status open(wrn_handle link, const wrn_link_params& p) {
      peer_config config;
      std::copy_n(p.tunnel_key.bytes, 32, config.public_key.begin());
      std::copy_n(p.psk.bytes, 32, config.psk.begin());
      config.persistent_keepalive_s = static_cast<uint16_t>(std::min(p.keepalive_s, 65535u));
      config.remote = to_endpoint(p.remote);
      config.tag = link;
      if (p.mtu != 0) engine_->set_mtu(p.mtu);
      const peer_id id = engine_->add_peer(config);
      if (id == no_peer) return WRN_E_EXISTS;
      link_state& l = links_[link];
      l.link = link;
      l.peer = p.peer;
      l.id = id;
      rearm();
      return WRN_OK;
   }

   wrn_status update(wrn_handle link, const wrn_link_params& p) {
      link_state* l = find(link);
      if (l == nullptr) return WRN_E_NOT_FOUND;
      key32 psk{};
      std::copy_n(p.psk.bytes, 32, psk.begin());
      engine_->set_psk(l->id, psk);
      engine_->set_keepalive(l->id, static_cast<uint16_t>(std::min(p.keepalive_s, 65535u)), now());
      if (p.mtu != 0) engine_->set_mtu(p.mtu);
      rearm();
      return WRN_OK;
   }

   void close(wrn_handle link) {
      link_state* l = find(link);
      if (l == nullptr) return;
      drop_staged(*l, WRN_DROP_EXPIRED);
      engine_->remove_peer(l->id);
      links_.erase(link);
   }

   wrn_status set_path(wrn_handle link, const wrn_addr& remote) {
      link_state* l = find(link);
      if (l == nullptr) return WRN_E_NOT_FOUND;
      engine_->set_endpoint(l->id, to_endpoint(remote));
      if (!l->staged.empty()) engine_->want_session(l->id, now());
      rearm();
      return WRN_OK;
   }

   void connect(wrn_handle link) {
      link_state* l = find(link);
      if (l == nullptr || engine_->ready(l->id, now())) return;
      engine_->want_session(l->id, now());
      rearm();
   }

   uint32_t room(wrn_handle) { return sock_ == 0 ? 0 : udp_->room(host_, sock_); }

   void tx(wrn_handle link, wrn_pkt* pkts, uint32_t n) {
      link_state* l = find(link);
      if (l == nullptr || sock_ == 0) return host_->pkt_drop(host_, 0, pkts, n, WRN_DROP_NO_LINK);
      uint32_t sealed = 0;
      if (l->staged.empty() && engine_->ready(l->id, now())) sealed = seal_and_send(*l, pkts, n);
      if (sealed < n) {
         stage(*l, pkts + sealed, n - sealed);
         engine_->want_session(l->id, now());
         if (!engine_->ready(l->id, now())) set_state(*l, WRN_LINK_CONNECTING, WRN_OK);
      }
      rearm();
   }

   void on_recv(wrn_pkt* pkts, uint32_t n) {
      std::array<datagram, WRN_BATCH_MAX> datagrams;
      n = std::min(n, WRN_BATCH_MAX);
      for (uint32_t i = 0; i < n; i++) {
         datagrams[i] = datagram{};
         datagrams[i].data = pkts[i].buf + pkts[i].off;
         datagrams[i].len = pkts[i].len;
         datagrams[i].from = to_endpoint(pkts[i].addr, pkts[i].local);
      }
      engine_->receive({datagrams.data(), n}, now(), host_->wall_ns(host_));
      // Runs of data of one peer go up together; descriptors are rewritten in place.
      uint32_t run = 0;
      uint32_t kept = 0; // pkts[run_start .. run_start + kept) of the current peer
      peer_id run_peer = no_peer;
      const auto flush = [&] {
         if (kept == 0) return;
         link_state* l = find(engine_->tag(run_peer));
         if (l == nullptr) {
            host_->pkt_drop(host_, 0, pkts + run, kept, WRN_DROP_NO_LINK);
         } else {
            link_->deliver(host_, l->link, pkts + run, kept);
         }
         kept = 0;
      };
      for (uint32_t i = 0; i < n; i++) {
         const datagram& d = datagrams[i];
         if (d.peer != no_peer)
            if (link_state* l = find(engine_->tag(d.peer))) l->last_heard = now();
         if (d.result == receive_result::data) {
            pkts[i].off = static_cast<uint32_t>(d.plain - pkts[i].buf);
            pkts[i].len = d.plain_len;
            if (kept == 0 || d.peer != run_peer) {
               flush();
               run = i;
               run_peer = d.peer;
            }
            pkts[run + kept++] = pkts[i];
            continue;
         }
         if (d.result == receive_result::keepalive || d.result == receive_result::control || d.result == receive_result::cookie_sent) {
            host_->pkt_free(host_, &pkts[i], 1);
         } else {
            link_state* l = d.peer != no_peer ? find(engine_->tag(d.peer)) : nullptr;
            host_->pkt_drop(host_, l != nullptr ? l->peer : 0, &pkts[i], 1, drop_reason_of(d.result));
         }
      }
      flush();
      rearm();
   }

   void on_writable() {
      for (auto& [handle, l] : links_) link_->writable(host_, handle);
   }

   wrn_status stats(wrn_handle link, wrn_link_stats& out) {
      const link_state* l = find(link);
      if (l == nullptr || out.size < sizeof(wrn_link_stats)) return l == nullptr ? WRN_E_NOT_FOUND : WRN_E_INVALID;
      const peer_stats s = engine_->stats(l->id);
      out.state = s.up ? WRN_LINK_UP : l->state == WRN_LINK_CONNECTING ? WRN_LINK_CONNECTING : WRN_LINK_DOWN;
      out.tx_packets = s.tx_packets;
      out.tx_bytes = s.tx_bytes;
      out.rx_packets = s.rx_packets;
      out.rx_bytes = s.rx_bytes;
      out.handshake_wall_ns = s.last_handshake_wall_ns;
      out.last_heard = l->last_heard;
      out.remote = to_addr(s.remote);
      return WRN_OK;
   }

   // --- engine_events ---------------------------------------------------------------------------
   void send(peer_id id, const endpoint& to, std::span<const uint8_t> message) override {
      wrn_pkt packet{};
      if (sock_ == 0 || host_->pkt_alloc(host_, &packet, 1, static_cast<uint32_t>(message.size())) != 1) return;
      std::memcpy(packet.buf + packet.off, message.data(), message.size());
      packet.addr = to_addr(to);
      packet.local = to.local;
      packet.qos = 7;
      udp_->send(host_, sock_, &packet, 1);
      if (message[0] != initiation_type || id == no_peer) return;
      if (link_state* l = find(engine_->tag(id))) {
         // A second initiation means that the first was not answered, even while an old session could still seal.
         if (++l->initiations > 1 || !engine_->ready(id, now())) set_state(*l, WRN_LINK_CONNECTING, WRN_OK);
      }
   }

   void session_ready(peer_id id) override {
      link_state* l = find(engine_->tag(id));
      if (l == nullptr) return;
      l->initiations = 0;
      l->last_heard = now();
      std::array<wrn_pkt, WRN_BATCH_MAX> batch;
      while (!l->staged.empty()) {
         const size_t n = std::min(l->staged.size(), batch.size());
         std::copy_n(l->staged.begin(), n, batch.begin());
         l->staged.erase(l->staged.begin(), l->staged.begin() + static_cast<long>(n));
         const uint32_t sealed = seal_and_send(*l, batch.data(), static_cast<uint32_t>(n));
         if (sealed < n) {
            host_->pkt_drop(host_, l->peer, batch.data() + sealed, static_cast<uint32_t>(n) - sealed, WRN_DROP_EXPIRED);
            break;
         }
      }
      set_state(*l, WRN_LINK_UP, WRN_OK);
   }

   void session_lost(peer_id id, lost_reason reason) override {
      link_state* l = find(engine_->tag(id));
      if (l == nullptr) return;
      l->initiations = 0;
      drop_staged(*l, WRN_DROP_EXPIRED);
      const bool rejected = engine_->stats(id).last_error == peer_error::response_rejected;
      set_state(*l, WRN_LINK_DOWN, rejected ? WRN_E_AUTH : reason == lost_reason::handshake_timeout ? WRN_E_TIMEOUT : WRN_E_CLOSED);
   }

   void endpoint_changed(peer_id id, const endpoint& remote) override {
      const wrn_addr addr = to_addr(remote);
      if (link_state* l = find(engine_->tag(id))) link_->moved(host_, l->link, &addr);
   }

   peer_id unknown_peer(const key32& public_key, const endpoint& from) override {
      wrn_key key{};
      std::copy(public_key.begin(), public_key.end(), key.bytes);
      const wrn_addr addr = to_addr(from);
      wrn_handle link = 0;
      wrn_link_params p{};
      if (link_->incoming(host_, &key, &addr, &link, &p) != WRN_OK) return no_peer;
      if (open(link, p) != WRN_OK) return no_peer;
      return find(link)->id;
   }

 private:
   uint64_t now() const { return host_->now(host_); }

   link_state* find(wrn_handle link) {
      const auto it = links_.find(link);
      return it == links_.end() ? nullptr : &it->second;
   }

   uint64_t* cell(const char* name, const char* help) {
      const wrn_metric metric{name, help, WRN_METRIC_COUNTER, 0};
      return metrics_->cell(host_, &metric);
   }

   void take_identity() {
      wrn_key own{};
      identity_->tunnel_key(host_, &own);
      engine::identity identity;
      std::copy_n(own.bytes, 32, identity.public_key.begin());
      identity.dh = [this](const uint8_t* peer, uint8_t* out) {
         wrn_key key{};
         wrn_key shared{};
         std::memcpy(key.bytes, peer, 32);
         const bool ok = identity_->dh(host_, &key, &shared) == WRN_OK;
         std::memcpy(out, shared.bytes, 32);
         explicit_bzero(shared.bytes, sizeof shared.bytes);
         return ok;
      };
      engine_->set_identity(std::move(identity), now(), host_->wall_ns(host_));
   }

   uint32_t seal_and_send(link_state& l, wrn_pkt* pkts, uint32_t n) {
      std::array<frame, WRN_BATCH_MAX> frames;
      for (uint32_t i = 0; i < n; i++) frames[i] = {pkts[i].buf + pkts[i].off, pkts[i].len};
      const auto sealed = static_cast<uint32_t>(engine_->seal(l.id, {frames.data(), n}, now()));
      if (sealed == 0) return 0;
      const endpoint remote = engine_->remote(l.id);
      const wrn_addr addr = to_addr(remote);
      for (uint32_t i = 0; i < sealed; i++) {
         pkts[i].off = static_cast<uint32_t>(frames[i].data - pkts[i].buf);
         pkts[i].len = frames[i].len;
         pkts[i].addr = addr;
         pkts[i].local = remote.local;
      }
      udp_->send(host_, sock_, pkts, sealed);
      return sealed;
   }

   void stage(link_state& l, const wrn_pkt* pkts, uint32_t n) {
      for (uint32_t i = 0; i < n; i++) {
         if (l.staged.size() == staged_max) {
            host_->pkt_drop(host_, l.peer, &l.staged.front(), 1, WRN_DROP_QUEUE_FULL);
            l.staged.pop_front();
         }
         l.staged.push_back(pkts[i]);
      }
   }

   void drop_staged(link_state& l, uint32_t reason) {
      for (const wrn_pkt& packet : l.staged) host_->pkt_drop(host_, l.peer, &packet, 1, reason);
      l.staged.clear();
   }

   void set_state(link_state& l, uint32_t state, wrn_status why) {
      if (l.state == state) return;
      l.state = state;
      link_->state(host_, l.link, state, why);
   }

   /// One host timer serves the engine's earliest deadline; packets only move deadlines back, so it is mostly armed already.
   void rearm() {
      const uint64_t next = engine_->next_deadline();
      if (next < armed_ && host_->timer_set(host_, &timer_, next, 0) == WRN_OK) armed_ = next;
      const engine_counters& c = engine_->counters();
      publish(initiations_, c.initiations_sent);
      publish(responses_, c.responses_sent);
      publish(cookies_, c.cookies_sent);
      publish(keepalives_, c.keepalives_sent);
   }
   static void publish(uint64_t* to, uint64_t value) {
      if (to != nullptr) std::atomic_ref(*to).store(value, std::memory_order_relaxed);
   }

   const wrn_host* host_;
   const wrn_host_udp* udp_ = nullptr;
   const wrn_host_link* link_ = nullptr;
   const wrn_host_identity* identity_ = nullptr;
   const wrn_host_metrics* metrics_ = nullptr;
   std::unique_ptr<engine> engine_;
   std::unordered_map<wrn_handle, link_state> links_;
   wrn_handle sock_ = 0;
   wrn_handle timer_ = 0;
   uint64_t armed_ = never;
   uint64_t *initiations_ = nullptr, *responses_ = nullptr, *cookies_ = nullptr, *keepalives_ = nullptr;
};

// --- the C side: exceptions stop here -----------------------------------------------------------

struct instance {
   wrn_plugin plugin{};
   transport impl;
   const wrn_host* host;
   explicit instance(const wrn_host* h) : impl(h), host(h) {}
};

/// Runs fn; an exception (out of memory, or a bug) fails the instance instead of unwinding into C.
template <class Fn, class Result = std::invoke_result_t<Fn, transport&>>
Result guarded(const wrn_plugin* plugin, Fn&& fn) noexcept {
   auto* self = static_cast<instance*>(plugin->data);
   try {
      return fn(self->impl);
   } catch (const std::exception& e) {
      self->host->fail(self->host, WRN_E_INTERNAL, e.what());
   } catch (...) {
      self->host->fail(self->host, WRN_E_INTERNAL, "unknown exception");
   }
   if constexpr (std::is_same_v<Result, wrn_status>)
      return WRN_E_INTERNAL;
   else if constexpr (!std::is_void_v<Result>)
      return Result{};
}

constexpr wrn_udp udp_table{
      [](const wrn_plugin* p, wrn_handle sock) { guarded(p, [&](transport& t) { t.on_bound(sock); }); },
      [](const wrn_plugin* p, wrn_handle, wrn_pkt* pkts, uint32_t n) { guarded(p, [&](transport& t) { t.on_recv(pkts, n); }); },
      [](const wrn_plugin* p, wrn_handle) { guarded(p, [&](transport& t) { t.on_writable(); }); },
};

constexpr wrn_transport transport_table{
      [](const wrn_plugin*, wrn_transport_limits* out) {
         *out = {WRN_TF_ROAMS_REMOTE, static_cast<uint32_t>(seal_headroom), static_cast<uint32_t>(seal_tailroom),
                 static_cast<uint32_t>(data_overhead)};
      },
      [](const wrn_plugin* p, wrn_handle l, const wrn_link_params* q) { return guarded(p, [&](transport& t) { return t.open(l, *q); }); },
      [](const wrn_plugin* p, wrn_handle l, const wrn_link_params* q) { return guarded(p, [&](transport& t) { return t.update(l, *q); }); },
      [](const wrn_plugin* p, wrn_handle l) { guarded(p, [&](transport& t) { t.close(l); }); },
      [](const wrn_plugin* p, wrn_handle l, const wrn_addr* a) { return guarded(p, [&](transport& t) { return t.set_path(l, *a); }); },
      [](const wrn_plugin* p, wrn_handle l) { guarded(p, [&](transport& t) { t.connect(l); }); },
      [](const wrn_plugin* p, wrn_handle l) { return guarded(p, [&](transport& t) { return t.room(l); }); },
      [](const wrn_plugin* p, wrn_handle l, wrn_pkt* pkts, uint32_t n) { guarded(p, [&](transport& t) { t.tx(l, pkts, n); }); },
      [](const wrn_plugin* p, wrn_handle l, wrn_link_stats* s) { return guarded(p, [&](transport& t) { return t.stats(l, *s); }); },
};

const void* get_ext(const wrn_plugin*, const char* id) {
   if (std::string_view(id) == WRN_EXT_TRANSPORT) return &transport_table;
   if (std::string_view(id) == WRN_EXT_UDP) return &udp_table;
   return nullptr;
}

const wrn_plugin* create(const wrn_host* host, const char* id) {
   if (std::string_view(id) != description.id) return nullptr;
   try {
      auto* self = new instance(host);
      self->plugin.desc = &description;
      self->plugin.data = self;
      self->plugin.init = [](const wrn_plugin*, wrn_error*) -> wrn_status { return WRN_OK; };
      self->plugin.configure = [](const wrn_plugin* p, const wrn_conf* conf, wrn_error* error) {
         return guarded(p, [&](transport& t) { return t.configure(conf, error); });
      };
      self->plugin.start = [](const wrn_plugin* p, wrn_error*) { return guarded(p, [](transport& t) { return t.start(); }); };
      self->plugin.drain = [](const wrn_plugin*, wrn_time) {};
      self->plugin.stop = [](const wrn_plugin* p) { guarded(p, [](transport& t) { t.stop(); }); };
      self->plugin.destroy = [](const wrn_plugin* p) { delete static_cast<instance*>(p->data); };
      self->plugin.get_ext = get_ext;
      self->plugin.on_timer = [](const wrn_plugin* p, wrn_handle, uint64_t) { guarded(p, [](transport& t) { t.on_timer(); }); };
      self->plugin.on_event = [](const wrn_plugin* p, const wrn_event* e) { guarded(p, [&](transport& t) { t.on_event(*e); }); };
      return &self->plugin;
   } catch (...) {
      return nullptr;
   }
}

constexpr wrn_factory factory{[]() -> uint32_t { return 1; },
                              [](uint32_t index) { return index == 0 ? &description : nullptr; }, create};

} // namespace

} // namespace warren::wireguard

extern "C" {
WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0{WRN_ABI_MAJOR, WRN_ABI_MINOR, [](const char*) -> wrn_status { return WRN_OK; }, [] {},
                            [](const char* id) -> const void* {
                               return std::string_view(id) == WRN_FACTORY ? &warren::wireguard::factory : nullptr;
                            }};
}
