// Remembers per flow what the slow path decided: the owner of the destination. (What access rules
// decided is in flow_table.hpp, since that must not be forgotten by chance.)
//
// Fixed size, two entries per set, nothing to sweep: an entry is valid while its epoch is the
// table's, so a new owner table empties the cache by raising one number. The hash is keyed, because
// packets choose what collides. Shard thread.
#pragma once

#include "core/route/ip_view.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

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

/// 64 times 64 bits to 128, folded.
inline uint64_t fold(uint64_t a, uint64_t b) noexcept {
   __extension__ using u128 = unsigned __int128;
   const u128 product = static_cast<u128>(a) * b;
   return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

using flow_secrets = std::array<uint64_t, 5>;

/// Three multiplications side by side and one behind them; each factor has a secret of its own in
/// it, so that nobody who chooses packets can choose what collides.
inline uint64_t hash_of(const flow_key& key, const flow_secrets& secrets) noexcept {
   const uint64_t rest = static_cast<uint64_t>(key.ports) << 16 |
                         static_cast<uint64_t>(key.protocol) << 8 | key.family;
   return fold(fold(key.address[0] ^ secrets[0], key.address[2] ^ secrets[1]) ^
                     fold(key.address[1] ^ secrets[2], key.address[3] ^ secrets[3]),
               rest ^ secrets[4]);
}

class flow_cache {
 public:
   /// `entries` is a power of two; `secrets` key the hash.
   flow_cache(size_t entries, const flow_secrets& secrets)
       : memory_(std::calloc(entries + 1, sizeof(entry)), std::free), mask_(entries - 2),
         secrets_(secrets) {
      if (!memory_) throw std::bad_alloc();
      void* start = memory_.get();
      size_t room = (entries + 1) * sizeof(entry);
      entries_ =
            static_cast<entry*>(std::align(alignof(entry), entries * sizeof(entry), start, room));
   }

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

   entry* set_of(const flow_key& key) noexcept { return &entries_[hash_of(key, secrets_) & mask_]; }

   // All zero is empty: a network without traffic touches none of it.
   std::unique_ptr<void, decltype(&std::free)> memory_;
   entry* entries_;
   size_t mask_; // of the first entry of a set
   flow_secrets secrets_;
};

} // namespace warren::route
