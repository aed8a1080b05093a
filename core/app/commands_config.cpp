// config check, show, example: the files, without a daemon.
#include "core/app/commands.hpp"
#include "core/app/paths.hpp"

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

int example(const command_context& c, const std::string& what) {
   if (what == "daemon") {
      c.out << config::example_daemon();
      return exit_ok;
   }
   plugin::registry plugins;
   plugins.scan(plugin_search_path(config::load_daemon(c.config, true).value));
   c.out << config::example_network(schemas_of(plugins));
   return exit_ok;
}

} // namespace

void add_config_commands(CLI::App& root, command_context& c) {
   auto* command = root.add_subcommand("config", "Configuration files");
   command->require_subcommand(1, 1);
   command->add_subcommand("check", "Read all configuration and report every mistake")
         ->callback([&c] { c.action = [&c] { return check(c); }; });
   auto what = std::make_shared<std::string>("network");
   auto* show_example = command->add_subcommand("example", "Print a commented file with every key");
   show_example->add_option("which", *what, "daemon or network")
         ->check(CLI::IsMember({"daemon", "network"}))
         ->type_name("WHICH");
   show_example->callback([&c, what] { c.action = [&c, what] { return example(c, *what); }; });
}

} // namespace warren::app
