// The functions behind the rows of properties.cpp; each file of them opens with what it covers.
#pragma once

#include "sdk/check/property.hpp"

namespace warren::check {

using checked = void(const subject&);

// properties_module.cpp
checked elf, exports, loads, entry, description, defaults, imports;
// properties_life.cpp
checked config_values, lifecycle, restart, several_instances, ordinary, absent_tables,
      failing_calls, host_calls, exceptions;
// properties_process.cpp
checked prompt, threads, descriptors, quiet, memory;
// properties_run.cpp
checked idle_timers, clock_jumps, stale_handles, gone, left_behind, packet_balance, packet_bounds,
      secrets, stop_under_load, drain, determinism, random_calls;
// properties_transport.cpp
checked carries, bad_network, batches, path_mtu, writable, bounded_queue, follows_path, reopen,
      idle_link, keepalive, identity_change, statistics;
// properties_wire.cpp
checked overhead, plaintext, strangers, forgery, noise;
// properties_discovery.cpp
checked peer_storm, offers, lookups, many_endpoints;
// properties_mesh.cpp
checked hostile_messages, ways, relays_said, answers;

} // namespace warren::check
