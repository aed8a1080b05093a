// The command line: arguments in, exit code out (exit_codes.hpp). What leaves the process goes
// through the hooks, so that tests need none of it.
#pragma once

#include "core/app/daemon.hpp"
#include "core/control/client.hpp"

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

namespace warren::app {

struct command_hooks {
   /// Runs the daemon in the foreground: `warren run`.
   std::function<int(const daemon_options&)> run;
   /// Connects to the daemon; empty: control::client.
   std::function<base::result<std::unique_ptr<control::api>>(const std::string& socket)> connect =
         {};
   /// Waits between pings and looks; empty: sleeps. False: somebody pressed Ctrl-C.
   std::function<bool(std::chrono::milliseconds)> pause = {};
   std::ostream* out = nullptr; // stdout
   std::ostream* err = nullptr; // stderr
   std::optional<size_t> width; // of the terminal, 0 = unlimited; nothing: asks the terminal
};

int run_command_line(int argc, char** argv, const command_hooks& hooks);

} // namespace warren::app
