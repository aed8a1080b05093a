// acl show, push, history, rollback: the access rules that the network keeps.
#include "core/app/ask.hpp"
#include "core/app/format.hpp"
#include "core/base/limits.hpp"

#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

/// Rules have line ends; everything else in them must not drive a terminal.
void print_text(const command_context& c, std::string_view text) {
   while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      std::string tame(line);
      for (char& ch : tame)
         if (ch == '\t') ch = ' ';
      c.out << printable(tame) << "\n";
   }
}

std::string version_of(const json::value& a) {
   const std::string by = text_of(a, "by"), time = text_of(a, "time");
   return "version " + std::to_string(number_of(a, "version")) + (by.empty() ? "" : ", by " + by) +
          (time.empty() ? "" : ", " + time);
}

int push(const command_context& c, const std::string& file, const std::string& note,
         const std::optional<int64_t>& if_version) {
   const auto text = read_small_file(file, base::limits::control_document_bytes_max);
   if (!text) return c.refuse(text.error());
   json::object body{{"text", *text}};
   set_text(body, "note", note);
   if (if_version) body["if_version"] = *if_version;
   return ask(c, "PUT", "/acl", body, [&](const json::value& a) {
      c.out << "in force: " << printable(version_of(a)) << "\n";
   });
}

void print_history(const command_context& c, const json::value& answer) {
   const json::array& versions = list_of(answer, "versions");
   if (versions.empty()) {
      c.out << "no access rules were pushed yet\n";
      return;
   }
   table t({{"VERSION", 100, true},
            {"TIME", 80},
            {"BY", 90},
            {"SIZE", 50, true},
            {"NOTE", 70, false, true}});
   for (const json::value& v : versions)
      t.add({std::to_string(number_of(v, "version")), text_of(v, "time"), text_of(v, "by"),
             format_bytes(number_of(v, "bytes")), text_of(v, "note")});
   c.out << t.render(c.width, c.color);
}

} // namespace

void add_acl_store_commands(CLI::App& acl, command_context& c) {
   acl.add_subcommand("show", "Print the access rules in force")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/acl", nullptr, [&c](const json::value& a) {
            print_text(c, text_of(a, "text"));
            c.err << printable(version_of(a)) << "\n"; // so that stdout is what can be pushed again
         });
      };
   });

   struct push_options {
      std::string file, note;
      std::optional<int64_t> if_version;
   };
   auto p = std::make_shared<push_options>();
   auto* up = acl.add_subcommand("push", "Put access rules in force on every member");
   up->add_option("file", p->file, "The rules")->required()->type_name("FILE");
   up->add_option("--note", p->note, "What was changed, for the history")->type_name("TEXT");
   up->add_option("--if-version", p->if_version, "Only when this version is in force")
         ->type_name("VERSION")
         ->check(CLI::NonNegativeNumber);
   up->callback(
         [&c, p] { c.action = [&c, p] { return push(c, p->file, p->note, p->if_version); }; });

   acl.add_subcommand("history", "List the versions of the access rules")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/acl/history", nullptr,
                    [&c](const json::value& a) { print_history(c, a); });
      };
   });

   auto version = std::make_shared<int64_t>(0);
   auto* back = acl.add_subcommand("rollback", "Put a former version in force again");
   back->add_option("version", *version, "As 'acl history' shows it")
         ->required()
         ->type_name("VERSION")
         ->check(CLI::NonNegativeNumber);
   back->callback([&c, version] {
      c.action = [&c, version] {
         return ask(c, "POST", "/acl/rollback", json::object{{"version", *version}},
                    [&](const json::value& a) {
                       c.out << "in force: " << printable(version_of(a)) << "\n";
                    });
      };
   });
}

} // namespace warren::app
