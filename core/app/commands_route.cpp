// route list: ways to members through others.
#include "core/app/commands.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

int list(const command_context& c) {
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto network = c.pick_network(**daemon);
   if (!network) return c.refuse(network.error());
   auto answer =
         (*daemon)->request("GET", network_path(*network, "/routes"), nullptr, answer_timeout);
   if (!answer) return c.refuse(answer.error());
   if (c.json) {
      c.print(*answer);
      return exit_ok;
   }
   const json::array& routes = list_of(*answer, "routes");
   if (routes.empty()) {
      c.out << "no ways through other members: every peer is reached directly, or no [[routing]] "
               "plugin runs\n";
      return exit_ok;
   }
   table t({{"DESTINATION", 100},
            {"NEXT HOP", 90},
            {"METRIC", 80},
            {"WEIGHT", 40},
            {"PLUGIN", 50},
            {"IN USE", 70}});
   for (const json::value& r : routes)
      t.add({printable(text_of(r, "destination")), printable(text_of(r, "next_hop")),
             std::to_string(number_of(r, "metric")), std::to_string(number_of(r, "weight")),
             printable(text_of(r, "plugin")), flag_of(r, "used") ? "yes" : ""});
   c.out << t.render(c.width, c.color);
   return exit_ok;
}

} // namespace

void add_route_commands(CLI::App& root, command_context& c) {
   auto* command = root.add_subcommand("route", "Ways to members that have no direct path");
   command->require_subcommand(1, 1);
   command->add_subcommand("list", "List them with the plugin that found them")->callback([&c] {
      c.action = [&c] { return list(c); };
   });
}

} // namespace warren::app
