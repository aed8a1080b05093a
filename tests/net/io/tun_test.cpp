// A real TUN device: what the kernel's own TCP and UDP send through it arrives unharmed, it is
// configured as asked, and what somebody deletes behind our back is put back.
//
// Packets are reflected: the sink swaps source and destination and writes them back, so that a
// connection to the address behind the device ends at a socket of our own side, and both directions
// pass splitting and coalescing. Swapping keeps all checksums right.
#include "core/io/checksum.hpp"
#include "core/io/tun.hpp"
#include "tests/net/io/net_support.hpp"

#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/udp.h>

namespace warren::io {
namespace {

using support::bytes;
using support::random_payload;

struct reflector : tun_sink {
   void on_packets(tun_device& tun, std::span<wrn_pkt> packets) override {
      batches++;
      for (wrn_pkt& p : packets) {
         uint8_t* const ip = p.buf + p.off;
         if (p.len >= 20 && ip[0] >> 4 == 4)
            std::swap_ranges(ip + 12, ip + 16, ip + 16);
         else if (p.len >= 40)
            std::swap_ranges(ip + 8, ip + 24, ip + 24);
         bytes copy(ip, ip + p.len);
         support::set_checksums(copy);
         if (std::memcmp(copy.data(), ip, p.len) != 0) wrong_checksums++;
         largest = std::max(largest, p.len);
      }
      tun.write(packets);
   }
   void on_link(tun_device&, bool up) override { links.push_back(up); }
   uint64_t batches = 0, wrong_checksums = 0;
   uint32_t largest = 0;
   std::vector<bool> links;
};

tun_options standard_options(base::offload_set offload = {}) {
   tun_options o;
   o.name = "wtest0";
   o.mtu = 1420;
   o.headroom = 80;
   o.tailroom = 32;
   o.offload = offload;
   o.addresses = {prefix("10.9.0.1/24"), prefix("fd09::1/64")};
   o.routes = {prefix("10.99.0.0/16"), prefix("fd99::/32")};
   return o;
}

struct net_tun : testing::Test {
   std::unique_ptr<event_loop> loop = make_loop();
   std::unique_ptr<netlink_socket> netlink = netlink_socket::open().value();
   reflector sink;
   std::unique_ptr<tun_device> tun;

   kernel_tun& open(const tun_options& options = standard_options()) {
      auto opened = loop->open_tun(options, sink);
      if (!opened) ADD_FAILURE() << opened.error().text;
      tun = std::move(*opened);
      return static_cast<kernel_tun&>(*tun);
   }
   void TearDown() override {
      tun.reset();
      EXPECT_FALSE(netlink->link("wtest0")) << "an interface was left behind";
      EXPECT_EQ(loop->pool().slots_in_use() + loop->pool().slabs_in_use(), 0u);
   }
   bool has_address(uint32_t index, const char* text) {
      const wrn_addr wanted = prefix(text);
      for (const wrn_addr& a : netlink->addresses(index).value())
         if (base::same_address(a, wanted) && a.prefix_len == wanted.prefix_len) return true;
      return false;
   }
   bool has_route(uint32_t index, const char* text) {
      const wrn_addr wanted = prefix(text);
      for (const wrn_addr& a : netlink->routes(index).value())
         if (base::same_address(a, wanted) && a.prefix_len == wanted.prefix_len) return true;
      return false;
   }
   bool as_configured() {
      const auto link = netlink->link("wtest0");
      return link && link->up && link->mtu == 1420 && has_address(link->index, "10.9.0.1/24") &&
             has_address(link->index, "fd09::1/64") && has_route(link->index, "10.99.0.0/16") &&
             has_route(link->index, "fd99::/32");
   }
};

TEST_F(net_tun, is_configured_as_asked_and_leaves_nothing_behind) {
   kernel_tun& t = open();
   EXPECT_TRUE(as_configured());
   EXPECT_EQ(netlink->addresses(t.index())->size(), 2u); // no fe80::
   ASSERT_TRUE(tun->configure({prefix("10.9.1.1/24"), prefix("fd09::1/64")},
                              {prefix("10.98.0.0/16")}, 1300));
   EXPECT_FALSE(has_address(t.index(), "10.9.0.1/24"));
   EXPECT_TRUE(has_address(t.index(), "10.9.1.1/24"));
   EXPECT_FALSE(has_route(t.index(), "10.99.0.0/16"));
   EXPECT_TRUE(has_route(t.index(), "10.98.0.0/16"));
   EXPECT_EQ(netlink->link(t.index())->mtu, 1300u);
   EXPECT_EQ(tun->mtu(), 1300u);
}

TEST_F(net_tun, puts_back_what_somebody_deletes) {
   kernel_tun& t = open();
   ASSERT_TRUE(netlink->remove_address(t.index(), prefix("10.9.0.1/24")));
   EXPECT_TRUE(run_until(*loop, [&] { return as_configured(); }));
   ASSERT_TRUE(netlink->remove_route(t.index(), prefix("10.99.0.0/16")));
   ASSERT_TRUE(netlink->remove_route(t.index(), prefix("fd99::/32")));
   EXPECT_FALSE(as_configured());
   EXPECT_TRUE(run_until(*loop, [&] { return as_configured(); }));
   ASSERT_TRUE(netlink->set_mtu(t.index(), 1280));
   EXPECT_TRUE(run_until(*loop, [&] { return as_configured(); }));
   EXPECT_GE(t.stats().repairs, 3u);
   EXPECT_TRUE(sink.links.empty());
}

TEST_F(net_tun, leaves_the_link_down_when_the_operator_wants_it_and_repairs_when_it_is_back) {
   kernel_tun& t = open();
   ASSERT_TRUE(netlink->set_up(t.index(), false));
   ASSERT_TRUE(run_until(*loop, [&] { return sink.links.size() == 1; }));
   EXPECT_FALSE(sink.links[0]);
   run_until(
         *loop, [] { return false; }, 500);
   EXPECT_FALSE(netlink->link(t.index())->up);
   ASSERT_TRUE(netlink->set_up(t.index(), true));
   EXPECT_TRUE(run_until(*loop, [&] { return sink.links.size() == 2 && as_configured(); }));
   EXPECT_TRUE(sink.links.back());
}

TEST_F(net_tun, comes_back_after_somebody_deleted_the_interface) {
   kernel_tun& t = open();
   ASSERT_TRUE(netlink->remove_link(t.index()));
   EXPECT_TRUE(run_until(*loop, [&] { return sink.links.size() == 2 && as_configured(); }));
   EXPECT_THAT(sink.links, testing::ElementsAre(false, true));
}

TEST_F(net_tun, adds_its_route_in_front_of_a_foreign_one_and_does_not_take_it_away) {
   ASSERT_TRUE(netlink->add_route(1, prefix("10.99.0.0/16"))); // on lo, as if it were the LAN's
   open();
   EXPECT_TRUE(as_configured());
   EXPECT_TRUE(has_route(1, "10.99.0.0/16"));
   tun.reset();
   EXPECT_TRUE(has_route(1, "10.99.0.0/16"));
   ASSERT_TRUE(netlink->remove_route(1, prefix("10.99.0.0/16")));
}

TEST_F(net_tun, says_what_is_wrong_and_what_to_do) {
   open();
   auto taken = loop->open_tun(standard_options(), sink);
   ASSERT_FALSE(taken);
   EXPECT_EQ(taken.error().code, base::errc::exists);
   EXPECT_THAT(taken.error().text, testing::HasSubstr("choose another name"));
   tun_options longer = standard_options();
   longer.name = "a_name_far_too_long";
   auto too_long = loop->open_tun(longer, sink);
   ASSERT_FALSE(too_long);
   EXPECT_EQ(too_long.error().code, base::errc::invalid);
   EXPECT_THAT(too_long.error().text, testing::HasSubstr("15"));
}

/// Sends data over a TCP connection through the device and returns what came out.
bytes through_tcp(event_loop& loop, const char* listen_at, const char* connect_to,
                  const bytes& data) {
   const owned_fd listener(bound_socket(listen_at, SOCK_STREAM));
   EXPECT_EQ(::listen(listener, 1), 0);
   const socket_address to(connect_to);
   const owned_fd client(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
   ::connect(client, to.get(), to.size);
   int accepted = -1;
   EXPECT_TRUE(run_until(loop, [&] {
      accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return accepted >= 0;
   }));
   const owned_fd server(accepted);
   bytes out;
   size_t sent = 0;
   std::vector<uint8_t> buffer(1 << 18);
   run_until(
         loop,
         [&] {
            while (sent < data.size()) {
               const ssize_t n =
                     ::send(client, data.data() + sent,
                            std::min<size_t>(data.size() - sent, 1 << 18), MSG_NOSIGNAL);
               if (n <= 0) break;
               sent += static_cast<size_t>(n);
            }
            for (;;) {
               const ssize_t n = ::recv(server, buffer.data(), buffer.size(), 0);
               if (n <= 0) break;
               out.insert(out.end(), buffer.begin(), buffer.begin() + n);
            }
            return out.size() >= data.size();
         },
         30000);
   return out;
}

TEST_F(net_tun, carries_tcp_of_both_families_in_superpackets) {
   kernel_tun& t = open();
   ASSERT_TRUE(t.offloads().has(base::offload::tso));
   const bytes data = random_payload(1, 8 << 20);
   EXPECT_TRUE(through_tcp(*loop, "10.9.0.1:5000", "10.9.0.2:5000", data) == data);
   EXPECT_TRUE(through_tcp(*loop, "[fd09::1]:5000", "[fd09::2]:5000", data) == data);
   EXPECT_EQ(sink.wrong_checksums, 0u);
   EXPECT_LE(sink.largest, 1420u);
   EXPECT_EQ(t.stats().tx_dropped + t.stats().rx_refused + t.stats().rx_no_memory, 0u);
   EXPECT_EQ(t.stats().undone, 0u);
   // Superpackets did happen, in both directions.
   EXPECT_LT(t.stats().reads * 3, t.stats().rx_packets);
   EXPECT_LT(t.stats().writes * 3, t.stats().tx_packets);
}

TEST_F(net_tun, carries_tcp_without_offload) {
   kernel_tun& t = open(standard_options(base::offload_set::none()));
   const bytes data = random_payload(2, 1 << 20);
   EXPECT_TRUE(through_tcp(*loop, "10.9.0.1:5000", "10.9.0.2:5000", data) == data);
   EXPECT_EQ(sink.wrong_checksums, 0u);
   EXPECT_EQ(t.stats().reads, t.stats().rx_packets);
}

/// Datagrams sent with UDP_SEGMENT through the device, and whether all came out, in order.
void through_udp(event_loop& loop, const char* listen_at, const char* send_to) {
   const owned_fd receiver(bound_socket(listen_at, SOCK_DGRAM));
   const socket_address to(send_to);
   const owned_fd sender(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
   std::vector<bytes> expected;
   std::vector<bytes> got;
   for (uint32_t round = 0; round < 100; round++) {
      const uint32_t size = round < 50 ? 1 + round * 20 : 1200;
      int segment = static_cast<int>(size);
      ASSERT_EQ(setsockopt(sender, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
      const bytes data = random_payload(round, size * (1 + round % 40) + size / 2);
      ASSERT_EQ(::sendto(sender, data.data(), data.size(), 0, to.get(), to.size),
                static_cast<ssize_t>(data.size()))
            << std::strerror(errno);
      for (size_t off = 0; off < data.size(); off += size)
         expected.emplace_back(data.begin() + static_cast<long>(off),
                               data.begin() +
                                     static_cast<long>(std::min<size_t>(off + size, data.size())));
      ASSERT_TRUE(run_until(loop,
                            [&] {
                               uint8_t buffer[2048];
                               for (;;) {
                                  const ssize_t n = ::recv(receiver, buffer, sizeof buffer, 0);
                                  if (n < 0) break;
                                  got.emplace_back(buffer, buffer + n);
                               }
                               return got.size() >= expected.size();
                            }))
            << got.size() << " of " << expected.size();
   }
   EXPECT_TRUE(got == expected);
}

TEST_F(net_tun, carries_udp_of_a_segmenting_sender) {
   kernel_tun& t = open();
   through_udp(*loop, "10.9.0.1:6000", "10.9.0.2:6000");
   through_udp(*loop, "[fd09::1]:6000", "[fd09::2]:6000");
   EXPECT_EQ(sink.wrong_checksums, 0u);
   EXPECT_EQ(t.stats().tx_dropped + t.stats().rx_refused + t.stats().rx_no_memory, 0u);
   EXPECT_EQ(t.stats().undone, 0u);
   if (t.offloads().has(base::offload::uso)) {
      EXPECT_LT(t.stats().reads * 3, t.stats().rx_packets);
      EXPECT_LT(t.stats().writes * 3, t.stats().tx_packets);
   }
}

TEST_F(net_tun, hands_over_a_superpacket_of_thousands_of_segments_over_several_turns) {
   struct keeper : tun_sink {
      explicit keeper(event_loop& l) : loop(l) {}
      void on_packets(tun_device&, std::span<wrn_pkt> packets) override {
         for (const wrn_pkt& p : packets)
            if (p.buf[p.off + 9] == 6) got.emplace_back(p.buf + p.off, p.buf + p.off + p.len);
         loop.pool().free(packets);
      }
      void on_link(tun_device&, bool) override {}
      event_loop& loop;
      std::vector<bytes> got;
   } kept(*loop);
   auto opened = loop->open_tun(standard_options(), kept);
   ASSERT_TRUE(opened);
   tun = std::move(*opened);
   const auto& t = static_cast<kernel_tun&>(*tun);
   // A packet socket injects what no ordinary sender makes.
   const owned_fd raw(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP)));
   int one = 1;
   ASSERT_EQ(setsockopt(raw, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
   bytes packet = support::make_packet({}, random_payload(9, 20000));
   virtio_header header = support::make_partial(packet, 5);
   header.hdr_len = 40; // the kernel wants it right
   bytes frame(sizeof header);
   std::memcpy(frame.data(), &header, sizeof header);
   frame.insert(frame.end(), packet.begin(), packet.end());
   sockaddr_ll to{};
   to.sll_family = AF_PACKET;
   to.sll_protocol = htons(ETH_P_IP);
   to.sll_ifindex = static_cast<int>(t.index());
   ASSERT_EQ(
         ::sendto(raw, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
         static_cast<ssize_t>(frame.size()))
         << std::strerror(errno);
   const uint64_t turns = loop->stats().turns;
   EXPECT_TRUE(run_until(*loop, [&] { return kept.got.size() >= 4000; })) << kept.got.size();
   EXPECT_EQ(kept.got, support::naive_split(header, packet));
   EXPECT_LT(t.stats().reads, 100u);           // it came whole
   EXPECT_GT(loop->stats().turns - turns, 5u); // others had their turns in between
}

TEST_F(net_tun, runs_two_devices_in_one_loop) {
   open();
   tun_options second = standard_options();
   second.name = "wtest1";
   second.addresses = {prefix("10.10.0.1/24")};
   second.routes = {};
   reflector other;
   auto another = loop->open_tun(second, other).value();
   const bytes data = random_payload(3, 1 << 20);
   EXPECT_TRUE(through_tcp(*loop, "10.9.0.1:5000", "10.9.0.2:5000", data) == data);
   EXPECT_TRUE(through_tcp(*loop, "10.10.0.1:5000", "10.10.0.2:5000", data) == data);
   EXPECT_GT(other.batches, 0u);
}

/// Answers what goes to one port and loses the rest.
struct answering_one_port : tun_sink {
   static constexpr uint16_t port = 7000;
   packet_pool* pool = nullptr;
   uint64_t answered = 0;
   void on_packets(tun_device& tun, std::span<wrn_pkt> packets) override {
      for (wrn_pkt& p : packets) {
         uint8_t* const ip = p.buf + p.off;
         if (p.len >= 28 && ip[0] == 0x45 && load16(ip + 22) == port) {
            std::swap_ranges(ip + 12, ip + 16, ip + 16);
            answered++;
            tun.write({&p, 1});
         } else {
            pool->free({&p, 1});
         }
      }
   }
   void on_link(tun_device&, bool) override {}
};

TEST_F(net_tun, flood_without_answers_loses_its_own_packets_and_not_those_of_who_gets_answers) {
   answering_one_port kept;
   kept.pool = &loop->pool();
   auto opened = loop->open_tun(standard_options(), kept);
   ASSERT_TRUE(opened);
   tun = std::move(*opened);
   const socket_address to("10.9.0.2:7000");
   const owned_fd caller(bound_socket("10.9.0.1:7000", SOCK_DGRAM));
   const auto call = [&] { return sendto(caller, "?", 1, 0, to.get(), to.size) == 1; };
   const auto is_answered = [&] {
      char c;
      return run_until(
            *loop, [&] { return recv(caller, &c, 1, 0) == 1; }, 200);
   };
   ASSERT_TRUE(call());
   ASSERT_TRUE(is_answered());
   // One flow of eight shares the queue of the answers by chance, so there are many.
   for (int flow = 0; flow < 24; flow++) {
      const std::string from = "10.9.0.1:" + std::to_string(6000 + flow);
      const owned_fd flood(bound_socket(from.c_str(), SOCK_DGRAM));
      const socket_address at("10.9.0.2:6000");
      const auto pour = [&](int packets) {
         for (int i = 0; i < packets; i++)
            (void)sendto(flood, "!", 1, 0, at.get(), at.size);
      };
      // More than is read at once, in each turn; a call gets through now and then.
      const auto overload_and_call = [&] {
         for (int i = 0; i < 64; i++) {
            call();
            pour(400);
            loop->turn(0);
         }
         char c;
         while (run_until(
               *loop, [&] { return recv(caller, &c, 1, 0) == 1; }, 5)) { // answered late
         }
         pour(5000); // more than any queue holds
         return call() && is_answered();
      };
      bool good = false;
      const uint64_t end = loop->now() + 5'000'000'000;
      while (!good && loop->now() < end)
         good = overload_and_call();
      EXPECT_TRUE(good) << from;
   }
}

} // namespace
} // namespace warren::io
