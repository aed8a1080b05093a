// Notices plugins that do not return: says so after a limit, ends the process after ten.
//
// A plugin that hangs holds up every network of its shard, and there is no way to take a thread
// back from it; a core that shows where it hangs and a restart by systemd are better than silence.
// A thread of its own looks, since the control thread waits for the shard when it changes things.
#pragma once

#include "core/io/call_mark.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace warren::app {

/// What the looks amount to; without thread and clock. Time between two looks counts up to twice
/// their distance, so that a process that was stopped itself accuses nobody.
class call_watch {
 public:
   enum class verdict { fine, slow, hangs };

   explicit call_watch(uint64_t limit_ns) : limit_ns_(limit_ns) {}
   uint64_t distance_ns() const { return std::min<uint64_t>(limit_ns_ / 2 + 1, 1'000'000'000); }

   /// slow and hangs are said once per call.
   verdict look(const io::call_mark::look& seen, uint64_t now_ns) {
      const uint64_t passed = std::min(now_ns - last_ns_, 2 * distance_ns());
      last_ns_ = now_ns;
      if (seen.inside == nullptr || seen.number != number_) {
         number_ = seen.number;
         lasted_ns_ = 0;
         said_ = verdict::fine;
         return verdict::fine;
      }
      lasted_ns_ += passed;
      const verdict now = lasted_ns_ >= hang_factor * limit_ns_ ? verdict::hangs
                          : lasted_ns_ >= limit_ns_             ? verdict::slow
                                                                : verdict::fine;
      if (now == said_) return verdict::fine;
      return said_ = now;
   }
   uint64_t lasted_ns() const { return lasted_ns_; }

   static constexpr uint64_t hang_factor = 10;

 private:
   uint64_t limit_ns_, last_ns_ = 0, number_ = 0, lasted_ns_ = 0;
   verdict said_ = verdict::fine;
};

class watchdog {
 public:
   /// `mark` outlives this.
   watchdog(const io::call_mark& mark, uint64_t limit_ns);
   ~watchdog();
   watchdog(const watchdog&) = delete;
   watchdog& operator=(const watchdog&) = delete;

 private:
   void run();

   const io::call_mark& mark_;
   call_watch watch_;
   uint64_t limit_ns_;
   std::mutex mutex_; // guards end_
   std::condition_variable ends_;
   bool end_ = false;
   std::thread thread_;
};

} // namespace warren::app
