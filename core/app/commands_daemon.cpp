// run, up, down, reload: the daemon's life.
#include "core/app/background.hpp"
#include "core/app/commands.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <filesystem>

namespace warren::app {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr auto start_timeout = std::chrono::seconds(15);
constexpr auto stop_timeout = std::chrono::seconds(15);
constexpr auto step = std::chrono::milliseconds(50);

int run(const command_context& c, const std::string& level) {
   daemon_options o;
   o.config = c.config;
   o.config_given = c.config_given;
   o.socket = c.socket;
   if (!level.empty()) {
      auto parsed = base::log::parse_level(level);
      if (!parsed) return c.refuse(parsed.error());
      o.log_level = *parsed;
   }
   return c.hooks.run(o);
}

/// systemd's unit is for the configuration of the system only.
bool by_systemd(const command_context& c) {
   return !c.config_given && c.socket.empty() && systemd_unit_installed();
}

int report_up(const command_context& c, std::string_view how, const json::value& info) {
   if (c.json)
      c.print(
            json::object{{"schema", "warren.up/1"}, {"how", how}, {"pid", number_of(info, "pid")}});
   else
      c.out << (how == "running" ? "warren is running already" : "warren is up") << " (process "
            << number_of(info, "pid") << ")\n";
   return exit_ok;
}

int up(const command_context& c) {
   if (auto daemon = c.connect()) {
      auto info = (*daemon)->request("GET", "/v1/info", nullptr, answer_timeout);
      return info ? report_up(c, "running", *info) : c.refuse(info.error());
   } else if (daemon.error().code != errc::unavailable) {
      return c.refuse(daemon.error());
   }
   const bool systemd = by_systemd(c);
   background_process process;
   if (systemd) {
      if (auto ok = systemctl({"start", "warren"}); !ok) return c.refuse(ok.error());
   } else {
      auto host = config::load_daemon(c.config, !c.config_given);
      if (!host.ok()) return refuse_mistakes(c, host.errors);
      std::vector<std::string> arguments{"run"};
      if (c.config_given)
         arguments.insert(arguments.end(), {"--config", fs::absolute(c.config).string()});
      if (!c.socket.empty())
         arguments.insert(arguments.end(), {"--socket", fs::absolute(c.socket).string()});
      auto started =
            background_process::start(arguments, fs::path(host.value.state_dir) / "warren.log");
      if (!started) return c.refuse(started.error());
      process = std::move(*started);
   }
   const auto end = std::chrono::steady_clock::now() + start_timeout;
   while (true) {
      if (auto daemon = c.connect())
         if (auto info = (*daemon)->request("GET", "/v1/info", nullptr, answer_timeout))
            return report_up(c, systemd ? "systemd" : "background", *info);
      if (const auto code = process.ended()) {
         c.err << process.said();
         c.err << "warren: the daemon ended with code " << *code << "; nothing runs\n";
         return *code == 0 ? static_cast<int>(exit_failed) : *code;
      }
      if (std::chrono::steady_clock::now() >= end)
         return c.refuse(fail(errc::timeout,
                              std::string("the daemon was started but does not answer; see ") +
                                    (systemd ? "'journalctl -u warren'" : process.log().string())));
      if (!c.pause(step))
         return c.refuse(fail(
               errc::timeout,
               "interrupted; the daemon was started and may still come up, see 'warren status'"));
   }
}

int down(const command_context& c) {
   auto daemon = c.connect();
   if (!daemon && daemon.error().code == errc::unavailable) {
      if (c.json)
         c.print(json::object{{"schema", "warren.down/1"}, {"was_running", false}});
      else
         c.out << "warren is not running\n";
      return exit_ok;
   }
   if (!daemon) return c.refuse(daemon.error());
   auto info = (*daemon)->request("GET", "/v1/info", nullptr, answer_timeout);
   if (!info) return c.refuse(info.error());
   const process_watch watch(static_cast<int64_t>(number_of(*info, "pid")));
   if (by_systemd(c) && systemctl({"is-active", "--quiet", "warren"})) {
      if (auto ok = systemctl({"stop", "warren"}); !ok)
         return c.refuse(ok.error()); // else systemd would start it again
   } else if (auto answer = (*daemon)->request("POST", "/v1/stop", nullptr, answer_timeout);
              !answer) {
      return c.refuse(answer.error());
   }
   if (!watch.wait_for_end(stop_timeout))
      return c.refuse(
            fail(errc::timeout, "the daemon was asked to stop but is still there; see its log"));
   if (c.json)
      c.print(json::object{{"schema", "warren.down/1"}, {"was_running", true}});
   else
      c.out << "warren is down\n";
   return exit_ok;
}

int reload(const command_context& c) {
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto answer = (*daemon)->request("POST", "/v1/reload", nullptr, std::chrono::seconds(60));
   if (!answer) return c.refuse(answer.error());
   if (c.json) {
      c.print(*answer);
      return exit_ok;
   }
   for (const json::value& line : list_of(*answer, "changes"))
      if (line.is_string()) c.out << printable(line.as_string()) << "\n";
   if (list_of(*answer, "changes").empty()) c.out << "reloaded; there are no networks\n";
   return exit_ok;
}

int set_log_level(const command_context& c, const std::string& level) {
   if (auto parsed = base::log::parse_level(level); !parsed) return c.refuse(parsed.error());
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto answer =
         (*daemon)->request("PUT", "/v1/log/level", json::object{{"level", level}}, answer_timeout);
   if (!answer) return c.refuse(answer.error());
   if (c.json)
      c.print(*answer);
   else
      c.out << "log level is " << level << " until the next start or reload\n";
   return exit_ok;
}

} // namespace

void add_daemon_commands(CLI::App& root, command_context& c) {
   auto level = std::make_shared<std::string>();
   auto* runs = root.add_subcommand("run", "Run the daemon in the foreground");
   runs->add_option("--log-level", *level,
                    "trace, debug, info, warn or error, instead of the configuration's")
         ->type_name("LEVEL");
   runs->callback([&c, level] { c.action = [&c, level] { return run(c, *level); }; });
   root.add_subcommand("up",
                       "Start the daemon: by systemd where it is installed, else in the background")
         ->callback([&c] { c.action = [&c] { return up(c); }; });
   root.add_subcommand("down", "Stop the daemon and wait until it is gone")->callback([&c] {
      c.action = [&c] { return down(c); };
   });
   root.add_subcommand("reload", "Read the configuration again; with a mistake nothing changes")
         ->callback([&c] { c.action = [&c] { return reload(c); }; });
   auto wanted = std::make_shared<std::string>();
   auto* levels = root.add_subcommand("log-level", "Change the log level of the running daemon");
   levels->add_option("LEVEL", *wanted, "trace, debug, info, warn or error")->required();
   levels->callback(
         [&c, wanted] { c.action = [&c, wanted] { return set_log_level(c, *wanted); }; });
}

} // namespace warren::app
