// The values of a plugin's own table as the host would hand them over, made from the declared keys.
#pragma once

#include "warren/config.h"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace warren::check {

using value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;
using values = std::map<std::string, value, std::less<>>;

/// The default of a key; nothing when it has none or when it cannot be read, which `problem` says.
std::optional<value> default_of(const wrn_param& p, std::string& problem);
/// Empty, or why the value does not fit the declared range.
std::string misfit(const wrn_param& p, const value& v);
/// Values that the host would let through: both ends of the range, each choice, a few others.
std::vector<value> samples_of(const wrn_param& p);
/// What is wrong with the range itself; empty = nothing.
std::string range_problem(const wrn_param& p);
/// All defaults, and a value for each required key.
values complete_values(const wrn_param* params);

} // namespace warren::check
