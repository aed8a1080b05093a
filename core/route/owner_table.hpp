// Which peer owns an inner address: longest prefix match over all peers' prefixes.
//
// Built once, then only read; a change builds a new table and the shard swaps the pointer. The
// prefixes are cut into disjoint ranges sorted by first address. Their starts are the leaves of a
// tree without pointers: each level above has the first start of every node below, a node fills one
// cache line (two for IPv6), and a lookup counts without branches how many keys of one node per
// level are not above the address. For 10,000 IPv4 prefixes (up to 20,001 ranges) that is four
// nodes, of which the upper three levels (6 kB) tend to stay in the first cache; the leaves with
// the owners take 240 kB.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <array>
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
   /// `Width` keys make a node.
   template <class Address, size_t Width> struct range_tree {
      using key_list = std::array<Address, Width>; // sorted; the last of a level is filled up
      struct alignas(64) node {
         key_list keys;
      };
      struct alignas(64) leaf {
         key_list keys;                      // starts of ranges
         std::array<uint64_t, Width> owners; // side by side, so that they share a page
      };
      struct row {
         uint32_t first, last; // nodes
      };
      std::vector<node> nodes; // level by level, the root first
      std::vector<row> levels; // above the leaves
      std::vector<leaf> leaves;

      void build(const std::vector<Address>& starts, const std::vector<uint64_t>& owners,
                 const Address& last_address);
      uint64_t lookup(const Address& key) const noexcept;
   };
   uint64_t lookup4(const uint8_t* ip) const noexcept;
   uint64_t lookup6(const uint8_t* ip) const noexcept;

   std::vector<owned_prefix> prefixes_;
   range_tree<int32_t, 16> v4_;
   range_tree<address6, 8> v6_;
};

} // namespace warren::route
