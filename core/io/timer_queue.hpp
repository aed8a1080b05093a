// One-shot timers with generational handles: a binary heap of slots, so that set, move and cancel
// cost O(log n).
//
// Pure: time comes in as a number. Owned by a shard (event_loop.hpp, tests/support/fake_shard.hpp),
// used on its thread. How many timers there may be is bounded by those who set them (limits.hpp).
#pragma once

#include "core/io/seam.hpp"

#include <cstdint>
#include <vector>

namespace warren::io {

class timer_queue {
 public:
   /// Arms `timer` for `at`, or a new one when `timer` is 0 or has ended; returns the handle, never
   /// 0. A handle ends when it is cancelled and when its callback returns without having armed it
   /// again.
   uint64_t set(uint64_t timer, uint64_t at, timer_sink& sink, uint64_t tag);
   void cancel(uint64_t timer);

   /// Fires what is due at `now`, earliest first and in the order of arming for equal times. What
   /// callbacks arm waits for the next run(), even when it is already due; what they cancel or move
   /// does not fire. Returns how many fired.
   uint32_t run(uint64_t now);

   /// Earliest deadline; UINT64_MAX when nothing is armed.
   uint64_t next() const { return heap_.empty() ? UINT64_MAX : slots_[heap_.front()].at; }
   size_t size() const { return heap_.size(); }

 private:
   enum class state : uint8_t { ended, armed, due, firing };
   struct slot {
      uint64_t at = 0;
      uint64_t order = 0; // of arming
      timer_sink* sink = nullptr;
      uint64_t tag = 0;
      uint32_t generation = 1;
      uint32_t position = 0; // in the heap while armed
      state now = state::ended;
   };

   uint64_t handle_of(uint32_t index) const;
   bool find(uint64_t timer, uint32_t& index) const;
   bool before(uint32_t a, uint32_t b) const;
   void place(uint32_t position, uint32_t index);
   void sift_up(uint32_t position);
   void sift_down(uint32_t position);
   void remove(uint32_t position);
   void end(uint32_t index);

   std::vector<slot> slots_;
   std::vector<uint32_t> free_;
   std::vector<uint32_t> heap_;
   std::vector<uint64_t> due_; // scratch of run()
   uint64_t order_ = 0;
};

} // namespace warren::io
