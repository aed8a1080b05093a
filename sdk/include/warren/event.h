/* Events: self-describing, so that a plugin skips types it does not know. */
#ifndef WARREN_EVENT_H
#define WARREN_EVENT_H
#include "base.h"
WRN_BEGIN

enum {
   WRN_EV_IDENTITY_CHANGED =
         1, /* the tunnel key was replaced: end every session, ask warren.host.identity/1 again */
   WRN_EV_NETWORK_CHANGED =
         2 /* local addresses or routes changed: forget sticky source addresses, probe again */
};

typedef struct wrn_event {
   uint32_t size; /* of the whole event, this head included */
   uint32_t type; /* WRN_EV_* */
   wrn_time at;
} wrn_event;

WRN_END
#endif
