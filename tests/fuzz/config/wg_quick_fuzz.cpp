// Input: a wg-quick file. What is read without mistakes is written and read again unchanged, and
// makes a network file that TOML can take.
#include "core/base/limits.hpp"
#include "core/config/wg_quick.hpp"

#include <cstddef>
#include <cstdint>

namespace {

namespace config = warren::config;

constexpr wrn_plugin_desc wireguard{
      "w", "wireguard", "v", "1", "MIT", "s", WRN_KIND_TRANSPORT, 0, 0, nullptr, nullptr, nullptr};
constexpr wrn_plugin_desc fixed{"s", "static", "v",     "1",     "MIT",  "s", WRN_KIND_DISCOVERY,
                                0,   0,        nullptr, nullptr, nullptr};

config::schemas known() {
   config::schemas s;
   s.all = [](uint32_t kind) {
      return std::vector{kind == WRN_KIND_TRANSPORT ? &wireguard : &fixed};
   };
   s.find = [](uint32_t kind, std::string_view) {
      return config::plugin_schema{kind == WRN_KIND_TRANSPORT ? &wireguard : &fixed, ""};
   };
   return s;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = warren::crypto::init().has_value();
   static const config::schemas schemas = known();
   WRN_ASSERT(ready);
   auto first = config::parse_wg_quick({reinterpret_cast<const char*>(data), size}, "wg0.conf");
   WRN_ASSERT(first.errors.size() <= warren::base::limits::config_errors_max + 1);
   if (!first.ok()) return 0;
   const std::string text = config::format_wg_quick(first.value);
   const auto second = config::parse_wg_quick(text, "wg0.conf");
   WRN_ASSERT(second.ok() && config::format_wg_quick(second.value) == text);
   for (auto& p : first.value.peers)
      p.psk.reset(); // would be read from a file
   const std::string toml = config::network_from_wg_quick(first.value, {});
   // Mistakes that are left are of meaning (an address given to two peers), never of form.
   for (const auto& e : config::parse_network(toml, "/n/wg0.toml", {}, schemas).errors) {
      WRN_ASSERT(e.text.find("not valid TOML") == std::string::npos);
      WRN_ASSERT(e.text.find("unknown key") == std::string::npos);
   }
   return 0;
}
