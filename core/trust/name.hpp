// What members, groups, tags and networks may be called: one DNS label in lower case (RFC 1123
// section 2.1), so that a name can stand in a host name, a path, a URL, a shell and a terminal.
// What others call themselves is hostile until it has passed here. Pure; any thread.
#pragma once

#include "core/base/error.hpp"

namespace warren::trust {

/// a-z, 0-9 and '-', 1 to 63 bytes, no '-' at either end.
bool is_name(std::string_view text);

/// What is wrong with it, as one sentence that is safe to print; empty when nothing is. `what` is
/// what was to be named: "a member".
std::string describe_bad_name(std::string_view text, std::string_view what);
base::result<void> check_name(std::string_view text, std::string_view what); // errc::invalid

/// A legal name made of whatever there is in a text, for example a host name: its first label, or
/// "node" when nothing of it can be used.
std::string suggest_name(std::string_view text);

} // namespace warren::trust
