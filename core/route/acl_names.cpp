// Selectors, ports and protocols: the words of which rules are made.
#include "core/base/address.hpp"
#include "core/route/acl_parse.hpp"

#include <algorithm>
#include <charconv>

namespace warren::route {

namespace {

using kind = acl_selector::kind;

constexpr std::pair<std::string_view, kind> prefixes[] = {
      {"group:", kind::group}, {"tag:", kind::tag}, {"role:", kind::role}};
constexpr std::pair<std::string_view, kind> autogroups[] = {{"members", kind::members},
                                                            {"admins", kind::admins},
                                                            {"tagged", kind::tagged},
                                                            {"self", kind::self},
                                                            {"internet", kind::internet}};
constexpr std::pair<std::string_view, int> protocols[] = {
      {"tcp", 6}, {"udp", 17}, {"icmp", protocol_icmp_both}};

std::optional<unsigned> number_of(std::string_view text, unsigned max) {
   unsigned value = 0;
   const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
   if (ec != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
   return value;
}

std::string quoted(std::string_view text) {
   return "\"" + std::string(text.substr(0, acl_name_bytes_max)) + "\"";
}

} // namespace

bool is_acl_name(std::string_view text) {
   return !text.empty() && text.size() <= acl_name_bytes_max &&
          std::all_of(text.begin(), text.end(),
                      [](unsigned char c) { return c > ' ' && c != 127 && c != '"'; });
}

std::optional<wrn_addr> read_prefix(std::string_view text) {
   if (text.find('%') != std::string_view::npos) return std::nullopt; // a scope means nothing here
   const auto prefix = base::parse_prefix(text, true);
   if (!prefix) return std::nullopt;
   return base::masked(*prefix);
}

std::optional<acl_selector> read_selector(std::string_view text, const position& at,
                                          selector_place place, const acl& rules,
                                          const mistake_sink& fail) {
   acl_selector out;
   out.at = at;
   out.name = text;
   if (text == "*") return out;
   if (!is_acl_name(text)) {
      fail(at, "this is no name; expected 1 to " + std::to_string(acl_name_bytes_max) +
                     " bytes without blanks and control characters");
      return std::nullopt;
   }
   if (text.starts_with("autogroup:")) {
      const std::string_view name = text.substr(10);
      for (const auto& [word, type] : autogroups)
         if (word == name) {
            out.type = type;
            out.name = name;
         }
      const bool only_target = out.type == kind::self || out.type == kind::internet;
      if (out.type == kind::any) {
         fail(at, quoted(text) + " is unknown; expected autogroup:members, autogroup:admins, "
                                 "autogroup:tagged, autogroup:self or autogroup:internet");
         return std::nullopt;
      }
      if (only_target && place != selector_place::target) {
         fail(at, quoted(text) + " is a destination only");
         return std::nullopt;
      }
      return out;
   }
   for (const auto& [word, type] : prefixes) {
      if (!text.starts_with(word)) continue;
      out.type = type;
      out.name = text.substr(word.size());
      if (!is_acl_name(out.name)) {
         fail(at, quoted(text) + " names nothing");
         return std::nullopt;
      }
      if (type == kind::group && rules.find_group(out.name) == nullptr) {
         fail(at, quoted(text) + " is not defined in \"groups\"; a group that only certificates "
                                 "name is written as an empty list there");
         return std::nullopt;
      }
      return out;
   }
   const auto host = std::find_if(rules.hosts.begin(), rules.hosts.end(),
                                  [&](const acl::host& h) { return h.name == text; });
   if (host != rules.hosts.end()) {
      out.type = kind::prefix;
      out.prefix = host->prefix;
   } else if (const auto prefix = read_prefix(text)) {
      out.type = kind::prefix;
      out.prefix = *prefix;
   } else if (text.find_first_of("/:*") != std::string_view::npos) {
      fail(at, quoted(text) + " is neither an address nor a name; expected \"*\", a member, "
                              "group:, tag:, role:, autogroup:, an address, a prefix or a host");
      return std::nullopt;
   } else {
      out.type = kind::member;
   }
   if (place == selector_place::owner && out.type == kind::prefix) {
      fail(at, quoted(text) + " is an address; tags are owned by members");
      return std::nullopt;
   }
   return out;
}

std::optional<std::vector<port_range>> read_ports(std::string_view text, const position& at,
                                                  const mistake_sink& fail) {
   std::vector<port_range> out;
   if (text == "*") return out;
   while (true) {
      const std::string_view part = text.substr(0, text.find(','));
      const size_t dash = part.find('-');
      const auto first = number_of(part.substr(0, dash), 65535);
      const auto last =
            dash == std::string_view::npos ? first : number_of(part.substr(dash + 1), 65535);
      if (!first || !last || *first > *last) {
         fail(at, quoted(part) + " is no port; expected \"*\", 22, 80-90 or a list of them such "
                                 "as 22,80-90");
         return std::nullopt;
      }
      out.push_back({static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)});
      if (part.size() == text.size()) break;
      text.remove_prefix(part.size() + 1);
   }
   std::sort(out.begin(), out.end(),
             [](const port_range& a, const port_range& b) { return a.first < b.first; });
   std::vector<port_range> joined;
   for (const port_range& r : out)
      if (!joined.empty() && r.first <= joined.back().last + 1)
         joined.back().last = std::max(joined.back().last, r.last);
      else
         joined.push_back(r);
   return joined;
}

std::optional<acl_target> read_target(std::string_view text, const position& at, const acl& rules,
                                      const mistake_sink& fail) {
   const size_t colon = text.rfind(':');
   const auto no_ports = [&] {
      fail(at, quoted(text) + " has no ports; expected WHO:PORTS such as \"tag:web:80,443\" or "
                              "\"*:*\"");
      return std::nullopt;
   };
   if (colon == std::string_view::npos) return no_ports();
   std::string_view who = text.substr(0, colon);
   const std::string_view ports = text.substr(colon + 1);
   if (who == "group" || who == "tag" || who == "role" || who == "autogroup") return no_ports();
   if (who.starts_with('[')) {
      if (!who.ends_with(']')) return no_ports();
      who = who.substr(1, who.size() - 2);
      if (!read_prefix(who)) {
         fail(at, quoted(text) + ": there is no IPv6 address in the brackets");
         return std::nullopt;
      }
   } else if (who.find('/') == std::string_view::npos && read_prefix(text) &&
              text.find(':') != colon) {
      fail(at, quoted(text) + " may be an address or one with ports; put IPv6 addresses in "
                              "brackets, such as \"[fd00::1]:80\"");
      return std::nullopt;
   }
   acl_target out;
   const auto selector = read_selector(who, at, selector_place::target, rules, fail);
   if (!selector) return std::nullopt;
   out.who = *selector;
   auto ranges = read_ports(ports, at, fail);
   if (!ranges) return std::nullopt;
   out.ports = std::move(*ranges);
   return out;
}

std::optional<int> parse_protocol(std::string_view text) {
   for (const auto& [word, number] : protocols)
      if (word == text) return number;
   const auto number = number_of(text, 255);
   return number ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
}

std::string format_protocol(int protocol) {
   if (protocol == protocol_any) return "any";
   for (const auto& [word, number] : protocols)
      if (number == protocol) return std::string(word);
   return std::to_string(protocol);
}

std::string format_selector(const acl_selector& selector) {
   for (const auto& [word, type] : prefixes)
      if (type == selector.type) return std::string(word) + selector.name;
   for (const auto& [word, type] : autogroups)
      if (type == selector.type) return "autogroup:" + std::string(word);
   return selector.name;
}

const acl::group* acl::find_group(std::string_view name) const {
   const auto it =
         std::find_if(groups.begin(), groups.end(), [&](const group& g) { return g.name == name; });
   return it == groups.end() ? nullptr : &*it;
}

std::string acl::where(const position& at) const { return file + ":" + std::to_string(at.line); }

bool matches_pattern(std::string_view pattern, std::string_view name) {
   size_t p = 0, n = 0, star = std::string_view::npos, retry = 0;
   while (n < name.size()) {
      if (p < pattern.size() && pattern[p] == '*') {
         star = p++;
         retry = n;
      } else if (p < pattern.size() && pattern[p] == name[n]) {
         p++;
         n++;
      } else if (star != std::string_view::npos) {
         p = star + 1;
         n = ++retry;
      } else {
         return false;
      }
   }
   return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool selects(const acl& rules, const acl_selector& selector, const member_view& member) {
   const auto has = [&](const std::vector<std::string>& list, std::string_view what) {
      return std::find(list.begin(), list.end(), what) != list.end();
   };
   switch (selector.type) {
   case kind::any:
   case kind::members:
      return true;
   case kind::member:
      return member.name == selector.name;
   case kind::group: {
      if (has(member.groups, selector.name)) return true;
      const acl::group* group = rules.find_group(selector.name);
      return group != nullptr &&
             std::any_of(group->members.begin(), group->members.end(), [&](const acl::pattern& p) {
                return matches_pattern(p.text, member.name);
             });
   }
   case kind::tag:
      return has(member.tags, selector.name);
   case kind::role:
      return has(member.roles, selector.name);
   case kind::admins:
      return has(member.roles, "admin");
   case kind::tagged:
      return !member.tags.empty();
   case kind::prefix:
   case kind::self:
   case kind::internet:
      break;
   }
   return false;
}

bool may_tag(const acl& rules, const member_view& member, std::string_view tag) {
   if (tag.starts_with("tag:")) tag.remove_prefix(4);
   for (const acl::tag_owner& owned : rules.tag_owners)
      if (owned.tag == tag)
         return std::any_of(owned.owners.begin(), owned.owners.end(),
                            [&](const acl_selector& s) { return selects(rules, s, member); });
   return false;
}

std::vector<wrn_addr> own_addresses(const member_view& member) {
   if (!member.addresses.empty()) return member.addresses;
   std::vector<wrn_addr> out;
   for (const wrn_addr& a : member.routes)
      if (a.prefix_len == base::address_bits(a)) out.push_back(a);
   return out;
}

} // namespace warren::route
