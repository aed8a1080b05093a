#include "core/trust/identity.hpp"

#include "core/base/encode.hpp"
#include "core/crypto/key_file.hpp"

#include <sodium.h>

namespace warren::trust {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

namespace {

base::result<void> write_key(const fs::path& file, std::span<const uint8_t, 32> secret) {
   std::string text = base::base64_encode(secret) + "\n";
   auto written = crypto::write_private_file(file, text, false);
   sodium_memzero(text.data(), text.size());
   return written;
}

} // namespace

base::result<identity> generate(const fs::path& folder, const crypto::random_source& random) {
   std::error_code ec;
   for (const char* name : {identity_file, tunnel_file})
      if (fs::exists(folder / name, ec))
         return fail(errc::exists, (folder / name).string() +
                                         " exists; keys are not overwritten, move it away first");
   fs::create_directories(folder, ec);
   if (ec)
      return fail(base::errc_of_errno(ec.value()),
                  "cannot create " + folder.string() + ": " + ec.message());
   fs::permissions(folder, fs::perms::owner_all, ec);
   identity made{crypto::make_signing_key(random), crypto::make_tunnel_key(random), 0};
   if (auto r = write_key(folder / identity_file, made.signing.seed.bytes()); !r) return r.error();
   if (auto r = write_key(folder / tunnel_file, made.tunnel.secret.bytes()); !r) return r.error();
   return load(folder);
}

base::result<identity> load(const fs::path& folder) {
   identity loaded;
   for (const char* name : {identity_file, tunnel_file}) {
      auto secret = crypto::load_secret(folder / name, &loaded.tunnel_since_ms);
      if (!secret) {
         if (secret.error().code == errc::not_found)
            return fail(errc::not_found,
                        "no keys in " + folder.string() + "; run 'warren key generate' first");
         return secret.error();
      }
      if (name == identity_file)
         loaded.signing = crypto::signing_key_from_seed(secret->bytes());
      else
         loaded.tunnel = crypto::tunnel_key_from_secret(secret->bytes());
   }
   return loaded;
}

} // namespace warren::trust
