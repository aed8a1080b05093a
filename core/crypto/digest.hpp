// SHA-256 of files and its text form; BLAKE2b of values, each use under a name of its own. Values;
// any thread after init().
#pragma once

#include "core/crypto/keys.hpp"

#include <initializer_list>
#include <optional>

namespace warren::crypto {

/// Of everything that the open file holds, read from its beginning. errc::unavailable when it
/// cannot be read.
base::result<bytes32> sha256_of_file(int fd);

/// BLAKE2b-256 (RFC 7693) of `domain` and the parts, each behind its length: other cuts of the same
/// bytes, and the same bytes for another use, give other hashes.
///
///   u64 LE length | domain | u64 LE length | part | …
bytes32 hash(std::string_view domain, std::initializer_list<std::span<const uint8_t>> parts);
/// The same, keyed: a pseudo-random function of the parts for who does not know `key`.
bytes32 keyed_hash(const secret32& key, std::string_view domain,
                   std::initializer_list<std::span<const uint8_t>> parts);

/// 64 lower-case digits, as sha256sum prints them.
std::string format_hex(const bytes32& bytes);
/// Either case; nothing for anything but 64 digits.
std::optional<bytes32> parse_hex(std::string_view text);

} // namespace warren::crypto
