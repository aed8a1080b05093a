// Goal: a peer named by its node id alone is found, believed only when it proves itself, and
// strangers get no answer. Method: meshes under virtual time.
#include "core/base/address.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::mesh_world;

TEST(key_exchange, peers_that_know_only_ids_connect) {
   mesh_world world(31);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   ASSERT_TRUE(world.until(
         [&] { return a.peer(b).tunnel_key.has_value() && b.peer(a).tunnel_key.has_value(); }, 10));
   EXPECT_EQ(*a.peer(b).tunnel_key, b.identity->tunnel.public_key);
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
}

TEST(key_exchange, only_one_side_needs_to_know_where_the_other_is) {
   mesh_world world(32);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b, true, true);
   b.add(a, true, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   ASSERT_TRUE(world.until([&] { return b.peer(a).tunnel_key.has_value(); }, 10));
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
}

TEST(key_exchange, lost_questions_are_repeated) {
   mesh_world world(33);
   auto &a = world.add_node(), &b = world.add_node();
   world.net.set_default_path({.loss = 0.6});
   world.connect_all(true);
   EXPECT_TRUE(world.until([&] { return a.peer(b).tunnel_key && b.peer(a).tunnel_key; }, 300));
}

TEST(key_exchange, stranger_gets_no_answer_and_is_not_learned) {
   mesh_world world(34);
   auto &a = world.add_node(), &b = world.add_node();
   a.add(b, true);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply()); // b knows nobody
   size_t from_b = 0;
   world.net.set_tap([&](const support::wire_view& v) {
      from_b += base::format_address(v.from) == "192.0.2.2" ? 1 : 0;
   });
   world.run_ms(20'000);
   EXPECT_EQ(from_b, 0u);
   EXPECT_FALSE(a.peer(b).tunnel_key.has_value());
   EXPECT_GE(b.drops("auth"), 1u);
}

TEST(key_exchange, rotated_tunnel_key_is_followed_without_a_change_on_the_other_side) {
   mesh_world world(35);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   ASSERT_TRUE(world.until([&] { return a.peer(b).tunnel_key && b.peer(a).tunnel_key; }, 10));
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 3));
   b.new_tunnel_key();
   ASSERT_TRUE(b.apply());
   ASSERT_TRUE(
         world.until([&] { return *a.peer(b).tunnel_key == b.identity->tunnel.public_key; }, 5));
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return b.received(2) == 1; }, 8));
}

TEST(key_exchange, replayed_old_statement_does_not_bring_the_old_key_back) {
   mesh_world world(36);
   auto &a = world.add_node(), &b = world.add_node();
   std::vector<std::vector<uint8_t>> recorded; // everything b ever said to a
   world.net.set_tap([&](const support::wire_view& v) {
      if (base::format_address(v.from) == "192.0.2.2" && v.data.size() == trust::key_datagram_bytes)
         recorded.emplace_back(v.data.begin(), v.data.end());
   });
   world.connect_all(true);
   ASSERT_TRUE(world.until([&] { return a.peer(b).tunnel_key && b.peer(a).tunnel_key; }, 10));
   const auto old = recorded;
   b.new_tunnel_key();
   ASSERT_TRUE(b.apply());
   ASSERT_TRUE(
         world.until([&] { return *a.peer(b).tunnel_key == b.identity->tunnel.public_key; }, 5));
   auto& evil = world.net.add_node({"192.0.2.66"});
   struct nobody final : io::udp_sink {
      io::shard& shard;
      explicit nobody(io::shard& s) : shard(s) {}
      void on_datagrams(io::udp_socket&, std::span<wrn_pkt> p) override { shard.pool().free(p); }
      void on_writable(io::udp_socket&) override {}
   } sink{evil};
   {
      auto socket = *evil.open_udp(*base::parse_endpoint("[::]:1000"), sink);
      ASSERT_FALSE(old.empty());
      for (const auto& datagram : old) {
         wrn_pkt p{};
         ASSERT_EQ(evil.pool().alloc({&p, 1}, static_cast<uint32_t>(datagram.size())), 1u);
         std::copy(datagram.begin(), datagram.end(), p.buf + p.off);
         p.addr = *base::parse_endpoint("192.0.2.1:51820");
         socket->send({&p, 1});
      }
      world.run_ms(100);
   }
   EXPECT_EQ(*a.peer(b).tunnel_key, b.identity->tunnel.public_key);
}

TEST(key_exchange, flood_of_junk_costs_a_bounded_number_of_openings) {
   mesh_world world(37);
   auto &a = world.add_node(), &b = world.add_node();
   world.connect_all(true);
   ASSERT_TRUE(world.until([&] { return a.peer(b).tunnel_key && b.peer(a).tunnel_key; }, 10));
   auto& evil = world.net.add_node({"192.0.2.66"});
   struct nobody final : io::udp_sink {
      void on_datagrams(io::udp_socket&, std::span<wrn_pkt>) override {}
      void on_writable(io::udp_socket&) override {}
   } sink;
   {
      auto socket = *evil.open_udp(*base::parse_endpoint("[::]:1000"), sink);
      for (int i = 0; i < 2000; i++) {
         wrn_pkt p{};
         ASSERT_EQ(evil.pool().alloc({&p, 1}, trust::key_datagram_bytes), 1u);
         std::memset(p.buf + p.off, 0xaa, p.len);
         p.addr = *base::parse_endpoint("192.0.2.1:51820");
         socket->send({&p, 1});
      }
      world.run_ms(50);
   }
   EXPECT_LE(a.drops("auth"), 220u);
   EXPECT_GE(a.drops("rate"), 1700u);
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
}

} // namespace
} // namespace warren::mesh
