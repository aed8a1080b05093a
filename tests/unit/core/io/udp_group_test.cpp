// Which datagrams leave together: every one exactly once, in order per destination, within the
// kernel's bounds, and as few sends as that allows for the usual cases.
#include "core/io/udp.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::io {
namespace {

wrn_pkt datagram(uint32_t len, uint8_t host = 1, uint16_t port = 9, uint32_t local = 0,
                 uint8_t ecn = 0) {
   wrn_pkt p{};
   p.len = len;
   p.addr.family = WRN_AF_INET;
   p.addr.ip[0] = 10;
   p.addr.ip[3] = host;
   p.addr.port = port;
   p.local = local;
   p.ecn = ecn;
   return p;
}

std::vector<std::vector<int>> plan_of(const std::vector<wrn_pkt>& packets, bool gso = true) {
   udp_plan plan;
   plan_udp_runs(packets, gso, plan);
   std::vector<std::vector<int>> out;
   for (uint32_t r = 0; r < plan.count; r++) {
      out.emplace_back();
      for (uint8_t p = plan.runs[r].first; p != udp_plan::end; p = plan.next[p])
         out.back().push_back(p);
      EXPECT_EQ(out.back().size(), plan.runs[r].count);
      EXPECT_EQ(out.back().back(), plan.runs[r].last);
   }
   return out;
}

using runs = std::vector<std::vector<int>>;

TEST(udp_group, joins_equal_sizes_and_lets_a_shorter_one_come_last) {
   EXPECT_EQ(plan_of({datagram(100), datagram(100), datagram(50), datagram(50)}),
             (runs{{0, 1, 2}, {3}}));
   EXPECT_EQ(plan_of({datagram(50), datagram(100), datagram(100)}), (runs{{0}, {1, 2}}));
   EXPECT_EQ(plan_of({datagram(0), datagram(0)}), (runs{{0}, {1}}));
   EXPECT_EQ(plan_of({datagram(100), datagram(100)}, false), (runs{{0}, {1}}));
}

TEST(udp_group, keeps_apart_what_differs_in_address_token_or_ecn) {
   EXPECT_EQ(plan_of({datagram(9), datagram(9, 2)}).size(), 2u);
   EXPECT_EQ(plan_of({datagram(9), datagram(9, 1, 10)}).size(), 2u);
   EXPECT_EQ(plan_of({datagram(9), datagram(9, 1, 9, 1)}).size(), 2u);
   EXPECT_EQ(plan_of({datagram(9), datagram(9, 1, 9, 0, 1)}).size(), 2u);
   // Another token in between closes: the third would overtake the second.
   EXPECT_EQ(plan_of({datagram(9), datagram(9, 1, 9, 1), datagram(9)}).size(), 3u);
}

TEST(udp_group, collects_alternating_destinations_side_by_side) {
   std::vector<wrn_pkt> packets;
   for (int i = 0; i < 32; i++)
      packets.push_back(datagram(1400, static_cast<uint8_t>(i % 4)));
   EXPECT_EQ(plan_of(packets).size(), 4u);
}

TEST(udp_group, respects_64_segments_and_65507_bytes) {
   const auto small = plan_of(std::vector<wrn_pkt>(128, datagram(10)));
   ASSERT_EQ(small.size(), 2u);
   EXPECT_EQ(small[0].size(), 64u);
   const auto large = plan_of(std::vector<wrn_pkt>(128, datagram(1452)));
   ASSERT_EQ(large.size(), 3u);
   EXPECT_EQ(large[0].size(), 45u); // 65,340 bytes
}

TEST(udp_group, sends_each_once_and_in_order_per_destination_for_random_batches) {
   std::mt19937 rng(31);
   for (int round = 0; round < 20000; round++) {
      std::vector<wrn_pkt> packets;
      const uint32_t hosts = 1 + rng() % (rng() % 4 == 0 ? 30 : 4);
      for (uint32_t n = rng() % (WRN_BATCH_MAX + 1); n > 0; n--)
         packets.push_back(datagram(rng() % 3 == 0 ? rng() % 1500 : 1400,
                                    static_cast<uint8_t>(rng() % hosts), 9, rng() % 8 == 0,
                                    rng() % 8 == 0));
      udp_plan plan;
      plan_udp_runs(packets, true, plan);
      std::map<int, int> last; // per destination
      size_t seen = 0;
      for (uint32_t r = 0; r < plan.count; r++) {
         const udp_run& run = plan.runs[r];
         uint32_t bytes = 0, count = 0;
         for (uint8_t p = run.first; p != udp_plan::end; p = plan.next[p], count++, seen++) {
            const wrn_pkt& d = packets[p];
            ASSERT_EQ(d.addr.ip[3], packets[run.first].addr.ip[3]);
            ASSERT_EQ(d.local, packets[run.first].local);
            ASSERT_EQ(d.ecn, packets[run.first].ecn);
            if (p != run.last) {
               ASSERT_EQ(d.len, run.segment);
            }
            ASSERT_LE(d.len, run.segment);
            bytes += d.len;
            const auto before = last.find(d.addr.ip[3]);
            if (before != last.end()) {
               ASSERT_LT(before->second, p);
            }
            last[d.addr.ip[3]] = p;
         }
         ASSERT_EQ(bytes, run.bytes);
         ASSERT_EQ(count, run.count);
         ASSERT_LE(run.count, gso_segments_max);
         ASSERT_LE(run.count > 1 ? bytes : 0, gso_bytes_max);
      }
      ASSERT_EQ(seen, packets.size());
   }
}

TEST(local_table, gives_one_token_per_address_and_none_for_what_is_gone) {
   local_table table;
   const uint8_t a[16] = {10, 0, 0, 1}, b[16] = {10, 0, 0, 2};
   const uint32_t first = table.token(WRN_AF_INET, a, 3);
   EXPECT_NE(first, 0u);
   EXPECT_EQ(table.token(WRN_AF_INET, a, 3), first);
   EXPECT_NE(table.token(WRN_AF_INET, a, 4), first);
   EXPECT_NE(table.token(WRN_AF_INET, b, 3), first);
   ASSERT_NE(table.find(first), nullptr);
   EXPECT_EQ(table.find(first)->ip[3], 1);
   EXPECT_EQ(table.find(0), nullptr);
   table.clear(first);
   EXPECT_EQ(table.find(first), nullptr);
   EXPECT_NE(table.token(WRN_AF_INET, a, 3), first);
}

TEST(local_table, lets_the_oldest_go_and_never_gives_its_token_another_meaning) {
   local_table table;
   std::vector<uint32_t> tokens;
   for (uint32_t i = 0; i < 200; i++) {
      const uint8_t ip[16] = {10, 0, 0, static_cast<uint8_t>(i)};
      tokens.push_back(table.token(WRN_AF_INET, ip, 1));
   }
   for (uint32_t i = 0; i < 200; i++) {
      const auto* const entry = table.find(tokens[i]);
      if (i >= 200 - 64) {
         ASSERT_NE(entry, nullptr);
         EXPECT_EQ(entry->ip[3], i);
      } else {
         EXPECT_EQ(entry, nullptr);
      }
   }
}

} // namespace
} // namespace warren::io
