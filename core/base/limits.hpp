// Every bound of the core in one place, each with its reason. Overflow drops and counts, or refuses
// with a text.
#pragma once

#include <cstddef>
#include <cstdint>

namespace warren::base::limits {

/// Static peers of one network. Each costs a link and a few kilobytes; 1,000 is what one node is
/// measured with, four times that is room.
inline constexpr size_t peers_max = 4096;

/// Prefixes in the owner table of one network, from all peers: the figure of the routing designs we
/// serve.
inline constexpr size_t prefixes_max = 10000;

/// Endpoints known per peer and discovery instance. More are never tried within a useful time.
inline constexpr size_t endpoints_per_peer_max = 16;

/// Networks in one daemon. Each has a TUN device and sockets of its own.
inline constexpr size_t networks_max = 64;

/// Transports and discovery instances per network.
inline constexpr size_t plugins_per_network_max = 32;

/// Timers per plugin instance: a transport needs a few, not one per peer.
inline constexpr size_t timers_per_plugin_max = 1024;

/// Metric cells per plugin instance; beyond it all names share one overflow cell.
inline constexpr size_t metrics_per_plugin_max = 256;

/// Name look-ups under way per plugin instance.
inline constexpr size_t lookups_per_plugin_max = 64;

/// Streams per plugin instance, dialled and accepted: one per peer and as many again for the moment
/// in which both sides dial, for what one node serves over streams. Each costs a file descriptor.
inline constexpr size_t streams_per_plugin_max = 1024;

/// Listeners per plugin instance: one per `listen`, and one `listen` per instance; the rest is room
/// for a list.
inline constexpr size_t listeners_per_plugin_max = 8;

/// Bytes of one stream that the kernel took and that have not left. Enough to keep a fast path busy
/// between two turns, little enough that a slow one does not add seconds of delay.
inline constexpr size_t stream_unsent_bytes = 128 << 10;

/// Callers in the kernel's queue of a listener, and how many of them one turn accepts, so that a
/// flood of calls does not starve packets.
inline constexpr int stream_backlog_max = 128;
inline constexpr uint32_t stream_accepts_per_turn_max = 16;

/// Bytes read from one stream in one turn; then it is the others' turn. One callback gets a buffer
/// of stream_read_bytes at most.
inline constexpr size_t stream_turn_bytes_max = 256 << 10;
inline constexpr size_t stream_read_bytes = 64 << 10;

/// How long written bytes may stay unacknowledged before a stream counts as broken, in
/// milliseconds, and how often a call is repeated (1 + 2 + 4 + 8 + 16 s): half a minute each, since
/// the kernel's own patience is a quarter of an hour and a tunnel has other paths.
inline constexpr uint32_t stream_unacknowledged_ms_max = 30'000;
inline constexpr int stream_connect_repeats_max = 4;

/// Log events per second and event name of one plugin, so that a peer cannot fill a disk.
inline constexpr uint32_t plugin_log_per_second_max = 10;

/// Bytes of a TOML file: far above any real one, below what would hurt to parse.
inline constexpr size_t config_bytes_max = 1 << 20;

/// Errors reported from one configuration file; the rest is counted.
inline constexpr size_t config_errors_max = 50;

/// Flow cache entries of one network, a power of two: 64 bytes each, so half a megabyte.
inline constexpr size_t flow_cache_entries = 8192;

/// Flows that the access rules of one network keep in mind, a power of two: 64 bytes each, a
/// megabyte when all are in use. Beyond it the most idle ones of the busiest peers are forgotten.
inline constexpr size_t tracked_flows_max = 16384;

/// Dropped packets kept for `warren explain`, and how many of them are written down per second, so
/// that a flood costs nothing.
inline constexpr size_t drop_notes_max = 64;
inline constexpr uint64_t drop_notes_per_second_max = 64;

/// Slots of the packet pool of a shard: a few full batches in each direction plus what links stage
/// while they handshake.
inline constexpr size_t packet_slots = 4096;

/// Inner packets waiting in the core for one link that has no room; what comes when they are so
/// many is dropped.
inline constexpr size_t link_queue_max = 256;

/// Inner packets that wait until a peer's tunnel key is known, oldest dropped first: the first
/// segments of a few connections.
inline constexpr size_t key_queue_max = 32;

/// Messages of plugins waiting to leave or to be handed over, per network and direction: a batch or
/// two of each neighbour.
inline constexpr size_t messages_max = 512;

/// Bulk messages waiting in one network, in bytes: sixteen of the largest.
inline constexpr size_t bulk_bytes_max = 16 << 20;

/// Datagrams on their way through the mesh that wait for their turn in one network: what one batch
/// of reads can bring from a few members at once. More is dropped, as a router drops.
inline constexpr size_t transit_max = 512;

/// Ways to one member, and in one table of a routing plugin.
inline constexpr size_t ways_per_member_max = 4;
inline constexpr size_t ways_max = 16384;

/// Members an overlay datagram may pass: twice the width of any mesh that people build by hand.
inline constexpr unsigned overlay_hops_max = 16;

/// Least inner packet that a relayed link carries, whatever the network's MTU: what IPv6 asks of
/// every link (RFC 8200 section 5). TCP counts on no more where one of its ends lies behind a node:
/// ICMP is filtered behind many exits, so nobody could tell it of a link that became relayed.
inline constexpr uint32_t relayed_mtu_min = 1280;

/// Fragments of one inner packet: the largest IPv4 packet over the least relayed link makes 53.
inline constexpr uint32_t fragments_per_packet_max = 64;

/// Strangers with a quarantine link at once, and how long one lasts without another knock: enough
/// for a certificate or a request, in nanoseconds.
inline constexpr size_t quarantine_max = 64;
inline constexpr uint64_t quarantine_ns = 5'000'000'000;

/// Requests of the control API that plugins of one network have not answered.
inline constexpr size_t plugin_requests_max = 64;

/// Closures posted to a shard from other threads and not yet run.
inline constexpr size_t posts_max = 1024;

/// Control connections at once, request bytes, and subscribers of the event stream.
inline constexpr size_t control_connections_max = 64;
inline constexpr size_t control_request_bytes_max = 64 << 10;
inline constexpr size_t control_subscribers_max = 16;

/// A document that travels over the control API as one string: access rules, signed statements. Ten
/// thousand rules take half of it.
inline constexpr size_t control_document_bytes_max = 1 << 20;

/// Events kept for `warren events` to show what happened before it was started, and queued for one
/// slow subscriber.
inline constexpr size_t events_kept = 256;

/// Bytes of an interface name, NUL not counted (IFNAMSIZ - 1), and of network and peer names (a DNS
/// label).
inline constexpr size_t interface_name_max = 15;
inline constexpr size_t name_max = 63;

} // namespace warren::base::limits
