// Text forms of bytes: base58 (node ids), base64 (WireGuard keys), base64url
// (invites), hex. Decoders are strict: one
// text per value.
#pragma once

#include "core/base/error.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace warren::base {

/// Bitcoin's alphabet; leading zero bytes become leading '1'.
std::string base58_encode(std::span<const uint8_t> bytes);
/// Decodes into exactly out.size() bytes; false for a foreign character, another length, or an
/// overlong text.
bool base58_decode(std::string_view text, std::span<uint8_t> out);

/// RFC 4648 section 4, with padding.
std::string base64_encode(std::span<const uint8_t> bytes);
/// Strict: padding required, unused bits zero, exactly out.size() bytes.
bool base64_decode(std::string_view text, std::span<uint8_t> out);

/// RFC 4648 section 5, without padding, as JSON Web Tokens have it.
std::string base64url_encode(std::span<const uint8_t> bytes);
/// Strict: no padding, no white space, unused bits zero.
std::optional<std::vector<uint8_t>> base64url_decode(std::string_view text);

std::string hex_encode(std::span<const uint8_t> bytes);

} // namespace warren::base
