// Runs each body a fixed number of rounds, for callgrind to count instructions; needs neither
// Google Benchmark nor valgrind's headers. count.py starts it and knows the two functions below:
//
//   warren_bench_measured   collecting is switched on inside (--toggle-collect)
//   warren_bench_dump       what was collected is written and the counters start again
//                           (--dump-after)
//
//   bench_count [NAME...]   prints a line "NAME PACKETS" per body before its dump; without a name
//                           all that are counted
//   bench_count --list      names
//   bench_count --about     what the figures depend on, as the baseline's header has it
#include "tests/bench/micro/body.hpp"

#include <algorithm>
#include <cstdio>
#include <span>
#include <string_view>

using namespace warren::bench;

extern "C" {
[[gnu::noinline]] void warren_bench_measured(body& b);
[[gnu::noinline]] void warren_bench_dump(const entry& e);

void warren_bench_measured(body& b) {
   b.run();
   asm volatile("");
}

void warren_bench_dump(const entry& e) { keep(e); }
}

namespace {

void count(const entry& e) {
   const auto b = e.make();
   for (uint32_t i = 0; i < e.rounds; i++) {
      b->prepare();
      warren_bench_measured(*b);
   }
   std::printf("%s %llu\n", e.name.c_str(),
               static_cast<unsigned long long>(e.rounds) * b->packets());
   std::fflush(stdout);
   warren_bench_dump(e);
}

/// Instruction counts of two versions of a compiler, or of code for other vector units, say nothing
/// about each other.
void print_about() {
#if defined(__clang__)
   std::printf("clang %d", __clang_major__);
#else
   std::printf("gcc %d", __GNUC__);
#endif
#if defined(__x86_64__)
   __builtin_cpu_init();
   std::printf(" x86-64 avx2 %s\n", __builtin_cpu_supports("avx2") != 0 ? "yes" : "no");
#else
   std::printf(" other\n");
#endif
}

} // namespace

int main(int argc, char** argv) {
   const std::span<char*> wanted(argv + 1, static_cast<size_t>(argc - 1));
   if (wanted.size() == 1 && std::string_view(wanted[0]) == "--about") return print_about(), 0;
   const bool list = wanted.size() == 1 && std::string_view(wanted[0]) == "--list";
   for (const entry& e : all_entries()) {
      const bool named = std::any_of(wanted.begin(), wanted.end(),
                                     [&](const char* name) { return e.name == name; });
      if (list)
         std::printf("%s\n", e.name.c_str());
      else if (wanted.empty() ? e.counted : named)
         count(e);
   }
}
