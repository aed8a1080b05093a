// What the commands share, and where each family adds itself. Internal to the command line.
#pragma once

#include "core/app/cli.hpp"
#include "core/app/exit_codes.hpp"
#include "core/app/table.hpp"
#include "core/config/load.hpp"
#include "core/control/backend.hpp"
#include "core/plugin/module.hpp"

#include <boost/json/value.hpp>
#include <functional>
#include <ostream>

namespace CLI {
class App;
}

namespace warren::app {

constexpr auto answer_timeout = std::chrono::seconds(10);

/// The options of every command, and what a command does with its environment.
struct command_context {
   const command_hooks& hooks;
   std::ostream& out;
   std::ostream& err;
   size_t width = 0; // 0 = unlimited
   bool color = false;

   std::string config = daemon_options{}.config;
   bool config_given = false;
   std::string socket{}; // empty: the configuration's
   std::string network{};
   bool json = false;

   std::function<int()> action{}; // what the parsed command does

   /// The configuration's socket, or the one given.
   base::result<std::string> socket_path() const;
   base::result<std::unique_ptr<control::api>> connect() const;
   /// The network that the command is about: the one named, or the only one.
   base::result<std::string> pick_network(control::api& daemon) const;
   /// False: interrupted.
   bool pause(std::chrono::milliseconds how_long) const;

   void print(const boost::json::value& document) const; // one line of JSON
   std::string paint(std::string_view text, tint t) const { return app::paint(text, t, color); }
   /// Says why on stderr and gives the exit code.
   int refuse(const base::error& e) const;
};

/// All configuration with the plugins that it needs.
struct configuration {
   config::loaded<config::settings> loaded;
   plugin::registry plugins;
};
/// `plugins` of the returned object are scanned even when the configuration has mistakes in its
/// network files.
std::unique_ptr<configuration> load_configuration(const command_context& c);
/// The plugins of all folders; mistakes in warren.toml are for others to report.
void scan_plugins(const command_context& c, plugin::registry& plugins);
control::plugin_info plugin_info_of(const plugin::found_plugin& p);
config::schemas schemas_of(plugin::registry& plugins);
/// Every mistake as file:line:column on stderr; exit_usage.
int refuse_mistakes(const command_context& c, const std::vector<config::config_error>& mistakes);
/// The network meant, from the files: the one named or the only one.
base::result<const config::network*> pick_network(const command_context& c,
                                                  const config::settings& settings);

// Readers of answers: a missing or odd value is empty or 0, since documents may come from a newer
// daemon.
std::string text_of(const boost::json::value& object, std::string_view key);
uint64_t number_of(const boost::json::value& object, std::string_view key);
bool flag_of(const boost::json::value& object, std::string_view key);
const boost::json::array& list_of(const boost::json::value& object, std::string_view key);
std::string join(const boost::json::array& texts, std::string_view separator);

/// "/v1/networks/NAME" + tail.
std::string network_path(std::string_view network, std::string_view tail = "");

int64_t unix_ms_now();
/// The kernel's random bytes, for keys.
void system_random(void* out, size_t size);

void add_daemon_commands(CLI::App& root, command_context& c); // run, up, down, reload
void add_status_commands(CLI::App& root, command_context& c); // status, wait, peer list, events
void add_ping_command(CLI::App& root, command_context& c);
void add_key_commands(CLI::App& root, command_context& c);
void add_key_rotate_command(CLI::App& key, command_context& c); // key rotate
void add_network_commands(CLI::App& root, command_context& c);  // network
void add_invite_commands(CLI::App& root, command_context& c);   // invite
void add_member_commands(CLI::App& root, command_context& c);   // member
void add_admin_commands(CLI::App& root, command_context& c);    // admin
void add_trust_commands(CLI::App& root, command_context& c);    // trust, audit
void add_acl_commands(CLI::App& root, command_context& c);      // acl
void add_acl_store_commands(CLI::App& acl, command_context& c); // acl show, push, history, rollback
/// The arguments as they are parsed: of 'member tag', "-eu" takes a tag away and is no option.
std::vector<std::string> without_tag_options(std::vector<std::string> arguments);
void add_config_commands(CLI::App& root, command_context& c);
void add_plugin_commands(CLI::App& root, command_context& c);
void add_plugin_new_command(CLI::App& plugin, command_context& c);      // plugin new
void add_plugin_describe_command(CLI::App& plugin, command_context& c); // plugin describe
void add_plugin_call_command(CLI::App& plugin, command_context& c);     // plugin call
void add_plugin_check_command(CLI::App& plugin, command_context& c);    // plugin check
void add_route_commands(CLI::App& root, command_context& c);            // route list
void add_explain_commands(CLI::App& root, command_context& c);          // explain flow
void add_wg_quick_commands(CLI::App& root, command_context& c);         // import, export
void add_help_commands(CLI::App& root, command_context& c);             // help, completion, version

} // namespace warren::app
