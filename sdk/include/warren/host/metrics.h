/* Counters and gauges. The plugin declares them in wrn_plugin_desc.metrics and writes cells, the
 * host reads them when somebody asks. */
#ifndef WARREN_HOST_METRICS_H
#define WARREN_HOST_METRICS_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_HOST_METRICS "warren.host.metrics/1"
typedef struct wrn_host_metrics {
   /* The cell of the metric with this name: always the same one, never NULL. Names that the
    * description does not declare share a cell that nobody is shown, and the host logs them. Valid
    * until destroy(). Write with relaxed atomic stores on [io]. [main, io] [lends name] */
   uint64_t*(WRN_CALL* cell)(const wrn_host* host, const char* name);
} wrn_host_metrics;

WRN_END
#endif
