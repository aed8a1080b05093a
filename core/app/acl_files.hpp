// What `warren acl` works on: rules from files, and the members from a file or the daemon.
#pragma once

#include "core/app/commands.hpp"
#include "core/route/rule_set.hpp"

namespace warren::app {

/// Members of a document: warren.network/1 (`warren status --json`), or {"members": [{"name",
/// "groups", "tags", "roles", "addresses", "routes"}]}.
base::result<std::vector<route::member_view>> members_of(const boost::json::value& document);

/// From the file, when one is named; else from the daemon.
base::result<std::vector<route::member_view>> load_members(const command_context& c,
                                                           const std::string& file);

struct rule_file {
   std::string path;
   bool default_accept = false;
   route::acl_parsed parsed;
};
/// The file named, or that of the network's configuration. Nothing: what was wrong has been said,
/// `code` is the exit code. Mistakes inside of the rules are the caller's to tell.
std::optional<rule_file> load_rules(const command_context& c, const std::string& file, int& code);

/// "file:line:column: text" for each, warnings marked, on stderr.
void print_mistakes(const command_context& c, const std::string& file,
                    const std::vector<route::acl_mistake>& mistakes);

} // namespace warren::app
