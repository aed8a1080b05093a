// The only dice of the kit: the same seed gives the same run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace warren::check {

inline uint64_t mix(uint64_t x) {
   x += 0x9e3779b97f4a7c15;
   x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
   x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
   return x ^ (x >> 31);
}

class chance {
 public:
   explicit chance(uint64_t seed) : state_(mix(seed)) {}
   uint64_t next() { return mix(state_++); }
   uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }
   uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
   bool one_in(uint64_t n) { return below(n) == 0; }
   void fill(void* out, size_t size) {
      for (size_t i = 0; i < size; i++)
         static_cast<uint8_t*>(out)[i] = static_cast<uint8_t>(next() >> 32);
   }

 private:
   uint64_t state_;
};

} // namespace warren::check
