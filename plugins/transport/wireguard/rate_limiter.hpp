#pragma once
// How many handshake messages one source address may have answered while we are under load: 20 a
// second with a burst of 5, per IPv4 address or IPv6 /64. The table is bounded; when it is full,
// new sources wait until old ones have gone quiet. Only sources that proved their address by a
// cookie get here, so spoofing cannot fill it.
#include "plugins/transport/wireguard/types.hpp"
#include <cstdint>
#include <vector>

namespace warren::wireguard {

class rate_limiter {
 public:
   static constexpr size_t sources_max = 4096;
   static constexpr uint64_t interval_ns = 1'000'000'000 / 20;
   static constexpr uint64_t burst = 5;

   explicit rate_limiter(const random_source& random);

   // Takes one token from the source's bucket; false when it is empty or the table is full.
   bool allow(const endpoint& from, uint64_t now) noexcept;
   size_t size() const noexcept { return used_; }

 private:
   // A bucket is one number (GCRA): the time at which it will be full again. A source that is full
   // is the same as one that was never seen, so a full bucket is a free slot.
   struct entry {
      uint64_t source = 0; // an IPv4 address or the first half of an IPv6 address
      uint64_t full_at = 0;
      uint8_t family = 0; // 0 = free
   };
   size_t home(uint64_t source, uint8_t family) const noexcept;
   void collect(uint64_t now) noexcept;

   std::vector<entry> table_; // open addressing, linear probing, at most half full
   std::vector<entry> survivors_;
   std::array<uint8_t, 16> hash_key_{};
   size_t used_ = 0;
   uint64_t collected_at_ = 0;
};

} // namespace warren::wireguard
