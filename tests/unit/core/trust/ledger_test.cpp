// Goal: the ledger believes nobody more than he may say, and means the same whatever came first.
//
// Method: a root, an honest and a hostile admin, as keys without a party; single statements, and
// random orders of one set.
#include "core/trust/ledger.hpp"

#include "core/base/address.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace warren::trust {
namespace {

constexpr uint64_t wall = 1'700'000'000'000, now_s = wall / 1000, day_s = 86'400;

crypto::signing_key key(uint8_t n) {
   crypto::bytes32 seed{};
   seed.fill(n);
   return crypto::signing_key_from_seed(seed);
}

class LedgerTest : public ::testing::Test {
 protected:
   LedgerTest() {
      const bool ready = crypto::init().has_value();
      EXPECT_TRUE(ready);
      first = make_statement(
            root, {},
            genesis{"acme", commitment_of(next.id), *base::parse_prefix("10.1.0.0/16"), wall, {}});
      network = network_id_of(first.bytes);
      honest = rights_of(good, 1, {1, 99}, {1, 99});
      honest.any_label = honest.any_route = true;
      honest.rights = delegation::issue | delegation::govern | delegation::revoke_any;
      hostile = rights_of(bad, 2, {100, 199}, {100, 199});
      hostile.groups = {"guests"};
      for (const statement& s :
           {first, make_statement(root, network, honest), make_statement(root, network, hostile)})
         frame.push_back(s);
   }
   delegation rights_of(const crypto::signing_key& who, uint64_t serial, range pool,
                        range numbers) const {
      delegation d;
      d.admin = who.id;
      d.serial = serial;
      d.pool = {pool};
      d.numbers = {numbers};
      d.rights = delegation::issue;
      d.not_before_s = now_s;
      d.not_after_s = now_s + 3650 * day_s;
      d.members_max = 100;
      return d;
   }
   static certificate cert(uint32_t n, uint8_t who) {
      certificate c;
      c.node = key(who).id;
      c.tunnel_key.fill(who);
      c.number = c.offset = n;
      c.name = "m" + std::to_string(who);
      c.not_before_s = now_s;
      c.not_after_s = now_s + 365 * day_s;
      c.serial = c.since = 1000 + n;
      return c;
   }
   statement by(const crypto::signing_key& who, const document& d) const {
      return make_statement(who, network, d);
   }
   std::unique_ptr<ledger> fresh() const {
      auto made = std::make_unique<ledger>(network);
      for (const statement& s : frame)
         EXPECT_EQ(made->admit(s, wall).what, outcome::added);
      return made;
   }
   static outcome put(ledger& l, const statement& s) { return l.admit(s.bytes, wall).what; }

   crypto::signing_key root = key(201), next = key(202), after = key(203), good = key(204),
                       bad = key(205);
   statement first;
   crypto::bytes32 network{};
   delegation honest, hostile;
   std::vector<statement> frame;
};

TEST_F(LedgerTest, a_hostile_admin_can_do_what_he_was_given_and_nothing_else) {
   auto l = fresh();
   ASSERT_EQ(put(*l, by(good, cert(1, 1))), outcome::added);
   EXPECT_EQ(put(*l, by(bad, cert(100, 10))), outcome::added) << "within";
   const auto refused = [&](const char* what, auto change) {
      certificate c = cert(101, 11);
      change(c);
      EXPECT_EQ(put(*l, by(bad, c)), outcome::refused) << what;
   };
   refused("number", [](certificate& c) { c.number = 2; });
   refused("address", [](certificate& c) { c.offset = 2; });
   refused("group", [](certificate& c) { c.groups = {"admins"}; });
   refused("role", [](certificate& c) { c.roles = {"guests"}; });
   refused("tag", [](certificate& c) { c.tags = {"guests"}; });
   refused("route", [](certificate& c) { c.routes = {*base::parse_prefix("192.168.0.0/16")}; });
   refused("future", [](certificate& c) { c.not_before_s = now_s + 2 * day_s; });
   refused("no time", [](certificate& c) { c.not_after_s = c.not_before_s; });
   refused("no key", [](certificate& c) { c.tunnel_key = {}; });
   refused("serial twice", [](certificate& c) { c.serial = c.since = 1100; });
   certificate good_one = cert(101, 11);
   good_one.groups = {"guests"};
   EXPECT_EQ(put(*l, by(bad, good_one)), outcome::added);

   // Somebody else's tunnel key, and somebody else: the one who was there first stays.
   certificate thief = cert(102, 12);
   thief.tunnel_key = cert(1, 1).tunnel_key;
   put(*l, by(bad, thief));
   certificate twin = cert(103, 1);
   twin.tunnel_key.fill(77);
   put(*l, by(bad, twin));
   EXPECT_EQ(l->now(wall).find(102), nullptr);
   EXPECT_EQ(l->now(wall).find(103), nullptr);
   ASSERT_NE(l->now(wall).find(1), nullptr);
   EXPECT_EQ(l->now(wall).find(1)->cert.node, key(1).id);

   // Others' members, other admins, rules, secrets, heads, delegations.
   EXPECT_NE(put(*l, by(bad, revocation{{1}, {}, 0, "", wall})), outcome::added);
   EXPECT_NE(put(*l, by(bad, revocation{{1, 100}, {}, 0, "", wall})), outcome::added);
   EXPECT_NE(put(*l, by(bad, revocation{{}, good.id, 1, "", wall})), outcome::added);
   EXPECT_NE(put(*l, by(good, revocation{{}, bad.id, 2, "", wall})), outcome::added);
   EXPECT_NE(put(*l, by(bad, network_document{1, wall, "{}", "", {}})), outcome::added);
   EXPECT_NE(put(*l, by(bad, grant{9, {}, wall, {{1, {}}}})), outcome::added);
   EXPECT_NE(put(*l, by(bad, head{1, wall, 0, 0, 0, {}})), outcome::added);
   EXPECT_NE(put(*l, by(bad, rights_of(bad, 9, {1, 5000}, {1, 5000}))), outcome::added);
   EXPECT_EQ(put(*l, by(bad, revocation{{100}, {}, 0, "", wall})), outcome::added) << "his own";
   EXPECT_EQ(l->now(wall).find(100), nullptr);
   EXPECT_EQ(put(*l, by(good, revocation{{101}, {}, 0, "", wall})), outcome::added) << "any";
   EXPECT_EQ(l->now(wall).members.size(), 1u);
}

TEST_F(LedgerTest, a_thief_of_the_root_cannot_succeed_it_and_is_out_when_the_owner_does) {
   auto l = fresh();
   put(*l, by(good, cert(1, 1)));
   const auto theirs = rights_of(key(90), 3, {1000, 1099}, {1000, 1099});
   ASSERT_EQ(put(*l, by(root, theirs)), outcome::added) << "the root in use may";
   certificate spy = cert(1000, 91);
   ASSERT_EQ(put(*l, by(key(90), spy)), outcome::added);
   ASSERT_NE(l->now(wall).find(1000), nullptr);
   EXPECT_EQ(put(*l, by(root, succession{1, commitment_of(after.id), wall, {}})), outcome::refused);
   const statement kept = frame[1];
   ASSERT_EQ(put(*l, by(next, succession{1, commitment_of(after.id), wall, {kept.id}})),
             outcome::added);
   const view& v = l->now(wall);
   EXPECT_EQ(v.generation, 1u);
   EXPECT_EQ(v.admins.size(), 1u);
   EXPECT_EQ(v.find(1000), nullptr);
   EXPECT_NE(v.find(1), nullptr);
   // The old root says no more, not even what it said before.
   EXPECT_EQ(put(*l, by(root, rights_of(key(90), 4, {2000, 2099}, {2000, 2099}))),
             outcome::refused);
   EXPECT_NE(put(*l, by(root, theirs)), outcome::added);
   EXPECT_NE(put(*l, by(root, revocation{{}, good.id, 1, "", wall})), outcome::added);
   EXPECT_NE(put(*l, by(root, revocation{{1}, {}, 0, "", wall})), outcome::added);
   EXPECT_NE(l->now(wall).find(1), nullptr);
}

TEST_F(LedgerTest, of_two_delegations_that_overlap_the_earlier_counts) {
   auto l = fresh();
   ASSERT_EQ(put(*l, by(root, rights_of(key(80), 3, {150, 250}, {300, 400}))), outcome::added);
   EXPECT_FALSE(l->now(wall).admins.contains(key(80).id)) << "the pool overlaps";
   ASSERT_EQ(put(*l, by(root, rights_of(key(81), 4, {300, 400}, {199, 250}))), outcome::added);
   EXPECT_FALSE(l->now(wall).admins.contains(key(81).id)) << "the numbers overlap";
   EXPECT_NE(put(*l, by(key(80), cert(310, 5))), outcome::added);
   // It counts when the other has ended.
   ASSERT_EQ(put(*l, by(root, revocation{{}, bad.id, 2, "", wall})), outcome::added);
   EXPECT_TRUE(l->now(wall).admins.contains(key(80).id));
   const auto second = l->admit(by(root, rights_of(key(80), 3, {500, 501}, {500, 501})), wall);
   EXPECT_EQ(second.what, outcome::refused);
   EXPECT_TRUE(second.equivocation);
}

TEST_F(LedgerTest, what_is_dated_ahead_is_refused_and_what_goes_back_is_reported) {
   auto l = fresh();
   const uint64_t ahead = wall + 2 * clock_skew_ms;
   EXPECT_EQ(put(*l, by(good, head{1, ahead, 0, 0, 0, {}})), outcome::refused);
   EXPECT_EQ(put(*l, by(good, network_document{1, ahead, "", "", {}})), outcome::refused);
   EXPECT_EQ(put(*l, by(good, grant{1, {}, ahead, {{1, {}}}})), outcome::refused);
   EXPECT_EQ(put(*l, by(good, cert(1, 1))), outcome::added);
   EXPECT_EQ(put(*l, by(key(1), node_record{ahead, {}, {}, ""})), outcome::refused);
   EXPECT_EQ(put(*l, by(good, head{(1 << 20) + 7, wall, 0, 0, 0, {}})), outcome::added);
   EXPECT_EQ(put(*l, by(good, head{1ull << 40, wall, 0, 0, 0, {}})), outcome::refused);
   const auto again = l->admit(by(good, head{(1 << 20) + 7, wall + 1, 0, 0, 0, {}}), wall);
   EXPECT_TRUE(again.equivocation) << "two under one number";
   const auto back = l->admit(by(good, head{6, wall + 2, 0, 0, 0, {}}), wall);
   EXPECT_TRUE(back.equivocation) << "set back, and said since";
   const auto old = l->admit(by(good, head{5, wall - 5, 0, 0, 0, {}}), wall);
   EXPECT_FALSE(old.equivocation) << "merely old";
   EXPECT_EQ(old.what, outcome::older);
   put(*l, by(key(1), node_record{5, {}, {1}, ""}));
   EXPECT_TRUE(l->admit(by(key(1), node_record{5, {}, {2}, ""}), wall).equivocation);
   // One number for two members.
   certificate other = cert(1, 2);
   other.serial = other.since = 5000;
   EXPECT_TRUE(l->admit(by(good, other), wall).equivocation);
   EXPECT_EQ(l->now(wall).find(1)->cert.node, key(1).id);
}

TEST_F(LedgerTest, a_validity_without_end_does_not_overflow) {
   auto l = fresh();
   certificate c = cert(1, 1);
   c.not_after_s = UINT64_MAX / 1000;
   ASSERT_EQ(put(*l, by(good, c)), outcome::added);
   ASSERT_EQ(put(*l, by(good, head{1, wall, 0, 0, 0, {}})), outcome::added);
   EXPECT_NE(l->now(wall).find(1), nullptr);
   l->now(wall);
   EXPECT_NE(l->find(by(good, c).id), nullptr) << "and is not forgotten";
}

TEST_F(LedgerTest, the_order_of_arrival_does_not_matter) {
   std::vector<statement> all = frame;
   const auto add = [&](const statement& s) { all.push_back(s); };
   for (uint8_t i = 1; i <= 6; i++)
      add(by(good, cert(i, i)));
   for (uint8_t i = 0; i < 4; i++)
      add(by(bad, cert(100u + i, static_cast<uint8_t>(20 + i))));
   certificate renewed = cert(2, 2);
   renewed.serial += 500;
   renewed.name = "m1"; // a name that is taken
   add(by(good, renewed));
   certificate doubled = cert(3, 30); // a number given twice
   doubled.serial = doubled.since = 900;
   add(by(good, doubled));
   certificate thief = cert(110, 31);
   thief.tunnel_key = cert(1, 1).tunnel_key;
   add(by(bad, thief));
   add(by(good, revocation{{4}, {}, 0, "", wall}));
   add(by(bad, revocation{{101}, {}, 0, "", wall}));
   add(by(root, rights_of(key(80), 3, {150, 250}, {300, 400}))); // overlaps
   delegation wider = honest;
   wider.serial = 4;
   wider.pool.push_back({1000, 1010});
   wider.numbers.push_back({1000, 1010});
   add(by(root, wider));
   add(by(good, cert(1000, 40))); // only by the wider one
   add(by(good, grant{1, {1}, wall, {{1, {}}, {2, {}}}}));
   add(by(good, grant{2, {2}, wall, {{1, {}}}}));
   add(by(good, grant{2, {3}, wall, {{2, {}}}}));
   for (uint64_t i = 1; i <= 3; i++)
      add(by(good, network_document{i, wall + i, "", "", {}}));
   add(by(good, head{1, wall, 1, 1, 0, {}}));
   add(by(good, head{2, wall + 1, 2, 3, 2, {}}));
   add(by(key(1), node_record{1, {"a"}, {1}, ""}));
   add(by(key(1), node_record{2, {"b"}, {1}, ""}));

   std::mt19937 chance(1);
   std::string expected;
   std::array<uint64_t, ledger::buckets> digest{};
   for (int round = 0; round < 300; round++) {
      ledger l(network);
      if (round > 0) std::shuffle(all.begin(), all.end(), chance);
      // What waits comes again with later digests, and what was refused after ten minutes.
      for (int pass = 0; pass < 6; pass++)
         for (const statement& s : all) {
            l.admit(s, wall);
            if (chance() % 4 == 0) l.now(wall);
         }
      const view& v = l.now(wall);
      std::string picture = std::to_string(v.epoch) + " " + std::to_string(v.document->version) +
                            " " + std::to_string(v.newest_head->sequence);
      for (const auto& [who, a] : v.admins)
         picture += " admin " + std::to_string(a.rights.serial);
      for (const uint32_t r : v.revoked)
         picture += " out " + std::to_string(r);
      for (const member& m : v.members)
         picture += " " + m.name + "=" + std::to_string(m.cert.number) + "#" +
                    std::to_string(m.cert.serial) + (m.record ? m.record->endpoints[0] : "");
      if (round == 0) {
         expected = picture;
         digest = l.digest();
      }
      ASSERT_EQ(picture, expected) << "round " << round;
      ASSERT_EQ(l.digest(), digest) << "round " << round;
   }
}

} // namespace
} // namespace warren::trust
