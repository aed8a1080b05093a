// What a network shows of itself.
#include "core/config/load.hpp"
#include "core/mesh/network.hpp"

namespace warren::mesh {

std::string_view to_string(peer_state s) {
   switch (s) {
   case peer_state::idle:
      return "idle";
   case peer_state::resolving:
      return "resolving";
   case peer_state::connecting:
      return "connecting";
   case peer_state::up:
      return "up";
   }
   return "idle";
}

std::string_view to_string(drop_reason r) {
   static constexpr std::string_view names[] = {
         "other",   "malformed", "auth",   "replay",        "no_link",  "queue_full",
         "too_big", "rate",      "policy", "expired",       "no_owner", "wrong_source",
         "not_ip",  "loop",      "no_way", "unknown_frame", "acl"};
   static_assert(std::size(names) == static_cast<size_t>(drop_reason::count_));
   return names[static_cast<size_t>(r)];
}

drop_counts named(const drop_counters& counters) {
   drop_counts out;
   for (size_t i = 0; i < counters.size(); i++)
      if (counters[i] != 0) out.emplace_back(to_string(static_cast<drop_reason>(i)), counters[i]);
   return out;
}

std::string_view offload_state(bool used, bool wanted, base::offload_verdict verdict) {
   using base::offload_verdict;
   if (used) return verdict == offload_verdict::untested ? "untested" : "on";
   if (!wanted) return "off";
   if (verdict == offload_verdict::broken) return "broken";
   return verdict == offload_verdict::unsupported ? "unsupported" : "refused";
}

network_status network::status() const {
   network_status s;
   s.name = name_;
   s.up = running_ && tun_up_ && tun_ != nullptr;
   if (!running_) return s;
   s.node_name = settings_.node_name;
   s.interface = tun_ ? tun_->name() : settings_.interface;
   s.id = identity_->signing.id;
   s.tunnel_key = identity_->tunnel.public_key;
   s.mtu = tun_ ? tun_->mtu() : settings_.mtu;
   base::offload_set used = tun_ ? tun_->offloads() : base::offload_set::none();
   for (const auto& t : transports_)
      if (t->bound && t->bound->socket) used = used | t->bound->socket->offloads();
   for (size_t i = 0; i < base::offload_count; i++) {
      const auto which = static_cast<base::offload>(i);
      s.offloads[i] =
            offload_state(used.has(which), settings_.offload.has(which), shard_.offloads()[i]);
   }
   s.relay = settings_.relay;
   s.addresses = settings_.addresses;
   s.since_wall_ns = static_cast<uint64_t>(since_wall_ns_);
   drop_counters total = drops_;
   const auto instance_of = [](const plugin::instance& i) {
      static constexpr const char* states[] = {"inactive", "active", "failed", "stopped"};
      return instance_status{i.desc().name,
                             std::string(config::kind_name(i.desc().kind)),
                             i.desc().version,
                             i.module_path(),
                             states[static_cast<int>(i.current())],
                             false,
                             {},
                             0,
                             0,
                             i.metrics(),
                             i.slow_calls()};
   };
   for (const auto& t : transports_) {
      s.instances.push_back(instance_of(*t->instance));
      s.instances.back().plaintext = (t->limits.flags & WRN_TF_PLAINTEXT) != 0;
      s.instances.back().listen = t->bound->local();
      if (t->bound->socket == nullptr) continue; // streams drop nothing
      s.instances.back().tx_dropped = t->bound->socket->tx_dropped();
      s.instances.back().rx_dropped = t->bound->socket->rx_dropped();
   }
   for (const auto& d : plugins_)
      s.instances.push_back(instance_of(*d));
   peers_.each([&](uint64_t, peer& p) {
      if (p.quarantine_until != 0) return;
      peer_status ps;
      ps.name = p.settings.name;
      ps.id = p.settings.id;
      ps.tunnel_key = p.tunnel_key;
      ps.groups = p.settings.groups;
      ps.tags = p.settings.tags;
      ps.roles = p.settings.roles;
      ps.addresses = p.settings.addresses;
      ps.routes = p.settings.routes;
      ps.rtt_us = p.rtt_ns / 1000;
      ps.last_error = p.last_error;
      ps.drops = named(p.drops);
      for (size_t i = 0; i < total.size(); i++)
         total[i] += p.drops[i];
      if (!p.tunnel_key) ps.state = peer_state::resolving;
      const link* shown = usable_link(p);
      for (const auto& l : p.links) {
         wrn_link_stats stats{};
         stats.size = sizeof stats;
         if (!l->via->instance->active() ||
             l->via->table->stats(l->via->instance->get(), l->handle, &stats) != WRN_OK)
            continue;
         ps.rx_bytes += stats.rx_bytes;
         ps.tx_bytes += stats.tx_bytes;
         ps.rx_packets += stats.rx_packets;
         ps.tx_packets += stats.tx_packets;
         if (l.get() != shown) continue;
         ps.transport = l->via->instance->desc().name;
         ps.endpoint = stats.remote;
         ps.mtu = l->mtu;
         if (stats.remote.family == WRN_AF_PATH)
            if (const link* hop = next_hop(p, own_number_, 0)) ps.via = hop->owner->settings.name;
         ps.handshake_wall_ns = stats.handshake_wall_ns;
         ps.state = stats.state == WRN_LINK_UP        ? peer_state::up
                    : l->state == WRN_LINK_CONNECTING ? peer_state::connecting
                                                      : peer_state::idle;
      }
      for (const way& w : p.ways)
         if (const peer* hop = peers_.find(w.next_hop))
            s.ways.push_back({w.from->desc().name, ps.name, hop->settings.name, w.metric, w.weight,
                              ps.via == hop->settings.name});
      s.peers.push_back(std::move(ps));
   });
   s.drops = named(total);
   return s;
}

} // namespace warren::mesh
