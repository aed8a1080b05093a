// Networks that people join: whole histories of invites, acceptance, removal and admins between
// parties in one process, under virtual time.
#include "core/crypto/digest.hpp"
#include "tests/support/party_world.hpp"

#include <gtest/gtest.h>

namespace warren::trust {
namespace {

using support::party_node;
using support::party_world;

class PartyTest : public ::testing::Test {
 protected:
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
   party_world world{7};
};

std::vector<std::string> names(party_node& n) {
   std::vector<std::string> out;
   for (const member& m : n->now().members)
      out.push_back(m.name);
   return out;
}

TEST_F(PartyTest, the_creator_is_member_one_with_the_first_address) {
   party_node& host = world.add_creator("10.0.7.0/24");
   const view& v = host->now();
   ASSERT_EQ(v.members.size(), 1u);
   EXPECT_EQ(v.members[0].cert.number, 1u);
   EXPECT_EQ(v.members[0].address.ip[3], 1);
   EXPECT_TRUE(v.members[0].admin);
   EXPECT_EQ(host->secrets().size(), 1u);
   EXPECT_TRUE(v.newest_head.has_value());
}

TEST_F(PartyTest, who_is_invited_and_accepted_is_a_member_on_both_sides) {
   party_node& host = world.add_creator("10.0.7.0/24");
   const auto invite = *host->invite({});
   party_node& guest = world.add_joiner(host, invite, "laptop");
   ASSERT_TRUE(world.until([&] { return host->pending().size() == 1; }, 2000));
   EXPECT_EQ(guest->state(), standing::waiting);
   ASSERT_TRUE(host->accept(guest.id(), {}));
   ASSERT_TRUE(world.until([&] { return guest->state() == standing::member; }, 1000));
   EXPECT_EQ(guest->self()->address.ip[3], 2);
   EXPECT_EQ(names(host), (std::vector<std::string>{"host", "laptop"}));
   ASSERT_TRUE(world.until([&] { return names(guest) == names(host); }, 1000));
   ASSERT_EQ(guest->secrets().size(), 1u);
   EXPECT_EQ(guest->secrets()[0].value, host->secrets()[0].value);
}

TEST_F(PartyTest, waiting_survives_a_restart_of_either_side) {
   party_node& host = world.add_creator();
   party_node& guest = world.add_joiner(host, *host->invite({}), "laptop");
   ASSERT_TRUE(world.until([&] { return host->pending().size() == 1; }, 2000));
   ASSERT_TRUE(host.restart());
   ASSERT_TRUE(guest.restart());
   EXPECT_EQ(guest->state(), standing::waiting);
   ASSERT_EQ(host->pending().size(), 1u);
   ASSERT_TRUE(host->accept(guest.id(), {}));
   ASSERT_TRUE(world.until([&] { return guest->state() == standing::member; }, 10'000));
}

TEST_F(PartyTest, who_is_not_let_in_learns_exactly_why_and_so_does_the_inviter) {
   party_node& host = world.add_creator();
   const auto refused = [&](const invite_state& invite, const std::string& why) {
      party_node& guest = world.add_joiner(host, invite, "guest");
      EXPECT_TRUE(world.until([&] { return guest->state() == standing::refused; }, 8000)) << why;
      EXPECT_NE(guest->why().find(why), std::string::npos) << guest->why();
      EXPECT_EQ(host.last("join.refused", "why"), guest->why());
   };
   party::invite_terms terms;
   terms.auto_accept = true;
   const auto used = *host->invite(terms);
   world.add_joiner(host, used, "first");
   world.run_ms(500);
   refused(used, "used up");
   const auto revoked = *host->invite({});
   ASSERT_TRUE(host->revoke_invite(revoked.id));
   refused(revoked, "revoked");
   terms.lifetime_s = 1;
   const auto expired = *host->invite(terms);
   world.run_ms(1500);
   refused(expired, "expired");
   auto unknown = expired;
   unknown.id[0] ^= 1;
   refused(unknown, "not known");
   const auto rejected = *host->invite({});
   party_node& guest = world.add_joiner(host, rejected, "guest");
   ASSERT_TRUE(world.until([&] { return host->pending().size() == 1; }, 2000));
   ASSERT_TRUE(host->reject(guest.id(), "who are you?"));
   ASSERT_TRUE(world.until([&] { return guest->state() == standing::refused; }, 2000));
   EXPECT_EQ(guest->why(), "who are you?");
}

TEST_F(PartyTest, of_sixty_four_who_use_one_invite_at_once_exactly_one_is_let_in) {
   party_node& host = world.add_creator();
#ifdef NDEBUG
   const int rounds = 300;
#else
   const int rounds = 6;
#endif
   for (int round = 0; round < rounds; round++) {
      party::invite_terms terms;
      terms.auto_accept = round % 2 == 0;
      const auto invite = *host->invite(terms);
      std::vector<party_node*> guests;
      for (int i = 0; i < 64; i++)
         guests.push_back(&world.add_joiner(host, invite, "g" + std::to_string(i)));
      if (!terms.auto_accept) {
         ASSERT_TRUE(world.until([&] { return host->pending().size() == 64; }, 2000));
         for (party_node* g : guests) // the person accepts everybody
            (void)host->accept(g->id(), {});
      }
      ASSERT_TRUE(world.until(
            [&] {
               return std::none_of(guests.begin(), guests.end(), [](party_node* g) {
                  return (*g)->state() == standing::waiting;
               });
            },
            8000));
      EXPECT_EQ(std::count_if(guests.begin(), guests.end(),
                              [](party_node* g) { return (*g)->state() == standing::member; }),
                1);
      for (party_node* g : guests) {
         if ((*g)->state() != standing::member) {
            EXPECT_EQ((*g)->why(), "the invite is used up");
         }
         world.unlink(host, *g);
         g->party.reset();
      }
   }
   EXPECT_EQ(host->now().members.size(), 1u + rounds);
}

TEST_F(PartyTest, a_request_that_is_not_the_askers_own_or_of_another_network_is_refused_as_that) {
   party_node& host = world.add_creator();
   party_node& other = world.add_creator();
   const auto invite = *host->invite({});
   party_node& guest = world.add_joiner(host, invite, "guest");
   party_node& thief = world.add_joiner(host, *host->invite({}), "thief");
   ASSERT_TRUE(world.until([&] { return host->pending().size() == 2; }, 2000));
   const auto ask = [&](const party_node& who, const crypto::bytes32& network, short_id nonce) {
      join_request r;
      r.admin = host.id();
      r.tunnel_key = who.identity->tunnel.public_key;
      r.invite = invite.id;
      r.nonce = nonce;
      r.name = "guest";
      r.proof = *crypto::prove_possession(who.identity->tunnel, host.id(),
                                          proved_text(r, network, who.id()));
      cbor::writer w;
      w.array(2).number(5).bytes(make_statement(who.identity->signing, network, r).bytes);
      return w.take();
   };
   host->on_message(thief.id(), ask(guest, host->network(), {1}));
   EXPECT_NE(host.last("join.refused", "why").find("replayed"), std::string::npos);
   host->on_message(guest.id(), ask(guest, other->network(), {2}));
   EXPECT_NE(host.last("join.refused", "why").find("another network"), std::string::npos);
   // What was answered once is no request any more.
   host->on_message(guest.id(), ask(guest, host->network(), {3}));
   ASSERT_TRUE(host->reject(guest.id(), "no"));
   host->on_message(guest.id(), ask(guest, host->network(), {3}));
   EXPECT_NE(host.last("join.refused", "why").find("replayed"), std::string::npos);
   EXPECT_EQ(host->now().members.size(), 1u);
}

TEST_F(PartyTest, a_removed_member_is_out_everywhere_and_lacks_the_new_secret) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   party_node& b = world.add_member(host);
   world.link(a, b);
   ASSERT_TRUE(world.until(
         [&] { return a->now().members.size() == 3 && b->now().members.size() == 3; }, 3000));
   ASSERT_TRUE(host->remove(b->self()->cert.number, "left the company"));
   ASSERT_TRUE(world.until([&] { return a->now().members.size() == 2; }, 2000));
   EXPECT_EQ(a->now().epoch, 2u);
   ASSERT_TRUE(world.until([&] { return a->secrets().back().epoch == 2; }, 2000));
   EXPECT_EQ(b->state(), standing::removed);
   for (const auto& s : b->secrets())
      EXPECT_NE(s.epoch, 2u);
   // For ever: not even its own old documents bring it back.
   for (const statement* s : b->documents().all())
      a->import(std::vector<std::vector<uint8_t>>{s->bytes});
   EXPECT_EQ(a->now().members.size(), 2u);
}

TEST_F(PartyTest, nothing_is_granted_when_it_cannot_be_stored) {
   party_node& host = world.add_creator();
   party_node& guest = world.add_joiner(host, *host->invite({}), "laptop");
   ASSERT_TRUE(world.until([&] { return host->pending().size() == 1; }, 2000));
   host.disk_full = true;
   const auto made = host->accept(guest.id(), {});
   ASSERT_FALSE(made);
   EXPECT_NE(made.error().text.find("space"), std::string::npos);
   world.run_ms(500);
   EXPECT_EQ(host->now().members.size(), 1u);
   EXPECT_EQ(guest->state(), standing::waiting);
   host.disk_full = false;
   const auto again = host->accept(guest.id(), {});
   ASSERT_TRUE(again);
   EXPECT_EQ(again->number, 2u);
   EXPECT_EQ(again->offset, 2u);
}

TEST_F(PartyTest, two_admins_apart_give_no_address_or_number_twice) {
   party_node& host = world.add_creator("10.0.7.0/24");
   party_node& second = world.add_member(host);
   ASSERT_TRUE(host->add_admin(second->self()->cert.number, {}));
   ASSERT_TRUE(world.until([&] { return second->is_admin(); }, 2000));
   world.unlink(host, second);
   std::vector<party_node*> all{&host, &second};
   for (int i = 0; i < 20; i++) {
      all.push_back(&world.add_member(host));
      all.push_back(&world.add_member(second));
   }
   world.link(host, second);
   ASSERT_TRUE(world.until(
         [&] { return host->now().members.size() == 42 && second->now().members.size() == 42; },
         5000));
   std::set<uint32_t> numbers, offsets;
   for (const member& m : host->now().members) {
      EXPECT_TRUE(numbers.insert(m.cert.number).second);
      EXPECT_TRUE(offsets.insert(m.cert.offset).second);
   }
}

TEST_F(PartyTest, an_admin_who_is_removed_keeps_no_say_and_its_members_stay) {
   party_node& host = world.add_creator();
   party_node& second = world.add_member(host);
   ASSERT_TRUE(host->add_admin(second->self()->cert.number, {}));
   ASSERT_TRUE(world.until([&] { return second->is_admin(); }, 2000));
   party_node& guest = world.add_member(second);
   const auto before = guest->self()->cert;
   ASSERT_TRUE(world.until([&] { return host->now().members.size() == 3; }, 2000));
   ASSERT_TRUE(host->remove_admin(second.id()));
   ASSERT_TRUE(world.until([&] { return !second->is_admin(); }, 2000));
   ASSERT_EQ(host->now().members.size(), 3u);
   const member* m = host->now().find(guest.id());
   ASSERT_NE(m, nullptr);
   EXPECT_EQ(m->cert.number, before.number);
   EXPECT_EQ(m->cert.offset, before.offset);
   EXPECT_EQ(m->issuer, host.id());
   EXPECT_FALSE(second->invite({}));
}

TEST_F(PartyTest, a_new_tunnel_key_takes_the_place_of_the_old_one_and_nothing_else_changes) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   const auto before = a->self()->cert;
   ASSERT_TRUE(a->rotate());
   std::optional<crypto::tunnel_key> key;
   ASSERT_TRUE(world.until(
         [&] { return !key ? (key = a->take_new_tunnel_key()).has_value() : true; }, 3000));
   const member* m = host->now().find(a.id());
   ASSERT_NE(m, nullptr);
   EXPECT_EQ(m->cert.tunnel_key, key->public_key);
   EXPECT_NE(m->cert.tunnel_key, before.tunnel_key);
   EXPECT_EQ(m->cert.number, before.number);
   EXPECT_EQ(m->cert.offset, before.offset);
   EXPECT_EQ(m->name, before.name);
}

TEST_F(PartyTest, a_thief_of_the_root_loses_everything_when_the_owner_succeeds_it) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   party_node& thief = world.add();
   // The thief has the whole state of the creator's disk but not yet the next root's turn.
   thief.identity = host.identity;
   auto copy = party::restore(thief, host.identity, host.disk);
   ASSERT_TRUE(copy);
   thief.party = std::move(*copy);
   party_node& crony = world.add_member(host);
   (void)crony;
   ASSERT_TRUE(host->succeed());
   ASSERT_TRUE(world.until([&] { return a->now().generation == 1; }, 2000));
   EXPECT_EQ(a->now().members.size(), 3u);
   EXPECT_TRUE(host->is_admin());
}

TEST_F(PartyTest, a_certificate_that_ends_takes_its_member_out_without_any_news) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   world.run_ms(2000);
   world.unlink_all(); // nobody renews it for a
   a->take_changed();
   a->tick();
   EXPECT_FALSE(a->take_changed());
   world.wall += 366ull * 86'400'000;
   a->tick();
   EXPECT_TRUE(a->take_changed()) << "the table of links must be told";
   EXPECT_EQ(a->now().members.size(), 0u);
   EXPECT_EQ(a->state(), standing::expired);
}

TEST_F(PartyTest, rules_reach_everybody_and_the_newest_wins) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   ASSERT_TRUE(host->push_document("{}", "first"));
   ASSERT_TRUE(host->push_document("{ // second\n}", "second"));
   ASSERT_TRUE(
         world.until([&] { return a->now().document && a->now().document->version == 2; }, 2000));
   EXPECT_FALSE(a->push_document("{}", "mine"));
   EXPECT_EQ(a->documents().documents().size(), 2u);
}

TEST_F(PartyTest, a_copied_identity_is_noticed_by_itself_and_by_others) {
   party_node& host = world.add_creator();
   party_node& a = world.add_member(host);
   a->on_endpoints({"wireguard://192.0.2.1:1"});
   world.run_ms(3000);
   party_node& copy = world.add();
   copy.identity = a.identity;
   const auto image = a.disk;
   auto made = party::restore(copy, a.identity, image);
   ASSERT_TRUE(made);
   // Both speak to the network in turn, under one id.
   std::vector<std::pair<std::string, fields>> copy_events;
   copy.party = std::move(*made);
   auto original = std::move(a.party);
   for (int turn = 0; turn < 6; turn++) {
      a.party = std::move(turn % 2 == 0 ? copy.party : original);
      a->on_link(host.id(), true, "test");
      a->on_endpoints({"wireguard://192.0.2." + std::to_string(turn + 2) + ":1"});
      world.run_ms(5000);
      a->on_link(host.id(), false, "test");
      (turn % 2 == 0 ? copy.party : original) = std::move(a.party);
   }
   EXPECT_EQ(host.saw("member.cloned"), 1u);
   EXPECT_TRUE(host->cloned().contains(a.id()));
   EXPECT_TRUE(original->cloned().contains(a.id()));
   EXPECT_TRUE(copy.party->cloned().contains(a.id()));
}

} // namespace
} // namespace warren::trust
