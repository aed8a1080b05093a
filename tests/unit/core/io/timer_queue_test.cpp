// Timers against a multimap that does the same the slow way, and the rules for handles.
#include "core/io/timer_queue.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::io {
namespace {

struct recorder : timer_sink {
   std::vector<uint64_t> tags;
   std::function<void(uint64_t timer, uint64_t tag)> then;
   void on_timer(uint64_t timer, uint64_t tag) override {
      tags.push_back(tag);
      if (then) then(timer, tag);
   }
};

TEST(timer_queue, fires_like_an_ordered_multimap_under_random_use) {
   std::mt19937_64 rng(7);
   timer_queue queue;
   recorder sink;
   std::map<std::pair<uint64_t, uint64_t>, uint64_t> model; // {at, order} -> tag
   std::map<uint64_t, std::pair<uint64_t, std::pair<uint64_t, uint64_t>>> by_tag; // -> handle, key
   uint64_t now = 0, order = 0, tag = 0;
   for (int round = 0; round < 50000; round++) {
      switch (rng() % 5) {
      case 0:
      case 1: {
         const uint64_t at = now + rng() % 50;
         const uint64_t handle = queue.set(0, at, sink, ++tag);
         ASSERT_NE(handle, 0u);
         by_tag[tag] = {handle, {at, ++order}};
         model[{at, order}] = tag;
         break;
      }
      case 2: { // move
         if (by_tag.empty()) break;
         auto it = std::next(by_tag.begin(), static_cast<long>(rng() % by_tag.size()));
         model.erase(it->second.second);
         const uint64_t at = now + rng() % 50;
         ASSERT_EQ(queue.set(it->second.first, at, sink, it->first), it->second.first);
         it->second.second = {at, ++order};
         model[{at, order}] = it->first;
         break;
      }
      case 3: {
         if (by_tag.empty()) break;
         auto it = std::next(by_tag.begin(), static_cast<long>(rng() % by_tag.size()));
         queue.cancel(it->second.first);
         queue.cancel(it->second.first); // ended: nothing
         model.erase(it->second.second);
         by_tag.erase(it);
         break;
      }
      default: {
         now += rng() % 20;
         std::vector<uint64_t> expected;
         while (!model.empty() && model.begin()->first.first <= now) {
            expected.push_back(model.begin()->second);
            by_tag.erase(model.begin()->second);
            model.erase(model.begin());
         }
         sink.tags.clear();
         ASSERT_EQ(queue.run(now), expected.size());
         ASSERT_EQ(sink.tags, expected);
      }
      }
      ASSERT_EQ(queue.size(), model.size());
      ASSERT_EQ(queue.next(), model.empty() ? UINT64_MAX : model.begin()->first.first);
   }
}

TEST(timer_queue, fires_what_a_callback_arms_only_in_the_next_run) {
   timer_queue queue;
   recorder sink;
   sink.then = [&](uint64_t, uint64_t tag) {
      if (tag < 3) queue.set(0, 0, sink, tag + 1);
   };
   queue.set(0, 5, sink, 1);
   EXPECT_EQ(queue.run(10), 1u);
   EXPECT_EQ(queue.run(10), 1u);
   EXPECT_EQ(sink.tags, (std::vector<uint64_t>{1, 2}));
}

TEST(timer_queue, does_not_fire_what_an_earlier_callback_cancelled_or_moved) {
   timer_queue queue;
   recorder sink;
   uint64_t second = 0, third = 0;
   sink.then = [&](uint64_t, uint64_t tag) {
      if (tag != 1) return;
      queue.cancel(second);
      EXPECT_EQ(queue.set(third, 20, sink, 4), third);
   };
   queue.set(0, 1, sink, 1);
   second = queue.set(0, 2, sink, 2);
   third = queue.set(0, 3, sink, 3);
   EXPECT_EQ(queue.run(10), 1u);
   EXPECT_EQ(queue.run(20), 1u);
   EXPECT_EQ(sink.tags, (std::vector<uint64_t>{1, 4}));
}

TEST(timer_queue, keeps_the_handle_of_a_timer_armed_again_by_its_own_callback) {
   timer_queue queue;
   recorder sink;
   uint64_t timer = 0;
   sink.then = [&](uint64_t t, uint64_t) {
      EXPECT_EQ(t, timer);
      EXPECT_EQ(queue.set(t, 100, sink, 2), t);
   };
   timer = queue.set(0, 1, sink, 1);
   queue.run(1);
   EXPECT_EQ(queue.size(), 1u);
   queue.cancel(timer);
   EXPECT_EQ(queue.size(), 0u);
}

TEST(timer_queue, gives_a_new_handle_for_one_that_has_ended) {
   timer_queue queue;
   recorder sink;
   const uint64_t first = queue.set(0, 1, sink, 1);
   queue.run(1);
   const uint64_t second = queue.set(first, 2, sink, 2);
   EXPECT_NE(first, second);
   queue.cancel(first); // must not touch the second, which uses the same slot
   EXPECT_EQ(queue.run(2), 1u);
}

} // namespace
} // namespace warren::io
