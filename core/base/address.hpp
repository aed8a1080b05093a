// Text forms and comparison of the ABI's addresses, endpoints and prefixes. Values, any thread.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace warren::base {

/// "192.0.2.1", "2001:db8::1", "fe80::1%3" (scope by number). No port.
result<wrn_addr> parse_address(std::string_view text);
/// "192.0.2.0/24", "2001:db8::/32"; a bare address is a full-length prefix. Host bits must be zero
/// unless `host_bits` allows them.
result<wrn_addr> parse_prefix(std::string_view text, bool host_bits = false);
/// "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%3]:51820".
result<wrn_addr> parse_endpoint(std::string_view text);

std::string format_address(const wrn_addr& address);
std::string format_prefix(const wrn_addr& prefix);
std::string format_endpoint(const wrn_addr& endpoint);

/// Same family, address, port and scope; prefix length ignored.
bool same_endpoint(const wrn_addr& a, const wrn_addr& b);
/// Same family and address bytes.
bool same_address(const wrn_addr& a, const wrn_addr& b);
/// `address` lies inside `prefix`.
bool contains(const wrn_addr& prefix, const wrn_addr& address);
/// The prefix with its host bits cleared.
wrn_addr masked(const wrn_addr& prefix);

inline uint8_t address_bits(const wrn_addr& a) { return a.family == WRN_AF_INET ? 32 : 128; }

} // namespace warren::base
