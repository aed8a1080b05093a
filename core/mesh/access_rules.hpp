// Access rules between the configuration, which knows them as text, and core/route, which knows
// what they mean. Pure, any thread.
#pragma once

#include "core/config/load.hpp"
#include "core/mesh/status.hpp"
#include "core/route/rule_set.hpp"

namespace warren::mesh {

/// For config::schemas::rules.
std::vector<config::config_error> mistakes_of_rules(std::string_view text, const std::string& file);

/// A member as the status of a network shows it: what `warren acl` knows of the members of a
/// running daemon.
route::member_view member_of(const peer_status& p);

} // namespace warren::mesh
