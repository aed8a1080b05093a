#include "core/plugin/module_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <pwd.h>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace warren::plugin {

namespace {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

/// The user's own group, which many systems make with every user: of the same name and without
/// other members.
bool is_private_group(gid_t gid, uid_t owner) {
   std::vector<char> user_text(4096), group_text(65536);
   passwd user{}, *found_user = nullptr;
   group record{}, *found_group = nullptr;
   if (::getpwuid_r(owner, &user, user_text.data(), user_text.size(), &found_user) != 0 ||
       found_user == nullptr || user.pw_gid != gid ||
       ::getgrgid_r(gid, &record, group_text.data(), group_text.size(), &found_group) != 0 ||
       found_group == nullptr)
      return false;
   const std::string_view name = user.pw_name;
   if (name != record.gr_name) return false;
   for (char** member = record.gr_mem; *member != nullptr; member++)
      if (name != *member) return false;
   return true;
}

base::result<void> check_writers(const fs::path& path, const struct stat& info) {
   // The sticky bit of a folder protects the names in it, as in /tmp; on a file it means nothing.
   const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
   const std::string is_code = "; a plugin is code that runs as the daemon, ";
   if ((info.st_mode & S_IWOTH) != 0 && !sticky)
      return fail(errc::permission,
                  path.string() + " can be written by everybody" + is_code + "'chmod o-w' it");
   if ((info.st_mode & S_IWGRP) != 0 && !sticky && info.st_gid != 0 &&
       !is_private_group(info.st_gid, info.st_uid))
      return fail(errc::permission, path.string() + " can be written by group " +
                                          std::to_string(info.st_gid) + is_code + "'chmod g-w' it");
   if (info.st_uid != 0 && info.st_uid != ::geteuid())
      return fail(errc::permission,
                  path.string() + " belongs to user " + std::to_string(info.st_uid) +
                        "; plugins and their folder must belong to root or to the daemon's user");
   return {};
}

base::result<void> check_writers(const fs::path& path) {
   struct stat info {};
   if (::stat(path.c_str(), &info) != 0)
      return base::fail_errno(errc::not_found, "cannot read plugin " + path.string(), errno);
   return check_writers(path, info);
}

bool same_time(const timespec& a, const timespec& b) {
   return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

} // namespace

base::result<void> pins::check(const fs::path& file, const crypto::bytes32& found) const {
   auto pin = sha256.find(file.string());
   if (pin == sha256.end()) pin = sha256.find(file.filename().string());
   if (pin == sha256.end()) {
      if (!only) return {};
      return fail(errc::permission,
                  file.string() +
                        " has no pin and [plugins] pinned_only is set; if it is what you "
                        "want to run, add \"" +
                        file.filename().string() + "\" = \"" + crypto::format_hex(found) +
                        "\" to [plugins.sha256]");
   }
   if (pin->second == found) return {};
   return fail(errc::permission,
               file.string() + " is not the pinned file: [plugins.sha256] expects " +
                     crypto::format_hex(pin->second) + ", found " + crypto::format_hex(found));
}

base::result<void> module_file::check_access(const fs::path& path) {
   if (auto ok = check_writers(path); !ok) return ok;
   return check_writers(path.parent_path());
}

base::result<module_file> module_file::open(const fs::path& path) {
   module_file file(path);
   if (auto ok = file.inspect(); !ok) return ok.error();
   return file;
}

module_file::~module_file() {
   if (fd_ >= 0) ::close(fd_);
}

module_file::module_file(module_file&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), info_(other.info_),
      sha256_(other.sha256_) {}

base::result<void> module_file::inspect() {
   fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
   if (fd_ < 0 || ::fstat(fd_, &info_) != 0)
      return base::fail_errno(errc::not_found, "cannot read plugin " + path_.string(), errno);
   if (auto ok = check_writers(path_, info_); !ok) return ok;
   if (auto ok = check_writers(path_.parent_path()); !ok) return ok;
   if (auto ok = check_whole(); !ok) return ok;
   auto digest = crypto::sha256_of_file(fd_);
   if (!digest) return fail(digest.error().code, path_.string() + ": " + digest.error().text);
   sha256_ = *digest;
   return {};
}

/// The loader maps what the program headers say and dies of SIGBUS when the file ends before: an
/// interrupted copy must not end the daemon.
base::result<void> module_file::check_whole() const {
   const auto bad = [&](const char* what) {
      return fail(errc::invalid, path_.string() + " cannot be loaded: " + what);
   };
   const auto read = [&](void* out, size_t size, uint64_t at) {
      return ::pread(fd_, out, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
   };
   if (!S_ISREG(info_.st_mode)) return bad("it is not a file");
   const auto size = static_cast<uint64_t>(info_.st_size);
   ElfW(Ehdr) head{};
   if (!read(&head, sizeof head, 0) || !std::equal(head.e_ident, head.e_ident + SELFMAG, ELFMAG))
      return bad("it is not a shared library");
   if (head.e_phentsize != sizeof(ElfW(Phdr))) return bad("it is for another kind of machine");
   for (unsigned i = 0; i < head.e_phnum; i++) {
      ElfW(Phdr) part{};
      if (!read(&part, sizeof part, head.e_phoff + i * sizeof part) ||
          (part.p_type == PT_LOAD &&
           (part.p_offset > size || part.p_filesz > size - part.p_offset)))
         return bad("it is shorter than it says; copy it again");
   }
   return {};
}

base::result<void> module_file::still_same() const {
   struct stat by_path {
   }, opened{};
   if (::stat(path_.c_str(), &by_path) == 0 && ::fstat(fd_, &opened) == 0 &&
       by_path.st_dev == info_.st_dev && by_path.st_ino == info_.st_ino &&
       opened.st_size == info_.st_size && same_time(opened.st_mtim, info_.st_mtim) &&
       same_time(opened.st_ctim, info_.st_ctim))
      return {};
   return fail(errc::permission, path_.string() + " changed while it was being loaded; nothing of "
                                                  "it is used, restart when it is installed");
}

} // namespace warren::plugin
