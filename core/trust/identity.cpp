#include "core/trust/identity.hpp"

#include "core/base/encode.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::trust {

namespace {

namespace fs = std::filesystem;
using base::errc;
using base::fail;
using base::fail_errno;

class file_descriptor {
 public:
   explicit file_descriptor(int fd) : fd_(fd) {}
   ~file_descriptor() {
      if (fd_ >= 0) ::close(fd_);
   }
   file_descriptor(const file_descriptor&) = delete;
   file_descriptor& operator=(const file_descriptor&) = delete;
   int get() const { return fd_; }

 private:
   int fd_;
};

base::result<void> write_key(const fs::path& file, std::span<const uint8_t, 32> secret) {
   std::string text = base::base64_encode(secret) + "\n";
   auto written = write_private_file(file, text, false);
   sodium_memzero(text.data(), text.size());
   return written;
}

} // namespace

base::result<void> write_private_file(const fs::path& file, std::string_view text, bool replace) {
   std::error_code exists_error;
   if (!replace && fs::exists(file, exists_error))
      return fail(errc::exists, file.string() + " exists; it is not overwritten, move it away first");
   const fs::path temporary = file.string() + ".new";
   ::unlink(temporary.c_str()); // left by a crash
   const file_descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
   if (fd.get() < 0) {
      const int e = errno;
      return fail_errno(base::errc_of_errno(e), "cannot create " + temporary.string(), e);
   }
   size_t done = 0;
   while (done < text.size()) {
      const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
         const int e = errno;
         ::unlink(temporary.c_str());
         return fail_errno(errc::io, "cannot write " + temporary.string(), e);
      }
      done += static_cast<size_t>(n);
   }
   // link() refuses to replace, rename() replaces: whoever races with us loses nothing either way.
   int status = ::fsync(fd.get());
   if (status == 0) status = replace ? ::rename(temporary.c_str(), file.c_str()) : ::link(temporary.c_str(), file.c_str());
   const int e = errno;
   if (!replace || status != 0) ::unlink(temporary.c_str());
   if (status != 0) return fail_errno(base::errc_of_errno(e), "cannot write " + file.string(), e);
   return {};
}

namespace {

base::result<crypto::secret32> read_secret(const fs::path& file, uint64_t& modified_ms) {
   const file_descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
   if (fd.get() < 0) {
      const int e = errno;
      return fail_errno(base::errc_of_errno(e), "cannot read " + file.string(), e);
   }
   struct stat info {};
   if (::fstat(fd.get(), &info) != 0) return fail_errno(errc::io, "cannot read " + file.string(), errno);
   if (!S_ISREG(info.st_mode)) return fail(errc::invalid, file.string() + " is not a regular file");
   if (info.st_uid != ::geteuid() && info.st_uid != 0)
      return fail(errc::permission, file.string() + " belongs to another user; 'chown root' it");
   if ((info.st_mode & 077) != 0)
      return fail(errc::permission, file.string() + " can be read or written by others; run 'chmod 600 " + file.string() + "'");
   modified_ms = static_cast<uint64_t>(info.st_mtim.tv_sec) * 1000 + static_cast<uint64_t>(info.st_mtim.tv_nsec) / 1'000'000;
   char buffer[64] = {};
   const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
   if (n < 0) return fail_errno(errc::io, "cannot read " + file.string(), errno);
   std::string_view text(buffer, static_cast<size_t>(n));
   while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
   crypto::bytes32 bytes{};
   const bool decoded = base::base64_decode(text, bytes);
   crypto::secret32 secret{std::span<const uint8_t, 32>(bytes)};
   sodium_memzero(bytes.data(), bytes.size());
   sodium_memzero(buffer, sizeof buffer);
   if (!decoded) return fail(errc::invalid, file.string() + " is not a key file; expected 44 base64 characters");
   return secret;
}

} // namespace

base::result<crypto::secret32> load_secret(const fs::path& file) {
   uint64_t modified_ms = 0;
   return read_secret(file, modified_ms);
}

base::result<identity> generate(const fs::path& folder, const crypto::random_source& random) {
   std::error_code ec;
   for (const char* name : {identity_file, tunnel_file})
      if (fs::exists(folder / name, ec))
         return fail(errc::exists, (folder / name).string() + " exists; keys are not overwritten, move it away first");
   fs::create_directories(folder, ec);
   if (ec) return fail(base::errc_of_errno(ec.value()), "cannot create " + folder.string() + ": " + ec.message());
   fs::permissions(folder, fs::perms::owner_all, ec);
   identity made{crypto::make_signing_key(random), crypto::make_tunnel_key(random), 0};
   if (auto r = write_key(folder / identity_file, made.signing.seed.bytes()); !r) return r.error();
   if (auto r = write_key(folder / tunnel_file, made.tunnel.secret.bytes()); !r) return r.error();
   return load(folder);
}

base::result<identity> load(const fs::path& folder) {
   identity loaded;
   for (const char* name : {identity_file, tunnel_file}) {
      auto secret = read_secret(folder / name, loaded.tunnel_since_ms);
      if (!secret) {
         if (secret.error().code == errc::not_found)
            return fail(errc::not_found, "no keys in " + folder.string() + "; run 'warren key generate' first");
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
