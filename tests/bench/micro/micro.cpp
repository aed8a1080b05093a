// Time per packet of every body, by Google Benchmark. The clock runs during run() only: a batch is
// some microseconds, so reading it twice does not show.
//
// ns_per_packet is the median of all batches, so that those in which somebody else had the core do
// not count; Google Benchmark's own columns are means.
#include "tests/bench/micro/body.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <vector>

namespace warren::bench {

namespace {

void measure(benchmark::State& state, const entry& e) {
   using clock = std::chrono::steady_clock;
   const auto b = e.make();
   std::vector<double> batches;
   batches.reserve(state.max_iterations);
   for (auto _ : state) {
      b->prepare();
      const auto begin = clock::now();
      b->run();
      const std::chrono::duration<double> took = clock::now() - begin;
      state.SetIterationTime(took.count());
      batches.push_back(took.count());
   }
   const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
   std::nth_element(batches.begin(), middle, batches.end());
   state.counters["ns_per_packet"] = *middle * 1e9 / b->packets();
   state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * b->packets());
}

} // namespace

} // namespace warren::bench

int main(int argc, char** argv) {
   using namespace warren::bench;
   const auto all = all_entries();
   for (const entry& e : all) {
      auto* const b = benchmark::RegisterBenchmark(
            e.name.c_str(), [&e](benchmark::State& state) { measure(state, e); });
      b->UseManualTime();
      if (e.timed != 0) b->Iterations(e.timed);
   }
   benchmark::Initialize(&argc, argv);
   if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
   benchmark::RunSpecifiedBenchmarks();
   benchmark::Shutdown();
}
