// Which tables the fake host has. A new one: a file host_<name>.cpp that defines its row, and a line in each list here.
#include "sdk/check/instance.hpp"
#include "warren/ext/control.h"
#include "warren/ext/routing.h"
#include "warren/host/members.h"
#include "warren/host/message.h"
#include "warren/host/sign.h"
#include "warren/host/stream.h"

#include <algorithm>

namespace warren::check {

extern const host_table conf_table, udp_table, link_table, identity_table, metrics_table, resolve_table, discovery_table;

std::span<const host_table* const> host_tables() {
   static constexpr const host_table* all[] = {&conf_table,    &udp_table,     &link_table,     &identity_table,
                                               &metrics_table, &resolve_table, &discovery_table};
   return all;
}

bool is_table_to_come(std::string_view id) {
   static constexpr std::string_view all[] = {WRN_HOST_MEMBERS, WRN_HOST_MESSAGE, WRN_HOST_SIGN, WRN_HOST_STREAM, WRN_HOST_CONTROL, WRN_HOST_ROUTE};
   return std::find(std::begin(all), std::end(all), id) != std::end(all);
}

} // namespace warren::check
