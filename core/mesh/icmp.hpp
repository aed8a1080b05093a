// The few ICMP packets that the core itself makes (RFC 792, RFC 4443): "nobody owns that address"
// to local applications, and the echo requests of `warren ping`. Pure functions over bytes.
#pragma once

#include "core/route/ip_view.hpp"
#include "warren/base.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace warren::mesh {

/// Why a packet could not go: becomes destination unreachable, code "host" (IPv4) or "no
/// route"/"address" (IPv6), or "administratively prohibited" (RFC 1812 section 5.2.7.1, RFC 4443).
enum class unreachable_reason { no_owner, no_link, prohibited };

/// The answer to `packet`, from where it should have gone. Nothing for what must not be answered:
/// ICMP errors, multicast, fragments but the first.
std::optional<std::vector<uint8_t>> make_unreachable(std::span<const uint8_t> packet,
                                                     unreachable_reason why);

/// "Too big, at most `mtu` bytes": fragmentation needed (RFC 1191) for IPv4 packets that forbid
/// fragments, packet too big (RFC 4443 section 3.2) for IPv6. From and for whom, as above.
std::optional<std::vector<uint8_t>> make_too_big(std::span<const uint8_t> packet, uint32_t mtu);

/// Echo request with `payload_bytes` of data.
std::vector<uint8_t> make_echo_request(const wrn_addr& from, const wrn_addr& to,
                                       uint16_t identifier, uint16_t sequence,
                                       size_t payload_bytes);

struct echo_reply {
   uint16_t identifier = 0, sequence = 0;
};
/// Reads an echo reply; nothing for every other packet.
std::optional<echo_reply> parse_echo_reply(std::span<const uint8_t> packet,
                                           const route::ip_view& ip);

} // namespace warren::mesh
