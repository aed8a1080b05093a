// Datagram sockets of the fake host: one per instance, in the network of the world.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/host/udp.h"

namespace warren::check {

struct udp_part {
   wrn_handle sock = 0;
   uint32_t opened = 0;
   uint32_t room_max = 256;   // datagrams per turn
   uint32_t sent_in_turn = 0; // since the world's clock moved
   wrn_time turn = 0;
   bool blocked = false; // no room at all until unblock()
   bool waits = false;   // room() has said 0, one on_writable() is owed
   uint32_t batch_max = WRN_BATCH_MAX;
   std::vector<datagram> inbox;
};

/// Opens the instance's socket: on_bound() with a handle of its own.
void bind_socket(instance& who);
/// Hands over what has arrived, in batches.
void receive_inbox(instance& who);
/// Gives the instance one batch of datagrams, each from its own sender.
void receive(instance& who, std::span<const datagram> datagrams);
/// There is room again.
void unblock(instance& who);

} // namespace warren::check
