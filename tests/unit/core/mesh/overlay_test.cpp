// Goal: members without a direct path reach each other through relays, end to end encrypted, by the
// ways that a routing plugin publishes; and go back to the direct path when there is one. Method:
// whole nodes with the wireguard transport and the routing template over the fake network.
#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"
#include "core/mesh/frame.hpp"
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

/// Neighbours talk in plaintext, so that the wire shows what a relay gets; the ends' own link is
/// WireGuard's, nested.
TEST_F(overlay, a_relay_sees_only_what_is_sealed_for_the_end) {
   mesh_node &a = add(false), &b = add(true), &c = add(false);
   for (mesh_node* n : {&a, &b, &c}) {
      config::plugin_use plain = n->settings.transports.front();
      plain.plugin = "plain";
      plain.values = {};
      plain.listen = *base::parse_endpoint("[::]:51821");
      n->settings.transports.push_back(plain);
   }
   line({&a, &b, &c});
   for (mesh_node* n : {&a, &b, &c}) {
      for (config::peer& p : n->settings.peers)
         for (std::string& at : p.endpoints)
            at = "plain" + at.substr(at.find("://"), at.rfind(':') - at.find("://")) + ":51821";
      ASSERT_TRUE(n->apply());
   }
   constexpr uint32_t to_neighbor = 0x5ee0ee15, to_end = 0x5ec4e701;
   size_t neighbors_seen = 0, ends_seen = 0;
   world.net.set_tap([&](const support::wire_view& view) {
      const auto shows = [&](uint32_t mark) {
         return std::search(view.data.begin(), view.data.end(), reinterpret_cast<uint8_t*>(&mark),
                            reinterpret_cast<uint8_t*>(&mark) + sizeof mark) != view.data.end();
      };
      neighbors_seen += shows(to_neighbor) ? 1 : 0;
      ends_seen += shows(to_end) ? 1 : 0;
   });
   ASSERT_TRUE(reach(a, b, to_neighbor));
   ASSERT_TRUE(reach(a, c, to_end)) << a.peer(c).last_error;
   EXPECT_EQ(a.peer(b).transport, "plain");
   EXPECT_EQ(a.peer(c).transport, "wireguard");
   EXPECT_EQ(a.peer(c).via, "node2");
   EXPECT_GT(neighbors_seen, 0u); // the wire is readable
   EXPECT_EQ(ends_seen, 0u);
   EXPECT_EQ(b.received(to_end), 0u);
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

struct silent final : io::udp_sink {
   io::packet_pool& pool;
   explicit silent(io::packet_pool& p) : pool(p) {}
   void on_datagrams(io::udp_socket&, std::span<wrn_pkt> packets) override { pool.free(packets); }
   void on_writable(io::udp_socket&) override {}
};

/// An evil neighbour: its link is good, the frames in it are not.
TEST(overlay_attack, forged_and_broken_overlay_frames_are_counted_and_go_nowhere) {
   mesh_world plain(12, "plain");
   auto &a = plain.add_node(), &b = plain.add_node(), &c = plain.add_node();
   b.settings.relay = true;
   for (mesh_node* n : {&a, &b, &c})
      for (mesh_node* other : {&a, &b, &c})
         if (n != other) n->add(*other, true);
   for (mesh_node* n : {&a, &b, &c})
      ASSERT_TRUE(n->apply());
   a.send(b, 1);
   b.send(c, 2);
   ASSERT_TRUE(plain.until([&] { return b.received(1) == 1 && c.received(2) == 1; }, 10));
   a.stop(); // from now on the test speaks for it
   silent sink(a.shard.pool());
   auto socket = *a.shard.open_udp(*base::parse_endpoint("192.0.2.1:51820"), sink);
   const auto number = [](const mesh_node& n) {
      return std::max(1u, crypto::short_name("warren overlay address 1", n.identity->signing.id));
   };
   const auto say = [&](std::vector<uint8_t> frame) {
      std::vector<uint8_t> bytes(a.identity->tunnel.public_key.begin(),
                                 a.identity->tunnel.public_key.begin() + 8);
      bytes.insert(bytes.end(), frame.begin(), frame.end());
      wrn_pkt packet{};
      ASSERT_EQ(a.shard.pool().alloc({&packet, 1}, static_cast<uint32_t>(bytes.size())), 1u);
      std::copy(bytes.begin(), bytes.end(), packet.buf + packet.off);
      packet.addr = *base::parse_endpoint("192.0.2.2:51820");
      socket->send({&packet, 1});
      plain.run_ms(20);
   };
   const auto frame = [&](uint8_t hops, uint16_t transport, uint32_t from, uint32_t to) {
      std::vector<uint8_t> f(frame_header_bytes + 64, 0x45);
      write_overlay_header(f.data(), hops, 64, transport, from, to);
      return f;
   };
   size_t wire = 0;
   plain.net.set_tap([&](const support::wire_view& view) { wire += view.from.ip[3] == 2 ? 1 : 0; });
   const auto expect_drop = [&](const char* reason, const std::vector<uint8_t>& f) {
      const uint64_t before = b.drops(reason);
      const size_t sent = wire;
      say(f);
      EXPECT_EQ(b.drops(reason), before + 1) << reason;
      EXPECT_EQ(wire, sent) << "the relay sent something on: " << reason;
   };
   const std::string_view word = "plain";
   const auto transport = static_cast<uint16_t>(crypto::short_name(
         "warren transport 1", {reinterpret_cast<const uint8_t*>(word.data()), word.size()}));
   expect_drop("no_way", frame(8, transport, number(a), 0x12345678));  // nobody's number
   expect_drop("no_way", frame(1, transport, number(a), number(c)));   // has come far enough
   expect_drop("no_way", frame(0, transport, number(a), number(c)));   // for neighbours only
   expect_drop("no_link", frame(8, 0xffff, number(a), number(b)));     // no such transport
   expect_drop("no_link", frame(8, transport, 0x12345678, number(b))); // from nobody
   auto lies = frame(8, transport, number(a), number(c));
   lies[4] = 0xff;
   lies[5] = 0xff;
   expect_drop("malformed", lies);
   auto other_version = frame(8, transport, number(a), number(c));
   other_version[0] = 0x02;
   expect_drop("malformed", other_version);
   // And what is right goes on, one hop fewer.
   wire = 0;
   say(frame(8, transport, number(a), number(c)));
   EXPECT_EQ(wire, 1u);
   socket.reset();
}

} // namespace

} // namespace warren::mesh
