// Goal: plans are private and of a sane size, nobody gets a reserved or a taken address, admins'
// shares are disjoint, and IPv6 addresses follow from the ids. Method: values in, values out.
#include "core/trust/address_plan.hpp"

#include "core/base/address.hpp"

#include <gtest/gtest.h>
#include <set>

namespace warren::trust {
namespace {

using base::errc;

struct address_plans : ::testing::Test {
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
   std::set<uint32_t> members;
   number_taken taken = [this](uint32_t n) { return members.contains(n); };
};

address_plan plan_of(std::string_view text) { return parse_plan(text).value(); }

std::vector<wrn_addr> prefixes(std::initializer_list<std::string_view> texts) {
   std::vector<wrn_addr> out;
   for (const auto t : texts)
      out.push_back(base::parse_prefix(t, true).value());
   return out;
}

std::set<uint32_t> numbers(const std::vector<pool>& pools) {
   std::set<uint32_t> out;
   for (const pool& p : pools)
      for (uint32_t n = p.first; n <= p.last; n++)
         EXPECT_TRUE(out.insert(n).second) << n;
   return out;
}

TEST_F(address_plans, private_and_shared_prefixes_from_8_to_29_are_plans) {
   for (const char* text :
        {"10.0.0.0/8", "10.0.3.0/24", "10.100.0.0/16", "172.16.0.0/12", "172.31.255.248/29",
         "192.168.0.0/16", "192.168.77.0/25", "100.64.0.0/10", "100.127.255.0/24"}) {
      const auto plan = parse_plan(text);
      ASSERT_TRUE(plan) << plan.error().text;
      EXPECT_EQ(format_plan(*plan), text);
   }
}

TEST_F(address_plans, everything_else_is_refused_with_a_sentence) {
   const auto refused = [](std::string_view text, std::string_view fragment) {
      const auto plan = parse_plan(text);
      ASSERT_FALSE(plan) << text;
      EXPECT_EQ(plan.error().code, errc::invalid);
      EXPECT_NE(plan.error().text.find(fragment), std::string::npos) << plan.error().text;
   };
   refused("", "not an address plan");
   refused("10.0.0.0", "not an address plan");
   refused("large", "not an address plan");
   refused("GoConnect", "not an address plan");
   refused("10.0.0.0/33", "not an address plan");
   refused("10.0.0.0/-1", "not an address plan");
   refused("10.0.0.0/24 ", "not an address plan");
   refused(std::string_view("10.0.0.0\0/24", 12), "not an address plan");
   refused(std::string(9000, '1'), "…");
   refused("\x1b[2J/24", "'?[2J/24'");
   refused("10.0.0.5/24", "did you mean 10.0.0.0/24?");
   refused("fd00::/64", "an address plan is IPv4");
   refused("10.0.0.0/30", "too small");
   refused("10.0.0.0/7", "too large");
   refused("8.0.0.0/7", "too large");
   refused("8.8.8.0/24", "not private");
   refused("172.32.0.0/16", "not private");
   refused("172.0.0.0/8", "not private"); // holds more than 172.16/12
   refused("192.0.0.0/8", "not private");
   refused("192.168.0.0/15", "not private"); // begins in 192.168/16 and goes beyond
   refused("100.128.0.0/16", "not private");
   refused("169.254.0.0/16", "not private");
   refused("127.0.0.0/8", "not private");
}

TEST_F(address_plans, goconnect_follows_from_its_seed_and_steps_over_clashes) {
   const std::array<uint8_t, 3> seed{1, 2, 3}, other{1, 2, 4};
   const auto first = parse_plan("goconnect", seed);
   ASSERT_TRUE(first);
   EXPECT_EQ(format_plan(*first).substr(0, 5), "10.0.");
   EXPECT_EQ(first->prefix.prefix_len, 24);
   EXPECT_EQ(*parse_plan("goconnect", seed), *first);
   EXPECT_FALSE(*parse_plan("goconnect", other) == *first);
   const auto next = parse_plan("goconnect", seed, std::array{first->prefix});
   ASSERT_TRUE(next);
   EXPECT_EQ(next->prefix.ip[2], static_cast<uint8_t>(first->prefix.ip[2] + 1));
   EXPECT_FALSE(clash(*next, std::array{first->prefix}));
   const auto none = parse_plan("goconnect", seed, prefixes({"10.0.0.0/8"}));
   ASSERT_FALSE(none);
   EXPECT_EQ(none.error().code, errc::in_use);
}

TEST_F(address_plans, network_and_broadcast_address_are_reserved) {
   EXPECT_EQ(usable_addresses(plan_of("10.0.3.0/24")), 254u);
   EXPECT_EQ(usable_addresses(plan_of("10.100.0.0/16")), 65534u);
   EXPECT_EQ(usable_addresses(plan_of("10.0.0.0/29")), 6u);
   EXPECT_EQ(usable_addresses(plan_of("10.0.0.0/8")), 16777214u);
   const address_plan plan = plan_of("10.0.3.0/29");
   EXPECT_EQ(whole_pool(plan), (pool{1, 6}));
   EXPECT_EQ(base::format_address(address_of(plan, 1)), "10.0.3.1");
   EXPECT_EQ(base::format_address(address_of(plan_of("10.100.0.0/16"), 256)), "10.100.1.0");
   EXPECT_EQ(number_of_address(plan, base::parse_address("10.0.3.6").value()), 6u);
   for (const char* outside : {"10.0.3.0", "10.0.3.7", "10.0.3.8", "10.0.2.255", "fd00::1"})
      EXPECT_FALSE(number_of_address(plan, base::parse_address(outside).value())) << outside;
}

TEST_F(address_plans, the_lowest_free_number_comes_next_whatever_the_order_of_pools) {
   const address_plan plan = plan_of("10.0.3.0/24");
   members = {1};
   EXPECT_EQ(next_address(plan, std::array{whole_pool(plan)}, taken).value(), 2u);
   members = {1, 2, 4};
   EXPECT_EQ(next_address(plan, std::array{whole_pool(plan)}, taken).value(), 3u);
   EXPECT_EQ(next_address(plan, std::array{pool{100, 110}, pool{3, 4}}, taken).value(), 3u);
   members = {3, 4};
   EXPECT_EQ(next_address(plan, std::array{pool{100, 110}, pool{3, 4}}, taken).value(), 100u);
}

TEST_F(address_plans, pools_beyond_the_plan_never_give_a_reserved_address) {
   const address_plan plan = plan_of("10.0.3.0/29");
   const std::array everything{pool{0, UINT32_MAX}};
   for (uint32_t n = 1; n <= 6; n++) {
      EXPECT_EQ(next_address(plan, everything, taken).value(), n);
      members.insert(n);
   }
   EXPECT_FALSE(next_address(plan, everything, taken));
   members.clear();
   const auto s = split(plan, everything, 2, taken); // and are not walked through
   ASSERT_TRUE(s);
   EXPECT_EQ(s->kept, (std::vector<pool>{{1, 3}}));
   EXPECT_EQ(s->given, (std::vector<pool>{{4, 6}}));
   EXPECT_FALSE(next_address(plan, std::array{pool{7, 9}, pool{5, 4}}, taken));
}

TEST_F(address_plans, a_full_plan_says_how_many_it_holds_and_what_to_do) {
   const address_plan plan = plan_of("10.0.3.0/29");
   members = {1, 2, 3, 4, 5, 6};
   const auto full = next_address(plan, std::array{whole_pool(plan)}, taken);
   ASSERT_FALSE(full);
   EXPECT_EQ(full.error().code, errc::limit);
   EXPECT_EQ(full.error().text,
             "the network is full: its address plan 10.0.3.0/29 holds 6 members; remove some "
             "('warren member remove'), or create a network with a larger plan");
   const auto share = next_address(plan, std::array{pool{5, 6}}, taken);
   ASSERT_FALSE(share);
   EXPECT_NE(share.error().text.find("all 2 addresses that this admin may give"),
             std::string::npos);
   EXPECT_FALSE(next_address(plan, {}, taken));
}

TEST_F(address_plans, shares_are_disjoint_complete_and_free_of_members) {
   const address_plan plan = plan_of("10.0.3.0/24");
   members = {1, 2, 3, 200, 254};
   for (uint32_t part = 2; part <= 16; part++) {
      const auto s = split(plan, std::array{whole_pool(plan)}, part, taken);
      ASSERT_TRUE(s);
      const auto kept = numbers(s->kept), given = numbers(s->given);
      EXPECT_EQ(given.size(), (254 - members.size()) / part);
      EXPECT_EQ(kept.size() + given.size(), 254u);
      for (const uint32_t n : given)
         EXPECT_FALSE(kept.contains(n) || members.contains(n)) << n;
   }
   const auto half = split(plan, std::array{whole_pool(plan)}, 2, taken);
   EXPECT_EQ(half->given, (std::vector<pool>{{129, 199}, {201, 253}}));
   EXPECT_EQ(half->kept, (std::vector<pool>{{1, 128}, {200, 200}, {254, 254}}));
}

TEST_F(address_plans, a_share_can_be_shared_on) {
   const address_plan plan = plan_of("10.0.3.0/28");
   const auto first = split(plan, std::array{whole_pool(plan)}, 2, taken);
   const auto second = split(plan, first->given, 2, taken);
   EXPECT_EQ(first->given, (std::vector<pool>{{8, 14}}));
   EXPECT_EQ(second->given, (std::vector<pool>{{12, 14}}));
   EXPECT_EQ(second->kept, (std::vector<pool>{{8, 11}}));
}

TEST_F(address_plans, a_share_has_few_ranges_even_when_every_other_number_is_taken) {
   const address_plan plan = plan_of("10.0.3.0/24");
   for (uint32_t n = 1; n < 255; n += 2)
      members.insert(n);
   const auto s = split(plan, std::array{whole_pool(plan)}, 2, taken);
   ASSERT_TRUE(s);
   EXPECT_EQ(s->given.size(), pools_max);
   EXPECT_EQ(numbers(s->kept).size() + numbers(s->given).size(), 254u);
}

TEST_F(address_plans, shares_that_are_none_are_refused) {
   const address_plan plan = plan_of("10.0.3.0/29");
   for (const uint32_t part : {0u, 1u, 17u})
      EXPECT_EQ(split(plan, std::array{whole_pool(plan)}, part, taken).error().code, errc::invalid);
   members = {1, 2, 3, 4, 5};
   EXPECT_EQ(split(plan, std::array{whole_pool(plan)}, 2, taken).error().code, errc::limit);
}

TEST_F(address_plans, clashes_name_the_first_network_of_the_host) {
   const address_plan plan = plan_of("10.0.3.0/24");
   EXPECT_FALSE(clash(plan, prefixes({"0.0.0.0/0", "192.168.1.0/24", "10.0.2.0/24", "fd00::/8",
                                      "10.0.4.1/32"})));
   const auto found = clash(plan, prefixes({"192.168.1.0/24", "10.0.0.0/16", "10.0.3.5/32"}));
   ASSERT_TRUE(found);
   EXPECT_EQ(base::format_prefix(found->with), "10.0.0.0/16");
   EXPECT_EQ(found->text, "the address plan 10.0.3.0/24 clashes with 10.0.0.0/16, which this host "
                          "reaches already; choose another with --plan");
   EXPECT_TRUE(clash(plan, prefixes({"10.0.3.128/25"})));
   EXPECT_EQ(base::format_prefix(clash(plan, prefixes({"10.0.3.9/28"}))->with), "10.0.3.0/28");
}

TEST_F(address_plans, ipv6_addresses_follow_from_the_ids_and_from_nothing_else) {
   crypto::bytes32 network{}, other_network{}, node{}, other_node{};
   network.fill(1);
   other_network.fill(2);
   node.fill(3);
   other_node.fill(4);
   const wrn_addr prefix = network_ipv6_prefix(network), address = member_ipv6(network, node);
   EXPECT_EQ(prefix.prefix_len, 64);
   EXPECT_EQ(prefix.ip[0], 0xfd);
   EXPECT_EQ(prefix.ip[6], 0); // subnet 0
   EXPECT_EQ(prefix.ip[7], 0);
   EXPECT_TRUE(base::same_address(base::masked(prefix), prefix));
   EXPECT_EQ(address.prefix_len, 128);
   EXPECT_TRUE(base::contains(prefix, address));
   EXPECT_FALSE(base::same_address(address, member_ipv6(network, other_node)));
   EXPECT_FALSE(base::contains(prefix, member_ipv6(other_network, node)));
   // The interface id depends on the network, too: a member cannot be followed through networks.
   EXPECT_FALSE(
         std::equal(address.ip + 8, address.ip + 16, member_ipv6(other_network, node).ip + 8));
   // Fixed for ever: addresses must survive every update.
   EXPECT_EQ(base::format_address(address), "fde3:98e1:8d22:0:1d9a:c1ae:7d86:b95e");
}

} // namespace
} // namespace warren::trust
