#include "core/trust/stock_config.hpp"

#include "core/base/address.hpp"
#include "core/config/wg_quick.hpp"
#include "core/trust/name.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

/// A client calls from behind NATs; this is what wg(8) recommends to keep their mappings.
constexpr uint32_t keepalive_s = 25;

wrn_addr host(wrn_addr address) {
   address.prefix_len = base::address_bits(address);
   return address;
}

} // namespace

base::result<std::string> stock_config(const stock_client& client) {
   // An endpoint of the configuration is "transport://host:port"; its check fits host and port.
   const std::string& endpoint = client.gateway_endpoint;
   const bool plain = std::none_of(endpoint.begin(), endpoint.end(), [](char c) {
      return c <= ' ' || c >= 127 || c == '@' || c == '/' || c == '#';
   });
   if (const auto ok = config::endpoint_transport("wireguard://" + endpoint); !plain || !ok)
      return base::fail(base::errc::invalid,
                        "the gateway has no endpoint that a stock client can call; expected "
                        "host:port, such as vpn.example.net:51820 or [2001:db8::1]:51820");
   config::wg_quick file;
   if (client.private_key != nullptr) file.private_key = client.private_key->clone();
   file.addresses = {host(client.address), host(client.address6)};
   file.dns = client.dns;
   file.mtu = client.mtu;
   config::wg_quick_peer gateway;
   gateway.name = suggest_name(client.gateway_name);
   gateway.public_key = client.gateway_key;
   gateway.psk = client.psk;
   gateway.allowed_ips = {client.plan.prefix, client.prefix6};
   for (const wrn_addr& route : client.routes)
      gateway.allowed_ips.push_back(base::masked(route));
   gateway.endpoint = endpoint;
   gateway.keepalive_s = keepalive_s;
   file.peers.push_back(std::move(gateway));
   return "# " + suggest_name(client.network_name) + "\n" + config::format_wg_quick(file);
}

} // namespace warren::trust
