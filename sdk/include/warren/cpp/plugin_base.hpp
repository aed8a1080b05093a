// What every plugin of the wrapper shares: the C instance around a C++ object, and the wall that
// exceptions do not pass. Internal; authors derive from transport or discovery.
#pragma once

#include "host.hpp"

#include <concepts>
#include <cstdio>
#include <memory>
#include <new>
#include <type_traits>

namespace warren::sdk {

template <class Self>
concept has_info = requires {
   { Self::about } -> std::convertible_to<const info&>;
};

template <class Self> class plugin_base {
 public:
   plugin_base(const plugin_base&) = delete;
   plugin_base& operator=(const plugin_base&) = delete;
   virtual ~plugin_base() = default;

   const host& warren() const { return host_; }

   // Overridden where the plugin cares.
   void configure(const config&) {}
   void on_start() {}
   void on_drain(wrn_time) {}
   void on_stop() {}
   void on_timer(wrn_handle, uint64_t) {}
   void on_event(const wrn_event&) {}

   // What the host calls; a wrapper with timers of its own takes them from here.
   void timer_thunk(wrn_handle timer, uint64_t tag) {
      static_cast<Self*>(this)->on_timer(timer, tag);
   }
   void event_thunk(const wrn_event& e) { static_cast<Self*>(this)->on_event(e); }

   /// Runs fn(self); an exception fails the instance instead of unwinding into C.
   template <class Fn, class Result = std::invoke_result_t<Fn, Self&>>
   static Result guarded(const wrn_plugin* plugin, Fn&& fn) noexcept {
      Self& self = of(plugin);
      try {
         return fn(self);
      } catch (const std::exception& e) {
         self.host_.fail(WRN_E_INTERNAL, e.what());
      } catch (...) {
         self.host_.fail(WRN_E_INTERNAL, "unknown exception");
      }
      if constexpr (std::is_same_v<Result, wrn_status>)
         return WRN_E_INTERNAL;
      else if constexpr (!std::is_void_v<Result>)
         return Result{};
   }
   static Self& of(const wrn_plugin* plugin) { return *static_cast<Self*>(plugin->data); }

   /// The description of Self for the module's table. `kind` and what the kind needs come from the
   /// derived wrapper.
   static const wrn_plugin_desc& description() {
      static_assert(has_info<Self>,
                    "a plugin has a member 'static constexpr warren::sdk::info about{…}'");
      static const auto params = [] {
         if constexpr (requires { Self::options; })
            return ended(Self::options);
         else
            return std::array<wrn_param, 1>{};
      }();
      static const auto all_metrics = [] {
         if constexpr (requires { Self::metrics; })
            return ended(Self::metrics);
         else
            return std::array<wrn_metric, 1>{};
      }();
      static const wrn_plugin_desc d{
            Self::about.id,      Self::about.name,    Self::about.vendor, Self::about.version,
            Self::about.license, Self::about.summary, Self::kind,         0,
            Self::about.caps,    params.data(),       Self::needs,        all_metrics.data()};
      return d;
   }

   static const wrn_plugin* create(const wrn_host* raw) noexcept {
      try {
         auto self = std::make_unique<Self>();
         self->host_ = host(raw);
         self->plugin_ = wrn_plugin{
               &description(),
               self.get(),
               [](const wrn_plugin*, wrn_error*) -> wrn_status { return WRN_OK; },
               [](const wrn_plugin* p, const wrn_conf* conf, wrn_error* error) -> wrn_status {
                  return configure_thunk(p, conf, error);
               },
               [](const wrn_plugin* p, wrn_error*) -> wrn_status {
                  return guarded(p, [](Self& s) -> wrn_status {
                     s.on_start();
                     return WRN_OK;
                  });
               },
               [](const wrn_plugin* p, wrn_time deadline) {
                  guarded(p, [&](Self& s) { s.on_drain(deadline); });
               },
               [](const wrn_plugin* p) { guarded(p, [](Self& s) { s.stop_thunk(); }); },
               [](const wrn_plugin* p) { delete &of(p); },
               [](const wrn_plugin* p, const char* id) -> const void* {
                  return of(p).find_ext(id);
               },
               [](const wrn_plugin* p, wrn_handle timer, uint64_t tag) {
                  guarded(p, [&](Self& s) { s.timer_thunk(timer, tag); });
               },
               [](const wrn_plugin* p, const wrn_event* e) {
                  guarded(p, [&](Self& s) { s.event_thunk(*e); });
               }};
         return &self.release()->plugin_;
      } catch (...) {
         return nullptr;
      }
   }

 protected:
   plugin_base() = default;

 private:
   /// The table with the empty entry that ends it in C.
   template <class Entry, size_t N> static auto ended(const Entry (&table)[N]) {
      return ended(std::span<const Entry, N>(table));
   }
   template <class Entry, size_t N> static auto ended(const std::array<Entry, N>& table) {
      return ended(std::span<const Entry, N>(table));
   }
   template <class Entry, size_t N> static auto ended(std::span<const Entry, N> table) {
      std::array<Entry, N + 1> all{};
      std::copy(table.begin(), table.end(), all.begin());
      return all;
   }
   static wrn_status configure_thunk(const wrn_plugin* plugin, const wrn_conf* conf,
                                     wrn_error* error) noexcept {
      Self& self = of(plugin);
      const auto* table = self.host_.template get<wrn_host_conf>(WRN_HOST_CONF);
      if (table == nullptr) return WRN_E_UNSUPPORTED;
      try {
         self.configure(config(*table, conf));
         return WRN_OK;
      } catch (const config_error& e) {
         table->where(conf, e.key().c_str(), error);
         std::snprintf(error->text, sizeof error->text, "%s", e.what());
      } catch (const std::exception& e) {
         std::snprintf(error->text, sizeof error->text, "%s", e.what());
      } catch (...) {
         std::snprintf(error->text, sizeof error->text, "unknown exception");
      }
      return error->code = WRN_E_CONFIG;
   }

   host host_{nullptr};
   wrn_plugin plugin_{};
};

} // namespace warren::sdk
