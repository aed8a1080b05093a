#include "core/config/load.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/config/reader.hpp"
#include "core/crypto/key_file.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <unistd.h>

namespace warren::config {

namespace {

namespace fs = std::filesystem;
namespace limits = base::limits;

base::result<std::string> read_file(const fs::path& file) {
   std::error_code ec;
   const auto size = fs::file_size(file, ec);
   if (ec)
      return base::fail(ec == std::errc::no_such_file_or_directory
                              ? base::errc::not_found
                              : base::errc_of_errno(ec.value()),
                        "cannot read it: " + ec.message());
   if (size > limits::config_bytes_max)
      return base::fail(base::errc::limit, "the file has more than " +
                                                 std::to_string(limits::config_bytes_max) +
                                                 " bytes");
   std::ifstream in(file, std::ios::binary);
   std::ostringstream text;
   text << in.rdbuf();
   if (!in) return base::fail(base::errc::permission, "cannot read it; is the daemon allowed to?");
   return text.str();
}

bool is_name(std::string_view text) {
   return !text.empty() && text.size() <= limits::name_max &&
          std::all_of(text.begin(), text.end(), [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
          });
}

std::string host_name() {
   char buffer[256] = {};
   if (gethostname(buffer, sizeof buffer - 1) != 0) return "node";
   const std::string name(buffer);
   return is_name(name) ? name : "node";
}

// --- a network file ----------------------------------------------------------------------------

class network_reader {
 public:
   network_reader(const fs::path& file, const daemon& host, const schemas& plugins,
                  error_list& errors)
       : file_(file), folder_(file.parent_path()), host_(host), plugins_(plugins), errors_(errors) {
   }

   network read(const toml::table& table) {
      network n;
      n.file = file_;
      n.name = file_.stem();
      if (!is_name(n.name))
         errors_.add(
               table.source(),
               "'" + n.name +
                     "' is not a network name; use letters, digits, '-', '_' and '.', at most 63");
      n.interface = n.name.substr(0, limits::interface_name_max);
      n.keys = fs::path(host_.state_dir) / n.name / "keys";
      n.node_name = host_name();
      table_reader in(table, "", errors_);
      if (const toml::table* t = in.table("network")) read_network(*t, n);
      if (const toml::table* t = in.table("node")) read_node(*t, n);
      n.transports = read_uses(in.tables("transport"), WRN_KIND_TRANSPORT, table);
      for (const uint32_t kind : {WRN_KIND_DISCOVERY, WRN_KIND_ROUTING, WRN_KIND_SERVICE})
         for (plugin_use& use : read_uses(in.tables(std::string(kind_name(kind))), kind, table))
            n.plugins.push_back(std::move(use));
      for (const toml::table* t : in.tables("peer"))
         read_peer(*t, n);
      if (const toml::table* t = in.table("acl")) read_acl(*t, n.acl);
      in.finish();
      check_peers(n);
      check_listen(n);
      return n;
   }

 private:
   void read_network(const toml::table& table, network& n) {
      table_reader in(table, "[network]", errors_);
      if (auto v = in.string("interface")) {
         n.interface = *v;
         const bool good = !v->empty() && v->size() <= limits::interface_name_max && *v != "." &&
                           *v != ".." && std::none_of(v->begin(), v->end(), [](unsigned char c) {
                              return c <= ' ' || c == '/' || c == ':' || c == '%' || c > 126;
                           });
         if (!good)
            in.fail("interface", "'interface' is \"" + *v +
                                       "\"; expected an interface name of 1 to 15 characters "
                                       "without spaces, '/', ':' and '%'");
      }
      if (auto v = in.integer("mtu", 1280, 65535 - 80)) n.mtu = static_cast<uint32_t>(*v);
      if (auto v = in.string("id")) {
         if (auto id = crypto::parse_network_id(*v))
            n.id = *id;
         else
            in.fail("id", id.error().text);
      }
      if (in.has("accept")) n.accept_acl = false;
      for (const auto& item : in.strings("accept")) {
         n.accept_acl = true;
         if (item.value != "acl")
            errors_.add(item.where, "\"" + item.value + "\" in 'accept'; expected \"acl\"");
      }
      if (auto v = in.string("profile"); v && !use_profile(*v, n.acl))
         in.fail("profile", "'profile' is \"" + *v + "\"; expected " + profile_words);
      if (auto v = in.string("keys")) n.keys = resolve_path(*v, folder_);
      if (auto v = in.boolean("allow_plaintext")) n.allow_plaintext = *v;
      if (in.has("offload")) n.offload = read_offload(in);
      in.finish();
   }

   void read_acl(const toml::table& table, acl_settings& acl) {
      table_reader in(table, "[acl]", errors_);
      if (auto v = in.string("default")) {
         acl.default_accept = *v == "accept";
         if (*v != "accept" && *v != "deny")
            in.fail("default",
                    "'default' in [acl] is \"" + *v + "\"; expected \"deny\" or \"accept\"");
      }
      if (auto v = in.string("file")) { // in place of a profile's
         acl.file = resolve_path(*v, folder_);
         if (auto text = read_file(acl.file)) {
            acl.text = std::move(*text);
            if (plugins_.rules)
               for (config_error& mistake : plugins_.rules(acl.text, acl.file))
                  errors_.add(std::move(mistake.where), std::move(mistake.text));
         } else {
            in.fail("file", "\"" + acl.file + "\": " + text.error().text);
         }
      } else if (!in.has("file")) {
         errors_.add(in.where(), "missing key 'file' in [acl]; it names the rules, 'warren acl "
                                 "check FILE' looks at them");
      }
      in.finish();
   }

   base::offload_set read_offload(table_reader& in) {
      base::offload_set set = base::offload_set::none();
      for (const auto& item : in.strings("offload")) {
         const auto& names = base::offload_names;
         const auto found = std::find(names.begin(), names.end(), item.value);
         if (found == names.end())
            errors_.add(
                  item.where,
                  "\"" + item.value +
                        "\" is not an offload; expected \"tso\", \"uso\", \"gso\" or \"gro\"");
         else
            set = set.with(static_cast<base::offload>(found - names.begin()));
      }
      return set;
   }

   void read_node(const toml::table& table, network& n) {
      table_reader in(table, "[node]", errors_);
      if (auto v = in.string("name")) {
         n.node_name = *v;
         if (!is_name(*v))
            in.fail("name", "'name' is \"" + *v +
                                  "\"; expected letters, digits, '-', '_' and '.', at most 63");
      }
      for (const auto& item : in.strings("addresses")) {
         if (auto a = base::parse_prefix(item.value, true))
            n.addresses.push_back(*a);
         else
            errors_.add(item.where, a.error().text);
      }
      for (const auto& item : in.strings("endpoints")) {
         check_endpoint(item);
         n.endpoints.push_back(item.value);
      }
      for (const auto& item : in.strings("roles")) {
         if (item.value == "relay")
            n.relay = true;
         else
            errors_.add(item.where, "\"" + item.value + "\" is not a role; expected \"relay\"");
      }
      in.finish();
   }

   /// The tables of one kind, such as [[transport]]; a sub-table may stand there for every word of
   /// the kind.
   std::vector<plugin_use> read_uses(const std::vector<const toml::table*>& tables, uint32_t kind,
                                     const toml::table& whole) {
      const bool transport = kind == WRN_KIND_TRANSPORT;
      const std::string name = "[[" + std::string(kind_name(kind)) + "]]";
      std::vector<plugin_use> uses;
      for (const toml::table* t : tables) {
         table_reader in(*t, name, errors_);
         plugin_use use;
         use.kind = kind;
         use.where = in.where();
         if (auto v = in.string("plugin")) {
            use.plugin = *v;
            use.where = in.where("plugin");
         } else if (!in.has("plugin")) {
            errors_.add(in.where(),
                        "missing key " + in.called("plugin") +
                              "; name a plugin, 'warren plugin list' shows which there are");
         }
         if (transport)
            if (auto v = in.string("listen"); v && *v != "auto") {
               if (auto a = base::parse_endpoint(*v))
                  use.listen = *a;
               else
                  in.fail("listen", in.called("listen") + ": " + a.error().text + ", or \"auto\"");
            }
         const plugin_schema selected =
               use.plugin.empty() ? plugin_schema{} : plugins_.find(kind, use.plugin);
         if (transport && selected.desc != nullptr) own_words_.insert(selected.desc->name);
         if (!use.plugin.empty() && selected.desc == nullptr)
            in.fail("plugin", selected.unknown_text);
         bool selected_read = false;
         for (const wrn_plugin_desc* desc : plugins_.all(kind)) {
            if (!in.has(desc->name)) continue;
            const toml::table* sub = in.table(desc->name);
            if (sub == nullptr) continue;
            plugin_values values = read_plugin_values(sub, *desc, use.where, folder_, errors_);
            if (selected.desc != nullptr && std::string_view(selected.desc->name) == desc->name) {
               use.values = std::move(values);
               selected_read = true;
            }
         }
         if (selected.desc != nullptr && !selected_read) {
            const toml::table* sub =
                  in.has(selected.desc->name) ? in.table(selected.desc->name) : nullptr;
            use.values = read_plugin_values(sub, *selected.desc, use.where, folder_, errors_);
         }
         in.finish();
         uses.push_back(std::move(use));
      }
      if (uses.size() > limits::plugins_per_network_max)
         errors_.add(whole.source(), "more than " +
                                           std::to_string(limits::plugins_per_network_max) + " " +
                                           name + " tables");
      const bool has_default = transport || kind == WRN_KIND_DISCOVERY;
      if (uses.empty() && has_default) { // the everyday case needs neither table
         plugin_use use;
         use.kind = kind;
         use.plugin = transport ? "wireguard" : "static";
         use.where = errors_.at(whole.source());
         const plugin_schema schema = plugins_.find(kind, use.plugin);
         if (schema.desc != nullptr)
            use.values = read_plugin_values(nullptr, *schema.desc, use.where, folder_, errors_);
         else
            errors_.add(whole.source(), schema.unknown_text);
         uses.push_back(std::move(use));
      }
      return uses;
   }

   void read_peer(const toml::table& table, network& n) {
      table_reader in(table, "[[peer]]", errors_);
      peer p;
      p.where = in.where();
      if (auto v = in.string("name")) {
         p.name = *v;
         if (!is_name(*v))
            in.fail("name", in.called("name") + " is \"" + *v +
                                  "\"; expected letters, digits, '-', '_' and '.', at most 63");
      } else if (!in.has("name")) {
         errors_.add(in.where(), "missing key 'name' in [[peer]]; any name of your choice, status "
                                 "and commands use it");
      }
      if (auto v = in.string("id")) {
         if (auto id = crypto::parse_node_id(*v))
            p.id = *id;
         else
            in.fail("id", id.error().text);
      }
      if (auto v = in.string("tunnel_key")) {
         if (auto key = crypto::parse_tunnel_key(*v))
            p.tunnel_key = *key;
         else
            in.fail("tunnel_key", key.error().text);
      }
      if (!in.has("id") && !in.has("tunnel_key"))
         errors_.add(in.where(), "[[peer]] needs 'id' (a Warren node, 'warren key show' prints it) "
                                 "or 'tunnel_key' (a WireGuard peer, its public key)");
      read_psk(in, p);
      for (const auto& item : in.strings("addresses")) {
         auto a = base::parse_prefix(item.value);
         if (a && a->prefix_len != base::address_bits(*a))
            errors_.add(item.where, "\"" + item.value +
                                          "\" is a prefix; 'addresses' are the peer's own, "
                                          "prefixes behind it belong into 'routes'");
         else if (a)
            p.addresses.push_back(*a);
         else
            errors_.add(item.where, a.error().text);
      }
      for (const auto& item : in.strings("routes")) {
         if (auto a = base::parse_prefix(item.value))
            p.routes.push_back(*a);
         else
            errors_.add(item.where, a.error().text);
      }
      const auto endpoints = in.strings("endpoints");
      if (endpoints.size() > limits::endpoints_per_peer_max)
         in.fail("endpoints",
                 "more than " + std::to_string(limits::endpoints_per_peer_max) + " endpoints");
      for (const auto& item : endpoints) {
         check_endpoint(item);
         p.endpoints.push_back(item.value);
      }
      if (auto v = in.duration("keepalive", 0, 65535ll * 1'000'000'000))
         p.keepalive_s = static_cast<uint32_t>(*v / 1'000'000'000);
      in.finish();
      n.peers.push_back(std::move(p));
   }

   void read_psk(table_reader& in, peer& p) {
      const auto text = in.string("psk");
      const auto file = in.string("psk_file");
      if (text && file) in.fail("psk_file", "both 'psk' and 'psk_file' are given; keep one");
      if (text) {
         if (auto key = crypto::parse_tunnel_key(*text))
            p.psk = *key;
         else
            in.fail("psk", "'psk' in [[peer]] is not a preshared key; expected 44 base64 "
                           "characters, as 'wg genpsk' prints");
      }
      if (file) {
         if (auto secret = crypto::load_secret(resolve_path(*file, folder_))) {
            p.psk.emplace();
            std::copy(secret->bytes().begin(), secret->bytes().end(), p.psk->begin());
         } else {
            in.fail("psk_file", secret.error().text);
         }
      }
   }

   void check_endpoint(const table_reader::item& item) {
      const auto word = endpoint_transport(item.value);
      if (!word) return errors_.add(item.where, word.error().text);
      if (own_words_.contains(*word)) return;
      if (const plugin_schema schema = plugins_.find(WRN_KIND_TRANSPORT, *word);
          schema.desc == nullptr)
         errors_.add(item.where, "endpoint \"" + item.value + "\": " + schema.unknown_text);
   }

   void check_peers(const network& n) {
      if (n.peers.size() > limits::peers_max)
         errors_.add(location{file_, 0, 0},
                     "more than " + std::to_string(limits::peers_max) + " peers");
      std::map<std::string, const peer*> names, keys;
      std::map<std::string, const peer*> owners;
      const auto unique = [&](auto& seen, const std::string& key, const peer& p,
                              const std::string& what) {
         const auto [it, fresh] = seen.emplace(key, &p);
         if (!fresh && it->second != &p)
            errors_.add(p.where, what + " is already that of the peer in line " +
                                       std::to_string(it->second->where.line));
      };
      for (const peer& p : n.peers) {
         if (!p.name.empty()) unique(names, p.name, p, "name '" + p.name + "'");
         if (p.id)
            unique(keys, crypto::format_node_id(*p.id), p,
                   "node id " + crypto::format_node_id(*p.id));
         if (p.tunnel_key)
            unique(keys, crypto::format_tunnel_key(*p.tunnel_key), p,
                   "tunnel key " + crypto::format_tunnel_key(*p.tunnel_key));
         for (const auto* list : {&p.addresses, &p.routes})
            for (const wrn_addr& prefix : *list)
               unique(owners, base::format_prefix(prefix), p, base::format_prefix(prefix));
         for (const wrn_addr& own : n.addresses)
            for (const wrn_addr& a : p.addresses)
               if (base::same_address(own, a))
                  errors_.add(p.where, base::format_address(a) + " is this node's own address");
      }
      if (owners.size() > limits::prefixes_max)
         errors_.add(location{file_, 0, 0},
                     "more than " + std::to_string(limits::prefixes_max) + " addresses and routes");
   }

   void check_listen(const network& n) {
      for (size_t i = 0; i < n.transports.size(); i++)
         for (size_t j = 0; j < i; j++) {
            const auto &a = n.transports[i].listen, &b = n.transports[j].listen;
            if (a && b && a->port == b->port && a->port != 0)
               errors_.add(n.transports[i].where,
                           "port " + std::to_string(a->port) +
                                 " is already that of the transport in line " +
                                 std::to_string(n.transports[j].where.line));
         }
   }

   fs::path file_, folder_;
   const daemon& host_;
   const schemas& plugins_;
   error_list& errors_;
   // Of this network's transports: a module named by its path is in no plugin folder, but endpoints
   // may name its word.
   std::set<std::string, std::less<>> own_words_;
};

} // namespace

loaded<daemon> load_daemon(const fs::path& file, bool may_be_missing) {
   error_list errors(file);
   loaded<daemon> out;
   out.value.networks_dir = file.parent_path() / "networks";
   auto text = read_file(file);
   if (!text) {
      if (text.error().code == base::errc::not_found && may_be_missing) return out;
      errors.add(location{file, 0, 0}, text.error().text);
   } else if (auto table = parse_toml(*text, errors)) {
      out.value = read_daemon(*table, file, errors);
   }
   out.errors = errors.take();
   return out;
}

loaded<network> parse_network(std::string_view text, const fs::path& file, const daemon& host,
                              const schemas& plugins) {
   error_list errors(file);
   loaded<network> out;
   if (text.size() > limits::config_bytes_max)
      errors.add(location{file, 0, 0},
                 "the file has more than " + std::to_string(limits::config_bytes_max) + " bytes");
   else if (auto table = parse_toml(text, errors))
      out.value = network_reader(file, host, plugins, errors).read(*table);
   out.errors = errors.take();
   return out;
}

loaded<network> load_network(const fs::path& file, const daemon& host, const schemas& plugins) {
   auto text = read_file(file);
   if (text) return parse_network(*text, file, host, plugins);
   loaded<network> out;
   out.errors.push_back({{file, 0, 0}, text.error().text});
   return out;
}

loaded<settings> load_all(const fs::path& warren_toml, bool may_be_missing,
                          const std::function<schemas(const daemon&)>& plugins) {
   loaded<settings> out;
   auto host = load_daemon(warren_toml, may_be_missing);
   out.errors = std::move(host.errors);
   out.value.host = std::move(host.value);
   if (!out.errors.empty()) return out;
   const schemas known = plugins(out.value.host);
   std::error_code ec;
   std::vector<fs::path> files;
   for (const auto& entry : fs::directory_iterator(out.value.host.networks_dir, ec))
      if (entry.path().extension() == ".toml" && entry.is_regular_file())
         files.push_back(entry.path());
   std::sort(files.begin(), files.end());
   if (files.size() > limits::networks_max) {
      out.errors.push_back({{out.value.host.networks_dir, 0, 0},
                            "more than " + std::to_string(limits::networks_max) + " networks"});
      return out;
   }
   std::map<std::string, std::string> interfaces;
   std::map<uint16_t, std::string> ports;
   for (const fs::path& file : files) {
      auto n = load_network(file, out.value.host, known);
      out.errors.insert(out.errors.end(), n.errors.begin(), n.errors.end());
      if (!n.ok()) continue;
      const auto [it, fresh] = interfaces.emplace(n.value.interface, n.value.name);
      if (!fresh)
         out.errors.push_back({{file, 0, 0},
                               "interface '" + n.value.interface +
                                     "' is already that of network '" + it->second +
                                     "'; set network.interface"});
      for (const plugin_use& use : n.value.transports)
         if (use.listen && use.listen->port != 0) {
            const auto [port, free] = ports.emplace(use.listen->port, n.value.name);
            if (!free && port->second != n.value.name)
               out.errors.push_back({use.where, "port " + std::to_string(use.listen->port) +
                                                      " is already that of network '" +
                                                      port->second + "'"});
         }
      out.value.networks.push_back(std::move(n.value));
   }
   return out;
}

} // namespace warren::config
