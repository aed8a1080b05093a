// A routing plugin in C++: hears what its neighbours cost, talks to its like by messages, publishes
// ways. Optional: everything of mesh_plugin.hpp, configure(), on_start(), on_stop(), on_timer().
#pragma once

#include "../ext/routing.h"
#include "mesh_plugin.hpp"

namespace warren::sdk {

template <class Self> class routing : public mesh_plugin<Self> {
 public:
   static constexpr uint32_t kind = WRN_KIND_ROUTING;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_MEMBERS, WRN_HOST_MESSAGE,
                                           WRN_HOST_ROUTE, nullptr};

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires(Self & s) { s.on_neighbor(wrn_handle{}, uint32_t{}); },
            "a routing plugin has 'void on_neighbor(wrn_handle peer, uint32_t cost)'");
      using base = plugin_base<Self>;
      static const wrn_routing table{[](const wrn_plugin* p, wrn_handle peer, uint32_t cost) {
         base::guarded(p, [&](Self& s) { s.on_neighbor(peer, cost); });
      }};
      return id == WRN_EXT_ROUTING ? &table : this->find_mesh_ext(id);
   }

 protected:
   const host& warren() const { return plugin_base<Self>::warren(); }

   /// Replaces this instance's whole table.
   wrn_status publish(std::span<const wrn_route> ways) const {
      return host_route()->publish(warren().raw(), ways.data(), static_cast<uint32_t>(ways.size()));
   }
   /// This node passes on what is for others.
   bool relays() const { return host_route()->relays(warren().raw()) != 0; }

 private:
   const wrn_host_route* host_route() const {
      return warren().template get<wrn_host_route>(WRN_HOST_ROUTE);
   }
};

} // namespace warren::sdk
