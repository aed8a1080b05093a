// wg-quick files (wg(8), wg-quick(8)): read strictly, with every mistake at once, and written.
// Values and text; the keys in them are secrets. Used by 'warren import' and 'warren export'.
// Control thread.
#pragma once

#include "core/config/load.hpp"

namespace warren::config {

struct wg_quick_peer {
   std::string name; // from a comment beside [Peer]; empty when there is none that could be one
   crypto::bytes32 public_key{};
   std::optional<crypto::bytes32> psk;
   std::vector<wrn_addr> allowed_ips; // host bits cleared, as wg does
   std::string endpoint;              // "host:port", "[v6]:port" or empty
   uint32_t keepalive_s = 0;          // 0 = off
   location where;
};

struct wg_quick {
   std::optional<crypto::secret32> private_key;
   uint16_t listen_port = 0;        // 0 = the system chooses
   std::vector<wrn_addr> addresses; // with prefix length
   uint32_t mtu = 0;                // 0 = not given
   std::vector<wrn_addr> dns;       // only written: Warren sets no resolver
   std::vector<wg_quick_peer> peers;
   /// Keys that have no counterpart in Warren and were left out, each with its place and what to do
   /// instead.
   std::vector<config_error> warnings;
};

loaded<wg_quick> parse_wg_quick(std::string_view text, const std::filesystem::path& file);

/// The same as a file for wg-quick. A missing private key becomes a comment that asks for it.
std::string format_wg_quick(const wg_quick& content);

/// Where a network file made from it finds its secrets.
struct import_places {
   std::string keys; // network.keys; empty = the default folder
   std::function<std::string(const std::string&)> psk_file; // by the peer's name
};
/// A Warren network file. Peers without a name get one ("peer-1"); default routes stay out as
/// comments, since Warren has no exits like wg-quick's and routing everything into the tunnel would
/// cut it off.
std::string network_from_wg_quick(wg_quick& content, const import_places& places);

} // namespace warren::config
