// Members and messages of the fake host, as the kinds that live in the mesh set and read them.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/ext/control.h"
#include "warren/ext/routing.h"
#include "warren/host/members.h"
#include "warren/host/message.h"

#include <set>

namespace warren::check {

struct members_part {
   struct member {
      instance* other = nullptr; // null: a stock peer, or somebody who is never there
      uint32_t flags = 0;
      uint32_t rtt_us = 0;
      wrn_key node_id{}, tunnel_key{};
      std::string name;
   };
   std::map<wrn_handle, member> members;
   uint64_t made = 0;
};
wrn_key node_id_of(instance& who);

/// A member appears for `who`: in the table, and linked when it is one of ours. Its handle.
wrn_handle join(instance& who, instance* other);
void leave(instance& who, wrn_handle peer);
/// The handle of `other` for `who`; 0 = not there.
wrn_handle member_of(instance& who, const instance& other);
void set_linked(instance& who, wrn_handle peer, bool linked);

struct message_part {
   uint64_t round = 0; // of lives: what comes late is for an earlier one
   uint64_t sent = 0, bytes = 0;
   std::map<wrn_handle, uint32_t> bulk_waiting;
   std::vector<std::vector<uint8_t>> heard; // a few, to be said again, whole or bent
};
/// on_message(), or on_bulk(), when the plugin has it.
void say_to(instance& who, wrn_handle from, std::span<const uint8_t> bytes, bool bulk = false);
bool takes_messages(instance& who);

struct route_part {
   std::vector<wrn_route> routes; // as published last
   uint64_t published = 0, refused = 0;
   bool relays = true;
};

struct control_part {
   struct open_request {
      wrn_time until;
   };
   std::map<wrn_handle, open_request> open;
   uint64_t made = 0, answered = 0, late = 0;
   uint32_t last_status = 0;
};
/// A request of the control API; false when the plugin answers none.
bool ask_control(instance& who, std::string_view method, std::string_view path,
                 std::string_view body);

} // namespace warren::check
