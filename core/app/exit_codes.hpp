// Exit codes of `warren`, the same for every command. Documented in warren(1) and by `warren help
// exit-codes`.
#pragma once

#include "core/base/error.hpp"

namespace warren::app {

enum exit_code : int {
   exit_ok = 0,
   exit_failed = 1,      // it did not work: no answer to a ping, an error of the system
   exit_usage = 2,       // wrong arguments, or a mistake in the configuration; nothing was changed
   exit_not_running = 3, // the daemon is not running
   exit_permission = 4,  // missing privilege, or a file that others can read
   exit_not_found = 5,   // no such peer, network, file
   exit_in_use = 6,      // port, interface name, socket or file exists already
   exit_timeout = 7,     // it did not happen in time
};

constexpr int exit_code_of(base::errc code) {
   switch (code) {
   case base::errc::invalid:
   case base::errc::config:
      return exit_usage;
   case base::errc::unavailable:
      return exit_not_running;
   case base::errc::permission:
      return exit_permission;
   case base::errc::not_found:
      return exit_not_found;
   case base::errc::in_use:
   case base::errc::exists:
      return exit_in_use;
   case base::errc::timeout:
      return exit_timeout;
   default:
      return exit_failed;
   }
}

} // namespace warren::app
