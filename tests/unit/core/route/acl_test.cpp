// Goal: rules mean what docs/acl.md says, and each mistake is told at its place. Method: texts by
// hand, asked by address; the property test of the filter asks at random.
#include "core/base/address.hpp"
#include "core/route/rule_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warren::route {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

wrn_addr address(const char* text) { return *base::parse_prefix(text); }

member_view member(const char* name, std::vector<const char*> addresses) {
   member_view m;
   m.name = name;
   for (const char* a : addresses)
      m.addresses.push_back(address(a));
   return m;
}

/// alice (dev), bob, server (tag web), gate (role exit, owns a network), root (role admin).
std::vector<member_view> some_members() {
   std::vector<member_view> all{
         member("alice", {"10.0.0.1", "fd00::1"}), member("bob", {"10.0.0.2"}),
         member("server", {"10.0.0.3", "fd00::3"}), member("gate", {"10.0.0.4"}),
         member("root", {"10.0.0.5", "8.8.8.8"})};
   all[2].tags = {"web"};
   all[3].routes = {address("192.168.1.0/24"), address("0.0.0.0/0")};
   all[3].roles = {"exit"};
   all[4].roles = {"admin"};
   all[4].groups = {"ops"};
   return all;
}

std::string rule(const std::string& sources, const std::string& targets,
                 const std::string& action = "accept", const std::string& more = "") {
   return "{\"action\": \"" + action + "\", " + more + "\"src\": [" + sources + "], \"dst\": [" +
          targets + "]},\n";
}

/// Rules around the lines, with a group and a host.
std::string text_of(const std::string& rules, const std::string& more = "") {
   return "{\"groups\": {\"group:dev\": [\"al*\"], \"group:ops\": []},\n"
          "\"hosts\": {\"nas\": \"192.168.1.7\", \"lan\": \"192.168.1.9/24\"},\n" +
          more + "\"acls\": [\n" + rules + "]}";
}

class world {
 public:
   explicit world(const std::string& text, bool default_accept = false)
       : parsed(parse_acl(text, "acl")) {
      EXPECT_TRUE(parsed.ok()) << parsed.mistakes.front().text;
      compiled = *compile(parsed.value, members, default_accept);
   }
   bool accepts(const char* from, const char* to, int port = -1, uint8_t protocol = 6) const {
      return ask(from, to, port, protocol).accept;
   }
   decision ask(const char* from, const char* to, int port, uint8_t protocol = 6) const {
      const auto p =
            port < 0 ? std::optional<uint16_t>() : std::optional(static_cast<uint16_t>(port));
      const wrn_addr a = address(from), b = address(to);
      return compiled->judge(question_of(a, b, protocol, p));
   }
   std::vector<member_view> members = some_members();
   acl_parsed parsed;
   std::shared_ptr<const rule_set> compiled;
};

std::vector<std::string> mistakes(const std::string& text) {
   std::vector<std::string> out;
   for (const acl_mistake& m : parse_acl(text, "acl").mistakes)
      out.push_back(format_mistake("acl", m.at, m.text));
   return out;
}

TEST(acl, the_first_rule_that_matches_decides_and_the_default_the_rest) {
   const std::string text =
         text_of(rule("\"alice\"", "\"server:22\"", "deny") + rule("\"*\"", "\"server:20-30\"") +
                 rule("\"bob\"", "\"*:*\"", "deny"));
   const world w(text), open(text, true);
   EXPECT_FALSE(w.accepts("10.0.0.1", "10.0.0.3", 22));
   EXPECT_TRUE(w.accepts("10.0.0.1", "10.0.0.3", 23));
   EXPECT_TRUE(w.accepts("10.0.0.2", "10.0.0.3", 22));
   EXPECT_FALSE(w.accepts("10.0.0.2", "10.0.0.3", 31));
   EXPECT_FALSE(w.accepts("10.0.0.1", "10.0.0.3", 31));
   EXPECT_TRUE(open.accepts("10.0.0.1", "10.0.0.3", 31));
   EXPECT_FALSE(open.accepts("10.0.0.2", "10.0.0.3", 31));
   EXPECT_EQ(w.ask("10.0.0.1", "10.0.0.3", 22).rule, 0u);
   EXPECT_EQ(w.compiled->where(0), "acl:4");
   EXPECT_EQ(w.compiled->where(w.ask("10.0.0.1", "10.0.0.3", 31).rule), "default");
}

TEST(acl, selectors_mean_members_by_name_group_tag_role_and_autogroup) {
   const auto only = [](const char* source) {
      const world w(text_of(rule("\"" + std::string(source) + "\"", "\"*:*\"")));
      std::string who;
      for (const char* a : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"})
         who += w.accepts(a, "10.0.0.2", 1) ? "1" : "0";
      return who + (w.accepts("192.168.1.9", "10.0.0.2", 1) ? "1" : "0");
   };
   EXPECT_EQ(only("*"), "111111");
   EXPECT_EQ(only("alice"), "100000");
   EXPECT_EQ(only("group:dev"), "100000") << "by pattern";
   EXPECT_EQ(only("group:ops"), "000010") << "by certificate";
   EXPECT_EQ(only("tag:web"), "001000");
   EXPECT_EQ(only("role:exit"), "000100");
   EXPECT_EQ(only("autogroup:members"), "111110") << "addresses of members, not what is behind";
   EXPECT_EQ(only("autogroup:admins"), "000010");
   EXPECT_EQ(only("autogroup:tagged"), "001000");
   EXPECT_EQ(only("10.0.0.0/30"), "111000");
   EXPECT_EQ(only("lan"), "000001");
}

TEST(acl, destinations_behind_members_are_meant_by_prefix_host_internet_or_all) {
   const auto only = [](const char* target) {
      const world w(text_of(rule("\"*\"", "\"" + std::string(target) + ":*\"")));
      std::string what;
      for (const char* a :
           {"10.0.0.4", "192.168.1.7", "192.168.1.8", "9.9.9.9", "10.1.1.1", "8.8.8.8"})
         what += w.accepts("10.0.0.1", a, 1) ? "1" : "0";
      return what;
   };
   EXPECT_EQ(only("*"), "111111");
   EXPECT_EQ(only("gate"), "100000");
   EXPECT_EQ(only("nas"), "010000");
   EXPECT_EQ(only("lan"), "011000");
   EXPECT_EQ(only("192.168.0.0/16"), "011000");
   EXPECT_EQ(only("autogroup:internet"), "000100") << "8.8.8.8 is a member's own";
}

TEST(acl, self_is_the_same_member_only) {
   const world w(text_of(rule("\"*\"", "\"autogroup:self:*\"")));
   EXPECT_TRUE(w.accepts("10.0.0.1", "10.0.0.1", 1));
   EXPECT_FALSE(w.accepts("10.0.0.1", "10.0.0.2", 1));
   EXPECT_FALSE(w.accepts("9.9.9.9", "9.9.9.9", 1));
}

TEST(acl, protocols_and_ports_are_told_apart) {
   const world tcp(text_of(rule("\"*\"", "\"*:80\"", "accept", "\"proto\": \"tcp\", ")));
   EXPECT_TRUE(tcp.accepts("10.0.0.1", "10.0.0.2", 80, 6));
   EXPECT_FALSE(tcp.accepts("10.0.0.1", "10.0.0.2", 80, 17));
   const world any(text_of(rule("\"*\"", "\"*:80\"")));
   EXPECT_TRUE(any.accepts("10.0.0.1", "10.0.0.2", 80, 17));
   EXPECT_FALSE(any.accepts("10.0.0.1", "10.0.0.2", -1, 1)) << "ICMP has no ports";
   const world icmp(text_of(rule("\"*\"", "\"*:*\"", "accept", "\"proto\": \"icmp\", ")));
   EXPECT_TRUE(icmp.accepts("10.0.0.1", "10.0.0.2", -1, 1));
   EXPECT_TRUE(icmp.accepts("fd00::1", "fd00::3", -1, 58));
   EXPECT_FALSE(icmp.accepts("10.0.0.1", "10.0.0.2", 1, 6));
   const world gre(text_of(rule("\"*\"", "\"*:*\"", "accept", "\"proto\": 47, ")));
   EXPECT_TRUE(gre.accepts("10.0.0.1", "10.0.0.2", -1, 47));
   EXPECT_FALSE(gre.accepts("10.0.0.1", "10.0.0.2", -1, 50));
   const world ports(text_of(rule("\"*\"", "\"*:90,1-3,2-7,65535\"")));
   for (const int p : {1, 3, 7, 90, 65535})
      EXPECT_TRUE(ports.accepts("10.0.0.1", "10.0.0.2", p)) << p;
   for (const int p : {0, 8, 89, 91, 65534})
      EXPECT_FALSE(ports.accepts("10.0.0.1", "10.0.0.2", p)) << p;
}

TEST(acl, ipv6_destinations_are_written_in_brackets_or_with_a_length) {
   const world w(text_of(rule("\"*\"", "\"[fd00::3]:80\", \"fd00::1/128:*\"")));
   EXPECT_TRUE(w.accepts("fd00::1", "fd00::3", 80));
   EXPECT_FALSE(w.accepts("fd00::1", "fd00::3", 81));
   EXPECT_TRUE(w.accepts("fd00::3", "fd00::1", 81));
   EXPECT_THAT(mistakes(text_of(rule("\"*\"", "\"fd00::3:80\""))),
               ElementsAre(HasSubstr("acl:4:44: \"fd00::3:80\" may be an address")));
}

TEST(acl, mistakes_are_told_all_at_once_with_their_places) {
   EXPECT_THAT(mistakes("{\"acl\": []}"),
               ElementsAre("acl:1:2: unknown key \"acl\"; expected groups, tagOwners, hosts, acls, "
                           "tests"));
   EXPECT_THAT(mistakes(text_of(rule("\"group:none\"", "\"server\"", "drop"))),
               ElementsAre(HasSubstr("acl:4:12: \"action\" is"),
                           HasSubstr("acl:4:28: \"group:none\" is not defined in \"groups\""),
                           HasSubstr("acl:4:51: \"server\" has no ports")));
   EXPECT_THAT(mistakes(text_of(rule("", "\"*:*\""))),
               ElementsAre(HasSubstr("acl:4:29: \"src\" is empty")));
   EXPECT_THAT(mistakes(text_of("{\"action\": \"deny\"}")),
               ElementsAre(HasSubstr("has no \"src\""), HasSubstr("has no \"dst\"")));
   EXPECT_THAT(mistakes(text_of(rule("\"autogroup:self\"", "\"*:1\""))),
               ElementsAre(HasSubstr("is a destination only")));
   EXPECT_THAT(mistakes(text_of(rule("\"autogroup:x\"", "\"*:1\""))),
               ElementsAre(HasSubstr("is unknown")));
   EXPECT_THAT(mistakes(text_of(rule("\"*\"", "\"*:22\"", "accept", "\"proto\": \"icmp\", "))),
               ElementsAre(HasSubstr("\"icmp\" has no ports")));
   for (const char* ports : {"", "x", "80-", "90-80", "65536", "1,,2", "1-2-3"})
      EXPECT_THAT(mistakes(text_of(rule("\"*\"", "\"*:" + std::string(ports) + "\""))),
                  ElementsAre(HasSubstr("is no port")))
            << ports;
   EXPECT_THAT(mistakes("{\"groups\": {\"dev\": [], \"group:a\": [\"group:b\"]}}"),
               ElementsAre(HasSubstr("acl:1:13: expected a key such as \"group:NAME\""),
                           HasSubstr("acl:1:36: a group has member names")));
   EXPECT_THAT(mistakes("{\"hosts\": {\"nas\": \"nowhere\"}}"),
               ElementsAre(HasSubstr("expected an address or a prefix")));
   EXPECT_THAT(mistakes("{\"tagOwners\": {\"tag:a\": [\"10.0.0.1\"]}}"),
               ElementsAre(HasSubstr("tags are owned by members")));
   EXPECT_THAT(mistakes("{\"acls\": [}"), ElementsAre(HasSubstr("acl:1:11: expected a value")));
   EXPECT_THAT(mistakes("{\"tests\": [{\"src\": \"a\"}]}"),
               ElementsAre(HasSubstr("the test asks nothing")));
}

TEST(acl, bounds_are_refused) {
   std::string many;
   for (size_t i = 0; i < acl_rules_max; i++)
      many += rule("\"a\"", "\"b:1\"");
   EXPECT_THAT(mistakes(text_of(many)), IsEmpty());
   EXPECT_THAT(mistakes(text_of(many + rule("\"a\"", "\"b:1\""))),
               ElementsAre(HasSubstr("more than 10000 rules")));
   std::string groups = "{\"groups\": {";
   for (size_t i = 0; i <= acl_groups_max; i++)
      groups += "\"group:" + std::to_string(i) + "\": [],";
   EXPECT_THAT(mistakes(groups + "}}"), ElementsAre(HasSubstr("more than 1000 groups")));
   const std::string name(254, 'n');
   EXPECT_THAT(mistakes(text_of(rule("\"" + name + "\"", "\"*:*\""))),
               ElementsAre(HasSubstr("this is no name")));
   std::string ports; // every clause has its own
   for (size_t i = 0; i <= acl_clauses_max; i++)
      ports += "\"b:" + std::to_string(i) + "\",";
   EXPECT_THAT(mistakes(text_of(rule("\"a\"", ports))),
               ElementsAre(HasSubstr("destinations with different ports")));
   std::string bad;
   for (int i = 0; i < 100; i++)
      bad += "1,";
   EXPECT_EQ(mistakes("{\"acls\": [" + bad + "]}").size(), acl_mistakes_max + 1);
}

std::vector<std::string> warnings(const std::string& text, bool with_members) {
   const auto parsed = parse_acl(text, "acl");
   EXPECT_TRUE(parsed.ok()) << parsed.mistakes.front().text;
   std::vector<std::string> out;
   for (const acl_mistake& m :
        check_acl(parsed.value, with_members ? std::optional(some_members()) : std::nullopt)) {
      EXPECT_TRUE(m.warning);
      out.push_back(std::to_string(m.at.line) + ": " + m.text);
   }
   return out;
}

TEST(acl, rules_that_can_never_match_are_warned_of_with_both_lines) {
   const auto shadowed = [](const std::string& first, const std::string& second) {
      return !warnings(text_of(first + second), false).empty();
   };
   EXPECT_THAT(
         warnings(text_of(rule("\"*\"", "\"*:*\"") + rule("\"a\"", "\"b:1\"", "deny")), false),
         ElementsAre("5: this rule never matches: the one in line 4 covers it and comes "
                     "first, with another action"));
   EXPECT_TRUE(shadowed(rule("\"group:dev\"", "\"10.0.0.0/8:1-9\""),
                        rule("\"alice\"", "\"10.1.0.0/16:2,4-9\"")));
   EXPECT_TRUE(shadowed(rule("\"a\",\"b\"", "\"c:*\""), rule("\"b\"", "\"c:1\"")));
   EXPECT_FALSE(shadowed(rule("\"b\"", "\"c:1\""), rule("\"a\",\"b\"", "\"c:1\"")));
   EXPECT_FALSE(shadowed(rule("\"group:dev\"", "\"c:1\""), rule("\"bob\"", "\"c:1\"")));
   EXPECT_FALSE(shadowed(rule("\"a\"", "\"c:1-5\""), rule("\"a\"", "\"c:5-6\"")));
   EXPECT_FALSE(shadowed(rule("\"a\"", "\"c:1\"", "deny", "\"proto\": \"udp\", "),
                         rule("\"a\"", "\"c:1\"")));
   EXPECT_FALSE(shadowed(rule("\"a\"", "\"10.1.0.0/16:*\""), rule("\"a\"", "\"10.0.0.0/8:*\"")));
   EXPECT_FALSE(
         shadowed(rule("\"autogroup:members\"", "\"*:*\""), rule("\"10.0.0.1\"", "\"*:*\"")));
}

TEST(acl, names_that_nobody_has_are_warnings_when_the_members_are_known) {
   const std::string text = text_of(rule("\"carol\", \"alice\"", "\"tag:db:1\", \"tag:web:1\""));
   EXPECT_THAT(warnings(text, false), IsEmpty());
   EXPECT_THAT(warnings(text, true), ElementsAre("4: no member is called \"carol\" now",
                                                 "4: no member has the tag \"db\" now"));
   EXPECT_THAT(warnings("{\"groups\": {\"group:a\": [\"zoe\", \"z*\"], \"group:b\": []}}", true),
               ElementsAre("1: no member is called \"zoe\" now", "1: the group \"b\" is empty"));
}

TEST(acl, tags_are_given_by_their_owners) {
   const auto parsed = parse_acl("{\"groups\": {\"group:ops\": []}, \"tagOwners\": {\"tag:web\": "
                                 "[\"group:ops\", \"bob\"], \"tag:none\": []}}",
                                 "acl");
   ASSERT_TRUE(parsed.ok());
   const auto members = some_members();
   EXPECT_TRUE(may_tag(parsed.value, members[4], "tag:web"));
   EXPECT_TRUE(may_tag(parsed.value, members[1], "web"));
   EXPECT_FALSE(may_tag(parsed.value, members[0], "web"));
   EXPECT_FALSE(may_tag(parsed.value, members[1], "none"));
   EXPECT_FALSE(may_tag(parsed.value, members[1], "other"));
}

TEST(acl, patterns_match_as_shells_do) {
   EXPECT_TRUE(matches_pattern("*.dev@company.com", "ann.dev@company.com"));
   EXPECT_FALSE(matches_pattern("*.dev@company.com", "ann.ops@company.com"));
   EXPECT_TRUE(matches_pattern("a*b*c", "aXbYbc"));
   EXPECT_TRUE(matches_pattern("*", ""));
   EXPECT_FALSE(matches_pattern("a*a", "a"));
   EXPECT_FALSE(matches_pattern("", "a"));
   EXPECT_FALSE(matches_pattern(std::string(100, '*') + "b", std::string(250, 'a')));
}

TEST(acl, cases_in_the_file_are_tried_against_the_members) {
   const std::string rules = rule("\"alice\"", "\"server:22\"");
   const auto failures = [&](const std::string& test) {
      const world w(text_of(rules, "\"tests\": [" + test + "],\n"));
      size_t asked = 0;
      std::vector<std::string> out;
      for (const auto& f : run_tests(w.parsed.value, *w.compiled, w.members, asked))
         out.push_back(f.text);
      EXPECT_TRUE(asked > 0 || !out.empty());
      return out;
   };
   EXPECT_THAT(failures(R"({"src": "alice", "accept": ["server:22"], "deny": ["server:80"]})"),
               IsEmpty());
   EXPECT_THAT(failures(R"({"src": "alice", "accept": ["server:80"]})"),
               ElementsAre("tcp from alice (10.0.0.1) to server (10.0.0.3) port 80 should be "
                           "accepted, but default denies it"));
   EXPECT_THAT(failures(R"({"src": "alice", "deny": ["server:*"]})"),
               ElementsAre(HasSubstr("port 22 should be denied, but acl:5 accepts it")));
   EXPECT_THAT(failures(R"({"src": "nobody", "deny": ["server:1"]})"),
               ElementsAre(HasSubstr("cannot be tried")));
   EXPECT_THAT(failures(R"({"src": "alice", "proto": "icmp", "deny": ["server:*"]})"), IsEmpty());
}

TEST(acl, differences_are_grouped_by_who_and_what) {
   const world before(text_of(rule("\"alice\", \"bob\"", "\"server:20-30\"")));
   const world after(text_of(rule("\"alice\", \"bob\"", "\"server:25-40\"") +
                             rule("\"*\"", "\"gate:*\"", "accept", "\"proto\": \"icmp\", ")));
   size_t left_out = 0;
   const auto found =
         diff_rules({&before.parsed.value, before.compiled.get()},
                    {&after.parsed.value, after.compiled.get()}, before.members, 100, left_out);
   EXPECT_EQ(left_out, 0u);
   std::vector<std::string> lines;
   for (const auto& d : found) {
      std::string line = d.sources.front() + "+" + std::to_string(d.sources.size()) + " " +
                         d.targets.front() + "+" + std::to_string(d.targets.size()) + " " +
                         format_protocol(d.protocol);
      for (const port_range& r : d.ports)
         line += " " + std::to_string(r.first) + "-" + std::to_string(r.last);
      lines.push_back(line + (d.accepted_before ? " cut" : " opened"));
   }
   EXPECT_THAT(lines, testing::UnorderedElementsAre(
                            "alice+2 server+1 tcp 20-24 cut", "alice+2 server+1 tcp 31-40 opened",
                            "alice+2 server+1 udp 20-24 cut", "alice+2 server+1 udp 31-40 opened",
                            "alice+5 gate+1 1 opened"));
   EXPECT_EQ(diff_rules({&before.parsed.value, before.compiled.get()},
                        {&after.parsed.value, after.compiled.get()}, before.members, 2, left_out)
                   .size(),
             2u);
   EXPECT_EQ(left_out, 3u);
}

} // namespace
} // namespace warren::route
