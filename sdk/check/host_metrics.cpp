// warren.host.metrics/1 of the fake host.
#include "sdk/check/instance.hpp"
#include "warren/host/metrics.h"

#include <deque>

namespace warren::check {

namespace {

struct metrics_part {
   std::map<std::string, uint64_t*> known;
   std::deque<uint64_t> cells;
};

uint64_t* WRN_CALL cell(const wrn_host* host, const wrn_metric* metric) {
   instance& me = instance::of(host, "cell", place::main_io);
   auto& m = me.part<metrics_part>();
   if (metric->name == nullptr || metric->help == nullptr || metric->type < WRN_METRIC_COUNTER ||
       metric->type > WRN_METRIC_GAUGE)
      found(flaw_call, "metrics cell(): a metric has a name, a help text and a type");
   uint64_t*& found_cell = m.known[metric->name != nullptr ? metric->name : ""];
   if (found_cell == nullptr) found_cell = &m.cells.emplace_back(0);
   return found_cell;
}

constexpr wrn_host_metrics functions{cell};

} // namespace

extern const host_table metrics_table{WRN_HOST_METRICS, &functions, nullptr};

} // namespace warren::check
