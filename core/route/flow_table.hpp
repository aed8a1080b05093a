// The flows that access rules let pass, so that their replies pass, too, and their next packets
// cost one look-up.
//
// Fixed size: buckets of eight entries, with a line of tags in front so that a look-up touches one
// entry. A full bucket gives up what timed out, else the most idle entry of whoever holds most of
// it, the newcomer first: one peer, whatever it sends, cannot push out all others. The hash is
// keyed. Both directions of a flow are one entry. Shard thread; time is passed in.
#pragma once

#include "core/route/flow_cache.hpp"

namespace warren::route {

enum class flow_state : uint8_t { opening, answered, established, closing, datagrams, echo };

/// Ticks of 2^24 ns, some 17 ms: 32 bits last for two years of uptime and wrap without harm.
constexpr uint32_t ticks_of(uint64_t ns) { return static_cast<uint32_t>(ns >> 24); }
constexpr uint64_t flow_second = 1'000'000'000;

constexpr uint32_t timeout_of(flow_state s) {
   switch (s) {
   case flow_state::established:
      return ticks_of(7200 * flow_second);
   case flow_state::datagrams:
      return ticks_of(120 * flow_second);
   case flow_state::echo:
      return ticks_of(30 * flow_second);
   default:
      return ticks_of(60 * flow_second);
   }
}

struct flow_entry {
   flow_key key; // the lesser end first
   uint64_t peer = 0;
   uint32_t epoch = 0;
   uint32_t seen = 0; // ticks
   uint32_t rule = 0;
   flow_state state = flow_state::opening;
   bool lesser_began = false;
   bool used = false;
};

class flow_table {
 public:
   /// `entries` is a power of two, at least 8.
   flow_table(size_t entries, const flow_secrets& secrets)
       : memory_(std::calloc(entries + 1, sizeof(flow_entry)), std::free),
         tags_(std::make_unique<tag_line[]>(entries / ways)), buckets_(entries / ways),
         secrets_(secrets) {
      if (!memory_) throw std::bad_alloc();
      void* start = memory_.get();
      size_t room = (entries + 1) * sizeof(flow_entry);
      entries_ = static_cast<flow_entry*>(
            std::align(sizeof(flow_entry), entries * sizeof(flow_entry), start, room));
   }

   /// The entry, unless it timed out; null.
   flow_entry* find(const flow_key& key, uint32_t now) noexcept {
      const uint64_t h = hash_of(key, secrets_);
      flow_entry* bucket = bucket_of(h);
      const tag_line& tags = tags_[h & (buckets_ - 1)];
      for (size_t i = 0; i < ways; i++)
         if (tags[i] == tag_of(h) && bucket[i].used && bucket[i].key == key) {
            if (!timed_out(bucket[i], now)) return &bucket[i];
            erase(bucket[i]);
            return nullptr;
         }
      return nullptr;
   }

   /// A new entry; find() found none.
   flow_entry& insert(const flow_key& key, uint64_t peer, uint32_t now) noexcept {
      const uint64_t h = hash_of(key, secrets_);
      flow_entry* bucket = bucket_of(h);
      const size_t way = way_for(bucket, peer, now);
      if (!bucket[way].used) size_++;
      tags_[h & (buckets_ - 1)][way] = tag_of(h);
      bucket[way] = {};
      bucket[way].key = key;
      bucket[way].peer = peer;
      bucket[way].seen = now;
      bucket[way].used = true;
      return bucket[way];
   }

   void erase(flow_entry& e) noexcept {
      e.used = false;
      size_--;
   }
   size_t size() const { return size_; }
   uint64_t evicted() const { return evicted_; } // before their time

 private:
   static constexpr size_t ways = 8;
   static_assert(sizeof(flow_entry) == 64);
   using tag_line = std::array<uint16_t, ways>;

   static uint16_t tag_of(uint64_t h) { return static_cast<uint16_t>(h >> 48); }
   static bool timed_out(const flow_entry& e, uint32_t now) {
      return now - e.seen > timeout_of(e.state);
   }
   flow_entry* bucket_of(uint64_t h) const { return entries_ + (h & (buckets_ - 1)) * ways; }

   size_t way_for(const flow_entry* bucket, uint64_t peer, uint32_t now) noexcept {
      std::array<uint32_t, ways> held{}; // entries of the same peer
      uint32_t most = 0;
      for (size_t i = 0; i < ways; i++) {
         if (!bucket[i].used || timed_out(bucket[i], now)) return i;
         for (size_t j = 0; j < ways; j++)
            held[i] += bucket[j].peer == bucket[i].peer ? 1 : 0;
         most = held[i] > most ? held[i] : most;
      }
      evicted_++;
      bool own = false; // is the newcomer among those that hold most?
      for (size_t i = 0; i < ways; i++)
         own = own || (held[i] == most && bucket[i].peer == peer);
      size_t victim = ways;
      for (size_t i = 0; i < ways; i++) {
         if (held[i] != most || (own && bucket[i].peer != peer)) continue;
         if (victim == ways || now - bucket[i].seen > now - bucket[victim].seen) victim = i;
      }
      return victim;
   }

   std::unique_ptr<void, decltype(&std::free)> memory_; // zero is empty and costs nothing
   std::unique_ptr<tag_line[]> tags_;
   flow_entry* entries_ = nullptr;
   size_t buckets_, size_ = 0;
   uint64_t evicted_ = 0;
   flow_secrets secrets_;
};

} // namespace warren::route
