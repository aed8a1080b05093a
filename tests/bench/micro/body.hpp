// What is measured in micro-benchmarks, written once and run by two programs: bench_micro takes the
// time (Google Benchmark), bench_count lets callgrind count instructions. One thread.
//
// A body does a batch of work per run() and says how many packets (or lookups) that were; figures
// are per packet. What must happen in between but is no part of the figure (fresh ciphertext, freed
// slots, evicted caches) is in prepare(). Everything is deterministic: same build, same counts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace warren::bench {

class body {
 public:
   virtual ~body() = default;
   virtual void prepare() {}
   virtual void run() = 0;
   virtual uint32_t packets() const = 0; // per run()
};

struct entry {
   std::string name;
   std::function<std::unique_ptr<body>()> make;
   bool counted = true;  // false: the same instructions as another, only at another time
   uint32_t rounds = 64; // of a count
   uint32_t timed = 0;   // rounds of a timing; 0 = as many as Google Benchmark sees fit
};

/// In this order in every table. Backends that this build or machine does not have are left out.
std::vector<entry> all_entries();
void add_io(std::vector<entry>& to);
void add_route(std::vector<entry>& to);
void add_acl(std::vector<entry>& to);
void add_aead(std::vector<entry>& to);

/// Keeps a result that nobody reads from being optimized away.
template <class T> void keep(const T& value) { asm volatile("" : : "g"(&value) : "memory"); }

/// Ends the program: a figure of something that does not work is worse than none.
void require(bool holds, const char* what);

/// The same sequence of numbers everywhere (MMIX's constants).
class sequence {
 public:
   explicit sequence(uint64_t seed) : state_(seed) {}
   uint32_t next() {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      return static_cast<uint32_t>(state_ >> 32);
   }

 private:
   uint64_t state_;
};

} // namespace warren::bench
