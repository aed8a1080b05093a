#pragma once
// One session: the two keys of a finished handshake, their counters and the replay window. Exists
// only while there is a session, so an idle peer costs no window.
#include "plugins/transport/wireguard/aead.hpp"
#include "plugins/transport/wireguard/replay_window.hpp"

namespace warren::wireguard {

struct keypair {
   std::unique_ptr<aead_key> send;
   std::unique_ptr<aead_key> receive;
   uint64_t created = 0; // now, when the handshake ended on our side
   uint64_t send_counter = 0;
   uint32_t local_index = 0;
   uint32_t remote_index = 0;
   bool initiator = false;          // we started the handshake, so we renew it
   bool renewed_on_receive = false; // once per session
   replay_window replay;
};

} // namespace warren::wireguard
