// Goal: sessions come about, are renewed and end as the protocol says, whatever the network does.
// Method: pairs of engines on an in-memory network in virtual time.
#include "network.hpp"
#include "plugins/transport/wireguard/handshake.hpp"

namespace warren::wireguard::testing {
namespace {

TEST(EngineSession, StagedPacketArrivesAfterOneHandshake) {
   pair_of_nodes p;
   p.connect();
   ASSERT_EQ(p.b.received.size(), 1u);
   EXPECT_EQ(p.b.received[0].packet, ip_packet(100, 1));
   EXPECT_EQ(p.b.received[0].peer, p.to_a);
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 1u);
   EXPECT_EQ(p.net.count_sent(message_type::response), 1u);
   EXPECT_EQ(p.net.count_sent(message_type::data),
             1u); // the packet confirmed the keys, no keepalive needed
   p.b.push(p.to_a, ip_packet(60, 2));
   p.net.run_for(100 * ms);
   ASSERT_EQ(p.a.received.size(), 1u);
   EXPECT_EQ(p.a.received[0].packet, ip_packet(60, 2));
   EXPECT_EQ(p.a.wg->stats(p.to_b).handshakes, 1u);
   EXPECT_EQ(p.b.wg->stats(p.to_a).handshakes, 1u);
   EXPECT_EQ(p.b.ready_events, 1u);
}

TEST(EngineSession, InitiatorConfirmsWithAKeepaliveWhenNothingIsStaged) {
   pair_of_nodes p;
   p.a.wg->want_session(p.to_b, p.net.now);
   EXPECT_FALSE(p.b.wg->ready(p.to_a, p.net.now));
   p.net.run_for(100 * ms);
   EXPECT_TRUE(p.b.wg->ready(p.to_a, p.net.now));
   EXPECT_EQ(p.b.results[receive_result::keepalive], 1u);
   EXPECT_EQ(p.a.wg->counters().keepalives_sent, 1u);
}

TEST(EngineSession, ResponderMayNotSendBeforeItHeardFromTheInitiator) {
   pair_of_nodes p;
   p.net.filter = [](const auto& m, uint64_t&) {
      return type_of(m.data) != uint32_t(message_type::data);
   };
   p.a.wg->want_session(p.to_b, p.net.now);
   p.net.run_for(1 * s);
   EXPECT_TRUE(p.a.wg->ready(p.to_b, p.net.now));
   EXPECT_FALSE(p.b.wg->ready(p.to_a, p.net.now));
   EXPECT_EQ(p.b.ready_events, 0u);
}

TEST(EngineSession, WorksWithEqualPsksAndNotWithDifferentOnes) {
   key32 psk{};
   psk.fill(7);
   pair_of_nodes same({}, 1, psk, psk);
   same.connect();
   key32 other = psk;
   other[31] ^= 1;
   pair_of_nodes different({}, 1, psk, other);
   different.a.push(different.to_b, ip_packet(100));
   different.net.run_for(20 * s);
   EXPECT_FALSE(different.a.wg->ready(different.to_b, different.net.now));
   EXPECT_FALSE(different.b.wg->ready(different.to_a, different.net.now));
   EXPECT_GE(different.a.results[receive_result::bad_auth], 2u);
   EXPECT_EQ(different.a.wg->stats(different.to_b).last_error, peer_error::response_rejected);
   // A PSK that is put right reaches the running handshake.
   different.a.wg->set_psk(different.to_b, other);
   different.net.run_for(6 * s);
   EXPECT_TRUE(different.a.wg->ready(different.to_b, different.net.now));
   EXPECT_EQ(different.b.received.size(), 1u);
}

TEST(EngineSession, BothInitiatingAtTheSameTimeEndsWithPacketsBothWays) {
   for (uint64_t skew : {0ull, 1ull, 5ull, 9ull, 15ull, 19ull, 25ull}) {
      pair_of_nodes p({}, skew + 1);
      p.a.push(p.to_b, ip_packet(100, 1));
      p.net.run_for(skew * ms);
      p.b.push(p.to_a, ip_packet(100, 2));
      p.net.run_for(1 * s);
      EXPECT_EQ(p.b.received.size(), 1u) << skew;
      EXPECT_EQ(p.a.received.size(), 1u) << skew;
      for (uint32_t i = 0; i < 20; i++) {
         p.a.push(p.to_b, ip_packet(80, i));
         p.b.push(p.to_a, ip_packet(80, i));
         p.net.run_for(500 * ms);
      }
      EXPECT_EQ(p.b.received.size(), 21u) << skew;
      EXPECT_EQ(p.a.received.size(), 21u) << skew;
      EXPECT_LE(p.net.count_sent(message_type::initiation), 2u)
            << skew; // and no retries afterwards
   }
}

TEST(EngineSession, AnInitiationIsNotRepeatedWhenTheOtherSidesSucceeded) {
   pair_of_nodes p;
   bool lose_responses = true;
   p.net.filter = [&](const message_in_flight& m, uint64_t&) {
      return !(lose_responses && m.from == p.b.at && type_of(m.data) == 2u);
   };
   node& twin = p.net.make_node(); // b's key in another engine, which has not just sent a response
   twin.wg->set_identity(p.b.keys.identity(), p.net.now, p.net.wall());
   const peer_id twin_to_a = twin.add(p.a);
   p.a.wg->want_session(p.to_b, p.net.now);
   p.net.run_for(1 * s);
   twin.push(twin_to_a, ip_packet(100));
   p.net.run_for(30 * s);
   EXPECT_EQ(p.a.received.size(), 1u);
   EXPECT_TRUE(p.a.wg->ready(p.to_b, p.net.now));
   EXPECT_EQ(p.net.count_sent(message_type::initiation, &p.a), 1u);
   EXPECT_TRUE(p.a.lost.empty());
   EXPECT_EQ(p.a.wg->index_count(), 1u); // the handshake is gone, the session is not
}

TEST(EngineSession, TheSourceOfAResponseBecomesTheEndpoint) {
   pair_of_nodes p;
   p.net.filter = [](const auto& m, uint64_t&) { return type_of(m.data) != 2u; };
   p.a.wg->want_session(p.to_b, p.net.now);
   p.net.run_for(1 * s);
   bytes forged = p.net.log.back().data;
   ASSERT_EQ(forged.size(), 92u);
   const bytes response = forged;
   forged[50] ^= 1;
   p.a.deliver({{address(66), forged}});
   EXPECT_EQ(p.a.wg->remote(p.to_b), p.b.at);
   p.a.deliver({{address(67), response}});
   EXPECT_EQ(p.a.wg->remote(p.to_b), address(67));
}

TEST(EngineSession, OurOwnKeyAsInitiatorIsNeverAStranger) {
   network net;
   node& a = net.make_node();
   key32 shared;
   ASSERT_TRUE(a.keys.identity().dh(a.keys.open.data(), shared.data()));
   initiator_state state;
   initiation_message m;
   ASSERT_TRUE(create_initiation(
         a.keys.open, a.keys.open, shared, tai64n(net.wall()), 1,
         [](void* out, size_t n) { randombytes_buf(out, n); }, state, m));
   bytes wire(148);
   m.write(std::span<uint8_t, 148>(wire));
   cookie_jar jar;
   jar.set_public_key(a.keys.open);
   jar.add_macs(wire, 0, s);
   EXPECT_EQ(a.deliver({{address(9), wire}})[0], receive_result::disabled);
   EXPECT_TRUE(a.strangers.empty());
}

TEST(EngineSession, RekeysAfter120SecondsWithoutLosingAPacket) {
   pair_of_nodes p;
   p.connect();
   uint32_t sent = 1;
   for (int i = 0; i < 4000; i++) { // 400 s
      p.a.push(p.to_b, ip_packet(200, ++sent));
      if (i % 3 == 0) p.b.push(p.to_a, ip_packet(200, sent));
      p.net.run_for(100 * ms);
   }
   EXPECT_EQ(p.b.received.size(), sent);
   EXPECT_EQ(p.a.received.size(), 4000u / 3 + 1);
   EXPECT_EQ(p.a.wg->stats(p.to_b).handshakes, 4u);                 // at 0, 120, 240 and 360 s
   EXPECT_EQ(p.net.count_sent(message_type::initiation, &p.b), 0u); // the responder never rekeys
   EXPECT_EQ(p.net.ledger->repeated, 0u);
}

TEST(EngineSession, PacketsUnderTheOldKeysArriveAfterARekey) {
   pair_of_nodes p;
   p.connect();
   bool hold = false;
   p.net.filter = [&](const auto& m, uint64_t& delivery) {
      if (hold && type_of(m.data) == uint32_t(message_type::data)) delivery += 2 * s;
      return true;
   };
   p.net.run_for(119 * s + 500 * ms);
   hold = true;
   p.a.push(p.to_b, ip_packet(100, 2));
   p.b.push(p.to_a, ip_packet(100, 3));
   p.net.run_for(1 * s);
   hold = false;
   p.a.push(p.to_b, ip_packet(100, 4)); // starts the rekey, which ends before the late packets come
   p.net.run_for(3 * s);
   EXPECT_EQ(p.a.wg->stats(p.to_b).handshakes, 2u);
   EXPECT_EQ(p.b.received.size(), 3u);
   EXPECT_EQ(p.a.received.size(), 1u);
}

TEST(EngineSession, InitiatorRekeysOnReceiveAfter165Seconds) {
   pair_of_nodes p;
   p.connect();
   const uint64_t start = p.net.now - 80 * ms; // about the time of the handshake
   p.net.run_until(start + 150 * s);
   p.b.push(p.to_a, ip_packet(100));
   p.net.run_for(1 * s);
   EXPECT_EQ(p.a.received.size(), 1u);
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 1u);
   p.net.run_until(start + 166 * s);
   // The initiator's keepalive at 160 s is sending too, and it has rekeyed by now; so look at who
   // asked for it.
   EXPECT_EQ(p.net.count_sent(message_type::initiation, &p.b), 0u);
   EXPECT_EQ(p.net.count_sent(message_type::initiation, &p.a), 2u);

   // Without anything to send, only the age on receive can start it.
   timing quiet;
   quiet.rekey_after_time = 1000 * s;
   pair_of_nodes q(quiet);
   q.connect();
   const uint64_t begun = q.net.now;
   q.net.run_until(begun + 164 * s);
   q.b.push(q.to_a, ip_packet(100));
   q.net.run_for(100 * ms);
   EXPECT_EQ(q.net.count_sent(message_type::initiation), 1u);
   q.net.run_until(begun + 166 * s);
   q.b.push(q.to_a, ip_packet(100));
   q.net.run_for(100 * ms);
   EXPECT_EQ(q.net.count_sent(message_type::initiation, &q.a), 2u);
}

TEST(EngineSession, OldSessionsAreRefusedAfter180Seconds) {
   timing t;
   t.rekey_after_time = 1000 * s; // nobody rekeys
   pair_of_nodes p(t);
   p.connect();
   const bytes late = [&] {
      bytes buffer(seal_headroom + 100 + seal_tailroom);
      const bytes packet = ip_packet(100);
      std::copy(packet.begin(), packet.end(), buffer.begin() + seal_headroom);
      frame f{buffer.data() + seal_headroom, 100};
      EXPECT_EQ(p.b.wg->seal(p.to_a, {&f, 1}, p.net.now), 1u);
      return bytes(f.data, f.data + f.len);
   }();
   const uint64_t created = p.a.wg->stats(p.to_b).last_handshake_ns;
   p.net.filter = [](const auto&, uint64_t&) { return false; };
   p.net.run_until(created + 180 * s - 1);
   EXPECT_TRUE(p.a.wg->ready(p.to_b, p.net.now));
   p.net.run_until(created + 180 * s);
   EXPECT_FALSE(p.a.wg->ready(p.to_b, p.net.now));
   EXPECT_EQ(p.a.deliver({{p.b.at, late}}), std::vector{receive_result::expired});
   bytes buffer(200);
   frame f{buffer.data() + 32, 20};
   EXPECT_EQ(p.a.wg->seal(p.to_b, {&f, 1}, p.net.now), 0u);
}

TEST(EngineSession, KeysAreErasedAfter540Seconds) {
   pair_of_nodes p;
   p.connect();
   p.net.filter = [](const auto&, uint64_t&) { return false; };
   const uint64_t created = p.a.wg->stats(p.to_b).last_handshake_ns;
   p.net.run_until(created + 539 * s);
   EXPECT_GE(p.b.wg->index_count(), 1u);
   p.net.run_until(created + 541 * s);
   EXPECT_EQ(p.a.wg->index_count(), 0u);
   EXPECT_EQ(p.b.wg->index_count(), 0u);
   EXPECT_EQ(p.b.lost.back(), std::make_pair(p.to_a, lost_reason::keys_erased));
   EXPECT_EQ(p.b.wg->next_deadline(), never); // nothing left to do: an idle node sleeps
}

TEST(EngineSession, SurvivesLossReorderingAndDuplication) {
   for (uint64_t seed = 1; seed <= 20; seed++) {
      pair_of_nodes p({}, seed);
      auto& random = p.net.random;
      p.net.filter = [&](const message_in_flight& m, uint64_t& delivery) {
         delivery += random() % (40 * ms);
         if (random() % 10 == 0) p.net.inject(m.from, m.to, m.data);
         return random() % 5 != 0;
      };
      for (uint32_t i = 0; i < 2000; i++) {
         p.a.push(p.to_b, ip_packet(100, i));
         p.b.push(p.to_a, ip_packet(100, i));
         p.net.run_for(200 * ms);
      }
      for (const node* n : {&p.a, &p.b}) {
         std::set<bytes> unique;
         for (const auto& r : n->received)
            unique.insert(r.packet);
         EXPECT_EQ(unique.size(), n->received.size()) << "a packet came out twice, seed " << seed;
         EXPECT_GT(unique.size(), 1500u) << seed;
      }
      EXPECT_EQ(p.net.ledger->repeated, 0u);
   }
}

TEST(EngineSession, LiveKeySwapDropsEverythingAndStartsAgain) {
   pair_of_nodes p;
   p.connect();
   const key_pair fresh(99);
   p.a.wg->set_identity(fresh.identity(), p.net.now, p.net.wall());
   EXPECT_FALSE(p.a.wg->ready(p.to_b, p.net.now));
   EXPECT_EQ(p.a.lost.back(), std::make_pair(p.to_b, lost_reason::identity_changed));
   EXPECT_EQ(p.a.wg->index_count(), 0u);
   peer_config c;
   c.public_key = fresh.open;
   const peer_id id = p.b.wg->add_peer(c);
   p.a.push(p.to_b, ip_packet(100, 5));
   p.net.run_for(1 * s);
   EXPECT_EQ(p.b.received.back().packet, ip_packet(100, 5));
   EXPECT_EQ(p.b.received.back().peer, id);
   // A peer with the key that is now ours falls silent, and works again when the key moves on.
   p.b.wg->set_identity(fresh.identity(), p.net.now, p.net.wall());
   EXPECT_EQ(p.b.wg->stats(id).last_error, peer_error::own_key);
   p.b.wg->set_identity(p.b.keys.identity(), p.net.now, p.net.wall());
   EXPECT_EQ(p.b.wg->stats(id).last_error, peer_error::none);
   p.a.push(p.to_b, ip_packet(100, 6)); // a still has a session that b has dropped
   p.net.run_for(30 * s);
   p.a.push(p.to_b, ip_packet(100, 7));
   p.net.run_for(1 * s);
   EXPECT_EQ(p.b.received.back().packet, ip_packet(100, 7));
}

TEST(EngineSession, AReplayedInitiationIsStale) {
   pair_of_nodes p;
   p.connect();
   const bytes initiation = p.net.log.front().data;
   ASSERT_EQ(initiation.size(), 148u);
   p.net.run_for(10 * s);
   EXPECT_EQ(p.b.deliver({{p.a.at, initiation}}), std::vector{receive_result::stale_timestamp});
   EXPECT_EQ(p.b.deliver({{address(200), initiation}}),
             std::vector{receive_result::stale_timestamp});
   EXPECT_EQ(p.b.wg->remote(p.to_a), p.a.at);
   EXPECT_EQ(p.net.count_sent(message_type::response), 1u);
}

TEST(EngineSession, TimestampsIncreaseEvenWhenTheWallClockGoesBack) {
   pair_of_nodes p;
   p.connect();
   p.net.wall_offset -= 3600ll * int64_t{s};
   p.net.run_for(200 * s);
   p.a.push(p.to_b, ip_packet(100, 2));
   p.net.run_for(1 * s);
   EXPECT_EQ(p.b.received.size(), 2u);
   EXPECT_EQ(p.b.results[receive_result::stale_timestamp], 0u);
}

TEST(EngineSession, InitiationsOfOnePeerCloserThan20MillisecondsAreRefused) {
   pair_of_nodes p;
   // Two initiations of the same key with different time stamps, from two engines of that key.
   node& twin = p.net.make_node();
   twin.wg->set_identity(p.a.keys.identity(), p.net.now, p.net.wall() + 5 * int64_t{s});
   const peer_id twin_to_b = twin.add(p.b);
   p.net.filter = [](const auto&, uint64_t&) { return false; };
   p.a.wg->want_session(p.to_b, p.net.now);
   twin.wg->want_session(twin_to_b, p.net.now);
   const bytes first = p.net.log[0].data;
   const bytes second = p.net.log[1].data;
   EXPECT_EQ(p.b.deliver({{p.a.at, first}}), std::vector{receive_result::control});
   p.net.run_for(19 * ms);
   EXPECT_EQ(p.b.deliver({{p.a.at, second}}), std::vector{receive_result::rate_limited});
   p.net.run_for(1 * ms);
   EXPECT_EQ(p.b.deliver({{p.a.at, second}}), std::vector{receive_result::control});
}

TEST(EngineSession, StrangersAreOfferedToTheCalleeOnlyWithProofOfTheirKey) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   const peer_id to_b = a.add(b);
   a.push(to_b, ip_packet(100));
   net.run_for(1 * s);
   EXPECT_EQ(b.strangers, std::vector{a.keys.open});
   EXPECT_EQ(b.results[receive_result::stranger], 1u);
   EXPECT_EQ(net.count_sent(message_type::response), 0u);
   b.on_stranger = [&](const key32& key, const endpoint& from) {
      peer_config c;
      c.public_key = key;
      c.remote = from;
      return b.wg->add_peer(c);
   };
   net.run_for(6 * s);
   ASSERT_EQ(b.received.size(), 1u);
   EXPECT_EQ(b.wg->find_peer(a.keys.open), b.received[0].peer);
   // Somebody who claims the key of another, without having it.
   node& liar = net.make_node();
   auto claim = liar.keys.identity();
   claim.public_key = key_pair(55).open;
   liar.wg->set_identity(claim, net.now, net.wall());
   liar.push(liar.add(b), ip_packet(100));
   net.run_for(1 * s);
   EXPECT_EQ(b.strangers.size(), 2u); // a, twice; never the liar
   EXPECT_EQ(b.results[receive_result::bad_auth], 1u);
}

TEST(EngineSession, OwnKeyAsPeerIsAcceptedAndSilent) {
   network net;
   node& a = net.make_node();
   peer_config c;
   c.public_key = a.keys.open;
   c.remote = a.at;
   c.persistent_keepalive_s = 1;
   const peer_id id = a.wg->add_peer(c);
   ASSERT_NE(id, no_peer);
   a.push(id, ip_packet(100));
   net.run_for(100 * s);
   EXPECT_TRUE(net.log.empty());
   EXPECT_EQ(a.wg->stats(id).last_error, peer_error::own_key);
   EXPECT_EQ(a.wg->add_peer(c), no_peer); // but only once
}

TEST(EngineSession, TheSevenLowOrderKeysAreSilent) {
   const char* const points[] = {
         "0000000000000000000000000000000000000000000000000000000000000000",
         "0100000000000000000000000000000000000000000000000000000000000000",
         "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
         "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
         "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
         "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
   network net;
   node& a = net.make_node();
   for (const char* hex : points) {
      peer_config c;
      sodium_hex2bin(c.public_key.data(), 32, hex, 64, nullptr, nullptr, nullptr);
      c.remote = address(9);
      c.persistent_keepalive_s = 1;
      const peer_id id = a.wg->add_peer(c);
      ASSERT_NE(id, no_peer);
      a.push(id, ip_packet(100));
      EXPECT_EQ(a.wg->stats(id).last_error, peer_error::low_order_key);
   }
   net.run_for(100 * s);
   EXPECT_TRUE(net.log.empty());
}

TEST(EngineSession, RemovedPeersAreForgottenAndTheirIdsHarmless) {
   pair_of_nodes p;
   p.connect();
   p.a.wg->remove_peer(p.to_b);
   EXPECT_EQ(p.a.wg->index_count(), 0u);
   EXPECT_EQ(p.a.wg->next_deadline(), never);
   EXPECT_FALSE(p.a.wg->ready(p.to_b, p.net.now));
   p.a.wg->want_session(p.to_b, p.net.now);
   p.a.wg->remove_peer(p.to_b);
   p.a.wg->set_endpoint(12345, address(1));
   EXPECT_EQ(p.a.wg->peer_count(), 0u);
   p.b.push(p.to_a, ip_packet(100));
   p.net.run_for(1 * s);
   EXPECT_EQ(p.a.results[receive_result::unknown_index], 1u);
   EXPECT_EQ(p.a.add(p.b), p.to_b); // the slot is used again
   p.connect();
}

TEST(EngineSession, WithoutAnIdentityNothingHappens) {
   network net;
   node& a = net.make_node();
   engine silent(
         a, [](void* out, size_t n) { std::memset(out, 1, n); }, find_aead("openssl"));
   peer_config c;
   c.public_key = key_pair(8).open;
   c.remote = address(8);
   c.persistent_keepalive_s = 5;
   const peer_id id = silent.add_peer(c);
   silent.want_session(id, net.now);
   EXPECT_EQ(silent.next_deadline(), never);
   bytes message(148);
   message[0] = 1;
   datagram d{message.data(), 148, address(3)};
   silent.receive({&d, 1}, net.now, net.wall());
   EXPECT_EQ(d.result, receive_result::disabled);
   EXPECT_TRUE(net.log.empty());
}

} // namespace
} // namespace warren::wireguard::testing
