// Goal: numbers read well at every size, also at the edges where a rounding could show nonsense.
// Method: exact texts.
#include "core/app/format.hpp"

#include <gtest/gtest.h>

namespace warren::app {
namespace {

TEST(formats, bytes_have_binary_units) {
   EXPECT_EQ(format_bytes(0), "0 B");
   EXPECT_EQ(format_bytes(1023), "1023 B");
   EXPECT_EQ(format_bytes(1024), "1.0 KiB");
   EXPECT_EQ(format_bytes(1536), "1.5 KiB");
   EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB"); // never "1024.0 KiB"
   EXPECT_EQ(format_bytes(3ull << 30), "3.0 GiB");
   EXPECT_EQ(format_bytes(UINT64_MAX), "16.0 EiB");
}

TEST(formats, round_trips_have_three_digits) {
   EXPECT_EQ(format_rtt(0), "0.00 ms");
   EXPECT_EQ(format_rtt(1234), "1.23 ms");
   EXPECT_EQ(format_rtt(9'994), "9.99 ms");
   EXPECT_EQ(format_rtt(9'996), "10.0 ms");
   EXPECT_EQ(format_rtt(99'960), "100 ms");
   EXPECT_EQ(format_rtt(999'499), "999 ms");
   EXPECT_EQ(format_rtt(999'600), "1.00 s");
   EXPECT_EQ(format_rtt(61'000'000), "61.00 s");
}

TEST(formats, times_are_relative) {
   EXPECT_EQ(format_ago(0), "now");
   EXPECT_EQ(format_ago(999), "now");
   EXPECT_EQ(format_ago(1000), "1 s ago");
   EXPECT_EQ(format_ago(59'999), "59 s ago");
   EXPECT_EQ(format_ago(60'000), "1 min ago");
   EXPECT_EQ(format_ago(3'600'000), "1 h ago");
   EXPECT_EQ(format_ago(86'400'000), "1 d ago");
   EXPECT_EQ(format_ago(400ll * 86'400'000), "400 d ago");
}

TEST(formats, clocks_that_differ_a_little_are_now_and_much_is_said) {
   EXPECT_EQ(format_ago(-1000), "now");
   EXPECT_EQ(format_ago(-60'000), "in the future");
}

TEST(formats, waits_are_durations_or_seconds) {
   using namespace std::chrono_literals;
   EXPECT_EQ(*parse_wait("250ms"), 250ms);
   EXPECT_EQ(*parse_wait("30s"), 30s);
   EXPECT_EQ(*parse_wait("5m"), 300s);
   EXPECT_EQ(*parse_wait("2"), 2s);
   EXPECT_EQ(*parse_wait("0.2"), 200ms);
   EXPECT_EQ(*parse_wait("0"), 0s);
   EXPECT_EQ(*parse_wait("1d"), 24h);
   for (const char* bad :
        {"", "x", "-1", "1x", "1 s", "nan", "inf", "1e99", "2d", "0x10", "99999999999999999999s"})
      EXPECT_FALSE(parse_wait(bad)) << bad;
}

TEST(formats, lifetimes_are_whole_units_up_to_ten_years) {
   EXPECT_EQ(*parse_lifetime("90s"), 90);
   EXPECT_EQ(*parse_lifetime("15m"), 900);
   EXPECT_EQ(*parse_lifetime("12h"), 43'200);
   EXPECT_EQ(*parse_lifetime("7d"), 604'800);
   EXPECT_EQ(*parse_lifetime("4w"), 2'419'200);
   EXPECT_EQ(*parse_lifetime("3660d"), 316'224'000);
   for (const char* bad : {"", "d", "7", "0d", "-7d", "+7d", "7D", "7 d", "7dd", "7.5d", "3661d",
                           "9223372036854775807w", "99999999999999999999s", "never", "0x7d"})
      EXPECT_FALSE(parse_lifetime(bad)) << bad;
}

TEST(formats, keys_are_cut_and_short_ones_stay) {
   EXPECT_EQ(short_key("key_6ASf5EcmmEHTgDJ4X4ZT5vT6iHVJBXPg5AN5YoTCpGWt"), "key_6ASf5Ecm");
   EXPECT_EQ(short_key(""), "");
}

} // namespace
} // namespace warren::app
