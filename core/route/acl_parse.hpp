// Reads the parts of which rules are made. Internal to core/route.
#pragma once

#include "core/route/acl.hpp"

#include <functional>

namespace warren::route {

using mistake_sink = std::function<void(const position&, std::string)>;

/// What may stand at one place.
enum class selector_place : uint8_t { source, target, owner };

/// A selector; nothing after a mistake was told. `rules` gives groups and host aliases.
std::optional<acl_selector> read_selector(std::string_view text, const position& at,
                                          selector_place place, const acl& rules,
                                          const mistake_sink& fail);

/// "tag:web:80,443", "[fd00::1]:*".
std::optional<acl_target> read_target(std::string_view text, const position& at, const acl& rules,
                                      const mistake_sink& fail);

/// "22,80-90"; "*" is empty. Sorted and joined.
std::optional<std::vector<port_range>> read_ports(std::string_view text, const position& at,
                                                  const mistake_sink& fail);

/// An address or a prefix, host bits cleared.
std::optional<wrn_addr> read_prefix(std::string_view text);

bool is_acl_name(std::string_view text);

} // namespace warren::route
