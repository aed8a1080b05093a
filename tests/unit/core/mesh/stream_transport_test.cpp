// Goal: a mesh over the template of a stream transport works: traffic both ways, ends, losses of
// connections, calls from both sides at once, strangers, and bounded memory with a slow reader.
// Method: whole nodes with the template's module over the fake network, under virtual time; the
// world checks at its end that no packet, timer or stream is left.
#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "tests/support/fake_tcp.hpp"
#include "tests/support/mesh_world.hpp"
#include "tests/support/stream_collector.hpp"
#include "warren/cpp/stream_values.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::mesh_node;

struct stream_mesh : ::testing::Test {
   support::mesh_world world{7, "my-plugin"};
   mesh_node &a = world.add_node(), &b = world.add_node();
   stream_mesh() {
      auto loaded = plugin::module::load(WARREN_STREAM_TEMPLATE);
      EXPECT_TRUE(loaded) << loaded.error().text;
      world.plugins.add(*loaded);
   }
   /// The packet arrives, perhaps after a connection was made.
   void expect_passes(mesh_node& from, mesh_node& to, uint32_t mark, uint64_t seconds = 5) {
      from.send(to, mark);
      EXPECT_TRUE(world.until([&] { return to.received(mark) == 1; }, seconds))
            << mark << ": " << from.peer(to).last_error;
   }
   void block(bool blocked) {
      support::path_options options;
      options.blocked = blocked;
      world.net.set_path_both(a.shard, b.shard, options);
   }
};

TEST_F(stream_mesh, first_packet_makes_the_connection_and_both_families_pass_both_ways) {
   world.connect_all();
   EXPECT_EQ(a.shard.streams(), 0u) << "nothing is sent before somebody wants to";
   expect_passes(a, b, 1);
   expect_passes(b, a, 2);
   a.send6(b, 3);
   b.send6(a, 4);
   EXPECT_TRUE(world.until([&] { return b.received(3) == 1 && a.received(4) == 1; }, 1));
   EXPECT_EQ(a.shard.streams(), 1u);
   EXPECT_EQ(b.shard.streams(), 1u);
   EXPECT_TRUE(a.saw("peer.up"));
   EXPECT_EQ(a.peer(b).state, peer_state::up);
}

TEST_F(stream_mesh, many_packets_arrive_all_and_in_order_over_a_lossy_path) {
   support::path_options bad;
   bad.loss = 0.02;
   bad.jitter_ns = 5'000'000;
   world.net.set_default_path(bad);
   world.connect_all();
   expect_passes(a, b, 1);
   for (uint32_t i = 0; i < 1000; i++) {
      a.send(b, 100 + i, 1000);
      if (i % 50 == 49) world.run_ms(50);
   }
   EXPECT_TRUE(world.until([&] { return b.received(1099) == 1; }, 60));
   const auto& written = b.tun().written;
   ASSERT_EQ(written.size(), 1001u);
   for (uint32_t i = 0; i < 1000; i++) {
      uint32_t mark = 0;
      std::memcpy(&mark, &written[i + 1][28], sizeof mark);
      ASSERT_EQ(mark, 100 + i);
   }
}

TEST_F(stream_mesh, both_sides_dial_at_once_and_end_with_one_connection) {
   for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
      support::mesh_world w(seed, "my-plugin");
      w.plugins.add(*plugin::module::load(WARREN_STREAM_TEMPLATE));
      mesh_node &one = w.add_node(), &two = w.add_node();
      support::path_options path;
      path.jitter_ns = seed * 3'000'000;
      w.net.set_default_path(path);
      w.connect_all();
      for (uint32_t i = 0; i < 20; i++) {
         one.send(two, 100 + i);
         two.send(one, 200 + i);
         w.run_ms(1 + seed);
      }
      w.run_ms(1000);
      for (uint32_t i = 0; i < 20; i++) {
         EXPECT_EQ(two.received(100 + i), 1u) << "seed " << seed;
         EXPECT_EQ(one.received(200 + i), 1u) << "seed " << seed;
      }
      EXPECT_EQ(one.shard.streams(), 1u) << "seed " << seed;
      EXPECT_EQ(two.shard.streams(), 1u) << "seed " << seed;
      EXPECT_EQ(one.peer(two).state, peer_state::up);
      EXPECT_FALSE(one.saw("peer.down")) << "seed " << seed;
   }
}

TEST_F(stream_mesh, peer_that_stops_is_told_at_once_and_found_again_when_it_is_back) {
   world.connect_all();
   expect_passes(a, b, 1);
   b.stop();
   EXPECT_TRUE(world.until([&] { return a.saw("peer.down"); }, 1));
   world.run_ms(3000);
   ASSERT_TRUE(b.apply());
   // a tries again by itself, since it had traffic a moment ago.
   EXPECT_TRUE(world.until([&] { return b.peer(a).state == peer_state::up; }, 60));
   expect_passes(b, a, 2);
   expect_passes(a, b, 3);
   EXPECT_EQ(a.shard.streams(), 1u);
}

TEST_F(stream_mesh, silent_path_is_noticed_by_who_sends_and_mended_when_it_is_back) {
   world.connect_all();
   expect_passes(a, b, 1);
   block(true);
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return a.saw("peer.down"); }, 60));
   EXPECT_TRUE(b.peer(a).state == peer_state::up) << "it sent nothing and heard nothing";
   block(false);
   EXPECT_TRUE(world.until([&] { return a.peer(b).state == peer_state::up; }, 120));
   expect_passes(a, b, 3);
   expect_passes(b, a, 4);
   world.run_ms(15'000);
   EXPECT_EQ(b.shard.streams(), 1u) << "the dead one went when the new one was claimed";
}

TEST_F(stream_mesh, peer_that_vanished_without_a_word_takes_over_when_it_calls_again) {
   for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
      support::mesh_world w(seed, "my-plugin");
      w.plugins.add(*plugin::module::load(WARREN_STREAM_TEMPLATE));
      mesh_node &one = w.add_node(), &two = w.add_node();
      w.connect_all();
      two.send(one, 1);
      ASSERT_TRUE(w.until([&] { return one.received(1) == 1; }, 1));
      support::path_options none;
      none.blocked = true;
      w.net.set_default_path(none);
      one.stop();
      w.run_ms(60'000); // its goodbye is lost, and two has nothing to say
      ASSERT_EQ(two.peer(one).state, peer_state::up);
      w.net.set_default_path({});
      ASSERT_TRUE(one.apply());
      one.send(two, 2);
      EXPECT_TRUE(w.until([&] { return two.received(2) == 1; }, 1)) << "seed " << seed;
      two.send(one, 3);
      EXPECT_TRUE(w.until([&] { return one.received(3) == 1; }, 1)) << "seed " << seed;
      w.run_ms(60'000);
      EXPECT_EQ(one.shard.streams(), 1u) << "seed " << seed;
      EXPECT_EQ(two.shard.streams(), 1u) << "seed " << seed;
   }
}

TEST_F(stream_mesh, attempts_become_rare_and_end_when_nobody_wants_the_link) {
   world.connect_all();
   b.stop();
   uint64_t before = a.events.size();
   a.send(b, 1);
   world.run_ms(200'000);
   const uint64_t dials = a.events.size() - before;
   EXPECT_LT(dials, 20u);
   EXPECT_NE(a.peer(b).state, peer_state::connecting)
         << "given up after 90 seconds without traffic";
   EXPECT_GE(a.drops("expired"), 1u);
   EXPECT_EQ(a.shard.streams(), 0u);
}

TEST_F(stream_mesh, keepalive_makes_the_connection_alone_and_keeps_it_speaking) {
   a.add(b);
   b.add(a, false, false);
   a.settings.peers.front().keepalive_s = 2;
   ASSERT_TRUE(b.apply());
   ASSERT_TRUE(a.apply());
   EXPECT_TRUE(world.until([&] { return a.peer(b).state == peer_state::up; }, 5));
   uint64_t segments = 0;
   world.net.set_tap([&](const support::wire_view& v) { segments += v.data.size() == 2; });
   world.run_ms(10'100);
   EXPECT_EQ(segments, 5u);
   world.net.set_tap(nullptr);
   expect_passes(b, a, 1);
   // The connection is lost without a word: the next keepalives find out, and it is made anew.
   block(true);
   EXPECT_TRUE(world.until([&] { return a.peer(b).state != peer_state::up; }, 60));
   block(false);
   EXPECT_TRUE(world.until([&] { return a.peer(b).state == peer_state::up; }, 120));
}

TEST_F(stream_mesh, node_without_an_endpoint_answers_over_the_connection_it_was_called_by) {
   a.add(b);
   b.add(a, false, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   b.send(a, 1);
   world.run_ms(100);
   EXPECT_EQ(a.received(1), 0u);
   EXPECT_EQ(b.drops("no_link"), 1u);
   expect_passes(a, b, 2);
   expect_passes(b, a, 3);
}

TEST_F(stream_mesh, slow_path_gives_bounded_memory_and_drops_what_is_too_much) {
   world.connect_all();
   expect_passes(a, b, 1);
   support::path_options slow;
   slow.rate_bps = 1'000'000;
   world.net.set_path_both(a.shard, b.shard, slow);
   for (int i = 0; i < 100; i++) {
      for (int k = 0; k < 100; k++)
         a.send(b, 7, 1300);
      world.run_ms(10);
   }
   EXPECT_LE(a.shard.stream_bytes_most(), base::limits::stream_unsent_bytes);
   EXPECT_LE(b.shard.stream_bytes_most(), support::fake_tcp_wire::window_bytes);
   EXPECT_GT(a.drops("queue_full"), 5000u);
   // One batch in the plugin, the link's queue in the core, the rest in packets of the pool.
   EXPECT_LE(a.shard.pool().slots_in_use(), base::limits::link_queue_max + 128u);
   // Nothing is stuck: what was queued arrives, and then new packets do.
   world.run_ms(20'000);
   EXPECT_EQ(a.shard.pool().slots_in_use(), 0u);
   const size_t got = b.received(7);
   EXPECT_EQ(got + a.drops("queue_full"), 10'000u) << "every packet is delivered or counted";
   expect_passes(a, b, 8);
}

TEST_F(stream_mesh, packets_before_the_connection_are_kept_up_to_a_bound) {
   support::path_options far;
   far.delay_ns = 100'000'000;
   world.net.set_default_path(far);
   world.connect_all();
   for (int i = 0; i < 1000; i++)
      a.send(b, 9);
   world.run_ms(50);
   EXPECT_LE(a.shard.pool().slots_in_use(), base::limits::link_queue_max + 64u);
   world.run_ms(2000);
   EXPECT_EQ(b.received(9) + a.drops("queue_full"), 1000u);
   EXPECT_GE(b.received(9), 64u);
}

TEST_F(stream_mesh, strangers_junk_and_other_channels_are_closed_and_hurt_nobody) {
   world.connect_all();
   expect_passes(a, b, 1);
   support::fake_shard& evil = world.net.add_node({"192.0.2.66"});
   const wrn_addr to = *base::parse_endpoint("192.0.2.2:51820");
   std::vector<uint8_t> stranger(37, 1);
   stranger[0] = 0, stranger[1] = 35, stranger[2] = 'W', stranger[3] = 'S', stranger[4] = 0;
   std::vector<uint8_t> other_channel = stranger;
   other_channel[4] = 9;
   const std::vector<std::vector<uint8_t>> junk = {
         stranger,        other_channel,
         {0, 0},          {0, 4, 0x45, 0, 0, 0},
         {0xff, 0xff, 1}, std::vector<uint8_t>(100'000, 0xaa)};
   for (const auto& bytes : junk) {
      support::stream_collector c;
      c.stream = std::move(*evil.connect_tcp(to, c));
      ASSERT_TRUE(world.until([&] { return c.outcome.has_value(); }, 1));
      c.write(bytes);
      EXPECT_TRUE(world.until([&] { return c.ends != 0 || c.closed; }, 2))
            << int{bytes[0]} << " " << bytes.size();
   }
   support::stream_collector silent;
   silent.stream = std::move(*evil.connect_tcp(to, silent));
   EXPECT_FALSE(world.until([&] { return silent.ends != 0; }, 9));
   EXPECT_TRUE(world.until([&] { return silent.ends != 0; }, 2)) << "ten seconds to say hello";
   // A crowd of silent ones does not keep a peer out.
   std::vector<std::unique_ptr<support::stream_collector>> crowd;
   for (int i = 0; i < 300; i++) {
      crowd.push_back(std::make_unique<support::stream_collector>());
      crowd.back()->stream = std::move(*evil.connect_tcp(to, *crowd.back()));
   }
   world.run_ms(500);
   EXPECT_LE(b.shard.streams(), 70u);
   expect_passes(a, b, 2);
   expect_passes(b, a, 3);
}

TEST_F(stream_mesh, answer_of_another_node_than_the_dialled_one_is_refused) {
   mesh_node& c = world.add_node();
   a.add(b);
   a.settings.peers.front().endpoints = {"my-plugin://192.0.2.3:51820"}; // that is c
   a.add(c, false, false);
   c.add(a, false, false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(c.apply());
   a.send(b, 1);
   world.run_ms(3000);
   EXPECT_NE(a.peer(b).state, peer_state::up);
   EXPECT_NE(a.peer(c).state, peer_state::up) << "nobody called c";
   EXPECT_EQ(c.received(1), 0u);
}

TEST_F(stream_mesh, new_tunnel_key_makes_new_connections) {
   world.connect_all();
   expect_passes(a, b, 1);
   a.new_tunnel_key();
   b.settings.peers.front() = a.as_peer();
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   expect_passes(a, b, 2, 60);
   expect_passes(b, a, 3);
   world.run_ms(12'000);
   EXPECT_EQ(a.shard.streams(), 1u);
   EXPECT_EQ(b.shard.streams(), 1u);
}

TEST(stream_transport, relayed_datagram_for_a_transport_on_streams_alone_is_dropped) {
   support::mesh_world world(8, "plain");
   world.plugins.add(*plugin::module::load(WARREN_STREAM_TEMPLATE));
   mesh_node &a = world.add_node(), &b = world.add_node();
   config::plugin_use streams;
   streams.plugin = "my-plugin";
   streams.listen = *base::parse_endpoint("[::]:700");
   a.settings.transports.push_back(streams);
   world.connect_all(true);
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 5));
   const auto number = [](const mesh_node& n) {
      return std::max(1u, crypto::short_name("warren overlay address 1", n.identity->signing.id));
   };
   const std::string_view word = "my-plugin";
   const uint32_t name = crypto::short_name(
         "warren transport 1", {reinterpret_cast<const uint8_t*>(word.data()), word.size()});
   // As b's plain transport would write it: eight bytes of its key, then the frame.
   std::array<uint8_t, 8 + frame_header_bytes + 20> datagram{};
   std::memcpy(datagram.data(), b.identity->tunnel.public_key.data(), 8);
   write_overlay_header(&datagram[8], 3, 20, static_cast<uint16_t>(name), number(b), number(a));
   struct silent final : io::udp_sink {
      void on_datagrams(io::udp_socket&, std::span<wrn_pkt>) override {}
      void on_writable(io::udp_socket&) override {}
   } sink;
   auto socket = b.shard.open_udp(*base::parse_endpoint("192.0.2.2:9"), sink);
   ASSERT_TRUE(socket);
   wrn_pkt p{};
   ASSERT_EQ(b.shard.pool().alloc({&p, 1}, datagram.size()), 1u);
   std::memcpy(p.buf + p.off, datagram.data(), datagram.size());
   p.addr = *base::parse_endpoint("192.0.2.1:51820");
   const uint64_t before = a.drops("no_link");
   (*socket)->send({&p, 1});
   world.run_ms(20);
   EXPECT_EQ(a.drops("no_link"), before + 1);
   socket->reset();
}

TEST(message_reader, cuts_the_same_messages_however_the_bytes_come) {
   std::vector<uint8_t> wire;
   for (const size_t n : {0u, 1u, 5u, 300u, 0u, 16384u, 2u}) {
      uint8_t length[2];
      sdk::message_reader::put_length(length, n);
      wire.insert(wire.end(), length, length + 2);
      wire.insert(wire.end(), n, static_cast<uint8_t>(n));
   }
   for (const size_t step : {1u, 2u, 3u, 7u, 299u, 5000u, 100'000u}) {
      sdk::message_reader reader(16384);
      std::vector<size_t> sizes;
      for (size_t at = 0; at < wire.size(); at += step)
         EXPECT_TRUE(reader.feed(std::span(wire).subspan(at, std::min(step, wire.size() - at)),
                                 [&](std::span<const uint8_t> m) {
                                    for (const uint8_t byte : m)
                                       EXPECT_EQ(byte, static_cast<uint8_t>(m.size()));
                                    sizes.push_back(m.size());
                                    return true;
                                 }));
      EXPECT_EQ(sizes, (std::vector<size_t>{0, 1, 5, 300, 0, 16384, 2})) << step;
   }
   sdk::message_reader strict(100);
   const uint8_t long_one[] = {0, 101};
   const auto take = [](std::span<const uint8_t>) { return true; };
   EXPECT_FALSE(strict.feed(long_one, take));
   sdk::message_reader halves(100);
   EXPECT_TRUE(halves.feed({long_one, 1}, take));
   EXPECT_FALSE(halves.feed({long_one + 1, 1}, take));
}

} // namespace
} // namespace warren::mesh
