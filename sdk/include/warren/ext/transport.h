/* Transports: packets to one neighbour, securely.
 *
 * The core opens a link per peer; the transport seals, sends, receives, opens and delivers, and
 * proves the peer's key by itself. A payload is an IP packet (first nibble 4 or 6) or a mesh frame
 * (first nibble 0). */
#ifndef WARREN_EXT_TRANSPORT_H
#define WARREN_EXT_TRANSPORT_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_TF_PLAINTEXT                                                                           \
   (1u << 0) /* neither seals nor proves who sent: refused unless the operator allows it */
#define WRN_TF_ROAMS_REMOTE                                                                        \
   (1u << 1) /* set_path() may move a live link to another remote address */

typedef struct wrn_transport_limits {
   uint32_t flags;    /* WRN_TF_* */
   uint32_t headroom; /* bytes that tx() needs before the packet */
   uint32_t tailroom; /* bytes that tx() needs after it, padding included */
   uint32_t overhead; /* bytes on the wire per packet beyond the inner packet, without UDP and IP
                         headers and padding */
} wrn_transport_limits;

/* What the core tells the transport about a link. All [lends]. */
typedef struct wrn_link_params {
   wrn_handle peer;
   wrn_key node_id; /* zero for a stock peer, which has a tunnel key alone */
   wrn_key tunnel_key;
   wrn_key psk;          /* zero = none */
   wrn_addr remote;      /* family 0 = not known yet: wait to be called */
   uint32_t keepalive_s; /* keep the path open by a packet this often, 0 = never. A transport that
                            declares WRN_TF_PLAINTEXT may do without: it is for tests */
   uint32_t mtu;         /* largest inner packet */
} wrn_link_params;

enum { WRN_LINK_CONNECTING = 1, WRN_LINK_UP, WRN_LINK_DOWN };

/* The caller sets size; the callee fills what fits. Grows at the end only. */
typedef struct wrn_link_stats {
   uint32_t size;
   uint32_t state; /* WRN_LINK_* */
   uint64_t tx_packets,
         tx_bytes; /* on the wire, all messages of the protocol, without UDP and IP headers */
   uint64_t rx_packets, rx_bytes;
   int64_t handshake_wall_ns; /* Unix time of the last handshake, 0 = never */
   wrn_time last_heard;       /* of the last authenticated packet, 0 = never */
   wrn_addr remote;           /* where we send to now */
} wrn_link_stats;

#define WRN_EXT_TRANSPORT "warren.transport/1"
typedef struct wrn_transport { /* all [io & active] */
   void(WRN_CALL* limits)(const wrn_plugin* plugin,
                          wrn_transport_limits* out); /* [main, io]; constant after configure() */
   /* A link exists from here to close(). Sends nothing by itself unless keepalive_s asks for it.
    * WRN_E_EXISTS: same tunnel key. */
   wrn_status(WRN_CALL* open)(const wrn_plugin* plugin, wrn_handle link,
                              const wrn_link_params* params);
   wrn_status(WRN_CALL* update)(const wrn_plugin* plugin, wrn_handle link,
                                const wrn_link_params* params); /* psk, keepalive_s, mtu */
   void(WRN_CALL* close)(const wrn_plugin* plugin,
                         wrn_handle link); /* no callback for it after return */
   /* From now on send to `remote` (family 0 = nowhere). */
   wrn_status(WRN_CALL* set_path)(const wrn_plugin* plugin, wrn_handle link,
                                  const wrn_addr* remote);
   /* Make a session if there is none, without traffic. */
   void(WRN_CALL* connect)(const wrn_plugin* plugin, wrn_handle link);
   /* Packets that tx() takes now; 0 arms one writable(). */
   uint32_t(WRN_CALL* room)(const wrn_plugin* plugin, wrn_handle link);
   /* Seals and sends, in order; without a session it starts one and keeps a bounded number of
    * packets for it. n <= room(), so that nothing is sealed that cannot be sent; the excess is
    * dropped and counted. Never blocks. [gives] all n */
   void(WRN_CALL* tx)(const wrn_plugin* plugin, wrn_handle link, wrn_pkt* pkts, uint32_t n);
   wrn_status(WRN_CALL* stats)(const wrn_plugin* plugin, wrn_handle link, wrn_link_stats* out);
} wrn_transport;

#define WRN_HOST_LINK "warren.host.link/1"
typedef struct wrn_host_link { /* all [io & active] */
   /* Somebody who has proved `tunnel_key` calls from `from`. WRN_OK: *link is open()ed with
    * *params. WRN_E_NOT_FOUND: a stranger. [lends]
    */
   wrn_status(WRN_CALL* incoming)(const wrn_host* host, const wrn_key* tunnel_key,
                                  const wrn_addr* from, wrn_handle* link, wrn_link_params* params);
   void(WRN_CALL* state)(const wrn_host* host, wrn_handle link, uint32_t state, wrn_status why);
   void(WRN_CALL* moved)(const wrn_host* host, wrn_handle link,
                         const wrn_addr* remote); /* the peer proved a new address */
   void(WRN_CALL* deliver)(const wrn_host* host, wrn_handle link, wrn_pkt* pkts,
                           uint32_t n);                             /* [gives] all n */
   void(WRN_CALL* writable)(const wrn_host* host, wrn_handle link); /* once after room() was 0 */
} wrn_host_link;

WRN_END
#endif
