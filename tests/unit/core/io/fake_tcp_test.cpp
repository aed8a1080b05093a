// Goal: the in-memory streams of the tests behave as the kernel's. Method: the cases that both
// share, and what only a fake network can do: time, loss, blocked paths, moving addresses.
#include "core/base/address.hpp"
#include "tests/support/fake_tcp.hpp"
#include "tests/support/stream_cases.hpp"

namespace warren::support {
namespace {

struct fake_world {
   fake_network net{17};
   fake_shard& one = net.add_node({"192.0.2.1", "2001:db8::1"});
   fake_shard& two = net.add_node({"192.0.2.2", "2001:db8::2"});
   io::shard& caller() { return one; }
   io::shard& called() { return two; }
   static wrn_addr listen_address() { return *base::parse_address("192.0.2.2"); }
   bool until(const std::function<bool()>& pred) { return net.run_until(pred, 2'000'000'000); }
};
INSTANTIATE_TYPED_TEST_SUITE_P(fake, stream_cases, fake_world);

struct fake_stream : stream_cases<fake_world> {
   static constexpr uint64_t second = 1'000'000'000;
   static constexpr uint64_t millisecond = 1'000'000;
   void TestBody() override {} // so that a test can have two of them
};

TEST_F(fake_stream, takes_a_round_trip_to_connect_and_half_of_one_per_message) {
   path_options slow;
   slow.delay_ns = 50 * millisecond;
   world.net.set_default_path(slow);
   const uint64_t begin = world.net.now();
   connect();
   ASSERT_TRUE(world.until([&] { return client.outcome.has_value(); }));
   EXPECT_EQ(world.net.now() - begin, 100 * millisecond);
   client.write("x");
   ASSERT_TRUE(world.until([&] { return !other().got.empty(); }));
   EXPECT_EQ(world.net.now() - begin, 150 * millisecond);
}

TEST_F(fake_stream, loss_and_jitter_cost_time_but_neither_bytes_nor_order) {
   path_options bad;
   bad.loss = 0.1;
   bad.jitter_ns = 20 * millisecond;
   bad.rate_bps = 10'000'000;
   world.net.set_default_path(bad);
   connect();
   const auto all = pattern(100'000);
   EXPECT_EQ(client.write(all), all.size());
   EXPECT_TRUE(world.net.run_until([&] { return other().got.size() == all.size(); }, 60 * second));
   EXPECT_TRUE(other().got == all);
}

TEST_F(fake_stream, call_into_the_void_ends_after_half_a_minute) {
   listen();
   path_options none;
   none.blocked = true;
   world.net.set_default_path(none);
   dial(client);
   const uint64_t begin = world.net.now();
   ASSERT_TRUE(world.net.run_until([&] { return client.outcome.has_value(); }, 60 * second));
   EXPECT_EQ(client.outcome->error().code, base::errc::timeout);
   EXPECT_EQ(world.net.now() - begin, 31 * second);
}

TEST_F(fake_stream, path_that_is_blocked_for_a_while_is_survived_and_for_long_is_not) {
   connect();
   path_options none;
   none.blocked = true;
   world.net.set_default_path(none);
   client.write("held up");
   EXPECT_FALSE(world.net.run_until([&] { return !other().got.empty(); }, 10 * second));
   world.net.set_default_path({});
   EXPECT_TRUE(world.net.run_until([&] { return other().text() == "held up"; }, second));
   world.net.set_default_path(none);
   client.write("lost");
   ASSERT_TRUE(world.net.run_until([&] { return client.closed.has_value(); }, 40 * second));
   EXPECT_EQ(client.closed->error().code, base::errc::timeout);
   EXPECT_FALSE(other().closed) << "who does not write does not notice";
}

TEST_F(fake_stream, node_that_moves_loses_its_streams) {
   connect();
   world.net.move_address(world.one, "192.0.2.1", "192.0.2.77");
   other().write("where are you?");
   ASSERT_TRUE(world.net.run_until([&] { return other().closed.has_value(); }, 60 * second));
   EXPECT_TRUE(client.got.empty());
}

TEST_F(fake_stream, speaks_ipv6_over_a_listener_on_any_address) {
   auto opened = world.two.listen_tcp(*base::parse_endpoint("[::]:700"), server);
   ASSERT_TRUE(opened);
   server.listener = std::move(*opened);
   stream_collector six;
   client.stream = *world.one.connect_tcp(*base::parse_endpoint("192.0.2.2:700"), client);
   six.stream = *world.one.connect_tcp(*base::parse_endpoint("[2001:db8::2]:700"), six);
   ASSERT_TRUE(world.until([&] { return server.accepted.size() == 2; }));
   EXPECT_EQ(server.from[1].family, WRN_AF_INET6);
}

TEST_F(fake_stream, same_seed_gives_the_same_run) {
   std::vector<uint64_t> ends;
   for (int run = 0; run < 2; run++) {
      fake_stream again;
      path_options bad;
      bad.loss = 0.2;
      bad.jitter_ns = 3 * millisecond;
      again.world.net.set_default_path(bad);
      again.connect();
      again.client.write(pattern(50'000));
      again.world.net.run_until([&] { return again.other().got.size() == 50'000; }, 60 * second);
      ends.push_back(again.world.net.now());
   }
   EXPECT_EQ(ends[0], ends[1]);
}

} // namespace
} // namespace warren::support
