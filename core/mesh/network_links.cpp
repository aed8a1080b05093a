// Links: opening them, where they run, and what transports and discovery tell us about them.
#include "core/mesh/network.hpp"

#include "core/base/address.hpp"
#include "core/base/log.hpp"

#include <algorithm>

namespace warren::mesh {

namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t maintenance_interval = network::maintenance_interval_ns;
// WireGuard tries again every 5 s; a second try to a silent endpoint is worth less than a first try
// to another one.
constexpr uint64_t endpoint_patience = 6 * second;
constexpr uint64_t unreachable_interval = 15 * second;
constexpr uint64_t moved_interval =
      second; // a peer that changes its address with each packet must not fill the log

constexpr uint64_t waiting_max =
      5 * second; // for a tunnel key: what applications send again by then
constexpr uint64_t echo_interval = 15 * second;
constexpr uint64_t active_window = 45 * second; // a peer matters while it had traffic this recently

void put(wrn_key& to, const crypto::bytes32& from) {
   std::copy(from.begin(), from.end(), to.bytes);
}

std::string why_text(wrn_status why) {
   switch (why) {
   case WRN_OK:
      return "closed";
   case WRN_E_TIMEOUT:
      return "no answer to the handshake";
   case WRN_E_CLOSED:
      return "session expired";
   case WRN_E_AUTH:
      return "the peer could not prove its key, or the preshared keys differ";
   case WRN_E_UNREACHABLE:
      return "no endpoint known";
   case WRN_E_INVALID:
      return "the peer's key is not usable";
   case WRN_E_INTERNAL:
      return "the transport failed";
   default:
      return "status " + std::to_string(why);
   }
}

} // namespace

wrn_link_params network::params_of(const peer& p, const wrn_addr& remote) const {
   wrn_link_params params{};
   params.peer = p.handle;
   if (p.settings.id) put(params.node_id, *p.settings.id);
   if (p.tunnel_key) put(params.tunnel_key, *p.tunnel_key);
   if (const auto psk = psk_of(p)) put(params.psk, *psk);
   params.remote = remote;
   params.keepalive_s = p.settings.keepalive_s;
   params.mtu = settings_.mtu;
   return params;
}

void network::open_links(peer& p) {
   if (!p.tunnel_key) return;
   for (auto& t : transports_) {
      const bool open = std::any_of(p.links.begin(), p.links.end(),
                                    [&](const auto& l) { return l->via == t.get(); });
      if (!open && t->instance->active()) open_link(p, *t);
   }
   // In the transports' order, which is the operator's order of preference.
   const auto rank = [&](const std::unique_ptr<link>& l) {
      return std::find_if(transports_.begin(), transports_.end(),
                          [&](const auto& t) { return t.get() == l->via; }) -
             transports_.begin();
   };
   std::sort(p.links.begin(), p.links.end(),
             [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void network::open_link(peer& p, transport& t) {
   auto made = std::make_unique<link>();
   made->handle = next_handle_++;
   made->owner = &p;
   made->via = &t;
   link& l = *made;
   const candidate* c = candidate_for(l, 0);
   place(l, c != nullptr ? c->addr : wrn_addr{});
   p.links.push_back(std::move(made));
   links_[l.handle] = &l;
   const wrn_link_params params = params_of(p, l.remote);
   p.psk_told = psk_of(p);
   if (const wrn_status status = t.table->open(t.instance->get(), l.handle, &params);
       status != WRN_OK) {
      p.last_error = std::string(t.instance->desc().name) + ": " + why_text(status);
      links_.erase(l.handle);
      p.links.pop_back();
   }
}

void network::close_link(link& l) {
   if (l.via->instance->active()) l.via->table->close(l.via->instance->get(), l.handle);
   if (l.state == WRN_LINK_UP) {
      l.owner->hello_seen = false;
      news_of(*l.owner);
   }
   for (const wrn_pkt& packet : l.queue)
      drop_all(l.owner, {&packet, 1}, drop_reason::expired);
   l.queue.clear();
   links_.erase(l.handle);
}

void network::close_links(peer& p) {
   for (auto& l : p.links)
      close_link(*l);
   p.links.clear();
}

link* network::usable_link(peer& p) const {
   // The first that is up; else the first that knows where to go; else the first. None of a
   // transport that failed.
   link* best = nullptr;
   for (const auto& l : p.links) {
      if (!l->via->instance->active()) continue;
      if (l->state == WRN_LINK_UP) return l.get();
      if (best == nullptr ||
          (best->remote.family == WRN_AF_NONE && l->remote.family != WRN_AF_NONE))
         best = l.get();
   }
   return best;
}

const candidate* network::candidate_for(const link& l, size_t index) const {
   for (const candidate& c : l.owner->candidates)
      if (c.transport == l.via->instance->desc().name && index-- == 0) return &c;
   return nullptr;
}

size_t network::candidate_count(const link& l) const {
   return static_cast<size_t>(std::count_if(
         l.owner->candidates.begin(), l.owner->candidates.end(),
         [&](const candidate& c) { return c.transport == l.via->instance->desc().name; }));
}

void network::move_to_next_endpoint(link& l) {
   // The way through other members comes after the last place of its own.
   const size_t count = candidate_count(l), places = count + (has_overlay_way(l) ? 1 : 0);
   l.connecting_since = shard_.now();
   if (places == 0) return;
   l.endpoint_index = (l.endpoint_index + 1) % places;
   if (l.endpoint_index == count) return take_overlay_path(l);
   const wrn_addr next = candidate_for(l, l.endpoint_index)->addr;
   if (base::same_endpoint(next, l.remote)) return;
   place(l, next);
   l.remote_proved = false;
   l.via->table->set_path(l.via->instance->get(), l.handle, &l.remote);
}

void network::tell_unreachable(peer& p) {
   const uint64_t now = shard_.now();
   if (p.unreachable_told != 0 && now - p.unreachable_told < unreachable_interval) return;
   p.unreachable_told = now;
   if (wants_key(p)) ask_key(p); // it may have a new tunnel key
   for (auto& d : plugins_) {
      const auto* table = d->ext<wrn_discovery>(WRN_EXT_DISCOVERY);
      if (d->active() && table != nullptr && table->on_unreachable != nullptr)
         table->on_unreachable(d->get(), p.handle);
   }
}

transport* network::transport_of(const plugin::instance& from) const {
   for (const auto& t : transports_)
      if (t->instance.get() == &from) return t.get();
   return nullptr;
}

link* network::link_of(const plugin::instance& from, uint64_t handle) const {
   const auto it = links_.find(handle);
   if (it != links_.end() && it->second->via->instance.get() == &from) return it->second;
   from.stale_handle();
   return nullptr;
}

wrn_status network::link_incoming(plugin::instance& from, const wrn_key& tunnel_key,
                                  const wrn_addr&, uint64_t& handle, wrn_link_params& params) {
   // Links to all members are open already, so who calls without one is a stranger, or somebody
   // whose open() failed.
   peer* caller = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      if (p.tunnel_key && *p.tunnel_key == std::to_array(tunnel_key.bytes)) caller = &p;
   });
   if (caller == nullptr) return WRN_E_NOT_FOUND;
   for (const auto& l : caller->links)
      if (l->via->instance.get() == &from) {
         handle = l->handle;
         params = params_of(*caller, l->remote);
         return WRN_OK;
      }
   return WRN_E_NOT_FOUND;
}

void network::link_state(plugin::instance& from, uint64_t handle, uint32_t state, wrn_status why) {
   link* l = link_of(from, handle);
   if (l == nullptr || state < WRN_LINK_CONNECTING || state > WRN_LINK_DOWN) return;
   const uint32_t before = l->state;
   l->state = state;
   peer& p = *l->owner;
   if (state == WRN_LINK_CONNECTING) {
      if (before != WRN_LINK_CONNECTING) l->connecting_since = shard_.now();
      if (l->remote.family == WRN_AF_NONE) p.last_error = why_text(WRN_E_UNREACHABLE);
      // Which secret the peer has decides whether the handshake can succeed.
      if (before != WRN_LINK_CONNECTING && members_ && p.quarantine_until == 0 && p.settings.id &&
          p.ask_at == 0)
         p.ask_at = shard_.now();
      want_maintenance();
      return;
   }
   const bool was_up = before == WRN_LINK_UP;
   if (state == WRN_LINK_UP) {
      p.last_error.clear();
      p.unreachable_told = 0;
      l->remote_proved = true;
      if (!was_up) {
         emit("peer.up", {{"peer", p.settings.name},
                          {"transport", from.desc().name},
                          {"endpoint", base::format_endpoint(l->remote)}});
         l->say_hello = p.settings.id.has_value();
         news_of(p);
      }
      later(*l);
      want_maintenance();
      return;
   }
   l->state = 0;
   if (was_up) {
      p.hello_seen = false;
      news_of(p);
   }
   p.last_error = why_text(why);
   if (was_up || why != WRN_OK)
      emit("peer.down",
           {{"peer", p.settings.name}, {"transport", from.desc().name}, {"reason", p.last_error}});
   if (why == WRN_E_TIMEOUT && !p.unreachable_later) {
      p.unreachable_later = true;
      later_peers_.push_back(p.handle);
      want_later();
   }
}

void network::later(link& l) {
   if (!l.later) later_links_.push_back(l.handle);
   l.later = true;
   want_later();
}

void network::want_later() {
   if (later_timer_ == 0 && running_) later_timer_ = shard_.timer_set(0, shard_.now(), *this, 0);
}

void network::run_later() {
   run_transit();
   run_passing();
   run_news(); // that a peer is linked comes before its first message
   run_messages();
   for (const uint64_t handle : std::exchange(later_psks_, {}))
      if (peer* p = peers_.find(handle)) renew_psk(*p);
   for (const uint64_t handle : std::exchange(later_links_, {})) {
      const auto it = links_.find(handle);
      if (it == links_.end()) continue;
      link& l = *it->second;
      l.later = false;
      flush_queue(l);
      if (std::exchange(l.say_hello, false))
         send_frame(l, static_cast<uint8_t>(frame_type::hello), write_hello(own_hello()));
      if (const auto token = std::exchange(l.echo_token, std::nullopt)) {
         std::array<uint8_t, echo_bytes> body{};
         put_le(body.data(), *token, body.size());
         send_frame(l, static_cast<uint8_t>(frame_type::echo_reply), body);
      }
   }
   for (const uint64_t handle : std::exchange(later_peers_, {})) {
      peer* p = peers_.find(handle);
      if (p == nullptr) continue;
      p->unreachable_later = false;
      tell_unreachable(*p);
   }
}

void network::link_moved(plugin::instance& from, uint64_t handle, const wrn_addr& remote) {
   link* l = link_of(from, handle);
   if (l == nullptr) return;
   const bool changed = !base::same_endpoint(l->remote, remote);
   place(*l, remote);
   l->remote_proved = true;
   if (!changed) return;
   l->move_untold = true;
   news_of(*l->owner); // directly, or through others
   if (l->moved_told == 0 || shard_.now() - l->moved_told >= moved_interval)
      tell_moved(*l);
   else
      want_maintenance();
}

void network::tell_moved(link& l) {
   l.move_untold = false;
   l.moved_told = shard_.now();
   emit("peer.moved",
        {{"peer", l.owner->settings.name}, {"endpoint", base::format_endpoint(l.remote)}});
}

wrn_status network::offer(plugin::instance& from, uint64_t handle,
                          std::span<const wrn_endpoint> endpoints) {
   peer* p = peers_.find(handle);
   if (p == nullptr) return WRN_E_NOT_FOUND;
   std::erase_if(p->candidates, [&](const candidate& c) { return c.from == &from; });
   for (const wrn_endpoint& e : endpoints) {
      if (e.addr.family == WRN_AF_NONE || e.addr.port == 0) continue;
      p->candidates.push_back({&from, std::string(e.transport.ptr, e.transport.len), e.addr});
   }
   for (auto& l : p->links) {
      if (!l->via->instance->active()) continue;
      // A place the peer was heard from beats what somebody says, as long as it answers.
      const bool answers = l->remote_proved && l->state == WRN_LINK_UP;
      const size_t count = candidate_count(*l);
      bool current_listed = false;
      for (size_t i = 0; i < count; i++)
         if (base::same_endpoint(candidate_for(*l, i)->addr, l->remote)) {
            current_listed = true;
            l->endpoint_index = i;
         }
      if (answers || current_listed || count == 0) continue;
      l->endpoint_index = 0;
      place(*l, candidate_for(*l, 0)->addr);
      l->remote_proved = false;
      l->connecting_since = shard_.now();
      l->via->table->set_path(l->via->instance->get(), l->handle, &l->remote);
   }
   if (p->ask_at != 0) p->ask_at = shard_.now();
   want_maintenance(p->settings.keep ? 0 : maintenance_interval);
   return WRN_OK;
}

void network::failed(plugin::instance& from, wrn_status status, std::string_view why) {
   base::log::error("plugin_failed", {{"network", name_},
                                      {"plugin", from.desc().name},
                                      {"status", int64_t{status}},
                                      {"why", why}});
   peers_.each([&](uint64_t, peer& p) {
      for (auto& l : p.links)
         if (l->via->instance.get() == &from) {
            const bool was_up = std::exchange(l->state, 0u) == WRN_LINK_UP;
            p.last_error = std::string(from.desc().name) + " failed: " + std::string(why);
            for (const wrn_pkt& packet : std::exchange(l->queue, {}))
               drop_all(&p, {&packet, 1}, drop_reason::no_link);
            if (!was_up) continue;
            p.hello_seen = false;
            news_of(p);
            emit("peer.down", {{"peer", p.settings.name},
                               {"transport", from.desc().name},
                               {"reason", p.last_error}});
         }
   });
   // What it said stays until another instance says it better; who waits for its answer need not.
   forget_requests(from);
   emit("plugin.failed", {{"plugin", from.use().plugin}, {"why", std::string(why)}});
}

void network::want_maintenance(uint64_t in) {
   if (!running_) return;
   const uint64_t at = shard_.now() + in;
   if (maintenance_timer_ != 0 && maintenance_at_ <= at) return;
   maintenance_at_ = at;
   maintenance_timer_ = shard_.timer_set(maintenance_timer_, at, *this, 0);
}

void network::on_timer(uint64_t timer, uint64_t) {
   if (timer == maintenance_timer_) {
      maintenance_timer_ = 0;
      maintain();
      return;
   }
   if (timer == later_timer_) {
      later_timer_ = 0;
      run_later();
      return;
   }
   if (timer == bulk_timer_) {
      bulk_timer_ = 0;
      run_bulk();
      return;
   }
   if (timer != ping_timer_) return;
   ping_timer_ = 0;
   const uint64_t now = shard_.now();
   std::vector<pending_ping> due;
   uint64_t next = UINT64_MAX;
   for (auto ping = pings_.begin(); ping != pings_.end();) {
      if (ping->deadline <= now) {
         due.push_back(std::move(*ping));
         ping = pings_.erase(ping);
      } else {
         next = std::min(next, ping->deadline);
         ++ping;
      }
   }
   if (next != UINT64_MAX) ping_timer_ = shard_.timer_set(0, next, *this, 0);
   for (pending_ping& ping : due) {
      const peer* p = peers_.find(ping.peer);
      const std::string why =
            p != nullptr && !p->last_error.empty() ? " (" + p->last_error + ")" : "";
      ping.done(base::fail(base::errc::timeout,
                           "no answer from " + base::format_address(ping.address) + why));
   }
}

/// Runs once a second while anything wants it, and not at all when nothing does.
void network::maintain() {
   const uint64_t now = shard_.now();
   bool again = expire_requests();
   const bool routing = has_routing();
   end_quarantine(false);
   peers_.each([&](uint64_t, peer& p) {
      const bool kept = routing || p.settings.keep;
      again |= p.quarantine_until != 0;
      if (p.ask_at != 0) {
         if (p.ask_at <= now) ask_key(p);
         again |= p.ask_at != 0;
      }
      if (!p.waiting.empty() && now - p.waiting_since > waiting_max) end_waiting(p, false);
      for (auto& l : p.links) {
         if (!l->via->instance->active()) continue;
         if (l->move_untold) tell_moved(*l);
         if (l->state == WRN_LINK_CONNECTING) {
            again = true;
            if (now - l->connecting_since < endpoint_patience) continue;
            if (candidate_count(*l) == 0 && !has_overlay_way(*l)) {
               l->connecting_since = now;
               tell_unreachable(p);
               continue;
            }
            if (l->endpoint_index + 1 >= candidate_count(*l)) tell_unreachable(p);
            move_to_next_endpoint(*l);
         } else if (l->state == 0 && kept && p.settings.id && l->remote.family != WRN_AF_NONE &&
                    l->remote.family != WRN_AF_PATH && l.get() == usable_link(p)) {
            // A routing plugin lives on its neighbours, and documents spread over links that are
            // kept: without traffic, too.
            again = true;
            if (now - p.echo_sent < echo_interval && p.echo_sent != 0) continue;
            p.echo_sent = now;
            l->via->table->connect(l->via->instance->get(), l->handle);
         } else if (l->state == WRN_LINK_UP && p.settings.id && l.get() == usable_link(p) &&
                    (kept || now - p.last_traffic < active_window)) {
            again = true;
            if (l->remote.family == WRN_AF_PATH) look_for_direct(p);
            if (now - p.echo_sent < echo_interval && p.echo_sent != 0) continue;
            send_echo(*l);
         }
      }
   });
   if (again) want_maintenance();
}

void network::send_echo(link& l) {
   peer& p = *l.owner;
   p.echo_sent = shard_.now();
   shard_.random(&p.echo_token, sizeof p.echo_token);
   std::array<uint8_t, echo_instance_bytes> body{};
   put_le(body.data(), p.echo_token, echo_bytes);
   put_le(body.data() + echo_bytes, instance_, 8);
   send_frame(l, static_cast<uint8_t>(frame_type::echo), body);
}

} // namespace warren::mesh
