// Asks compiled rules on behalf of people: the cases of "tests", and what differs between two sets.
#include "core/base/address.hpp"
#include "core/route/rule_set.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace warren::route {

namespace {

using kind = acl_selector::kind;

constexpr size_t questions_max = 5'000'000;

struct end { // of a flow, that somebody asks about
   std::string name;
   std::vector<wrn_addr> addresses;
};

std::vector<end> ends_of(const acl& rules, const acl_selector& s,
                         std::span<const member_view> members) {
   if (s.type == kind::prefix) return {{format_selector(s), {s.prefix}}};
   if (s.type == kind::internet)
      return {{format_selector(s), {*base::parse_address("9.9.9.9")}},
              {format_selector(s), {*base::parse_address("2620:fe::fe")}}};
   std::vector<end> out;
   for (const member_view& m : members)
      if (selects(rules, s, m)) out.push_back({m.name, own_addresses(m)});
   return out;
}

/// The protocols to ask about, by family.
int protocol_for(int protocol, uint8_t family) {
   if (protocol == protocol_icmp_both) return family == WRN_AF_INET ? 1 : 58;
   return protocol == protocol_any ? 6 : protocol;
}

class tester {
 public:
   tester(const acl& rules, const rule_set& compiled, std::span<const member_view> members,
          size_t& asked)
       : rules_(rules), compiled_(compiled), members_(members), asked_(asked) {}

   std::vector<acl_test_failure> run() {
      for (const acl_test& test : rules_.tests) {
         const auto sources = ends_of(rules_, test.source, members_);
         for (const auto& [list, accept] : {std::pair(&test.accept, true), {&test.deny, false}})
            for (const acl_target& target : *list)
               ask(test, sources, target, accept);
      }
      return std::move(out_);
   }

 private:
   void ask(const acl_test& test, const std::vector<end>& sources, const acl_target& target,
            bool accept) {
      const size_t before = asked_;
      const auto targets =
            target.who.type == kind::self ? sources : ends_of(rules_, target.who, members_);
      std::vector<std::optional<uint16_t>> ports;
      for (const port_range& r : target.ports) {
         ports.emplace_back(r.first);
         if (r.last != r.first) ports.emplace_back(r.last);
      }
      if (ports.empty() && (test.protocol == 6 || test.protocol == 17))
         for (const uint16_t port : {1, 22, 443, 65535}) // "every port" can only be sampled
            ports.emplace_back(port);
      if (ports.empty()) ports.emplace_back();
      for (const end& from : sources)
         for (const end& to : targets) {
            if (target.who.type == kind::self && &from - sources.data() != &to - targets.data())
               continue;
            for (const wrn_addr& a : from.addresses)
               for (const wrn_addr& b : to.addresses) {
                  if (a.family != b.family) continue;
                  if (!ask_ports(test, accept, from, to, a, b, ports)) return;
               }
         }
      if (asked_ == before)
         out_.push_back({target.who.at, "cannot be tried: no member with an address is \"" +
                                              format_selector(test.source) + "\", or none is \"" +
                                              format_selector(target.who) + "\""});
   }

   /// False after a failure: one per destination is enough.
   bool ask_ports(const acl_test& test, bool accept, const end& from, const end& to,
                  const wrn_addr& a, const wrn_addr& b,
                  const std::vector<std::optional<uint16_t>>& ports) {
      const int protocol = protocol_for(test.protocol, a.family);
      for (const auto& port : ports) {
         if (++asked_ > questions_max) return false;
         const decision d =
               compiled_.judge(question_of(a, b, static_cast<uint8_t>(protocol), port));
         if (d.accept == accept) continue;
         std::string flow = format_protocol(test.protocol) + " from " + from.name + " (" +
                            base::format_address(a) + ") to " + to.name + " (" +
                            base::format_address(b) + ")";
         if (port) flow += " port " + std::to_string(*port);
         out_.push_back({test.at, flow + " should be " + (accept ? "accepted" : "denied") +
                                        ", but " + compiled_.where(d.rule) +
                                        (d.accept ? " accepts it" : " denies it")});
         return false;
      }
      return true;
   }

   const acl& rules_;
   const rule_set& compiled_;
   std::span<const member_view> members_;
   size_t& asked_;
   std::vector<acl_test_failure> out_;
};

struct service { // a protocol with the ports that no rule divides
   int protocol;
   std::vector<port_range> ports;
};

std::vector<service> services_of(const acl& a, const acl& b) {
   std::set<int> others{1, 58};
   std::set<uint32_t> starts{0};
   for (const acl* rules : {&a, &b})
      for (const acl_rule& rule : rules->rules) {
         if (rule.protocol >= 0 && rule.protocol < 256 && rule.protocol != 6 && rule.protocol != 17)
            others.insert(rule.protocol);
         for (const acl_target& target : rule.targets)
            for (const port_range& r : target.ports) {
               starts.insert(r.first);
               if (r.last != 65535) starts.insert(r.last + 1u);
            }
      }
   for (int p = 255; p >= 0; p--) // one that no rule names stands for all others
      if (!others.contains(p) && p != 6 && p != 17) {
         others.insert(p);
         break;
      }
   std::vector<service> out;
   for (const int protocol : {6, 17})
      for (auto it = starts.begin(); it != starts.end(); ++it) {
         const auto next = std::next(it);
         const uint32_t last = next == starts.end() ? 65535 : *next - 1;
         out.push_back({protocol, {{static_cast<uint16_t>(*it), static_cast<uint16_t>(last)}}});
      }
   for (const int protocol : others)
      out.push_back({protocol, {}});
   return out;
}

/// Members and prefixes that rules may tell apart.
std::vector<end> all_ends(const acl& a, const acl& b, std::span<const member_view> members) {
   std::vector<end> out;
   for (const member_view& m : members)
      if (auto own = own_addresses(m); !own.empty()) out.push_back({m.name, std::move(own)});
   std::map<std::string, wrn_addr> prefixes;
   for (const acl* rules : {&a, &b})
      for (const acl_rule& rule : rules->rules) {
         for (const acl_selector& s : rule.sources)
            if (s.type == kind::prefix) prefixes.emplace(base::format_prefix(s.prefix), s.prefix);
         for (const acl_target& t : rule.targets)
            if (t.who.type == kind::prefix)
               prefixes.emplace(base::format_prefix(t.who.prefix), t.who.prefix);
            else if (t.who.type == kind::internet)
               prefixes.emplace("autogroup:internet", *base::parse_address("9.9.9.9"));
      }
   for (const auto& [name, prefix] : prefixes)
      out.push_back({name, {prefix}});
   return out;
}

} // namespace

std::vector<acl_test_failure> run_tests(const acl& rules, const rule_set& compiled,
                                        std::span<const member_view> members, size_t& asked) {
   asked = 0;
   return tester(rules, compiled, members, asked).run();
}

std::vector<acl_difference> diff_rules(const acl_side& before, const acl_side& after,
                                       std::span<const member_view> members, size_t limit,
                                       size_t& left_out) {
   const auto ends = all_ends(*before.rules, *after.rules, members);
   const auto services = services_of(*before.rules, *after.rules);
   left_out = 0;
   // A source's changes towards one destination, then sources and destinations with the same ones
   // together.
   using change = std::pair<size_t, bool>; // service, accepted before
   std::map<std::vector<change>, std::map<size_t, std::vector<size_t>>> by_changes;
   size_t questions = 0;
   for (size_t from = 0; from < ends.size(); from++)
      for (size_t to = 0; to < ends.size(); to++) {
         std::vector<change> changes;
         for (size_t s = 0; s < services.size(); s++) {
            std::optional<bool> turned;
            for (const wrn_addr& a : ends[from].addresses)
               for (const wrn_addr& b : ends[to].addresses) {
                  if (a.family != b.family || turned) continue;
                  if (services[s].protocol == (a.family == WRN_AF_INET ? 58 : 1))
                     continue; // ICMP of the other family
                  if (++questions > questions_max) continue;
                  const auto port =
                        services[s].ports.empty()
                              ? std::optional<uint16_t>()
                              : std::optional<uint16_t>(services[s].ports.front().first);
                  const auto q =
                        question_of(a, b, static_cast<uint8_t>(services[s].protocol), port);
                  const bool was = before.compiled->judge(q).accept;
                  if (was != after.compiled->judge(q).accept) turned = was;
               }
            if (turned) changes.emplace_back(s, *turned);
         }
         if (!changes.empty()) by_changes[std::move(changes)][from].push_back(to);
      }
   if (questions > questions_max) left_out++;
   std::vector<acl_difference> out;
   for (const auto& [changes, pairs] : by_changes) {
      std::map<std::vector<size_t>, std::vector<size_t>> by_targets;
      for (const auto& [from, targets] : pairs)
         by_targets[targets].push_back(from);
      for (const auto& [targets, sources] : by_targets) {
         std::vector<acl_difference> joined;
         for (const auto& [s, was] : changes) {
            const service& what = services[s];
            if (!joined.empty() && joined.back().protocol == what.protocol &&
                joined.back().accepted_before == was && !what.ports.empty() &&
                joined.back().ports.back().last + 1 == what.ports.front().first) {
               joined.back().ports.back().last = what.ports.front().last;
               continue;
            }
            acl_difference d;
            for (const size_t i : sources)
               d.sources.push_back(ends[i].name);
            for (const size_t i : targets)
               d.targets.push_back(ends[i].name);
            d.protocol = what.protocol;
            d.ports = what.ports;
            d.accepted_before = was;
            joined.push_back(std::move(d));
         }
         for (acl_difference& d : joined)
            if (out.size() < limit)
               out.push_back(std::move(d));
            else
               left_out++;
      }
   }
   return out;
}

} // namespace warren::route
