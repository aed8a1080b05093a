// A node's identity: its long-lived Ed25519 key (the node id) and its X25519 tunnel key, and the
// files that hold them. Key files are text, mode 0600, owned by us; one that others can read is
// refused. Control thread.
#pragma once

#include "core/crypto/keys.hpp"

#include <filesystem>

namespace warren::trust {

struct identity {
   crypto::signing_key signing;
   crypto::tunnel_key tunnel;
   /// Unix milliseconds when the tunnel key was taken into use: the age of its file. A later key of
   /// the same node has a larger number.
   uint64_t tunnel_since_ms = 0;
};

/// File names inside a network's key folder.
inline constexpr const char* identity_file = "identity.key";
inline constexpr const char* tunnel_file = "tunnel.key";

/// Makes both keys and writes them to `folder` (created 0700). errc::exists when one is there
/// already: keys are never overwritten.
base::result<identity> generate(const std::filesystem::path& folder,
                                const crypto::random_source& random);

/// Reads both; errc::not_found names the command that makes them, errc::permission a file that
/// others can read.
base::result<identity> load(const std::filesystem::path& folder);

} // namespace warren::trust
