// What transports live on: datagram sockets and listeners for streams, opened from `listen`.
#include "core/mesh/network.hpp"

#include <cstring>

namespace warren::mesh {

namespace {

constexpr int same_port_tries = 32; // for "auto": the datagrams' port may be taken for streams
constexpr uint8_t protocol_tcp = 6;

} // namespace

/// A transport with both kinds gets them on one port number.
base::result<std::shared_ptr<bound_socket>> network::open_sockets(const config::plugin_use& use,
                                                                  const transport& t,
                                                                  base::offload_set offload) {
   wrn_addr any{};
   any.family = WRN_AF_INET6; // "::" means both families
   for (int tries = 1;; tries++) {
      wrn_addr bind = use.listen.value_or(any);
      const bool chooses = bind.port == 0;
      auto bound = std::make_shared<bound_socket>();
      bound->listen = use.listen;
      if (t.udp != nullptr) {
         auto socket = shard_.open_udp(bind, *this, offload);
         if (!socket) return socket.error();
         bound->socket = std::move(*socket);
         bind.port = bound->socket->local().port;
      }
      if (t.stream == nullptr) return bound;
      auto listener = shard_.listen_tcp(bind, *this);
      if (listener) {
         bound->listener = std::move(*listener);
         return bound;
      }
      const bool again = chooses && t.udp != nullptr && tries < same_port_tries &&
                         listener.error().code == base::errc::in_use;
      if (!again) return listener.error();
   }
}

void network::tell_sockets(transport& t) {
   if (t.udp != nullptr) t.udp->on_bound(t.instance->get(), t.sock);
   if (t.stream != nullptr) t.instance->open_streams().listening(*t.bound->listener);
}

void network::on_accepted(io::tcp_listener& listener, std::unique_ptr<io::tcp_stream> stream,
                          const wrn_addr& from) {
   for (const auto& t : transports_)
      if (t->bound && t->bound->listener.get() == &listener)
         return t->instance->open_streams().accepted(listener, std::move(stream), from);
}

/// A stream of ours to that peer, routed into the tunnel that it carries. Which port it leaves from
/// only its transport knows; that an application calls the same port of the peer's outer address
/// through the tunnel is no use of a tunnel.
bool network::is_own_stream(const peer& p, const route::ip_view& ip) const {
   if (ip.protocol != protocol_tcp) return false;
   for (const auto& l : p.links)
      if (l->via->stream != nullptr && ip.destination_port == l->remote.port &&
          ip.family == l->remote.family &&
          std::memcmp(ip.destination, l->remote.ip, ip.family == 4 ? 4 : 16) == 0)
         return true;
   return false;
}

void network::link_writable(plugin::instance& from, uint64_t handle) {
   if (link* l = link_of(from, handle); l != nullptr && !l->queue.empty()) later(*l);
}

} // namespace warren::mesh
