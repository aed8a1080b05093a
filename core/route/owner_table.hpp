// Which peer owns an inner address: longest prefix match over all peers' prefixes.
//
// Built once, then only read; a change builds a new table and the shard swaps the pointer. The
// prefixes are cut into disjoint ranges sorted by first address, and a lookup is one branch-free
// binary search over an array of the range starts alone: for 10,000 IPv4 prefixes that is at most
// 80 kB, which stays in the second-level cache.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <cstdint>
#include <span>
#include <vector>

namespace warren::route {

struct owned_prefix {
   wrn_addr prefix{};  // masked
   uint64_t owner = 0; // peer handle
};

class owner_table {
 public:
   owner_table() = default;
   /// errc::exists when two owners claim the same prefix, errc::limit beyond limits::prefixes_max.
   /// Longer prefixes win inside shorter ones.
   static base::result<owner_table> build(std::vector<owned_prefix> prefixes);

   /// Owner of the address at `ip` (4 or 16 bytes by family), 0 = nobody.
   uint64_t lookup(uint8_t family, const uint8_t* ip) const noexcept {
      return family == WRN_AF_INET ? lookup4(ip) : lookup6(ip);
   }
   size_t size() const { return prefixes_.size(); }
   std::span<const owned_prefix> prefixes() const { return prefixes_; }

 private:
   __extension__ using address6 = unsigned __int128;
   template <class Address> struct ranges {
      std::vector<Address> starts; // sorted; starts[i] .. starts[i + 1] - 1 belongs to owners[i]
      std::vector<uint64_t> owners;
   };
   uint64_t lookup4(const uint8_t* ip) const noexcept;
   uint64_t lookup6(const uint8_t* ip) const noexcept;

   std::vector<owned_prefix> prefixes_;
   ranges<uint32_t> v4_;
   ranges<address6> v6_;
};

} // namespace warren::route
