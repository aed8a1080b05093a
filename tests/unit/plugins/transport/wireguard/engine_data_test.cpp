// Goal: data messages are sealed, padded, counted, opened and refused exactly as the protocol says.
// Method: a pair of engines with a session; messages are taken from the log, changed and delivered
// by hand.
#include "network.hpp"

namespace warren::wireguard::testing {
namespace {

struct sealed_batch {
   std::vector<bytes> messages;
   size_t count = 0;
};

sealed_batch seal(node& from, peer_id to, const std::vector<bytes>& packets) {
   std::vector<bytes> buffers;
   std::vector<frame> frames;
   for (const bytes& packet : packets) {
      buffers.emplace_back(seal_headroom + packet.size() + seal_tailroom, uint8_t{0xee});
      std::copy(packet.begin(), packet.end(), buffers.back().begin() + seal_headroom);
   }
   for (size_t i = 0; i < packets.size(); i++)
      frames.push_back(
            {buffers[i].data() + seal_headroom, static_cast<uint32_t>(packets[i].size())});
   sealed_batch out;
   out.count = from.wg->seal(to, frames, from.net.now);
   for (size_t i = 0; i < out.count; i++)
      out.messages.emplace_back(frames[i].data, frames[i].data + frames[i].len);
   return out;
}

bytes seal_one(node& from, peer_id to, const bytes& packet) {
   auto sealed = seal(from, to, {packet});
   EXPECT_EQ(sealed.count, 1u);
   return sealed.count == 1 ? sealed.messages[0] : bytes{};
}

struct EngineData : ::testing::Test {
   EngineData() { p.connect(); }
   pair_of_nodes p;
};

TEST_F(EngineData, PaddingGoesTo16AndNeverBeyondTheMtu) {
   const auto wire = [&](uint32_t mtu, size_t inner) {
      p.a.wg->set_mtu(mtu);
      return seal_one(p.a, p.to_b, bytes(inner)).size() - data_overhead;
   };
   EXPECT_EQ(wire(1420, 1), 16u);
   EXPECT_EQ(wire(1420, 15), 16u);
   EXPECT_EQ(wire(1420, 16), 16u);
   EXPECT_EQ(wire(1420, 17), 32u);
   EXPECT_EQ(wire(1300, 1269), 1280u);
   EXPECT_EQ(wire(1300, 1280), 1280u);
   EXPECT_EQ(wire(1300, 1281), 1296u);
   EXPECT_EQ(wire(1300, 1297), 1300u);
   EXPECT_EQ(wire(1300, 1300), 1300u);
   EXPECT_EQ(wire(1420, 1419), 1420u);
   EXPECT_EQ(wire(1420, 1420), 1420u);
   EXPECT_EQ(wire(1300, 1301), 1301u); // larger than the MTU: the caller's decision, no padding
   EXPECT_EQ(wire(0, 1301), 1312u);
}

TEST_F(EngineData, EveryLengthComesOutAsItWentIn) {
   p.a.wg->set_mtu(1300);
   for (size_t size = 20; size <= 1300; size++) {
      const bytes packet = ip_packet(size, static_cast<uint32_t>(size));
      p.b.deliver({{p.a.at, seal_one(p.a, p.to_b, packet)}});
      ASSERT_EQ(p.b.received.back().packet, packet) << size;
   }
}

TEST_F(EngineData, BatchesAreSealedInOrderUpToTheirLimit) {
   std::vector<bytes> packets;
   for (uint32_t i = 0; i < 200; i++)
      packets.push_back(ip_packet(60 + i, i));
   const auto sealed = seal(p.a, p.to_b, packets);
   ASSERT_EQ(sealed.count, batch_max);
   std::vector<std::pair<endpoint, bytes>> in;
   for (const bytes& m : sealed.messages)
      in.emplace_back(p.a.at, m);
   p.b.received.clear();
   p.b.deliver(in);
   ASSERT_EQ(p.b.received.size(), batch_max);
   for (size_t i = 0; i < batch_max; i++)
      EXPECT_EQ(p.b.received[i].packet, packets[i]);
   EXPECT_EQ(p.net.ledger->repeated, 0u);
}

TEST_F(EngineData, ABatchOfGoodBadAndForeignMessagesIsSortedOutOneByOne) {
   auto sealed = seal(p.a, p.to_b,
                      {ip_packet(60, 1), ip_packet(60, 2), ip_packet(60, 3), ip_packet(60, 4)});
   sealed.messages[1][40] ^= 1;
   bytes foreign = sealed.messages[2];
   foreign[5] ^= 1;
   const auto results = p.b.deliver({{p.a.at, sealed.messages[0]},
                                     {p.a.at, sealed.messages[1]},
                                     {p.a.at, foreign},
                                     {p.a.at, bytes{}},
                                     {p.a.at, sealed.messages[3]},
                                     {p.a.at, sealed.messages[0]},
                                     {p.a.at, sealed.messages[2]}});
   EXPECT_EQ(results,
             (std::vector{receive_result::data, receive_result::bad_auth,
                          receive_result::unknown_index, receive_result::malformed,
                          receive_result::data, receive_result::replay, receive_result::data}));
}

TEST_F(EngineData, EveryBitOfAMessageCounts) {
   const bytes good = seal_one(p.a, p.to_b, ip_packet(40));
   for (size_t bit = 0; bit < good.size() * 8; bit++) {
      bytes bad = good;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      const auto result = p.b.deliver({{address(77), bad}})[0];
      EXPECT_NE(result, receive_result::data) << bit;
      EXPECT_NE(result, receive_result::keepalive) << bit;
   }
   EXPECT_EQ(p.b.wg->remote(p.to_a), p.a.at); // and none of them moved the endpoint
   EXPECT_EQ(p.b.deliver({{p.a.at, good}})[0], receive_result::data);
}

TEST_F(EngineData, EveryTruncationIsRefused) {
   const bytes good = seal_one(p.a, p.to_b, ip_packet(40));
   for (size_t size = 0; size < good.size(); size++) {
      const auto result =
            p.b.deliver({{p.a.at, bytes(good.begin(), good.begin() + long(size))}})[0];
      EXPECT_EQ(result, size < 32 ? receive_result::malformed : receive_result::bad_auth) << size;
   }
}

TEST_F(EngineData, HandshakeMessagesOfAnotherLengthAreMalformed) {
   for (uint8_t type = 1; type <= 3; type++)
      for (size_t size : {4ul, 63ul, 65ul, 91ul, 93ul, 147ul, 149ul, 1500ul}) {
         bytes m(size);
         m[0] = type;
         EXPECT_EQ(p.b.deliver({{p.a.at, m}})[0], receive_result::malformed);
      }
   bytes reserved = p.net.log[0].data;
   reserved[2] = 1;
   EXPECT_EQ(p.b.deliver({{p.a.at, reserved}})[0], receive_result::malformed);
}

TEST_F(EngineData, RoamingFollowsAuthenticPacketsOnly) {
   const endpoint elsewhere = address(50, 1234);
   bytes forged = seal_one(p.a, p.to_b, ip_packet(40));
   const bytes good = seal_one(p.a, p.to_b, ip_packet(40));
   forged.back() ^= 1;
   p.b.deliver({{elsewhere, forged}});
   EXPECT_EQ(p.b.wg->remote(p.to_a), p.a.at);
   p.b.deliver({{p.a.at, good}});
   p.b.deliver({{elsewhere, good}}); // a replay
   EXPECT_EQ(p.b.wg->remote(p.to_a), p.a.at);
   EXPECT_TRUE(p.b.roamed.empty());
   p.b.deliver({{elsewhere, seal_one(p.a, p.to_b, ip_packet(40))}});
   EXPECT_EQ(p.b.wg->remote(p.to_a), elsewhere);
   EXPECT_EQ(p.b.roamed, std::vector{elsewhere});
   endpoint other_door = elsewhere;
   other_door.local = 3;
   p.b.deliver({{other_door, seal_one(p.a, p.to_b, bytes{})}}); // a keepalive moves it too
   EXPECT_EQ(p.b.wg->remote(p.to_a).local, 3u);
}

TEST_F(EngineData, TheLastAuthenticPacketOfABatchDecidesTheEndpoint) {
   auto sealed = seal(p.a, p.to_b, {ip_packet(60, 1), ip_packet(60, 2), ip_packet(60, 3)});
   sealed.messages[2].back() ^= 1;
   p.b.deliver({{address(51), sealed.messages[0]},
                {address(52), sealed.messages[1]},
                {address(53), sealed.messages[2]}});
   EXPECT_EQ(p.b.wg->remote(p.to_a), address(52));
}

TEST_F(EngineData, InnerPacketsMustHaveTheLengthTheySay) {
   const auto receive = [&](bytes inner) {
      return p.b.deliver({{p.a.at, seal_one(p.a, p.to_b, inner)}})[0];
   };
   const auto with = [](bytes b, size_t at, uint8_t value) {
      b[at] = value;
      return b;
   };
   bytes v6(60);
   v6[0] = 0x60;
   v6[5] = 20;
   EXPECT_EQ(receive(v6), receive_result::data);
   EXPECT_EQ(p.b.received.back().packet, v6);
   EXPECT_EQ(receive(with(v6, 5, 24)), receive_result::data); // the padding is part of it then
   EXPECT_EQ(p.b.received.back().packet.size(), 64u);
   EXPECT_EQ(receive(with(v6, 5, 25)), receive_result::malformed);
   EXPECT_EQ(receive(with(v6, 4, 255)), receive_result::malformed);
   EXPECT_EQ(receive(with(v6, 5, 0)), receive_result::data);
   EXPECT_EQ(p.b.received.back().packet.size(), 40u);
   EXPECT_EQ(receive(bytes(32, 0x60)), receive_result::malformed);
   const bytes v4 = ip_packet(30);
   EXPECT_EQ(receive(with(v4, 3, 33)), receive_result::malformed); // 32 with padding
   EXPECT_EQ(receive(with(v4, 3, 19)), receive_result::malformed);
   EXPECT_EQ(receive(with(v4, 0, 0x44)), receive_result::malformed); // header of 16 bytes
   EXPECT_EQ(receive(with(v4, 0, 0x4f)), receive_result::malformed); // header of 60 bytes
   EXPECT_EQ(receive(with(v4, 3, 20)), receive_result::data);
   EXPECT_EQ(p.b.received.back().packet.size(), 20u);
   EXPECT_EQ(receive(bytes(10, 0x45)), receive_result::malformed);
   EXPECT_EQ(receive(bytes(20, 0x55)), receive_result::malformed);
   bytes mesh(21, 9);
   mesh[0] = 0x0c;
   EXPECT_EQ(receive(mesh), receive_result::data);
   EXPECT_EQ(p.b.received.back().packet.size(), 32u); // handed on with its padding
   EXPECT_EQ(receive(bytes{}), receive_result::keepalive);
}

TEST(EngineCounters, TenPingsCountAsWgShowCounts) {
   pair_of_nodes p;
   for (uint32_t i = 0; i < 10; i++) {
      p.a.push(p.to_b, ip_packet(84, i));
      p.net.run_for(20 * ms);
      if (i == 0) p.net.run_for(20 * ms); // the handshake came first
      p.b.push(p.to_a, ip_packet(84, i));
      p.net.run_for(960 * ms);
   }
   const auto a = p.a.wg->stats(p.to_b);
   const auto b = p.b.wg->stats(p.to_a);
   EXPECT_EQ(a.tx_bytes, 148u + 10 * 128);
   EXPECT_EQ(a.rx_bytes, 92u + 10 * 128);
   EXPECT_EQ(b.tx_bytes, a.rx_bytes);
   EXPECT_EQ(b.rx_bytes, a.tx_bytes);
   EXPECT_EQ(a.tx_packets, 11u);
   EXPECT_EQ(a.rx_packets, 11u);
   EXPECT_TRUE(a.up);
   EXPECT_EQ(a.last_handshake_wall_ns - int64_t(a.last_handshake_ns), p.net.wall_offset);
   uint64_t wire = 0;
   for (const auto& m : p.net.log)
      if (m.from == p.a.at) wire += m.data.size();
   EXPECT_EQ(wire, a.tx_bytes);
   p.net.run_for(100 * s);
   EXPECT_EQ(p.a.wg->stats(p.to_b).tx_bytes, 1460u); // one keepalive for the last ping
}

TEST(EngineCounters, RefusedMessagesAreCountedByReasonAndNotToThePeer) {
   pair_of_nodes p;
   p.connect();
   const auto before = p.b.wg->stats(p.to_a).rx_bytes;
   bytes bad = seal_one(p.a, p.to_b, ip_packet(40));
   bad.back() ^= 1;
   p.b.deliver({{p.a.at, bad}, {p.a.at, bytes(3)}});
   const auto& counters = p.b.wg->counters();
   EXPECT_EQ(counters.received[size_t(receive_result::bad_auth)], 1u);
   EXPECT_EQ(counters.received[size_t(receive_result::malformed)], 1u);
   EXPECT_EQ(p.b.wg->stats(p.to_a).rx_bytes, before);
}

TEST(EngineNonces, TheLimitEndsASessionAndTheNextOneStartsFromZero) {
   timing t;
   t.rekey_after_messages = 50;
   t.reject_after_messages = 60;
   pair_of_nodes p(t);
   p.connect();
   p.net.filter = [](const auto&, uint64_t&) { return false; };
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 1u);
   std::vector<bytes> packets(45, ip_packet(40));
   EXPECT_EQ(seal(p.a, p.to_b, packets).count, 45u); // and one from connect(): 46
   p.net.run_for(5 * s);
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 1u);
   EXPECT_EQ(seal(p.a, p.to_b, std::vector<bytes>(5, ip_packet(40))).count, 5u);
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 2u); // above rekey_after_messages
   EXPECT_EQ(seal(p.a, p.to_b, packets).count, 9u);           // the rest, up to 60
   EXPECT_EQ(seal(p.a, p.to_b, packets).count, 0u);
   EXPECT_FALSE(p.a.wg->ready(p.to_b, p.net.now));
   p.net.filter = nullptr;
   p.a.push(p.to_b, ip_packet(100, 9));
   p.net.run_for(6 * s);
   EXPECT_EQ(p.b.received.back().packet, ip_packet(100, 9));
   EXPECT_EQ(p.net.ledger->repeated, 0u);
}

TEST(EngineNonces, CountersAtTheLimitAreRefusedOnReceive) {
   timing strict;
   strict.reject_after_messages = 5;
   network net;
   node& a = net.make_node();
   node& b = net.make_node(strict);
   const peer_id to_b = a.add(b);
   b.add(a);
   a.wg->want_session(to_b, net.now);
   net.run_for(1 * s); // the keepalive has counter 0
   std::vector<receive_result> results;
   for (int i = 0; i < 6; i++)
      results.push_back(b.deliver({{a.at, seal_one(a, to_b, ip_packet(40))}})[0]);
   EXPECT_EQ(std::count(results.begin(), results.end(), receive_result::data), 4);
   EXPECT_EQ(results.back(), receive_result::expired);
}

// A backend whose library has broken down must not let plaintext out.
TEST(EngineNonces, AFailedSealSendsNothingAndEndsTheSession) {
   struct broken_key final : aead_key {
      void seal(std::span<aead_job> jobs) noexcept override {
         for (size_t i = 0; i < jobs.size(); i++)
            jobs[i].ok = i < 2;
      }
      void open(std::span<aead_job>) noexcept override {}
   };
   struct broken_backend final : aead_backend {
      std::string_view name() const noexcept override { return "broken"; }
      std::unique_ptr<aead_key> make_key(std::span<const uint8_t, 32>) override {
         return std::make_unique<broken_key>();
      }
   };
   pair_of_nodes p;
   p.a.wg = std::make_unique<engine>(
         p.a, [&](void* out, size_t n) { randombytes_buf(out, n); },
         std::make_unique<broken_backend>());
   p.a.wg->set_identity(p.a.keys.identity(), p.net.now, p.net.wall());
   p.a.add(p.b);
   p.a.wg->want_session(p.to_b, p.net.now);
   p.net.run_for(1 * s);
   EXPECT_EQ(seal(p.a, p.to_b, std::vector<bytes>(5, ip_packet(40))).count, 2u);
   EXPECT_EQ(seal(p.a, p.to_b, {ip_packet(40)}).count, 0u);
}

} // namespace
} // namespace warren::wireguard::testing
