// plugin list, describe: what is installed, without a daemon.
#include "core/app/commands.hpp"
#include "core/config/load.hpp"
#include "core/control/json.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

control::plugin_info info_of(const plugin::found_plugin& p) {
   return {p.desc->name,    std::string(config::kind_name(p.desc->kind)),
           p.desc->id,      p.desc->version,
           p.desc->license, p.desc->summary,
           p.from->path(),  p.desc};
}

int list(const command_context& c) {
   plugin::registry plugins;
   scan_plugins(c, plugins);
   if (c.json) {
      json::array found, refused;
      for (const auto& p : plugins.all())
         found.push_back(control::to_json(info_of(p)));
      for (const auto& [module, why] : plugins.refused())
         refused.push_back(json::object{{"module", module}, {"why", why}});
      c.print(json::object{{"schema", "warren.plugins/1"},
                           {"plugins", std::move(found)},
                           {"refused", std::move(refused)}});
      return exit_ok;
   }
   table t({{"NAME", 100},
            {"KIND", 90},
            {"VERSION", 50},
            {"LICENSE", 20},
            {"SUMMARY", 60},
            {"MODULE", 10}});
   for (const auto& p : plugins.all()) {
      const auto i = info_of(p);
      t.add({i.name, i.kind, i.version, i.license, i.summary, i.module});
   }
   c.out << t.render(c.width, c.color);
   for (const auto& [module, why] : plugins.refused())
      c.err << "warren: refused: " << printable(why) << "\n";
   return exit_ok;
}

int describe(const command_context& c, std::string name) {
   const bool is_path = name.find('/') != std::string::npos;
   if (is_path) name = std::filesystem::absolute(name).string();
   plugin::registry plugins;
   scan_plugins(c, plugins);
   base::result<plugin::found_plugin> found = base::fail(base::errc::not_found, "");
   for (const uint32_t kind : config::kinds)
      if (!found) found = plugins.find(kind, name);
   if (!found && is_path) return c.refuse(found.error());
   if (!found) {
      std::string names;
      for (const auto& p : plugins.all())
         names += (names.empty() ? "" : ", ") + std::string(p.desc->name);
      return c.refuse(
            base::fail(base::errc::not_found, "no plugin '" + name + "'; there is " +
                                                    (names.empty() ? "none at all" : names) +
                                                    ", see 'warren plugin list'"));
   }
   const auto i = info_of(*found);
   json::value document = control::to_json(i);
   if (c.json) {
      document.as_object()["schema"] = "warren.plugin/1";
      c.print(document);
      return exit_ok;
   }
   c.out << c.paint(printable(i.name), tint::strong) << ": " << printable(i.summary) << "\n"
         << "kind     " << i.kind << "\nid       " << printable(i.id) << "\nversion  "
         << printable(i.version) << "\nlicense  " << printable(i.license) << "\nmodule   "
         << i.module << "\n";
   const json::array& params = list_of(document, "params");
   if (!params.empty()) {
      table t({{"KEY", 100}, {"TYPE", 80}, {"RANGE", 50}, {"DEFAULT", 70}, {"HELP", 60}});
      for (const json::value& p : params)
         t.add({text_of(p, "name"), text_of(p, "type"), text_of(p, "range"),
                flag_of(p, "required") ? "required" : text_of(p, "default"), text_of(p, "help")});
      c.out << "\n[" << i.kind << "." << printable(i.name) << "]\n" << t.render(c.width, c.color);
   }
   return exit_ok;
}

} // namespace

void add_plugin_commands(CLI::App& root, command_context& c) {
   auto* command = root.add_subcommand("plugin", "Installed plugins");
   command->require_subcommand(1, 1);
   command->add_subcommand("list", "List the plugins of all plugin folders")->callback([&c] {
      c.action = [&c] { return list(c); };
   });
   add_plugin_new_command(*command, c);
   add_plugin_check_command(*command, c);
   add_plugin_call_command(*command, c);
   auto name = std::make_shared<std::string>();
   auto* one = command->add_subcommand("describe", "Show a plugin and the keys of its table");
   one->add_option("name", *name, "The plugin's word, or the path of a module")
         ->required()
         ->type_name("NAME");
   one->callback([&c, name] { c.action = [&c, name] { return describe(c, *name); }; });
}

} // namespace warren::app
