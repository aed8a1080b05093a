// What a discovery has said about each peer.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/ext/discovery.h"

#include <set>

namespace warren::check {

inline constexpr uint32_t endpoints_max = 16; // of one peer

struct discovery_part {
   struct place {
      std::string transport;
      wrn_addr addr;
   };
   std::map<wrn_handle, std::vector<place>> peers; // live ones and what is offered for them
   std::set<wrn_handle> gone;
   uint64_t made = 0, offers = 0, too_many = 0;
};

} // namespace warren::check
