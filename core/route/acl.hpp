// Access rules as the operator writes them (docs/acl.md), parsed and checked; and the same compiled
// for the members of a network, which is what packets are judged by.
//
// `acl` is the text as values, with positions. `rule_set` is made from it and from the members,
// never changes, and answers for a new flow in well under a microsecond: see acl_compile.cpp.
// Values; any thread.
#pragma once

#include "core/route/hujson.hpp"
#include "warren/base.h"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace warren::route {

inline constexpr size_t acl_rules_max = 10'000;
inline constexpr size_t acl_groups_max = 1'000;
inline constexpr size_t acl_name_bytes_max = 253; // a DNS name
/// Destinations of one rule with the same ports are one clause. Twice the rules is room for those
/// with several; each costs a bit per member.
inline constexpr size_t acl_clauses_max = 20'000;
/// Different addresses and prefixes, as many as the owner table takes.
inline constexpr size_t acl_prefixes_max = 10'000;
inline constexpr size_t acl_mistakes_max = 50; // told; the rest is counted

/// A member of the network, ourselves among them.
struct member_view {
   uint64_t handle = 0;
   std::string name;
   std::vector<std::string> groups, tags, roles;
   std::vector<wrn_addr> addresses, routes;
   bool self = false;
};

/// Who or what a rule speaks of.
struct acl_selector {
   enum class kind : uint8_t {
      any,
      member,
      group,
      tag,
      role,
      prefix,  // also what a host alias stands for
      members, // autogroup:…
      admins,
      tagged,
      self,
      internet,
   };
   kind type = kind::any;
   std::string name;  // without "group:" and the like; as written for a prefix
   wrn_addr prefix{}; // masked
   position at;
};

struct port_range {
   uint16_t first = 0, last = 65535;
   friend bool operator==(const port_range&, const port_range&) = default;
};

struct acl_target {
   acl_selector who;
   std::vector<port_range> ports; // sorted, apart; empty = all, and what has no ports
};

/// "proto": absent; the number 0..255; or "icmp", which is ICMP of either family.
inline constexpr int protocol_any = -1, protocol_icmp_both = 256;

struct acl_rule {
   bool accept = true;
   int protocol = protocol_any;
   std::string name;
   std::vector<acl_selector> sources;
   std::vector<acl_target> targets;
   position at;
};

struct acl_test {
   acl_selector source;
   int protocol = 6;
   std::vector<acl_target> accept, deny;
   position at;
};

struct acl {
   struct pattern {
      std::string text; // a member name, "*" stands for any run of characters
      position at;
   };
   struct group {
      std::string name;
      std::vector<pattern> members;
      position at;
   };
   struct tag_owner {
      std::string tag;
      std::vector<acl_selector> owners;
      position at;
   };
   struct host {
      std::string name;
      wrn_addr prefix{};
      position at;
   };
   std::string file;
   std::vector<group> groups;
   std::vector<tag_owner> tag_owners;
   std::vector<host> hosts;
   std::vector<acl_rule> rules;
   std::vector<acl_test> tests;

   const group* find_group(std::string_view name) const;
   std::string where(const position& at) const; // "file:line"
};

/// What is wrong with a text; a warning does not keep it from being used.
struct acl_mistake {
   position at;
   bool warning = false;
   std::string text;
};

struct acl_parsed {
   acl value;
   std::vector<acl_mistake> mistakes; // by position
   bool ok() const;
};

/// Syntax, names and bounds. `file` is how messages call it.
acl_parsed parse_acl(std::string_view text, std::string file);

/// Warnings about rules that parse: those that can never match; with `members` also names of
/// members that there are not, and tags and roles that nobody has.
std::vector<acl_mistake> check_acl(const acl& rules,
                                   const std::optional<std::vector<member_view>>& members);

/// Is the member meant? Prefixes, self and internet mean no member.
bool selects(const acl& rules, const acl_selector& selector, const member_view& member);
/// May the member give the tag, by tagOwners?
bool may_tag(const acl& rules, const member_view& member, std::string_view tag);
/// "laptop-*" against a name; linear.
bool matches_pattern(std::string_view pattern, std::string_view name);
/// What the member answers as: its addresses; without any, the single addresses among its routes.
std::vector<wrn_addr> own_addresses(const member_view& member);

/// "tcp", "icmp", "47" to a number as in acl_rule; nothing for another word.
std::optional<int> parse_protocol(std::string_view text);
std::string format_protocol(int protocol);
/// "group:dev", "10.0.0.0/8", "*".
std::string format_selector(const acl_selector& selector);

class rule_set;

/// A case of "tests" that does not hold, or cannot be tried.
struct acl_test_failure {
   position at;
   std::string text;
};
/// How many questions were asked goes to `asked`.
std::vector<acl_test_failure> run_tests(const acl& rules, const rule_set& compiled,
                                        std::span<const member_view> members, size_t& asked);

/// A group of flows that two sets of rules judge differently.
struct acl_difference {
   std::vector<std::string> sources, targets; // members' names, or prefixes
   int protocol = protocol_any;
   std::vector<port_range> ports; // empty: has none
   bool accepted_before = false;
};
struct acl_side {
   const acl* rules;
   const rule_set* compiled;
};
/// At most `limit` groups; what was left out is counted in `left_out`.
std::vector<acl_difference> diff_rules(const acl_side& before, const acl_side& after,
                                       std::span<const member_view> members, size_t limit,
                                       size_t& left_out);

} // namespace warren::route
