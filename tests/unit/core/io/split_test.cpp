// Splitting superpackets: byte for byte what the plain model in tests/support makes of them, in
// batches of any size, and never out of bounds whatever the virtio header says.
#include "core/io/split.hpp"
#include "tests/support/inner_packet.hpp"

#include <gtest/gtest.h>
#include <random>

namespace warren::io {
namespace {

using support::bytes;
using support::make_packet;
using support::make_partial;
using support::naive_split;
using support::packet_spec;
using support::random_payload;

/// All packets, taken in batches of at most `batch`.
std::vector<bytes> split_all(const virtio_header& header, const bytes& packet, uint32_t batch,
                             packet_pool& pool) {
   std::vector<bytes> out;
   splitter s;
   // Its own allocation, so that the address sanitizer sees a read beyond the end.
   const bytes exact(packet.begin(), packet.end());
   if (!s.begin(header, exact)) return out;
   wrn_pkt packets[WRN_BATCH_MAX];
   while (!s.done()) {
      const uint32_t n = s.next(pool, {packets, batch}, 60, 40);
      EXPECT_NE(n, 0u);
      if (n == 0) break;
      for (uint32_t i = 0; i < n; i++) {
         EXPECT_EQ(packets[i].off, 60u);
         EXPECT_GE(packets[i].cap, 60 + packets[i].len + 40);
         EXPECT_EQ(packets[i].flags, i != 0 ? WRN_PKT_RUN : 0);
         out.emplace_back(packets[i].buf + 60, packets[i].buf + 60 + packets[i].len);
      }
      pool.free({packets, n});
   }
   EXPECT_EQ(pool.slots_in_use() + pool.slabs_in_use(), 0u);
   return out;
}

packet_spec random_spec(std::mt19937_64& rng) {
   packet_spec s;
   s.v6 = rng() % 2 == 0;
   s.tcp = rng() % 2 == 0;
   s.sequence = static_cast<uint32_t>(rng()); // wraps sometimes
   s.id = static_cast<uint16_t>(rng());
   s.df = rng() % 2 == 0;
   s.tos = static_cast<uint8_t>(rng());
   if (rng() % 3 == 0) s.ip_option_words = static_cast<uint8_t>(rng() % 11);
   if (rng() % 3 == 0) s.extension_headers = static_cast<uint8_t>(rng() % 4);
   if (rng() % 2 == 0) s.tcp_option_words = static_cast<uint8_t>(rng() % 11);
   // ACK, with any of FIN, PSH, URG, ECE, CWR
   s.tcp_flags = static_cast<uint8_t>(0x10 | (rng() & 0xe9));
   return s;
}

TEST(split, equals_the_naive_model_for_random_flows_sizes_and_batches) {
   std::mt19937_64 rng(11);
   packet_pool pool(256, 4, 60, 40);
   for (int round = 0; round < 1500; round++) {
      const packet_spec spec = random_spec(rng);
      const size_t size = 1 + rng() % (rng() % 4 == 0 ? 60000 : 6000);
      const auto gso = static_cast<uint16_t>(1 + rng() % (size > 6000 ? 1800 : 1500));
      bytes packet = make_packet(spec, random_payload(rng(), size));
      virtio_header header = make_partial(packet, gso);
      if (rng() % 8 == 0) header.gso_type |= virtio::gso_ecn;
      virtio_header plain = header;
      plain.gso_type &= 0x7f;
      const auto batch = static_cast<uint32_t>(1 + rng() % WRN_BATCH_MAX);
      ASSERT_EQ(split_all(header, packet, batch, pool), naive_split(plain, packet))
            << "round " << round;
   }
}

TEST(split, finishes_single_packets_and_passes_complete_ones_unchanged) {
   std::mt19937_64 rng(12);
   packet_pool pool(8, 2, 60, 40);
   for (int round = 0; round < 2000; round++) {
      packet_spec spec = random_spec(rng);
      const bytes complete = make_packet(spec, random_payload(rng(), rng() % 1400));
      ASSERT_EQ(split_all({}, complete, 1, pool), std::vector<bytes>{complete});
      bytes partial = complete;
      const virtio_header header = make_partial(partial, 0);
      ASSERT_EQ(split_all(header, partial, 5, pool), std::vector<bytes>{complete});
   }
}

TEST(split, writes_a_udp_checksum_of_zero_as_ffff) {
   packet_pool pool(8, 2, 60, 40);
   for (const bool v6 : {false, true}) {
      packet_spec spec;
      spec.tcp = false;
      spec.v6 = v6;
      bytes payload(100, 0);
      const size_t field = v6 ? 46 : 26;
      const bytes probe = make_packet(spec, std::span(payload).first(50));
      // A word equal to the checksum without it makes the sum all ones.
      payload[0] = probe[field];
      payload[1] = probe[field + 1];
      for (const uint16_t gso : {0, 50}) {
         bytes packet = make_packet(spec, std::span(payload).first(gso == 0 ? 50 : 100));
         const virtio_header header = make_partial(packet, gso);
         const auto got = split_all(header, packet, 8, pool);
         ASSERT_EQ(got, naive_split(header, packet));
         EXPECT_EQ(got[0][field], 0xff);
         EXPECT_EQ(got[0][field + 1], 0xff);
      }
   }
}

TEST(split, goes_on_counting_over_tens_of_thousands_of_tiny_segments) {
   packet_pool pool(256, 4, 60, 40);
   packet_spec spec;
   spec.sequence = 0xfffff000; // wraps on the way
   spec.id = 0xff00;
   spec.tcp_flags = 0x18;
   bytes packet = make_packet(spec, random_payload(1, 65535 - 40));
   const virtio_header header = make_partial(packet, 1);
   const auto got = split_all(header, packet, WRN_BATCH_MAX, pool);
   EXPECT_EQ(got.size(), 65495u);
   EXPECT_EQ(got, naive_split(header, packet));
}

TEST(split, stops_without_loss_when_memory_is_out_and_goes_on_later) {
   packet_pool pool(10, 0, 60, 40);
   bytes packet = make_packet({}, random_payload(2, 1000));
   const virtio_header header = make_partial(packet, 50);
   const auto expected = naive_split(header, packet);
   ASSERT_EQ(expected.size(), 20u);
   splitter s;
   ASSERT_TRUE(s.begin(header, packet));
   wrn_pkt held[10], more[10];
   ASSERT_EQ(s.next(pool, {held, 10}, 60, 40), 10u);
   EXPECT_EQ(s.next(pool, {more, 10}, 60, 40), 0u);
   EXPECT_FALSE(s.done());
   pool.free({held, 7});
   ASSERT_EQ(s.next(pool, {more, 10}, 60, 40), 7u);
   EXPECT_EQ(bytes(more[6].buf + 60, more[6].buf + 60 + more[6].len), expected[16]);
   EXPECT_EQ(s.abandon(), 3u);
   EXPECT_TRUE(s.done());
   pool.free({held + 7, 3});
   pool.free({more, 7});
}

TEST(split, sums_to_the_final_destination_behind_a_routing_header) {
   packet_pool pool(8, 0, 60, 40);
   packet_spec spec;
   spec.v6 = true;
   spec.extension_headers = 3; // 24 bytes, turned into one routing header
   bytes packet = make_packet(spec, random_payload(3, 300));
   const uint8_t protocol = packet[56];
   packet[6] = 43;
   packet[40] = protocol;
   packet[41] = 2; // 24 bytes
   packet[42] = 4; // segment routing
   packet[43] = 1; // one segment left
   for (size_t i = 48; i < 64; i++)
      packet[i] = static_cast<uint8_t>(i);
   virtio_header header = make_partial(packet, 100);
   auto got = split_all(header, packet, 8, pool);
   ASSERT_EQ(got.size(), 3u);
   for (bytes p : got) { // as the last hop sees it
      std::copy(p.begin() + 48, p.begin() + 64, p.begin() + 24);
      const bytes before = p;
      support::set_checksums(p);
      EXPECT_EQ(p, before);
   }
}

TEST(split, refuses_headers_that_contradict_the_packet) {
   packet_pool pool(256, 4, 60, 40);
   bytes tcp = make_packet({}, random_payload(4, 3000));
   const virtio_header good = make_partial(tcp, 1000);
   ASSERT_EQ(split_all(good, tcp, 128, pool).size(), 3u);
   const auto refused = [&](auto&& change, bytes packet) {
      virtio_header h = good;
      change(h, packet);
      splitter s;
      return !s.begin(h, packet) && s.done();
   };
   using vh = virtio_header;
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.gso_size = 0; }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.gso_type = virtio::gso_tcp6; }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.gso_type = virtio::gso_udp; }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.gso_type = 3; }, tcp)); // UFO
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.flags = 0; }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.csum_start++; }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h.csum_offset = 6; }, tcp));
   EXPECT_TRUE(refused([](vh&, bytes& p) { p[0] = 0x44; }, tcp));
   EXPECT_TRUE(refused([](vh&, bytes& p) { p[0] = 0x55; }, tcp));
   EXPECT_TRUE(refused([](vh&, bytes& p) { p[6] = 0x20; }, tcp)); // more fragments
   EXPECT_TRUE(refused([](vh&, bytes& p) { p[9] = 17; }, tcp));
   EXPECT_TRUE(refused([](vh&, bytes& p) { p[32] = 0x40; }, tcp)); // data offset 4
   EXPECT_TRUE(refused([](vh&, bytes& p) { p.resize(40); }, tcp)); // no payload
   EXPECT_TRUE(refused([](vh&, bytes& p) { p.resize(19); }, tcp));
   EXPECT_TRUE(refused([](vh&, bytes& p) { p.clear(); }, tcp));
   EXPECT_TRUE(refused([](vh& h, bytes&) { h = {1, 0, 0, 0, 2998, 41}; }, tcp));
}

TEST(split, survives_random_headers_and_packets) {
   std::mt19937_64 rng(13);
   packet_pool pool(256, 8, 60, 40);
   int accepted = 0;
   for (int round = 0; round < 100000; round++) {
      bytes packet = make_packet(random_spec(rng), random_payload(rng(), rng() % 300));
      virtio_header header = make_partial(packet, static_cast<uint16_t>(rng() % 100));
      for (uint64_t i = rng() % 3; i > 0; i--)
         packet[rng() % packet.size()] = static_cast<uint8_t>(rng());
      if (rng() % 4 == 0) packet.resize(rng() % packet.size());
      auto* const raw = reinterpret_cast<uint8_t*>(&header);
      if (rng() % 3 == 0) raw[rng() % sizeof header] = static_cast<uint8_t>(rng());
      if (!split_all(header, packet, 128, pool).empty()) accepted++;
   }
   EXPECT_GT(accepted, 10000);
}

} // namespace
} // namespace warren::io
