// Coalescing: what the kernel makes of the writes (the plain splitter of tests/support) are the
// very packets that went in, in order per flow; and the rules one by one.
#include "core/io/coalesce.hpp"
#include "tests/support/inner_packet.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace warren::io {
namespace {

using support::bytes;
using support::make_packet;
using support::make_partial;
using support::naive_split;
using support::packet_spec;
using support::random_payload;

/// A batch in memory of its own, with the descriptors over it.
struct batch {
   std::vector<bytes> memory;
   std::vector<wrn_pkt> packets;
   coalescer c;
   std::vector<bytes> writes; // without the header
   std::vector<virtio_header> headers;

   explicit batch(std::vector<bytes> in, const coalesce_options& options = {})
       : memory(std::move(in)) {
      for (bytes& b : memory) {
         wrn_pkt p{};
         p.buf = b.data();
         p.cap = p.len = static_cast<uint32_t>(b.size());
         packets.push_back(p);
      }
      const uint32_t n = c.join(packets, options);
      for (uint32_t w = 0; w < n; w++) {
         iovec pieces[coalescer::pieces_max];
         const uint32_t count = c.pieces(w, pieces);
         EXPECT_EQ(pieces[0].iov_len, 10u);
         virtio_header h;
         std::memcpy(&h, pieces[0].iov_base, sizeof h);
         bytes all;
         for (uint32_t i = 1; i < count; i++) {
            const auto* p = static_cast<const uint8_t*>(pieces[i].iov_base);
            all.insert(all.end(), p, p + pieces[i].iov_len);
         }
         EXPECT_LE(all.size(), 65535u);
         headers.push_back(h);
         writes.push_back(std::move(all));
      }
   }
   size_t joined() const {
      size_t n = 0;
      for (const auto& h : headers)
         n += h.gso_type != 0;
      return n;
   }
};

/// What the kernel's stack sees, in order.
std::vector<bytes> received(const batch& b) {
   std::vector<bytes> out;
   for (size_t w = 0; w < b.writes.size(); w++) {
      if (b.headers[w].gso_type == 0) {
         EXPECT_EQ(b.headers[w].flags, 0);
      }
      for (auto& p : naive_split(b.headers[w], b.writes[w]))
         out.push_back(std::move(p));
   }
   return out;
}

/// Packets between two addresses, in order: the finest promise of order that fragments and ports
/// share.
using flows = std::map<bytes, std::vector<bytes>>;
flows by_addresses(const std::vector<bytes>& packets) {
   flows out;
   for (const bytes& p : packets) {
      bytes key;
      if (p.size() >= 20 && p[0] >> 4 == 4) key.assign(p.begin() + 12, p.begin() + 20);
      if (p.size() >= 40 && p[0] >> 4 == 6) key.assign(p.begin() + 8, p.begin() + 40);
      // Different ports may pass each other; fragments and oddities (key without ports) may not be
      // passed, tested below.
      uint8_t protocol = 0;
      if (!key.empty() && (p[0] >> 4 == 6 || (p[6] & 0x3f) == 0)) {
         const size_t at = support::transport_offset(p, protocol);
         if (at != 0 && at + 4 <= p.size()) key.insert(key.end(), &p[at], &p[at] + 4);
      }
      out[key].push_back(support::without_identification(p));
   }
   return out;
}

std::vector<bytes> segments(const packet_spec& spec, size_t size, uint16_t gso, uint64_t seed) {
   bytes packet = make_packet(spec, random_payload(seed, size));
   const virtio_header header = make_partial(packet, gso);
   return naive_split(header, packet);
}

TEST(coalesce, gives_back_the_very_packets_for_random_interleaved_flows) {
   std::mt19937_64 rng(21);
   size_t in = 0, out = 0;
   for (int round = 0; round < 1000; round++) {
      // A few flows, each a queue of segments and odd packets; then interleaved.
      std::vector<std::vector<bytes>> queues;
      const size_t flow_count = 1 + rng() % (rng() % 8 == 0 ? 30 : 5);
      for (size_t f = 0; f < flow_count; f++) {
         packet_spec spec;
         spec.v6 = rng() % 2 == 0;
         spec.tcp = rng() % 3 != 0;
         spec.host = static_cast<uint8_t>(rng() % 3);
         spec.source_port = static_cast<uint16_t>(1000 + f);
         spec.df = rng() % 2 == 0;
         spec.id = static_cast<uint16_t>(rng());
         spec.sequence = static_cast<uint32_t>(rng());
         if (rng() % 2 == 0) spec.tcp_option_words = 3;
         if (rng() % 10 == 0) spec.ip_option_words = 1;
         if (rng() % 10 == 0) spec.extension_headers = 1;
         std::vector<bytes> queue;
         for (uint64_t trains = 1 + rng() % 3; trains > 0; trains--) {
            const size_t size = 1 + rng() % 8000;
            spec.tcp_flags = rng() % 3 == 0 ? 0x18 : 0x10;
            if (rng() % 12 == 0) spec.tcp_flags |= static_cast<uint8_t>(1u << rng() % 8);
            for (auto& s : segments(spec, size, static_cast<uint16_t>(1 + rng() % 1400), rng()))
               queue.push_back(std::move(s));
            spec.sequence += static_cast<uint32_t>(size);
            spec.id = static_cast<uint16_t>(spec.id + queue.size());
            if (rng() % 6 == 0) spec.acknowledgement++;
            if (rng() % 6 == 0) spec.sequence++;
            if (rng() % 9 == 0) spec.ttl--;
            if (rng() % 9 == 0) spec.window++;
         }
         if (queue.size() > 60) queue.resize(60);
         if (rng() % 4 == 0 && queue.size() > 1) std::swap(queue[0], queue[rng() % queue.size()]);
         for (bytes& p : queue) {
            if (rng() % 40 == 0) p[rng() % p.size()] ^= static_cast<uint8_t>(1 + rng() % 255);
            if (rng() % 60 == 0) p.resize(1 + rng() % p.size());
         }
         queues.push_back(std::move(queue));
      }
      std::vector<bytes> packets;
      while (packets.size() < WRN_BATCH_MAX && !queues.empty()) {
         auto& queue = queues[rng() % queues.size()];
         for (uint64_t n = 1 + rng() % 6; n > 0 && !queue.empty() && packets.size() < WRN_BATCH_MAX;
              n--) {
            packets.push_back(queue.front());
            queue.erase(queue.begin());
         }
         std::erase_if(queues, [](const auto& q) { return q.empty(); });
      }
      const batch b(packets);
      const auto got = received(b);
      ASSERT_EQ(by_addresses(got), by_addresses(packets)) << "round " << round;
      in += packets.size();
      out += b.writes.size();
   }
   EXPECT_LT(out * 3, in * 2); // it does join
}

TEST(coalesce, joins_a_train_into_one_write_for_each_protocol_and_family) {
   for (const bool v6 : {false, true})
      for (const bool tcp : {false, true}) {
         packet_spec spec;
         spec.v6 = v6;
         spec.tcp = tcp;
         const batch b(segments(spec, 44 * 1380 + 7, 1380, 1));
         ASSERT_EQ(b.writes.size(), 1u);
         EXPECT_EQ(b.headers[0].gso_size, 1380);
         EXPECT_EQ(b.headers[0].flags, virtio::needs_csum);
         EXPECT_EQ(b.headers[0].csum_start, v6 ? 40 : 20);
         EXPECT_EQ(b.headers[0].hdr_len, (v6 ? 40 : 20) + (tcp ? 20 : 8));
      }
}

TEST(coalesce, starts_another_write_where_64_KiB_are_full) {
   for (const bool v6 : {false, true})
      for (const bool tcp : {false, true}) {
         packet_spec spec;
         spec.v6 = v6;
         spec.tcp = tcp;
         auto packets = segments(spec, 46 * 1400, 1400, 1);
         spec.sequence += 46 * 1400;
         spec.id = static_cast<uint16_t>(spec.id + 46);
         for (auto& p : segments(spec, 46 * 1400, 1400, 2))
            packets.push_back(p);
         const batch b(packets);
         ASSERT_EQ(b.writes.size(), 2u);
         EXPECT_EQ(b.writes[0].size(), 46 * 1400u + b.headers[0].hdr_len);
         EXPECT_EQ(received(b), packets);
      }
}

TEST(coalesce, joins_flows_that_alternate) {
   packet_spec a, b;
   b.source_port = 1001;
   const auto x = segments(a, 10000, 1000, 1), y = segments(b, 10000, 1000, 2);
   std::vector<bytes> packets;
   for (size_t i = 0; i < x.size(); i++) {
      packets.push_back(x[i]);
      packets.push_back(y[i]);
   }
   EXPECT_EQ(batch(packets).writes.size(), 2u);
}

/// Two segments that join, the second changed by `change` (checksums right again): do they still
/// join?
template <class Fn> bool joins(packet_spec spec, Fn&& change) {
   spec.id = 5;
   packet_spec second = spec;
   second.id = 6;
   second.sequence += 100;
   size_t size = 100;
   change(second, size);
   return batch({make_packet(spec, random_payload(1, 100)),
                 make_packet(second, random_payload(2, size))})
                .writes.size() == 1;
}

TEST(coalesce, joins_only_what_the_superpacket_can_say) {
   for (const bool v6 : {false, true}) {
      packet_spec tcp, udp;
      tcp.v6 = udp.v6 = v6;
      udp.tcp = false;
      using ps = packet_spec;
      EXPECT_TRUE(joins(tcp, [](ps&, size_t&) {}));
      EXPECT_TRUE(joins(udp, [](ps&, size_t&) {}));
      EXPECT_TRUE(joins(tcp, [](ps& p, size_t&) { p.tcp_flags = 0x18; }));
      EXPECT_TRUE(joins(tcp, [](ps&, size_t& n) { n = 1; }));
      EXPECT_TRUE(joins(udp, [](ps&, size_t& n) { n = 99; }));
      EXPECT_FALSE(joins(tcp, [](ps&, size_t& n) { n = 101; }));
      EXPECT_FALSE(joins(udp, [](ps&, size_t& n) { n = 101; }));
      EXPECT_FALSE(joins(tcp, [](ps&, size_t& n) { n = 0; }));
      EXPECT_FALSE(joins(udp, [](ps&, size_t& n) { n = 0; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.sequence++; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.sequence -= 200; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.acknowledgement++; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.window++; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.tcp_option_words = 1; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.source_port++; }));
      EXPECT_FALSE(joins(udp, [](ps& p, size_t&) { p.destination_port++; }));
      EXPECT_FALSE(joins(udp, [](ps& p, size_t&) { p.host++; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.ttl--; }));
      EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.tos = 2; }));
      for (const uint8_t flags : {0x00, 0x11, 0x12, 0x14, 0x30, 0x50, 0x90})
         EXPECT_FALSE(joins(tcp, [&](ps& p, size_t&) { p.tcp_flags = flags; })) << int(flags);
      if (v6) {
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.extension_headers = 1; }));
      } else {
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.df = true; }));
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.id = 7; }));
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.fragment = 0x2000; }));
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.fragment = 0x8000; }));
         EXPECT_FALSE(joins(tcp, [](ps& p, size_t&) { p.ip_option_words = 1; }));
         packet_spec df = udp;
         df.df = true;
         EXPECT_TRUE(joins(df, [](ps& p, size_t&) { p.id = 5; })); // the kernel's own UDP with DF
      }
      const coalesce_options none{.tcp = false, .udp = false};
      EXPECT_EQ(batch(segments(tcp, 300, 100, 1), none).writes.size(), 3u);
      EXPECT_EQ(batch(segments(udp, 300, 100, 1), none).writes.size(), 3u);
   }
}

TEST(coalesce, closes_after_push_and_after_a_shorter_segment) {
   packet_spec spec;
   spec.tcp_flags = 0x18;
   auto packets = segments(spec, 300, 100, 1);
   spec.sequence += 300;
   spec.id = 4;
   for (auto& p : segments(spec, 300, 100, 2))
      packets.push_back(p);
   EXPECT_EQ(batch(packets).writes.size(), 2u);
   spec.tcp_flags = 0x10;
   auto shorter = segments(spec, 250, 100, 1);
   spec.sequence += 250;
   spec.id = 7;
   for (auto& p : segments(spec, 100, 100, 2))
      shorter.push_back(p);
   EXPECT_EQ(batch(shorter).writes.size(), 2u);
}

TEST(coalesce, passes_a_packet_with_a_bad_checksum_alone_and_unchanged) {
   for (const bool tcp : {false, true})
      for (const size_t bad : {0u, 1u, 2u})
         for (const size_t at : {size_t{10}, size_t{60}}) { // header checksum; payload
            packet_spec spec;
            spec.tcp = tcp;
            auto packets = segments(spec, 400, 100, 1);
            packets[bad][at] ^= 0x55;
            const batch b(packets);
            const auto got = received(b);
            EXPECT_EQ(got, packets);
            EXPECT_GT(b.writes.size(), 1u);
            EXPECT_EQ(b.joined(), 1u);
         }
}

TEST(coalesce, lets_nothing_overtake_a_packet_that_cannot_join) {
   packet_spec spec;
   auto packets = segments(spec, 400, 100, 1);
   packet_spec fragment = spec;
   fragment.fragment = 0x2001;
   packets.insert(packets.begin() + 2, make_packet(fragment, random_payload(3, 100)));
   const batch b(packets);
   EXPECT_EQ(b.writes.size(), 3u);
   EXPECT_EQ(received(b), packets);
}

TEST(coalesce, undoes_a_write_that_the_kernel_refused) {
   for (const bool v6 : {false, true})
      for (const bool tcp : {false, true}) {
         packet_spec spec;
         spec.v6 = v6;
         spec.tcp = tcp;
         spec.tcp_flags = 0x18;
         const auto packets = segments(spec, 500, 100, 1);
         batch b(packets);
         ASSERT_EQ(b.writes.size(), 1u);
         EXPECT_NE(b.memory, packets);
         b.c.undo(0);
         EXPECT_EQ(b.memory, packets);
         uint32_t count = 0;
         for (uint32_t i = b.c.first(0); i != coalescer::none; i = b.c.next(i))
            EXPECT_EQ(i, count++);
         EXPECT_EQ(count, 5u);
      }
}

} // namespace
} // namespace warren::io
