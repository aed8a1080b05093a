// Names to addresses by getaddrinfo() on a thread of its own, started with the first name.
//
// Owned by an event loop and used on its thread. Only the name crosses to the worker; callbacks
// never leave the loop's thread. Destruction does not wait for a slow name server: a worker that is
// stuck in a look-up is left to finish on its own, with state it shares.
#pragma once

#include "core/io/seam.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace warren::io {

class resolver {
 public:
   /// `wake` is called on the worker when results wait [any]; the loop then calls collect().
   explicit resolver(std::function<void()> wake);
   ~resolver();
   resolver(const resolver&) = delete;
   resolver& operator=(const resolver&) = delete;

   void resolve(std::string name, uint16_t port, std::weak_ptr<void> alive, resolve_callback done);
   /// Runs the callbacks of what is done; on the loop's thread, never from inside resolve().
   void collect();

 private:
   struct shared; // with the worker
   struct waiting {
      uint16_t port;
      std::weak_ptr<void> alive;
      resolve_callback done;
   };
   static void work(const std::shared_ptr<shared>& state);

   std::shared_ptr<shared> shared_;
   bool started_ = false;
   uint64_t next_ = 1;
   std::map<uint64_t, waiting> waiting_;
};

} // namespace warren::io
