#include "plugins/transport/wireguard/peer.hpp"
#include <sodium.h>

namespace warren::wireguard {

peer::~peer() {
   sodium_memzero(psk.data(), psk.size());
   sodium_memzero(static_static.data(), static_static.size());
}

} // namespace warren::wireguard
