// What an instance does to the process that it shares with everybody: time, threads, descriptors,
// output, memory.
#include "sdk/check/properties.hpp"

#include <algorithm>
#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::check {

namespace {

std::vector<std::string> entries(const char* folder) {
   std::vector<std::string> all;
   DIR* d = ::opendir(folder);
   while (const dirent* e = d != nullptr ? ::readdir(d) : nullptr)
      if (e->d_name[0] != '.') all.emplace_back(e->d_name);
   if (d != nullptr) ::closedir(d);
   return all;
}

/// What an open descriptor is, for the report.
std::string target(const std::string& descriptor) {
   char text[256]{};
   const ssize_t n = ::readlink(("/proc/self/fd/" + descriptor).c_str(), text, sizeof text - 1);
   return n > 0 ? std::string(text, static_cast<size_t>(n)) : "?";
}

size_t threads_now() { return entries("/proc/self/task").size(); }

void pause_ms(int how_long) { ::poll(nullptr, 0, how_long); }

void half_a_day(const subject& s) {
   rig r(s);
   r.load->begin();
   r.load->work();
   r.load->work();
   r.down();
}

} // namespace

void prompt(const subject& s) {
   measure_calls(true);
   ordinary_day(s);
}

void threads(const subject& s) {
   const size_t before = threads_now();
   for (int i = 0; i < 3; i++) {
      rig r(s);
      r.load->begin();
      r.load->work();
      if ((s.desc->caps & WRN_CAP_DETERMINISTIC) != 0)
         require(threads_now() <= before, say("it claims WRN_CAP_DETERMINISTIC and runs ",
                                              threads_now() - before, " thread(s) of its own"));
      r.down();
   }
   for (int i = 0; i < 20 && threads_now() > before; i++)
      pause_ms(10); // one that has been told to end may take a moment
   require(threads_now() <= before,
           say(threads_now() - before,
               " thread(s) still run after destroy(); stop() ends and joins them"));
}

void descriptors(const subject& s) {
   half_a_day(s); // what a library opens once and keeps
   const auto before = entries("/proc/self/fd");
   for (int i = 0; i < 3; i++)
      half_a_day(s);
   const auto after = entries("/proc/self/fd");
   for (const std::string& each : after)
      require(after.size() <= before.size() ||
                    std::find(before.begin(), before.end(), each) != before.end(),
              say(after.size() - before.size(),
                  " file descriptor(s) more after three instances than before, among them ",
                  target(each)));
}

void quiet(const subject& s) {
   ordinary_day(s);
   struct stat info {};
   if (::fstat(STDOUT_FILENO, &info) != 0) return;
   require(info.st_size == 0,
           say(info.st_size, " bytes were written to stdout or stderr; use log() of the host"));
}

void memory(const subject& s) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
   (void)s;
   skip("a sanitizer looks after memory in this build");
#else
   const auto in_use = [] { return ::mallinfo2().uordblks; };
   // The allocator keeps some of what it got back, and slowly more until its shelves are full; what
   // leaks grows for ever. So whoever grows is watched for longer.
   constexpr size_t allowed = 28; // bytes per cycle: less than one forgotten object
   size_t least = SIZE_MAX, cycles = 12;
   half_a_day(s);
   for (; cycles <= 200; cycles *= 4) {
      least = SIZE_MAX;
      for (int block = 0; block < 4; block++) {
         const size_t before = in_use();
         for (size_t i = 0; i < cycles; i++)
            half_a_day(s);
         const size_t after = in_use();
         least = std::min(least, (after > before ? after - before : 0) / cycles);
      }
      if (least <= allowed) return;
   }
   fail(say("each instance leaves ", least / find_kind(s.desc->kind)->instances,
            " bytes in memory"));
#endif
}

} // namespace warren::check
