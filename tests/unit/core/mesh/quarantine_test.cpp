// Goal: who is not in the table gets a link only with an open invite or the network's secret,
// nothing but messages to the party passes on it, and it ends by itself. Method: meshes under
// virtual time with tables made by hand.
#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::mesh_node;
using support::mesh_world;

class Quarantine : public ::testing::Test {
 protected:
   Quarantine() {
      network[0] = 7;
      invite.id[0] = 1;
      invite.secret[0] = 2;
      invite.token[0] = 3;
   }

   std::shared_ptr<trust::table> table(uint32_t number) {
      auto t = std::make_shared<trust::table>();
      t->network = network;
      t->own_number = number;
      return t;
   }
   void add_secret(trust::table& t, uint64_t epoch) {
      crypto::bytes32 value{};
      value[0] = static_cast<uint8_t>(epoch);
      t.secrets.push_back({epoch,
                           {static_cast<uint8_t>(epoch)},
                           crypto::secret32(std::span<const uint8_t, 32>(value))});
   }
   /// The admin hears of links, messages and, at the joiner, of verdicts.
   void listen(mesh_node& n) {
      trust_handler h;
      h.on_message = [this](const trust::node_id&, std::vector<uint8_t>) { messages++; };
      h.on_link = [this](const trust::node_id&, bool up, std::string) {
         up ? linked++ : unlinked++;
      };
      h.on_knock = [this](trust::invite_verdict v) { verdict = v; };
      n.network->set_trust_handler(std::move(h));
   }
   void start_admin(mesh_node& admin) {
      auto t = table(1);
      add_secret(*t, 1);
      t->invites[invite.id] = invite;
      admin.members = t;
      listen(admin);
      ASSERT_TRUE(admin.apply());
   }
   void start_joiner(mesh_node& joiner, const mesh_node& admin) {
      auto t = table(0);
      t->waits = trust::table::joining{admin.identity->signing.id, invite.id, invite.secret,
                                       invite.token};
      joiner.members = t;
      joiner.settings.peers = {admin.as_peer(true)};
      joiner.settings.peers[0].keep = true;
      listen(joiner);
      ASSERT_TRUE(joiner.apply());
   }

   crypto::bytes32 network{};
   trust::invite_state invite;
   size_t messages = 0, linked = 0, unlinked = 0;
   std::optional<trust::invite_verdict> verdict;
};

TEST_F(Quarantine, who_has_an_invite_may_speak_to_the_party_and_to_nobody_else) {
   mesh_world world(61);
   auto &admin = world.add_node(), &joiner = world.add_node();
   start_admin(admin);
   start_joiner(joiner, admin);
   ASSERT_TRUE(world.until([&] { return linked == 2; }, 5));
   EXPECT_TRUE(joiner.network->send_trust(admin.identity->signing.id, std::vector<uint8_t>{1, 2}));
   EXPECT_TRUE(world.until([&] { return messages == 1; }, 2));
   joiner.send(admin, 5);
   world.run_ms(500);
   EXPECT_EQ(admin.received(5), 0u);
   EXPECT_EQ(admin.network->status().peers.size(), 0u); // a stranger is no peer
   EXPECT_EQ(admin.network->members({}), 0u);
}

TEST_F(Quarantine, a_place_ends_when_nobody_knocks_any_more) {
   mesh_world world(62);
   auto &admin = world.add_node(), &joiner = world.add_node();
   start_admin(admin);
   start_joiner(joiner, admin);
   ASSERT_TRUE(world.until([&] { return linked == 2; }, 5));
   joiner.stop();
   EXPECT_TRUE(world.until([&] { return unlinked >= 1; }, 8));
}

TEST_F(Quarantine, an_invite_that_does_not_hold_is_answered_with_the_reason) {
   const auto told = [&](uint64_t seed, const std::function<void()>& spoil) {
      mesh_world world(seed);
      auto &admin = world.add_node(), &joiner = world.add_node();
      const auto good = invite;
      const auto same = network;
      verdict.reset();
      linked = 0;
      spoil();
      start_admin(admin);
      network = same;
      invite.secret = good.secret;
      start_joiner(joiner, admin);
      world.until([&] { return verdict.has_value(); }, 5);
      invite = good;
      EXPECT_EQ(linked, 0u);
      return verdict;
   };
   EXPECT_EQ(told(63, [&] { invite.revoked = true; }), trust::invite_verdict::revoked);
   EXPECT_EQ(told(64, [&] { invite.used = 1; }), trust::invite_verdict::used_up);
   EXPECT_EQ(told(65, [&] { invite.expires_ms = 1; }), trust::invite_verdict::expired);
   EXPECT_EQ(told(66, [&] { invite.secret[1] = 9; }), trust::invite_verdict::tampered);
   EXPECT_EQ(told(67, [&] { network[1] = 9; }), trust::invite_verdict::wrong_network);
}

TEST_F(Quarantine, members_with_different_secrets_use_the_newest_that_both_have) {
   mesh_world world(68);
   auto &a = world.add_node(), &b = world.add_node();
   auto ta = table(1), tb = table(2);
   add_secret(*ta, 1);
   add_secret(*ta, 2);
   add_secret(*tb, 1); // was away when the second came
   a.members = ta;
   b.members = tb;
   const auto as_member = [](const mesh_node& n, uint32_t number) {
      config::peer p = n.as_peer(true);
      p.tunnel_key = n.identity->tunnel.public_key;
      p.number = number;
      return p;
   };
   a.settings.peers = {as_member(b, 2)};
   b.settings.peers = {as_member(a, 1)};
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   for (uint32_t i = 0; i < 20; i++) {
      b.send(a, 100 + i);
      world.run_ms(500);
   }
   size_t arrived = 0;
   for (uint32_t i = 0; i < 20; i++)
      arrived += a.received(100 + i);
   EXPECT_GE(arrived, 10u);
}

TEST_F(Quarantine, a_stranger_with_neither_gets_no_answer) {
   mesh_world world(69);
   auto &admin = world.add_node(), &stranger = world.add_node();
   start_admin(admin);
   auto t = table(9);
   add_secret(*t, 5); // of another network
   stranger.members = t;
   stranger.settings.peers = {admin.as_peer(true)};
   stranger.settings.peers[0].keep = true;
   ASSERT_TRUE(stranger.apply());
   size_t answers = 0;
   world.net.set_tap([&](const support::wire_view& v) {
      answers += base::format_address(v.from) == admin.outer_address();
   });
   world.run_ms(10'000);
   EXPECT_EQ(answers, 0u);
   EXPECT_EQ(linked, 0u);
}

} // namespace
} // namespace warren::mesh
