// Which tables the fake host has. A new one: a file host_<name>.cpp that defines its row, and a line in each list here.
#include "sdk/check/instance.hpp"

namespace warren::check {

extern const host_table conf_table, udp_table, link_table, identity_table, metrics_table, resolve_table, discovery_table;

std::span<const host_table* const> host_tables() {
   static constexpr const host_table* all[] = {&conf_table,    &udp_table,     &link_table,     &identity_table,
                                               &metrics_table, &resolve_table, &discovery_table};
   return all;
}

} // namespace warren::check
