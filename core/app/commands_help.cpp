// help, completion, version: what this program says about itself.
#include "core/app/commands.hpp"
#include "core/app/describe.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

int help(const CLI::App& root, const command_context& c, const std::vector<std::string>& words,
         bool man) {
   if (man) {
      c.out << man_page(describe(root), WARREN_VERSION);
      return exit_ok;
   }
   if (words == std::vector<std::string>{"exit-codes"}) {
      const auto& texts = exit_code_texts();
      json::object codes;
      for (size_t i = 0; i < texts.size(); i++)
         codes[std::to_string(i)] = texts[i];
      if (c.json)
         c.print(json::object{{"schema", "warren.exit_codes/1"}, {"codes", std::move(codes)}});
      else
         for (size_t i = 0; i < texts.size(); i++)
            c.out << i << "  " << texts[i] << "\n";
      return exit_ok;
   }
   const CLI::App* at = &root;
   std::string before;
   for (const auto& word : words) {
      const auto found =
            at->get_subcommands([&](const CLI::App* s) { return s->check_name(word); });
      if (found.empty())
         return c.refuse(base::fail(base::errc::invalid,
                                    "no command or topic '" + word +
                                          "'; see 'warren help' and 'warren help exit-codes'"));
      before += (before.empty() ? "" : " ") + at->get_name();
      at = found.front();
   }
   // CLI11 would show the command that was parsed, this one, in place of the root.
   c.out << at->get_formatter()->make_help(
         at, before.empty() ? at->get_name() : before + " " + at->get_name(),
         CLI::AppFormatMode::Normal);
   return exit_ok;
}

} // namespace

void add_help_commands(CLI::App& root, command_context& c) {
   struct help_options {
      std::vector<std::string> words;
      bool man = false;
   };
   auto o = std::make_shared<help_options>();
   auto* helps = root.add_subcommand("help", "Explain a command, or the exit codes");
   helps->add_option("topic", o->words, "A command, or exit-codes")->type_name("TOPIC");
   helps->add_flag("--man", o->man, "Print the manual page warren(1) in roff");
   helps->callback(
         [&root, &c, o] { c.action = [&root, &c, o] { return help(root, c, o->words, o->man); }; });

   auto shell = std::make_shared<std::string>();
   auto* completes = root.add_subcommand("completion", "Print a completion script for a shell");
   completes->add_option("shell", *shell, "Which")
         ->required()
         ->type_name("SHELL")
         ->check(CLI::IsMember({"bash", "zsh", "fish"}));
   completes->callback([&root, &c, shell] {
      c.action = [&root, &c, shell] {
         c.out << completion_script(describe(root), *shell);
         return static_cast<int>(exit_ok);
      };
   });

   root.add_subcommand("version", "Print the version of this program")->callback([&c] {
      c.action = [&c] {
         if (c.json)
            c.print(json::object{{"schema", "warren.version/1"},
                                 {"version", WARREN_VERSION},
                                 {"plugin_abi_major", WRN_ABI_MAJOR},
                                 {"plugin_abi_minor", WRN_ABI_MINOR}});
         else
            c.out << "warren " << WARREN_VERSION << " (plugin ABI " << WRN_ABI_MAJOR << "."
                  << WRN_ABI_MINOR << ")\n";
         return static_cast<int>(exit_ok);
      };
   });
}

} // namespace warren::app
