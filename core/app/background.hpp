// Processes that `warren up` and `warren down` deal with: systemd's unit, and a daemon of our own
// in the background.
#pragma once

#include "core/base/error.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace warren::app {

/// systemd runs this machine and has a warren.service.
bool systemd_unit_installed();
/// Runs systemctl and waits; its own words go to stderr.
base::result<void> systemctl(const std::vector<std::string>& arguments);

/// This program started again, in a session of its own, its output appended to a log file. It
/// outlives the object.
class background_process {
 public:
   background_process() = default;
   static base::result<background_process> start(const std::vector<std::string>& arguments,
                                                 const std::filesystem::path& log);
   /// The exit code, once it has ended; 128 + signal when it was killed.
   std::optional<int> ended();
   /// What it wrote since it was started, the last 4 KiB of it.
   std::string said() const;
   const std::filesystem::path& log() const { return log_; }

 private:
   int pid_ = 0; // 0 = none
   std::filesystem::path log_;
   uint64_t log_start_ = 0;
};

/// Notices the end of a process that is not our child.
class process_watch {
 public:
   explicit process_watch(int64_t pid);
   ~process_watch();
   process_watch(const process_watch&) = delete;
   process_watch& operator=(const process_watch&) = delete;
   /// True when it has ended, also before.
   bool wait_for_end(std::chrono::milliseconds timeout) const;

 private:
   int fd_ = -1; // -1 = already gone
};

} // namespace warren::app
