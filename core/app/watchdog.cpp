#include "core/app/watchdog.hpp"

#include "core/base/log.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace warren::app {

namespace {

std::string seconds(uint64_t ns) {
   char text[32];
   std::snprintf(text, sizeof text, "%.1f", static_cast<double>(ns) / 1e9);
   return text;
}

} // namespace

watchdog::watchdog(const io::call_mark& mark, uint64_t limit_ns)
    : mark_(mark), watch_(limit_ns), limit_ns_(limit_ns), thread_([this] { run(); }) {}

watchdog::~watchdog() {
   {
      const std::lock_guard lock(mutex_);
      end_ = true;
   }
   ends_.notify_one();
   thread_.join();
}

void watchdog::run() {
   // Signals are the control thread's.
   sigset_t all;
   sigfillset(&all);
   pthread_sigmask(SIG_BLOCK, &all, nullptr);
   std::unique_lock lock(mutex_);
   while (!ends_.wait_for(lock, std::chrono::nanoseconds(watch_.distance_ns()),
                          [this] { return end_; })) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      const io::call_mark::look seen = mark_.now();
      const auto verdict =
            watch_.look(seen, static_cast<uint64_t>(std::chrono::nanoseconds(now).count()));
      if (verdict == call_watch::verdict::fine) continue;
      io::call_owner& who = *seen.inside;
      const std::string lasted = seconds(watch_.lasted_ns());
      if (verdict == call_watch::verdict::slow) {
         who.slow_calls.fetch_add(1, std::memory_order_relaxed);
         base::log::error("plugin_slow", {{"network", who.network},
                                          {"plugin", who.plugin},
                                          {"seconds", lasted},
                                          {"module", who.module}});
         continue;
      }
      // stderr first: whoever hangs may hold what the log needs.
      std::fprintf(
            stderr,
            "warren: plugin '%s' of network '%s' (%s) has not returned for %s s and holds up "
            "all networks; ending with a core, its thread says where ([plugins] watchdog)\n",
            who.plugin.c_str(), who.network.c_str(), who.module.c_str(), lasted.c_str());
      std::fflush(stderr);
      base::log::error("plugin_hangs", {{"network", who.network},
                                        {"plugin", who.plugin},
                                        {"seconds", lasted},
                                        {"module", who.module},
                                        {"next", "abort"}});
      std::abort();
   }
}

} // namespace warren::app
