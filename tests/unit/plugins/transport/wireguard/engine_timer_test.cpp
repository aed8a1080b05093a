// Goal: every timer fires when the protocol says, and not otherwise. Method: a pair of engines in
// virtual time; the log of the network shows what was sent when.
#include "network.hpp"

namespace warren::wireguard::testing {
namespace {

std::vector<uint64_t> times_of(const network& net, message_type type, const node& from,
                               uint64_t since = 0) {
   std::vector<uint64_t> out;
   for (const auto& m : net.log)
      if (m.at >= since && m.from == from.at && type_of(m.data) == uint32_t(type))
         out.push_back(m.at);
   return out;
}

TEST(EngineTimer, InitiatesEighteenTimesWithJitterAndThenGivesUp) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   const peer_id to_b = a.add(b);
   net.filter = [](const auto&, uint64_t&) { return false; };
   const uint64_t start = net.now;
   a.push(to_b, ip_packet(100));
   net.run_for(300 * s);
   const auto at = times_of(net, message_type::initiation, a);
   ASSERT_EQ(at.size(), 18u);
   EXPECT_EQ(at[0], start);
   std::set<uint64_t> gaps;
   for (size_t i = 1; i < at.size(); i++) {
      EXPECT_GE(at[i] - at[i - 1], 5 * s);
      EXPECT_LE(at[i] - at[i - 1], 5 * s + 333 * ms);
      gaps.insert(at[i] - at[i - 1]);
   }
   EXPECT_GT(gaps.size(), 10u); // random, not constant
   ASSERT_EQ(a.lost.size(), 1u);
   EXPECT_EQ(a.lost[0], std::make_pair(to_b, lost_reason::handshake_timeout));
   EXPECT_EQ(a.wg->stats(to_b).last_error, peer_error::handshake_timeout);
   EXPECT_EQ(a.wg->index_count(), 0u);
   EXPECT_EQ(a.wg->next_deadline(), never);
   std::set<bytes> unique;
   for (const auto& m : net.log)
      unique.insert(bytes(m.data.begin() + 8, m.data.begin() + 40));
   EXPECT_EQ(unique.size(), 18u); // each with an ephemeral key of its own
   // New traffic starts all over.
   net.filter = nullptr;
   b.add(a);
   a.push(to_b, ip_packet(100));
   net.run_for(1 * s);
   EXPECT_EQ(b.received.size(), 1u);
}

TEST(EngineTimer, AskingRepeatedlyDoesNotSendMoreInitiations) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   const peer_id to_b = a.add(b);
   net.filter = [](const auto&, uint64_t&) { return false; };
   for (int i = 0; i < 400; i++) {
      a.wg->want_session(to_b, net.now);
      net.run_for(10 * ms);
   }
   EXPECT_EQ(net.log.size(), 1u);
}

TEST(EngineTimer, AResponderThatWantsToSendWaitsFiveSecondsAfterItsResponse) {
   pair_of_nodes p;
   bool lose = true;
   p.net.filter = [&](const auto& m, uint64_t&) { return !(lose && type_of(m.data) == 2u); };
   p.a.wg->want_session(p.to_b, p.net.now);
   p.net.run_for(20 * ms);
   p.a.wg->remove_peer(p.to_b); // a disappears; b does not know and has sent a response
   const uint64_t responded = times_of(p.net, message_type::response, p.b).at(0);
   p.b.push(p.to_a, ip_packet(100));
   p.net.run_for(30 * s);
   const auto at = times_of(p.net, message_type::initiation, p.b);
   ASSERT_FALSE(at.empty());
   EXPECT_EQ(at[0], responded + 5 * s);
}

TEST(EngineTimer, PassiveKeepaliveComesTenSecondsAfterUnansweredData) {
   pair_of_nodes p;
   p.connect();
   p.net.run_for(20 * s); // b answers the first packet, then silence
   const uint64_t mark = p.net.now;
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(60 * s);
   const auto at = times_of(p.net, message_type::data, p.b, mark);
   ASSERT_EQ(at.size(), 1u); // once: a keepalive does not call for another
   EXPECT_EQ(at[0], mark + p.net.delay + 10 * s);
   EXPECT_EQ(times_of(p.net, message_type::data, p.a, mark).size(), 1u);
   EXPECT_EQ(p.net.count_sent(message_type::initiation), 1u);
}

TEST(EngineTimer, MoreDataWhileTheKeepaliveWaitsCallsForOneMore) {
   pair_of_nodes p;
   p.connect();
   p.net.run_for(20 * s);
   const uint64_t mark = p.net.now;
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(4 * s);
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(60 * s);
   const auto at = times_of(p.net, message_type::data, p.b, mark);
   ASSERT_EQ(at.size(), 2u);
   EXPECT_EQ(at[0], mark + p.net.delay + 10 * s);
   EXPECT_EQ(at[1], mark + p.net.delay + 20 * s);
}

TEST(EngineTimer, AnAnswerSettlesEverythingThatCameBeforeIt) {
   pair_of_nodes p;
   p.connect();
   p.net.run_for(20 * s);
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(1 * s);
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(1 * s);
   p.b.push(p.to_a, ip_packet(100));
   const uint64_t mark = p.net.now + 1;
   p.net.run_for(1 * s);
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(60 * s);
   EXPECT_EQ(times_of(p.net, message_type::data, p.b, mark).size(),
             1u); // not one more for the first two
}

TEST(EngineTimer, NoPassiveKeepaliveWhenThereWasAnAnswer) {
   pair_of_nodes p;
   p.connect();
   p.net.run_for(20 * s);
   const uint64_t mark = p.net.now;
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(5 * s);
   p.b.push(p.to_a, ip_packet(100));
   p.net.run_for(9 * s);
   EXPECT_EQ(times_of(p.net, message_type::data, p.b, mark).size(), 1u);
}

TEST(EngineTimer, PersistentKeepaliveOpensThePathAndKeepsItOpen) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   b.add(a, 0, {}, false);
   const uint64_t start = net.now;
   const peer_id to_b = a.add(b, 25);
   net.run_for(110 * s);
   EXPECT_EQ(times_of(net, message_type::initiation, a), std::vector{start}); // at once
   const auto at = times_of(net, message_type::data, a);
   ASSERT_EQ(at.size(), 5u); // the confirmation, then each 25 s
   for (size_t i = 1; i < at.size(); i++)
      EXPECT_EQ(at[i] - at[i - 1], 25 * s);
   EXPECT_EQ(times_of(net, message_type::data, b).size(), 0u);
   a.wg->set_keepalive(to_b, 0, net.now);
   const uint64_t mark = net.now;
   net.run_for(100 * s);
   EXPECT_EQ(times_of(net, message_type::data, a, mark).size(), 0u);
   a.wg->set_keepalive(to_b, 5, net.now);
   net.run_for(1 * s);
   EXPECT_EQ(net.count_sent(message_type::initiation, &a),
             2u); // the session was too old: a new one
}

TEST(EngineTimer, PersistentKeepaliveIsPutOffByTrafficOfBothDirections) {
   for (const bool receive : {false, true}) {
      pair_of_nodes p;
      p.connect();
      p.a.wg->set_keepalive(p.to_b, 8, p.net.now); // shorter than the passive one
      p.net.run_for(1 * s);
      const uint64_t mark = p.net.now;
      for (int i = 0; i < 10; i++) {
         if (receive)
            p.b.push(p.to_a, bytes{}); // keepalives call for no answer
         else
            p.a.push(p.to_b, bytes{});
         p.net.run_for(5 * s);
      }
      EXPECT_EQ(times_of(p.net, message_type::data, p.a, mark).size(), receive ? 0u : 10u);
      p.net.run_for(4 * s);
      EXPECT_EQ(times_of(p.net, message_type::data, p.a, mark).size(), receive ? 1u : 11u);
   }
}

TEST(EngineTimer, PersistentKeepaliveGoesOnTryingWhenNobodyIsThere) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   const peer_id to_b = a.add(b, 25);
   net.run_for(1000 * s);
   EXPECT_GT(a.lost.size(), 3u);
   b.add(a);
   net.run_for(30 * s);
   EXPECT_TRUE(a.wg->ready(to_b, net.now));
}

TEST(EngineTimer, DataWithoutAnyAnswerStartsANewHandshakeAfter15Seconds) {
   pair_of_nodes p;
   p.connect();
   p.net.run_for(20 * s);
   p.net.filter = [&](const auto& m, uint64_t&) { return !(m.from == p.b.at); };
   const uint64_t mark = p.net.now;
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(8 * s);
   p.a.push(p.to_b, ip_packet(100)); // does not put it off
   p.net.run_for(10 * s);
   const auto at = times_of(p.net, message_type::initiation, p.a, mark);
   ASSERT_EQ(at.size(), 1u);
   EXPECT_GE(at[0], mark + 15 * s);
   EXPECT_LE(at[0], mark + 15 * s + 333 * ms);
}

TEST(EngineTimer, StickySourceAddressIsForgottenWhenNothingComesBack) {
   pair_of_nodes p;
   p.connect();
   endpoint with_source = p.b.at;
   with_source.local = 42;
   p.a.wg->set_endpoint(p.to_b, with_source);
   p.net.filter = [](const auto&, uint64_t&) { return false; };
   p.a.push(p.to_b, ip_packet(100));
   p.net.run_for(14 * s);
   EXPECT_EQ(p.a.wg->remote(p.to_b).local, 42u);
   p.net.run_for(2 * s);
   EXPECT_EQ(p.a.wg->remote(p.to_b).local, 0u);
   EXPECT_EQ(p.a.roamed.back().local, 0u);
}

TEST(EngineTimer, WithoutAnEndpointNothingIsSentAndTheReasonIsShown) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   const peer_id to_b = a.add(b, 10, {}, false);
   a.push(to_b, ip_packet(100));
   net.run_for(100 * s);
   EXPECT_TRUE(net.log.empty());
   EXPECT_EQ(a.wg->stats(to_b).last_error, peer_error::no_endpoint);
   b.add(a);
   a.wg->set_endpoint(to_b, b.at);
   a.wg->want_session(to_b, net.now);
   net.run_for(1 * s);
   EXPECT_EQ(b.received.size(), 1u);
}

TEST(EngineTimer, ANewEndpointIsTriedAtOnceAndGetsAllItsTries) {
   network net;
   node& a = net.make_node();
   node& b = net.make_node();
   b.add(a);
   const peer_id to_b = a.add(b);
   a.wg->set_endpoint(to_b, address(200));
   a.push(to_b, ip_packet(100, 1));
   net.run_for(88 * s); // the last tries are running
   a.wg->want_session(to_b, net.now);
   EXPECT_EQ(b.received.size(), 0u);
   const uint64_t mark = net.now;
   a.wg->set_endpoint(to_b, b.at);
   a.push(to_b, ip_packet(100, 2));
   net.run_for(100 * ms);
   EXPECT_EQ(times_of(net, message_type::initiation, a, mark), std::vector{mark});
   EXPECT_EQ(b.received.size(), 2u);
   EXPECT_TRUE(a.lost.empty());
}

TEST(EngineTimer, OneCallFiresABoundedNumberOfPeers) {
   network net;
   node& a = net.make_node();
   for (uint32_t i = 0; i < 1000; i++) {
      peer_config c;
      c.public_key = key_pair(1000 + i).open;
      c.remote = address(1000 + i);
      c.persistent_keepalive_s = 25;
      a.wg->add_peer(c);
   }
   a.wg->on_time(net.now, net.wall());
   EXPECT_GT(net.log.size(), 0u);
   EXPECT_LE(net.log.size(), 64u);
   EXPECT_LE(a.wg->next_deadline(), net.now);
   net.run_for(1 * ms);
   EXPECT_EQ(net.log.size(), 1000u);
}

TEST(EngineTimer, PacketsDoNotMoveTheHeapForward) {
   pair_of_nodes p;
   p.connect();
   p.a.push(p.to_b, ip_packet(100));
   p.b.push(p.to_a, ip_packet(100));
   p.net.run_for(50 * ms);
   const uint64_t deadline = p.a.wg->next_deadline();
   for (uint32_t i = 0; i < 100; i++) {
      p.a.push(p.to_b, ip_packet(100, i));
      p.b.push(p.to_a, ip_packet(100, i));
      p.net.run_for(20 * ms);
   }
   EXPECT_EQ(p.a.wg->next_deadline(),
             deadline); // two seconds of traffic later: only stamps were written
}

// The heap against a plain map, over random operations.
TEST(TimerHeap, AgreesWithASimpleModel) {
   std::mt19937_64 random(5);
   timer_heap heap;
   std::map<peer_id, uint64_t> model;
   for (int i = 0; i < 200'000; i++) {
      const auto peer = static_cast<peer_id>(random() % 300);
      if (random() % 4 == 0) {
         heap.set(peer, never);
         model.erase(peer);
      } else {
         const uint64_t deadline = random() % 1000;
         heap.set(peer, deadline);
         model[peer] = deadline;
      }
      uint64_t earliest = never;
      if (i % 16 == 0) {
         for (const auto& [id, at] : model)
            earliest = std::min(earliest, at);
         ASSERT_EQ(heap.next(), earliest);
         if (earliest != never) {
            ASSERT_EQ(model.at(heap.next_peer()), earliest);
         }
      }
      ASSERT_EQ(heap.size(), model.size());
      ASSERT_EQ(heap.deadline(peer), model.contains(peer) ? model[peer] : never);
   }
}

} // namespace
} // namespace warren::wireguard::testing
