#include "core/plugin/module.hpp"

#include "core/base/limits.hpp"
#include "core/config/load.hpp"

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <dlfcn.h>
#include <map>
#include <set>

namespace warren::plugin {

namespace {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

constexpr const char* entry_symbol = "wrn_entry_0";

base::result<void> check_description(const wrn_plugin_desc* d, const std::string& path) {
   const auto bad = [&](std::string_view what) {
      return fail(errc::invalid, path + ": the description of a plugin " + std::string(what));
   };
   if (d == nullptr) return bad("is missing");
   for (const char* text : {d->id, d->name, d->vendor, d->version, d->license, d->summary})
      if (text == nullptr || *text == '\0')
         return bad("lacks id, name, vendor, version, license or summary");
   const std::string_view name = d->name;
   if (!std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
       }))
      return bad("has a name with other characters than a-z, 0-9, '-' and '_'");
   if (std::find(std::begin(config::kinds), std::end(config::kinds), d->kind) ==
       std::end(config::kinds))
      return bad("is of kind " + std::to_string(d->kind) + ", which this Warren does not know");
   for (const wrn_param* p = d->params; p != nullptr && p->name != nullptr; p++)
      if (p->type < WRN_P_BOOL || p->type > WRN_P_STRINGS || p->help == nullptr)
         return bad(std::string("declares key '") + p->name + "' without type or help");
   std::set<std::string_view> metrics;
   for (const wrn_metric* m = d->metrics; m != nullptr && m->name != nullptr; m++) {
      const std::string_view metric = m->name;
      if (metrics.size() >= base::limits::metrics_per_plugin_max)
         return bad("declares more than " + std::to_string(base::limits::metrics_per_plugin_max) +
                    " metrics");
      if (m->help == nullptr || (m->type != WRN_METRIC_COUNTER && m->type != WRN_METRIC_GAUGE))
         return bad(std::string("declares metric '") + m->name + "' without type or help");
      if (metric.empty() || !std::all_of(metric.begin(), metric.end(), [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
          }))
         return bad(std::string("declares metric '") + m->name +
                    "' with other characters than a-z, 0-9 and '_'");
      if (!metrics.insert(metric).second)
         return bad(std::string("declares metric '") + m->name + "' twice");
   }
   return {};
}

} // namespace

base::result<void> module::adopt(const wrn_entry& entry) {
   if (entry.abi_major != WRN_ABI_MAJOR || entry.abi_minor != WRN_ABI_MINOR)
      return fail(errc::unsupported,
                  path_ + " was built for plugin ABI " + std::to_string(entry.abi_major) + "." +
                        std::to_string(entry.abi_minor) + ", this Warren has " +
                        std::to_string(WRN_ABI_MAJOR) + "." + std::to_string(WRN_ABI_MINOR) +
                        "; get a build of the plugin for this version");
   if (entry.init == nullptr || entry.get_factory == nullptr)
      return fail(errc::invalid, path_ + ": incomplete entry");
   if (const wrn_status status = entry.init(path_.c_str()); status != WRN_OK)
      return fail(errc::unavailable, path_ + ": init failed with status " + std::to_string(status));
   factory_ = static_cast<const wrn_factory*>(entry.get_factory(WRN_FACTORY));
   if (factory_ == nullptr || factory_->count == nullptr || factory_->desc == nullptr ||
       factory_->create == nullptr)
      return fail(errc::invalid, path_ + ": no " WRN_FACTORY);
   const uint32_t count = factory_->count();
   if (count == 0 || count > 64)
      return fail(errc::invalid,
                  path_ + ": says that it holds " + std::to_string(count) + " plugins");
   for (uint32_t i = 0; i < count; i++) {
      const wrn_plugin_desc* desc = factory_->desc(i);
      if (auto ok = check_description(desc, path_); !ok) return ok.error();
      plugins_.push_back(desc);
   }
   return {};
}

base::result<std::shared_ptr<module>> module::wrap(const wrn_entry& entry, std::string name) {
   std::shared_ptr<module> m(new module);
   m->path_ = std::move(name);
   if (auto ok = m->adopt(entry); !ok) return ok.error();
   return m;
}

base::result<std::shared_ptr<module>> module::load(const fs::path& path, const pins& demanded) {
   if (!path.is_absolute()) return fail(errc::invalid, path.string() + " is not an absolute path");
   std::error_code canonical_error;
   const fs::path real = fs::canonical(path, canonical_error);
   if (canonical_error)
      return fail(errc::not_found,
                  "no plugin at " + path.string() + ": " + canonical_error.message());
   // Kept for ever, on purpose and reachable: ~shared_library would unmap. The same file is opened
   // once; what counts is what was mapped, even when another file lies there by now.
   struct mapped {
      std::unique_ptr<boost::dll::shared_library> library;
      crypto::bytes32 sha256{};
      bool changed = false; // while it was being loaded
   };
   static auto& libraries = *new std::map<fs::path, mapped>;
   if (auto ok = module_file::check_access(real); !ok) return ok.error();
   auto known = libraries.find(real);
   if (known == libraries.end()) {
      auto file = module_file::open(real);
      if (!file) return file.error();
      if (auto ok = demanded.check(real, file->sha256()); !ok) return ok.error();
      boost::dll::fs::error_code ec;
      auto opened = std::make_unique<boost::dll::shared_library>();
      ::dlerror();
      opened->load(real.string(), ec,
                   boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
      if (ec) {
         const char* why = ::dlerror();
         return fail(errc::invalid,
                     real.string() + " cannot be loaded: " + (why != nullptr ? why : ec.message()));
      }
      if (auto ok = file->still_same(); !ok) {
         // Stays mapped, as all do, and is never called; the loader would give out the same
         // mapping again.
         libraries.emplace(real, mapped{std::move(opened), {}, true});
         return ok.error();
      }
      known = libraries.emplace(real, mapped{std::move(opened), file->sha256(), false}).first;
   } else if (known->second.changed) {
      return fail(errc::permission, real.string() + " changed while it was being loaded; restart "
                                                    "the daemon to load it again");
   } else if (auto ok = demanded.check(real, known->second.sha256); !ok) {
      return ok.error();
   }
   const auto& library = known->second.library;
   if (!library->has(entry_symbol))
      return fail(errc::invalid, real.string() +
                                       " is not a Warren plugin for ABI 0: it does not export " +
                                       entry_symbol);
   std::shared_ptr<module> m(new module);
   m->path_ = real.string();
   if (auto ok = m->adopt(library->get<const wrn_entry>(entry_symbol)); !ok) return ok.error();
   return m;
}

void registry::add(const std::shared_ptr<module>& m) {
   for (const wrn_plugin_desc* desc : m->plugins()) {
      const bool known = std::any_of(plugins_.begin(), plugins_.end(), [&](const found_plugin& f) {
         return f.desc->kind == desc->kind && std::string_view(f.desc->name) == desc->name;
      });
      if (!known) plugins_.push_back({m, desc});
   }
}

void registry::scan(const std::vector<fs::path>& folders) {
   for (const fs::path& folder : folders) {
      std::error_code ec;
      std::vector<fs::path> files;
      for (const auto& entry : fs::directory_iterator(folder, ec))
         if (entry.path().extension() == ".so") files.push_back(fs::absolute(entry.path()));
      std::sort(files.begin(), files.end());
      for (const fs::path& file : files) {
         auto loaded = module::load(file, pins_);
         if (loaded)
            add(*loaded);
         else
            refused_.emplace_back(file.string(), loaded.error().text);
      }
   }
}

base::result<found_plugin> registry::find(uint32_t kind, std::string_view word) {
   if (word.starts_with('/')) {
      auto loaded = module::load(word, pins_);
      if (!loaded) return loaded.error();
      for (const wrn_plugin_desc* desc : (*loaded)->plugins())
         if (desc->kind == kind) return found_plugin{*loaded, desc};
      return fail(errc::not_found, std::string(word) + " holds no " +
                                         std::string(config::kind_name(kind)) + " plugin");
   }
   std::string known;
   for (const found_plugin& f : plugins_) {
      if (f.desc->kind != kind) continue;
      if (word == f.desc->name) return f;
      known += known.empty() ? "" : ", ";
      known += f.desc->name;
   }
   return fail(errc::not_found,
               "no " + std::string(config::kind_name(kind)) + " plugin '" + std::string(word) +
                     "'; there is " +
                     (known.empty() ? "none at all, see 'warren plugin list'" : known));
}

} // namespace warren::plugin
