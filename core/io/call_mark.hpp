// Whose code a shard's thread is in right now, for the watchdog.
//
// The shard writes two or three relaxed words per call into a plugin and reads no clock; the
// watchdog's thread looks now and then, and a call that it sees twice has lasted that long. Owners
// are never freed, so that looking needs no lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace warren::io {

/// Who is called. Lives as long as the process.
struct call_owner {
   std::string network, plugin, module;
   std::atomic<uint64_t> slow_calls{0}; // counted by the watchdog
};

class call_mark {
 public:
   /// The shard enters `who`; what it came from is for leave(). Calls nest: one plugin's callback
   /// may lead to another plugin. Only the outermost one has a number.
   call_owner* enter(call_owner& who) {
      call_owner* const before = inner_.load(std::memory_order_relaxed);
      if (before == nullptr)
         number_.store(number_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      inner_.store(&who, std::memory_order_release);
      return before;
   }
   void leave(call_owner* before) { inner_.store(before, std::memory_order_release); }

   struct look {
      call_owner* inside = nullptr; // null: in no plugin
      uint64_t number = 0;          // of the outermost call
   };
   /// [any]
   look now() const {
      look l;
      l.inside = inner_.load(std::memory_order_acquire);
      l.number = number_.load(std::memory_order_relaxed);
      return l;
   }

 private:
   std::atomic<call_owner*> inner_{nullptr};
   std::atomic<uint64_t> number_{0};
};

} // namespace warren::io
