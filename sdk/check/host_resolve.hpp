// The resolver of the fake host, as the properties set and read it.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/host/resolve.h"

namespace warren::check {

inline constexpr size_t addresses_max = 16; // of one answer

struct resolve_part {
   size_t limit = 64, under_way = 0, most = 0;
   uint64_t asked = 0, refused = 0, round = 0;
   wrn_time delay = 20 * ms;
   bool all_fail = false;
};

} // namespace warren::check
