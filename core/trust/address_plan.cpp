#include "core/trust/address_plan.hpp"

#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

namespace {

constexpr std::string_view expected =
      "expected 'goconnect' or a private prefix from /8 to /29, such as 10.100.0.0/16, "
      "192.168.77.0/24 or 100.64.0.0/10";
constexpr uint32_t part_max = 16;

wrn_addr ipv4_prefix(uint32_t address, uint8_t length) {
   wrn_addr out{};
   out.family = WRN_AF_INET;
   out.prefix_len = length;
   for (size_t i = 0; i < 4; i++)
      out.ip[i] = static_cast<uint8_t>(address >> (24 - 8 * i));
   return out;
}

uint32_t ipv4_number(const wrn_addr& a) {
   return static_cast<uint32_t>(a.ip[0]) << 24 | static_cast<uint32_t>(a.ip[1]) << 16 |
          static_cast<uint32_t>(a.ip[2]) << 8 | static_cast<uint32_t>(a.ip[3]);
}

bool within(const wrn_addr& outer, const wrn_addr& inner) {
   return outer.family == inner.family && outer.prefix_len <= inner.prefix_len &&
          base::contains(outer, inner);
}

bool is_private(const wrn_addr& prefix) {
   static const wrn_addr ranges[] = {
         ipv4_prefix(0x0a000000, 8), ipv4_prefix(0xac100000, 12), // RFC 1918
         ipv4_prefix(0xc0a80000, 16), ipv4_prefix(0x64400000, 10) // and RFC 6598
   };
   return std::any_of(std::begin(ranges), std::end(ranges),
                      [&](const wrn_addr& range) { return within(range, prefix); });
}

/// For messages: what was typed, tame and short.
std::string quoted(std::string_view text) {
   std::string out = "'";
   for (const char c : text.substr(0, 40))
      out += c >= ' ' && c < 127 ? c : '?';
   return out + (text.size() > 40 ? "…'" : "'");
}

base::result<address_plan> choose(std::span<const uint8_t> seed,
                                  std::span<const wrn_addr> host_networks) {
   const uint32_t begin = crypto::hash("warren/plan/goconnect/1", {seed})[0];
   for (uint32_t i = 0; i < 256; i++) {
      const address_plan plan{ipv4_prefix(0x0a000000 | ((begin + i) & 255) << 8, 24)};
      if (!clash(plan, host_networks)) return plan;
   }
   return fail(errc::in_use, "every 10.0.x.0/24 clashes with a network of this host; name a plan, "
                             "such as --plan 100.64.0.0/16");
}

/// What of the pools lies inside the plan, lowest first: whoever signed them may have been wrong.
std::vector<pool> usable_pools(const address_plan& plan, std::span<const pool> pools) {
   std::vector<pool> out;
   for (const pool& p : pools) {
      const pool inside{std::max(p.first, creator_number),
                        std::min(p.last, usable_addresses(plan))};
      if (inside.first <= inside.last) out.push_back(inside);
   }
   std::sort(out.begin(), out.end(),
             [](const pool& a, const pool& b) { return a.first < b.first; });
   return out;
}

uint64_t count_free(std::span<const pool> pools, const number_taken& taken) {
   uint64_t count = 0;
   for (const pool& p : pools)
      for (uint32_t n = p.first; n <= p.last; n++)
         count += taken(n) ? 0 : 1;
   return count;
}

/// Adds a number below all that are there.
void add_below(std::vector<pool>& pools, uint32_t number) {
   if (!pools.empty() && pools.back().first == number + 1)
      pools.back().first = number;
   else
      pools.push_back({number, number});
}

} // namespace

bool address_plan::operator==(const address_plan& other) const {
   return base::same_address(prefix, other.prefix) && prefix.prefix_len == other.prefix.prefix_len;
}

base::result<address_plan> parse_plan(std::string_view text, std::span<const uint8_t> seed,
                                      std::span<const wrn_addr> host_networks) {
   if (text == goconnect_plan) return choose(seed, host_networks);
   const bool readable = text.find('/') != std::string_view::npos && text.size() <= 18 &&
                         text.find('\0') == std::string_view::npos;
   const auto prefix = readable ? base::parse_prefix(text) : fail(errc::invalid, "");
   if (!prefix) {
      const auto with_host_bits = readable ? base::parse_prefix(text, true) : prefix;
      if (with_host_bits && with_host_bits->family == WRN_AF_INET)
         return fail(errc::invalid, quoted(text) + " is an address inside a prefix; did you mean " +
                                          base::format_prefix(base::masked(*with_host_bits)) + "?");
      return fail(errc::invalid,
                  quoted(text) + " is not an address plan; " + std::string(expected));
   }
   if (prefix->family != WRN_AF_INET)
      return fail(errc::invalid,
                  "an address plan is IPv4, since IPv6 addresses follow from the keys; " +
                        std::string(expected));
   if (prefix->prefix_len < 8 || prefix->prefix_len > 29)
      return fail(errc::invalid, quoted(text) + " is too " +
                                       (prefix->prefix_len < 8 ? "large" : "small") +
                                       " for an address plan; " + std::string(expected));
   if (!is_private(*prefix))
      return fail(errc::invalid, quoted(text) +
                                       " is not private: its addresses are somebody's on "
                                       "the internet; " +
                                       std::string(expected));
   return address_plan{*prefix};
}

std::string format_plan(const address_plan& plan) { return base::format_prefix(plan.prefix); }

uint32_t usable_addresses(const address_plan& plan) {
   return (uint32_t{1} << (32 - plan.prefix.prefix_len)) - 2;
}

pool whole_pool(const address_plan& plan) { return {creator_number, usable_addresses(plan)}; }

wrn_addr address_of(const address_plan& plan, uint32_t number) {
   return ipv4_prefix(ipv4_number(plan.prefix) + number, 32);
}

std::optional<uint32_t> number_of_address(const address_plan& plan, const wrn_addr& address) {
   if (address.family != WRN_AF_INET || !base::contains(plan.prefix, address)) return std::nullopt;
   const uint32_t number = ipv4_number(address) - ipv4_number(plan.prefix);
   if (number == 0 || number > usable_addresses(plan)) return std::nullopt;
   return number;
}

base::result<uint32_t> next_address(const address_plan& plan, std::span<const pool> pools,
                                    const number_taken& taken) {
   uint64_t held = 0;
   for (const pool& p : usable_pools(plan, pools))
      for (uint32_t n = p.first; n <= p.last; n++) {
         if (!taken(n)) return n;
         held++;
      }
   const std::string members = std::to_string(usable_addresses(plan));
   if (held >= usable_addresses(plan))
      return fail(errc::limit, "the network is full: its address plan " + format_plan(plan) +
                                     " holds " + members +
                                     " members; remove some ('warren member remove'), or create a "
                                     "network with a larger plan");
   return fail(errc::limit,
               "all " + std::to_string(held) +
                     " addresses that this admin may give are taken, of " + members +
                     " members that the address plan " + format_plan(plan) +
                     " holds; remove some ('warren member remove'), or let another admin accept");
}

base::result<shares> split(const address_plan& plan, std::span<const pool> pools, uint32_t part,
                           const number_taken& taken) {
   if (part < 2 || part > part_max)
      return fail(errc::invalid, "a share is 1/2 to 1/16 of the free addresses");
   const std::vector<pool> all = usable_pools(plan, pools);
   const uint64_t wanted = count_free(all, taken) / part;
   if (wanted == 0)
      return fail(errc::limit, "1/" + std::to_string(part) + " of the free addresses of " +
                                     format_plan(plan) +
                                     " is not one; give a larger share, or remove members first");
   shares out;
   uint64_t given = 0;
   for (auto p = all.rbegin(); p != all.rend(); ++p)
      for (uint32_t number = p->last; number >= p->first; number--) { // first is 1 or more
         const bool fits = out.given.size() < pools_max ||
                           (!out.given.empty() && out.given.back().first == number + 1);
         if (given < wanted && fits && !taken(number)) {
            add_below(out.given, number);
            given++;
         } else {
            add_below(out.kept, number);
         }
      }
   std::reverse(out.kept.begin(), out.kept.end());
   std::reverse(out.given.begin(), out.given.end());
   return out;
}

std::optional<plan_clash> clash(const address_plan& plan, std::span<const wrn_addr> host_networks) {
   for (const wrn_addr& other : host_networks) {
      if (other.family != WRN_AF_INET || other.prefix_len == 0) continue;
      if (!within(plan.prefix, other) && !within(other, plan.prefix)) continue;
      const wrn_addr shown = base::masked(other);
      return plan_clash{shown, "the address plan " + format_plan(plan) + " clashes with " +
                                     base::format_prefix(shown) +
                                     ", which this host reaches already; choose another with "
                                     "--plan"};
   }
   return std::nullopt;
}

wrn_addr network_ipv6_prefix(const crypto::bytes32& network_id) {
   const crypto::bytes32 hashed = crypto::hash("warren/ipv6/network/1", {network_id});
   wrn_addr out{};
   out.family = WRN_AF_INET6;
   out.prefix_len = 64;
   out.ip[0] = 0xfd;
   std::copy_n(hashed.begin(), 5, out.ip + 1);
   return out;
}

wrn_addr member_ipv6(const crypto::bytes32& network_id, const crypto::bytes32& member_key) {
   wrn_addr out = network_ipv6_prefix(network_id);
   const crypto::bytes32 hashed = crypto::hash("warren/ipv6/member/1", {network_id, member_key});
   out.prefix_len = 128;
   std::copy_n(hashed.begin(), 8, out.ip + 8);
   return out;
}

} // namespace warren::trust
