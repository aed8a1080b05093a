// plugin check: the conformance kit (sdk/check) on one module.
#include "core/app/commands.hpp"
#include "sdk/check/check.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

struct check_options {
   check::request what;
   bool list = false;
};

std::string_view word(check::result r) {
   return r == check::result::ok ? "ok" : r == check::result::failed ? "FAILED" : "skipped";
}

int list_properties(const command_context& c) {
   const auto all = check::list();
   if (c.json) {
      json::array properties;
      for (const auto& p : all)
         properties.push_back(
               json::object{{"name", p.name}, {"holds", p.holds}, {"kinds", p.kinds}});
      c.print(json::object{{"schema", "warren.plugin_properties/1"},
                           {"properties", std::move(properties)}});
      return exit_ok;
   }
   table t({{"PROPERTY", 100}, {"KINDS", 80}, {"WHAT MUST HOLD", 60}});
   for (const auto& p : all)
      t.add({p.name, p.kinds, p.holds});
   c.out << t.render(c.width, c.color);
   return exit_ok;
}

int check_module(const command_context& c, const check_options& o) {
   for (const std::string& name : o.what.only) {
      const auto all = check::list();
      if (std::none_of(all.begin(), all.end(), [&](const auto& p) { return p.name == name; }))
         return c.refuse(
               base::fail(base::errc::invalid,
                          "no property '" + name + "'; see 'warren plugin check --list'"));
   }
   check::request what = o.what;
   std::error_code ec;
   what.path = std::filesystem::absolute(what.path).string();
   if (!std::filesystem::is_regular_file(what.path, ec))
      return c.refuse(base::fail(base::errc::not_found, "no file " + what.path));
   json::array verdicts;
   size_t count[3] = {};
   const bool good = check::run(what, [&](const check::verdict& v) {
      count[static_cast<size_t>(v.outcome)]++;
      if (c.json) {
         verdicts.push_back(json::object{{"property", v.property},
                                         {"holds", v.holds},
                                         {"plugin", v.plugin},
                                         {"verdict", word(v.outcome)},
                                         {"seen", printable(v.seen)},
                                         {"reproduce", v.reproduce}});
         return;
      }
      const tint color = v.outcome == check::result::ok       ? tint::good
                         : v.outcome == check::result::failed ? tint::bad
                                                              : tint::faint;
      c.out << c.paint(word(v.outcome), color) << std::string(9 - word(v.outcome).size(), ' ')
            << v.property;
      c.out << std::string(v.property.size() < 18 ? 18 - v.property.size() : 1, ' ')
            << (v.outcome == check::result::ok ? v.holds : printable(v.seen)) << "\n";
      if (v.outcome == check::result::ok && !v.seen.empty())
         c.out << std::string(27, ' ') << printable(v.seen) << "\n";
      if (v.outcome == check::result::failed)
         c.out << "         must hold: " << v.holds << "\n         again:     " << v.reproduce
               << "\n";
      c.out.flush();
   });
   if (c.json)
      c.print(json::object{{"schema", "warren.plugin_check/1"},
                           {"module", what.path},
                           {"seed", what.seed},
                           {"ok", good},
                           {"verdicts", std::move(verdicts)}});
   else
      c.out << count[0] << " ok, " << count[1] << " failed, " << count[2] << " skipped\n";
   return good ? exit_ok : exit_failed;
}

} // namespace

void add_plugin_check_command(CLI::App& plugin, command_context& c) {
   auto o = std::make_shared<check_options>();
   auto* command = plugin.add_subcommand(
         "check", "Run a module against a hostile host and say what does not hold");
   command->add_option("file", o->what.path, "The module")->type_name("FILE");
   command->add_option("--only", o->what.only, "Check this property alone; may be repeated")
         ->type_name("PROPERTY")
         ->allow_extra_args(false);
   command
         ->add_option("--seed", o->what.seed,
                      "The kit's dice start here: the same seed gives the same run")
         ->type_name("N")
         ->capture_default_str();
   command
         ->add_option("--patience", o->what.patience,
                      "Time limits times N, for slow machines and sanitizers")
         ->type_name("N")
         ->check(CLI::Range(1, 1000))
         ->capture_default_str();
   command->add_flag("--list", o->list, "List the properties");
   command->callback([&c, o] {
      if (!o->list && o->what.path.empty()) throw CLI::RequiredError("file");
      c.action = [&c, o] { return o->list ? list_properties(c) : check_module(c, *o); };
   });
}

} // namespace warren::app
