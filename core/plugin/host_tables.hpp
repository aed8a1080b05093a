// The C side of an instance's host: function tables found by id. See sdk/include/warren for their
// contracts.
#pragma once

#include "warren/plugin.h"

#include <string_view>

namespace warren::plugin {

class instance;

wrn_host make_host(instance& owner);

/// Null when there is no such table.
const void* find_host_table(const char* id);
/// Those about the mesh (host_mesh.cpp); part of the above.
const void* find_mesh_table(std::string_view id);

} // namespace warren::plugin
