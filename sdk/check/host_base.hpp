// The functions that every plugin has without asking: clock, dice, timers, packets, log.
#pragma once

#include "sdk/check/instance.hpp"

namespace warren::check {

struct timer_part {
   struct armed {
      wrn_time at;
      uint64_t tag, order;
   };
   std::map<wrn_handle, armed> timers;
   uint64_t next = 0;
   uint64_t fired = 0;        // since somebody set it to 0
   wrn_time fired_second = 0; // storms are found per second
   uint64_t fired_in_second = 0;
};

/// Timers that a plugin may have, as of the real host.
inline constexpr size_t timers_max = 1024;
/// So many timers of one instance in one second are a storm under any load.
inline constexpr uint64_t storm_per_second = 20'000;

/// Room around packets that the host allocates.
inline constexpr uint32_t alloc_headroom = 128, alloc_tailroom = 64;

} // namespace warren::check
