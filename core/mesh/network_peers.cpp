// The table of peers: adding, changing, removing and finding them, and the owner table that follows
// from it.
#include "core/base/address.hpp"
#include "core/mesh/network.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace warren::mesh {

using base::errc;
using base::fail;

namespace {

/// Identifies a peer across configurations.
std::pair<bool, crypto::bytes32> name_of(const config::peer& p) {
   return p.id ? std::pair(true, *p.id)
               : std::pair(false, p.tunnel_key.value_or(crypto::bytes32{}));
}
bool same_key(const config::peer& a, const config::peer& b) {
   if (a.id || b.id) return a.id == b.id;
   return a.tunnel_key == b.tunnel_key;
}

} // namespace

void network::commit_peers(const std::vector<config::peer>& wanted) {
   // By key: a thousand members change in one step.
   std::map<std::pair<bool, crypto::bytes32>, uint64_t> known;
   peers_.each([&](uint64_t handle, const peer& p) { known[name_of(p.settings)] = handle; });
   std::set<std::pair<bool, crypto::bytes32>> names;
   for (const config::peer& w : wanted)
      names.insert(name_of(w));
   for (const auto& [name, handle] : known)
      if (peer* p = peers_.find(handle); !names.contains(name) && p->quarantine_until == 0)
         remove_peer(*p);
   for (const config::peer& w : wanted) {
      const auto it = known.find(name_of(w));
      if (w.tunnel_key &&
          (it == known.end() || peers_.find(it->second)->settings.tunnel_key != w.tunnel_key))
         release_learned_key(w);
   }
   for (const config::peer& w : wanted) {
      const auto it = known.find(name_of(w));
      peer* p = it == known.end() ? nullptr : peers_.find(it->second);
      if (p == nullptr)
         add_peer(w);
      else if (!(p->settings == w) || p->quarantine_until != 0)
         update_peer(*p, w);
   }
}

/// What the operator pins counts more than what another peer once said of itself.
void network::release_learned_key(const config::peer& pinned) {
   peers_.each([&](uint64_t, peer& p) {
      if (p.quarantine_until == 0 && !wants_key(p)) return;
      if (p.tunnel_key != pinned.tunnel_key || same_key(p.settings, pinned)) return;
      close_links(p);
      p.tunnel_key.reset();
      p.last_error = "claims the tunnel key of another peer";
   });
}

void network::tell_discovery(const peer& p, const plugin::instance& d) const {
   const auto* table = d.ext<wrn_discovery>(WRN_EXT_DISCOVERY);
   if (!d.active() || table == nullptr) return;
   std::vector<wrn_str> endpoints;
   for (const std::string& e : p.settings.endpoints)
      endpoints.push_back({e.data(), e.size()});
   table->on_peer(d.get(), p.handle, endpoints.data(), static_cast<uint32_t>(endpoints.size()));
}

peer& network::add_peer(const config::peer& settings) {
   auto made = std::make_unique<peer>();
   made->settings = settings;
   made->tunnel_key = settings.tunnel_key;
   const uint64_t handle = peers_.insert(std::move(made));
   WRN_ASSERT(handle != 0); // prepare() has checked the number
   peer& p = *peers_.find(handle);
   p.handle = handle;
   if (wants_key(p)) p.ask_at = shard_.now();
   for (auto& d : plugins_)
      introduce(p, *d);
   open_links(p);
   return p;
}

void network::remove_peer(peer& p) {
   close_links(p);
   end_waiting(p, false);
   end_bulk(p, WRN_E_NOT_FOUND);
   if (trust_.on_link && p.settings.id && std::exchange(p.linked_told, false))
      trust_.on_link(*p.settings.id, false, "");
   const bool was_neighbor = std::exchange(p.cost_told, WRN_COST_INFINITE) != WRN_COST_INFINITE;
   for (auto& d : plugins_) {
      if (!d->active()) continue;
      if (p.quarantine_until != 0) continue;
      if (was_neighbor) tell_neighbor(p, *d);
      tell_member(p, *d, WRN_MEMBER_LEFT);
      if (const auto* table = d->ext<wrn_discovery>(WRN_EXT_DISCOVERY))
         table->on_peer_gone(d->get(), p.handle);
   }
   peers_.each([&](uint64_t, peer& other) {
      std::erase_if(other.ways, [&](const way& w) { return w.next_hop == p.handle; });
   });
   std::vector<pending_ping> ended;
   const auto first =
         std::stable_partition(pings_.begin(), pings_.end(),
                               [&](const pending_ping& ping) { return ping.peer != p.handle; });
   std::move(first, pings_.end(), std::back_inserter(ended));
   pings_.erase(first, pings_.end());
   for (size_t i = 0; i < drops_.size(); i++)
      drops_[i] += p.drops[i];
   peers_.erase(p.handle);
   for (pending_ping& ping : ended)
      ping.done(fail(errc::not_found, "the peer was removed"));
}

void network::update_peer(peer& p, const config::peer& settings) {
   const config::peer old = std::move(p.settings);
   p.settings = settings;
   const bool was_stranger = std::exchange(p.quarantine_until, uint64_t{0}) != 0;
   p.quarantine_psk.reset();
   if (was_stranger) {
      p.linked_told = false; // to plugins it is new
      for (auto& d : plugins_)
         introduce(p, *d);
      news_of(p);
   }
   // A key that was learned and is now certified is no new key.
   const bool new_key =
         settings.tunnel_key ? settings.tunnel_key != p.tunnel_key : old.tunnel_key.has_value();
   if (settings.tunnel_key) p.ask_at = 0;
   if (new_key) {
      close_links(p);
      end_waiting(p, false);
      p.tunnel_key = settings.tunnel_key;
      p.tunnel_key_sequence = 0;
      p.ask_at = wants_key(p) ? shard_.now() : 0;
      p.asked = 0;
   } else if (settings.psk != old.psk || settings.keepalive_s != old.keepalive_s) {
      for (auto& l : p.links) {
         const wrn_link_params params = params_of(p, l->remote);
         if (l->via->instance->active())
            l->via->table->update(l->via->instance->get(), l->handle, &params);
      }
   }
   if (settings.endpoints != old.endpoints)
      for (auto& d : plugins_)
         tell_discovery(p, *d);
   p.source_epoch = 0;
}

void network::rebuild_owners() {
   std::vector<route::owned_prefix> prefixes;
   has_guests_ = false;
   peers_.each([&](uint64_t handle, const peer& p) {
      has_guests_ |= members_ != nullptr && !p.settings.id;
      for (const auto* list : {&p.settings.addresses, &p.settings.routes})
         for (const wrn_addr& prefix : *list)
            prefixes.push_back({prefix, handle});
   });
   auto built = route::owner_table::build(std::move(prefixes));
   WRN_ASSERT(built.has_value()); // prepare() built the same
   owners_ = std::move(*built);
   epoch_++;
   renew_rules();
}

peer* network::find_peer(const config::peer& settings) const {
   peer* found = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      if (same_key(p.settings, settings)) found = &p;
   });
   return found;
}

peer* network::find_peer(std::string_view target) const {
   const auto address = base::parse_address(target);
   if (address) return peers_.find(owners_.lookup(address->family, address->ip));
   peer* found = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      const bool by_id = p.settings.id && crypto::format_node_id(*p.settings.id) == target;
      const bool by_key = p.tunnel_key && crypto::format_tunnel_key(*p.tunnel_key) == target;
      if (p.quarantine_until == 0 && (p.settings.name == target || by_id || by_key)) found = &p;
   });
   return found;
}

} // namespace warren::mesh
