// Goal: members reach each other and only as themselves, whatever the network does. Method: whole
// meshes with the real plugins under virtual time; the world checks at its end that nothing is left
// over.
#include "core/base/address.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::make_udp4;
using support::mesh_world;

TEST(network, two_nodes_exchange_packets_in_both_families) {
   mesh_world world(1);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   a.send(b, 100);
   b.send6(a, 200);
   EXPECT_TRUE(world.until([&] { return b.received(100) == 1 && a.received(200) == 1; }, 2));
   EXPECT_EQ(a.peer(b).state, peer_state::up);
   EXPECT_EQ(base::format_endpoint(a.peer(b).endpoint), "192.0.2.2:51820");
   EXPECT_TRUE(a.saw("peer.up"));
}

TEST(network, plain_transport_carries_the_same_traffic_and_says_that_it_is_plaintext) {
   mesh_world world(2, "plain");
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 1));
   EXPECT_TRUE(a.network->status().instances.front().plaintext);
}

TEST(network, plaintext_is_refused_unless_allowed_and_the_error_says_where_and_what_to_do) {
   mesh_world world(3, "plain");
   auto& a = world.add_node();
   a.settings.allow_plaintext = false;
   a.settings.transports.front().where = {"acme.toml", 7, 1};
   const auto r = a.apply();
   ASSERT_FALSE(r);
   EXPECT_NE(r.error().text.find("acme.toml:7:1"), std::string::npos) << r.error().text;
   EXPECT_NE(r.error().text.find("allow_plaintext"), std::string::npos);
   EXPECT_EQ(a.shard.sockets(), 0u);
}

TEST(network, no_inner_byte_is_visible_on_the_wire) {
   mesh_world world(4);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   const uint32_t mark = 0x5ec3e7ab;
   bool seen = false;
   world.net.set_tap([&](const support::wire_view& v) {
      for (size_t i = 0; i + 4 <= v.data.size(); i++)
         seen |= std::memcmp(&v.data[i], &mark, 4) == 0;
   });
   for (int i = 0; i < 20; i++)
      a.send(b, mark, 100 + static_cast<size_t>(i) * 60);
   EXPECT_TRUE(world.until([&] { return b.received(mark) == 20; }, 3));
   EXPECT_FALSE(seen);
}

TEST(network, packets_that_wait_for_the_handshake_arrive_in_order_and_the_queue_is_bounded) {
   mesh_world world(5);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   for (uint32_t i = 0; i < 300; i++)
      a.send(b, 1000 + i);
   EXPECT_TRUE(world.until([&] { return b.received(1299) == 1; }, 3));
   uint32_t last = 0;
   size_t count = 0;
   for (const auto& p : b.tun().written) {
      uint32_t mark = 0;
      std::memcpy(&mark, &p[28], 4);
      if (p[9] != 17) continue;
      EXPECT_GT(mark, last);
      last = mark;
      count++;
   }
   EXPECT_EQ(count, 128u); // what is staged: the newest
   EXPECT_EQ(a.drops("queue_full"), 300u - 128u);
}

TEST(network, source_that_belongs_to_somebody_else_is_dropped_and_counted) {
   mesh_world world(6);
   auto &a = world.add_node(), &b = world.add_node(), &c = world.add_node();
   world.connect_all();
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   a.tun().inject(make_udp4(c.address(), b.address(), 2)); // a lies about who it is
   a.tun().inject(make_udp4("172.16.0.1", b.address(), 3));
   a.send(b, 4);
   ASSERT_TRUE(world.until([&] { return b.received(4) == 1; }, 2));
   EXPECT_EQ(b.received(2), 0u);
   EXPECT_EQ(b.received(3), 0u);
   EXPECT_EQ(b.drops("wrong_source"), 2u);
   EXPECT_EQ(b.peer(a).drops.front().second, 2u);
}

TEST(network, destination_that_nobody_owns_is_answered_with_icmp_and_counted) {
   mesh_world world(7);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   a.tun().inject(make_udp4(a.address(), "10.9.9.9", 1));
   world.run_ms(10);
   EXPECT_EQ(a.drops("no_owner"), 1u);
   ASSERT_EQ(a.tun().written.size(), 1u);
   const auto& icmp = a.tun().written.front();
   EXPECT_EQ(icmp[9], 1);
   EXPECT_EQ(icmp[20], 3); // destination unreachable
   (void)b;
}

TEST(network, peer_without_known_endpoint_is_answered_with_icmp_until_it_comes_to_us) {
   mesh_world world(8);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b, false, false);
   b.add(a);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   world.run_ms(10);
   EXPECT_EQ(a.drops("no_link"), 1u);
   EXPECT_EQ(a.peer(b).last_error, "no endpoint known");
   b.send(a, 2);
   ASSERT_TRUE(world.until([&] { return a.received(2) == 1; }, 2));
   a.send(b, 3);
   EXPECT_TRUE(world.until([&] { return b.received(3) == 1; }, 2));
}

TEST(network, next_endpoint_is_tried_when_the_first_is_silent) {
   mesh_world world(9);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b);
   a.settings.peers[0].endpoints = {"wireguard://192.0.2.77:51820", "wireguard://192.0.2.2:51820"};
   b.add(a, false, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 15));
}

TEST(network, host_name_is_resolved_again_when_the_peer_stops_answering) {
   mesh_world world(10);
   auto &a = world.add_node(), &b = world.add_node();
   world.net.add_name("b.example", {"192.0.2.99"}); // stale: nobody is there
   a.add(b);
   a.settings.peers[0].endpoints = {"wireguard://b.example:51820"};
   b.add(a, false, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   world.run_ms(3000);
   EXPECT_EQ(b.received(1), 0u);
   world.net.add_name("b.example", {"192.0.2.2"});
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 40));
}

TEST(network, unresolvable_name_is_asked_again_until_it_resolves) {
   mesh_world world(11);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b);
   a.settings.peers[0].endpoints = {"wireguard://late.example:51820"};
   a.settings.peers[0].keepalive_s = 1;
   b.add(a, false, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   world.run_ms(10'000);
   world.net.add_name("late.example", {"192.0.2.2"});
   EXPECT_TRUE(world.until([&] { return a.peer(b).state == peer_state::up; }, 60));
}

TEST(network, own_datagram_routed_into_the_tunnel_is_dropped_and_counted) {
   mesh_world world(20);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   a.settings.peers[0].routes = {*base::parse_prefix("192.0.2.2")};
   ASSERT_TRUE(a.apply());
   auto outer = make_udp4("192.0.2.1", "192.0.2.2", 1);
   outer[20] = outer[22] = 51820 >> 8;
   outer[21] = outer[23] = 51820 & 255;
   a.tun().inject(outer);
   outer[21]--; // somebody else's, from another port: passes
   a.tun().inject(outer);
   world.run_ms(2000);
   EXPECT_EQ(a.drops("loop"), 1u);
   EXPECT_EQ(b.drops("wrong_source"), 1u);
}

TEST(network, roaming_peer_is_followed_after_it_proved_itself) {
   mesh_world world(12);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   b.send(a, 1);
   ASSERT_TRUE(world.until([&] { return a.received(1) == 1; }, 2));
   world.net.move_address(b.shard, "192.0.2.2", "198.51.100.7");
   b.send(a, 2);
   ASSERT_TRUE(world.until([&] { return a.received(2) == 1; }, 2));
   EXPECT_EQ(base::format_address(a.peer(b).endpoint), "198.51.100.7");
   EXPECT_TRUE(a.saw("peer.moved"));
   a.send(b, 3);
   EXPECT_TRUE(world.until([&] { return b.received(3) == 1; }, 2));
}

TEST(network, peer_that_restarts_is_reached_again) {
   mesh_world world(13);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   b.stop();
   ASSERT_TRUE(b.apply());
   b.send(a, 2); // the restarted side speaks first: at once
   EXPECT_TRUE(world.until([&] { return a.received(2) == 1; }, 2));
   b.stop();
   ASSERT_TRUE(b.apply());
   // The other side finds out by silence, 15 s after it sent.
   EXPECT_TRUE(world.until(
         [&, last = uint64_t{0}]() mutable {
            if (world.net.now() - last > 1'000'000'000) a.send(b, 3), last = world.net.now();
            return b.received(3) > 0;
         },
         25));
}

TEST(network, ping_reports_round_trip_and_path_and_a_silent_peer_times_out) {
   mesh_world world(14);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   // The fake TUN has no kernel behind it: answer echo requests as one would.
   b.tun().on_written = [&](std::span<const uint8_t> p) {
      if (p[9] != 1 || p[20] != 8) return;
      std::vector<uint8_t> reply(p.begin(), p.end());
      std::swap_ranges(reply.begin() + 12, reply.begin() + 16, reply.begin() + 16);
      reply[20] = 0;
      b.tun().inject(reply);
   };
   std::optional<base::result<ping_result>> result;
   a.network->ping("node2", 56, 1'000'000'000, [&](auto r) { result = r; });
   ASSERT_TRUE(world.until([&] { return result.has_value(); }, 3));
   ASSERT_TRUE(*result) << result->error().text;
   EXPECT_GE((*result)->rtt_us, 2000u); // two ways of a millisecond
   EXPECT_EQ((*result)->transport, "wireguard");
   EXPECT_EQ(a.tun().written.size(), 0u); // our own echo does not reach the applications
   b.tun().on_written = [](auto) {};
   result.reset();
   a.network->ping(b.address(), 56, 1'000'000'000, [&](auto r) { result = r; });
   ASSERT_TRUE(world.until([&] { return result.has_value(); }, 3));
   EXPECT_EQ(result->error().code, base::errc::timeout);
   result.reset();
   a.network->ping("nobody", 56, 1'000'000'000, [&](auto r) { result = r; });
   ASSERT_TRUE(result.has_value());
   EXPECT_EQ(result->error().code, base::errc::not_found);
}

TEST(network, warren_nodes_measure_their_round_trip_while_there_is_traffic) {
   mesh_world world(15);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return a.peer(b).rtt_us >= 2000; }, 20));
}

TEST(network, stock_peers_get_nothing_but_ip) {
   mesh_world world(16, "plain"); // plain, so that the wire can be read
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(false);
   size_t frames = 0;
   world.net.set_tap([&](const support::wire_view& v) {
      frames += v.data.size() > 8 && v.data[8] >> 4 == 0 ? 1 : 0;
   });
   for (int i = 0; i < 40; i++) {
      a.send(b, 1);
      b.send(a, 2);
      world.run_ms(1000);
   }
   EXPECT_EQ(frames, 0u);
}

TEST(network, traffic_survives_loss_reordering_and_duplication_without_a_duplicate_inside) {
   mesh_world world(17);
   auto &a = world.add_node(), &b = world.add_node();
   world.net.set_default_path(
         {.loss = 0.1, .duplicate = 0.1, .reorder = 0.2, .jitter_ns = 2'000'000});
   world.connect_all();
   a.send(b, 0);
   ASSERT_TRUE(world.until([&] { return a.peer(b).state == peer_state::up; }, 60));
   for (uint32_t i = 1; i <= 500; i++) {
      a.send(b, i);
      world.run_ms(2);
   }
   world.run_ms(1000);
   size_t arrived = 0;
   for (uint32_t i = 1; i <= 500; i++) {
      ASSERT_LE(b.received(i), 1u) << i;
      arrived += b.received(i);
   }
   EXPECT_GT(arrived, 400u);
   EXPECT_LT(arrived, 490u);
}

TEST(network, idle_mesh_has_no_timer_that_fires_often) {
   mesh_world world(18);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   world.run_ms(700'000); // keepalives, echoes and sessions have run out
   const auto before = world.net.stats().sent;
   world.run_ms(600'000);
   EXPECT_EQ(world.net.stats().sent, before);
}

TEST(network, ten_nodes_reach_each_other) {
   mesh_world world(19);
   for (int i = 0; i < 10; i++)
      world.add_node();
   world.connect_all(true);
   const auto mark = [](const support::mesh_node& a, const support::mesh_node& b) {
      return a.number * 100 + b.number;
   };
   // Ids are resolved first; what is sent before that is dropped with an answer.
   ASSERT_TRUE(world.until(
         [&] {
            for (auto& n : world.nodes)
               for (const auto& p : n->network->status().peers)
                  if (p.state == peer_state::resolving) return false;
            return true;
         },
         20));
   for (auto& a : world.nodes)
      for (auto& b : world.nodes)
         if (a != b) a->send(*b, mark(*a, *b));
   EXPECT_TRUE(world.until(
         [&] {
            for (auto& a : world.nodes)
               for (auto& b : world.nodes)
                  if (a != b && b->received(mark(*a, *b)) != 1) return false;
            return true;
         },
         20));
}

} // namespace
} // namespace warren::mesh
