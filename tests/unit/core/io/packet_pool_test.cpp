// Packet memory: nothing is handed out twice, nothing is lost, and broken ownership ends the
// program.
#include "core/io/packet_pool.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::io {
namespace {

TEST(packet_pool, keeps_head_and_tailroom_around_the_data) {
   packet_pool pool(4, 1, 100, 50);
   wrn_pkt p{};
   ASSERT_EQ(pool.alloc({&p, 1}, 1400), 1u);
   EXPECT_EQ(p.off, 100u);
   EXPECT_EQ(p.len, 1400u);
   EXPECT_GE(p.cap, 1550u);
   EXPECT_EQ(p.flags, 0);
   std::memset(p.buf, 7, p.cap); // all of it is ours
   pool.free({&p, 1});
   EXPECT_EQ(pool.slots_in_use(), 0u);
}

TEST(packet_pool, gives_fewer_packets_when_memory_is_out_and_counts_it) {
   packet_pool pool(5, 0, 0, 0);
   wrn_pkt p[8];
   EXPECT_EQ(pool.alloc({p, 8}, 100), 5u);
   EXPECT_EQ(pool.exhausted(), 1u);
   EXPECT_EQ(pool.alloc({p + 5, 1}, 100), 0u);
   EXPECT_EQ(pool.exhausted(), 2u);
   pool.free({p, 5});
   EXPECT_EQ(pool.alloc({p, 5}, 100), 5u);
   EXPECT_EQ(pool.exhausted(), 2u);
   pool.free({p, 5});
}

TEST(packet_pool, takes_a_slab_for_what_fits_no_slot) {
   packet_pool pool(4, 2, 64, 64);
   wrn_pkt p[3];
   ASSERT_EQ(pool.alloc({p, 3}, 9000), 2u);
   EXPECT_EQ(pool.slabs_in_use(), 2u);
   EXPECT_EQ(pool.slots_in_use(), 0u);
   pool.free({p, 2});
   EXPECT_EQ(pool.slabs_in_use(), 0u);
   EXPECT_EQ(pool.alloc({p, 1}, 70000), 0u);
}

TEST(packet_pool, keeps_a_slab_until_its_last_slice_is_freed) {
   packet_pool pool(1, 1, 0, 0);
   packet_pool::slab* const slab = pool.alloc_slab();
   ASSERT_NE(slab, nullptr);
   EXPECT_EQ(pool.alloc_slab(), nullptr);
   wrn_pkt a = pool.slice(slab, 100, 1000, 0, 1100);
   wrn_pkt b = pool.slice(slab, 1200, 500, 1100, packet_pool::slab_bytes);
   EXPECT_EQ(a.buf, pool.data(slab));
   EXPECT_EQ(b.buf + b.off, pool.data(slab) + 1200);
   EXPECT_EQ(a.off, 100u);
   EXPECT_EQ(a.cap, 1100u);
   pool.release(slab);
   pool.free({&a, 1});
   EXPECT_EQ(pool.slabs_in_use(), 1u);
   pool.free({&b, 1});
   EXPECT_EQ(pool.slabs_in_use(), 0u);
}

TEST(packet_pool, ends_the_program_on_a_double_free) {
   packet_pool pool(2, 0, 0, 0);
   wrn_pkt p{};
   ASSERT_EQ(pool.alloc({&p, 1}, 10), 1u);
   pool.free({&p, 1});
   EXPECT_DEATH(pool.free({&p, 1}), "broken invariant");
   wrn_pkt again{};
   ASSERT_EQ(pool.alloc({&again, 1}, 10), 1u); // the same slot with a new owner
   EXPECT_EQ(again.buf, p.buf);
   EXPECT_DEATH(pool.free({&p, 1}), "broken invariant");
   pool.free({&again, 1});
}

TEST(packet_pool, never_hands_out_memory_that_somebody_owns) {
   std::mt19937 rng(1);
   packet_pool pool(64, 8, 16, 16);
   std::map<uint8_t*, uint32_t> owned; // start and size
   std::vector<wrn_pkt> held;
   for (int round = 0; round < 20000; round++) {
      if (rng() % 2 == 0 || held.empty()) {
         wrn_pkt batch[7];
         const uint32_t size = rng() % 8 == 0 ? 3000 : rng() % 1500;
         const uint32_t n = pool.alloc({batch, 1 + rng() % 7}, size);
         for (uint32_t i = 0; i < n; i++) {
            const auto next = owned.lower_bound(batch[i].buf);
            if (next != owned.end()) {
               ASSERT_LE(batch[i].buf + batch[i].cap, next->first);
            }
            if (next != owned.begin()) {
               const auto previous = std::prev(next);
               ASSERT_LE(previous->first + previous->second, batch[i].buf);
            }
            owned[batch[i].buf] = batch[i].cap;
            held.push_back(batch[i]);
         }
      } else {
         std::swap(held[rng() % held.size()], held.back());
         owned.erase(held.back().buf);
         pool.free({&held.back(), 1});
         held.pop_back();
      }
      ASSERT_EQ(pool.slots_in_use() + pool.slabs_in_use(), held.size());
   }
   pool.free(held);
   EXPECT_EQ(pool.slots_in_use() + pool.slabs_in_use(), 0u);
}

} // namespace
} // namespace warren::io
