// What sockets and devices need from their event loop: readiness of file descriptors, memory,
// timers. Owned by the loop, its thread only.
#pragma once

#include "core/io/seam.hpp"

#include <cstdint>

namespace warren::io {

class ready_sink {
 public:
   virtual ~ready_sink() = default;
   /// EPOLL* bits; 0 when it asked for the turn itself (want_turn()). Does a bounded amount of
   /// work: what is left is told again in the next turn.
   virtual void on_ready(int fd, uint32_t events) = 0;
};

class reactor {
 public:
   virtual ~reactor() = default;
   /// Level-triggered. The loop does not own fd; unwatch() it before it is closed.
   virtual base::result<void> watch(int fd, uint32_t events, ready_sink& sink) = 0;
   virtual void change(int fd, uint32_t events) = 0;
   virtual void unwatch(int fd) = 0;
   /// One more call of sink.on_ready(fd, 0) in the next turn, which then does not wait.
   virtual void want_turn(int fd) = 0;
   /// The loop as the outside sees it.
   virtual shard& owner() = 0;
};

} // namespace warren::io
