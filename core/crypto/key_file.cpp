#include "core/crypto/key_file.hpp"

#include "core/base/encode.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::crypto {

namespace fs = std::filesystem;
using base::errc;
using base::fail;
using base::fail_errno;

namespace {

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

} // namespace

base::result<void> write_private_file(const fs::path& file, std::string_view text, bool replace) {
   std::error_code exists_error;
   if (!replace && fs::exists(file, exists_error))
      return fail(errc::exists,
                  file.string() + " exists; it is not overwritten, move it away first");
   const fs::path temporary = file.string() + ".new";
   ::unlink(temporary.c_str()); // left by a crash
   const file_descriptor fd(
         ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
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
   if (status == 0)
      status = replace ? ::rename(temporary.c_str(), file.c_str())
                       : ::link(temporary.c_str(), file.c_str());
   const int e = errno;
   if (!replace || status != 0) ::unlink(temporary.c_str());
   // The name is in the folder, which is on the disk only when it is told to be.
   if (status == 0) {
      const file_descriptor folder(
            ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (folder.get() >= 0) (void)::fsync(folder.get());
   }
   if (status != 0) return fail_errno(base::errc_of_errno(e), "cannot write " + file.string(), e);
   return {};
}

base::result<secret32> load_secret(const fs::path& file, uint64_t* modified_ms) {
   const file_descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
   if (fd.get() < 0) {
      const int e = errno;
      return fail_errno(base::errc_of_errno(e), "cannot read " + file.string(), e);
   }
   struct stat info {};
   if (::fstat(fd.get(), &info) != 0)
      return fail_errno(errc::io, "cannot read " + file.string(), errno);
   if (!S_ISREG(info.st_mode)) return fail(errc::invalid, file.string() + " is not a regular file");
   if (info.st_uid != ::geteuid() && info.st_uid != 0)
      return fail(errc::permission, file.string() + " belongs to another user; 'chown root' it");
   if ((info.st_mode & 077) != 0)
      return fail(errc::permission, file.string() +
                                          " can be read or written by others; run 'chmod 600 " +
                                          file.string() + "'");
   if (modified_ms != nullptr)
      *modified_ms = static_cast<uint64_t>(info.st_mtim.tv_sec) * 1000 +
                     static_cast<uint64_t>(info.st_mtim.tv_nsec) / 1'000'000;
   char buffer[64] = {};
   const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
   if (n < 0) return fail_errno(errc::io, "cannot read " + file.string(), errno);
   std::string_view text(buffer, static_cast<size_t>(n));
   while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
      text.remove_suffix(1);
   bytes32 bytes{};
   const bool decoded = base::base64_decode(text, bytes);
   secret32 secret{std::span<const uint8_t, 32>(bytes)};
   sodium_memzero(bytes.data(), bytes.size());
   sodium_memzero(buffer, sizeof buffer);
   if (!decoded)
      return fail(errc::invalid,
                  file.string() + " is not a key file; expected 44 base64 characters");
   return secret;
}

} // namespace warren::crypto
