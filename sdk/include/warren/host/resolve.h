/* Host names to addresses, by the system's resolver, outside the instance's strand. */
#ifndef WARREN_HOST_RESOLVE_H
#define WARREN_HOST_RESOLVE_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_HOST_RESOLVE "warren.host.resolve/1"
typedef struct wrn_host_resolve {
   /* on_resolved(tag) follows, exactly once, unless the instance stops first. A literal address is
    * answered too. WRN_E_LIMIT when too many look-ups are under way. [io & active] [lends name] */
   wrn_status(WRN_CALL* resolve)(const wrn_host* host, wrn_str name, uint16_t port, uint64_t tag);
} wrn_host_resolve;

#define WRN_EXT_RESOLVE "warren.resolve/1"
typedef struct wrn_resolve {
   /* status != WRN_OK: n is 0. Order is the resolver's. [io & active] [lends] */
   void(WRN_CALL* on_resolved)(const wrn_plugin* plugin, uint64_t tag, wrn_status status,
                               const wrn_addr* addrs, uint32_t n);
} wrn_resolve;

WRN_END
#endif
