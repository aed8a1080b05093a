// Whose packet is it: the owner table with 10,000 prefixes, and the flow cache in front of it.
//
// The table is two arrays, some 20,001 range starts of 4 bytes and as many owners of 8: 240 kB.
// What a lookup costs depends on where they are, so that there are four figures:
//   hot      16 addresses again and again: everything in the first-level cache
//   random   addresses all over the table and nothing else running: in the second-level cache
//   cold     a batch of 128 packets to 128 random destinations, after everything has been evicted
//            from both caches of the core by writing a buffer of twice the second's size: the table
//            is in the third-level cache (or in memory, where a neighbour has taken that one). This
//            is a daemon that wakes up after somebody else had the core.
//   cold_one the first lookup after such an eviction, alone: a chain of cache misses that nothing
//            overlaps. The clock's own 20 to 30 ns are in it.
// Lookups of one batch do not depend on each other, so the processor overlaps them, as it does in
// the daemon.
#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/route/flow_cache.hpp"
#include "core/route/owner_table.hpp"
#include "tests/bench/micro/body.hpp"
#include "warren/packet.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unistd.h>

namespace warren::bench {

namespace {

constexpr uint32_t prefixes = 10'000;

/// Writes twice the second-level cache, one line after the other.
class evictor {
 public:
   evictor() {
      const long l2 = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
      memory_.resize(2 * static_cast<size_t>(std::max(l2, 2L << 20)));
   }
   void evict() {
      for (size_t i = 0; i < memory_.size(); i += 64)
         memory_[i]++;
      keep(memory_);
   }

 private:
   std::vector<uint8_t> memory_;
};

/// Prefix i: every other /24 of 10.0.0.0/8 or /48 of fd00::/32, so that no two join to one range.
wrn_addr prefix_of(uint8_t family, uint32_t i) {
   wrn_addr p{};
   p.family = family;
   const size_t at = family == WRN_AF_INET ? 1 : 4;
   p.prefix_len = static_cast<uint8_t>((at + 2) * 8);
   p.ip[0] = family == WRN_AF_INET ? 10 : 0xfd;
   p.ip[at] = static_cast<uint8_t>(i >> 7);
   p.ip[at + 1] = static_cast<uint8_t>(i << 1);
   return p;
}

/// An address inside of some prefix.
wrn_addr address_of(uint8_t family, sequence& random) {
   wrn_addr a = prefix_of(family, random.next() % prefixes);
   a.ip[family == WRN_AF_INET ? 3 : 15] = static_cast<uint8_t>(random.next());
   return a;
}

class owner final : public body {
 public:
   /// `different` addresses, looked up in turn, `lookups` per run.
   owner(uint8_t family, uint32_t different, uint32_t lookups, bool cold)
       : family_(family), lookups_(lookups) {
      std::vector<route::owned_prefix> all;
      for (uint32_t i = 0; i < prefixes; i++)
         all.push_back({prefix_of(family, i), i + 1});
      auto built = route::owner_table::build(std::move(all));
      require(built.has_value(), "the table cannot be built");
      table_ = std::move(*built);
      sequence random(7);
      for (uint32_t i = 0; i < different; i++)
         addresses_.push_back(address_of(family, random));
      if (cold) evictor_ = std::make_unique<evictor>();
   }
   void prepare() override {
      if (!evictor_) return;
      evictor_->evict();
      // The packet that asks has just been read: its address is hot.
      uint32_t read = 0;
      for (uint32_t i = 0; i < lookups_; i++)
         read += addresses_[(next_ + i) % addresses_.size()].ip[3];
      keep(read);
   }
   void run() override {
      uint64_t all = 0;
      for (uint32_t i = 0; i < lookups_; i++) {
         all += table_.lookup(family_, addresses_[next_].ip);
         if (++next_ == addresses_.size()) next_ = 0;
      }
      require(all >= lookups_, "an address without an owner");
   }
   uint32_t packets() const override { return lookups_; }

 private:
   uint8_t family_;
   uint32_t lookups_;
   route::owner_table table_;
   std::vector<wrn_addr> addresses_;
   size_t next_ = 0;
   std::unique_ptr<evictor> evictor_;
};

/// The cache of the daemon's size, half full of flows.
class flow : public body {
 public:
   flow() : cache_(base::limits::flow_cache_entries, secrets) {
      sequence random(11);
      for (auto* keys : {&known_, &unknown_})
         for (uint32_t i = 0; i < flows; i++) {
            route::flow_key k;
            k.address = {0x0a000001, 0, random.next(), 0};
            k.ports = random.next();
            k.protocol = 17;
            k.family = 4;
            keys->push_back(k);
         }
      for (const route::flow_key& k : known_)
         cache_.put(k, 1, 42);
      // Those that others of their set pushed out are no hits.
      std::erase_if(known_, [this](const route::flow_key& k) { return cache_.find(k, 1) == 0; });
   }
   uint32_t packets() const override { return 1024; }

 protected:
   static constexpr uint32_t flows = 4096;
   /// As good as chance, and the same in every run (SHA-512's first values).
   static constexpr std::array<uint64_t, 5> secrets = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b,
                                                       0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                                       0x510e527fade682d1};
   const route::flow_key& of(const std::vector<route::flow_key>& keys) {
      next_ = next_ + 1 < keys.size() ? next_ + 1 : 0;
      return keys[next_];
   }
   route::flow_cache cache_;
   std::vector<route::flow_key> known_, unknown_;
   size_t next_ = 0;
};

class flow_find final : public flow {
 public:
   explicit flow_find(bool hit) : hit_(hit) {}
   void run() override {
      uint64_t all = 0;
      for (uint32_t i = 0; i < packets(); i++)
         all += cache_.find(of(hit_ ? known_ : unknown_), 1);
      require(all == (hit_ ? packets() * 42 : 0), "not the hits that were expected");
   }

 private:
   bool hit_;
};

class flow_put final : public flow {
 public:
   void run() override {
      for (uint32_t i = 0; i < packets(); i++)
         cache_.put(of(unknown_), 1, 43);
      keep(cache_);
   }
};

} // namespace

void add_route(std::vector<entry>& to) {
   for (const auto family : {uint8_t{WRN_AF_INET}, uint8_t{WRN_AF_INET6}}) {
      const std::string name = family == WRN_AF_INET ? "owner/v4/" : "owner/v6/";
      const auto add = [&](const char* kind, uint32_t different, uint32_t lookups, bool cold) {
         to.push_back({name + kind,
                       [=] { return std::make_unique<owner>(family, different, lookups, cold); },
                       std::string_view(kind) == "random", 16, cold ? 1000u : 0u});
      };
      add("hot", 16, 1024, false);
      add("random", 16384, 1024, false);
      add("cold", 16384, WRN_BATCH_MAX, true);
      add("cold_one", 16384, 1, true);
   }
   to.push_back({"flow/find_hit", [] { return std::make_unique<flow_find>(true); }, true, 16});
   to.push_back({"flow/find_miss", [] { return std::make_unique<flow_find>(false); }, true, 16});
   to.push_back({"flow/put", [] { return std::make_unique<flow_put>(); }, true, 16});
}

} // namespace warren::bench
