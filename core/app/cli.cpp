#include "core/app/cli.hpp"

#include "core/app/commands.hpp"
#include "core/app/paths.hpp"
#include "core/control/json.hpp"
#include "core/mesh/access_rules.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

volatile std::sig_atomic_t interrupted = 0;

/// The command that the arguments named last: where a mistake was made.
const CLI::App& deepest(const CLI::App& app) {
   const auto parsed = app.get_subcommands();
   return parsed.empty() ? app : deepest(*parsed.back());
}

/// "warren peer list"
std::string full_name(const CLI::App& app) {
   return app.get_parent() == nullptr ? app.get_name()
                                      : full_name(*app.get_parent()) + " " + app.get_name();
}

/// One sentence with the next step; CLI11's own words name only what.
std::string explain(const CLI::App& root, const CLI::ParseError& e) {
   const CLI::App& at = deepest(root);
   const auto commands = at.get_subcommands([](const CLI::App*) { return true; });
   std::vector<std::string> names;
   for (const CLI::App* c : commands) {
      names.push_back(c->get_name());
      for (const auto& alias : c->get_aliases())
         names.push_back(alias);
   }
   const std::string help = "; see '" + full_name(at) + " --help'";
   const auto rest = root.remaining(true);
   if (!commands.empty() && !rest.empty() && !rest.front().starts_with('-')) {
      const std::string like = config::nearest(rest.front(), names);
      return "no command '" + full_name(at) + " " + rest.front() + "'" +
             (like.empty() ? help : "; did you mean '" + like + "'?");
   }
   if (!commands.empty() && e.get_name() == "RequiredError" &&
       at.get_option_no_throw(e.what()) == nullptr && rest.empty()) {
      std::string all;
      for (const CLI::App* c : commands)
         all += (all.empty() ? "" : ", ") + c->get_name();
      return "'" + full_name(at) + "' needs a command: " + all;
   }
   if (!rest.empty()) return "'" + full_name(at) + "' does not know '" + rest.front() + "'" + help;
   return std::string(e.what()) + help;
}

void add_everything(CLI::App& root, command_context& c) {
   root.footer("Every command takes --config, --socket, -n and --json, before or after it; see "
               "'warren --help'.\n"
               "Exit codes: 'warren help exit-codes'.");
   root.fallthrough(); // options of every command may stand anywhere
   root.require_subcommand(1, 1);
   root.option_defaults()->always_capture_default(false);
   root.add_option("--config", c.config, "The daemon's configuration file")
         ->type_name("FILE")
         ->default_str(c.config);
   root.add_option("--socket", c.socket,
                   "The daemon's control socket, instead of the configuration's")
         ->type_name("PATH");
   root.add_option("-n,--network", c.network, "Which network; omitted: the only one")
         ->type_name("NAME")
         ->envname("WARREN_NETWORK");
   root.add_flag("--json", c.json, "Answer with one JSON document that names its schema");
   add_daemon_commands(root, c);
   add_status_commands(root, c);
   add_ping_command(root, c);
   add_route_commands(root, c);
   add_network_commands(root, c);
   add_invite_commands(root, c);
   add_member_commands(root, c);
   add_admin_commands(root, c);
   add_acl_commands(root, c);
   add_trust_commands(root, c);
   add_explain_commands(root, c);
   add_key_commands(root, c);
   add_config_commands(root, c);
   add_plugin_commands(root, c);
   add_wg_quick_commands(root, c);
   add_help_commands(root, c);
}

size_t terminal_width() {
   winsize size{};
   if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
   return size.ws_col;
}

bool wants_color() {
   const char* no_color = std::getenv("NO_COLOR");
   const char* terminal = std::getenv("TERM");
   return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') &&
          (terminal == nullptr || std::string_view(terminal) != "dumb");
}

} // namespace

base::result<std::string> command_context::socket_path() const {
   if (!socket.empty()) return socket;
   auto host = config::load_daemon(config, !config_given);
   if (config_given && !host.ok()) return fail(errc::config, host.errors.front().format());
   return host.value.socket; // with a mistake in the file, what could be read of it
}

base::result<std::unique_ptr<control::api>> command_context::connect() const {
   auto path = socket_path();
   if (!path) return path.error();
   return hooks.connect ? hooks.connect(*path) : control::client::connect(*path);
}

base::result<std::string> command_context::pick_network(control::api& daemon) const {
   if (!network.empty()) return network;
   auto answer = daemon.request("GET", "/v1/networks", nullptr, answer_timeout);
   if (!answer) return answer.error();
   const json::array& names = list_of(*answer, "networks");
   if (names.size() == 1 && names[0].is_string()) return std::string(names[0].as_string());
   if (names.empty())
      return fail(errc::not_found, "the daemon runs no network; write one ('warren config example "
                                   "network') and 'warren reload'");
   return fail(errc::invalid, "there are several networks: " + join(names, ", ") +
                                    "; name one with -n or WARREN_NETWORK");
}

bool command_context::pause(std::chrono::milliseconds how_long) const {
   if (hooks.pause) return hooks.pause(how_long);
   // From here on Ctrl-C ends the loop in order; a second one ends the process.
   struct sigaction on_interrupt {};
   on_interrupt.sa_handler = [](int) { interrupted = 1; };
   on_interrupt.sa_flags = static_cast<int>(SA_RESETHAND);
   if (interrupted == 0) ::sigaction(SIGINT, &on_interrupt, nullptr);
   if (interrupted == 0) ::poll(nullptr, 0, static_cast<int>(how_long.count()));
   return interrupted == 0;
}

void command_context::print(const json::value& document) const {
   out << control::to_text(document) << "\n";
}

int command_context::refuse(const base::error& e) const {
   // Several lines are several mistakes in the configuration; each is tame on its own.
   std::string_view rest = e.text;
   for (std::string_view prefix = "warren: "; !rest.empty() || !prefix.empty(); prefix = "") {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      err << prefix << printable(line) << "\n";
   }
   return exit_code_of(e.code);
}

std::unique_ptr<configuration> load_configuration(const command_context& c) {
   auto made = std::make_unique<configuration>();
   made->loaded = config::load_all(c.config, !c.config_given, [&](const config::daemon& host) {
      scan_plugins(host, made->plugins);
      return schemas_of(made->plugins);
   });
   return made;
}

void scan_plugins(const command_context& c, plugin::registry& plugins) {
   scan_plugins(config::load_daemon(c.config, true).value, plugins);
}

config::schemas schemas_of(plugin::registry& plugins) {
   config::schemas s;
   s.rules = mesh::mistakes_of_rules;
   s.find = [&plugins](uint32_t kind, std::string_view word) {
      auto found = plugins.find(kind, word);
      return found ? config::plugin_schema{found->desc, ""}
                   : config::plugin_schema{nullptr, found.error().text};
   };
   s.all = [&plugins](uint32_t kind) {
      std::vector<const wrn_plugin_desc*> all;
      for (const auto& p : plugins.all())
         if (p.desc->kind == kind) all.push_back(p.desc);
      return all;
   };
   return s;
}

int refuse_mistakes(const command_context& c, const std::vector<config::config_error>& mistakes) {
   for (const auto& m : mistakes)
      c.err << m.format() << "\n";
   c.err << "warren: " << mistakes.size() << (mistakes.size() == 1 ? " mistake" : " mistakes")
         << " in the configuration\n";
   return exit_usage;
}

base::result<const config::network*> pick_network(const command_context& c,
                                                  const config::settings& settings) {
   std::string names;
   for (const auto& n : settings.networks) {
      if (n.name == c.network || (c.network.empty() && settings.networks.size() == 1)) return &n;
      names += (names.empty() ? "" : ", ") + n.name;
   }
   if (settings.networks.empty() && c.network.empty())
      return fail(errc::not_found,
                  "no network in " + settings.host.networks_dir +
                        "; write one, 'warren config example network' prints what it may say");
   if (!c.network.empty())
      return fail(errc::not_found, "no network '" + c.network + "' in " +
                                         settings.host.networks_dir +
                                         (names.empty() ? "" : "; there is " + names));
   return fail(errc::invalid,
               "there are several networks: " + names + "; name one with -n or WARREN_NETWORK");
}

std::string text_of(const json::value& object, std::string_view key) {
   const json::value* v = object.is_object() ? object.as_object().if_contains(key) : nullptr;
   return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}

uint64_t number_of(const json::value& object, std::string_view key) {
   const json::value* v = object.is_object() ? object.as_object().if_contains(key) : nullptr;
   boost::system::error_code ec;
   const auto number = v != nullptr && v->is_number() ? v->to_number<uint64_t>(ec) : 0;
   return ec ? 0 : number;
}

bool flag_of(const json::value& object, std::string_view key) {
   const json::value* v = object.is_object() ? object.as_object().if_contains(key) : nullptr;
   return v != nullptr && v->is_bool() && v->as_bool();
}

const json::array& list_of(const json::value& object, std::string_view key) {
   static const json::array nothing;
   const json::value* v = object.is_object() ? object.as_object().if_contains(key) : nullptr;
   return v != nullptr && v->is_array() ? v->as_array() : nothing;
}

std::string join(const json::array& texts, std::string_view separator) {
   std::string out;
   for (const json::value& t : texts) {
      if (!t.is_string()) continue;
      if (!out.empty()) out += separator;
      out += std::string_view(t.as_string());
   }
   return out;
}

std::string network_path(std::string_view network, std::string_view tail) {
   return "/v1/networks/" + control::encode_segment(network) + std::string(tail);
}

int64_t unix_ms_now() {
   return std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::system_clock::now().time_since_epoch())
         .count();
}

int run_command_line(int argc, char** argv, const command_hooks& hooks) {
   command_context c{hooks, hooks.out != nullptr ? *hooks.out : std::cout,
                     hooks.err != nullptr ? *hooks.err : std::cerr};
   c.width = hooks.width ? *hooks.width : terminal_width();
   c.color = hooks.out == nullptr && wants_color();
   CLI::App root("Warren: a mesh VPN", "warren");
   add_everything(root, c);
   // CLI11 takes them from the end.
   std::vector<std::string> arguments =
         without_tag_options(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
   std::reverse(arguments.begin(), arguments.end());
   try {
      root.parse(std::move(arguments));
   } catch (const CLI::CallForHelp&) {
      c.out << root.help();
      return exit_ok;
   } catch (const CLI::ParseError& e) {
      c.err << "warren: " << explain(root, e) << "\n";
      return exit_usage;
   }
   c.config_given = root.count("--config") != 0;
   if (auto ok = crypto::init(); !ok) return c.refuse(ok.error());
   return c.action();
}

} // namespace warren::app
