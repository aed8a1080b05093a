#include "core/app/describe.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace {

option_info describe_option(const CLI::Option& o) {
   option_info out;
   for (const auto& name : o.get_lnames())
      out.names.push_back("--" + name);
   for (const auto& name : o.get_snames())
      out.names.push_back("-" + name);
   out.positional = out.names.empty();
   if (out.positional) out.names.push_back(o.get_name(true));
   if (o.get_expected_min() != 0 || out.positional) out.value = o.get_type_name();
   // A set of choices shows in the type's name as "NAME:{a,b}".
   if (const size_t brace = out.value.find(":{"); brace != std::string::npos) {
      out.choices =
            CLI::detail::split(out.value.substr(brace + 2, out.value.size() - brace - 3), ',');
      out.value.resize(brace);
   }
   out.value.resize(std::min(out.value.size(), out.value.find(':'))); // other checks
   out.help = o.get_description();
   out.standard = o.get_default_str();
   out.required = o.get_required();
   return out;
}

void describe_into(const CLI::App& app, const std::string& parent, std::vector<command_info>& out) {
   command_info c;
   c.name = app.get_name();
   c.path = parent.empty() ? c.name : parent + " " + c.name;
   c.help = app.get_description();
   for (const CLI::Option* o : app.get_options([](const CLI::Option*) { return true; }))
      c.options.push_back(describe_option(*o));
   const auto below = app.get_subcommands([](const CLI::App*) { return true; });
   for (const CLI::App* s : below)
      c.commands.push_back(s->get_name());
   const std::string path = c.path;
   out.push_back(std::move(c));
   for (const CLI::App* s : below)
      describe_into(*s, path, out);
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
   std::string out;
   for (const auto& w : words)
      out += (out.empty() ? "" : std::string(separator)) + w;
   return out;
}

/// In single quotes for sh-like shells; fish knows two escapes inside them.
std::string quoted(std::string_view text, bool fish) {
   std::string out = "'";
   for (const char c : text) {
      if (c == '\'')
         out += fish ? "\\'" : "'\\''";
      else if (c == '\\' && fish)
         out += "\\\\";
      else
         out += c;
   }
   return out + "'";
}

/// `"warren peer"|"warren peer list"`: the patterns of all commands but the root.
std::string known_paths(const std::vector<command_info>& commands, std::string_view separator) {
   std::vector<std::string> paths;
   for (size_t i = 1; i < commands.size(); i++)
      paths.push_back("\"" + commands[i].path + "\"");
   return join(paths, separator);
}

/// What may follow a command: commands, choices, its options and those of every command.
std::vector<std::string> words_after(const command_info& c, const command_info& root) {
   std::vector<std::string> words = c.commands;
   for (const option_info& o : c.options)
      words.insert(words.end(), o.positional ? o.choices.begin() : o.names.begin(),
                   o.positional ? o.choices.end() : o.names.end());
   if (&c != &root)
      for (const option_info& o : root.options)
         for (const auto& name : o.names)
            if (std::find(words.begin(), words.end(), name) == words.end()) words.push_back(name);
   return words;
}

/// bash and zsh differ in how they name the words and take the answer.
std::string sh_script(const std::vector<command_info>& commands, bool zsh) {
   const std::string indent(zsh ? 0 : 3, ' ');
   std::string out =
         zsh ? "#compdef warren\n# Completion for zsh. Made by 'warren completion zsh'.\n_warren() "
               "{\n"
               "   local at=warren word i\n   local -a known\n"
               "   for ((i = 2; i < CURRENT; i++)); do\n      word=${words[i]}\n"
             : "# Completion for bash. Made by 'warren completion bash'.\n_warren() {\n"
               "   local at=warren word i known=\n"
               "   for ((i = 1; i < COMP_CWORD; i++)); do\n      word=${COMP_WORDS[i]}\n";
   out += "      case \"$at $word\" in\n      " + known_paths(commands, "|") +
          ") at=\"$at $word\" ;;\n      esac\n   done\n   case $at in\n";
   for (const command_info& c : commands) {
      const std::string words = join(words_after(c, commands.front()), " ");
      out += "   \"" + c.path + "\") known=" + (zsh ? "(" + words + ")" : "\"" + words + "\"") +
             " ;;\n";
   }
   out += "   esac\n";
   out += zsh ? "   compadd -- $known\n   _files\n}\ncompdef _warren warren\n"
              : "   COMPREPLY=($(compgen -W \"$known\" -- "
                "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _warren warren\n";
   return out;
}

std::string fish_script(const std::vector<command_info>& commands) {
   std::string out = "# Completion for fish. Made by 'warren completion fish'.\nfunction "
                     "__warren_at\n   set -l at warren\n"
                     "   set -l words (commandline -opc)\n   for word in $words[2..-1]\n      "
                     "switch \"$at $word\"\n         case " +
                     known_paths(commands, " ") +
                     "\n            set at \"$at $word\"\n      end\n   end\n   test \"$at\" = "
                     "\"$argv\"\nend\n";
   for (size_t i = 0; i < commands.size(); i++) {
      const command_info& c = commands[i];
      const std::string here =
            i == 0 ? "" : " -n '__warren_at " + c.path + "'"; // the root's options go everywhere
      if (i != 0) {
         const std::string parent = c.path.substr(0, c.path.size() - c.name.size() - 1);
         out += "complete -c warren -f -n '__warren_at " + parent + "' -a " + c.name + " -d " +
                quoted(c.help, true) + "\n";
      }
      for (const option_info& o : c.options) {
         if (o.positional) {
            if (!o.choices.empty())
               out += "complete -c warren -f" + here + " -a " + quoted(join(o.choices, " "), true) +
                      "\n";
            continue;
         }
         out += "complete -c warren" + here;
         for (const auto& name : o.names)
            out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
         out += (o.value.empty() ? "" : " -r") + std::string(" -d ") + quoted(o.help, true) + "\n";
      }
   }
   return out;
}

/// Text in roff: no accidental requests, hyphens that can be copied.
std::string roff(std::string_view text) {
   std::string out;
   for (const char c : text) {
      if (c == '\\')
         out += "\\e";
      else if (c == '-')
         out += "\\-";
      else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
         out += std::string("\\&") + c;
      else
         out += c;
   }
   return out;
}

std::string man_options(const command_info& c, bool positional) {
   std::string out;
   for (const option_info& o : c.options) {
      if (o.positional != positional || o.names.front() == "--help") continue;
      out += ".TP\n";
      if (positional) {
         out += "\\fI" + roff(o.value.empty() ? o.names.front() : o.value) + "\\fR\n";
      } else {
         std::vector<std::string> names;
         for (const auto& name : o.names)
            names.push_back("\\fB" + roff(name) + "\\fR");
         out +=
               join(names, ", ") + (o.value.empty() ? "" : " \\fI" + roff(o.value) + "\\fR") + "\n";
      }
      out += roff(o.help);
      if (!o.choices.empty()) out += " (" + roff(join(o.choices, ", ")) + ")";
      if (!o.standard.empty()) out += "; default " + roff(o.standard);
      out += ".\n";
   }
   return out;
}

/// "ping [OPTIONS] TARGET"
std::string man_synopsis(const command_info& c) {
   std::string out = "\\fB" + roff(c.path) + "\\fR";
   if (std::any_of(c.options.begin(), c.options.end(), [](const option_info& o) {
          return !o.positional && o.names.front() != "--help";
       }))
      out += " [\\fIOPTIONS\\fR]";
   for (const option_info& o : c.options) {
      if (!o.positional) continue;
      const std::string name = "\\fI" + roff(o.value.empty() ? o.names.front() : o.value) + "\\fR";
      out += o.required ? " " + name : " [" + name + "]";
   }
   return out;
}

} // namespace

std::vector<command_info> describe(const CLI::App& root) {
   std::vector<command_info> out;
   describe_into(root, "", out);
   return out;
}

std::string completion_script(const std::vector<command_info>& commands, std::string_view shell) {
   return shell == "fish" ? fish_script(commands) : sh_script(commands, shell == "zsh");
}

std::string man_page(const std::vector<command_info>& commands, std::string_view version) {
   const command_info& root = commands.front();
   std::string out = ".TH WARREN 1 \"\" \"Warren " + roff(version) +
                     "\" \"User Commands\"\n.SH NAME\nwarren \\- a mesh VPN: daemon and command "
                     "line\n.SH SYNOPSIS\n";
   out += ".B warren\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR\n.SH DESCRIPTION\n"
          "Warren joins machines into a private network. The daemon reads one file for itself and "
          "one for each network; all other commands talk to it over a unix socket, or work on "
          "files alone.\n.SH OPTIONS OF EVERY COMMAND\nThey may stand before or after the "
          "command.\n";
   out += man_options(root, false) + ".SH COMMANDS\n";
   for (size_t i = 1; i < commands.size(); i++) {
      const command_info& c = commands[i];
      if (!c.commands.empty()) continue; // only a word before others
      out += ".SS " + man_synopsis(c) + "\n" + roff(c.help) + ".\n" + man_options(c, true) +
             man_options(c, false);
   }
   out += ".SH EXIT STATUS\n";
   for (size_t i = 0; i < exit_code_texts().size(); i++)
      out += ".TP\n" + std::to_string(i) + "\n" + roff(exit_code_texts()[i]) + ".\n";
   out += ".SH ENVIRONMENT\n.TP\nWARREN_NETWORK\nThe network, where \\fB\\-n\\fR is not "
          "given.\n.TP\nWARREN_PLUGIN_DIR\nA folder that is searched for plugins before the "
          "installed ones.\n"
          ".TP\nNO_COLOR\nNo colours, even on a terminal.\n.SH "
          "FILES\n.TP\n/etc/warren/warren.toml\nThe daemon's "
          "configuration.\n.TP\n/etc/warren/networks/\nOne file for each network.\n"
          ".TP\n/run/warren/warren.sock\nThe control socket; root and members of group "
          "\\fIwarren\\fR may use it.\n.TP\n/var/lib/warren/\nKeys and state.\n"
          ".SH SEE ALSO\n.BR wg (8),\n.BR wg\\-quick (8)\n";
   return out;
}

const std::vector<std::string_view>& exit_code_texts() {
   static const std::vector<std::string_view> texts{
         "it worked",
         "it did not work: no answer to a ping, an error of the system",
         "wrong arguments, or a mistake in the configuration; nothing was changed",
         "the daemon is not running",
         "missing permission, or a key file that others can read",
         "no such peer, network, plugin or file",
         "port, interface, socket or file is in use or exists already",
         "it did not happen in time",
   };
   return texts;
}

} // namespace warren::app
