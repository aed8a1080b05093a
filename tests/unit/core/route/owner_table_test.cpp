// Goal: longest prefix match is exact. Method: random tables and lookups against a naive scan of
// all prefixes, plus the edges of the address space.
#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/route/owner_table.hpp"

#include <gtest/gtest.h>
#include <random>

namespace warren::route {
namespace {

using base::parse_prefix;

uint64_t naive_lookup(std::span<const owned_prefix> prefixes, const wrn_addr& address) {
   uint64_t owner = 0;
   int best = -1;
   for (const owned_prefix& p : prefixes)
      if (base::contains(p.prefix, address) && p.prefix.prefix_len > best) {
         best = p.prefix.prefix_len;
         owner = p.owner;
      }
   return owner;
}

owned_prefix owned(const char* text, uint64_t owner) { return {*parse_prefix(text), owner}; }

uint64_t look_up(const owner_table& table, const char* text) {
   const wrn_addr a = *base::parse_address(text);
   return table.lookup(a.family, a.ip);
}

TEST(owner_table, empty_table_owns_nothing) {
   const owner_table table;
   EXPECT_EQ(look_up(table, "10.0.0.1"), 0u);
   EXPECT_EQ(look_up(table, "fd00::1"), 0u);
}

TEST(owner_table, longer_prefix_wins_and_the_shorter_resumes_behind_it) {
   const auto table = *owner_table::build(
         {owned("10.0.0.0/8", 1), owned("10.1.0.0/16", 2), owned("10.1.2.3/32", 3)});
   EXPECT_EQ(look_up(table, "10.0.255.255"), 1u);
   EXPECT_EQ(look_up(table, "10.1.0.0"), 2u);
   EXPECT_EQ(look_up(table, "10.1.2.2"), 2u);
   EXPECT_EQ(look_up(table, "10.1.2.3"), 3u);
   EXPECT_EQ(look_up(table, "10.1.2.4"), 2u);
   EXPECT_EQ(look_up(table, "10.2.0.0"), 1u);
   EXPECT_EQ(look_up(table, "11.0.0.0"), 0u);
   EXPECT_EQ(look_up(table, "9.255.255.255"), 0u);
}

TEST(owner_table, default_routes_and_the_last_address_of_each_family_are_covered) {
   const auto table = *owner_table::build(
         {owned("0.0.0.0/0", 1), owned("255.255.255.255/32", 2), owned("::/0", 3),
          owned("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 4)});
   EXPECT_EQ(look_up(table, "0.0.0.0"), 1u);
   EXPECT_EQ(look_up(table, "255.255.255.254"), 1u);
   EXPECT_EQ(look_up(table, "255.255.255.255"), 2u);
   EXPECT_EQ(look_up(table, "::"), 3u);
   EXPECT_EQ(look_up(table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 4u);
}

TEST(owner_table, same_prefix_of_two_owners_is_refused_and_of_one_owner_collapses) {
   EXPECT_FALSE(owner_table::build({owned("10.0.0.0/8", 1), owned("10.0.0.0/8", 2)}));
   EXPECT_TRUE(owner_table::build({owned("10.0.0.0/8", 1), owned("10.0.0.0/8", 1)}));
}

TEST(owner_table, more_prefixes_than_the_limit_are_refused) {
   std::vector<owned_prefix> many(base::limits::prefixes_max + 1, owned("10.0.0.0/8", 1));
   EXPECT_FALSE(owner_table::build(many));
}

TEST(owner_table, random_tables_agree_with_a_naive_scan) {
   std::mt19937_64 random(7);
   for (int round = 0; round < 300; round++) {
      std::vector<owned_prefix> prefixes;
      std::vector<wrn_addr> seen;
      const size_t count = random() % 60;
      while (prefixes.size() < count) {
         wrn_addr p{};
         p.family = random() % 2 != 0 ? WRN_AF_INET : WRN_AF_INET6;
         const unsigned bits = base::address_bits(p);
         // Few distinct bytes, so that prefixes nest and touch.
         for (unsigned i = 0; i < bits / 8; i++)
            p.ip[i] = static_cast<uint8_t>(random() % 3 == 0 ? 255 : random() % 2);
         p.prefix_len = static_cast<uint8_t>(random() % (bits + 1));
         p = base::masked(p);
         bool twice = false;
         for (const auto& q : prefixes)
            twice |= base::same_address(q.prefix, p) && q.prefix.prefix_len == p.prefix_len;
         if (!twice) prefixes.push_back({p, random() % 5 + 1});
      }
      const auto table = *owner_table::build(prefixes);
      for (int i = 0; i < 300; i++) {
         wrn_addr a{};
         a.family = random() % 2 != 0 ? WRN_AF_INET : WRN_AF_INET6;
         const unsigned bytes = base::address_bits(a) / 8;
         for (unsigned b = 0; b < bytes; b++)
            a.ip[b] = static_cast<uint8_t>(random() % 3 == 0 ? 255 : random() % 2);
         a.prefix_len = base::address_bits(a);
         ASSERT_EQ(table.lookup(a.family, a.ip), naive_lookup(prefixes, a))
               << base::format_address(a) << " round " << round;
      }
   }
}

/// Every other address of the last ones of a family, so that no two join to one range: prefix i
/// has the owner i + 1 and the address behind it nobody.
TEST(owner_table, tables_of_every_size_around_full_nodes_answer_for_every_address) {
   for (const uint8_t family : {WRN_AF_INET, WRN_AF_INET6})
      for (const uint32_t count : {1u, 3u, 4u, 7u, 8u, 9u, 31u, 32u, 33u, 127u, 128u, 129u, 255u,
                                   256u, 257u, 2047u, 2048u, 2049u, 10000u}) {
         const auto nth = [&](uint32_t i) { // from the end
            wrn_addr a{};
            a.family = family;
            const unsigned bytes = base::address_bits(a) / 8;
            a.prefix_len = base::address_bits(a);
            std::fill_n(a.ip, bytes, uint8_t{255});
            a.ip[bytes - 2] = static_cast<uint8_t>(255 - (i >> 8));
            a.ip[bytes - 1] = static_cast<uint8_t>(255 - i);
            return a;
         };
         std::vector<owned_prefix> prefixes;
         for (uint32_t i = 0; i < count; i++)
            prefixes.push_back({nth(2 * i), i + 1});
         const auto table = *owner_table::build(prefixes);
         for (uint32_t i = 0; i < count; i++) {
            ASSERT_EQ(table.lookup(family, nth(2 * i).ip), i + 1) << count;
            ASSERT_EQ(table.lookup(family, nth(2 * i + 1).ip), 0u) << count << " behind " << i;
         }
         const uint8_t first[16] = {};
         ASSERT_EQ(table.lookup(family, first), 0u);
      }
}

} // namespace
} // namespace warren::route
