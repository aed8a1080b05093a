// The daemon: owns the shard, the networks and the control API, and carries configuration to them.
//
// Two threads. The control thread (whoever calls run()) has the asio context: API, signals,
// configuration, plugins' creation and destruction. The shard thread has the event loop with
// everything on the way of a packet. They talk by posting closures, never by locks on data.
#pragma once

#include "core/control/backend.hpp"

#include <memory>
#include <optional>
#include <string>

namespace warren::app {

struct daemon_options {
   std::string config = "/etc/warren/warren.toml";
   bool config_given = false; // then the file must exist
   std::optional<base::log::level> log_level;
   std::string socket; // overrides the configuration's
};

/// Runs in the foreground until SIGTERM, SIGINT or a stop request; returns the process's exit code
/// (exit_codes.hpp). Mistakes in the configuration end it before the system is touched. SIGHUP
/// reloads.
int run_daemon(const daemon_options& options);

} // namespace warren::app
