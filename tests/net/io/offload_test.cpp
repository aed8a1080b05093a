// Goal: the self-test at start tells the truth about this kernel, leaves nothing behind, and what
// it or the configuration forbids is not used.
#include "core/io/offload_probe.hpp"
#include "tests/net/io/net_support.hpp"

namespace warren::io {
namespace {

using base::offload;
using base::offload_verdict;

struct silent final : udp_sink, tun_sink {
   void on_datagrams(udp_socket&, std::span<wrn_pkt>) override {}
   void on_writable(udp_socket&) override {}
   void on_packets(tun_device&, std::span<wrn_pkt>) override {}
   void on_link(tun_device&, bool) override {}
};

TEST(net_offload, self_test_agrees_with_what_devices_and_sockets_take) {
   const auto report = probe_offloads();
   auto loop = make_loop();
   silent sink;
   auto socket = loop->open_udp(endpoint("[::]:0"), sink);
   ASSERT_TRUE(socket);
   tun_options options;
   options.name = "wprobe0";
   auto tun = loop->open_tun(options, sink);
   ASSERT_TRUE(tun);
   const auto used = (*tun)->offloads() & (*socket)->offloads();
   EXPECT_FALSE(used.any()); // each says its own only
   const auto all = (*tun)->offloads() | (*socket)->offloads();
   for (size_t i = 0; i < base::offload_count; i++) {
      const auto expected = all.has(static_cast<offload>(i)) ? offload_verdict::works
                                                             : offload_verdict::unsupported;
      EXPECT_EQ(report[i], expected) << base::offload_names[i];
   }
   EXPECT_FALSE((*netlink_socket::open())->link("probe")); // it had a namespace of its own
}

TEST(net_offload, what_the_self_test_found_broken_or_the_caller_forbids_is_not_used) {
   loop_options options;
   options.offload[static_cast<size_t>(offload::gro)] = offload_verdict::broken;
   options.offload[static_cast<size_t>(offload::tso)] = offload_verdict::broken;
   auto loop = make_loop(options);
   silent sink;
   auto socket = loop->open_udp(endpoint("[::]:0"), sink);
   ASSERT_TRUE(socket);
   EXPECT_FALSE((*socket)->offloads().has(offload::gro));
   EXPECT_TRUE((*socket)->offloads().has(offload::gso));
   auto plain = loop->open_udp(endpoint("[::]:0"), sink, base::offload_set::none());
   ASSERT_TRUE(plain);
   EXPECT_FALSE((*plain)->offloads().any());
   tun_options wanted;
   wanted.name = "wprobe0";
   auto tun = loop->open_tun(wanted, sink);
   ASSERT_TRUE(tun);
   EXPECT_FALSE((*tun)->offloads().has(offload::tso));
}

} // namespace
} // namespace warren::io
