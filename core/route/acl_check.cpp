// What is odd about rules that parse: those that can never match, and names that nobody has.
#include "core/base/address.hpp"
#include "core/route/acl_parse.hpp"

#include <algorithm>
#include <set>

namespace warren::route {

namespace {

using kind = acl_selector::kind;

/// Comparisons of one check; beyond it the search for shadowed rules ends early. Ten thousand
/// ordinary rules take a quarter.
constexpr size_t comparisons_max = 200'000'000;

bool covers_ports(const std::vector<port_range>& wide, const std::vector<port_range>& narrow) {
   if (wide.empty()) return true;
   if (narrow.empty()) return false;
   return std::all_of(narrow.begin(), narrow.end(), [&](const port_range& n) {
      return std::any_of(wide.begin(), wide.end(), [&](const port_range& w) {
         return w.first <= n.first && n.last <= w.last;
      });
   });
}

bool covers_protocol(int wide, int narrow) {
   return wide == protocol_any || wide == narrow ||
          (wide == protocol_icmp_both && (narrow == 1 || narrow == 58));
}

/// Whatever the members are, does `wide` mean all that `narrow` means?
bool covers(const acl& rules, const acl_selector& wide, const acl_selector& narrow) {
   if (wide.type == kind::any) return true;
   if (wide.type == kind::prefix)
      return narrow.type == kind::prefix && wide.prefix.prefix_len <= narrow.prefix.prefix_len &&
             base::contains(wide.prefix, narrow.prefix);
   if (narrow.type == kind::any || narrow.type == kind::prefix || narrow.type == kind::internet)
      return narrow.type == kind::internet && wide.type == kind::internet;
   if (wide.type == kind::members) return true;
   if (wide.type == kind::tagged && narrow.type == kind::tag) return true;
   if (wide.type == kind::admins && narrow.type == kind::role) return narrow.name == "admin";
   if (wide.type == kind::group && narrow.type == kind::member) {
      const acl::group* g = rules.find_group(wide.name);
      return g != nullptr &&
             std::any_of(g->members.begin(), g->members.end(), [&](const acl::pattern& p) {
                return matches_pattern(p.text, narrow.name);
             });
   }
   return wide.type == narrow.type && wide.name == narrow.name;
}

class checker {
 public:
   checker(const acl& rules, const std::optional<std::vector<member_view>>& members)
       : rules_(rules), members_(members) {}

   std::vector<acl_mistake> run() {
      find_shadowed();
      if (members_) find_unknown();
      std::stable_sort(out_.begin(), out_.end(), [](const acl_mistake& a, const acl_mistake& b) {
         return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
      });
      if (out_.size() > acl_mistakes_max) {
         const size_t left_out = out_.size() - acl_mistakes_max;
         out_.resize(acl_mistakes_max);
         warn(out_.back().at, std::to_string(left_out) + " more warnings are left out");
      }
      return std::move(out_);
   }

 private:
   void warn(const position& at, std::string text) { out_.push_back({at, true, std::move(text)}); }

   bool covers_rule(const acl_rule& wide, const acl_rule& narrow) {
      comparisons_++;
      if (!covers_protocol(wide.protocol, narrow.protocol)) return false;
      for (const acl_selector& n : narrow.sources)
         if (std::none_of(wide.sources.begin(), wide.sources.end(), [&](const acl_selector& w) {
                comparisons_++;
                return covers(rules_, w, n);
             }))
            return false;
      for (const acl_target& n : narrow.targets)
         if (std::none_of(wide.targets.begin(), wide.targets.end(), [&](const acl_target& w) {
                comparisons_++;
                return covers_ports(w.ports, n.ports) && covers(rules_, w.who, n.who);
             }))
            return false;
      return true;
   }

   void find_shadowed() {
      const auto& all = rules_.rules;
      for (size_t j = 0; j < all.size(); j++)
         for (size_t i = 0; i < j && comparisons_ < comparisons_max; i++) {
            if (!covers_rule(all[i], all[j])) continue;
            warn(all[j].at, "this rule never matches: the one in line " +
                                  std::to_string(all[i].at.line) + " covers it and comes first" +
                                  (all[i].accept == all[j].accept ? "" : ", with another action"));
            break;
         }
   }

   void find_unknown() {
      std::set<std::string, std::less<>> names, tags, roles;
      for (const member_view& m : *members_) {
         names.insert(m.name);
         tags.insert(m.tags.begin(), m.tags.end());
         roles.insert(m.roles.begin(), m.roles.end());
      }
      const auto look = [&](const acl_selector& s) {
         if (s.type == kind::member && !names.contains(s.name))
            warn(s.at, "no member is called \"" + s.name + "\" now");
         if (s.type == kind::tag && !tags.contains(s.name))
            warn(s.at, "no member has the tag \"" + s.name + "\" now");
         if (s.type == kind::role && !roles.contains(s.name))
            warn(s.at, "no member has the role \"" + s.name + "\" now");
      };
      for (const acl_rule& rule : rules_.rules) {
         for (const acl_selector& s : rule.sources)
            look(s);
         for (const acl_target& t : rule.targets)
            look(t.who);
      }
      for (const acl::tag_owner& o : rules_.tag_owners)
         for (const acl_selector& s : o.owners)
            look(s);
      for (const acl::group& g : rules_.groups) {
         for (const acl::pattern& p : g.members)
            if (p.text.find('*') == std::string::npos && !names.contains(p.text))
               warn(p.at, "no member is called \"" + p.text + "\" now");
         const acl_selector self{kind::group, g.name, {}, g.at};
         if (g.members.empty() &&
             std::none_of(members_->begin(), members_->end(),
                          [&](const member_view& m) { return selects(rules_, self, m); }))
            warn(g.at, "the group \"" + g.name + "\" is empty");
      }
   }

   const acl& rules_;
   const std::optional<std::vector<member_view>>& members_;
   std::vector<acl_mistake> out_;
   size_t comparisons_ = 0;
};

} // namespace

std::vector<acl_mistake> check_acl(const acl& rules,
                                   const std::optional<std::vector<member_view>>& members) {
   return checker(rules, members).run();
}

} // namespace warren::route
