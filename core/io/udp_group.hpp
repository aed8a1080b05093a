// Which datagrams of a batch leave together as one UDP_SEGMENT send. A pure function over
// descriptors, so that it is tested without sockets.
//
// Datagrams join when they go to the same remote address from the same local token with the same
// ECN bits and the same size; a shorter one may come last and closes the run. A few destinations
// are collected side by side, so that a node with several peers does not lose its runs when their
// packets alternate. Order is kept per destination: a later datagram never lands in an earlier
// send.
#pragma once

#include "warren/packet.h"

#include <cstdint>
#include <span>

namespace warren::io {

/// Bounds of one send: segments, 64 in every kernel since 4.18, and payload bytes (an IPv4 datagram
/// of 65,535 without its headers).
inline constexpr uint32_t gso_segments_max = 64;
inline constexpr uint32_t gso_bytes_max = 65507;

struct udp_run {
   uint8_t first; // index of its first datagram; the others follow by udp_plan::next
   uint8_t last;
   uint16_t count;
   uint32_t segment; // size of all but the last
   uint32_t bytes;
};

struct udp_plan {
   static constexpr uint8_t end = 255;
   udp_run runs[WRN_BATCH_MAX];
   uint32_t count = 0;
   uint8_t next[WRN_BATCH_MAX]; // chains the datagrams of a run
};
static_assert(WRN_BATCH_MAX < udp_plan::end);

/// At most WRN_BATCH_MAX datagrams. `gso` false gives every datagram a run of its own.
void plan_udp_runs(std::span<const wrn_pkt> packets, bool gso, udp_plan& plan);

} // namespace warren::io
