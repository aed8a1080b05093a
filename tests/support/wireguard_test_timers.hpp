// Shortened WireGuard timers, compiled into the test module only: a peer that rekeys every two
// seconds.
#pragma once

#include "plugins/transport/wireguard/timing.hpp"

namespace warren::wireguard {

inline timing test_timers() {
   timing t;
   t.rekey_after_time = 2 * second_ns;
   t.reject_after_time = 8 * second_ns;
   t.erase_after_time = 24 * second_ns;
   t.keepalive_timeout = 3 * second_ns;
   t.rekey_timeout = 1 * second_ns;
   return t;
}

} // namespace warren::wireguard
