// Networks with certificates in the daemon: their parties on the control thread, tied to what runs
// on the shard. Everything that changes a table of members ends in apply(), like a reload.
#include "core/app/daemon_class.hpp"
#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/crypto/key_file.hpp"
#include "core/io/local_addresses.hpp"
#include "core/route/acl.hpp"

#include <algorithm>
#include <fstream>
#include <set>

namespace warren::app {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

namespace {

constexpr uint16_t first_port = 51820;
constexpr int ports_tried = 16;

} // namespace

fs::path daemon::folder_of(const std::string& name) const {
   return fs::path(host_.state_dir) / name;
}

membership::hooks daemon::hooks_of(const std::string& name) {
   membership::hooks h;
   h.send = [this, name](const trust::node_id& to, std::vector<uint8_t> message) {
      const auto it = networks_.find(name);
      if (it == networks_.end()) return false;
      mesh::network* network = it->second.network.get();
      // Whether there is room shows on the shard only; what is lost there is said again later.
      return loop_->post(
            [network, to, message = std::move(message)] { network->send_trust(to, message); });
   };
   h.event = [this, name](std::string what, trust::fields fields) {
      on_event({loop_->wall_ns(), std::move(what), name, std::move(fields)});
   };
   h.changed = [this, name] { renew_members(name); };
   return h;
}

base::result<membership*> daemon::open_membership(const config::network& wanted) {
   if (const auto it = members_.find(wanted.name); it != members_.end()) return it->second.get();
   auto made = std::make_unique<membership>(context_, folder_of(wanted.name), wanted.keys,
                                            hooks_of(wanted.name));
   if (auto ok = made->open(); !ok)
      return fail(ok.error().code, "network '" + wanted.name + "': " + ok.error().text);
   if ((*made)->network() != *wanted.id)
      return fail(errc::config, "network '" + wanted.name + "': what is stored in " +
                                      folder_of(wanted.name).string() +
                                      " is of another network than network.id in its file");
   made->endpoints = [this, name = wanted.name] { return endpoints_of(name); };
   return (members_[wanted.name] = std::move(made)).get();
}

mesh::trust_handler daemon::trust_handler_of(const std::string& name) {
   // From the shard; bounded as events are. What is lost is as if a link had lost it.
   const auto posted = [this, name](auto what) {
      if (events_under_way_.fetch_add(1) >= base::limits::posts_max) {
         events_under_way_.fetch_sub(1);
         return;
      }
      asio::post(context_, [this, name, what = std::move(what)]() mutable {
         events_under_way_.fetch_sub(1);
         if (const auto it = members_.find(name); it != members_.end()) what(*it->second);
      });
   };
   mesh::trust_handler h;
   h.on_message = [posted](const trust::node_id& from, std::vector<uint8_t> message) {
      posted([from, message = std::move(message)](membership& m) { m.on_message(from, message); });
   };
   h.on_link = [posted](const trust::node_id& peer, bool up, std::string endpoint) {
      posted([peer, up, endpoint = std::move(endpoint)](membership& m) {
         m.on_link(peer, up, endpoint);
      });
   };
   h.on_clone = [posted](const trust::node_id& peer) {
      posted([peer](membership& m) { m.on_clone(peer); });
   };
   h.on_knock = [posted](trust::invite_verdict verdict) {
      posted([verdict](membership& m) { m.on_knock(verdict); });
   };
   return h;
}

/// Where others may reach this node: what the operator's file says, then each address of the host
/// with the port of each transport.
std::vector<std::string> daemon::endpoints_of(const std::string& name) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return {};
   std::vector<std::string> out = it->second.settings.endpoints;
   std::set<std::string> ours; // interfaces of our own networks carry no links
   for (const auto& [other, r] : networks_)
      ours.insert(r.settings.interface);
   const auto ports = on_shard([&] { return it->second.network->listening(); });
   for (const io::local_address& a : io::local_addresses()) {
      if (ours.contains(a.interface)) continue;
      for (const auto& [transport, listen] : ports) {
         if (listen.family == WRN_AF_INET && a.address.family == WRN_AF_INET6) continue;
         wrn_addr at = a.address;
         at.port = listen.port;
         std::string text = transport + "://" + base::format_endpoint(at);
         if (out.size() < trust::endpoints_max &&
             std::find(out.begin(), out.end(), text) == out.end())
            out.push_back(std::move(text));
      }
   }
   return out;
}

/// The members, or this node's keys, are others now.
void daemon::renew_members(const std::string& name) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return;
   auto plan = make_plan(it->second.settings, &it->second);
   const config::network written = it->second.settings;
   const base::result<void> ok =
         plan ? apply(name, std::move(*plan), written) : base::result<void>(plan.error());
   // What runs stays as it was; the next change tries again.
   if (!ok) on_event({loop_->wall_ns(), "members.not_applied", name, {{"why", ok.error().text}}});
}

/// Reads the network's file, which has just been written, and starts it.
base::result<void> daemon::start_network(const std::string& name) {
   auto loaded = load();
   if (!loaded.ok()) return fail(errc::config, loaded.errors.front().format());
   for (const config::network& n : loaded.value.networks) {
      if (n.name != name) continue;
      auto plan = make_plan(n, nullptr);
      if (!plan) return plan.error();
      if (auto ok = apply(name, std::move(*plan), n); !ok) return ok;
      return {};
   }
   return fail(errc::internal, "the network's file was written and is not there");
}

/// With the port named, or the first that is free from WireGuard's on: one that stays is where
/// others find this node again.
base::result<void> daemon::start_new_network(const std::string& name, const crypto::bytes32& id,
                                             const std::string& node, const std::string& listen,
                                             const std::vector<std::string>& endpoints,
                                             uint32_t mtu) {
   base::result<void> started;
   for (int i = 0; i < (listen.empty() ? ports_tried : 1); i++) {
      started = write_network_file(
            name, id, node, listen.empty() ? "[::]:" + std::to_string(first_port + i) : listen,
            endpoints, mtu);
      if (started) started = start_network(name);
      if (started || started.error().code != errc::in_use) break;
   }
   return started;
}

base::result<void> daemon::write_network_file(const std::string& name, const crypto::bytes32& id,
                                              const std::string& node, const std::string& listen,
                                              const std::vector<std::string>& endpoints,
                                              uint32_t mtu) {
   const auto quoted = [](std::string_view text) {
      std::string out = "\"";
      for (const char c : text)
         (c == '"' || c == '\\' ? out += '\\' : out) += c;
      return out + "\"";
   };
   std::string text = "# Written once by 'warren network'; from now on it is yours. Every key: "
                      "'warren config example network'.\n\n[network]\nid = " +
                      quoted(crypto::format_network_id(id)) + "\n";
   if (mtu != 0) text += "mtu = " + std::to_string(mtu) + "\n";
   text += "\n[node]\nname = " + quoted(node) + "\nroles = [\"relay\"]\n";
   if (!endpoints.empty()) {
      text += "endpoints = [";
      for (size_t i = 0; i < endpoints.size(); i++)
         text += (i == 0 ? "" : ", ") + quoted(endpoints[i]);
      text += "]\n";
   }
   text += "\n[[transport]]\nplugin = \"wireguard\"\nlisten = " + quoted(listen) +
           "\n\n[[discovery]]\nplugin = \"static\"\n";
   std::error_code ec;
   fs::create_directories(host_.networks_dir, ec);
   const fs::path file = fs::path(host_.networks_dir) / (name + ".toml");
   return crypto::write_private_file(file, text, true);
}

/// Nobody's rules get out of here with a mistake in them.
base::result<void> daemon::check_rules(const std::string& name, const std::string& text) {
   const auto parsed = route::parse_acl(text, name + ".hujson");
   for (const route::acl_mistake& m : parsed.mistakes)
      if (!m.warning)
         return fail(errc::config, route::format_mistake(name + ".hujson", m.at, m.text));
   return {};
}

/// All that creating or joining has left behind when it could not be finished.
void daemon::undo_network(const std::string& name) {
   stop_network(name);
   std::error_code ec;
   fs::remove(fs::path(host_.networks_dir) / (name + ".toml"), ec);
   fs::remove_all(folder_of(name), ec);
   members_.erase(name);
}

} // namespace warren::app
