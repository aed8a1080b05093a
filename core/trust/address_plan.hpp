// Which addresses the members of a network have: an IPv4 prefix from which admins hand out host
// numbers, and an IPv6 prefix in which everybody's address follows from the ids alone. Pure; any
// thread.
//
// Numbers are offsets from the plan's first address: 0 and the last one are reserved (network and
// broadcast address), 1 is the network's creator.
#pragma once

#include "core/crypto/keys.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace warren::trust {

struct address_plan {
   wrn_addr prefix{}; // private or shared IPv4, /8 to /29, host bits zero
   bool operator==(const address_plan& other) const;
};

/// Numbers from `first` to `last`, both included. Pools of admins are disjoint.
struct pool {
   uint32_t first = 0, last = 0;
   bool operator==(const pool&) const = default;
};
using number_taken = std::function<bool(uint32_t)>;

inline constexpr uint32_t creator_number = 1;
/// Ranges that one admin's share may consist of.
inline constexpr size_t pools_max = 16;

/// The word for a plan that the program chooses: 10.0.x.0/24.
inline constexpr std::string_view goconnect_plan = "goconnect";

/// "goconnect", or a prefix: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10, or a part
/// of one, from /8 to /29. The x of "goconnect" begins at the hash of `seed` and goes on to the
/// first that clashes with no prefix of `host_networks`; all taken is errc::in_use. A plan is part
/// of what a network id is the hash of, so that `seed` is the creator's key rather than the id.
base::result<address_plan> parse_plan(std::string_view text, std::span<const uint8_t> seed = {},
                                      std::span<const wrn_addr> host_networks = {});
std::string format_plan(const address_plan& plan);

/// Members that the plan has room for.
uint32_t usable_addresses(const address_plan& plan);
/// All of them: what the creator begins with.
pool whole_pool(const address_plan& plan);

wrn_addr address_of(const address_plan& plan, uint32_t number); // full length
/// Nothing for an address outside, the network's and the broadcast address.
std::optional<uint32_t> number_of_address(const address_plan& plan, const wrn_addr& address);

/// The lowest number of `pools` that is not taken; errc::limit when there is none.
base::result<uint32_t> next_address(const address_plan& plan, std::span<const pool> pools,
                                    const number_taken& taken);

/// What an admin keeps and gives to another: disjoint, and together what it had inside the plan.
struct shares {
   std::vector<pool> kept, given;
};
/// Gives away one free number in `part` (2 to 16), from the top; taken numbers stay. errc::limit
/// when that is not one number.
base::result<shares> split(const address_plan& plan, std::span<const pool> pools, uint32_t part,
                           const number_taken& taken);

struct plan_clash {
   wrn_addr with{};
   std::string text; // one sentence
};
/// The first network of this host that shares addresses with the plan; default routes do not count.
std::optional<plan_clash> clash(const address_plan& plan, std::span<const wrn_addr> host_networks);

/// The network's unique local prefix (RFC 4193): fd, 40 bits of the hash of the network id, subnet
/// 0; a /64.
wrn_addr network_ipv6_prefix(const crypto::bytes32& network_id);
/// The member's address in it: the interface id is 64 bits of the hash of network id and node id,
/// so that anyone can check it. For a stock WireGuard client its tunnel key stands for the node id.
wrn_addr member_ipv6(const crypto::bytes32& network_id, const crypto::bytes32& member_key);

} // namespace warren::trust
