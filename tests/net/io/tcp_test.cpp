// The kernel's streams over the loopback device: the cases that the fake network shares, and what
// only a kernel has: both families on one port, a reset by another program, no file to spare.
#include "core/io/tcp.hpp"
#include "tests/net/io/net_support.hpp"
#include "tests/support/stream_cases.hpp"

#include <netinet/tcp.h>
#include <sys/resource.h>

namespace warren::io {
namespace {

struct kernel_world {
   std::unique_ptr<event_loop> loop = make_loop();
   shard& caller() { return *loop; }
   shard& called() { return *loop; }
   static wrn_addr listen_address() { return *base::parse_address("127.0.0.1"); }
   /// Never longer than a moment when nothing happens: pred may be false for ever.
   bool until(const std::function<bool()>& pred) { return run_until(*loop, pred, 1000); }
};

} // namespace
} // namespace warren::io

namespace warren::support {
INSTANTIATE_TYPED_TEST_SUITE_P(kernel, stream_cases, io::kernel_world);
}

namespace warren::io {
namespace {

using support::stream_collector;
struct kernel_stream : support::stream_cases<kernel_world> {};

TEST_F(kernel_stream, any_address_takes_both_families_on_one_port) {
   auto opened = world.loop->listen_tcp(endpoint("[::]:0"), server);
   ASSERT_TRUE(opened) << opened.error().text;
   server.listener = std::move(*opened);
   const std::string port = std::to_string(server.listener->local().port);
   stream_collector six;
   client.stream = *world.loop->connect_tcp(endpoint(("127.0.0.1:" + port).c_str()), client);
   six.stream = *world.loop->connect_tcp(endpoint(("[::1]:" + port).c_str()), six);
   ASSERT_TRUE(world.until([&] { return server.accepted.size() == 2; }));
   EXPECT_NE(server.from[0].family, server.from[1].family) << "IPv4 is not mapped into IPv6";
}

TEST_F(kernel_stream, reset_is_told_once_also_to_who_does_not_read) {
   listen();
   owned_fd raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
   const std::string text = "127.0.0.1:" + std::to_string(server.listener->local().port);
   const socket_address to(text.c_str());
   ASSERT_EQ(::connect(raw, to.get(), to.size), 0);
   ASSERT_TRUE(world.until([&] { return !server.accepted.empty(); }));
   other().stream->pause_reading(true);
   const linger now{1, 0};
   setsockopt(raw, SOL_SOCKET, SO_LINGER, &now, sizeof now);
   const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
   ASSERT_EQ(::dup3(null, raw, O_CLOEXEC), raw); // closes the stream, with a reset
   ::close(null);
   ASSERT_TRUE(world.until([&] { return other().closed.has_value(); }));
   ASSERT_FALSE(*other().closed);
   EXPECT_EQ(other().closed->error().code, base::errc::io);
}

TEST_F(kernel_stream, no_way_there_is_an_answer_and_not_a_failure_of_the_call) {
   auto opened = world.loop->connect_tcp(endpoint("203.0.113.9:9"), client);
   ASSERT_TRUE(opened) << opened.error().text;
   client.stream = std::move(*opened);
   EXPECT_FALSE(client.outcome);
   ASSERT_TRUE(world.until([&] { return client.outcome.has_value(); }));
   EXPECT_EQ(client.outcome->error().code, base::errc::unavailable);
}

TEST_F(kernel_stream, ends_that_nobody_reads_do_not_spin) {
   connect();
   other().stream->pause_reading(true);
   other().stream->shutdown();
   client.stream->shutdown();
   ASSERT_TRUE(world.until([&] { return client.closed.has_value(); }));
   const uint64_t turns = world.loop->stats().turns;
   const uint64_t end = world.loop->now() + 100'000'000;
   while (world.loop->now() < end)
      world.loop->turn(50'000'000);
   EXPECT_LT(world.loop->stats().turns - turns, 20u);
}

TEST_F(kernel_stream, without_a_file_to_spare_callers_wait_and_the_loop_sleeps) {
   listen();
   dial(client);
   rlimit before{};
   ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
   rlimit none = before;
   none.rlim_cur = 0;
   ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
   const uint64_t turns = world.loop->stats().turns;
   const uint64_t end = world.loop->now() + 250'000'000;
   while (world.loop->now() < end)
      world.loop->turn(50'000'000);
   const uint64_t used = world.loop->stats().turns - turns;
   ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
   EXPECT_TRUE(server.accepted.empty());
   EXPECT_LT(used, 50u);
   EXPECT_TRUE(world.until([&] { return !server.accepted.empty(); }));
}

} // namespace
} // namespace warren::io
