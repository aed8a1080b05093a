// The rows of a network's tables: transports, peers, links. Internal to core/mesh; shard thread.
#pragma once

#include "core/base/limits.hpp"
#include "core/mesh/bulk.hpp"
#include "core/mesh/status.hpp"
#include "warren/ext/routing.h"

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace warren::mesh {

/// The ABI's reasons, then the core's own.
enum class drop_reason : uint8_t {
   other = WRN_DROP_OTHER,
   malformed = WRN_DROP_MALFORMED,
   auth = WRN_DROP_AUTH,
   replay = WRN_DROP_REPLAY,
   no_link = WRN_DROP_NO_LINK,
   queue_full = WRN_DROP_QUEUE_FULL,
   too_big = WRN_DROP_TOO_BIG,
   rate = WRN_DROP_RATE,
   policy = WRN_DROP_POLICY,
   expired = WRN_DROP_EXPIRED,
   no_owner = WRN_DROP_COUNT_, // no peer owns the destination
   wrong_source,               // the inner source does not belong to the peer that sent it
   not_ip,                     // from our own interface, neither IPv4 nor IPv6
   loop,          // our own datagram to the peer, routed into the tunnel that it carries
   no_way,        // no member leads to the destination, or we do not relay
   unknown_frame, // a mesh frame of a type or version we do not know
   acl,           // the access rules forbid it
   count_
};
std::string_view to_string(drop_reason r);
using drop_counters = std::array<uint64_t, static_cast<size_t>(drop_reason::count_)>;
drop_counts named(const drop_counters& counters);

/// What is open for a transport: a datagram socket, a listener for streams, or both on one port.
struct bound_socket {
   std::unique_ptr<io::udp_socket> socket;
   std::unique_ptr<io::tcp_listener> listener;
   std::optional<wrn_addr> listen{}; // as configured
   wrn_addr local() const { return socket ? socket->local() : listener->local(); }
};

struct transport {
   std::unique_ptr<plugin::instance> instance;
   const wrn_transport* table = nullptr;
   const wrn_udp* udp = nullptr;       // null: no datagrams
   const wrn_stream* stream = nullptr; // null: no streams
   wrn_transport_limits limits{};
   uint16_t overlay_name = 0; // in the header of overlay frames for it
   std::shared_ptr<bound_socket> bound;
   uint64_t sock = 0; // the handle the plugin knows the datagram socket by
   uint16_t port = 0; // of what is bound
};

struct peer;

/// A session with a peer over one transport.
struct link {
   uint64_t handle = 0;
   peer* owner = nullptr;
   transport* via = nullptr;
   uint32_t state = 0;            // WRN_LINK_*, 0 = idle
   wrn_addr remote{};             // what we told the transport, or it told us
   uint32_t mtu = 0;              // largest inner packet that it carries now
   bool remote_proved = false;    // the peer was heard from there
   uint64_t connecting_since = 0; // of the current endpoint
   size_t endpoint_index = 0;
   std::deque<wrn_pkt> queue; // waiting for room, bounded
   // For network::run_later().
   bool later = false; // listed
   bool say_hello = false;
   uint64_t hello_answered = 0;
   std::optional<uint64_t> echo_token; // to be sent back; of several in one turn the last
   uint64_t moved_told = 0;            // when peer.moved was emitted last
   bool move_untold = false;
};

/// One way to a peer through a neighbour, from a routing plugin.
struct way {
   const plugin::instance* from = nullptr;
   uint64_t next_hop = 0; // peer
   uint32_t metric = 0, weight = 1;
};

struct peer;
/// The address of the path to a peer through other members.
wrn_addr path_to(const peer& p);
/// What names a transport in overlay frames.
uint16_t overlay_name_of(const plugin::instance& transport);

/// Where somebody says the peer is.
struct candidate {
   const plugin::instance* from = nullptr;
   std::string transport;
   wrn_addr addr{};
};

struct peer {
   uint64_t handle = 0;
   config::peer settings;
   std::optional<crypto::bytes32> tunnel_key; // configured, or learned from a key statement
   uint64_t tunnel_key_sequence = 0;
   std::vector<std::unique_ptr<link>> links; // at most one per transport, in the transports' order
   std::vector<candidate> candidates;
   drop_counters drops{};
   std::string last_error;
   // One-entry cache of the source check: the last inner source that was found to be this peer's.
   uint8_t source_family = 0;
   std::array<uint8_t, 16> source{};
   uint32_t source_epoch = 0;
   // Key statements.
   uint64_t ask_at = 0; // when to ask (again), 0 = not at all
   uint32_t asked = 0;
   std::array<uint8_t, 16> ask_nonce{};
   std::deque<wrn_pkt>
         waiting; // for the key, so that the first packets are not lost; bounded, oldest dropped
   uint64_t waiting_since = 0;
   // Round trips, by mesh echo.
   uint64_t echo_token = 0, echo_sent = 0, rtt_ns = 0;
   uint64_t last_traffic = 0;
   uint64_t unreachable_told = 0;
   bool hello_seen = false; // on the link that is up
   // The overlay, and what plugins were told of this peer.
   uint32_t number = 0; // its overlay address, 0 = none: stock, or ambiguous
   std::vector<way> ways;
   std::unique_ptr<bulk_channel> bulk; // made when first needed
   bool linked_told = false;
   uint32_t cost_told = WRN_COST_INFINITE;
   bool news = false;              // listed for network::run_later()
   uint64_t direct_asked = 0;      // when a direct path was looked for last while on the overlay
   bool unreachable_later = false; // listed for network::run_later()
   uint64_t key_window =
         0; // since when key_changes counts statements of another key than the known one
   uint32_t key_changes = 0;
   // Of a network with certificates.
   uint64_t quarantine_until =
         0; // not 0: a stranger who may show a certificate or ask to be let in
   // Of the invite that it knocked with: also of a member who has not heard that it is one.
   std::optional<crypto::bytes32> quarantine_psk;
   uint64_t secret_epoch = 0; // newest secret that the peer says it has
   std::array<uint8_t, 8> secret{};
   std::optional<crypto::bytes32> psk_told;    // the transports' links have it
   uint64_t instance = 0, instance_before = 0; // of the processes that its echoes come from
};

} // namespace warren::mesh
