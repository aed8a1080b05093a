// The child loads the module and runs the property. The parent waits for it by its descriptor and
// counts pauses: no clock is needed to see that a callback makes no progress. What the child wrote
// is kept in a file in memory.
#include "sdk/check/runner.hpp"

#include "core/crypto/keys.hpp"
#include "core/plugin/module.hpp"

#include <csignal>
#include <cstring>
#include <exception>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace warren::check {

namespace {

constexpr int pause_ms = 50;
constexpr uint32_t pauses_per_second = 1000 / pause_ms;
constexpr uint32_t stuck_seconds = 4; // one callback, without an end in sight

[[noreturn]] void terminated() {
   std::string text = "std::terminate()";
   if (const auto flying = std::current_exception()) {
      try {
         std::rethrow_exception(flying);
      } catch (const std::exception& e) {
         text = say("an exception that nothing catches: ", e.what());
      } catch (...) {
         text = "an exception that nothing catches";
      }
   }
   fail(say(text, " in ", page->call[0] != '\0' ? page->call : "no callback", "()"));
}

void skip_what_cannot_be_driven(const wrn_plugin_desc& d) {
   if (find_kind(d.kind) == nullptr) skip("the kit does not drive plugins of this kind yet");
   for (const char* const* need = d.needs; need != nullptr && *need != nullptr; need++)
      if (is_table_to_come(*need))
         skip(say("it needs ", *need, ", which the host of the kit does not have yet"));
}

[[noreturn]] void child(const property& p, const request& what, uint32_t index, int output) {
   ::prctl(PR_SET_PDEATHSIG, SIGKILL);
   const rlimit no_core{0, 0};
   ::setrlimit(RLIMIT_CORE, &no_core);
   ::dup2(output, STDOUT_FILENO);
   ::dup2(output, STDERR_FILENO);
   ::close(output);
   std::set_terminate(terminated);
   flaws_wanted = p.flaws;
   subject s;
   s.path = what.path;
   s.seed = what.seed;
   if (auto ready = crypto::init(); !ready) fail(ready.error().text);
   if (!p.before_load) {
      const auto loaded = plugin::module::load(s.path);
      if (!loaded) fail(loaded.error().text);
      s.factory = &(*loaded)->factory();
      if (!p.of_module) s.desc = (*loaded)->plugins().at(index);
      if (!p.of_module && !p.reads_only) skip_what_cannot_be_driven(*s.desc);
      p.run(s);
   } else {
      p.run(s);
   }
   page->result = outcome::ok;
   ::_exit(0);
}

/// The first lines of what the child wrote: a sanitizer's report starts with what matters.
std::string output_of(int output) {
   char text[401]{};
   const ssize_t n = ::pread(output, text, sizeof text - 1, 0);
   std::string out(text, n > 0 ? static_cast<size_t>(n) : 0);
   for (char& c : out)
      if (c == '\n') c = ' ';
   return out.empty() ? "" : "; it wrote: " + out;
}

std::string where() {
   return page->call[0] != '\0' ? say(" in ", page->call, "()")
                                : " outside of the plugin's functions";
}

run_result wait_for(pid_t child, const property& p, const request& what, int output) {
   const int handle = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
   const auto kill_child = [&](const std::string& why) {
      const std::string text = why + where();
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      if (handle >= 0) ::close(handle);
      return run_result{outcome::failed, text};
   };
   uint64_t beat = 0;
   uint32_t pauses = 0, still = 0;
   for (;;) {
      pollfd ready{handle, POLLIN, 0};
      ::poll(&ready, handle >= 0 ? 1 : 0, pause_ms);
      int status = 0;
      const pid_t ended = ::waitpid(child, &status, WNOHANG);
      if (ended == child) {
         if (handle >= 0) ::close(handle);
         if (WIFSIGNALED(status))
            return {outcome::failed,
                    say("died of signal ", WTERMSIG(status), " (", ::strsignal(WTERMSIG(status)),
                        ")", where(), output_of(output))};
         if (page->result == outcome::none || WEXITSTATUS(status) != 0)
            return {outcome::failed, say("ended the process with exit code ", WEXITSTATUS(status),
                                         where(), output_of(output))};
         return {page->result, page->text};
      }
      still = page->call[0] != '\0' && page->beat == beat ? still + 1 : 0;
      beat = page->beat;
      if (still > stuck_seconds * pauses_per_second * what.patience)
         return kill_child(say("no return within ", stuck_seconds * what.patience, " s"));
      if (++pauses > p.seconds * pauses_per_second * what.patience)
         return kill_child(say("not done within ", p.seconds * what.patience, " s"));
   }
}

} // namespace

run_result run_property(const property& p, const request& what, uint32_t index) {
   if (page == nullptr) {
      void* shared = ::mmap(nullptr, sizeof(shared_page), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (shared == MAP_FAILED) return {outcome::failed, "no shared memory"};
      page = new (shared) shared_page{};
   }
   page->result = outcome::none;
   page->beat = 0;
   page->call[0] = '\0';
   std::memset(page->text, 0, sizeof page->text);
   const int output = ::memfd_create("output", MFD_CLOEXEC);
   const pid_t pid = ::fork();
   if (pid == 0) child(p, what, index, output);
   run_result r{outcome::failed, "no process could be started"};
   if (pid > 0) r = wait_for(pid, p, what, output);
   ::close(output);
   return r;
}

} // namespace warren::check
