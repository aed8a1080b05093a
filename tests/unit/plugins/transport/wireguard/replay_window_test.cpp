// Goal: no counter is accepted twice, and none inside the window is lost. Method: a set of
// everything seen so far as the model, millions of random steps of every kind that the network can
// produce.
#include "plugins/transport/wireguard/replay_window.hpp"
#include <gtest/gtest.h>
#include <random>
#include <set>

namespace warren::wireguard {
namespace {

class naive_window {
 public:
   bool accept(uint64_t counter, uint64_t limit) {
      if (counter >= limit) return false;
      if (greatest_ >= counter && greatest_ - counter >= replay_window::window_size) return false;
      if (!seen_.insert(counter).second) return false;
      greatest_ = std::max(greatest_, counter);
      while (greatest_ - *seen_.begin() >= replay_window::window_size)
         seen_.erase(seen_.begin());
      return true;
   }
   uint64_t greatest() const { return greatest_; }

 private:
   std::set<uint64_t> seen_;
   uint64_t greatest_ = 0;
};

constexpr uint64_t limit = timing{}.reject_after_messages;

TEST(ReplayWindow, AgreesWithASetOverMillionsOfRandomSteps) {
   std::mt19937_64 random(20);
   size_t accepted = 0;
   for (int round = 0; round < 40; round++) {
      replay_window window;
      naive_window model;
      if (round % 2 == 1) { // near the end of the counters
         const uint64_t start = limit - 1'000'000;
         ASSERT_EQ(window.accept(start, limit), model.accept(start, limit));
      }
      for (int step = 0; step < 75'000; step++) {
         const uint64_t g = model.greatest();
         uint64_t counter = 0;
         switch (random() % 16) {
         case 0:
            counter = g;
            break;
         case 1:
            counter = g - (replay_window::window_size - 1);
            break;
         case 2:
            counter = g - replay_window::window_size;
            break;
         case 3:
            counter = g - (replay_window::window_size + 1);
            break;
         case 4:
            counter = g - random() % (2 * replay_window::window_size);
            break;
         case 5:
            counter = g - random() % 64;
            break;
         case 6:
            counter =
                  random() % 1000 == 0 ? g + replay_window::window_size + random() % 20'000 : g + 1;
            break;
         case 7:
            counter = random() % 2000 == 0 ? g + (uint64_t{1} << 32) + random() % 999 : g + 2;
            break;
         case 8:
            counter = g + random() % 300;
            break;
         case 9:
            counter = random() % 500 == 0 ? limit - random() % 3 + 1 : g + 1;
            break;
         default:
            counter = g + 1;
         }
         if (counter >= limit - 2 && counter < limit && round % 4 != 3) counter = limit;
         const bool expected = model.accept(counter, limit);
         ASSERT_EQ(window.accept(counter, limit), expected) << counter << " after " << g;
         accepted += expected;
      }
   }
   EXPECT_GT(accepted, 500'000u); // the steps were not all refused
}

TEST(ReplayWindow, HoldsAtItsEdges) {
   replay_window window;
   EXPECT_TRUE(window.accept(0));
   EXPECT_FALSE(window.accept(0));
   EXPECT_TRUE(window.accept(10'000));
   EXPECT_TRUE(window.accept(10'000 - 8127));
   EXPECT_FALSE(window.accept(10'000 - 8127));
   EXPECT_FALSE(window.accept(10'000 - 8128));
   EXPECT_GE(replay_window::window_size, 8128u);
   EXPECT_TRUE(window.accept(uint64_t{1} << 40));
   EXPECT_FALSE(window.accept(10'001));
   EXPECT_TRUE(window.accept(limit - 1));
   EXPECT_FALSE(window.accept(limit));
   EXPECT_FALSE(window.accept(UINT64_MAX));
}

} // namespace
} // namespace warren::wireguard
