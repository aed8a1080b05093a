// A discovery plugin in C++: hears of peers, offers endpoints. Optional: on_unreachable(),
// on_resolved(), configure(), on_start(), on_stop(), on_timer(), and everything of mesh_plugin.hpp.
#pragma once

#include "../ext/discovery.h"
#include "../host/resolve.h"
#include "mesh_plugin.hpp"

#include <charconv>

namespace warren::sdk {

/// "wireguard://nas.example.net:51820" in its parts; without the "key_…@" that may stand before the
/// host, and without the brackets of an IPv6 address.
struct endpoint {
   std::string_view transport, host;
   uint16_t port = 0;
};

/// Nothing for what is no endpoint.
inline std::optional<endpoint> parse_endpoint(std::string_view text) {
   endpoint e;
   const size_t scheme = text.find("://");
   if (scheme == 0 || scheme == std::string_view::npos) return std::nullopt;
   e.transport = text.substr(0, scheme);
   text.remove_prefix(scheme + 3);
   if (const size_t at = text.find('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
   const size_t colon = text.rfind(':');
   if (colon == std::string_view::npos) return std::nullopt;
   const char* const end = text.data() + text.size();
   const auto number = std::from_chars(text.data() + colon + 1, end, e.port);
   if (number.ec != std::errc{} || number.ptr != end || e.port == 0) return std::nullopt;
   e.host = text.substr(0, colon);
   if (e.host.size() > 2 && e.host.front() == '[' && e.host.back() == ']')
      e.host = e.host.substr(1, e.host.size() - 2);
   if (e.host.empty() || e.host.size() > 253) return std::nullopt;
   return e;
}

template <class Self> class discovery : public mesh_plugin<Self> {
 public:
   static constexpr uint32_t kind = WRN_KIND_DISCOVERY;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_DISCOVERY, WRN_HOST_RESOLVE,
                                           nullptr};

   void on_peer_gone(wrn_handle) {}
   void on_unreachable(wrn_handle) {}
   void on_resolved(uint64_t, wrn_status, std::span<const wrn_addr>) {}

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires(Self & s, std::span<const std::string_view> e) { s.on_peer(wrn_handle{}, e); },
            "a discovery plugin has 'void on_peer(wrn_handle peer, std::span<const "
            "std::string_view> configured)'");
      using base = plugin_base<Self>;
      static const wrn_discovery table{
            [](const wrn_plugin* p, wrn_handle peer, const wrn_str* configured, uint32_t n) {
               base::guarded(p, [&](Self& s) {
                  std::vector<std::string_view> endpoints;
                  for (uint32_t i = 0; i < n; i++)
                     endpoints.emplace_back(configured[i].ptr, configured[i].len);
                  s.on_peer(peer, endpoints);
               });
            },
            [](const wrn_plugin* p, wrn_handle peer) {
               base::guarded(p, [&](Self& s) { s.on_peer_gone(peer); });
            },
            [](const wrn_plugin* p, wrn_handle peer) {
               base::guarded(p, [&](Self& s) { s.on_unreachable(peer); });
            }};
      static const wrn_resolve resolved{[](const wrn_plugin* p, uint64_t tag, wrn_status status,
                                           const wrn_addr* addrs, uint32_t n) {
         base::guarded(p, [&](Self& s) { s.on_resolved(tag, status, {addrs, n}); });
      }};
      if (id == WRN_EXT_DISCOVERY) return &table;
      if (id == WRN_EXT_RESOLVE) return &resolved;
      return this->find_mesh_ext(id);
   }

 protected:
   const host& warren() const { return plugin_base<Self>::warren(); }

   /// A place where a peer may answer.
   struct place {
      std::string_view transport;
      wrn_addr addr;
   };
   /// Replaces what this instance said about the peer, best first; at most 16.
   void offer(wrn_handle peer, std::span<const place> places) {
      std::vector<wrn_endpoint> out;
      for (const place& p : places)
         out.push_back({{p.transport.data(), p.transport.size()}, p.addr});
      warren()
            .template get<wrn_host_discovery>(WRN_HOST_DISCOVERY)
            ->offer(warren().raw(), peer, out.data(), static_cast<uint32_t>(out.size()));
   }
   /// on_resolved(tag) follows exactly once. False when too many are under way.
   bool resolve(std::string_view name, uint16_t port, uint64_t tag) {
      return warren()
                   .template get<wrn_host_resolve>(WRN_HOST_RESOLVE)
                   ->resolve(warren().raw(), {name.data(), name.size()}, port, tag) == WRN_OK;
   }
};

} // namespace warren::sdk
