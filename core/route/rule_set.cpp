#include "core/route/rule_set.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace warren::route {

namespace {

constexpr uint8_t tcp = 6, udp = 17;

uint64_t big_endian(const uint8_t* p, size_t bytes) {
   uint64_t value = 0;
   for (size_t i = 0; i < bytes; i++)
      value = value << 8 | p[i];
   return value;
}

} // namespace

flow_question question_of(const wrn_addr& source, const wrn_addr& destination, uint8_t protocol,
                          std::optional<uint16_t> port) {
   return {static_cast<uint8_t>(source.family == WRN_AF_INET ? 4 : 6),
           source.ip,
           destination.ip,
           protocol,
           port.has_value(),
           port.value_or(0)};
}

rule_set::key128 rule_set::key_of(uint8_t family, const uint8_t* ip) noexcept {
   // IPv4 as the mapped addresses of RFC 4291 section 2.5.5.2: no member owns those.
   if (family == 4) return {0, 0xffff'0000'0000 | big_endian(ip, 4)};
   return {big_endian(ip, 8), big_endian(ip + 8, 8)};
}

uint32_t rule_set::member_of(uint8_t family, const uint8_t* ip) const noexcept {
   const key128 key = key_of(family, ip);
   const auto it = std::lower_bound(
         addresses_.begin(), addresses_.end(), key,
         [](const std::pair<key128, uint32_t>& a, const key128& b) { return a.first < b; });
   return it != addresses_.end() && it->first == key ? it->second : 0;
}

decision rule_set::judge(const flow_question& q) const noexcept {
   const size_t stride = words_ + summary_;
   if (stride == 0) return {default_accept_, no_rule};
   const uint8_t af = q.family == 4 ? WRN_AF_INET : WRN_AF_INET6;
   const uint32_t from = member_of(q.family, q.source), to = member_of(q.family, q.destination);
   const uint64_t* s1 = &source_.members.words[from * stride];
   const uint64_t* s2 = &source_.prefixes.words[source_.prefixed.lookup(af, q.source) * stride];
   const uint64_t* d1 = &target_.members.words[to * stride];
   const uint64_t* d2 =
         &target_.prefixes.words[target_.prefixed.lookup(af, q.destination) * stride];
   const uint64_t* d3 = from != 0 && from == to ? self_.data() : none_.data();
   const bool internet = has_internet_ && to == 0 && is_public_unicast(q.family, q.destination);
   const uint64_t* d4 = internet ? internet_.data() : none_.data();
   const uint64_t* p = &protocols_.words[protocol_row_[q.protocol] * stride];
   const auto both = [&](size_t i) { return (s1[i] | s2[i]) & (d1[i] | d2[i] | d3[i] | d4[i]); };

   size_t best = SIZE_MAX; // clause
   for (size_t i = 0; i < summary_ && best == SIZE_MAX; i++)
      for (uint64_t left = both(i) & p[i]; left != 0; left &= left - 1) {
         const size_t w = i * 64 + static_cast<size_t>(std::countr_zero(left));
         const uint64_t hit = both(summary_ + w) & p[summary_ + w];
         if (hit == 0) continue;
         best = w * 64 + static_cast<size_t>(std::countr_zero(hit));
         break;
      }
   if (q.has_port && (q.protocol == tcp || q.protocol == udp)) {
      const port_table& table = q.protocol == tcp ? tcp_ : udp_;
      const auto after = std::upper_bound(table.starts.begin(), table.starts.end(), q.port);
      const auto range = static_cast<size_t>(after - table.starts.begin()) - 1;
      for (uint32_t e = table.offsets[range]; e < table.offsets[range + 1]; e++) {
         const auto& [w, bits] = table.entries[e];
         if (w * 64 > best) break;
         const uint64_t hit = both(summary_ + w) & bits;
         if (hit == 0) continue;
         best = std::min(best, w * 64 + static_cast<size_t>(std::countr_zero(hit)));
         break;
      }
   }
   if (best == SIZE_MAX) return {default_accept_, no_rule};
   const uint32_t rule = rule_of_[best];
   return {origins_[rule].accept, rule};
}

std::string rule_set::where(uint32_t rule) const {
   return rule < origins_.size() ? file_ + ":" + std::to_string(origins_[rule].line) : "default";
}

size_t rule_set::bytes() const {
   size_t words = self_.size() * 3 + protocols_.words.size();
   for (const side* s : {&source_, &target_})
      words += s->members.words.size() + s->prefixes.words.size();
   return words * 8 + (tcp_.entries.size() + udp_.entries.size()) * sizeof(word_bits) +
          addresses_.size() * sizeof addresses_[0];
}

bool is_public_unicast(uint8_t family, const uint8_t* ip) noexcept {
   if (family == 6) {
      if (ip[0] >> 5 != 1) return false; // global unicast is 2000::/3
      const uint64_t top = big_endian(ip, 4);
      if (top == 0x20010db8 || top >> 4 == 0x3fff000) return false; // documentation
      return top >> 9 != 0x20010000 >> 9;                           // 2001::/23
   }
   struct block {
      uint32_t first;
      uint8_t bits;
   };
   static constexpr block special[] = {
         {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
         {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
         {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}};
   const auto address = static_cast<uint32_t>(big_endian(ip, 4));
   return std::none_of(std::begin(special), std::end(special),
                       [&](const block& b) { return (address ^ b.first) >> (32 - b.bits) == 0; });
}

} // namespace warren::route
