// Real UDP sockets over the loopback device: GSO and GRO byte for byte, sticky sources,
// back-pressure, and errors that must not end a socket.
#include "core/io/udp.hpp"
#include "tests/net/io/net_support.hpp"

#include <gmock/gmock.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <thread>

namespace warren::io {
namespace {

using support::bytes;
using support::random_payload;

struct collector : udp_sink {
   explicit collector(event_loop& l) : loop(l) {}
   void on_datagrams(udp_socket& socket, std::span<wrn_pkt> datagrams) override {
      EXPECT_LE(datagrams.size(), size_t{WRN_BATCH_MAX});
      for (wrn_pkt& p : datagrams) {
         got.emplace_back(p.buf + p.off, p.buf + p.off + p.len);
         from = p.addr;
         local = p.local;
         ecn = p.ecn;
         runs += (p.flags & WRN_PKT_RUN) != 0;
         if (!echo) loop.pool().free({&p, 1});
      }
      if (echo) socket.send(datagrams);
   }
   void on_writable(udp_socket&) override { writable++; }
   event_loop& loop;
   bool echo = false;
   std::vector<bytes> got;
   wrn_addr from{};
   uint32_t local = 0;
   uint8_t ecn = 0;
   size_t runs = 0;
   int writable = 0;
};

std::unique_ptr<udp_socket> open_udp(event_loop& loop, udp_sink& sink, const char* bind = "[::]:0",
                                     const udp_options& options = {}) {
   auto opened = loop.open_udp(endpoint(bind), sink, options);
   if (!opened) ADD_FAILURE() << opened.error().text;
   return std::move(*opened);
}

wrn_addr at(const char* host, const udp_socket& socket) {
   wrn_addr out = *base::parse_address(host);
   out.port = socket.local().port;
   return out;
}

void send_all(event_loop& loop, udp_socket& socket, const wrn_addr& to,
              std::span<const bytes> datagrams, uint8_t ecn = 0, uint32_t local = 0) {
   while (!datagrams.empty()) {
      wrn_pkt batch[WRN_BATCH_MAX];
      const size_t n = std::min<size_t>(datagrams.size(), WRN_BATCH_MAX);
      for (size_t i = 0; i < n; i++) {
         ASSERT_EQ(loop.pool().alloc({&batch[i], 1}, static_cast<uint32_t>(datagrams[i].size())),
                   1u);
         std::copy(datagrams[i].begin(), datagrams[i].end(), batch[i].buf + batch[i].off);
         batch[i].addr = to;
         batch[i].ecn = ecn;
         batch[i].local = local;
      }
      socket.send({batch, n});
      datagrams = datagrams.subspan(n);
   }
}

/// Runs of equal sizes, with shorter and odd ones between them.
std::vector<bytes> mixed_datagrams(size_t count) {
   std::vector<bytes> out;
   for (size_t i = 0; i < count; i++)
      out.push_back(random_payload(i, i % 150 == 149 ? 37 : i / 300 % 2 == 0 ? 1400 : 200 + i % 3));
   return out;
}

TEST(net_udp, delivers_runs_byte_for_byte_with_every_combination_of_gso_and_gro) {
   for (const char* const host : {"127.0.0.1", "::1"})
      for (const bool gso : {true, false})
         for (const bool gro : {true, false}) {
            auto loop = make_loop();
            collector a(*loop), b(*loop);
            udp_options options;
            options.offload =
                  options.offload.with(base::offload::gso, gso).with(base::offload::gro, gro);
            auto sender = open_udp(*loop, a, "[::]:0", options);
            auto receiver = open_udp(*loop, b, "[::]:0", options);
            const auto expected = mixed_datagrams(1500); // runs far beyond 64 segments and 64 KiB
            for (size_t i = 0; i < expected.size(); i += 300) {
               send_all(*loop, *sender, at(host, *receiver), std::span(expected).subspan(i, 300));
               ASSERT_TRUE(run_until(*loop, [&] { return b.got.size() >= i + 300; }))
                     << b.got.size();
            }
            EXPECT_TRUE(b.got == expected) << host << gso << gro;
            const auto& tx = static_cast<kernel_udp&>(*sender).stats();
            EXPECT_EQ(tx.tx_errors + tx.tx_no_room, 0u);
            if (gso) {
               EXPECT_LT(tx.tx_calls, 30u);
            }
            if (gso && gro) {
               EXPECT_LT(static_cast<kernel_udp&>(*receiver).stats().rx_calls, 200u);
               EXPECT_GT(b.runs, 700u);
            }
            sender.reset();
            receiver.reset();
            EXPECT_EQ(loop->pool().slots_in_use() + loop->pool().slabs_in_use(), 0u);
         }
}

TEST(net_udp, answers_from_the_address_it_was_asked_at) {
   auto loop = make_loop();
   collector a(*loop), b(*loop);
   b.echo = true;
   auto client = open_udp(*loop, a);
   auto server = open_udp(*loop, b);
   const std::vector<bytes> one{random_payload(1, 100)};
   for (const char* const host : {"127.0.0.5", "127.0.0.6", "127.0.0.1", "::1"}) {
      a.got.clear();
      send_all(*loop, *client, at(host, *server), one, 1);
      ASSERT_TRUE(run_until(*loop, [&] { return a.got.size() == 1; }));
      EXPECT_EQ(base::format_address(a.from), host);
      EXPECT_EQ(a.from.port, server->local().port);
      EXPECT_EQ(a.ecn, 1);
   }
}

TEST(net_udp, sends_without_a_source_address_that_is_gone) {
   for (const char* const host : {"10.7.7.7", "fd07::7"}) {
      auto loop = make_loop();
      auto netlink = netlink_socket::open().value();
      wrn_addr own = *base::parse_address(host);
      ASSERT_TRUE(netlink->add_address(1, own));
      collector a(*loop), b(*loop);
      auto client = open_udp(*loop, a);
      auto server = open_udp(*loop, b);
      const std::vector<bytes> run(5, random_payload(1, 100));
      // The kernel installs the local route of a new IPv6 address a moment after it confirmed the
      // address; until then datagrams to it are lost (Ip6OutNoRoutes), so this part is tried again.
      for (int i = 0; i < 100 && b.got.empty(); i++) {
         send_all(*loop, *client, at(host, *server), run);
         run_until(
               *loop, [&] { return !b.got.empty(); }, 20);
      }
      ASSERT_FALSE(b.got.empty()) << host;
      ASSERT_NE(b.local, 0u);
      ASSERT_TRUE(netlink->remove_address(1, own));
      const wrn_addr to = at(own.family == WRN_AF_INET ? "127.0.0.1" : "::1", *client);
      send_all(*loop, *server, to, run, 0, b.local);
      send_all(*loop, *server, to, run, 0, b.local);
      ASSERT_TRUE(run_until(*loop, [&] { return a.got.size() == 10; })) << host << a.got.size();
      EXPECT_EQ(static_cast<kernel_udp&>(*server).stats().sources_cleared, 1u);
      EXPECT_TRUE(server->offloads().has(base::offload::gso));
   }
}

TEST(net_udp, opens_both_families_on_one_port_and_says_when_it_is_taken) {
   auto loop = make_loop();
   collector sink(*loop);
   auto first = open_udp(*loop, sink);
   EXPECT_NE(first->local().port, 0);
   for (const bool v6 : {true, false}) {
      wrn_addr again = *base::parse_address(v6 ? "::" : "0.0.0.0");
      again.port = first->local().port;
      auto second = loop->open_udp(again, sink);
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().code, base::errc::in_use);
      EXPECT_THAT(second.error().text, testing::HasSubstr("choose another"));
   }
   auto foreign = loop->open_udp(endpoint("192.0.2.1:4000"), sink);
   ASSERT_FALSE(foreign);
   EXPECT_EQ(foreign.error().code, base::errc::unavailable);
   const uint16_t port = first->local().port;
   first.reset();
   wrn_addr again = *base::parse_address("::");
   again.port = port;
   EXPECT_TRUE(loop->open_udp(again, sink));
}

TEST(net_udp, survives_refused_and_unreachable_destinations_and_sends_the_rest) {
   auto loop = make_loop();
   collector a(*loop), b(*loop);
   auto sender = open_udp(*loop, a);
   auto receiver = open_udp(*loop, b);
   wrn_pkt batch[40];
   for (int round = 0; round < 20; round++) {
      ASSERT_EQ(loop->pool().alloc(batch, 100), 40u);
      for (size_t i = 0; i < 40; i++) {
         batch[i].addr = at("127.0.0.1", *receiver);
         if (i % 4 == 1) batch[i].addr.port = 9;                  // answered by ICMP
         if (i % 4 == 2) batch[i].addr = endpoint("192.0.2.9:9"); // no route
         if (i % 4 == 3) batch[i].addr = endpoint("[2001:db8::9]:9");
      }
      sender->send(batch);
      run_until(*loop, [&] { return b.got.size() == static_cast<size_t>(10 * (round + 1)); });
   }
   EXPECT_EQ(b.got.size(), 200u);
   const auto& stats = static_cast<kernel_udp&>(*sender).stats();
   EXPECT_EQ(stats.tx_errors, 400u);
   EXPECT_TRUE(sender->offloads().has(base::offload::gso));
   EXPECT_EQ(loop->pool().slots_in_use(), 0u);
}

/// An Ethernet device whose other end is the test. While ARP goes unanswered the kernel keeps
/// datagrams and charges them to the sender.
struct tap {
   owned_fd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
   tap() {
      ifreq request{};
      std::strcpy(request.ifr_name, "wtap0");
      request.ifr_flags = IFF_TAP | IFF_NO_PI;
      EXPECT_EQ(ioctl(fd, TUNSETIFF, &request), 0);
      auto netlink = netlink_socket::open().value();
      const uint32_t index = netlink->link("wtap0")->index;
      EXPECT_TRUE(netlink->add_address(index, prefix("10.66.0.1/24")));
      EXPECT_TRUE(netlink->set_up(index, true));
   }
   /// Answers ARP requests for 10.66.0.`answer` (0 for none), and gives the payload of UDP
   /// datagrams.
   void read(uint8_t answer, std::vector<bytes>& out) {
      uint8_t frame[2048];
      for (;;) {
         const ssize_t n = ::read(fd, frame, sizeof frame);
         if (n <= 0) return;
         if (n >= 42 && frame[12] == 8 && frame[13] == 6 && frame[41] == answer) {
            uint8_t reply[42];
            std::memcpy(reply, frame, sizeof reply);
            const uint8_t own[6] = {2, 0, 0, 0, 0, 9};
            std::memcpy(reply, frame + 6, 6);
            std::memcpy(reply + 6, own, 6);
            reply[21] = 2; // reply
            std::memcpy(reply + 22, own, 6);
            std::memcpy(reply + 28, frame + 38, 4);
            std::memcpy(reply + 32, frame + 22, 10);
            EXPECT_EQ(::write(fd, reply, sizeof reply), 42);
         } else if (n > 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == 17) {
            out.emplace_back(frame + 42, frame + n);
         }
      }
   }
};

TEST(net_udp, queues_within_bounds_when_the_kernel_is_full_and_tells_when_there_is_room) {
   tap wire;
   auto loop = make_loop();
   collector a(*loop);
   udp_options tight;
   tight.tx_buffer = 32 << 10;
   tight.offload = base::offload_set::none().with(base::offload::gro);
   auto sender = open_udp(*loop, a, "[::]:0", tight);
   const wrn_addr to = endpoint("10.66.0.2:7");
   std::vector<bytes> expected, got;
   while (sender->room() != 0 && expected.size() < 2000) {
      const std::vector<bytes> one{random_payload(expected.size(), 1000)};
      send_all(*loop, *sender, to, one);
      expected.push_back(one[0]);
   }
   ASSERT_EQ(sender->room(), 0u);
   EXPECT_LT(expected.size(), 700u);
   EXPECT_EQ(sender->tx_dropped(), 0u);
   send_all(*loop, *sender, to, std::vector<bytes>(3, bytes(1000)));
   EXPECT_EQ(sender->tx_dropped(), 3u);
   wire.read(0, got);
   loop->turn(0);
   EXPECT_EQ(a.writable, 0);
   // The first request was ignored; the kernel asks again after a second.
   ASSERT_TRUE(run_until(*loop,
                         [&] {
                            wire.read(2, got);
                            return got.size() >= expected.size();
                         }))
         << got.size() << " of " << expected.size();
   EXPECT_TRUE(got == expected);
   EXPECT_EQ(a.writable, 1);
   EXPECT_EQ(sender->room(), 512u);
   EXPECT_EQ(loop->pool().slots_in_use(), 0u);
}

TEST(net_udp, keeps_the_order_of_what_waits_when_there_is_room_for_a_part_only) {
   tap wire;
   auto loop = make_loop();
   collector a(*loop);
   udp_options tight;
   tight.tx_buffer = 16 << 10;
   tight.offload = base::offload_set::none().with(base::offload::gro);
   auto sender = open_udp(*loop, a, "[::]:0", tight);
   // The first neighbour's datagrams fill the socket; those of the second wait behind them and fill
   // it again when it is their turn.
   std::vector<bytes> expected, got;
   while (sender->room() == 512) {
      expected.push_back(random_payload(expected.size(), 1000));
      send_all(*loop, *sender, endpoint("10.66.0.2:7"), std::span(expected).last(1));
   }
   const size_t first = expected.size();
   for (int i = 0; i < 400; i++) {
      expected.push_back(random_payload(expected.size(), 1000));
      send_all(*loop, *sender, endpoint("10.66.0.3:7"), std::span(expected).last(1));
   }
   ASSERT_TRUE(run_until(*loop, [&] {
      wire.read(2, got);
      return got.size() >= first;
   }));
   loop->turn(0);
   EXPECT_LT(sender->room(), 512u); // a part waits again
   ASSERT_TRUE(run_until(*loop,
                         [&] {
                            wire.read(3, got);
                            return got.size() >= expected.size();
                         }))
         << got.size() << " of " << expected.size();
   EXPECT_TRUE(got == expected);
   EXPECT_EQ(sender->tx_dropped(), 0u);
}

TEST(net_udp, sends_plainly_where_the_path_is_too_narrow_for_runs_and_keeps_them_elsewhere) {
   tap wire;
   auto netlink = netlink_socket::open().value();
   ASSERT_TRUE(netlink->set_mtu(netlink->link("wtap0")->index, 1000));
   auto loop = make_loop();
   collector a(*loop), b(*loop);
   auto sender = open_udp(*loop, a);
   auto receiver = open_udp(*loop, b);
   const std::vector<bytes> run(10, random_payload(1, 1400));
   const auto& stats = static_cast<kernel_udp&>(*sender).stats();
   send_all(*loop, *sender, at("127.0.0.1", *receiver), run);
   EXPECT_EQ(stats.tx_calls, 1u);
   for (int i = 0; i < 3; i++)
      send_all(*loop, *sender, endpoint("10.66.0.2:7"), run);
   EXPECT_EQ(stats.gso_fallbacks, 1u); // then the destination is known
   EXPECT_EQ(stats.tx_errors, 0u);
   EXPECT_EQ(stats.tx_datagrams, 40u);
   const uint64_t calls = stats.tx_calls;
   send_all(*loop, *sender, at("127.0.0.1", *receiver), run);
   EXPECT_EQ(stats.tx_calls, calls + 1);
   EXPECT_TRUE(run_until(*loop, [&] { return b.got.size() == 20; }));
}

TEST(net_udp, receives_with_all_slabs_held_by_somebody) {
   loop_options options;
   options.slabs = 2;
   auto loop = make_loop(options);
   collector a(*loop), b(*loop);
   auto sender = open_udp(*loop, a);
   auto receiver = open_udp(*loop, b);
   auto* const one = loop->pool().alloc_slab();
   auto* const two = loop->pool().alloc_slab();
   const auto expected = mixed_datagrams(200);
   send_all(*loop, *sender, at("127.0.0.1", *receiver), expected);
   EXPECT_TRUE(run_until(*loop, [&] { return b.got.size() == expected.size(); }));
   EXPECT_TRUE(b.got == expected);
   loop->pool().release(one);
   loop->pool().release(two);
}

TEST(net_udp, may_be_destroyed_by_its_own_callback) {
   struct suicidal : collector {
      using collector::collector;
      void on_datagrams(udp_socket& s, std::span<wrn_pkt> d) override {
         collector::on_datagrams(s, d);
         socket.reset();
      }
      std::unique_ptr<udp_socket> socket;
   };
   auto loop = make_loop();
   collector a(*loop);
   suicidal b(*loop);
   auto sender = open_udp(*loop, a);
   b.socket = open_udp(*loop, b);
   send_all(*loop, *sender, at("127.0.0.1", *b.socket), mixed_datagrams(400));
   ASSERT_TRUE(run_until(*loop, [&] { return b.socket == nullptr; }));
   EXPECT_EQ(loop->pool().slots_in_use() + loop->pool().slabs_in_use(), 0u);
}

TEST(net_udp, works_between_two_loops_in_two_threads) {
   auto loop = make_loop();
   auto other = make_loop();
   collector a(*loop), b(*other);
   b.echo = true;
   auto client = open_udp(*loop, a);
   auto server = open_udp(*other, b);
   const wrn_addr to = at("127.0.0.1", *server);
   std::thread thread([&] { other->run(); });
   const auto expected = mixed_datagrams(1000);
   for (size_t i = 0; i < expected.size(); i += 100) {
      send_all(*loop, *client, to, std::span(expected).subspan(i, 100));
      ASSERT_TRUE(run_until(*loop, [&] { return a.got.size() >= i + 100; }));
   }
   other->stop();
   thread.join();
   EXPECT_TRUE(a.got == expected);
}

} // namespace
} // namespace warren::io
