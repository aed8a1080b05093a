// Goal: what is larger than its link is answered or cut, in order and within bounds, and the ends
// of TCP connections announce no more than the link carries. Method: whole nodes over the fake
// network; a line of three, whose ends have a relayed link of 1360 bytes, and pairs with a direct
// one.
#include "core/base/address.hpp"
#include "tests/support/inner_packet.hpp"
#include "tests/support/mesh_world.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace warren::mesh {

namespace {

using support::mesh_node;
using support::mesh_world;
using packet = std::vector<uint8_t>;

constexpr size_t relayed = 1360, direct = 1420;

struct mtu : ::testing::Test {
   mesh_world world{12};

   mesh_node& add(bool relay) {
      mesh_node& n = world.add_node();
      n.settings.relay = relay;
      config::plugin_use use;
      use.kind = WRN_KIND_ROUTING;
      use.plugin = MODULES "/routing-cpp.so";
      use.values.entries["interval"] = {int64_t{1'000'000'000}, {}};
      n.settings.plugins.push_back(use);
      return n;
   }
};

/// a - b - c
struct relayed_mtu : mtu {
   mesh_node &a = add(false), &b = add(true), &c = add(false);

   void start() {
      for (auto [x, y, neighbors] : {std::tuple{&a, &b, true}, {&b, &c, true}, {&a, &c, false}}) {
         x->add(*y, true, neighbors);
         y->add(*x, true, neighbors);
      }
      for (mesh_node* n : {&a, &b, &c})
         ASSERT_TRUE(n->apply());
      for (mesh_node* n : {&a, &c}) {
         mesh_node& other = n == &a ? c : a;
         for (unsigned tries = 0; tries < 60 && other.received(1) == 0; tries++) {
            n->send(other, 1);
            world.run_ms(500);
         }
         ASSERT_EQ(n->peer(other).endpoint.family, WRN_AF_PATH);
      }
      forget();
   }
   void SetUp() override { start(); }
   void forget() {
      for (mesh_node* n : {&a, &b, &c})
         n->tun().written.clear();
   }
};

struct direct_mtu : mtu {
   mesh_node &a = world.add_node(), &b = world.add_node();

   void SetUp() override {
      world.connect_all(true);
      world.run_ms(3000);
      a.send(b, 1);
      ASSERT_TRUE(world.until([&] { return b.received(1) == 1; }, 10));
      a.tun().written.clear();
      b.tun().written.clear();
   }
};

/// An IPv4 packet of `size` bytes with right checksums.
packet udp4(const mesh_node& from, const mesh_node& to, size_t size, uint32_t mark = 7,
            bool df = false) {
   packet p = support::make_udp4(from.address(), to.address(), mark, size - 28);
   if (df) p[6] = 0x40;
   support::set_checksums(p);
   return p;
}
packet udp6(const mesh_node& from, const mesh_node& to, size_t size, uint32_t mark = 7) {
   return support::make_udp6(from.address6(), to.address6(), mark, size - 48);
}

/// The answers "too big" that the node's applications got, as the MTU that they say.
std::vector<size_t> answers(mesh_node& n) {
   std::vector<size_t> out;
   for (const packet& p : n.tun().written) {
      if (p[0] >> 4 == 4 && p[9] == 1 && p[20] == 3 && p[21] == 4)
         out.push_back(static_cast<size_t>(p[26] << 8 | p[27]));
      if (p[0] >> 4 == 6 && p[6] == 58 && p[40] == 2)
         out.push_back(static_cast<size_t>(p[46] << 8 | p[47]));
   }
   return out;
}

/// What arrived, as sizes.
std::vector<size_t> sizes(mesh_node& n) {
   std::vector<size_t> out;
   for (const packet& p : n.tun().written)
      out.push_back(p.size());
   return out;
}

using sized = std::vector<size_t>;

TEST_F(relayed_mtu, exactly_the_mtu_passes_and_one_byte_more_passes_in_two_pieces) {
   a.tun().inject(udp4(a, c, relayed));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   forget();
   const packet whole = udp4(a, c, relayed + 1);
   a.tun().inject(whole);
   world.run_ms(100);
   ASSERT_EQ(sizes(c), (sized{1356, 25}));
   packet data(c.tun().written[0].begin() + 20, c.tun().written[0].end());
   data.insert(data.end(), c.tun().written[1].begin() + 20, c.tun().written[1].end());
   EXPECT_EQ(data, packet(whole.begin() + 20, whole.end()));
   EXPECT_TRUE(answers(a).empty());
   EXPECT_EQ(a.drops("too_big"), 0u);
}

TEST_F(relayed_mtu, who_forbids_fragments_is_told_the_mtu) {
   a.tun().inject(udp4(a, c, relayed, 7, true));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   EXPECT_TRUE(answers(a).empty());
   a.tun().inject(udp4(a, c, relayed + 1, 7, true));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   EXPECT_EQ(answers(a), (sized{relayed}));
   EXPECT_EQ(a.drops("too_big"), 1u);
}

TEST_F(relayed_mtu, ipv6_is_told_the_mtu_and_never_cut) {
   a.tun().inject(udp6(a, c, relayed));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   a.tun().inject(udp6(a, c, relayed + 1));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   EXPECT_EQ(answers(a), (sized{relayed}));
   EXPECT_EQ(a.drops("too_big"), 1u);
}

TEST_F(relayed_mtu, errors_and_later_fragments_that_are_too_big_are_dropped_without_an_answer) {
   packet error = udp4(a, c, 1400, 7, true);
   error[9] = 1; // ICMP
   error[20] = 3;
   packet later = udp4(a, c, 1400, 7, true);
   later[7] = 9;
   packet error6 = udp6(a, c, 1400);
   error6[6] = 58;
   error6[40] = 1;
   for (packet* p : {&error, &later, &error6})
      a.tun().inject(*p);
   world.run_ms(100);
   EXPECT_TRUE(answers(a).empty());
   EXPECT_TRUE(sizes(c).empty());
   EXPECT_EQ(a.drops("too_big"), 3u);
}

TEST_F(relayed_mtu, no_more_than_the_budget_is_answered_and_every_drop_is_counted) {
   for (unsigned i = 0; i < 150; i++)
      a.tun().inject(udp4(a, c, 1400, 7, true));
   world.run_ms(5);
   EXPECT_EQ(answers(a).size(), 100u);
   EXPECT_EQ(a.drops("too_big"), 150u);
}

TEST_F(relayed_mtu, a_broken_header_is_dropped_and_not_repaired) {
   packet broken = udp4(a, c, 1400);
   broken[8]--;
   a.tun().inject(broken);
   world.run_ms(100);
   EXPECT_TRUE(sizes(c).empty());
   EXPECT_EQ(a.drops("too_big"), 1u);
}

TEST_F(relayed_mtu, what_follows_a_packet_that_fits_is_cut_off) {
   packet padded = udp4(a, c, 1300);
   padded.resize(1400);
   a.tun().inject(padded);
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{1300}));
}

TEST_F(relayed_mtu, pieces_keep_their_place_among_the_other_packets) {
   for (const size_t size : {100u, 1400u, 200u, 1420u, 300u})
      a.tun().inject(udp4(a, c, size));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{100, 1356, 64, 200, 1356, 84, 300}));
}

TEST_F(relayed_mtu, segments_of_a_superpacket_are_cut_too) {
   for (unsigned i = 0; i < 5; i++)
      a.tun().inject(udp4(a, c, i < 4 ? 1400 : 500), i != 0);
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{1356, 64, 1356, 64, 1356, 64, 1356, 64, 500}));
}

TEST_F(relayed_mtu, a_full_batch_of_large_packets_doubles_without_loss) {
   for (unsigned i = 0; i < WRN_BATCH_MAX; i++)
      a.tun().inject(udp4(a, c, direct));
   world.run_ms(500);
   EXPECT_EQ(c.tun().written.size(), 2 * WRN_BATCH_MAX);
}

TEST_F(relayed_mtu, a_link_that_becomes_direct_carries_the_whole_mtu_again) {
   for (config::peer& p : a.settings.peers)
      if (p.name == c.settings.node_name) p = c.as_peer(true, true);
   ASSERT_TRUE(a.apply());
   for (unsigned s = 0; s < 120 && a.peer(c).endpoint.family != WRN_AF_INET; s++) {
      a.send(c, 8);
      world.run_ms(1000);
   }
   ASSERT_EQ(a.peer(c).endpoint.family, WRN_AF_INET);
   EXPECT_EQ(a.peer(c).mtu, direct);
   forget();
   a.tun().inject(udp4(a, c, direct));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{direct}));
}

TEST_F(relayed_mtu, the_least_network_still_relays_what_ipv6_asks_of_every_link) {
   for (mesh_node* n : {&a, &b, &c}) {
      n->settings.mtu = 1280;
      ASSERT_TRUE(n->apply());
   }
   EXPECT_EQ(a.peer(c).mtu, 1280u);
   a.tun().inject(udp6(a, c, 1280));
   a.tun().inject(udp6(a, c, 1281));
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{1280}));
   EXPECT_EQ(answers(a), (sized{1280}));
}

TEST_F(relayed_mtu, a_ping_is_no_larger_than_the_link) {
   a.network->ping(c.address6(), 1400, 1'000'000'000, [](const base::result<ping_result>&) {});
   world.run_ms(100);
   EXPECT_EQ(sizes(c), (sized{relayed}));
   EXPECT_EQ(c.tun().written[0][40], 128) << "an echo request";
   world.run_ms(1000);
}

TEST_F(direct_mtu, what_somebody_made_larger_than_the_network_is_held_to_its_mtu) {
   a.tun().inject(udp4(a, b, direct));
   a.tun().inject(udp4(a, b, direct + 1));
   a.tun().inject(udp4(a, b, direct + 1, 7, true));
   a.tun().inject(udp6(a, b, direct + 1));
   world.run_ms(100);
   EXPECT_EQ(sizes(b), (sized{direct, 1420, 21}));
   EXPECT_EQ(answers(a), (sized{direct, direct}));
   EXPECT_EQ(a.peer(b).mtu, direct);
}

TEST_F(direct_mtu, a_change_of_the_network_changes_its_links) {
   a.settings.mtu = 1300;
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(a.peer(b).mtu, 1300u);
   a.tun().inject(udp4(a, b, 1300));
   a.tun().inject(udp4(a, b, 1301));
   world.run_ms(100);
   EXPECT_EQ(sizes(b), (sized{1300, 1300, 21}));
}

TEST_F(direct_mtu, without_memory_for_all_pieces_none_is_sent) {
   io::packet_pool& pool = a.shard.pool();
   std::vector<wrn_pkt> taken(pool.slots_free() - 1); // the rest is for the packet itself
   ASSERT_EQ(pool.alloc(taken, 100), taken.size());
   const uint64_t before = a.drops("queue_full");
   a.tun().inject(udp4(a, b, 1500));
   world.run_ms(1);
   EXPECT_EQ(a.drops("queue_full"), before + 1);
   pool.free(taken);
   a.tun().inject(udp4(a, b, 1500));
   world.run_ms(100);
   EXPECT_EQ(sizes(b), (sized{1420, 100}));
}

// --- TCP ---------------------------------------------------------------------------------------

/// A SYN with an MSS option, between any two addresses.
packet syn(std::string_view from, std::string_view to, uint16_t mss = 1460, uint8_t flags = 2) {
   support::packet_spec spec;
   const auto source = *base::parse_address(from), destination = *base::parse_address(to);
   spec.v6 = source.family == WRN_AF_INET6;
   spec.tcp_flags = flags;
   spec.tcp_option_words = 1;
   packet p = support::make_packet(spec, {});
   const size_t bytes = spec.v6 ? 16 : 4, at = spec.v6 ? 8 : 12;
   std::memcpy(&p[at], source.ip, bytes);
   std::memcpy(&p[at + bytes], destination.ip, bytes);
   const uint8_t option[] = {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)};
   std::copy_n(option, 4, p.end() - 4);
   support::set_checksums(p);
   return p;
}

/// What `at` got when `from` sent the packet; empty when nothing came. With a right checksum.
struct arrival {
   size_t mss = 0;
   bool right = false;
   friend bool operator==(const arrival&, const arrival&) = default;
   friend void PrintTo(const arrival& a, std::ostream* out) {
      *out << "MSS " << a.mss << (a.right ? "" : " with a wrong checksum");
   }
};
arrival announce(mesh_node& from, mesh_node& at, const packet& p) {
   at.tun().written.clear();
   from.tun().inject(p);
   from.world.run_ms(100);
   if (at.tun().written.size() != 1) return {};
   packet got = at.tun().written[0], again = got;
   support::set_checksums(again);
   return {static_cast<size_t>(got[got.size() - 2] << 8 | got.back()), got == again};
}

TEST_F(relayed_mtu, both_directions_and_families_announce_what_the_relayed_link_carries) {
   for (const uint8_t flags : {2, 18}) {
      EXPECT_EQ(announce(a, c, syn(a.address(), c.address(), 1460, flags)), (arrival{1320, true}));
      EXPECT_EQ(announce(c, a, syn(c.address(), a.address(), 1460, flags)), (arrival{1320, true}));
      EXPECT_EQ(announce(a, c, syn(a.address6(), c.address6(), 1440, flags)),
                (arrival{1300, true}));
   }
   EXPECT_EQ(announce(a, c, syn(a.address(), c.address(), 1460, 16)), (arrival{1460, true}))
         << "only packets that open connections are touched";
   EXPECT_EQ(announce(a, c, syn(a.address(), c.address(), 1200)), (arrival{1200, true}));
}

TEST_F(direct_mtu, members_announce_the_whole_mtu_of_a_direct_link) {
   EXPECT_EQ(announce(a, b, syn(a.address(), b.address())), (arrival{1380, true}));
   EXPECT_EQ(announce(a, b, syn(a.address6(), b.address6())), (arrival{1360, true}));
   EXPECT_EQ(announce(b, a, syn(b.address(), a.address(), 1380)), (arrival{1380, true}));
}

TEST_F(direct_mtu, what_goes_to_a_link_is_lowered_by_who_sends_it) {
   a.settings.mtu = 1300; // the receiver would leave 1380
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(announce(a, b, syn(a.address(), b.address())), (arrival{1260, true}));
   EXPECT_EQ(announce(a, b, syn(a.address6(), b.address6(), 1440, 18)), (arrival{1240, true}));
}

TEST_F(direct_mtu, what_comes_from_a_link_is_lowered_by_who_receives_it) {
   // Only the receiver's network is small: the sender leaves 1380 in the packet.
   b.settings.mtu = 1300;
   ASSERT_TRUE(b.apply());
   EXPECT_EQ(announce(a, b, syn(a.address(), b.address())), (arrival{1260, true}));
   EXPECT_EQ(announce(a, b, syn(a.address6(), b.address6(), 1440, 18)), (arrival{1240, true}));
}

TEST_F(direct_mtu, where_an_end_lies_behind_a_node_the_relayed_floor_counts) {
   // b leads to 198.51.100.0/24.
   a.settings.peers[0].routes = {*base::parse_prefix("198.51.100.0/24"),
                                 *base::parse_prefix("2001:db8::/64")};
   ASSERT_TRUE(a.apply());
   for (const uint8_t flags : {2, 18}) {
      EXPECT_EQ(announce(a, b, syn(a.address(), "198.51.100.9", 1460, flags)),
                (arrival{1240, true}));
      EXPECT_EQ(announce(a, b, syn(a.address6(), "2001:db8::9", 1460, flags)),
                (arrival{1220, true}));
      EXPECT_EQ(announce(b, a, syn("198.51.100.9", a.address(), 1460, flags)),
                (arrival{1240, true}));
      EXPECT_EQ(announce(b, a, syn("2001:db8::9", a.address6(), 1460, flags)),
                (arrival{1220, true}));
   }
   EXPECT_EQ(announce(a, b, syn(a.address(), b.address())), (arrival{1380, true}))
         << "the member's own address keeps the larger segments";
}

TEST_F(direct_mtu, a_host_behind_this_node_counts_as_behind_a_node) {
   // a forwards for 203.0.113.0/24.
   b.settings.peers[0].routes = {*base::parse_prefix("203.0.113.0/24")};
   ASSERT_TRUE(b.apply());
   EXPECT_EQ(announce(a, b, syn("203.0.113.5", b.address())), (arrival{1240, true}));
   EXPECT_EQ(announce(b, a, syn(b.address(), "203.0.113.5")), (arrival{1240, true}));
}

} // namespace

} // namespace warren::mesh
