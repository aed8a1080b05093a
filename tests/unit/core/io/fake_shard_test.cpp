// The fake world itself: what it delivers, delays and loses is what the test asked for, and the
// same seed gives the same run.
#include "core/base/address.hpp"
#include "tests/support/fake_shard.hpp"

#include <gtest/gtest.h>

namespace warren::support {
namespace {

constexpr uint64_t ms = 1'000'000;

wrn_addr endpoint(const char* text) { return *base::parse_endpoint(text); }

/// Keeps what arrives; may answer to where it came from.
struct listener : io::udp_sink {
   struct datagram {
      uint64_t at;
      wrn_addr from;
      uint32_t local;
      std::string text;
   };
   explicit listener(fake_shard& s, const char* bind = "[::]:5000") : shard(s) {
      socket = s.open_udp(endpoint(bind), *this).value();
   }
   void on_datagrams(io::udp_socket& from, std::span<wrn_pkt> datagrams) override {
      batches++;
      for (wrn_pkt& p : datagrams) {
         received.push_back({shard.now(), p.addr, p.local,
                             std::string(reinterpret_cast<char*>(p.buf + p.off), p.len)});
         if (echo)
            from.send({&p, 1});
         else
            shard.pool().free({&p, 1});
      }
   }
   void on_writable(io::udp_socket&) override { writable++; }
   void send(const wrn_addr& to, std::string_view text, uint32_t local = 0) {
      wrn_pkt p{};
      ASSERT_EQ(shard.pool().alloc({&p, 1}, static_cast<uint32_t>(text.size())), 1u);
      std::copy(text.begin(), text.end(), p.buf + p.off);
      p.addr = to;
      p.local = local;
      socket->send({&p, 1});
   }
   fake_shard& shard;
   std::unique_ptr<io::udp_socket> socket;
   std::vector<datagram> received;
   bool echo = false;
   int batches = 0;
   int writable = 0;
};

TEST(fake_shard, delivers_after_the_path_delay_and_answers_from_the_address_asked) {
   fake_network net(1);
   auto& a = net.add_node({"10.0.0.1"});
   auto& b = net.add_node({"10.0.0.2", "10.0.0.3"});
   net.set_default_path({.delay_ns = 5 * ms});
   listener at_a(a), at_b(b);
   at_b.echo = true;
   const uint64_t start = net.now();
   at_a.send(endpoint("10.0.0.3:5000"), "hello");
   EXPECT_TRUE(at_b.received.empty()); // never from inside a call
   ASSERT_TRUE(net.run_until([&] { return !at_a.received.empty(); }, 100 * ms));
   EXPECT_EQ(at_b.received.at(0).at, start + 5 * ms);
   EXPECT_EQ(at_a.received.at(0).at, start + 10 * ms);
   EXPECT_EQ(base::format_endpoint(at_a.received.at(0).from), "10.0.0.3:5000");
   EXPECT_TRUE(a.balanced());
   EXPECT_TRUE(b.balanced());
}

TEST(fake_shard, hands_over_batches_that_arrive_together_and_keeps_their_order) {
   fake_network net(2);
   auto& a = net.add_node({"fd00::1"});
   auto& b = net.add_node({"fd00::2"});
   net.set_default_path({.delay_ns = ms, .jitter_ns = 3 * ms});
   listener at_a(a), at_b(b);
   for (int i = 0; i < 300; i++)
      at_a.send(endpoint("[fd00::2]:5000"), std::to_string(i));
   net.run_for(50 * ms);
   ASSERT_EQ(at_b.received.size(), 300u);
   for (int i = 0; i < 300; i++)
      EXPECT_EQ(at_b.received[static_cast<size_t>(i)].text, std::to_string(i));
   EXPECT_LT(at_b.batches, 300);
}

TEST(fake_shard, loses_duplicates_and_reorders_in_about_the_share_asked) {
   fake_network net(3);
   auto& a = net.add_node({"10.0.0.1"});
   auto& b = net.add_node({"10.0.0.2"});
   net.set_default_path({.loss = 0.2, .duplicate = 0.1, .reorder = 0.1});
   listener at_a(a), at_b(b);
   for (int i = 0; i < 5000; i++) {
      at_a.send(endpoint("10.0.0.2:5000"), std::string(1 + static_cast<size_t>(i % 3), 'x'));
      net.run_for(ms);
   }
   net.run_for(100 * ms);
   EXPECT_NEAR(static_cast<double>(net.stats().lost), 1000, 150);
   EXPECT_NEAR(static_cast<double>(net.stats().duplicated), 400, 100);
   EXPECT_EQ(at_b.received.size(), 5000 - net.stats().lost + net.stats().duplicated);
   EXPECT_TRUE(b.balanced());
}

TEST(fake_shard, repeats_a_run_exactly_with_the_same_seed_and_not_with_another) {
   const auto run = [](uint64_t seed) {
      fake_network net(seed);
      auto& a = net.add_node({"10.0.0.1"});
      auto& b = net.add_node({"10.0.0.2"});
      net.set_default_path({.loss = 0.3, .jitter_ns = 10 * ms});
      listener at_a(a), at_b(b);
      std::string trace;
      for (int i = 0; i < 200; i++)
         at_a.send(endpoint("10.0.0.2:5000"), std::to_string(i));
      uint8_t chance = 0;
      a.random(&chance, 1);
      net.run_for(100 * ms);
      for (const auto& d : at_b.received)
         trace += std::to_string(d.at) + d.text + ",";
      return trace + std::to_string(chance);
   };
   EXPECT_EQ(run(42), run(42));
   EXPECT_NE(run(42), run(43));
}

TEST(fake_shard, drops_what_exceeds_the_path_mtu_and_what_the_rate_cannot_queue) {
   fake_network net(4);
   auto& a = net.add_node({"10.0.0.1"});
   auto& b = net.add_node({"10.0.0.2"});
   net.set_default_path({.delay_ns = 0, .mtu = 1028, .rate_bps = 8'000'000, .queue_ns = 10 * ms});
   listener at_a(a), at_b(b);
   at_a.send(endpoint("10.0.0.2:5000"), std::string(1001, 'x'));
   EXPECT_EQ(net.stats().too_big, 1u);
   for (int i = 0; i < 100; i++)
      at_a.send(endpoint("10.0.0.2:5000"), std::string(972, 'x'));
   net.run_for(1000 * ms); // a millisecond each: the queue takes the first eleven
   EXPECT_EQ(at_b.received.size(), 11u);
}

TEST(fake_shard, moves_an_address_and_keeps_sockets_alive) {
   fake_network net(5);
   auto& a = net.add_node({"10.0.0.1"});
   auto& b = net.add_node({"10.0.0.2"});
   listener at_a(a), at_b(b);
   at_a.send(endpoint("10.0.0.2:5000"), "one");
   net.run_for(10 * ms);
   const uint32_t token = at_b.received.at(0).local;
   net.move_address(b, "10.0.0.2", "192.0.2.9");
   at_a.send(endpoint("10.0.0.2:5000"), "lost");
   at_b.send(endpoint("10.0.0.1:5000"), "moved",
             token); // its old address is gone: the host chooses
   net.run_for(10 * ms);
   EXPECT_EQ(at_b.received.size(), 1u);
   EXPECT_EQ(base::format_endpoint(at_a.received.at(0).from), "192.0.2.9:5000");
}

TEST(fake_shard, translates_behind_a_nat_and_changes_the_port_when_it_is_rebound) {
   fake_network net(6);
   auto& a = net.add_node({"192.168.0.2"});
   auto& b = net.add_node({"203.0.113.5"});
   auto& stranger = net.add_node({"203.0.113.6"});
   net.set_nat(a, {.public_address = *base::parse_address("198.51.100.1")});
   listener at_a(a), at_b(b), at_stranger(stranger);
   at_b.send(endpoint("192.168.0.2:5000"), "private addresses are not routed");
   net.run_for(10 * ms);
   EXPECT_TRUE(at_a.received.empty());
   at_a.send(endpoint("203.0.113.5:5000"), "out");
   net.run_for(10 * ms);
   const wrn_addr first = at_b.received.at(0).from;
   EXPECT_EQ(base::format_address(first), "198.51.100.1");
   at_b.send(first, "back");
   at_stranger.send(first, "not asked for");
   net.run_for(10 * ms);
   ASSERT_EQ(at_a.received.size(), 1u);
   net.rebind_nat(a);
   at_a.send(endpoint("203.0.113.5:5000"), "again");
   net.run_for(10 * ms);
   EXPECT_FALSE(base::same_endpoint(at_b.received.at(1).from, first));
}

TEST(fake_shard, carries_inner_packets_both_ways_through_the_tun) {
   struct inner : io::tun_sink {
      explicit inner(fake_shard& s) : shard(s) {}
      void on_packets(io::tun_device& tun, std::span<wrn_pkt> packets) override {
         for (const auto& p : packets) {
            flags.push_back(p.flags);
            EXPECT_GE(p.off, 77u);
            EXPECT_GE(p.cap - p.off - p.len, 33u);
         }
         tun.write(packets);
      }
      void on_link(io::tun_device&, bool up) override { links.push_back(up); }
      fake_shard& shard;
      std::vector<uint16_t> flags;
      std::vector<bool> links;
   };
   fake_network net(7);
   auto& a = net.add_node({"10.0.0.1"});
   inner sink(a);
   auto tun = a.open_tun({.name = "w0", .headroom = 77, .tailroom = 33}, sink).value();
   EXPECT_EQ(a.open_tun({.name = "w0"}, sink).error().code, base::errc::exists);
   ASSERT_NE(a.tun(), nullptr);
   const std::vector<uint8_t> packet{0x45, 1, 2, 3};
   a.tun()->inject(packet);
   a.tun()->inject(packet, true);
   net.run_for(ms);
   EXPECT_EQ(a.tun()->written.size(), 2u);
   EXPECT_EQ(a.tun()->written.at(0), packet);
   EXPECT_EQ(sink.flags, (std::vector<uint16_t>{0, WRN_PKT_RUN}));
   a.tun()->set_link(false);
   a.tun()->inject(packet);
   net.run_for(ms);
   EXPECT_EQ(sink.links, (std::vector<bool>{false}));
   EXPECT_EQ(sink.flags.size(), 2u);
   EXPECT_TRUE(a.balanced());
}

TEST(fake_shard, runs_timers_posts_names_and_turn_sinks_in_virtual_time) {
   struct sinks : io::timer_sink, io::turn_sink {
      void on_timer(uint64_t, uint64_t tag) override { fired.push_back(tag); }
      void on_turn_end() override { turns++; }
      std::vector<uint64_t> fired;
      int turns = 0;
   } s;
   fake_network net(8);
   auto& a = net.add_node({"10.0.0.1"});
   net.add_name("b.example", {"10.0.0.2", "fd00::2"});
   a.add_turn_sink(s);
   a.timer_set(0, net.now() + 20 * ms, s, 2);
   a.timer_set(0, net.now() + 10 * ms, s, 1);
   a.post([&] { s.fired.push_back(0); });
   net.run_for(30 * ms);
   EXPECT_EQ(s.fired, (std::vector<uint64_t>{0, 1, 2}));
   EXPECT_EQ(s.turns, 3);
   a.remove_turn_sink(s);

   auto alive = std::make_shared<int>(0);
   size_t found = 0;
   base::errc code{};
   bool late = false;
   a.resolve("b.example", 9, alive, [&](const auto& r) { found = r->size(); });
   a.resolve("nowhere.example", 9, alive, [&](const auto& r) { code = r.error().code; });
   a.resolve("b.example", 9, std::make_shared<int>(0), [&](const auto&) { late = true; });
   EXPECT_EQ(found, 0u);
   net.run_for(30 * ms);
   EXPECT_EQ(found, 2u);
   EXPECT_EQ(code, base::errc::not_found);
   EXPECT_FALSE(late);
   EXPECT_EQ(s.turns, 3);
}

TEST(fake_shard, refuses_a_port_in_use_and_reports_a_full_socket_once) {
   fake_network net(9);
   auto& a = net.add_node({"10.0.0.1"}, {.tx_room = 4});
   auto& b = net.add_node({"10.0.0.2"});
   listener at_a(a), at_b(b);
   listener* const another = &at_a;
   EXPECT_EQ(a.open_udp(endpoint("10.0.0.1:5000"), *another).error().code, base::errc::in_use);
   EXPECT_NE(a.open_udp(endpoint("[::]:0"), *another).value()->local().port, 0);
   for (int i = 0; i < 6; i++)
      at_a.send(endpoint("10.0.0.2:5000"), "x");
   EXPECT_EQ(at_a.socket->tx_dropped(), 2u);
   EXPECT_EQ(at_a.socket->room(), 0u);
   net.run_for(10 * ms);
   EXPECT_EQ(at_a.writable, 1);
   EXPECT_EQ(at_a.socket->room(), 4u);
   EXPECT_EQ(at_b.received.size(), 4u);
   EXPECT_TRUE(a.balanced());
}

} // namespace
} // namespace warren::support
