// Remembers per flow what the slow path decided (today: the owner of the destination; policy
// verdicts will join it).
//
// Fixed size, two entries per set, nothing to sweep: an entry is valid while its epoch is the
// table's, so a new owner table empties the cache by raising one number. The hash is keyed, because
// packets choose what collides. Shard thread.
#pragma once

#include "core/route/ip_view.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace warren::route {

/// The five-tuple of an inner packet.
struct flow_key {
   std::array<uint64_t, 4> address{}; // source, destination; IPv4 in the first of each pair
   uint32_t ports = 0;
   uint8_t protocol = 0;
   uint8_t family = 0;
   friend bool operator==(const flow_key&, const flow_key&) = default;

   static flow_key of(const ip_view& ip) {
      flow_key key;
      const size_t bytes = ip.family == 4 ? 4 : 16;
      std::memcpy(key.address.data(), ip.source, bytes);
      std::memcpy(key.address.data() + 2, ip.destination, bytes);
      key.ports = static_cast<uint32_t>(ip.source_port) << 16 | ip.destination_port;
      key.protocol = ip.protocol;
      key.family = ip.family;
      return key;
   }
};

class flow_cache {
 public:
   /// `entries` is a power of two; `secrets` key the hash.
   flow_cache(size_t entries, const std::array<uint64_t, 5>& secrets)
       : entries_(entries), secrets_(secrets) {}

   /// The remembered owner, or 0.
   uint64_t find(const flow_key& key, uint32_t epoch) noexcept {
      entry* set = set_of(key);
      for (int i = 0; i < 2; i++)
         if (set[i].epoch == epoch && set[i].key == key) return set[i].owner;
      return 0;
   }

   /// Replaces the older of the two entries of the set.
   void put(const flow_key& key, uint32_t epoch, uint64_t owner) noexcept {
      entry* set = set_of(key);
      set[1] = set[0];
      set[0] = entry{key, epoch, owner};
   }

 private:
   struct alignas(64) entry { // one cache line
      flow_key key;
      uint32_t epoch = 0; // 0 = empty; epochs start at 1
      uint64_t owner = 0;
   };
   static_assert(sizeof(entry) == 64);

   // Three multiplications side by side and one behind them; each factor has a secret of its own in
   // it, so that nobody who chooses packets can choose what collides.
   entry* set_of(const flow_key& key) noexcept {
      const uint64_t rest = static_cast<uint64_t>(key.ports) << 16 |
                            static_cast<uint64_t>(key.protocol) << 8 | key.family;
      const uint64_t h =
            fold(fold(key.address[0] ^ secrets_[0], key.address[2] ^ secrets_[1]) ^
                       fold(key.address[1] ^ secrets_[2], key.address[3] ^ secrets_[3]),
                 rest ^ secrets_[4]);
      return &entries_[(h & (entries_.size() - 1)) & ~static_cast<size_t>(1)];
   }
   /// 64 times 64 bits to 128, folded.
   static uint64_t fold(uint64_t a, uint64_t b) noexcept {
      __extension__ using u128 = unsigned __int128;
      const u128 product = static_cast<u128>(a) * b;
      return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
   }

   std::vector<entry> entries_;
   std::array<uint64_t, 5> secrets_;
};

} // namespace warren::route
