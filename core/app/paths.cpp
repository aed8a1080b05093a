#include "core/app/paths.hpp"

#include <algorithm>
#include <cstdlib>

namespace warren::app {

namespace fs = std::filesystem;

fs::path executable() {
   std::error_code ec;
   return fs::read_symlink("/proc/self/exe", ec);
}

std::vector<fs::path> plugin_search_path(const config::daemon& host) {
   std::vector<fs::path> out;
   const auto add = [&](const fs::path& folder) {
      if (!folder.empty() && std::find(out.begin(), out.end(), folder) == out.end())
         out.push_back(folder);
   };
   for (const auto& dir : host.plugin_dirs)
      add(dir);
   if (const char* dir = std::getenv("WARREN_PLUGIN_DIR"); dir != nullptr) add(dir);
   if (const fs::path program = executable(); !program.empty()) {
      const fs::path prefix = program.parent_path().parent_path();
      add(prefix / "lib/warren/plugins");
      add(prefix /
          WARREN_PLUGIN_DIR); // of a tree that was installed somewhere else than configured
   }
   add("/usr/local/lib/warren/plugins");
   add(WARREN_INSTALLED_PLUGIN_DIR);
   return out;
}

void scan_plugins(const config::daemon& host, plugin::registry& plugins) {
   plugins.demand({host.plugin_pins, host.plugins_pinned_only});
   plugins.scan(plugin_search_path(host));
}

} // namespace warren::app
