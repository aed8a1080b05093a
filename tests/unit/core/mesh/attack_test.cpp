// Goal: strangers, evil members and hostile timing cost an honest node nothing but what its limits
// say. Method: meshes under virtual time in which one node misbehaves; the world checks at its end
// that nothing is left over.
#include "core/base/address.hpp"
#include "core/mesh/frame.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::make_udp4;
using support::mesh_world;

size_t count_events(const support::mesh_node& n, std::string_view name) {
   return static_cast<size_t>(std::count_if(n.events.begin(), n.events.end(),
                                            [&](const event& e) { return e.name == name; }));
}

TEST(attack, packets_for_many_silent_peers_leave_memory_for_the_one_that_answers) {
   mesh_world world(60);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   for (unsigned i = 0; i < 60; i++) {
      config::peer silent;
      silent.name = "silent" + std::to_string(i);
      silent.tunnel_key.emplace();
      a.shard.random(silent.tunnel_key->data(), 32);
      silent.addresses = {*base::parse_prefix("10.0.0." + std::to_string(100 + i))};
      silent.endpoints = {"wireguard://192.0.2." + std::to_string(100 + i) + ":51820"};
      a.settings.peers.push_back(silent);
   }
   ASSERT_TRUE(a.apply());
   for (unsigned round = 0; round < 20; round++) {
      for (unsigned i = 0; i < 60; i++)
         for (unsigned k = 0; k < 10; k++)
            a.tun().inject(make_udp4(a.address(), "10.0.0." + std::to_string(100 + i), 9));
      world.run_ms(10);
   }
   EXPECT_LE(a.shard.pool().slots_in_use(), 2500u);
   a.send(b, 1); // the first packet may be the price, the session is not
   world.run_ms(1000);
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return b.received(2) == 1; }, 2));
   b.send(a, 3);
   EXPECT_TRUE(world.until([&] { return a.received(3) == 1; }, 2));
}

TEST(attack, peer_that_moves_with_every_packet_does_not_fill_the_log) {
   mesh_world world(61, "plain");
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   std::string here = "192.0.2.2";
   for (unsigned i = 0; i < 200; i++) {
      const std::string there = "198.51.100." + std::to_string(1 + i);
      world.net.move_address(b.shard, here, there);
      here = there;
      b.send(a, i);
      world.run_ms(10);
   }
   world.run_ms(2000);
   EXPECT_LE(count_events(a, "peer.moved"), 5u);
   EXPECT_EQ(a.events.back().fields.back().second, here + ":51820")
         << "the last place is told, if late";
   a.send(b, 1000);
   EXPECT_TRUE(world.until([&] { return b.received(1000) == 1; }, 2));
}

TEST(attack, member_that_says_a_new_key_with_every_message_does_not_fill_the_log) {
   mesh_world world(62);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   ASSERT_TRUE(world.until([&] { return a.peer(b).tunnel_key.has_value(); }, 5));
   for (int i = 0; i < 60; i++) {
      b.new_tunnel_key();
      ASSERT_TRUE(b.apply());
      world.run_ms(50);
   }
   EXPECT_LE(count_events(a, "peer.key_learned"), 6u);
   EXPECT_GT(a.drops("rate"), 0u);
   // An honest rotation afterwards works, and traffic with it.
   world.run_ms(2000);
   b.new_tunnel_key();
   ASSERT_TRUE(b.apply());
   b.send(a, 5);
   EXPECT_TRUE(world.until([&] { return a.received(5) == 1; }, 30));
}

TEST(attack, key_that_the_operator_pinned_is_not_lost_to_a_member_that_claimed_it_before) {
   mesh_world world(63);
   auto &a = world.add_node(), &b = world.add_node(), &evil = world.add_node();
   auto claims = std::make_shared<trust::identity>();
   claims->signing = crypto::signing_key_from_seed(evil.identity->signing.seed.bytes());
   claims->tunnel = crypto::tunnel_key_from_secret(b.identity->tunnel.secret.bytes());
   claims->tunnel_since_ms = 5;
   evil.identity = claims;
   a.add(evil, true);
   evil.add(a, true);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(evil.apply());
   ASSERT_TRUE(
         world.until([&] { return a.peer(evil).tunnel_key == b.identity->tunnel.public_key; }, 5));
   a.add(b);
   ASSERT_TRUE(a.apply());
   b.add(a);
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 3));
   EXPECT_NE(a.peer(evil).last_error.find("claims the tunnel key"), std::string::npos)
         << a.peer(evil).last_error;
   world.run_ms(70'000); // it claims on; the pinned one stays
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return b.received(2) == 1; }, 3));
}

TEST(attack, device_replaced_in_a_change_that_fails_later_is_still_there) {
   mesh_world world(64, "plain");
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all();
   const auto before = a.settings;
   a.settings.offload = base::offload_set::none();
   config::plugin_use second = a.settings.transports.front();
   second.values.entries["x"] = {true, {}};
   second.listen = *base::parse_endpoint("198.51.100.9:51820"); // not ours
   a.settings.transports.push_back(second);
   ASSERT_FALSE(a.apply());
   EXPECT_EQ(a.network->status().interface, "mesh1");
   EXPECT_TRUE(a.network->status().up);
   a.settings = before;
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   b.send(a, 2);
   EXPECT_TRUE(world.until([&] { return a.received(2) == 1; }, 2));
}

TEST(attack, peer_removed_while_its_packets_wait_takes_them_along) {
   mesh_world world(65);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b);
   ASSERT_TRUE(a.apply());
   for (uint32_t i = 0; i < 50; i++)
      a.send(b, i);
   std::optional<base::result<ping_result>> first, second;
   a.network->ping("node2", 56, 10'000'000'000, [&](auto r) {
      first = r;
      a.network->ping("node2", 56, 10'000'000'000,
                      [&](auto s) { second = s; }); // from within the answer
   });
   world.run_ms(10);
   EXPECT_GT(a.shard.pool().slots_in_use(), 0u);
   a.settings.peers.clear();
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(a.shard.pool().slots_in_use(), 0u);
   ASSERT_TRUE(first && second);
   EXPECT_EQ(second->error().code, base::errc::not_found);
}

TEST(attack, transport_replaced_while_links_connect_drops_what_waited_and_connects_anew) {
   mesh_world world(66);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b);
   ASSERT_TRUE(a.apply());
   for (uint32_t i = 0; i < 50; i++)
      a.send(b, i);
   world.run_ms(10);
   a.settings.transports.front().listen = *base::parse_endpoint("[::]:51821");
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(a.shard.pool().slots_in_use(), 0u);
   b.add(a, false, false);
   ASSERT_TRUE(b.apply());
   a.send(b, 100);
   EXPECT_TRUE(world.until([&] { return b.received(100) == 1; }, 10));
}

TEST(attack, reloads_during_traffic_lose_nothing) {
   mesh_world world(67);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 10));
   for (uint32_t i = 0; i < 300; i++) {
      a.send(b, 1000 + i);
      b.send(a, 2000 + i);
      if (i % 10 == 0) {
         a.settings.mtu = 1300 + i;
         a.settings.peers[0].routes = {
               *base::parse_prefix("10." + std::to_string(i % 200) + ".0.0/16")};
         a.settings.peers[0].keepalive_s = i % 3;
         ASSERT_TRUE(a.apply());
      }
      world.run_ms(3);
   }
   world.run_ms(50);
   for (uint32_t i = 0; i < 300; i++) {
      ASSERT_EQ(b.received(1000 + i), 1u) << i;
      ASSERT_EQ(a.received(2000 + i), 1u) << i;
   }
}

TEST(attack, echo_flood_of_a_member_is_answered_once_per_turn_and_reaches_no_application) {
   mesh_world world(68, "plain");
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 5));
   // b's interface gives b's plain transport whatever it is told: frames cannot come from there, so
   // they are written on the wire by the tap's view of the protocol: eight bytes of tag, then the
   // frame.
   std::array<uint8_t, 8 + frame_header_bytes + echo_bytes> datagram{};
   std::memcpy(datagram.data(), b.identity->tunnel.public_key.data(), 8);
   write_frame(datagram.data() + 8, frame_type::echo, std::array<uint8_t, echo_bytes>{1});
   struct silent final : io::udp_sink {
      io::packet_pool& pool;
      explicit silent(io::packet_pool& p) : pool(p) {}
      void on_datagrams(io::udp_socket&, std::span<wrn_pkt> d) override { pool.free(d); }
      void on_writable(io::udp_socket&) override {}
   } sink(b.shard.pool());
   auto socket = b.shard.open_udp(*base::parse_endpoint("192.0.2.2:9"), sink);
   ASSERT_TRUE(socket) << socket.error().text;
   const auto written = a.tun().written.size();
   const auto before = world.net.stats().sent;
   std::vector<wrn_pkt> packets(100);
   ASSERT_EQ(b.shard.pool().alloc(packets, datagram.size()), 100u);
   for (auto& p : packets) {
      std::memcpy(p.buf + p.off, datagram.data(), datagram.size());
      p.addr = *base::parse_endpoint("192.0.2.1:51820");
   }
   (*socket)->send(packets);
   world.run_ms(20);
   EXPECT_EQ(a.tun().written.size(), written);
   EXPECT_LE(world.net.stats().sent - before, 100u + 10u);
   socket->reset();
}

TEST(attack, three_hundred_names_are_resolved_within_seconds) {
   mesh_world world(69);
   auto& a = world.add_node();
   for (unsigned i = 0; i < 300; i++) {
      config::peer p;
      p.name = "p" + std::to_string(i);
      p.tunnel_key.emplace();
      a.shard.random(p.tunnel_key->data(), 32);
      p.addresses = {
            *base::parse_prefix("10.1." + std::to_string(i / 100) + "." + std::to_string(i % 100))};
      const std::string name = p.name + ".example";
      p.endpoints = {"wireguard://" + name + ":51820"};
      world.net.add_name(name, {"192.0.2.99"});
      a.settings.peers.push_back(p);
   }
   ASSERT_TRUE(a.apply());
   world.run_ms(3000);
   size_t known = 0;
   for (const auto& p : a.network->status().peers)
      known += p.endpoint.family != WRN_AF_NONE ? 1 : 0;
   EXPECT_EQ(known, 300u);
}

} // namespace
} // namespace warren::mesh
