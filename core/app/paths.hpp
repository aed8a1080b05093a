// Where things are on this system. Control thread and command line.
#pragma once

#include "core/config/model.hpp"
#include "core/plugin/module.hpp"

#include <filesystem>
#include <vector>

namespace warren::app {

/// Plugin folders in the order in which they are searched: the configuration's, $WARREN_PLUGIN_DIR,
/// ../lib/warren/plugins and the configured library folder beside the executable, third parties'
/// under /usr/local, ours. They need not exist.
std::vector<std::filesystem::path> plugin_search_path(const config::daemon& host);
/// Loads what lies there and is pinned as the configuration demands.
void scan_plugins(const config::daemon& host, plugin::registry& plugins);

/// The running program, or empty when /proc is not there.
std::filesystem::path executable();

} // namespace warren::app
