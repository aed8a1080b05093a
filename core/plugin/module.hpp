// Shared libraries with plugins: loading, checking, and finding a plugin by its word. Control
// thread.
//
// A module stays mapped until the process ends: unmapping code whose thread-local destructors or
// static objects still exist crashes later, and what it would save is a few hundred kilobytes.
#pragma once

#include "core/plugin/module_file.hpp"
#include "warren/plugin.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace warren::plugin {

/// One loaded module, checked: same ABI, complete descriptions.
class module {
 public:
   /// `path` is absolute, neither file nor folder may be writable by others, and the file has to be
   /// what was pinned.
   static base::result<std::shared_ptr<module>> load(const std::filesystem::path& path,
                                                     const pins& demanded = {});
   /// For plugins linked into a program (tests). `entry` outlives everything.
   static base::result<std::shared_ptr<module>> wrap(const wrn_entry& entry, std::string name);

   const std::string& path() const { return path_; }
   const std::vector<const wrn_plugin_desc*>& plugins() const { return plugins_; }
   const wrn_factory& factory() const { return *factory_; }

 private:
   module() = default;
   base::result<void> adopt(const wrn_entry& entry);

   std::string path_;
   const wrn_factory* factory_ = nullptr;
   std::vector<const wrn_plugin_desc*> plugins_;
};

/// A plugin that can be created.
struct found_plugin {
   std::shared_ptr<module> from;
   const wrn_plugin_desc* desc = nullptr;
};

/// All plugins of the search folders.
class registry {
 public:
   /// For all modules from now on.
   void demand(pins demanded) { pins_ = std::move(demanded); }
   /// Loads every *.so of the folders, in order; the first module with a word wins. Folders that do
   /// not exist are skipped, a module that is refused is remembered with its reason.
   void scan(const std::vector<std::filesystem::path>& folders);
   void add(const std::shared_ptr<module>& m);

   /// By word ("wireguard") or by absolute path. errc::not_found lists what there is of that kind.
   base::result<found_plugin> find(uint32_t kind, std::string_view word);

   const std::vector<found_plugin>& all() const { return plugins_; }
   /// Modules that were refused: path and why.
   const std::vector<std::pair<std::string, std::string>>& refused() const { return refused_; }

 private:
   pins pins_;
   std::vector<found_plugin> plugins_;
   std::vector<std::pair<std::string, std::string>> refused_;
};

} // namespace warren::plugin
