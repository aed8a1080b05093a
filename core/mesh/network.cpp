// Life of a network: start, change, stop.
#include "core/mesh/network.hpp"

#include "core/base/address.hpp"
#include "core/base/log.hpp"

#include <algorithm>

namespace warren::mesh {

namespace limits = base::limits;
using base::errc;
using base::fail;

namespace {

std::array<uint64_t, 5> random_words(io::shard& shard) {
   std::array<uint64_t, 5> words;
   shard.random(words.data(), sizeof words);
   return words;
}

uint64_t random_word(io::shard& shard) {
   uint64_t word = 0;
   shard.random(&word, sizeof word);
   return word;
}

bool same_listen(const std::optional<wrn_addr>& a, const std::optional<wrn_addr>& b) {
   return a.has_value() == b.has_value() && (!a || base::same_endpoint(*a, *b));
}

/// Both live on the same: datagrams, streams, or both.
bool same_kind(const transport& a, const transport& b) {
   return (a.udp != nullptr) == (b.udp != nullptr) &&
          (a.stream != nullptr) == (b.stream != nullptr);
}

bool same_prefixes(const std::vector<wrn_addr>& a, const std::vector<wrn_addr>& b) {
   return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                     [](const wrn_addr& x, const wrn_addr& y) {
                        return base::same_address(x, y) && x.prefix_len == y.prefix_len;
                     });
}

/// Everything the peers own: goes into the device as routes.
std::vector<wrn_addr> routes_of(const config::network& settings) {
   std::vector<wrn_addr> routes;
   for (const config::peer& p : settings.peers)
      for (const auto* list : {&p.addresses, &p.routes})
         for (const wrn_addr& prefix : *list) {
            // What the interface's own prefix covers needs no route of its own, unless it is as
            // long.
            const bool covered = std::any_of(
                  settings.addresses.begin(), settings.addresses.end(), [&](const wrn_addr& own) {
                     return own.prefix_len <= prefix.prefix_len && base::contains(own, prefix);
                  });
            if (!covered) routes.push_back(base::masked(prefix));
         }
   return routes;
}

} // namespace

/// Prepared by apply(): everything new that can fail, open beside what runs.
struct network::staged {
   std::unique_ptr<io::tun_device> tun; // null = keep
   std::vector<std::unique_ptr<transport>> transports;
   std::vector<std::unique_ptr<plugin::instance>> plugins;
   std::vector<size_t> kept_transports,
         kept_plugins; // indices into the old ones, moved at commit; SIZE_MAX = new
   bool reconfigure_tun = false;
   std::shared_ptr<const route::acl> rules; // of the configuration
};

network::network(io::shard& shard, std::string name, event_handler on_event)
    : shard_(shard), name_(std::move(name)), on_event_(std::move(on_event)),
      peers_(limits::peers_max + limits::quarantine_max),
      flows_(limits::flow_cache_entries, random_words(shard)),
      note_budget_{limits::drop_notes_per_second_max, limits::drop_notes_per_second_max},
      ping_identifier_(static_cast<uint16_t>(random_word(shard))), icmp_budget_{100, 100},
      key_budget_{200, 200}, knock_notes_{5, 5} {
   instance_ = random_word(shard);
}

network::~network() { WRN_ASSERT(!running_); }

bool network::bucket::take(uint64_t now) {
   const uint64_t refill = (now - refilled) / (1'000'000'000 / per_second);
   if (refill > 0) {
      tokens = std::min(per_second, tokens + refill);
      refilled = now;
   }
   if (tokens == 0) return false;
   tokens--;
   return true;
}

base::result<void> network::apply(plan wanted,
                                  std::vector<std::unique_ptr<plugin::instance>>& retired) {
   staged next;
   if (auto ok = prepare(wanted, next); !ok) {
      undo(next, retired);
      for (auto* list : {&wanted.transports, &wanted.plugins})
         for (auto& instance : *list)
            if (instance) retired.push_back(std::move(instance));
      return ok;
   }
   commit(wanted, next, retired);
   return {};
}

base::result<void> network::prepare(plan& wanted, staged& next) {
   // The owner table first: it is pure. Handles do not matter for whether it can be built.
   std::vector<route::owned_prefix> prefixes;
   uint64_t fake_owner = 1;
   for (const config::peer& p : wanted.settings.peers) {
      for (const auto* list : {&p.addresses, &p.routes})
         for (const wrn_addr& prefix : *list)
            prefixes.push_back({prefix, fake_owner});
      fake_owner++;
   }
   if (auto built = route::owner_table::build(std::move(prefixes)); !built) return built.error();
   if (wanted.settings.peers.size() > limits::peers_max)
      return fail(errc::limit,
                  name_ + " has more than " + std::to_string(limits::peers_max) + " peers");

   if (auto rules = read_rules(wanted.settings))
      next.rules = std::move(*rules);
   else
      return rules.error();

   std::vector<bool> socket_taken(transports_.size(), false);
   std::vector<bool> transport_taken(transports_.size(), false);
   for (size_t i = 0; i < wanted.settings.transports.size(); i++) {
      const config::plugin_use& use = wanted.settings.transports[i];
      if (!wanted.transports[i]) {
         size_t old = 0;
         while (old < transports_.size() &&
                (transport_taken[old] || !(transports_[old]->instance->use() == use)))
            old++;
         if (old == transports_.size())
            return fail(errc::internal, "transport to keep is not running");
         transport_taken[old] = true;
         socket_taken[old] = true;
         next.kept_transports.push_back(old);
         next.transports.push_back(nullptr);
         continue;
      }
      next.kept_transports.push_back(SIZE_MAX);
      auto made = std::make_unique<transport>();
      made->instance = std::move(wanted.transports[i]);
      made->table = made->instance->ext<wrn_transport>(WRN_EXT_TRANSPORT);
      made->udp = made->instance->ext<wrn_udp>(WRN_EXT_UDP);
      made->stream = made->instance->ext<wrn_stream>(WRN_EXT_STREAM);
      made->table->limits(made->instance->get(), &made->limits);
      made->overlay_name = overlay_name_of(*made->instance);
      const std::string word = made->instance->desc().name;
      if ((made->limits.flags & WRN_TF_PLAINTEXT) != 0 && !wanted.settings.allow_plaintext) {
         next.transports.push_back(std::move(made));
         return fail(errc::config, use.where.file + ":" + std::to_string(use.where.line) + ":" +
                                         std::to_string(use.where.column) + ": transport '" + word +
                                         "' sends in plain text and proves nobody; set "
                                         "network.allow_plaintext = true if that is what you want");
      }
      if (made->limits.headroom > shard_.pool().headroom() ||
          made->limits.tailroom > shard_.pool().tailroom()) {
         next.transports.push_back(std::move(made));
         return fail(errc::unsupported,
                     "transport '" + word + "' needs more head- or tailroom than packets have");
      }
      // The socket of a transport that goes away is taken over when the address is the same:
      // nothing is lost, and the port cannot be in use.
      for (size_t old = 0; old < transports_.size() && !made->bound; old++) {
         const bool goes_away =
               std::none_of(wanted.settings.transports.begin(), wanted.settings.transports.end(),
                            [&](const config::plugin_use& u) {
                               return u == transports_[old]->instance->use();
                            }) ||
               transports_[old]->instance->current() == plugin::instance::state::failed;
         if (goes_away && !socket_taken[old] && transports_[old]->bound &&
             same_kind(*transports_[old], *made) &&
             same_listen(transports_[old]->bound->listen, use.listen)) {
            made->bound = transports_[old]->bound;
            socket_taken[old] = true;
         }
      }
      if (!made->bound) {
         auto bound = open_sockets(use, *made, wanted.settings.offload);
         if (!bound) {
            next.transports.push_back(std::move(made));
            return fail(bound.error().code, "transport '" + word + "': " + bound.error().text);
         }
         made->bound = std::move(*bound);
      }
      if (made->udp != nullptr) made->sock = next_handle_++;
      made->port = made->bound->local().port;
      next.transports.push_back(std::move(made));
   }

   std::vector<bool> plugins_taken(plugins_.size(), false);
   for (size_t i = 0; i < wanted.settings.plugins.size(); i++) {
      if (wanted.plugins[i]) {
         next.kept_plugins.push_back(SIZE_MAX);
         next.plugins.push_back(std::move(wanted.plugins[i]));
         continue;
      }
      size_t old = 0;
      while (old < plugins_.size() &&
             (plugins_taken[old] || !(plugins_[old]->use() == wanted.settings.plugins[i])))
         old++;
      if (old == plugins_.size()) return fail(errc::internal, "plugin to keep is not running");
      plugins_taken[old] = true;
      next.kept_plugins.push_back(old);
      next.plugins.push_back(nullptr);
   }

   // Last what runs foreign code. Until commit() they see no socket, no link and no peer.
   if (!identity_) identity_ = wanted.identity;
   for (auto& t : next.transports)
      if (t)
         if (auto ok = t->instance->start(*this); !ok) return ok;
   for (auto& d : next.plugins)
      if (d)
         if (auto ok = d->start(*this); !ok) return ok;
   return prepare_tun(wanted.settings, next);
}

/// Last of all, because a device that takes the place of one of the same name cannot be opened
/// beside it.
base::result<void> network::prepare_tun(const config::network& wanted, staged& next) {
   if (tun_ && settings_.interface == wanted.interface && settings_.offload == wanted.offload) {
      next.reconfigure_tun = settings_.mtu != wanted.mtu ||
                             !same_prefixes(settings_.addresses, wanted.addresses) ||
                             !same_prefixes(routes_of(settings_), routes_of(wanted));
      if (!next.reconfigure_tun) return {};
      auto ok = tun_->configure(wanted.addresses, routes_of(wanted), wanted.mtu);
      if (!ok) (void)tun_->configure(settings_.addresses, routes_of(settings_), settings_.mtu);
      return ok;
   }
   const auto open = [&](const config::network& settings) {
      io::tun_options options;
      options.name = settings.interface;
      options.mtu = settings.mtu;
      options.headroom = shard_.pool().headroom();
      options.tailroom = shard_.pool().tailroom();
      options.offload = settings.offload;
      options.addresses = settings.addresses;
      options.routes = routes_of(settings);
      return shard_.open_tun(options, *this);
   };
   const bool replaces = tun_ && settings_.interface == wanted.interface;
   if (replaces) tun_.reset();
   auto opened = open(wanted);
   if (!opened) {
      if (replaces)
         if (auto again = open(settings_)) tun_ = std::move(*again);
      return opened.error();
   }
   next.tun = std::move(*opened);
   return {};
}

void network::undo(staged& next, std::vector<std::unique_ptr<plugin::instance>>& retired) {
   for (auto& t : next.transports)
      if (t && t->instance) {
         t->instance->stop();
         retired.push_back(std::move(t->instance));
      }
   for (auto& d : next.plugins)
      if (d) {
         d->stop();
         retired.push_back(std::move(d));
      }
}

void network::commit(plan& wanted, staged& next,
                     std::vector<std::unique_ptr<plugin::instance>>& retired) {
   const bool first = !running_;
   const bool new_identity = identity_->tunnel.public_key != wanted.identity->tunnel.public_key ||
                             identity_->signing.id != wanted.identity->signing.id;
   running_ = true;
   if (first) since_wall_ns_ = shard_.wall_ns();
   if (next.tun) {
      tun_ = std::move(next.tun);
      tun_up_ = true;
   }

   // Transports: keep, stop, take on.
   auto old_transports = std::move(transports_);
   transports_.clear();
   for (size_t i = 0; i < next.transports.size(); i++)
      transports_.push_back(next.kept_transports[i] == SIZE_MAX
                                  ? std::move(next.transports[i])
                                  : std::move(old_transports[next.kept_transports[i]]));
   for (auto& t : old_transports)
      if (t) stop_transport(*t, retired);
   auto old_plugins = std::move(plugins_);
   plugins_.clear();
   std::vector<plugin::instance*> new_plugins;
   for (size_t i = 0; i < next.plugins.size(); i++) {
      const bool fresh = next.kept_plugins[i] == SIZE_MAX;
      plugins_.push_back(fresh ? std::move(next.plugins[i])
                               : std::move(old_plugins[next.kept_plugins[i]]));
      if (fresh) new_plugins.push_back(plugins_.back().get());
   }
   for (auto& d : old_plugins)
      if (d) {
         d->stop(); // may still offer
         forget_plugin(*d);
         retired.push_back(std::move(d));
      }

   if (!(settings_.acl == wanted.settings.acl)) {
      acl_ = std::move(next.rules);
      acl_default_accept_ = wanted.settings.acl.default_accept;
   }
   const bool new_mtu = settings_.mtu != wanted.settings.mtu;
   settings_ = std::move(wanted.settings);
   identity_ = wanted.identity;
   const bool new_members = members_ != wanted.members;
   members_ = wanted.members;
   if (new_mtu) renew_mtu();
   if (new_identity)
      for (auto& t : transports_)
         t->instance->event(WRN_EV_IDENTITY_CHANGED);
   for (size_t i = 0; i < transports_.size(); i++)
      if (next.kept_transports[i] == SIZE_MAX) tell_sockets(*transports_[i]);

   // Peers that were there before meet the new plugins; commit_peers() then tells everybody about
   // new and changed ones.
   peers_.each([&](uint64_t, peer& p) {
      for (const plugin::instance* d : new_plugins)
         introduce(p, *d);
   });
   commit_peers(settings_.peers);
   peers_.each([&](uint64_t, peer& p) {
      if (new_identity && wants_key(p)) ask_key(p); // tells it our new key, too
      open_links(p);
   });
   rebuild_owners();
   number_peers();
   if (new_members) renew_psks();
   emit(first ? "network.started" : "network.changed",
        {{"interface", tun_->name()}, {"peers", std::to_string(peers_.size())}});
   want_maintenance();
}

void network::stop_transport(transport& t,
                             std::vector<std::unique_ptr<plugin::instance>>& retired) {
   peers_.each([&](uint64_t, peer& p) {
      for (auto& l : p.links)
         if (l->via == &t) close_link(*l);
      std::erase_if(p.links, [&](const auto& l) { return l->via == &t; });
   });
   t.instance->drain();
   t.instance->stop();
   retired.push_back(std::move(t.instance));
}

void network::stop(std::vector<std::unique_ptr<plugin::instance>>& retired) {
   if (!running_) return;
   running_ = false; // from here on nobody plans work
   for (uint64_t* timer : {&maintenance_timer_, &ping_timer_, &later_timer_, &bulk_timer_})
      if (*timer != 0) shard_.timer_cancel(std::exchange(*timer, 0));
   later_links_.clear();
   later_peers_.clear();
   later_psks_.clear();
   news_.clear();
   for (auto* queue : {&inbox_, &outbox_, &transit_, &passing_})
      clear_frames(*queue);
   end_requests([](const pending_request&) { return true; },
                fail(errc::state, "the network was stopped"));
   for (auto ping = std::exchange(pings_, {}); auto& p : ping)
      p.done(fail(errc::state, "the network was stopped"));
   for (auto& t : transports_)
      stop_transport(*t, retired);
   transports_.clear();
   for (auto& d : plugins_) {
      d->stop();
      retired.push_back(std::move(d));
   }
   plugins_.clear();
   std::vector<uint64_t> handles;
   peers_.each([&](uint64_t handle, peer&) { handles.push_back(handle); });
   for (const uint64_t handle : handles) {
      end_waiting(*peers_.find(handle), false);
      peers_.erase(handle);
   }
   tun_.reset();
   emit("network.stopped", {});
}

const wrn_addr* network::own_address(uint8_t family) const {
   for (const wrn_addr& a : settings_.addresses)
      if (a.family == family) return &a;
   return nullptr;
}

void network::emit(std::string name, std::vector<std::pair<std::string, std::string>> fields) {
   if (on_event_) on_event_({shard_.wall_ns(), std::move(name), name_, std::move(fields)});
}

void network::on_network_changed() {
   for (auto& t : transports_)
      t->instance->event(WRN_EV_NETWORK_CHANGED);
   for (auto& d : plugins_)
      d->event(WRN_EV_NETWORK_CHANGED);
}

void network::on_link(io::tun_device&, bool up) {
   if (up == tun_up_) return;
   tun_up_ = up;
   emit(up ? "interface.up" : "interface.down", {{"interface", settings_.interface}});
}

} // namespace warren::mesh
