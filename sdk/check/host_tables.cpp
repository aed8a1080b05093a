// Which tables the fake host has. A new one: a file host_<name>.cpp that defines its row, and a
// line in each list here.
#include "sdk/check/instance.hpp"
#include "warren/host/stream.h"

#include <algorithm>

namespace warren::check {

extern const host_table conf_table, udp_table, link_table, identity_table, metrics_table,
      resolve_table, discovery_table, members_table, message_table, sign_table, control_table,
      route_table;

std::span<const host_table* const> host_tables() {
   static constexpr const host_table* all[] = {&conf_table,      &udp_table,     &link_table,
                                               &identity_table,  &metrics_table, &resolve_table,
                                               &discovery_table, &members_table, &message_table,
                                               &sign_table,      &control_table, &route_table};
   return all;
}

bool is_table_to_come(std::string_view id) {
   static constexpr std::string_view all[] = {WRN_HOST_STREAM};
   return std::find(std::begin(all), std::end(all), id) != std::end(all);
}

} // namespace warren::check
