// SHA-256 of files and their text form. Values; any thread after init().
#pragma once

#include "core/crypto/keys.hpp"

#include <optional>

namespace warren::crypto {

/// Of everything that the open file holds, read from its beginning. errc::unavailable when it
/// cannot be read.
base::result<bytes32> sha256_of_file(int fd);

/// 64 lower-case digits, as sha256sum prints them.
std::string format_hex(const bytes32& bytes);
/// Either case; nothing for anything but 64 digits.
std::optional<bytes32> parse_hex(std::string_view text);

} // namespace warren::crypto
