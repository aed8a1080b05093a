// A service in C++: something that runs on the mesh, such as a name server or a message board. All
// its hooks are optional: those of mesh_plugin.hpp, configure(), on_start(), on_stop(), on_timer().
#pragma once

#include "mesh_plugin.hpp"

namespace warren::sdk {

template <class Self> class service : public mesh_plugin<Self> {
 public:
   static constexpr uint32_t kind = WRN_KIND_SERVICE;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_MEMBERS, WRN_HOST_MESSAGE,
                                           WRN_HOST_SIGN, WRN_HOST_CONTROL, nullptr};

 protected:
   const host& warren() const { return plugin_base<Self>::warren(); }
};

} // namespace warren::sdk
