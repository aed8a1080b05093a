/* Datagram sockets. The host parses `listen`, opens the sockets and owns them; a transport sends
 * and receives on them. */
#ifndef WARREN_HOST_UDP_H
#define WARREN_HOST_UDP_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_HOST_UDP "warren.host.udp/1"
typedef struct wrn_host_udp { /* all [io & active] */
   /* Packets that send() takes right now without dropping. 0 arms one on_writable(). */
   uint32_t(WRN_CALL* room)(const wrn_host* host, wrn_handle sock);
   /* Sends to each packet's addr, from its local token. Runs of equal size to one address leave as
    * one GSO send. Beyond room() packets are dropped and counted as WRN_DROP_QUEUE_FULL. [gives]
    * all n */
   void(WRN_CALL* send)(const wrn_host* host, wrn_handle sock, const wrn_pkt* pkts, uint32_t n);
   wrn_status(WRN_CALL* local)(const wrn_host* host, wrn_handle sock,
                               wrn_addr* out); /* bound address; port is real */
} wrn_host_udp;

#define WRN_EXT_UDP "warren.udp/1"
typedef struct wrn_udp { /* all [io & active] */
   /* A socket of ours is open; comes between start() and the first open() of a link. */
   void(WRN_CALL* on_bound)(const wrn_plugin* plugin, wrn_handle sock);
   void(WRN_CALL* on_recv)(const wrn_plugin* plugin, wrn_handle sock, wrn_pkt* pkts,
                           uint32_t n); /* [gives] all n */
   void(WRN_CALL* on_writable)(const wrn_plugin* plugin,
                               wrn_handle sock); /* once after room() was 0; may be NULL */
} wrn_udp;

WRN_END
#endif
