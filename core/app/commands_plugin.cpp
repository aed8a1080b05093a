// plugin list: what is installed, without a daemon.
#include "core/app/commands.hpp"
#include "core/config/load.hpp"
#include "core/control/json.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

control::plugin_info plugin_info_of(const plugin::found_plugin& p) {
   return {p.desc->name,    std::string(config::kind_name(p.desc->kind)),
           p.desc->id,      p.desc->version,
           p.desc->license, p.desc->summary,
           p.from->path(),  p.desc};
}

namespace {

int list(const command_context& c) {
   plugin::registry plugins;
   scan_plugins(c, plugins);
   if (c.json) {
      json::array found, refused;
      for (const auto& p : plugins.all())
         found.push_back(control::to_json(plugin_info_of(p)));
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
      const auto i = plugin_info_of(p);
      t.add({i.name, i.kind, i.version, i.license, i.summary, i.module});
   }
   c.out << t.render(c.width, c.color);
   for (const auto& [module, why] : plugins.refused())
      c.err << "warren: refused: " << printable(why) << "\n";
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
   add_plugin_describe_command(*command, c);
}

} // namespace warren::app
