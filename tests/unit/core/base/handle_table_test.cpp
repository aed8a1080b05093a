// Goal: a handle never means another object later. Method: random inserts and erases; every handle
// ever given out is asked again.
#include "core/base/handle_table.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::base {
namespace {

TEST(handle_table, stale_and_foreign_handles_find_nothing) {
   handle_table<int> table(4);
   EXPECT_EQ(table.find(0), nullptr);
   EXPECT_EQ(table.find(~0ull), nullptr);
   const uint64_t a = table.insert(std::make_unique<int>(1));
   ASSERT_NE(a, 0u);
   table.erase(a);
   const uint64_t b = table.insert(std::make_unique<int>(2));
   EXPECT_NE(a, b);
   EXPECT_EQ(table.find(a), nullptr);
   EXPECT_EQ(*table.find(b), 2);
   EXPECT_EQ(table.erase(a), nullptr);
}

TEST(handle_table, full_table_refuses) {
   handle_table<int> table(2);
   table.insert(std::make_unique<int>(1));
   table.insert(std::make_unique<int>(2));
   EXPECT_EQ(table.insert(std::make_unique<int>(3)), 0u);
}

TEST(handle_table, random_use_agrees_with_a_map) {
   handle_table<int> table(100);
   std::map<uint64_t, int> live;
   std::vector<uint64_t> ever;
   std::mt19937_64 random(11);
   for (int i = 0; i < 20000; i++) {
      if (random() % 2 != 0 || live.empty()) {
         if (const uint64_t h = table.insert(std::make_unique<int>(i)); h != 0) {
            ASSERT_TRUE(live.emplace(h, i).second);
            ever.push_back(h);
         }
      } else {
         auto victim = std::next(live.begin(), static_cast<long>(random() % live.size()));
         table.erase(victim->first);
         live.erase(victim);
      }
      const uint64_t asked = ever[random() % ever.size()];
      const auto it = live.find(asked);
      const int* found = table.find(asked);
      ASSERT_EQ(found != nullptr, it != live.end());
      if (found != nullptr) {
         ASSERT_EQ(*found, it->second);
      }
   }
   EXPECT_EQ(table.size(), live.size());
}

} // namespace
} // namespace warren::base
