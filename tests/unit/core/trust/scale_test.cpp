// Goal: a network of a thousand members works, and a change in it costs little.
//
// Method: a thousand parties in one process under virtual time, linked as the nodes would link
// themselves. One creator accepts them all through an invite for everybody; the rest learn of each
// other by sync. Then one change at a time: until every node has the same documents, and what that
// was in bytes on the busiest link.
//
// Every party verifies every signature, which is a million times the same thousand signatures: most
// of the time of this test. The linker puts verify_once() in the place of crypto::verify(): while
// this test runs it remembers, for the whole process, what it was told about exactly these bytes.
#include "core/crypto/digest.hpp"
#include "tests/support/party_world.hpp"

#include <cstdio>
#include <gtest/gtest.h>

namespace {

using warren::crypto::bytes32;
bool remember = false;
std::map<bytes32, bool>& remembered() {
   static std::map<bytes32, bool> table;
   return table;
}

} // namespace

// The names that the linker gives to what it has put aside (--wrap in CMakeLists.txt).
bool real_verify(const bytes32& id, std::span<const uint8_t> message,
                 std::span<const uint8_t, 64>
                       signature) asm("__real__ZN6warren6crypto6verifyERKSt5arrayIhLm32EESt4span"
                                      "IKhLm18446744073709551615EES5_IS6_Lm64EE");
bool verify_once(const bytes32& id, std::span<const uint8_t> message,
                 std::span<const uint8_t, 64>
                       signature) asm("__wrap__ZN6warren6crypto6verifyERKSt5arrayIhLm32EESt4span"
                                      "IKhLm18446744073709551615EES5_IS6_Lm64EE");
bool verify_once(const bytes32& id, std::span<const uint8_t> message,
                 std::span<const uint8_t, 64> signature) {
   if (!remember) return real_verify(id, message, signature);
   const auto key = warren::crypto::hash("test/verified", {id, signature, message});
   const auto [at, fresh] = remembered().try_emplace(key, false);
   if (fresh) at->second = real_verify(id, message, signature);
   return at->second;
}

namespace warren::trust {
namespace {

using support::party_node;
using support::party_world;

#ifdef NDEBUG
constexpr unsigned members = 1000;
#else
// Without optimisation the same takes minutes; what is quadratic shows here, too.
constexpr unsigned members = 150;
#endif
constexpr unsigned batch = 50;
constexpr uint64_t bytes_per_member_max = 200;

class ScaleTest : public ::testing::Test {
 protected:
   void SetUp() override {
      ASSERT_TRUE(crypto::init());
      remember = true;
   }
   void TearDown() override {
      remember = false;
      remembered().clear();
   }
   /// Every node holds the same documents as the first.
   bool same() {
      const auto digest = world.nodes.front()->party->documents().digest();
      return std::all_of(world.nodes.begin(), world.nodes.end(), [&](const auto& n) {
         return !n->party || n->party->documents().digest() == digest;
      });
   }
   /// But for those of a newcomer, who is sent everything.
   uint64_t busiest_link() const {
      uint64_t most = 0;
      for (const auto& [link, n] : world.bytes)
         if (link.first != newcomer && link.second != newcomer) most = std::max(most, n);
      return most;
   }
   /// What was changed just now reaches everybody soon, and cheaply.
   void expect_spreads(const char* what) {
      const uint64_t began = world.now;
      EXPECT_TRUE(world.until([&] { return same(); }, 10'000)) << what;
      const uint64_t took = world.now - began;
      world.run_ms(1000); // what is said again belongs to the change
      const uint64_t most = busiest_link();
      std::printf("%-24s %4u members: all have it after %5llu ms, busiest link %7llu bytes "
                  "(%.1f per member)\n",
                  what, members, static_cast<unsigned long long>(took),
                  static_cast<unsigned long long>(most), static_cast<double>(most) / members);
      EXPECT_LE(most, bytes_per_member_max * members) << what;
      world.bytes.clear();
   }
   party_world world{11};
   node_id newcomer{};
};

TEST_F(ScaleTest, one_change_reaches_a_thousand_members_soon_and_with_few_bytes) {
   party_node& host = world.add_creator("10.64.0.0/12");
   party::invite_terms terms;
   terms.uses = 0;
   terms.auto_accept = true;
   const auto invite = *host->invite(terms);
   while (world.nodes.size() < members) {
      std::vector<party_node*> fresh;
      while (fresh.size() < batch && world.nodes.size() < members)
         fresh.push_back(&world.add_joiner(host, invite, "n" + std::to_string(world.nodes.size())));
      ASSERT_TRUE(world.until(
            [&] {
               return std::all_of(fresh.begin(), fresh.end(), [&](party_node* n) {
                  const member* m = host->now().find(n->id());
                  return m != nullptr && m->record && (*n)->state() == standing::member;
               });
            },
            10'000));
      world.unlink_all();
   }
   ASSERT_EQ(host->now().members.size(), members);
   // The rest of the members, to who was accepted early.
   for (const auto& n : world.nodes)
      if (n.get() != &host) world.link(host, *n);
   ASSERT_TRUE(world.until([&] { return same(); }, 30'000));
   world.unlink_all();
   world.link_partners();
   world.run_ms(3000);
   ASSERT_TRUE(same());
   world.bytes.clear();

   ASSERT_TRUE(host->push_document("{ // rules\n}", "first"));
   expect_spreads("a network document");

   const auto last = host->now().members.back();
   ASSERT_TRUE(host->remove(last.cert.number, "left"));
   // Who is removed keeps his links here; he is told so and then ignored.
   for (const auto& n : world.nodes)
      if (n->id() == *last.cert.node) {
         world.run_ms(200);
         for (const auto& other : world.nodes)
            world.unlink(*n, *other);
         n->party.reset();
      }
   expect_spreads("a removal");
   for (const auto& n : world.nodes)
      if (n->party) {
         ASSERT_EQ((*n)->now().members.size(), members - 1);
         ASSERT_EQ((*n)->secrets().back().epoch, 2u);
      }

   world.add_joiner(host, *host->invite(terms), "newcomer");
   ASSERT_TRUE(
         world.until([&] { return world.nodes.back()->party->now().members.size() > 1; }, 2000));
   newcomer = world.nodes.back()->id();
   expect_spreads("a new member");
   for (const auto& n : world.nodes)
      if (n->party) {
         ASSERT_EQ((*n)->now().members.size(), members);
      }
}

} // namespace
} // namespace warren::trust
