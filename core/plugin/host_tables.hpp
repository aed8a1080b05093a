// The C side of an instance's host: function tables found by id. See sdk/include/warren for their
// contracts.
#pragma once

#include "warren/plugin.h"

namespace warren::plugin {

class instance;

wrn_host make_host(instance& owner);

/// Null when there is no such table.
const void* find_host_table(const char* id);

} // namespace warren::plugin
