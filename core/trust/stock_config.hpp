// The configuration file that a stock WireGuard client of a network is given (wg-quick(8), which
// the official applications import as a file or a QR code). Pure; the text holds the client's
// secret.
#pragma once

#include "core/trust/address_plan.hpp"

namespace warren::trust {

struct stock_client {
   std::string network_name, gateway_name;        // made legal names before they are written
   const crypto::secret32* private_key = nullptr; // null: a comment asks for it
   wrn_addr address{}, address6{};                // the client's own
   std::vector<wrn_addr> dns;                     // none: the client keeps its own resolver
   uint32_t mtu = 0;                              // 0: the client chooses
   crypto::bytes32 gateway_key{};
   std::optional<crypto::bytes32> psk;
   std::string gateway_endpoint; // "host:port", "[v6]:port"
   address_plan plan;
   wrn_addr prefix6{};           // of the network
   std::vector<wrn_addr> routes; // further networks behind members
};

/// errc::invalid for an endpoint that is none.
base::result<std::string> stock_config(const stock_client& client);

} // namespace warren::trust
