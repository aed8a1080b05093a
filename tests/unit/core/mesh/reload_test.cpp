// Goal: a change restarts only what changed, and one that cannot be carried out changes nothing.
// Method: meshes under virtual time, apply() while they run.
#include "core/base/address.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::mesh_world;

struct reload : ::testing::Test {
   mesh_world world{21};
   support::mesh_node &a = world.add_node(), &b = world.add_node();
   void SetUp() override {
      world.connect_all();
      a.send(b, 1);
      ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   }
   uint64_t handshake_wall() { return static_cast<uint64_t>(a.peer(b).handshake_wall_ns); }
};

TEST_F(reload, same_settings_change_nothing) {
   const auto before = handshake_wall();
   ASSERT_TRUE(a.apply());
   world.run_ms(100);
   EXPECT_EQ(handshake_wall(), before);
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return b.received(2) == 1; }, 1));
   EXPECT_EQ(handshake_wall(), before);
}

TEST_F(reload, new_peer_is_added_without_touching_the_others) {
   auto& c = world.add_node();
   c.add(a);
   ASSERT_TRUE(c.apply());
   const auto before = handshake_wall();
   a.add(c);
   ASSERT_TRUE(a.apply());
   a.send(c, 3);
   EXPECT_TRUE(world.until([&] { return c.received(3) == 1; }, 2));
   EXPECT_EQ(handshake_wall(), before);
}

TEST_F(reload, removed_peer_is_reached_no_more) {
   a.settings.peers.clear();
   ASSERT_TRUE(a.apply());
   a.send(b, 4);
   b.send(a, 5);
   world.run_ms(3000);
   EXPECT_EQ(b.received(4), 0u);
   EXPECT_EQ(a.received(5), 0u);
   EXPECT_EQ(a.drops("no_owner"), 1u);
}

TEST_F(reload, prefix_moves_to_another_peer) {
   auto& c = world.add_node();
   c.add(a);
   ASSERT_TRUE(c.apply());
   a.add(c);
   a.settings.peers[0].routes = {*base::parse_prefix("172.16.0.0/16")};
   ASSERT_TRUE(a.apply());
   a.tun().inject(support::make_udp4(a.address(), "172.16.3.4", 6));
   ASSERT_TRUE(world.until([&] { return b.received(6) == 1; }, 3));
   std::swap(a.settings.peers[0].routes, a.settings.peers[1].routes);
   ASSERT_TRUE(a.apply());
   a.tun().inject(support::make_udp4(a.address(), "172.16.3.4", 7));
   ASSERT_TRUE(world.until([&] { return c.received(7) == 1; }, 3));
   EXPECT_EQ(b.received(7), 0u);
   // And what comes from there is now c's alone.
   b.tun().inject(support::make_udp4("172.16.3.4", a.address(), 8));
   c.tun().inject(support::make_udp4("172.16.3.4", a.address(), 9));
   ASSERT_TRUE(world.until([&] { return a.received(9) == 1; }, 3));
   EXPECT_EQ(a.received(8), 0u);
}

TEST_F(reload, changed_psk_counts_from_the_next_handshake) {
   crypto::bytes32 psk{};
   psk.fill(7);
   a.settings.peers[0].psk = psk;
   b.settings.peers[0].psk = psk;
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   world.run_ms(200'000);
   a.send(b, 10);
   EXPECT_TRUE(world.until([&] { return b.received(10) == 1; }, 3));
   b.settings.peers[0].psk.reset();
   ASSERT_TRUE(b.apply());
   world.run_ms(200'000);
   a.send(b, 11);
   EXPECT_FALSE(world.until([&] { return b.received(11) == 1; }, 20));
}

TEST_F(reload, one_word_changes_the_transport) {
   for (auto* n : {&a, &b}) {
      n->settings.transports.front().plugin = "plain";
      n->settings.transports.front().values = {};
      for (auto& p : n->settings.peers)
         for (auto& e : p.endpoints)
            e.replace(0, e.find(':'), "plain");
      ASSERT_TRUE(n->apply());
   }
   a.send(b, 12);
   EXPECT_TRUE(world.until([&] { return b.received(12) == 1; }, 2));
   EXPECT_EQ(a.peer(b).transport, "plain");
}

TEST_F(reload, live_swap_of_the_tunnel_key_makes_a_new_session_at_once_and_the_old_key_is_dead) {
   a.new_tunnel_key();
   ASSERT_TRUE(a.apply());
   a.send(b, 13);
   EXPECT_FALSE(world.until([&] { return b.received(13) == 1; }, 3)); // b knows the old key
   b.settings.peers[0] = a.as_peer();
   ASSERT_TRUE(b.apply());
   a.send(b, 14);
   EXPECT_TRUE(world.until([&] { return b.received(14) == 1; }, 6));
}

TEST_F(reload, plan_that_cannot_be_carried_out_leaves_everything_as_it_was) {
   const auto before = handshake_wall();
   const auto good = a.settings;
   a.settings.peers.push_back(good.peers[0]);
   a.settings.peers[1].name = "twin";
   a.settings.peers[1].tunnel_key->at(0) ^= 1; // another peer with the same addresses
   const auto r = a.apply();
   ASSERT_FALSE(r);
   EXPECT_NE(r.error().text.find("claimed by two peers"), std::string::npos) << r.error().text;
   a.settings = good;
   a.settings.transports.push_back(good.transports.front());
   a.settings.transports.back().plugin = "plain"; // same port as the first
   ASSERT_FALSE(a.apply());
   a.settings = good;
   a.settings.mtu = 1400;
   a.settings.transports.front().listen =
         *base::parse_endpoint("203.0.113.1:51820"); // not an address of this node
   ASSERT_FALSE(a.apply());
   EXPECT_EQ(a.network->status().mtu, 1420u);
   a.send(b, 15);
   EXPECT_TRUE(world.until([&] { return b.received(15) == 1; }, 1));
   EXPECT_EQ(handshake_wall(), before);
}

TEST_F(reload, address_and_mtu_change_in_place) {
   a.settings.mtu = 1380;
   a.settings.addresses[0] = *base::parse_prefix("10.0.0.50/24", true);
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(a.network->status().mtu, 1380u);
   EXPECT_EQ(base::format_prefix(a.tun().options().addresses[0]), "10.0.0.50/24");
}

TEST(network_life, start_and_stop_two_hundred_times_with_traffic_leaves_nothing) {
   mesh_world world(22);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   for (uint32_t i = 0; i < 200; i++) {
      a.send(b, i);
      b.send(a, i);
      world.run_ms(i % 7);
      auto& n = i % 2 == 0 ? a : b;
      n.stop();
      ASSERT_TRUE(n.apply());
   }
}

} // namespace
} // namespace warren::mesh
