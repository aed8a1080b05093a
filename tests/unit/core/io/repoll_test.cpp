// Goal: polling pays for itself: it gets longer only where a longer one would have caught the next
// event, and what stays silent costs the least.
#include "core/io/repoll.hpp"

#include <gtest/gtest.h>

namespace warren::io {
namespace {

TEST(repoll, window_grows_to_its_bound_while_events_come_soon) {
   repoll_window w;
   EXPECT_EQ(w.ns(), repoll_window::ns_min);
   for (uint32_t wanted = 2 * repoll_window::ns_min; wanted < repoll_window::ns_max; wanted *= 2) {
      w.slept_until(repoll_window::ns_max);
      EXPECT_EQ(w.ns(), wanted);
   }
   for (int i = 0; i < 100; i++)
      w.slept_until(1);
   EXPECT_EQ(w.ns(), repoll_window::ns_max);
}

TEST(repoll, window_shrinks_to_its_least_when_events_come_late_or_never) {
   repoll_window w;
   for (int i = 0; i < 10; i++)
      w.slept_until(1);
   w.slept_until(repoll_window::ns_max + 1);
   EXPECT_EQ(w.ns(), repoll_window::ns_max / 2);
   for (int i = 0; i < 100; i++)
      w.slept_until(UINT64_MAX);
   EXPECT_EQ(w.ns(), repoll_window::ns_min);
}

} // namespace
} // namespace warren::io
