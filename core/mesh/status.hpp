// Snapshots of a network for the control API: plain values, taken on the shard, read anywhere.
#pragma once

#include "core/config/model.hpp"
#include "core/plugin/instance.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace warren::mesh {

enum class peer_state : uint8_t {
   idle,       // no session and nobody wants one
   resolving,  // its tunnel key is not known yet
   connecting, // a session is wanted
   up,
};
std::string_view to_string(peer_state s);

using drop_counts =
      std::vector<std::pair<std::string, uint64_t>>; // reason, packets; zeros left out

/// "on"; "untested", which is on but the self-test could not run; or why it is not used: "off" by
/// configuration, "unsupported" by the kernel, "broken" by the self-test, "refused" by the kernel
/// since then.
std::string_view offload_state(bool used, bool wanted, base::offload_verdict verdict);

struct peer_status {
   std::string name;
   std::optional<crypto::bytes32> id, tunnel_key;
   std::vector<std::string> groups, tags, roles;
   std::vector<wrn_addr> addresses, routes;
   peer_state state = peer_state::idle;
   std::string transport; // of the link in use
   wrn_addr endpoint{};   // family 0 = not known
   std::string via;       // the member that the link goes through; empty = direct
   uint32_t mtu = 0;      // largest inner packet that the link carries now; 0 = there is none
   int64_t handshake_wall_ns = 0;
   uint64_t rtt_us = 0; // 0 = not measured
   uint64_t rx_bytes = 0, tx_bytes = 0, rx_packets = 0, tx_packets = 0;
   std::string last_error;
   drop_counts drops;
};

struct instance_status {
   std::string plugin, kind, version, module, state;
   bool plaintext = false;
   wrn_addr listen{};
   uint64_t tx_dropped = 0, rx_dropped = 0;
   std::vector<plugin::metric_value> metrics;
   uint64_t slow_calls = 0; // seen by the watchdog
};

/// One line of the table of ways.
struct way_status {
   std::string plugin, destination, next_hop;
   uint32_t metric = 0, weight = 0;
   bool used = false; // the destination's traffic goes this way now
};

struct network_status {
   std::string name, node_name, interface;
   crypto::bytes32 id{}, tunnel_key{};
   uint32_t mtu = 0;
   bool up = false;
   std::array<std::string_view, base::offload_count> offloads{}; // see offload_state()
   std::vector<wrn_addr> addresses;
   std::vector<instance_status> instances;
   std::vector<peer_status> peers;
   std::vector<way_status> ways;
   bool relay = false;
   drop_counts drops; // all peers and none
   uint64_t since_wall_ns = 0;
};

/// Something that happened: a stable name and fields, all text.
struct event {
   int64_t wall_ns = 0;
   std::string name; // "peer.up"
   std::string network;
   std::vector<std::pair<std::string, std::string>> fields;
};
/// Called on the shard; must not block.
using event_handler = std::function<void(event)>;

/// A request of the control API for a plugin, and its answer: an HTTP status and what the plugin
/// says is JSON.
struct plugin_request {
   std::string plugin, method, path, body;
};
struct plugin_answer {
   uint32_t status = 200;
   std::string json;
};

/// "Would this pass, and which way would it go?" Ends are members' names or addresses.
struct explain_request {
   std::string source, destination;
   std::string protocol = "tcp"; // as in the rules
   std::optional<uint16_t> source_port, destination_port;
};

/// What the rules say of a new flow.
struct rule_verdict {
   bool accept = true;
   std::string where; // "file:line"; "default"; empty: there are no rules
   std::string name;  // of the rule
};

struct explain_result {
   wrn_addr source{}, destination{};
   std::string source_owner, destination_owner; // names; empty: nobody
   std::string protocol;
   std::optional<uint16_t> source_port, destination_port;
   rule_verdict forward, backward; // backward: the destination begins; replies pass anyway
   // The link to the member that is not this node; empty when both or none are.
   std::string peer;
   peer_state state = peer_state::idle;
   std::string transport, via;
   wrn_addr endpoint{};
   uint32_t mtu = 0;
};

/// A packet that the access rules dropped.
struct drop_record {
   int64_t wall_ns = 0;
   bool incoming = false;
   std::string peer;
   wrn_addr source{}, destination{}; // with ports
   uint8_t protocol = 0;
   std::string why;   // "rule", "default", "fragment_first_missing"
   std::string where; // "file:line", "default"
};

struct drop_report {
   std::vector<drop_record> drops; // oldest first
   bool filtered = false;          // there are rules
   size_t flows = 0;               // that are kept in mind
   drop_counts passed, dropped;    // by why
};

struct ping_result {
   uint64_t rtt_us = 0;
   std::string peer;
   std::string transport;
   wrn_addr endpoint{};
   wrn_addr address{};
   size_t bytes = 0;
};

} // namespace warren::mesh
