// Goal: floods cost the engine no memory and no legitimate peer its connection. Method: initiations
// made by hand, with wrong and right MACs, from many sources, in virtual time.
#include "network.hpp"
#include "plugins/transport/wireguard/cookie.hpp"

namespace warren::wireguard::testing {
namespace {

// An initiation with a valid mac1 and nothing else: what anybody who knows the public key can make
// for nothing.
bytes cheap_initiation(const key32& target, std::mt19937_64& random, cookie_jar* jar = nullptr,
                       uint64_t now = 0) {
   bytes m(148);
   for (uint8_t& b : m)
      b = static_cast<uint8_t>(random());
   store_le32(m.data(), 1);
   cookie_jar throwaway;
   if (jar == nullptr) {
      throwaway.set_public_key(target);
      jar = &throwaway;
   }
   jar->add_macs(m, now, 120 * s);
   return m;
}

struct EngineFlood : ::testing::Test {
   EngineFlood() : a(net.make_node()), b(net.make_node()), to_b(a.add(b)) { b.add(a); }
   // `rate` messages a second for `span`, in steps of 2 ms, while everything else goes on.
   void run(uint64_t span, uint64_t rate, const std::function<std::pair<endpoint, bytes>()>& make) {
      for (uint64_t t = 0; t < span; t += 2 * ms) {
         for (uint64_t i = 0; i < rate / 500; i++) {
            const auto [from, message] = make();
            b.deliver({{from, message}});
         }
         net.run_for(2 * ms);
      }
   }
   endpoint anywhere() {
      return address(1000 + uint32_t(net.random() % 4'000'000), uint16_t(net.random()));
   }
   network net;
   node& a;
   node& b;
   peer_id to_b;
};

TEST_F(EngineFlood, MessagesWithABadMac1DoNotPutUsUnderLoad) {
   run(1 * s, 5000, [&] {
      bytes m = cheap_initiation(b.keys.open, net.random);
      m[116] ^= 1;
      return std::pair(anywhere(), m);
   });
   EXPECT_FALSE(b.wg->under_load(net.now));
   EXPECT_EQ(b.results[receive_result::bad_mac], 5000u);
   a.push(to_b, ip_packet(100));
   net.run_for(100 * ms);
   EXPECT_EQ(b.received.size(), 1u);
}

TEST_F(EngineFlood, AValidPeerGetsInWithinASecondUnderAFloodFromManySources) {
   const auto attack = [&] {
      return std::pair(anywhere(), cheap_initiation(b.keys.open, net.random));
   };
   run(500 * ms, 2000, attack);
   EXPECT_TRUE(b.wg->under_load(net.now));
   const uint64_t start = net.now;
   a.push(to_b, ip_packet(100));
   run(1 * s, 2000, attack);
   ASSERT_EQ(b.received.size(), 1u);
   EXPECT_LT(b.received[0].at - start, 1 * s);
   EXPECT_GT(b.results[receive_result::cookie_sent], 1000u);
   EXPECT_EQ(a.results[receive_result::control], 2u); // one cookie and one response
   // Public key operations were done for a bounded number of the attacker's messages only.
   EXPECT_LT(b.results[receive_result::bad_auth], 200u);
   run(2 * s, 0, attack);
   net.run_for(2 * s);
   EXPECT_FALSE(b.wg->under_load(net.now));
}

TEST_F(EngineFlood, AnInitiatorUnderFloodStillGetsItsResponse) {
   const auto attack = [&] {
      return std::pair(anywhere(), cheap_initiation(b.keys.open, net.random));
   };
   run(500 * ms, 2000, attack);
   ASSERT_TRUE(b.wg->under_load(net.now));
   const uint64_t start = net.now;
   b.push(b.wg->find_peer(a.keys.open), ip_packet(100));
   run(1 * s, 2000, attack);
   ASSERT_EQ(a.received.size(), 1u);
   EXPECT_LT(a.received[0].at - start, 100 * ms);
}

TEST_F(EngineFlood, ForgedResponsesToALiveHandshakeRunOutOfCredit) {
   net.filter = [&](const auto& m, uint64_t&) { return !(m.from == a.at); };
   b.push(b.wg->find_peer(a.keys.open), ip_packet(100));
   const uint32_t index = load_le32(&net.log.back().data[4]);
   cookie_jar jar;
   jar.set_public_key(b.keys.open);
   for (int i = 0; i < 200; i++) {
      bytes m(92);
      randombytes_buf(m.data(), m.size());
      store_le32(&m[0], 2);
      store_le32(&m[8], index);
      jar.add_macs(m, net.now, 120 * s);
      b.deliver({{anywhere(), m}});
   }
   EXPECT_LE(b.results[receive_result::bad_auth], 80u);
   EXPECT_GE(b.results[receive_result::cookie_sent], 100u);
}

TEST_F(EngineFlood, MemoryStaysFlat) {
   const size_t indices = b.wg->index_count();
   run(3 * s, 10'000,
       [&] { return std::pair(anywhere(), cheap_initiation(b.keys.open, net.random)); });
   EXPECT_EQ(b.wg->index_count(), indices);
   EXPECT_EQ(b.wg->peer_count(), 1u);
   EXPECT_EQ(net.count_sent(message_type::response), 0u);
}

TEST_F(EngineFlood, ASourceWithAValidCookieIsLimitedTo20PerSecond) {
   run(200 * ms, 2000,
       [&] { return std::pair(anywhere(), cheap_initiation(b.keys.open, net.random)); });
   ASSERT_TRUE(b.wg->under_load(net.now));
   cookie_jar jar;
   jar.set_public_key(b.keys.open);
   const endpoint real = address(5, 5);
   const bytes first = cheap_initiation(b.keys.open, net.random, &jar, net.now);
   EXPECT_EQ(b.deliver({{real, first}})[0], receive_result::cookie_sent);
   const auto reply = cookie_message::parse(net.log.back().data);
   ASSERT_TRUE(reply.has_value());
   EXPECT_EQ(net.log.back().to, real);
   ASSERT_TRUE(jar.consume_reply(*reply, net.now));
   const auto before = b.results[receive_result::bad_auth];
   run(2 * s, 1000,
       [&] { return std::pair(real, cheap_initiation(b.keys.open, net.random, &jar, net.now)); });
   const auto served = b.results[receive_result::bad_auth] - before;
   EXPECT_GE(served, 40u);
   EXPECT_LE(served, 46u); // 20/s and a burst of 5
   // The cookie is for this port only.
   EXPECT_EQ(
         b.deliver({{address(5, 6), cheap_initiation(b.keys.open, net.random, &jar, net.now)}})[0],
         receive_result::cookie_sent);
}

TEST_F(EngineFlood, ACookieReplyNeverMovesTheEndpointAndIsUsedOnce) {
   net.filter = [](const auto&, uint64_t&) { return false; };
   a.push(to_b, ip_packet(100));
   const bytes initiation = net.log.back().data;
   cookie_checker checker;
   checker.set_public_key(b.keys.open);
   bytes reply(64);
   const random_source random = [](void* out, size_t n) { randombytes_buf(out, n); };
   checker.make_reply(initiation, load_le32(&initiation[4]), a.at, net.now, random,
                      std::span<uint8_t, 64>(reply));
   bytes forged = reply;
   forged[50] ^= 1;
   EXPECT_EQ(a.deliver({{address(99), forged}})[0], receive_result::bad_auth);
   EXPECT_EQ(a.deliver({{address(99), reply}})[0], receive_result::control);
   EXPECT_EQ(a.deliver({{address(99), reply}})[0], receive_result::bad_auth);
   EXPECT_EQ(a.wg->remote(to_b), b.at);
   net.run_for(260 * ms);
   EXPECT_EQ(net.count_sent(message_type::initiation), 2u); // the next try came early, once
   const bytes second = net.log.back().data;
   EXPECT_TRUE(std::any_of(second.end() - 16, second.end(), [](uint8_t x) { return x != 0; }));
   EXPECT_TRUE(checker.mac2_ok(second, a.at, net.now, random));
   EXPECT_FALSE(checker.mac2_ok(second, address(1, 9), net.now, random));
   net.run_for(4 * s);
   EXPECT_EQ(net.count_sent(message_type::initiation), 2u);
}

TEST_F(EngineFlood, CookieRepliesAlternateWithTheNormalTimerAndDoNotUseUpTries) {
   cookie_checker checker;
   checker.set_public_key(b.keys.open);
   const random_source random = [](void* out, size_t n) { randombytes_buf(out, n); };
   net.filter = [&](const message_in_flight& m, uint64_t&) { // b answers everything with a cookie
      bytes reply(64);
      if (type_of(m.data) != 1u) return false;
      checker.make_reply(m.data, load_le32(&m.data[4]), a.at, net.now, random,
                         std::span<uint8_t, 64>(reply));
      net.inject(b.at, a.at, reply);
      return false;
   };
   const uint64_t start = net.now;
   a.push(to_b, ip_packet(100));
   net.run_for(200 * s);
   EXPECT_EQ(net.count_sent(message_type::initiation),
             36u); // 18 tries, each with an early successor
   ASSERT_EQ(a.lost.size(), 1u);
   std::vector<uint64_t> at;
   for (const auto& m : net.log)
      if (type_of(m.data) == 1u) at.push_back(m.at - start);
   for (size_t i = 0; i + 2 < at.size(); i += 2) {
      EXPECT_LE(at[i + 1] - at[i], 260 * ms);
      EXPECT_GE(at[i + 2] - at[i + 1], 5 * s);
   }
}

TEST(RateLimiter, GivesEachSourceABurstOfFiveAndTwentyPerSecond) {
   const random_source random = [](void* out, size_t n) { std::memset(out, 3, n); };
   rate_limiter limiter(random);
   uint64_t now = 5 * s;
   int allowed = 0;
   for (int i = 0; i < 10; i++)
      allowed += limiter.allow(address(1), now);
   EXPECT_EQ(allowed, 5);
   EXPECT_TRUE(limiter.allow(address(2), now));     // another source is not affected
   EXPECT_FALSE(limiter.allow(address(1, 9), now)); // another port of the same is
   now += 50 * ms - 1;
   EXPECT_FALSE(limiter.allow(address(1), now));
   now += 1;
   EXPECT_TRUE(limiter.allow(address(1), now));
   EXPECT_FALSE(limiter.allow(address(1), now));
   now += 10 * s;
   allowed = 0;
   for (int i = 0; i < 10; i++)
      allowed += limiter.allow(address(1), now);
   EXPECT_EQ(allowed, 5);
}

TEST(RateLimiter, TreatsAnIPv6NetworkOf64BitsAsOneSource) {
   const random_source random = [](void* out, size_t n) { std::memset(out, 3, n); };
   rate_limiter limiter(random);
   endpoint v6;
   v6.family = 6;
   v6.ip = {0x20, 1, 0xd, 0xb8};
   for (uint8_t i = 0; i < 5; i++) {
      v6.ip[15] = i;
      EXPECT_TRUE(limiter.allow(v6, s));
   }
   EXPECT_FALSE(limiter.allow(v6, s));
   v6.ip[7] = 1;
   EXPECT_TRUE(limiter.allow(v6, s));
}

TEST(RateLimiter, RefusesNewSourcesWhenFullAndRecoversWhenTheyFallSilent) {
   const random_source random = [](void* out, size_t n) { std::memset(out, 3, n); };
   rate_limiter limiter(random);
   uint64_t now = 100 * s;
   for (uint32_t i = 0; i < rate_limiter::sources_max; i++)
      for (int k = 0; k < 5; k++)
         ASSERT_TRUE(limiter.allow(address(i), now));
   EXPECT_EQ(limiter.size(), rate_limiter::sources_max);
   EXPECT_FALSE(limiter.allow(address(1 << 20), now));
   EXPECT_FALSE(limiter.allow(address(7), now)); // known, but its bucket is empty
   now += 1 * s;
   EXPECT_TRUE(limiter.allow(address(1 << 20), now));
   EXPECT_EQ(limiter.size(), 1u);
}

} // namespace
} // namespace warren::wireguard::testing
