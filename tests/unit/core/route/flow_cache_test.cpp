// Goal: the cache answers only with what was put for that very flow in that very epoch, and stays
// of fixed size under any number of flows.
#include "core/route/flow_cache.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::route {
namespace {

constexpr std::array<uint64_t, 5> secrets{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                          0x94d049bb133111eb, 99, 12345};

flow_key key_of(uint64_t n) {
   flow_key key;
   key.address = {n % 97, 0, n, 0};
   key.ports = static_cast<uint32_t>(n * 7);
   key.protocol = 6;
   key.family = 4;
   return key;
}

TEST(flow_cache, answers_what_was_put_and_forgets_it_with_the_epoch) {
   flow_cache cache(64, secrets);
   EXPECT_EQ(cache.find(key_of(1), 1), 0u);
   cache.put(key_of(1), 1, 42);
   EXPECT_EQ(cache.find(key_of(1), 1), 42u);
   EXPECT_EQ(cache.find(key_of(1), 2), 0u);
   flow_key other = key_of(1);
   other.protocol = 17;
   EXPECT_EQ(cache.find(other, 1), 0u);
}

TEST(flow_cache, never_answers_for_another_flow_under_pressure) {
   flow_cache cache(64, secrets);
   std::mt19937_64 random(3);
   std::map<uint64_t, uint64_t> truth;
   size_t hits = 0;
   for (int i = 0; i < 100000; i++) {
      const uint64_t n = random() % 500;
      if (random() % 2 != 0) {
         truth[n] = random() | 1;
         cache.put(key_of(n), 1, truth[n]);
      } else if (const uint64_t owner = cache.find(key_of(n), 1); owner != 0) {
         ASSERT_EQ(owner, truth[n]);
         hits++;
      }
   }
   EXPECT_GT(hits, 1000u);
}

} // namespace
} // namespace warren::route
