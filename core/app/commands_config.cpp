// config check, show, example: the files, without a daemon.
#include "core/app/commands.hpp"
#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

int check(const command_context& c) {
   const auto all = load_configuration(c);
   const auto& mistakes = all->loaded.errors;
   json::array networks, errors;
   for (const auto& n : all->loaded.value.networks)
      networks.push_back(json::string(n.name));
   for (const auto& m : mistakes)
      errors.push_back(json::object{{"file", m.where.file},
                                    {"line", m.where.line},
                                    {"column", m.where.column},
                                    {"text", m.text}});
   if (c.json) {
      c.print(json::object{{"schema", "warren.config_check/1"},
                           {"config", c.config},
                           {"ok", mistakes.empty()},
                           {"networks", networks},
                           {"errors", std::move(errors)}});
      return mistakes.empty() ? exit_ok : exit_usage;
   }
   if (!mistakes.empty()) return refuse_mistakes(c, mistakes);
   c.out << c.config << ": no mistakes; "
         << (networks.empty() ? "no networks in " + all->loaded.value.host.networks_dir
                              : "networks: " + join(networks, ", "))
         << "\n";
   return exit_ok;
}

constexpr const char* hidden = "(hidden)";

json::array prefixes(const std::vector<wrn_addr>& list, bool interface) {
   json::array out;
   for (const wrn_addr& a : list) {
      const bool whole = !interface && a.prefix_len == base::address_bits(a);
      out.push_back(json::string(whole ? base::format_address(a) : base::format_prefix(a)));
   }
   return out;
}

std::string duration(int64_t ns) {
   return ns % 1'000'000'000 == 0 ? std::to_string(ns / 1'000'000'000) + "s"
                                  : std::to_string(ns / 1'000'000) + "ms";
}

json::object values_of(const config::plugin_use& use, const wrn_plugin_desc& desc) {
   json::object out;
   for (const wrn_param* p = desc.params; p != nullptr && p->name != nullptr; p++) {
      const auto entry = use.values.entries.find(p->name);
      if (entry == use.values.entries.end()) continue;
      json::value& value = out[p->name];
      if ((p->flags & WRN_PF_SECRET) != 0)
         value = hidden;
      else if (const auto* ns = std::get_if<int64_t>(&entry->second.content);
               ns != nullptr && p->type == WRN_P_DURATION)
         value = duration(*ns);
      else if (const auto* texts = std::get_if<std::vector<std::string>>(&entry->second.content))
         value = json::array(texts->begin(), texts->end());
      else
         std::visit(
               [&](const auto& v) {
                  if constexpr (!std::is_same_v<std::decay_t<decltype(v)>,
                                                std::vector<std::string>>)
                     value = v;
               },
               entry->second.content);
   }
   return out;
}

/// In the shape of the file, with what is left out there filled in.
json::object to_json(const config::daemon& d) {
   json::object pins;
   for (const auto& [module, digest] : d.plugin_pins)
      pins[module] = crypto::format_hex(digest);
   return {{"state_dir", d.state_dir},
           {"networks_dir", d.networks_dir},
           {"log", {{"level", base::log::to_string(d.log_level)}, {"file", d.log_file}}},
           {"control", {{"socket", d.socket}, {"group", d.socket_group}}},
           {"plugins",
            {{"dirs", json::array(d.plugin_dirs.begin(), d.plugin_dirs.end())},
             {"pinned_only", d.plugins_pinned_only},
             {"sha256", std::move(pins)},
             {"watchdog", d.plugin_watchdog_ns}}}};
}

json::object to_json(const config::network& n, plugin::registry& plugins) {
   const auto uses = [&](const std::vector<config::plugin_use>& list, uint32_t kind) {
      json::array out;
      for (const auto& use : list) {
         if (use.kind != kind) continue;
         json::object o{{"plugin", use.plugin}};
         if (kind == WRN_KIND_TRANSPORT)
            o["listen"] = use.listen ? base::format_endpoint(*use.listen) : "auto";
         if (const auto found = plugins.find(kind, use.plugin))
            if (json::object values = values_of(use, *found->desc); !values.empty())
               o[found->desc->name] = std::move(values);
         out.push_back(std::move(o));
      }
      return out;
   };
   json::array peers;
   for (const auto& p : n.peers) {
      json::object o{{"name", p.name}};
      if (p.id) o["id"] = crypto::format_node_id(*p.id);
      if (p.tunnel_key) o["tunnel_key"] = crypto::format_tunnel_key(*p.tunnel_key);
      if (p.psk) o["psk"] = hidden;
      o["addresses"] = prefixes(p.addresses, false);
      o["routes"] = prefixes(p.routes, true);
      o["endpoints"] = json::array(p.endpoints.begin(), p.endpoints.end());
      o["keepalive"] = std::to_string(p.keepalive_s) + "s";
      peers.push_back(std::move(o));
   }
   json::array offload;
   for (size_t i = 0; i < base::offload_count; i++)
      if (n.offload.has(static_cast<base::offload>(i)))
         offload.emplace_back(base::offload_names[i]);
   return {{"network",
            {{"interface", n.interface},
             {"mtu", n.mtu},
             {"keys", n.keys},
             {"allow_plaintext", n.allow_plaintext},
             {"offload", std::move(offload)}}},
           {"node",
            {{"name", n.node_name},
             {"addresses", prefixes(n.addresses, true)},
             {"roles", n.relay ? json::array{"relay"} : json::array{}}}},
           {"transport", uses(n.transports, WRN_KIND_TRANSPORT)},
           {"discovery", uses(n.plugins, WRN_KIND_DISCOVERY)},
           {"routing", uses(n.plugins, WRN_KIND_ROUTING)},
           {"service", uses(n.plugins, WRN_KIND_SERVICE)},
           {"peer", std::move(peers)}};
}

/// TOML: plain values first, then sub-tables. JSON's strings, numbers and arrays of them are
/// TOML's, too.
void print_toml(std::ostream& out, const json::object& table, const std::string& path) {
   const auto is_list_of_tables = [](const json::value& v) {
      return v.is_array() && !v.as_array().empty() && v.as_array()[0].is_object();
   };
   for (const auto& item : table)
      if (!item.value().is_object() && !is_list_of_tables(item.value()))
         out << item.key() << " = " << json::serialize(item.value()) << "\n";
   for (const auto& item : table) {
      const std::string name = (path.empty() ? "" : path + ".") + std::string(item.key());
      if (item.value().is_object()) {
         out << "\n[" << name << "]\n";
         print_toml(out, item.value().as_object(), name);
      } else if (is_list_of_tables(item.value())) {
         for (const auto& entry : item.value().as_array()) {
            out << "\n[[" << name << "]]\n";
            print_toml(out, entry.as_object(), name);
         }
      }
   }
}

int show(const command_context& c) {
   const auto all = load_configuration(c);
   if (!all->loaded.ok()) return refuse_mistakes(c, all->loaded.errors);
   const config::settings& s = all->loaded.value;
   std::vector<const config::network*> wanted;
   if (c.network.empty()) {
      for (const auto& n : s.networks)
         wanted.push_back(&n);
   } else {
      auto one = pick_network(c, s);
      if (!one) return c.refuse(one.error());
      wanted.push_back(*one);
   }
   if (c.json) {
      json::object networks;
      for (const auto* n : wanted)
         networks[n->name] = to_json(*n, all->plugins);
      c.print(json::object{{"schema", "warren.config/1"},
                           {"config", c.config},
                           {"daemon", to_json(s.host)},
                           {"networks", std::move(networks)}});
      return exit_ok;
   }
   c.out << "# " << c.config << "\n";
   print_toml(c.out, to_json(s.host), "");
   for (const auto* n : wanted) {
      c.out << "\n# " << n->file;
      print_toml(c.out << "\n", to_json(*n, all->plugins), "");
   }
   return exit_ok;
}

int example(const command_context& c, const std::string& what) {
   if (what == "daemon") {
      c.out << config::example_daemon();
      return exit_ok;
   }
   plugin::registry plugins;
   scan_plugins(c, plugins);
   c.out << config::example_network(schemas_of(plugins));
   return exit_ok;
}

} // namespace

void add_config_commands(CLI::App& root, command_context& c) {
   auto* command = root.add_subcommand("config", "Configuration files");
   command->require_subcommand(1, 1);
   command->add_subcommand("check", "Read all configuration and report every mistake")
         ->callback([&c] { c.action = [&c] { return check(c); }; });
   command
         ->add_subcommand("show", "Print the configuration in effect after the next reload, "
                                  "defaults filled in, secrets hidden")
         ->callback([&c] { c.action = [&c] { return show(c); }; });
   auto what = std::make_shared<std::string>("network");
   auto* show_example = command->add_subcommand("example", "Print a commented file with every key");
   show_example->add_option("which", *what, "daemon or network")
         ->check(CLI::IsMember({"daemon", "network"}))
         ->type_name("WHICH");
   show_example->callback([&c, what] { c.action = [&c, what] { return example(c, *what); }; });
}

} // namespace warren::app
