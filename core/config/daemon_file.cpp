// warren.toml.
#include "core/config/reader.hpp"

namespace warren::config {

namespace fs = std::filesystem;

daemon read_daemon(const toml::table& table, const fs::path& file, error_list& errors) {
   daemon d;
   const fs::path folder = file.parent_path();
   d.networks_dir = folder / "networks";
   table_reader in(table, "", errors);
   if (auto v = in.string("state_dir")) d.state_dir = resolve_path(*v, folder);
   if (auto v = in.string("networks_dir")) d.networks_dir = resolve_path(*v, folder);
   if (const toml::table* t = in.table("log")) {
      table_reader log(*t, "[log]", errors);
      if (auto v = log.string("level")) {
         if (auto level = base::log::parse_level(*v))
            d.log_level = *level;
         else
            log.fail("level", level.error().text);
      }
      if (auto v = log.string("file"))
         d.log_file = v->empty() ? "" : resolve_path(*v, folder).string();
      log.finish();
   }
   if (const toml::table* t = in.table("control")) {
      table_reader control(*t, "[control]", errors);
      if (auto v = control.string("socket")) {
         d.socket = resolve_path(*v, folder);
         if (d.socket.size() > 107)
            control.fail(
                  "socket",
                  "'socket' has more than 107 bytes, which is what a unix socket's path can have");
      }
      if (auto v = control.string("group")) d.socket_group = *v;
      control.finish();
   }
   if (const toml::table* t = in.table("plugins")) {
      table_reader plugins(*t, "[plugins]", errors);
      for (auto& dir : plugins.strings("dirs"))
         d.plugin_dirs.push_back(resolve_path(dir.value, folder));
      if (auto v = plugins.boolean("pinned_only")) d.plugins_pinned_only = *v;
      if (const toml::table* pins = plugins.table("sha256")) read_pins(*pins, d, errors);
      if (auto v = plugins.duration("watchdog", 0, 3600ll * 1'000'000'000))
         d.plugin_watchdog_ns = static_cast<uint64_t>(*v);
      plugins.finish();
   }
   in.finish();
   return d;
}

} // namespace warren::config
