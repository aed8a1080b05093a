// acl check, acl test, acl diff: access rules before they are in use.
#include "core/app/acl_files.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

struct acl_options {
   std::string file, second, members, standard;
   uint64_t limit = 100;
};

std::string plural(size_t n, std::string_view what) {
   return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

bool default_accept(const acl_options& o, const rule_file& rules) {
   return o.standard.empty() ? rules.default_accept : o.standard == "accept";
}

int check(const command_context& c, const acl_options& o) {
   int code = exit_failed;
   auto rules = load_rules(c, o.file, code);
   if (!rules) return code;
   std::vector<route::acl_mistake>& all = rules->parsed.mistakes;
   // Without a daemon whatever can be said without its members is said.
   auto members = load_members(c, o.members);
   if (!members && !o.members.empty()) return c.refuse(members.error());
   const bool good = rules->parsed.ok();
   if (good) {
      const auto odd = route::check_acl(
            rules->parsed.value, members ? std::optional(std::move(*members)) : std::nullopt);
      all.insert(all.end(), odd.begin(), odd.end());
   }
   const size_t count = rules->parsed.value.rules.size();
   if (c.json) {
      json::array list;
      for (const route::acl_mistake& m : all)
         list.push_back(json::object{{"line", m.at.line},
                                     {"column", m.at.column},
                                     {"warning", m.warning},
                                     {"text", m.text}});
      c.print(json::object{{"schema", "warren.acl_check/1"},
                           {"file", rules->path},
                           {"ok", good},
                           {"rules", count},
                           {"members_known", members.has_value()},
                           {"mistakes", std::move(list)}});
      return good ? exit_ok : exit_usage;
   }
   print_mistakes(c, rules->path, all);
   if (!good) {
      c.err << "warren: " << plural(all.size(), "mistake") << " in the rules\n";
      return exit_usage;
   }
   c.out << printable(rules->path) << ": no mistakes, " << plural(count, "rule") << ", "
         << plural(all.size(), "warning")
         << (members ? "" : "; the members are not known, so their names were not looked at")
         << "\n";
   return exit_ok;
}

/// Rules that are good enough to be asked; nothing: it has been said why not.
std::optional<rule_file> good_rules(const command_context& c, const std::string& file, int& code) {
   auto rules = load_rules(c, file, code);
   if (rules && !rules->parsed.ok()) {
      print_mistakes(c, rules->path, rules->parsed.mistakes);
      code = exit_usage;
      return std::nullopt;
   }
   return rules;
}

int test(const command_context& c, const acl_options& o) {
   int code = exit_failed;
   const auto rules = good_rules(c, o.file, code);
   if (!rules) return code;
   const auto members = load_members(c, o.members);
   if (!members) return c.refuse(members.error());
   const route::acl& acl = rules->parsed.value;
   const auto compiled = route::compile(acl, *members, default_accept(o, *rules));
   if (!compiled) return c.refuse(compiled.error());
   size_t asked = 0;
   const auto failures = route::run_tests(acl, **compiled, *members, asked);
   if (c.json) {
      json::array list;
      for (const auto& f : failures)
         list.push_back(
               json::object{{"line", f.at.line}, {"column", f.at.column}, {"text", f.text}});
      c.print(json::object{{"schema", "warren.acl_test/1"},
                           {"file", rules->path},
                           {"ok", failures.empty()},
                           {"tests", acl.tests.size()},
                           {"flows", asked},
                           {"failures", std::move(list)}});
      return failures.empty() ? exit_ok : exit_failed;
   }
   for (const auto& f : failures)
      c.err << printable(route::format_mistake(rules->path, f.at, f.text)) << "\n";
   c.out << plural(acl.tests.size(), "test") << " with " << plural(asked, "flow") << ", "
         << (failures.empty() ? "all as they should be" : plural(failures.size(), "failure"))
         << "\n";
   return failures.empty() ? exit_ok : exit_failed;
}

std::string listed(const std::vector<std::string>& names) {
   constexpr size_t shown_max = 8;
   std::string out;
   for (size_t i = 0; i < names.size() && i < shown_max; i++)
      out += (out.empty() ? "" : ", ") + names[i];
   if (names.size() > shown_max)
      out += " and " + std::to_string(names.size() - shown_max) + " more";
   return printable(out);
}

std::string ports_of(const route::acl_difference& d) {
   std::string out;
   for (const route::port_range& r : d.ports) {
      out += (out.empty() ? "" : ",") + std::to_string(r.first);
      if (r.last != r.first) out += "-" + std::to_string(r.last);
   }
   return out;
}

int diff(const command_context& c, const acl_options& o) {
   int code = exit_failed;
   const auto before = good_rules(c, o.file, code);
   if (!before) return code;
   const auto after = good_rules(c, o.second, code);
   if (!after) return code;
   const auto members = load_members(c, o.members);
   if (!members) return c.refuse(members.error());
   const route::acl &old_rules = before->parsed.value, &new_rules = after->parsed.value;
   const bool accept = o.standard == "accept";
   const auto was = route::compile(old_rules, *members, accept);
   const auto is = route::compile(new_rules, *members, accept);
   if (!was) return c.refuse(was.error());
   if (!is) return c.refuse(is.error());
   size_t left_out = 0;
   const auto found = route::diff_rules({&old_rules, was->get()}, {&new_rules, is->get()}, *members,
                                        static_cast<size_t>(o.limit), left_out);
   const auto word = [](bool accepted) { return accepted ? "accept" : "deny"; };
   if (c.json) {
      json::array list;
      for (const auto& d : found)
         list.push_back(json::object{{"sources", json::array(d.sources.begin(), d.sources.end())},
                                     {"targets", json::array(d.targets.begin(), d.targets.end())},
                                     {"protocol", route::format_protocol(d.protocol)},
                                     {"ports", ports_of(d)},
                                     {"before", word(d.accepted_before)},
                                     {"after", word(!d.accepted_before)}});
      c.print(json::object{{"schema", "warren.acl_diff/1"},
                           {"before", before->path},
                           {"after", after->path},
                           {"differences", std::move(list)},
                           {"left_out", left_out}});
      return exit_ok;
   }
   if (found.empty() && left_out == 0) {
      c.out << "no flow between these members is judged differently\n";
      return exit_ok;
   }
   table t({{"FROM", 90},
            {"TO", 90},
            {"PROTOCOL", 80},
            {"PORTS", 80},
            {"BEFORE", 70},
            {"AFTER", 100}});
   for (const auto& d : found)
      t.add({listed(d.sources),
             listed(d.targets),
             route::format_protocol(d.protocol),
             ports_of(d),
             word(d.accepted_before),
             {word(!d.accepted_before), d.accepted_before ? tint::bad : tint::good}});
   c.out << t.render(c.width, c.color);
   if (left_out != 0) c.out << "more differences are left out; see --limit\n";
   return exit_ok;
}

} // namespace

void add_acl_commands(CLI::App& root, command_context& c) {
   auto* acl = root.add_subcommand("acl", "Access rules: who may reach what");
   acl->require_subcommand(1, 1);
   add_acl_store_commands(*acl, c);
   auto o = std::make_shared<acl_options>();
   const auto add = [&](const char* name, const char* help, auto action) {
      auto* command = acl->add_subcommand(name, help);
      command
            ->add_option("--members", o->members,
                         "A file with the members, as 'warren status --json' prints them, "
                         "instead of the running daemon's")
            ->type_name("FILE");
      command->callback([&c, o, action] { c.action = [&c, o, action] { return action(c, *o); }; });
      return command;
   };
   const char* const rules_help = "The rules; omitted: those of the network's configuration";
   const auto standard = [&](CLI::App* command) {
      command->add_option("--default", o->standard, "What no rule matches")
            ->type_name("WORD")
            ->check(CLI::IsMember({"deny", "accept"}));
   };
   add("check", "Tell mistakes and what is odd, each with its place", check)
         ->add_option("file", o->file, rules_help)
         ->type_name("FILE");
   auto* test_command =
         add("test", "Try the cases of \"tests\" in the rules against the members", test);
   test_command->add_option("file", o->file, rules_help)->type_name("FILE");
   standard(test_command);
   auto* diff_command = add("diff", "Tell which flows two sets of rules judge differently", diff);
   diff_command->add_option("old", o->file, "The rules before")->required()->type_name("OLD");
   diff_command->add_option("new", o->second, "The rules after")->required()->type_name("NEW");
   diff_command->add_option("--limit", o->limit, "How many groups of flows to show")
         ->type_name("N")
         ->check(CLI::Range(uint64_t{1}, uint64_t{10'000}))
         ->default_str("100");
   standard(diff_command);
}

} // namespace warren::app
