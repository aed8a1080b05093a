// Time per packet of every body, by Google Benchmark. The clock runs during run() only: a batch is
// some microseconds, so reading it twice does not show.
#include "tests/bench/micro/body.hpp"

#include <benchmark/benchmark.h>
#include <chrono>

namespace warren::bench {

namespace {

void measure(benchmark::State& state, const entry& e) {
   using clock = std::chrono::steady_clock;
   const auto b = e.make();
   for (auto _ : state) {
      b->prepare();
      const auto begin = clock::now();
      b->run();
      state.SetIterationTime(std::chrono::duration<double>(clock::now() - begin).count());
   }
   const auto packets = static_cast<double>(state.iterations()) * b->packets();
   state.SetItemsProcessed(static_cast<int64_t>(packets));
   state.counters["per_packet"] =
         benchmark::Counter(packets, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
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
