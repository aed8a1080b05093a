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

template <class Address>
size_t last_not_above(const std::vector<Address>& starts, const Address& key) noexcept {
   // Branch-free: the compiler turns the choice into a conditional move.
   const Address* base = starts.data();
   size_t length = starts.size();
   while (length > 1) {
      const size_t half = length / 2;
      base += base[half] <= key ? half : 0;
      length -= half;
   }
   return static_cast<size_t>(base - starts.data());
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
   sweep(std::span(prefixes.begin(), split), [&](u128 at, uint64_t owner, bool replace) {
      if (replace) {
         table.v4_.owners.back() = owner;
      } else {
         table.v4_.starts.push_back(static_cast<uint32_t>(at));
         table.v4_.owners.push_back(owner);
      }
   });
   sweep(std::span(split, prefixes.end()), [&](u128 at, uint64_t owner, bool replace) {
      if (replace) {
         table.v6_.owners.back() = owner;
      } else {
         table.v6_.starts.push_back(at);
         table.v6_.owners.push_back(owner);
      }
   });
   table.prefixes_ = std::move(prefixes);
   return table;
}

uint64_t owner_table::lookup4(const uint8_t* ip) const noexcept {
   if (v4_.starts.empty()) return 0;
   const uint32_t key = static_cast<uint32_t>(ip[0]) << 24 | static_cast<uint32_t>(ip[1]) << 16 |
                        static_cast<uint32_t>(ip[2]) << 8 | ip[3];
   return v4_.owners[last_not_above(v4_.starts, key)];
}

uint64_t owner_table::lookup6(const uint8_t* ip) const noexcept {
   if (v6_.starts.empty()) return 0;
   uint64_t high = 0, low = 0;
   for (int i = 0; i < 8; i++) {
      high = high << 8 | ip[i];
      low = low << 8 | ip[8 + i];
   }
   const address6 key = static_cast<address6>(high) << 64 | low;
   return v6_.owners[last_not_above(v6_.starts, key)];
}

} // namespace warren::route
