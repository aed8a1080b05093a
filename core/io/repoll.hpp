// Polling for a little while instead of sleeping. Part of the event loop.
#pragma once

#include <algorithm>
#include <cstdint>

namespace warren::io {

/// How long the loop polls after an event of one descriptor before the thread sleeps. Waking up
/// costs tens of microseconds on a virtual machine, polling costs the time that it takes; so the
/// window doubles when the next event came soon enough that a longer one would have caught it, and
/// halves when it did not. A tunnel whose answers come within 100 us polls for them, everything
/// else sleeps after 5 us.
class repoll_window {
 public:
   static constexpr uint32_t ns_min = 5'000, ns_max = 100'000;

   uint32_t ns() const { return ns_; }
   /// The thread slept, and the next event came this long after polling began.
   void slept_until(uint64_t ns) {
      ns_ = ns <= ns_max ? std::min(ns_max, ns_ * 2) : std::max(ns_min, ns_ / 2);
   }

 private:
   uint32_t ns_ = ns_min;
};

} // namespace warren::io
