/* Discovery: where members can be reached. Who is a member, and what it owns, is the core's to
 * decide. */
#ifndef WARREN_EXT_DISCOVERY_H
#define WARREN_EXT_DISCOVERY_H
#include "../plugin.h"
WRN_BEGIN

/* A place where a peer may answer. [lends] */
typedef struct wrn_endpoint {
   wrn_str transport; /* "wireguard" */
   wrn_addr addr;
} wrn_endpoint;

#define WRN_EXT_DISCOVERY "warren.discovery/1"
typedef struct wrn_discovery { /* all [io & active] */
   /* A member came into the table, or what the operator wrote about it changed. `configured` are
    * its endpoints as written: "wireguard://nas.example.net:51820". [lends] */
   void(WRN_CALL* on_peer)(const wrn_plugin* plugin, wrn_handle peer, const wrn_str* configured,
                           uint32_t n);
   void(WRN_CALL* on_peer_gone)(const wrn_plugin* plugin, wrn_handle peer);
   /* Traffic waits and the known endpoints do not answer: look again. Rate-limited by the host. May
    * be NULL. */
   void(WRN_CALL* on_unreachable)(const wrn_plugin* plugin, wrn_handle peer);
} wrn_discovery;

#define WRN_HOST_DISCOVERY "warren.host.discovery/1"
typedef struct wrn_host_discovery { /* all [io & active] */
   /* Replaces what this instance said about the peer. Best first. WRN_E_LIMIT beyond 16. [lends] */
   wrn_status(WRN_CALL* offer)(const wrn_host* host, wrn_handle peer, const wrn_endpoint* endpoints,
                               uint32_t n);
} wrn_host_discovery;

WRN_END
#endif
