// Goal: hashes, AEADs, cookies and handshake messages are right to the byte. Method: vectors of the
// RFCs, and vectors.hpp, which vectors.py computed without any of this code; the AEAD backends are
// also held against each other.
#include "network.hpp"
#include "plugins/transport/wireguard/blake2s.hpp"
#include "plugins/transport/wireguard/cookie.hpp"
#include "plugins/transport/wireguard/handshake.hpp"
#include "plugins/transport/wireguard/keypair.hpp"
#include "plugins/transport/wireguard/peer.hpp"
#include "vectors.hpp"

namespace warren::wireguard::testing {
namespace {

bytes_view text(std::string_view t) {
   return {reinterpret_cast<const uint8_t*>(t.data()), t.size()};
}

std::string hex(bytes_view data) {
   std::string out(data.size() * 2 + 1, 0);
   sodium_bin2hex(out.data(), out.size(), data.data(), data.size());
   out.pop_back();
   return out;
}

TEST(Blake2s, HashesTheVectorOfRfc7693) {
   const char* const answer = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
   EXPECT_EQ(hex(blake2s({text("abc")})), answer);
   EXPECT_EQ(hex(blake2s({text("a"), text(""), text("bc")})), answer);
   EXPECT_EQ(hex(blake2s({})), "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
}

TEST(Blake2s, MacsAreKeyedAndTheirSizeCounts) {
   std::array<uint8_t, 16> out{};
   blake2s_mac(key32{}, {text("abc")}, out);
   EXPECT_EQ(hex(out), "25cbc82fd5b1e27b931777d77965336b");
   std::array<uint8_t, 32> longer{};
   blake2s_mac(key32{}, {text("abc")}, longer);
   EXPECT_NE(hex(longer).substr(0, 32), hex(out));
   blake2s_mac(text("k"), {text("mess"), text("age")}, out);
   EXPECT_EQ(out, vectors::mac_key_size_1);
}

TEST(Blake2s, AKeptKeyGivesTheSameMacsAgainAndAgain) {
   keyed_mac kept;
   for (uint8_t k = 0; k < 3; k++) {
      key32 key{};
      key[3] = k;
      kept.set_key(key);
      for (const auto* message :
           {"abc", "", "abc",
            "something longer than the block of 64 bytes, to be sure of it, and so on"}) {
         std::array<uint8_t, 16> expected{};
         blake2s_mac(key, {text(message)}, expected);
         EXPECT_EQ(kept(text(message)), expected);
      }
   }
}

TEST(Blake2s, HmacAndKeyDerivationMatchTheIndependentAnswers) {
   std::array<uint8_t, 64> key;
   for (size_t i = 0; i < key.size(); i++)
      key[i] = static_cast<uint8_t>(i);
   EXPECT_EQ(hmac_blake2s(key, {bytes(200)}), vectors::hmac_long);
   const auto input = text("input of the key derivation");
   key32 c = vectors::initiator_private;
   key32 k2{};
   key32 k3{};
   kdf3(c, input, c, k2, k3); // in place
   EXPECT_EQ(c, vectors::kdf_1);
   EXPECT_EQ(k2, vectors::kdf_2);
   EXPECT_EQ(k3, vectors::kdf_3);
   kdf1(vectors::initiator_private, input, c);
   EXPECT_EQ(c, vectors::kdf_1);
   kdf2(vectors::initiator_private, input, c, k2);
   EXPECT_EQ(k2, vectors::kdf_2);
}

TEST(Aead, EveryBackendOfThisBuildWorksAndIsFoundByName) {
   std::vector<std::string> names;
   for (const auto& backend : aead_backends()) {
      names.emplace_back(backend->name());
      EXPECT_EQ(find_aead(backend->name())->name(), backend->name());
   }
   EXPECT_GE(names.size(), 2u);
   EXPECT_EQ(find_aead("rot13"), nullptr);
   static uint64_t clock = 0;
   const auto fastest = fastest_aead([] { return clock += 10'000; });
   ASSERT_NE(fastest, nullptr);
   EXPECT_NE(fastest_aead([]() -> uint64_t { return 5; }), nullptr); // a clock that stands still
}

TEST(Aead, FastestIsTheOneWithTheFastestRoundHoweverBusyTheMachineWas) {
   const auto all = aead_backends();
   for (size_t fast = 0; fast < all.size(); fast++) {
      // Two looks at the clock per round and backend, in turn. The fast one is slowed down in all
      // rounds but one, the others never.
      uint64_t looks = 0, now = 0;
      const auto clock = [&] {
         const size_t backend = looks / 2 % all.size(), round = looks / 2 / all.size();
         if (looks++ % 2 == 1) now += backend != fast ? 40'000 : round == 7 ? 20'000 : 900'000;
         return now;
      };
      EXPECT_EQ(fastest_aead(clock)->name(), all[fast]->name());
   }
}

TEST(Aead, TagsMatchTheIndependentAnswers) {
   std::array<uint8_t, 32> key;
   for (size_t i = 0; i < key.size(); i++)
      key[i] = static_cast<uint8_t>(0x80 + i);
   const std::vector<std::pair<uint32_t, std::array<uint8_t, 16>>> answers = {
         {0, vectors::aead_tag_0},   {1, vectors::aead_tag_1},     {15, vectors::aead_tag_15},
         {16, vectors::aead_tag_16}, {63, vectors::aead_tag_63},   {64, vectors::aead_tag_64},
         {65, vectors::aead_tag_65}, {255, vectors::aead_tag_255}, {1420, vectors::aead_tag_1420}};
   for (const auto& backend : aead_backends()) {
      const auto k = backend->make_key(key);
      for (const auto& [size, tag] : answers) {
         bytes buffer(size + tag_size);
         for (size_t i = 0; i < size; i++)
            buffer[i] = static_cast<uint8_t>(i * 7);
         aead_job job{buffer.data(), size, (uint64_t{1} << 40) + size, false};
         k->seal({&job, 1});
         EXPECT_TRUE(job.ok);
         EXPECT_TRUE(std::equal(tag.begin(), tag.end(), buffer.begin() + size))
               << backend->name() << size;
      }
   }
}

TEST(Aead, BackendsOpenWhatTheOthersSealedAtEveryLengthAndBatchSize) {
   std::mt19937_64 random(3);
   const auto backends = aead_backends();
   for (size_t round = 0; round < 60; round++) {
      key32 key;
      for (uint8_t& b : key)
         b = static_cast<uint8_t>(random());
      const size_t count = round < 3 ? std::array{1, 2, 128}[round] : 1 + random() % batch_max;
      std::vector<bytes> plain(count);
      for (bytes& b : plain) {
         b.resize(random() % 1501);
         for (uint8_t& x : b)
            x = static_cast<uint8_t>(random());
      }
      const uint64_t first = random();
      std::vector<std::vector<bytes>> sealed;
      for (const auto& backend : backends) {
         std::vector<bytes> buffers;
         std::vector<aead_job> jobs;
         for (const bytes& b : plain) {
            buffers.push_back(b);
            buffers.back().resize(b.size() + tag_size + 1, 0xaa); // and one byte that must stay
         }
         for (size_t i = 0; i < count; i++)
            jobs.push_back(
                  {buffers[i].data(), static_cast<uint32_t>(plain[i].size()), first + i, false});
         backend->make_key(key)->seal(jobs);
         for (const auto& j : jobs)
            ASSERT_TRUE(j.ok);
         for (const auto& b : buffers)
            ASSERT_EQ(b.back(), 0xaa);
         sealed.push_back(std::move(buffers));
      }
      for (size_t b = 1; b < backends.size(); b++)
         ASSERT_EQ(sealed[b], sealed[0]);
      for (const auto& backend : backends) {
         auto buffers = sealed[0];
         std::vector<aead_job> jobs;
         std::set<size_t> tampered;
         for (size_t i = 0; i < count; i++) {
            jobs.push_back(
                  {buffers[i].data(), static_cast<uint32_t>(plain[i].size()), first + i, true});
            if (random() % 3 != 0) continue;
            buffers[i][random() % (plain[i].size() + tag_size)] ^=
                  static_cast<uint8_t>(1 << random() % 8);
            tampered.insert(i);
         }
         backend->make_key(key)->open(jobs);
         for (size_t i = 0; i < count; i++) {
            ASSERT_EQ(jobs[i].ok, !tampered.contains(i)) << backend->name();
            if (!jobs[i].ok) continue;
            ASSERT_TRUE(std::equal(plain[i].begin(), plain[i].end(), buffers[i].begin()))
                  << backend->name();
         }
      }
   }
}

TEST(Aead, EachBitOfTheTagAndTheCounterCounts) {
   for (const auto& backend : aead_backends()) {
      const auto key = backend->make_key(key32{7});
      bytes sealed(64 + tag_size);
      aead_job job{sealed.data(), 64, 0x0102030405060708, false};
      key->seal({&job, 1});
      for (size_t bit = 0; bit < 128; bit++) {
         bytes copy = sealed;
         copy[64 + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
         aead_job open{copy.data(), 64, job.counter, true};
         key->open({&open, 1});
         EXPECT_FALSE(open.ok) << backend->name() << bit;
      }
      for (int bit = 0; bit < 64; bit++) {
         bytes copy = sealed;
         aead_job open{copy.data(), 64, job.counter ^ uint64_t{1} << bit, true};
         key->open({&open, 1});
         EXPECT_FALSE(open.ok) << backend->name() << bit;
      }
   }
}

// Hands out the fixed ephemeral keys of vectors.hpp.
random_source fixed(const key32& ephemeral) {
   return [ephemeral](void* out, size_t size) { std::memcpy(out, ephemeral.data(), size); };
}

dh_function dh_with(const key32& secret) {
   return [secret](const uint8_t* peer, uint8_t* out) {
      return crypto_scalarmult_curve25519(out, secret.data(), peer) == 0;
   };
}

constexpr int64_t fixed_wall = 1'700'000'000'123'456'789;

struct Handshake : ::testing::Test {
   Handshake() {
      EXPECT_TRUE(dh_with(vectors::initiator_private)(vectors::responder_public.data(),
                                                      static_static.data()));
   }
   bool initiate(initiator_state& state, bytes& wire) const {
      initiation_message m;
      if (!create_initiation(vectors::initiator_public, vectors::responder_public, static_static,
                             tai64n(fixed_wall), 0x12345678, fixed(vectors::initiator_ephemeral),
                             state, m))
         return false;
      wire.assign(148, 0xff);
      m.write(std::span<uint8_t, 148>(wire));
      cookie_jar jar;
      jar.set_public_key(vectors::responder_public);
      jar.add_macs(wire, 0, s);
      return true;
   }
   key32 static_static{};
};

TEST_F(Handshake, IsRightToTheByteWithAndWithoutPsk) {
   for (const bool with_psk : {true, false}) {
      const key32 psk = with_psk ? vectors::psk : key32{};
      initiator_state state;
      bytes wire;
      ASSERT_TRUE(initiate(state, wire));
      EXPECT_EQ(hex(wire), hex(vectors::initiation));

      const auto in = initiation_message::parse(wire);
      ASSERT_TRUE(in.has_value());
      received_initiation received;
      ASSERT_TRUE(open_initiation_static(vectors::responder_public,
                                         dh_with(vectors::responder_private), *in, received));
      EXPECT_EQ(received.static_public, vectors::initiator_public);
      ASSERT_TRUE(open_initiation_timestamp(static_static, *in, received));
      EXPECT_EQ(received.sent_at, tai64n(fixed_wall));

      response_message response;
      session_keys responder;
      ASSERT_TRUE(create_response(received, psk, 0x9abcdef0, fixed(vectors::responder_ephemeral),
                                  response, responder));
      bytes answer(92);
      response.write(std::span<uint8_t, 92>(answer));
      cookie_jar jar;
      jar.set_public_key(vectors::initiator_public);
      jar.add_macs(answer, 0, s);
      EXPECT_EQ(hex(answer),
                hex(with_psk ? vectors::response_with_psk : vectors::response_without_psk));

      session_keys initiator;
      const auto parsed = response_message::parse(answer);
      ASSERT_TRUE(parsed.has_value());
      ASSERT_TRUE(
            consume_response(state, dh_with(vectors::initiator_private), psk, *parsed, initiator));
      EXPECT_EQ(hex(initiator.send), hex(with_psk ? vectors::initiator_send_key_with_psk
                                                  : vectors::initiator_send_key_without_psk));
      EXPECT_EQ(hex(initiator.receive), hex(with_psk ? vectors::initiator_receive_key_with_psk
                                                     : vectors::initiator_receive_key_without_psk));
      EXPECT_EQ(responder.receive, initiator.send);
      EXPECT_EQ(responder.send, initiator.receive);
   }
}

TEST_F(Handshake, NoByteOfAnInitiationOrResponseCanBeChanged) {
   initiator_state state;
   bytes wire;
   ASSERT_TRUE(initiate(state, wire));
   for (size_t at = 8; at < 116; at++) {
      bytes bad = wire;
      bad[at] ^= 4;
      received_initiation received;
      const auto in = initiation_message::parse(bad);
      ASSERT_TRUE(in.has_value());
      EXPECT_FALSE(open_initiation_static(vectors::responder_public,
                                          dh_with(vectors::responder_private), *in, received) &&
                   open_initiation_timestamp(static_static, *in, received))
            << at;
   }
   for (size_t at = 12; at < 60; at++) {
      bytes bad(vectors::response_with_psk.begin(), vectors::response_with_psk.end());
      bad[at] ^= 4;
      session_keys keys;
      EXPECT_FALSE(consume_response(state, dh_with(vectors::initiator_private), vectors::psk,
                                    response_message::parse(bad).value(), keys))
            << at;
   }
   // The state is still good for the true response.
   session_keys keys;
   EXPECT_TRUE(consume_response(state, dh_with(vectors::initiator_private), vectors::psk,
                                response_message::parse(vectors::response_with_psk).value(), keys));
}

TEST_F(Handshake, LowOrderEphemeralKeysAreRefused) {
   initiator_state state;
   bytes wire;
   ASSERT_TRUE(initiate(state, wire));
   auto in = initiation_message::parse(wire).value();
   in.ephemeral = {};
   received_initiation received;
   EXPECT_FALSE(open_initiation_static(vectors::responder_public,
                                       dh_with(vectors::responder_private), in, received));
   auto response = response_message::parse(vectors::response_with_psk).value();
   response.ephemeral = {1};
   session_keys keys;
   EXPECT_FALSE(consume_response(state, dh_with(vectors::initiator_private), vectors::psk, response,
                                 keys));
   received.ephemeral = {};
   received.static_public = vectors::initiator_public;
   EXPECT_FALSE(
         create_response(received, {}, 1, fixed(vectors::responder_ephemeral), response, keys));
}

TEST(Timestamp, IsTai64nWhitenedTo16MillisecondsAndKeepsOrder) {
   EXPECT_EQ(hex(tai64n(fixed_wall)), "400000006553f10a07000000");
   EXPECT_EQ(hex(tai64n(0)), "400000000000000a00000000");
   for (int64_t t = 0; t < 3'000'000'000; t += 7'777'777) {
      EXPECT_LE(tai64n(t), tai64n(t + 1));
      EXPECT_LT(tai64n(t), tai64n(t + timestamp_step_ns));
   }
}

TEST(Cookie, ReplyAndMac2AreRightToTheByte) {
   const endpoint source = [] {
      endpoint e;
      e.family = 4;
      e.ip = {192, 0, 2, 7};
      e.port = 51820;
      return e;
   }();
   cookie_checker checker;
   checker.set_public_key(vectors::responder_public);
   EXPECT_TRUE(checker.mac1_ok(vectors::initiation));
   const random_source random = [](void* out,
                                   size_t size) { // the nonce has 24 bytes, the secret 32
      std::memcpy(out, size == 24 ? vectors::cookie_nonce.data() : vectors::cookie_secret.data(),
                  size);
   };
   bytes reply(64);
   checker.make_reply(vectors::initiation, 0x12345678, source, 5, random,
                      std::span<uint8_t, 64>(reply));
   EXPECT_EQ(hex(reply), hex(vectors::cookie_reply));

   cookie_jar jar;
   jar.set_public_key(vectors::responder_public);
   bytes again(vectors::initiation.begin(), vectors::initiation.end());
   jar.add_macs(again, 0, 120 * s);
   ASSERT_TRUE(jar.consume_reply(cookie_message::parse(reply).value(), 10));
   jar.add_macs(again, 11, 120 * s);
   EXPECT_EQ(hex(bytes_view(again).last(16)), hex(vectors::initiation_mac2));
   EXPECT_TRUE(checker.mac2_ok(again, source, 12, random));
}

TEST(Cookie, IsBoundToAddressPortAndTime) {
   uint8_t fill = 0;
   const random_source random = [&](void* out, size_t size) { std::memset(out, ++fill, size); };
   cookie_checker checker;
   checker.set_public_key(vectors::responder_public);
   cookie_jar jar;
   jar.set_public_key(vectors::responder_public);
   bytes message(148, 1);
   jar.add_macs(message, 0, 120 * s);
   bytes reply(64);
   checker.make_reply(message, 1, address(3, 7), 0, random, std::span<uint8_t, 64>(reply));
   ASSERT_TRUE(jar.consume_reply(cookie_message::parse(reply).value(), 0));
   jar.add_macs(message, 1, 120 * s);
   endpoint v6 = address(3, 7);
   v6.family = 6;
   EXPECT_TRUE(checker.mac2_ok(message, address(3, 7), 1, random));
   EXPECT_FALSE(checker.mac2_ok(message, address(3, 8), 1, random));
   EXPECT_FALSE(checker.mac2_ok(message, address(4, 7), 1, random));
   EXPECT_FALSE(checker.mac2_ok(message, v6, 1, random));
   EXPECT_TRUE(checker.mac2_ok(message, address(3, 7), 120 * s - 1, random));
   EXPECT_FALSE(checker.mac2_ok(message, address(3, 7), 120 * s, random)); // a new secret
   jar.add_macs(message, 120 * s, 120 * s); // and the cookie is stale
   EXPECT_EQ(hex(bytes_view(message).last(16)), std::string(32, '0'));
}

TEST(Cookie, Mac1DependsOnEveryByteBeforeIt) {
   cookie_checker checker;
   checker.set_public_key(vectors::responder_public);
   for (size_t at = 0; at < 132; at++) {
      auto bad = vectors::initiation;
      bad[at] ^= 1;
      EXPECT_FALSE(checker.mac1_ok(bad)) << at;
   }
   auto other_mac2 = vectors::initiation;
   other_mac2[140] ^= 1;
   EXPECT_TRUE(checker.mac1_ok(other_mac2));
}

// The engine as a whole against the independent bytes: random numbers are recognised by their size.
TEST(EngineVectors, TheInitiationAndTheFirstDataAreRightToTheByte) {
   struct sink final : engine_events {
      void send(peer_id, const endpoint&, std::span<const uint8_t> m) override {
         sent.emplace_back(m.begin(), m.end());
      }
      void session_ready(peer_id) override {
         bytes buffer(16 + 21 + 31);
         std::copy(vectors::inner_packet.begin(), vectors::inner_packet.end(), buffer.begin() + 16);
         frame f{buffer.data() + 16, 21};
         ASSERT_EQ(wg->seal(0, {&f, 1}, s), 1u);
         sent.emplace_back(f.data, f.data + f.len);
      }
      void session_lost(peer_id, lost_reason) override {}
      void endpoint_changed(peer_id, const endpoint&) override {}
      peer_id unknown_peer(const key32&, const endpoint&) override { return no_peer; }
      std::vector<bytes> sent;
      engine* wg = nullptr;
   };
   for (const auto& backend : aead_backends()) {
      sink events;
      const random_source random = [](void* out, size_t size) {
         const uint32_t index = 0x12345678;
         std::memset(out, 0, size);
         if (size == 4) std::memcpy(out, &index, 4);
         if (size == 32) std::memcpy(out, vectors::initiator_ephemeral.data(), 32);
      };
      engine wg(events, random, find_aead(backend->name()));
      events.wg = &wg;
      wg.set_identity({vectors::initiator_public, dh_with(vectors::initiator_private)}, s,
                      fixed_wall);
      peer_config c;
      c.public_key = vectors::responder_public;
      c.psk = vectors::psk;
      c.remote = address(2);
      ASSERT_EQ(wg.add_peer(c), 0u);
      wg.want_session(0, s);
      ASSERT_EQ(events.sent.size(), 1u);
      EXPECT_EQ(hex(events.sent[0]), hex(vectors::initiation));
      bytes response(vectors::response_with_psk.begin(), vectors::response_with_psk.end());
      datagram d{response.data(), 92, address(2)};
      wg.receive({&d, 1}, s, fixed_wall);
      EXPECT_EQ(d.result, receive_result::control);
      ASSERT_EQ(events.sent.size(), 2u); // data confirmed the keys
      EXPECT_EQ(hex(events.sent[1]), hex(vectors::first_data_with_psk));
      uint8_t buffer[47];
      frame keepalive{buffer + 16, 0};
      ASSERT_EQ(wg.seal(0, {&keepalive, 1}, s), 1u);
      EXPECT_EQ(hex({keepalive.data, keepalive.len}), hex(vectors::second_keepalive_with_psk));
   }
}

TEST(Memory, APeerWithASessionStaysBelow6Kilobytes) {
   // Both keys of OpenSSL's backend take about 900 bytes each, the others 56.
   EXPECT_LT(sizeof(peer) + sizeof(keypair) + 2 * 900, 6000u);
   EXPECT_LT(sizeof(peer), 1000u);
}

} // namespace
} // namespace warren::wireguard::testing
