// Which tables the fake host has. A new one: a file host_<name>.cpp that defines its row, and a
// line in each list here.
#include "sdk/check/instance.hpp"
#include "warren/host/stream.h"

namespace warren::check {

extern const host_table conf_table, udp_table, link_table, identity_table, metrics_table,
      resolve_table, discovery_table, members_table, message_table, sign_table, control_table,
      route_table, stream_table;

std::span<const host_table* const> host_tables() {
   static constexpr const host_table* all[] = {
         &conf_table,    &udp_table,       &link_table,    &identity_table, &metrics_table,
         &resolve_table, &discovery_table, &members_table, &message_table,  &sign_table,
         &control_table, &route_table,     &stream_table};
   return all;
}

bool is_table_to_come(std::string_view) { return false; } // every table of the ABI is here

} // namespace warren::check
