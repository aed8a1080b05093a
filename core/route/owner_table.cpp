#include "core/route/owner_table.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"

#include <algorithm>
#include <cstring>

namespace warren::route {

namespace {

__extension__ using u128 = unsigned __int128;

u128 first_of(const wrn_addr& prefix) {
   u128 value = 0;
   const size_t bytes = prefix.family == WRN_AF_INET ? 4 : 16;
   for (size_t i = 0; i < bytes; i++)
      value = value << 8 | prefix.ip[i];
   return value;
}

/// First address behind the prefix; 0 when the prefix reaches the end of the address space (the
/// value wraps for IPv6, and is cut for IPv4).
u128 behind(const wrn_addr& prefix) {
   const unsigned host_bits = base::address_bits(prefix) - prefix.prefix_len;
   if (host_bits >= 128) return 0;
   const u128 end = first_of(prefix) + (static_cast<u128>(1) << host_bits);
   return prefix.family == WRN_AF_INET ? end & 0xffffffffu : end;
}

/// Sweeps the sorted prefixes with a stack of the enclosing ones and emits a range wherever the
/// owner changes.
template <class Emit> void sweep(std::span<const owned_prefix> sorted, Emit&& emit) {
   std::vector<const owned_prefix*> open;
   u128 last_start = 1; // no range starts at 1 before one started at 0
   uint64_t last_owner = 0;
   bool any = false;
   const auto start_range = [&](u128 at, uint64_t owner) {
      if (any && owner == last_owner && at != last_start) return;
      emit(at, owner, any && at == last_start);
      any = true;
      last_start = at;
      last_owner = owner;
   };
   start_range(0, 0);
   const auto close_until = [&](const wrn_addr* next) {
      while (!open.empty() && (next == nullptr || !base::contains(open.back()->prefix, *next))) {
         const u128 end = behind(open.back()->prefix);
         open.pop_back();
         if (end != 0) start_range(end, open.empty() ? 0 : open.back()->owner);
      }
   };
   for (const owned_prefix& p : sorted) {
      close_until(&p.prefix);
      start_range(first_of(p.prefix), p.owner);
      open.push_back(&p);
   }
   close_until(nullptr);
}

// IPv4 keys are kept with their first bit flipped, so that comparing signed numbers, which SSE2
// has, puts them into order.
int32_t ordered(uint32_t address) { return static_cast<int32_t>(address ^ 0x80000000u); }

size_t count_not_above(const std::array<int32_t, 16>& keys, int32_t key) noexcept {
   using four = int32_t __attribute__((vector_size(16)));
   four sum{};
   for (size_t i = 0; i < keys.size(); i += 4) {
      four part;
      std::memcpy(&part, &keys[i], sizeof part);
      sum -= part <= key; // a lane that holds is -1
   }
   return static_cast<size_t>(sum[0] + sum[1] + sum[2] + sum[3]);
}

template <class Address, size_t Width>
size_t count_not_above(const std::array<Address, Width>& keys, const Address& key) noexcept {
   size_t count = 0;
   for (const Address& each : keys)
      count += each <= key;
   return count;
}

} // namespace

base::result<owner_table> owner_table::build(std::vector<owned_prefix> prefixes) {
   if (prefixes.size() > base::limits::prefixes_max)
      return base::fail(base::errc::limit, std::to_string(prefixes.size()) +
                                                 " prefixes are more than " +
                                                 std::to_string(base::limits::prefixes_max) +
                                                 ", the most one network can hold");
   for (owned_prefix& p : prefixes)
      p.prefix = base::masked(p.prefix);
   std::sort(prefixes.begin(), prefixes.end(), [](const owned_prefix& a, const owned_prefix& b) {
      if (a.prefix.family != b.prefix.family) return a.prefix.family < b.prefix.family;
      if (const int order = std::memcmp(a.prefix.ip, b.prefix.ip, sizeof a.prefix.ip); order != 0)
         return order < 0;
      return a.prefix.prefix_len < b.prefix.prefix_len;
   });
   for (size_t i = 1; i < prefixes.size(); i++) {
      const auto &a = prefixes[i - 1], &b = prefixes[i];
      if (base::same_address(a.prefix, b.prefix) && a.prefix.prefix_len == b.prefix.prefix_len &&
          a.owner != b.owner)
         return base::fail(base::errc::exists,
                           base::format_prefix(a.prefix) + " is claimed by two peers");
   }
   owner_table table;
   const auto split = std::find_if(prefixes.begin(), prefixes.end(), [](const owned_prefix& p) {
      return p.prefix.family == WRN_AF_INET6;
   });
   const auto fill = [](std::span<const owned_prefix> sorted, auto& tree, auto key_of) {
      std::vector<decltype(key_of(u128()))> starts;
      std::vector<uint64_t> owners;
      sweep(sorted, [&](u128 at, uint64_t owner, bool replace) {
         if (replace) {
            owners.back() = owner;
         } else {
            starts.push_back(key_of(at));
            owners.push_back(owner);
         }
      });
      tree.build(starts, owners, key_of(~u128()));
   };
   fill(std::span(prefixes.begin(), split), table.v4_,
        [](u128 at) { return ordered(static_cast<uint32_t>(at)); });
   fill(std::span(split, prefixes.end()), table.v6_, [](u128 at) { return at; });
   table.prefixes_ = std::move(prefixes);
   return table;
}

template <class Address, size_t Width>
void owner_table::range_tree<Address, Width>::build(const std::vector<Address>& starts,
                                                    const std::vector<uint64_t>& owners,
                                                    const Address& last_address) {
   // What fills a node up is not above the last address: a leaf then answers with its last owner
   // again, and lookup() does not leave a level.
   const auto part = [](const auto& all, size_t at, auto rest, auto& out) {
      out.fill(rest);
      std::copy_n(all.begin() + static_cast<long>(at), std::min(Width, all.size() - at),
                  out.begin());
   };
   for (size_t i = 0; i < starts.size(); i += Width) {
      part(starts, i, last_address, leaves.emplace_back().keys);
      part(owners, i, owners.back(), leaves.back().owners);
   }
   // From the leaves up; then the levels are laid down from the root.
   std::vector<std::vector<Address>> above{starts};
   while (above.back().size() > Width) {
      std::vector<Address> firsts;
      for (size_t i = 0; i < above.back().size(); i += Width)
         firsts.push_back(above.back()[i]);
      above.push_back(std::move(firsts));
   }
   for (size_t level = above.size(); level-- > 1;) {
      const auto first = static_cast<uint32_t>(nodes.size());
      for (size_t i = 0; i < above[level].size(); i += Width)
         part(above[level], i, last_address, nodes.emplace_back().keys);
      levels.push_back({first, static_cast<uint32_t>(nodes.size() - 1)});
   }
}

template <class Address, size_t Width>
uint64_t owner_table::range_tree<Address, Width>::lookup(const Address& key) const noexcept {
   if (leaves.empty()) return 0;
   // The first key of a node on the way is never above the address.
   size_t index = 0;
   for (const row& l : levels)
      index = index * Width +
              count_not_above(nodes[std::min<size_t>(l.first + index, l.last)].keys, key) - 1;
   const leaf& found = leaves[std::min(index, leaves.size() - 1)];
   for (size_t i = 0; i < Width; i += 8) // while the keys' line comes
      __builtin_prefetch(&found.owners[i]);
   return found.owners[count_not_above(found.keys, key) - 1];
}

uint64_t owner_table::lookup4(const uint8_t* ip) const noexcept {
   return v4_.lookup(ordered(static_cast<uint32_t>(ip[0]) << 24 |
                             static_cast<uint32_t>(ip[1]) << 16 |
                             static_cast<uint32_t>(ip[2]) << 8 | ip[3]));
}

uint64_t owner_table::lookup6(const uint8_t* ip) const noexcept {
   uint64_t high = 0, low = 0;
   for (int i = 0; i < 8; i++) {
      high = high << 8 | ip[i];
      low = low << 8 | ip[8 + i];
   }
   const address6 key = static_cast<address6>(high) << 64 | low;
   return v6_.lookup(key);
}

} // namespace warren::route
