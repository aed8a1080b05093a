// Goal: members without a direct path reach each other through relays, end to end encrypted, by the
// ways that a routing plugin publishes; and go back to the direct path when there is one. Method:
// whole nodes with the wireguard transport and the routing template over the fake network.
#include "core/base/address.hpp"
#include "tests/support/mesh_world.hpp"

#include <cstring>
#include <gmock/gmock.h>

namespace warren::mesh {

namespace {

using support::mesh_node;
using support::mesh_world;

struct overlay : ::testing::Test {
   mesh_world world{11};

   mesh_node& add(bool relay, const std::string& module = MODULES "/routing-cpp.so") {
      mesh_node& n = world.add_node();
      n.settings.relay = relay;
      config::plugin_use use;
      use.kind = WRN_KIND_ROUTING;
      use.plugin = module;
      use.values.entries["interval"] = {int64_t{1'000'000'000}, {}};
      n.settings.plugins.push_back(use);
      return n;
   }
   /// Both know each other by id; only neighbours know where the other is.
   static void know(mesh_node& a, mesh_node& b, bool neighbors) {
      a.add(b, true, neighbors);
      b.add(a, true, neighbors);
      if (neighbors) return;
      // Keys without a place to ask for them come from the configuration, or over the mesh.
   }
   void line(const std::vector<mesh_node*>& nodes) {
      for (size_t i = 0; i < nodes.size(); i++)
         for (size_t j = 0; j < i; j++)
            know(*nodes[i], *nodes[j], i - j == 1);
      for (mesh_node* n : nodes)
         ASSERT_TRUE(n->apply());
   }
   bool reach(mesh_node& from, mesh_node& to, uint32_t mark, uint64_t seconds = 30) {
      const uint64_t step = 500;
      for (uint64_t ms = 0; ms < seconds * 1000; ms += step) {
         if (to.received(mark) > 0) return true;
         from.send(to, mark);
         world.run_ms(step);
      }
      return to.received(mark) > 0;
   }
};

TEST_F(overlay, ends_of_a_line_talk_through_the_middle) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 1)) << a.peer(c).last_error;
   ASSERT_TRUE(reach(c, a, 2));
   EXPECT_EQ(a.peer(c).via, "node2");
   EXPECT_EQ(a.peer(c).endpoint.family, WRN_AF_PATH);
   const auto status = a.network->status();
   ASSERT_EQ(status.ways.size(), 1u);
   EXPECT_EQ(status.ways[0].destination, "node3");
   EXPECT_TRUE(status.ways[0].used);
}

TEST_F(overlay, the_template_in_c_finds_ways_of_two_links) {
   const std::string module = MODULES "/routing-c.so";
   mesh_node &a = add(false, module), &b = add(true, module), &c = add(false, module);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 1)) << a.peer(c).last_error;
   ASSERT_TRUE(reach(c, a, 2));
   EXPECT_EQ(a.peer(c).via, "node2");
   b.stop();
   world.run_ms(10'000);
   EXPECT_TRUE(a.network->status().ways.empty() || a.peer(c).state != peer_state::up);
}

TEST_F(overlay, a_line_of_five_carries_packets_both_ways) {
   std::vector<mesh_node*> nodes;
   for (size_t i = 0; i < 5; i++)
      nodes.push_back(&add(true));
   line(nodes);
   EXPECT_TRUE(reach(*nodes[0], *nodes[4], 1, 60));
   EXPECT_TRUE(reach(*nodes[4], *nodes[0], 2, 60));
}

TEST_F(overlay, who_does_not_relay_passes_nothing_on) {
   mesh_node &a = add(false), &b = add(false), &c = add(false);
   line({&a, &b, &c});
   EXPECT_FALSE(reach(a, c, 1, 20));
   EXPECT_TRUE(a.network->status().ways.empty());
}

TEST_F(overlay, a_relay_sees_only_what_is_sealed_for_the_end) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 0xfeedbeef));
   // Nothing addressed to others ever came out of the relay's own device.
   EXPECT_EQ(b.received(0xfeedbeef), 0u);
   EXPECT_EQ(b.drops("wrong_source"), 0u);
}

TEST_F(overlay, a_dead_relay_is_replaced_by_another) {
   mesh_node &a = add(false), &b = add(true), &c = add(false), &d = add(true);
   know(a, b, true);
   know(b, c, true);
   know(a, d, true);
   know(d, c, true);
   know(a, c, false);
   know(b, d, false);
   for (mesh_node* n : {&a, &b, &c, &d})
      ASSERT_TRUE(n->apply());
   ASSERT_TRUE(reach(a, c, 1));
   mesh_node& used = a.peer(c).via == "node2" ? b : d;
   used.stop();
   EXPECT_TRUE(reach(a, c, 2, 240)) << a.peer(c).last_error;
}

TEST_F(overlay, what_is_too_big_for_the_way_is_answered_and_not_sent) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 1));
   const size_t before = a.drops("too_big");
   auto packet = support::make_udp4(a.address(), c.address(), 5, 1420 - 28);
   packet[6] = 0x40; // do not fragment
   a.tun().inject(packet);
   world.run_ms(100);
   EXPECT_EQ(a.drops("too_big"), before + 1);
   bool answered = false;
   for (const auto& p : a.tun().written)
      answered |= p[9] == 1 && p[20] == 3 && p[21] == 4;
   EXPECT_TRUE(answered);
   // What fits the answer's size goes through.
   a.send(c, 6, 1360 - 28);
   world.run_ms(500);
   EXPECT_EQ(c.received(6), 1u);
}

TEST_F(overlay, a_direct_path_that_appears_is_taken) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 1));
   ASSERT_EQ(a.peer(c).endpoint.family, WRN_AF_PATH);
   for (config::peer& p : a.settings.peers)
      if (p.name == c.settings.node_name) p = c.as_peer(true, true);
   ASSERT_TRUE(a.apply());
   for (unsigned s = 0; s < 120 && a.peer(c).endpoint.family != WRN_AF_INET; s++) {
      a.send(c, 7);
      world.run_ms(1000);
   }
   EXPECT_EQ(a.peer(c).endpoint.family, WRN_AF_INET);
   EXPECT_TRUE(a.peer(c).via.empty());
   EXPECT_TRUE(reach(c, a, 8));
}

TEST_F(overlay, forged_and_broken_overlay_frames_are_dropped) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   line({&a, &b, &c});
   ASSERT_TRUE(reach(a, c, 1));
   ASSERT_TRUE(reach(a, b, 2));
   // From a's own device nothing can be made that looks like a frame: first nibble 0 is not IP.
   std::vector<uint8_t> frame(80, 0);
   frame[0] = 1;
   frame[1] = 7;
   a.tun().inject(frame);
   world.run_ms(100);
   EXPECT_GE(a.drops("not_ip"), 1u);
   EXPECT_TRUE(reach(a, c, 3));
}

} // namespace

} // namespace warren::mesh
