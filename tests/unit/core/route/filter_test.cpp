// Goal: what the filter promises beside its verdicts: bounds that one peer cannot use up, timeouts,
// and a change of rules that takes effect at once. Method: packets by hand.
#include "core/base/address.hpp"
#include "core/route/filter.hpp"
#include "tests/unit/core/route/filter_model.hpp"

#include <gtest/gtest.h>

namespace warren::route {
namespace {

constexpr flow_secrets secrets{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb,
                               0xa54ff53a5f1d36f1, 0x510e527fade682d1};
constexpr uint64_t second = 1'000'000'000;
constexpr uint8_t syn = 2, syn_ack = 18, ack = 16, rst = 4;

std::shared_ptr<const rule_set> compiled(const std::string& lines) {
   const auto parsed = parse_acl("{\"acls\": [" + lines + "]}", "acl");
   EXPECT_TRUE(parsed.ok());
   return *compile(parsed.value, {});
}

const char* const to_22 =
      R"({"action": "accept", "src": ["10.0.0.1"], "dst": ["10.0.0.2:22", "10.0.0.3:*"]})";

model::packet tcp(uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port, uint8_t flags) {
   model::packet p;
   p.source = {10, 0, 0, from};
   p.destination = {10, 0, 0, to};
   p.source_port = from_port;
   p.destination_port = to_port;
   p.flags = flags;
   return p;
}

struct filter_under_test : filter {
   explicit filter_under_test(size_t entries = 1024, size_t fragments = 512)
       : filter(entries, secrets, fragments) {
      set_rules(compiled(to_22));
   }
   verdict ask(const model::packet& p, uint64_t peer = 1) {
      return judge(model::build(p), peer, now);
   }
   bool passes(const model::packet& p) { return ask(p).pass; }
   uint64_t now = 1000 * second;
};

TEST(filter, replies_pass_and_nothing_else_in_their_direction) {
   filter_under_test f;
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5000, syn_ack))) << "nobody asked";
   EXPECT_EQ(f.ask(tcp(1, 5000, 2, 22, syn)).why, filter_reason::rule);
   EXPECT_EQ(f.ask(tcp(2, 22, 1, 5000, syn_ack)).why, filter_reason::flow);
   EXPECT_EQ(f.ask(tcp(1, 5000, 2, 22, ack)).why, filter_reason::flow);
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5001, ack)));
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5000, syn))) << "begins a connection of its own";
   EXPECT_EQ(f.ask(tcp(1, 5000, 2, 23, syn)).why, filter_reason::standard);
}

TEST(filter, flows_time_out_by_what_they_are) {
   filter_under_test f;
   f.passes(tcp(1, 5000, 2, 22, syn));
   f.now += 61 * second;
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5000, syn_ack))) << "the opening took too long";
   f.passes(tcp(1, 5000, 2, 22, syn));
   f.passes(tcp(2, 22, 1, 5000, syn_ack));
   f.passes(tcp(1, 5000, 2, 22, ack));
   f.now += 7190 * second;
   EXPECT_TRUE(f.passes(tcp(2, 22, 1, 5000, ack)));
   EXPECT_TRUE(f.passes(tcp(2, 22, 1, 5000, rst)));
   f.now += 61 * second;
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5000, ack))) << "it was closed";
}

TEST(filter, a_change_of_rules_reaches_flows_that_run) {
   filter_under_test f;
   f.passes(tcp(1, 5000, 2, 22, syn));
   f.passes(tcp(1, 5000, 3, 80, syn));
   f.set_rules(compiled(R"({"action": "accept", "src": ["*"], "dst": ["10.0.0.3:*"]})"));
   EXPECT_TRUE(f.passes(tcp(3, 80, 1, 5000, ack)));
   EXPECT_FALSE(f.passes(tcp(2, 22, 1, 5000, ack)));
   EXPECT_FALSE(f.passes(tcp(1, 5000, 2, 22, ack)));
   EXPECT_EQ(f.flows(), 1u);
}

TEST(filter, errors_pass_to_who_sent_what_they_quote_and_only_for_a_flow) {
   filter_under_test f;
   model::packet error;
   error.source = {10, 0, 0, 9};
   error.destination = {10, 0, 0, 1};
   error.protocol = 1;
   error.type = 3;
   error.payload = 8;
   error.quoted = {tcp(1, 5000, 2, 22, syn)};
   EXPECT_FALSE(f.passes(error));
   f.passes(tcp(1, 5000, 2, 22, syn));
   EXPECT_EQ(f.ask(error).why, filter_reason::related);
   error.destination = {10, 0, 0, 2};
   EXPECT_FALSE(f.passes(error)) << "it did not send that";
   error.destination = {10, 0, 0, 1};
   error.type = 5;
   EXPECT_FALSE(f.passes(error)) << "a redirect is no error";
}

TEST(filter, a_flood_of_one_peer_pushes_out_its_own_flows) {
   filter_under_test f(1024);
   for (uint16_t port = 0; port < 64; port++)
      EXPECT_TRUE(f.ask(tcp(1, port, 2, 22, syn), 1).pass);
   f.now += second; // the others are the most idle now
   for (uint32_t i = 0; i < 20'000; i++)
      EXPECT_TRUE(
            f.ask(tcp(1, static_cast<uint16_t>(i), 3, static_cast<uint16_t>(i >> 8), syn), 2).pass);
   EXPECT_LE(f.flows(), 1024u);
   EXPECT_GT(f.flows_evicted(), 10'000u);
   size_t kept = 0;
   for (uint16_t port = 0; port < 64; port++)
      kept += f.passes(tcp(2, 22, 1, port, ack)) ? 1 : 0;
   EXPECT_EQ(kept, 64u);
}

TEST(filter, one_peer_has_the_whole_table_while_nobody_else_needs_it) {
   filter_under_test f(1024);
   for (uint32_t i = 0; i < 20'000; i++)
      f.ask(tcp(1, static_cast<uint16_t>(i), 3, static_cast<uint16_t>(i >> 8), syn), 2);
   EXPECT_GT(f.flows(), 1000u);
   for (uint16_t port = 0; port < 64; port++)
      f.ask(tcp(1, port, 2, 22, syn), 1);
   size_t kept = 0;
   for (uint16_t port = 0; port < 64; port++)
      kept += f.passes(tcp(2, 22, 1, port, ack)) ? 1 : 0;
   EXPECT_EQ(kept, 64u);
}

TEST(filter, a_peer_that_holds_its_half_loses_none_of_it) {
   filter_under_test f(8); // one bucket
   for (uint16_t port = 0; port < 4; port++)
      f.ask(tcp(1, port, 2, 22, syn), 1);
   f.now += second;
   for (uint16_t port = 0; port < 100; port++)
      f.ask(tcp(1, port, 3, 80, syn), 2);
   for (uint16_t port = 0; port < 4; port++)
      EXPECT_TRUE(f.passes(tcp(2, 22, 1, port, ack))) << port;
}

model::packet fragment(uint32_t id, uint32_t offset, size_t payload = 24) {
   model::packet p = tcp(1, 5000, 2, 22, syn);
   p.fragment = true;
   p.id = id;
   p.offset = offset;
   p.payload = payload;
   return p;
}

TEST(filter, fragments_share_the_verdict_of_their_first) {
   filter_under_test f;
   EXPECT_EQ(f.ask(fragment(7, 24)).why, filter_reason::fragment_first_missing);
   EXPECT_EQ(f.ask(fragment(7, 0, 13)).why, filter_reason::fragment_tiny);
   EXPECT_TRUE(f.passes(fragment(7, 0)));
   EXPECT_TRUE(f.passes(fragment(7, 24)));
   EXPECT_EQ(f.ask(fragment(7, 8)).why, filter_reason::fragment_overlap);
   EXPECT_EQ(f.ask(fragment(8, 24)).why, filter_reason::fragment_first_missing);
   model::packet denied = fragment(9, 0);
   denied.destination_port = 23;
   EXPECT_EQ(f.ask(denied).why, filter_reason::standard);
   const verdict later = f.ask(fragment(9, 24));
   EXPECT_FALSE(later.pass);
   EXPECT_EQ(later.why, filter_reason::fragment);
   f.now += 31 * second;
   EXPECT_EQ(f.ask(fragment(7, 24)).why, filter_reason::fragment_first_missing);
}

TEST(filter, a_flood_of_fragments_leaves_those_of_others) {
   filter_under_test f;
   EXPECT_TRUE(f.ask(fragment(7, 0), 1).pass);
   f.now += second;
   for (uint32_t id = 100; id < 60'000; id++)
      f.ask(fragment(id, 0), 2);
   EXPECT_EQ(f.ask(fragment(7, 24), 1).why, filter_reason::fragment);
}

TEST(filter, every_truncation_of_a_packet_is_judged_inside_of_it) {
   filter_under_test f;
   model::packet p = tcp(1, 5000, 2, 22, syn);
   p.source = p.destination = model::bytes(16, 0xfd);
   p.extension = {0, 60, 51, 44};
   p.fragment = true;
   const auto whole = model::build(p);
   for (size_t n = 0; n < whole.size(); n++) {
      const model::bytes copy(whole.begin(), whole.begin() + static_cast<long>(n));
      EXPECT_EQ(f.judge(copy, 1, f.now).why, filter_reason::malformed) << n;
   }
   for (const uint8_t type : {0, 51}) { // a header that says it is longer than the packet
      p.extension = {type};
      p.fragment = false;
      auto lying = model::build(p);
      lying[41] = 200;
      EXPECT_EQ(f.judge(lying, 1, f.now).why, filter_reason::malformed) << int{type};
   }
}

} // namespace
} // namespace warren::route
