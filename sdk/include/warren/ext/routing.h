/* Routing: which neighbour leads to a member that has no direct path.
 *
 * The core gives the plugin its neighbours and what they cost; the plugin talks to its like by
 * messages (host/message.h) and publishes whole tables. Which prefix belongs to which member is not
 * its business, and neither is the choice between a direct path and the way through others: both
 * are the core's. Never on the path of a packet. */
#ifndef WARREN_EXT_ROUTING_H
#define WARREN_EXT_ROUTING_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_COST_INFINITE UINT32_MAX

#define WRN_EXT_ROUTING "warren.routing/1"
typedef struct wrn_routing { /* all [io & active] */
   /* A direct link came up (cost in microseconds of round trip, at least 1), its cost changed
    * notably, or it went (WRN_COST_INFINITE). All that are up come after start(). */
   void(WRN_CALL* on_neighbor)(const wrn_plugin* plugin, wrn_handle peer, uint32_t cost);
} wrn_routing;

/* One way to a member. Several to the same one share its traffic by weight. */
typedef struct wrn_route {
   wrn_handle destination; /* peer */
   wrn_handle next_hop;    /* peer; a neighbour */
   uint32_t metric;        /* of the whole way, for people; smaller is better */
   uint32_t weight;        /* 1..1000 */
} wrn_route;

#define WRN_HOST_ROUTE "warren.host.route/1"
typedef struct wrn_host_route { /* all [io & active] */
   /* Replaces the table of this instance, whole or not at all. WRN_E_NOT_FOUND: a peer in it has
    * gone; WRN_E_INVALID: a weight out of range, or a way through the destination's own self that
    * is no neighbour; WRN_E_LIMIT: more than 4 ways to one member or 16384 in all. [lends] */
   wrn_status(WRN_CALL* publish)(const wrn_host* host, const wrn_route* routes, uint32_t n);
   /* 1 when this node passes on what is for others: only then it may promise ways through itself.
    */
   uint32_t(WRN_CALL* relays)(const wrn_host* host);
} wrn_host_route;

WRN_END
#endif
