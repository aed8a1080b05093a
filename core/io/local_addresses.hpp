// What addresses and networks this host has now. Asks the system; control thread, never per packet.
#pragma once

#include "core/base/address.hpp"

#include <string>
#include <vector>

namespace warren::io {

struct local_address {
   std::string interface;
   wrn_addr address{};  // with the prefix length of its network
   bool tunnel = false; // of a point-to-point interface such as a TUN device
};

/// Of interfaces that are up; loopback and link-local addresses left out.
std::vector<local_address> local_addresses();

/// Networks that the host reaches by its addresses or by routes, default routes left out.
std::vector<wrn_addr> local_networks();

} // namespace warren::io
