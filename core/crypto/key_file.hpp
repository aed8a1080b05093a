// Files that hold secrets: text, mode 0600, owned by us. One that others can read is refused.
// Control thread.
#pragma once

#include "core/crypto/keys.hpp"

#include <filesystem>

namespace warren::crypto {

/// Reads a 32-byte secret in base64 (private keys, preshared keys). errc::permission names the
/// command that mends the mode. `modified_ms`, if given, becomes the file's age in Unix
/// milliseconds.
base::result<secret32> load_secret(const std::filesystem::path& file,
                                   uint64_t* modified_ms = nullptr);

/// Writes `text` atomically with mode 0600; errc::exists unless `replace`.
base::result<void> write_private_file(const std::filesystem::path& file, std::string_view text,
                                      bool replace);

} // namespace warren::crypto
