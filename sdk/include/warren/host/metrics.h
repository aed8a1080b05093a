/* Counters and gauges. The plugin writes cells, the host reads them when somebody asks. */
#ifndef WARREN_HOST_METRICS_H
#define WARREN_HOST_METRICS_H
#include "../plugin.h"
WRN_BEGIN

enum { WRN_METRIC_COUNTER = 1, WRN_METRIC_GAUGE = 2 };
typedef struct wrn_metric {
   const char* name; /* bare: "handshakes_total"; the host adds its prefix, network and instance */
   const char* help;
   uint32_t type; /* WRN_METRIC_* */
   uint32_t reserved;
} wrn_metric;

#define WRN_HOST_METRICS "warren.host.metrics/1"
typedef struct wrn_host_metrics {
   /* The cell of this metric: the same one for the same name, never NULL (beyond the limit all
    * share one). Valid until destroy(). Write with relaxed atomic stores on [io]. [main, io] [lends
    * metric] */
   uint64_t*(WRN_CALL* cell)(const wrn_host* host, const wrn_metric* metric);
} wrn_host_metrics;

WRN_END
#endif
