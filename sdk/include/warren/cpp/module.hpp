// WARREN_PLUGIN(A, B, …): the one exported symbol of a module, with a factory for its plugins. Once
// per module, at namespace scope, in one source file.
#pragma once

#include "../plugin.h"

#include <iterator>
#include <string_view>

namespace warren::sdk {

template <class... Plugins> struct module_of {
   static inline const wrn_factory factory{
         []() -> uint32_t { return sizeof...(Plugins); },
         [](uint32_t index) -> const wrn_plugin_desc* {
            const wrn_plugin_desc* const all[] = {&Plugins::description()...};
            return index < std::size(all) ? all[index] : nullptr;
         },
         [](const wrn_host* host, const char* id) -> const wrn_plugin* {
            const wrn_plugin* made = nullptr;
            ((made == nullptr && std::string_view(id) == Plugins::about.id
                    ? static_cast<void>(made = Plugins::create(host))
                    : static_cast<void>(0)),
             ...);
            return made;
         }};
   static constexpr wrn_entry entry{
         WRN_ABI_MAJOR, WRN_ABI_MINOR, [](const char*) -> wrn_status { return WRN_OK; }, [] {},
         [](const char* id) -> const void* {
            return std::string_view(id) == WRN_FACTORY ? &factory : nullptr;
         }};
};

} // namespace warren::sdk

#define WARREN_PLUGIN(...)                                                                         \
   extern "C" {                                                                                    \
   WRN_EXPORT extern const wrn_entry wrn_entry_0;                                                  \
   const wrn_entry wrn_entry_0 = ::warren::sdk::module_of<__VA_ARGS__>::entry;                     \
   }
