#include "core/app/background.hpp"

#include "core/app/paths.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace warren::app {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
   std::vector<char*> out;
   for (std::string& t : texts)
      out.push_back(t.data());
   out.push_back(nullptr);
   return out;
}

int exit_code_of_status(int status) {
   return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

bool systemd_unit_installed() {
   std::error_code ec;
   if (!fs::exists("/run/systemd/system", ec)) return false;
   static constexpr std::array folders{"/etc/systemd/system", "/run/systemd/system",
                                       "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                       "/lib/systemd/system"};
   return std::any_of(folders.begin(), folders.end(), [&](const char* folder) {
      return fs::exists(fs::path(folder) / "warren.service", ec);
   });
}

base::result<void> systemctl(const std::vector<std::string>& arguments) {
   std::vector<std::string> all{"systemctl"};
   all.insert(all.end(), arguments.begin(), arguments.end());
   pid_t pid = 0;
   if (const int e =
             ::posix_spawnp(&pid, "systemctl", nullptr, nullptr, pointers(all).data(), environ);
       e != 0)
      return base::fail_errno(base::errc_of_errno(e), "cannot run systemctl", e);
   int status = 0;
   while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
   }
   if (status == 0) return {};
   return fail(errc::io,
               "'systemctl " + arguments.front() + " " + arguments.back() +
                     "' failed; see 'systemctl status warren' and 'journalctl -u warren'");
}

base::result<background_process>
background_process::start(const std::vector<std::string>& arguments, const fs::path& log) {
   const fs::path program = executable();
   if (program.empty())
      return fail(errc::unavailable,
                  "cannot find this program, /proc is not mounted; use 'warren run'");
   std::error_code ec;
   fs::create_directories(log.parent_path(), ec);
   const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
   if (fd < 0) {
      const int e = errno;
      return base::fail_errno(base::errc_of_errno(e), "cannot write the log " + log.string(), e);
   }
   background_process made;
   made.log_ = log;
   made.log_start_ = static_cast<uint64_t>(std::max<off_t>(0, ::lseek(fd, 0, SEEK_END)));

   posix_spawn_file_actions_t actions;
   posix_spawn_file_actions_init(&actions);
   posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
   posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
   posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
   posix_spawnattr_t attributes;
   posix_spawnattr_init(&attributes);
   posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
   std::vector<std::string> all{program.string()};
   all.insert(all.end(), arguments.begin(), arguments.end());
   pid_t pid = 0;
   const int e =
         ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers(all).data(), environ);
   posix_spawnattr_destroy(&attributes);
   posix_spawn_file_actions_destroy(&actions);
   ::close(fd);
   if (e != 0)
      return base::fail_errno(base::errc_of_errno(e), "cannot start " + program.string(), e);
   made.pid_ = pid;
   return made;
}

std::optional<int> background_process::ended() {
   int status = 0;
   if (pid_ == 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
   pid_ = 0;
   return exit_code_of_status(status);
}

std::string background_process::said() const {
   constexpr uint64_t most = 4096;
   std::ifstream in(log_, std::ios::binary | std::ios::ate);
   if (!in) return {};
   const auto size = static_cast<uint64_t>(in.tellg());
   const uint64_t from = std::max(log_start_, size > most ? size - most : 0);
   in.seekg(static_cast<std::streamoff>(from));
   return std::string(std::istreambuf_iterator<char>(in), {});
}

process_watch::process_watch(int64_t pid)
    : fd_(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))) {}

process_watch::~process_watch() {
   if (fd_ >= 0) ::close(fd_);
}

bool process_watch::wait_for_end(std::chrono::milliseconds timeout) const {
   if (fd_ < 0) return true;
   pollfd p{fd_, POLLIN, 0};
   return ::poll(&p, 1, static_cast<int>(timeout.count())) > 0;
}

} // namespace warren::app
