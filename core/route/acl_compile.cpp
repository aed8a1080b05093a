// From rules and members to the tables of a rule_set.
//
// A clause is a rule with those of its destinations that have the same ports, so a rule is one or a
// few clauses side by side. For 10,000 rules a row has 157 words and 3 of summary; a member has a
// row as source and one as destination, 2.5 kB together. Of the clauses that name ports, a port
// sees few, so they are kept as lists of words, one list per range of ports that no clause divides.
#include "core/base/address.hpp"
#include "core/route/rule_set.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

namespace warren::route {

namespace {

using kind = acl_selector::kind;

constexpr uint8_t tcp = 6, udp = 17, icmp4 = 1, icmp6 = 58;
/// Words of the lists by port: 16 MB, of which no sensible text comes near.
constexpr size_t port_words_max = 1 << 20;

struct clause {
   uint32_t rule = 0;
   const std::vector<port_range>* ports = nullptr;
};

/// The clauses that use a selector, as ranges [first, second).
using clause_ranges = std::vector<std::pair<uint32_t, uint32_t>>;

struct use {
   const acl_selector* what = nullptr;
   clause_ranges clauses;
};

struct prefix_less {
   bool operator()(const wrn_addr& a, const wrn_addr& b) const {
      if (a.family != b.family) return a.family < b.family;
      const int order = std::memcmp(a.ip, b.ip, sizeof a.ip);
      return order != 0 ? order < 0 : a.prefix_len < b.prefix_len;
   }
};

/// Everything that the rules name on one side, each once.
struct uses {
   std::map<std::pair<kind, std::string>, use> members;
   std::map<wrn_addr, use, prefix_less> prefixes;

   void add(const acl_selector& s, uint32_t first, uint32_t end) {
      use& u = s.type == kind::prefix ? prefixes[s.prefix] : members[{s.type, s.name}];
      u.what = &s;
      u.clauses.emplace_back(first, end);
   }
};

} // namespace

class rule_compiler {
 public:
   rule_compiler(const acl& rules, std::span<const member_view> members)
       : rules_(rules), members_(members), out_(std::make_shared<rule_set>()) {}

   base::result<std::shared_ptr<const rule_set>> run(bool default_accept) {
      out_->default_accept_ = default_accept;
      out_->file_ = rules_.file;
      cut_into_clauses();
      if (clauses_.size() > acl_clauses_max)
         return base::fail(base::errc::limit, "the rules have more than " +
                                                    std::to_string(acl_clauses_max) +
                                                    " destinations with different ports");
      for (const uses* u : {&sources_, &targets_})
         if (u->prefixes.size() > acl_prefixes_max)
            return base::fail(base::errc::limit, "the rules name more than " +
                                                       std::to_string(acl_prefixes_max) +
                                                       " different addresses and prefixes");
      out_->words_ = (clauses_.size() + 63) / 64;
      out_->summary_ = (out_->words_ + 63) / 64;
      stride_ = out_->words_ + out_->summary_;
      if (stride_ == 0) return std::shared_ptr<const rule_set>(std::move(out_)); // no rules
      out_->none_.resize(stride_);
      out_->self_.resize(stride_);
      out_->internet_.resize(stride_);
      index_members();
      fill_side(sources_, out_->source_);
      fill_side(targets_, out_->target_);
      fill_row(targets_, kind::self, out_->self_);
      out_->has_internet_ = fill_row(targets_, kind::internet, out_->internet_);
      fill_protocols();
      for (const auto& [table, protocol] : {std::pair(&out_->tcp_, tcp), {&out_->udp_, udp}})
         if (!fill_ports(*table, protocol))
            return base::fail(base::errc::limit,
                              "the rules have too many port ranges that overlap");
      return std::shared_ptr<const rule_set>(std::move(out_));
   }

 private:
   uint64_t* row(rule_set::rows& r, size_t index) const { return r.words.data() + index * stride_; }

   void set_bits(uint64_t* words, const clause_ranges& clauses) const {
      for (const auto& [first, end] : clauses)
         for (uint32_t c = first; c < end; c++)
            words[out_->summary_ + c / 64] |= uint64_t{1} << c % 64;
   }
   void merge(uint64_t* into, const uint64_t* from) const {
      for (size_t i = 0; i < stride_; i++)
         into[i] |= from[i];
   }
   void summarise(uint64_t* words) const {
      std::fill_n(words, out_->summary_, 0);
      for (size_t w = 0; w < out_->words_; w++)
         if (words[out_->summary_ + w] != 0) words[w / 64] |= uint64_t{1} << w % 64;
   }

   void cut_into_clauses() {
      for (uint32_t i = 0; i < rules_.rules.size(); i++) {
         const acl_rule& rule = rules_.rules[i];
         out_->origins_.push_back({rule.at.line, rule.accept});
         const auto first = static_cast<uint32_t>(clauses_.size());
         std::map<std::vector<std::pair<uint16_t, uint16_t>>, uint32_t> by_ports;
         for (const acl_target& target : rule.targets) {
            std::vector<std::pair<uint16_t, uint16_t>> key;
            for (const port_range& r : target.ports)
               key.emplace_back(r.first, r.last);
            const auto [it, fresh] =
                  by_ports.emplace(std::move(key), static_cast<uint32_t>(clauses_.size()));
            if (fresh) {
               clauses_.push_back({i, &target.ports});
               out_->rule_of_.push_back(i);
            }
            targets_.add(target.who, it->second, it->second + 1);
         }
         const auto end = static_cast<uint32_t>(clauses_.size());
         for (const acl_selector& s : rule.sources)
            sources_.add(s, first, end);
      }
   }

   void index_members() {
      for (uint32_t i = 0; i < members_.size(); i++) {
         const member_view& m = members_[i];
         by_name_[m.name].push_back(i);
         for (const std::string& g : m.groups)
            by_group_[g].push_back(i);
         for (const std::string& t : m.tags)
            by_tag_[t].push_back(i);
         for (const std::string& r : m.roles)
            by_role_[r].push_back(i);
         for (const wrn_addr& a : own_addresses(m))
            out_->addresses_.emplace_back(rule_set::key_of(a.family == WRN_AF_INET ? 4 : 6, a.ip),
                                          i + 1);
      }
      // An address belongs to who comes first; the configuration refuses two.
      std::stable_sort(out_->addresses_.begin(), out_->addresses_.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      out_->addresses_.erase(
            std::unique(out_->addresses_.begin(), out_->addresses_.end(),
                        [](const auto& a, const auto& b) { return a.first == b.first; }),
            out_->addresses_.end());
   }

   using name_index = std::unordered_map<std::string, std::vector<uint32_t>>;
   static std::vector<uint32_t> found(const name_index& index, const std::string& name) {
      const auto it = index.find(name);
      return it == index.end() ? std::vector<uint32_t>() : it->second;
   }

   /// selects() for all members at once.
   std::vector<uint32_t> selected(const acl_selector& s) const {
      std::vector<uint32_t> out;
      const auto all_with = [&](auto test) {
         for (uint32_t i = 0; i < members_.size(); i++)
            if (test(members_[i])) out.push_back(i);
      };
      switch (s.type) {
      case kind::member:
         return found(by_name_, s.name);
      case kind::tag:
         return found(by_tag_, s.name);
      case kind::role:
         return found(by_role_, s.name);
      case kind::admins:
         return found(by_role_, "admin");
      case kind::tagged:
         all_with([](const member_view& m) { return !m.tags.empty(); });
         return out;
      case kind::members:
         all_with([](const member_view&) { return true; });
         return out;
      case kind::group:
         out = found(by_group_, s.name);
         if (const acl::group* g = rules_.find_group(s.name))
            for (const acl::pattern& p : g->members) {
               if (p.text.find('*') != std::string::npos) {
                  all_with([&](const member_view& m) { return matches_pattern(p.text, m.name); });
               } else {
                  const auto named = found(by_name_, p.text);
                  out.insert(out.end(), named.begin(), named.end());
               }
            }
         return out;
      default:
         return out;
      }
   }

   void fill_side(const uses& named, rule_set::side& side) {
      side.members.words.resize((members_.size() + 1) * stride_);
      std::vector<uint64_t> scratch(stride_), everybody(stride_);
      for (const auto& [key, use] : named.members) {
         if (use.what->type == kind::any) {
            set_bits(everybody.data(), use.clauses);
            continue;
         }
         const auto members = selected(*use.what);
         if (members.size() == 1) {
            set_bits(row(side.members, members[0] + 1), use.clauses);
         } else if (!members.empty()) {
            std::fill(scratch.begin(), scratch.end(), 0);
            set_bits(scratch.data(), use.clauses);
            for (const uint32_t m : members)
               merge(row(side.members, m + 1), scratch.data());
         }
      }
      for (size_t i = 0; i <= members_.size(); i++) {
         merge(row(side.members, i), everybody.data());
         summarise(row(side.members, i));
      }
      fill_prefixes(named, side);
   }

   /// In the order of the map a prefix follows those that it lies in, so its row begins with that
   /// of the nearest.
   void fill_prefixes(const uses& named, rule_set::side& side) {
      side.prefixes.words.resize((named.prefixes.size() + 1) * stride_);
      std::vector<std::pair<wrn_addr, size_t>> around;
      std::vector<owned_prefix> owned;
      size_t index = 0;
      for (const auto& [prefix, use] : named.prefixes) {
         index++;
         while (!around.empty() && !(around.back().first.prefix_len <= prefix.prefix_len &&
                                     base::contains(around.back().first, prefix)))
            around.pop_back();
         uint64_t* words = row(side.prefixes, index);
         if (!around.empty()) merge(words, row(side.prefixes, around.back().second));
         set_bits(words, use.clauses);
         summarise(words);
         around.emplace_back(prefix, index);
         owned.push_back({prefix, index});
      }
      auto built = owner_table::build(std::move(owned));
      WRN_ASSERT(built.has_value()); // each is there once, and their number was looked at
      side.prefixed = std::move(*built);
   }

   bool fill_row(const uses& named, kind type, std::vector<uint64_t>& words) {
      bool any = false;
      for (const auto& [key, use] : named.members)
         if (use.what->type == type) {
            set_bits(words.data(), use.clauses);
            any = true;
         }
      summarise(words.data());
      return any;
   }

   static bool speaks_of(const acl_rule& rule, int protocol) {
      return rule.protocol == protocol_any || rule.protocol == protocol ||
             (rule.protocol == protocol_icmp_both && (protocol == icmp4 || protocol == icmp6));
   }

   /// A row for each protocol that some rule names, and one for all others.
   void fill_protocols() {
      std::vector<int> known{-2}; // no rule names it
      for (const int p : {int{tcp}, int{udp}, int{icmp4}, int{icmp6}})
         known.push_back(p);
      for (const acl_rule& rule : rules_.rules)
         if (rule.protocol >= 0 && rule.protocol < 256 &&
             std::find(known.begin(), known.end(), rule.protocol) == known.end())
            known.push_back(rule.protocol);
      for (const int p : known) {
         const size_t index = out_->protocols_.add(stride_);
         uint64_t* words = row(out_->protocols_, index);
         for (uint32_t c = 0; c < clauses_.size(); c++)
            if (clauses_[c].ports->empty() && speaks_of(rules_.rules[clauses_[c].rule], p))
               set_bits(words, {{c, c + 1}});
         summarise(words);
         if (p >= 0) out_->protocol_row_[static_cast<size_t>(p)] = static_cast<uint16_t>(index);
      }
   }

   /// Sweeps over the ports; false when the lists would become too long.
   bool fill_ports(rule_set::port_table& table, int protocol) {
      struct edge {
         uint32_t port, clause;
      };
      std::vector<edge> edges;
      for (uint32_t c = 0; c < clauses_.size(); c++)
         if (speaks_of(rules_.rules[clauses_[c].rule], protocol))
            for (const port_range& r : *clauses_[c].ports) { // apart, so each edge turns the bit
               edges.push_back({r.first, c});
               if (r.last != 65535) edges.push_back({r.last + 1u, c});
            }
      std::sort(edges.begin(), edges.end(),
                [](const edge& a, const edge& b) { return a.port < b.port; });
      std::map<uint32_t, uint64_t> now;
      size_t next = 0;
      for (uint32_t port = 0;; port = edges[next].port) {
         for (; next < edges.size() && edges[next].port == port; next++) {
            const uint32_t word = edges[next].clause / 64;
            if ((now[word] ^= uint64_t{1} << edges[next].clause % 64) == 0) now.erase(word);
         }
         table.starts.push_back(port);
         table.offsets.push_back(static_cast<uint32_t>(table.entries.size()));
         for (const auto& [word, bits] : now)
            table.entries.push_back({word, bits});
         if (table.entries.size() > port_words_max) return false;
         if (next == edges.size()) break;
      }
      table.offsets.push_back(static_cast<uint32_t>(table.entries.size()));
      return true;
   }

   const acl& rules_;
   std::span<const member_view> members_;
   std::shared_ptr<rule_set> out_;
   size_t stride_ = 0;
   std::vector<clause> clauses_;
   uses sources_, targets_;
   name_index by_name_, by_group_, by_tag_, by_role_;
};

base::result<std::shared_ptr<const rule_set>>
compile(const acl& rules, std::span<const member_view> members, bool default_accept) {
   return rule_compiler(rules, members).run(default_accept);
}

} // namespace warren::route
