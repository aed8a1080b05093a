// Goal: what the access rules forbid arrives nowhere, whoever keeps them, and people are told why.
// Method: meshes of three nodes under virtual time; rules given as the configuration gives them.
#include "core/base/address.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren {
namespace {

using support::mesh_node;
using support::mesh_world;

config::acl_settings acl(const std::string& rules, bool default_accept = false) {
   return {"acl.hujson", "{\"acls\": [\n" + rules + "]}", default_accept};
}
// The port of support::make_udp4() is 0x2000.
const char* const udp_open =
      R"({"action": "accept", "src": ["*"], "dst": ["*:*"], "name": "all"},)";
const char* const udp_shut =
      R"({"action": "deny", "proto": "udp", "src": ["node1"], "dst": ["node2:8192"]},
         {"action": "accept", "src": ["*"], "dst": ["*:*"]},)";

/// node1 and node2, which know each other, and a link between them.
struct pair_of_nodes {
   explicit pair_of_nodes(const config::acl_settings& of_a, const config::acl_settings& of_b)
       : a(world.add_node()), b(world.add_node()) {
      a.settings.acl = of_a;
      b.settings.acl = of_b;
      world.connect_all();
   }
   bool arrives(uint32_t mark) {
      a.send(b, mark);
      return world.until([&] { return b.received(mark) == 1; }, 2);
   }
   mesh_world world{5};
   mesh_node &a, &b;
};

TEST(network_acl, the_receiver_drops_what_its_rules_forbid_though_the_sender_has_none) {
   pair_of_nodes n({}, acl(udp_shut));
   EXPECT_FALSE(n.arrives(1));
   EXPECT_EQ(n.b.drops("acl"), 1u);
   EXPECT_EQ(n.a.drops("acl"), 0u);
   EXPECT_EQ(n.b.peer(n.a).drops, (mesh::drop_counts{{"acl", 1}}));
   n.b.send(n.a, 2);
   EXPECT_TRUE(n.world.until([&] { return n.a.received(2) == 1; }, 2)) << "the other way is open";
}

TEST(network_acl, without_a_matching_rule_the_default_decides) {
   pair_of_nodes shut({}, acl("")), open({}, acl("", true));
   EXPECT_FALSE(shut.arrives(1));
   EXPECT_TRUE(open.arrives(1));
}

TEST(network_acl, the_sender_tells_its_applications_at_once) {
   pair_of_nodes n(acl(udp_shut), {});
   EXPECT_FALSE(n.arrives(1));
   EXPECT_EQ(n.a.drops("acl"), 1u);
   ASSERT_EQ(n.a.tun().written.size(), 1u);
   const auto& v4 = n.a.tun().written[0];
   EXPECT_EQ(v4[9], 1);
   EXPECT_EQ(v4[20], 3);
   EXPECT_EQ(v4[21], 13) << "administratively prohibited";
   n.a.send6(n.b, 2);
   n.world.run_ms(10);
   ASSERT_EQ(n.a.tun().written.size(), 2u);
   const auto& v6 = n.a.tun().written[1];
   EXPECT_EQ(v6[40], 1);
   EXPECT_EQ(v6[41], 1);
   for (int i = 0; i < 500; i++)
      n.a.send(n.b, 3);
   n.world.run_ms(10);
   EXPECT_LE(n.a.tun().written.size(), 110u) << "at most a hundred a second";
}

TEST(network_acl, a_change_of_the_rules_cuts_a_flow_that_runs) {
   pair_of_nodes n({}, acl(udp_open));
   EXPECT_TRUE(n.arrives(1));
   n.b.settings.acl = acl(udp_shut);
   ASSERT_TRUE(n.b.apply());
   EXPECT_FALSE(n.arrives(2));
   n.b.network->set_acl(nullptr, true);
   EXPECT_TRUE(n.arrives(3)) << "no rules at all";
   auto pushed = route::parse_acl(n.b.settings.acl.text, "pushed");
   n.b.network->set_acl(std::make_shared<route::acl>(pushed.value), false);
   EXPECT_FALSE(n.arrives(4));
   ASSERT_TRUE(n.b.apply());
   EXPECT_FALSE(n.arrives(5)) << "pushed rules stay when the configuration did not change";
}

TEST(network_acl, replies_to_what_was_let_out_come_in) {
   pair_of_nodes n({}, acl(R"({"action": "accept", "src": ["node2"], "dst": ["*:*"]},)"));
   EXPECT_FALSE(n.arrives(1));
   n.b.send(n.a, 2);
   ASSERT_TRUE(n.world.until([&] { return n.a.received(2) == 1; }, 2));
   EXPECT_TRUE(n.arrives(3)) << "same ports, other way";
}

TEST(network_acl, rules_follow_when_members_come_and_change) {
   pair_of_nodes n({}, acl(R"({"action": "accept", "src": ["tag:web"], "dst": ["*:*"]},)"));
   EXPECT_FALSE(n.arrives(1));
   n.b.settings.peers[0].tags = {"web"};
   ASSERT_TRUE(n.b.apply());
   EXPECT_TRUE(n.arrives(2));
}

TEST(network_acl, our_own_pings_are_not_judged_where_they_are_answered_to) {
   pair_of_nodes n(acl(""), {});
   bool answered = false, got = false;
   n.a.network->ping("node2", 56, 2'000'000'000, [&](base::result<mesh::ping_result> r) {
      answered = true;
      got = r.has_value();
   });
   n.world.until([&] { return !n.b.tun().written.empty(); }, 2);
   ASSERT_FALSE(n.b.tun().written.empty());
   auto echo = n.b.tun().written[0]; // the kernel behind the device would answer
   std::swap_ranges(echo.begin() + 12, echo.begin() + 16, echo.begin() + 16);
   echo[20] = 0;
   n.b.tun().inject(echo);
   n.world.until([&] { return answered; }, 3);
   EXPECT_TRUE(got);
}

TEST(network_acl, rules_with_a_mistake_change_nothing) {
   pair_of_nodes n({}, acl(udp_open));
   n.b.settings.acl = acl("{\"action\": \"no\"}");
   const auto applied = n.b.apply();
   ASSERT_FALSE(applied);
   EXPECT_EQ(applied.error().text.substr(0, 15), "acl.hujson:2:1:");
   EXPECT_TRUE(n.arrives(1));
}

TEST(network_acl, drops_are_remembered_with_what_decided) {
   pair_of_nodes n({}, acl(udp_shut));
   EXPECT_TRUE(n.b.network->recent_drops().drops.empty());
   for (uint32_t i = 0; i < 200; i++) {
      EXPECT_EQ(n.b.received(i), 0u);
      n.a.send(n.b, i);
      n.world.run_ms(100);
   }
   const auto report = n.b.network->recent_drops();
   EXPECT_TRUE(report.filtered);
   ASSERT_EQ(report.drops.size(), base::limits::drop_notes_max);
   const mesh::drop_record& d = report.drops.back();
   EXPECT_EQ(d.peer, "node1");
   EXPECT_TRUE(d.incoming);
   EXPECT_EQ(d.where, "acl.hujson:2");
   EXPECT_EQ(d.why, "rule");
   EXPECT_EQ(base::format_endpoint(d.destination), "10.0.0.2:8192");
   EXPECT_LE(report.drops.front().wall_ns, d.wall_ns);
   EXPECT_EQ(report.dropped, (mesh::drop_counts{{"rule", 200}}));
}

TEST(network_acl, explain_says_who_decides_and_which_way_it_goes) {
   pair_of_nodes n(acl(udp_shut), {});
   n.b.send(n.a, 1);
   ASSERT_TRUE(n.world.until([&] { return n.a.received(1) == 1; }, 2));
   mesh::explain_request r{"node1", "10.0.0.2", "udp", {}, 8192};
   auto e = n.a.network->explain(r);
   ASSERT_TRUE(e) << e.error().text;
   EXPECT_EQ(e->destination_owner, "node2");
   EXPECT_EQ(base::format_address(e->source), "10.0.0.1");
   EXPECT_FALSE(e->forward.accept);
   EXPECT_EQ(e->forward.where, "acl.hujson:2");
   EXPECT_TRUE(e->backward.accept);
   EXPECT_EQ(e->backward.where, "acl.hujson:3");
   EXPECT_EQ(e->peer, "node2");
   EXPECT_EQ(e->state, mesh::peer_state::up);
   EXPECT_EQ(e->transport, "wireguard");
   EXPECT_GT(e->mtu, 1000u);
   e = n.b.network->explain(r);
   ASSERT_TRUE(e);
   EXPECT_TRUE(e->forward.accept);
   EXPECT_EQ(e->forward.where, "") << "there are no rules here";
   r.destination = "node9";
   EXPECT_EQ(n.a.network->explain(r).error().code, base::errc::not_found);
   r = {"10.0.0.1", "fd00::2", "udp", {}, {}};
   EXPECT_EQ(n.a.network->explain(r).error().code, base::errc::invalid);
   r = {"node1", "node2", "tpc", {}, {}};
   EXPECT_EQ(n.a.network->explain(r).error().code, base::errc::invalid);
}

} // namespace
} // namespace warren
