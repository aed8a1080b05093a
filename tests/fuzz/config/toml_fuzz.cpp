// Input: a network file. Whatever it says, it is either complete and within bounds or has mistakes
// with a place; nothing in between.
#include "core/base/limits.hpp"
#include "core/config/load.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

namespace config = warren::config;
namespace limits = warren::base::limits;

constexpr wrn_param keys[] = {
      {"aead", WRN_P_ENUM, 0, "auto|openssl", "\"auto\"", "Which library seals."},
      {"burst", WRN_P_INT, 0, "1..64", "8", "How many."},
      {"grace", WRN_P_DURATION, 0, "1s..1h", "\"5s\"", "How long."},
      {"share", WRN_P_FLOAT, 0, nullptr, "0.5", "How much."},
      {"eager", WRN_P_BOOL, 0, nullptr, "false", "Whether."},
      {"cover", WRN_P_STRINGS, 0, nullptr, nullptr, "Which names."},
      {"token", WRN_P_STRING, WRN_PF_REQUIRED, nullptr, nullptr, "What."},
      {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr wrn_plugin_desc wireguard{
      "w", "wireguard", "v", "1", "MIT", "s", WRN_KIND_TRANSPORT, 0, 0, nullptr, nullptr, nullptr};
constexpr wrn_plugin_desc quic{"q", "quic", "v",  "1",     "MIT",  "s", WRN_KIND_TRANSPORT,
                               0,   0,      keys, nullptr, nullptr};
constexpr wrn_plugin_desc fixed{"s", "static", "v",     "1",     "MIT",  "s", WRN_KIND_DISCOVERY,
                                0,   0,        nullptr, nullptr, nullptr};

config::schemas known() {
   config::schemas s;
   s.all = [](uint32_t kind) -> std::vector<const wrn_plugin_desc*> {
      if (kind == WRN_KIND_TRANSPORT) return {&wireguard, &quic};
      if (kind == WRN_KIND_DISCOVERY) return {&fixed};
      return {};
   };
   s.find = [all = s.all](uint32_t kind, std::string_view word) {
      for (const auto* d : all(kind))
         if (word == d->name) return config::plugin_schema{d, ""};
      return config::plugin_schema{nullptr, "no such plugin"};
   };
   return s;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = warren::crypto::init().has_value();
   static const config::schemas schemas = known();
   static const config::daemon host;
   WRN_ASSERT(ready);
   const std::string_view text(reinterpret_cast<const char*>(data), size);
   // Keys that read other files would make a run depend on the machine, or hang on a device.
   if (text.find("_file") != std::string_view::npos) return 0;
   const auto n = config::parse_network(text, "/etc/warren/networks/acme.toml", host, schemas);
   WRN_ASSERT(n.errors.size() <= limits::config_errors_max + 1);
   for (const auto& e : n.errors)
      WRN_ASSERT(!e.text.empty() && e.format().find(':') != std::string::npos);
   if (!n.ok()) return 0;
   WRN_ASSERT(n.value.mtu >= 1280 && n.value.mtu <= 65455);
   WRN_ASSERT(!n.value.interface.empty() && n.value.interface.size() <= limits::interface_name_max);
   WRN_ASSERT(!n.value.transports.empty() && !n.value.plugins.empty());
   for (const auto& p : n.value.peers)
      WRN_ASSERT((p.id || p.tunnel_key) && !p.name.empty() &&
                 p.endpoints.size() <= limits::endpoints_per_peer_max);
   return 0;
}
