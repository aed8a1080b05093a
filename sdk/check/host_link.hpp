// The core's side of links: which there are, in which state, and what was delivered.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/ext/transport.h"

#include <set>

namespace warren::check {

struct open_link {
   wrn_link_params params{};
   instance* other = nullptr; // who the peer is, when it is one of ours
   uint32_t state = 0;
   uint32_t writable = 0; // notifications
   uint64_t delivered = 0;
};

struct link_part {
   std::map<wrn_handle, open_link> links;
   std::set<wrn_handle> closed;
   uint64_t made = 0;
   uint64_t strays = 0; // calls about links that are gone
   /// Params of the link for a caller who has proved this key; family of the peer's handle 0 = a
   /// stranger.
   std::function<const open_link*(const wrn_key& tunnel_key)> on_incoming;
   std::function<void(wrn_handle link, std::vector<uint8_t> packet)> on_deliver;
   uint64_t incoming_refused = 0;
};

wrn_handle new_link(instance& who, const open_link& l);

} // namespace warren::check
