// Goal: the watchdog accuses the plugin that does not return, once per limit, and nobody else.
// Method: looks at a mark at times of the test's choice; no thread and no clock.
#include "core/app/watchdog.hpp"

#include <gtest/gtest.h>

namespace warren::app {
namespace {

using verdict = call_watch::verdict;
constexpr uint64_t ms = 1'000'000;

struct watching : ::testing::Test {
   io::call_mark mark;
   io::call_owner a{"net", "a", "/a.so"}, b{"net", "b", "/b.so"};
   call_watch watch{200 * ms};
   uint64_t now = 5'000'000 * ms;
   verdict look(uint64_t after = 100 * ms) { return watch.look(mark.now(), now += after); }
};

TEST_F(watching, nobody_is_inside_and_nothing_is_said) {
   for (int i = 0; i < 100; i++)
      EXPECT_EQ(look(), verdict::fine);
}

TEST_F(watching, a_call_that_lasts_is_slow_once_and_hangs_once) {
   look();
   mark.enter(a);
   EXPECT_EQ(look(), verdict::fine) << "seen for the first time";
   EXPECT_EQ(look(), verdict::fine);
   EXPECT_EQ(look(), verdict::slow);
   EXPECT_EQ(mark.now().inside, &a);
   EXPECT_EQ(watch.lasted_ns(), 200 * ms);
   for (int i = 0; i < 17; i++)
      EXPECT_EQ(look(), verdict::fine) << i;
   EXPECT_EQ(look(), verdict::hangs);
   EXPECT_EQ(look(), verdict::fine);
}

TEST_F(watching, many_short_calls_are_never_slow) {
   for (int i = 0; i < 100; i++) {
      mark.leave(mark.enter(a));
      io::call_owner* const before = mark.enter(i % 2 == 0 ? a : b); // the next one is under way
      EXPECT_EQ(look(), verdict::fine);
      mark.leave(before);
   }
}

TEST_F(watching, a_call_that_leads_to_others_all_the_time_is_still_one) {
   io::call_owner* const outside = mark.enter(a);
   verdict said = verdict::fine;
   for (int i = 0; i < 4; i++) {
      io::call_owner* const before = mark.enter(b);
      if (const verdict v = look(); v != verdict::fine) said = v;
      EXPECT_EQ(mark.now().inside, &b) << "the innermost one";
      mark.leave(before);
      EXPECT_EQ(mark.now().inside, &a);
   }
   EXPECT_EQ(said, verdict::slow);
   mark.leave(outside);
   EXPECT_EQ(mark.now().inside, nullptr);
   EXPECT_EQ(look(), verdict::fine);
}

TEST_F(watching, a_process_that_was_stopped_itself_accuses_nobody) {
   look();
   mark.enter(a);
   look();
   EXPECT_EQ(look(3'600'000 * ms), verdict::slow) << "at most two looks' worth";
   EXPECT_LT(watch.lasted_ns(), 300 * ms);
}

} // namespace
} // namespace warren::app
