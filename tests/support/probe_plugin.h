/* A transport and a discovery in plain C whose behaviour a test chooses: what each step answers,
 * what it does inside each callback.
 *
 * Being C11, it also proves that the headers of the SDK are. One thread. Instances are linked in;
 * take them by module::wrap(probe_entry, ...). */
#ifndef WARREN_TESTS_PROBE_PLUGIN_H
#define WARREN_TESTS_PROBE_PLUGIN_H
#include "warren/ext/discovery.h"
#include "warren/ext/transport.h"
#include "warren/host/identity.h"
#include "warren/host/metrics.h"
#include "warren/host/resolve.h"
#include "warren/host/udp.h"
WRN_BEGIN

#define PROBE_LINKS_MAX 64

typedef struct probe {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_conf* conf;
   const wrn_host_udp* udp;
   const wrn_host_link* link;
   const wrn_host_identity* identity;
   const wrn_host_metrics* metrics;
   const wrn_host_resolve* resolve;
   const wrn_host_discovery* discovery;
   uint32_t in_host;     /* calls of host functions under way */
   uint32_t reentered;   /* callbacks that came during one of them: the ABI forbids it */
   uint32_t while_ended; /* callbacks while not active */
   uint32_t active;
   uint32_t stops, timers, resolved, sent;
   uint64_t last_tag;
   wrn_status last_status;
   wrn_handle sock;
   wrn_handle links[PROBE_LINKS_MAX];
   uint32_t link_count;
   wrn_handle peers[PROBE_LINKS_MAX];
   uint32_t peer_count;
   struct probe* next; /* of the living */
} probe;

/* All hooks may be NULL. They call the host through PROBE_HOST, which is how re-entrance is
 * noticed. */
typedef struct probe_script {
   wrn_status init, configure, start, open;
   const char* text;       /* of the error that comes with a status */
   const char* key;        /* whose place goes into the error of configure */
   uint32_t links_come_up; /* open() says WRN_LINK_UP */
   uint32_t roomless;      /* room() is 0 */
   void (*on_init)(probe* p);
   void (*on_configure)(probe* p, const wrn_conf* conf);
   void (*on_start)(probe* p);
   void (*on_stop)(probe* p);
   void (*on_timer)(probe* p, wrn_handle timer, uint64_t tag);
   void (*on_close)(probe* p, wrn_handle link);
   void (*on_tx)(probe* p, wrn_handle link, wrn_pkt* pkts,
                 uint32_t n);                            /* takes the packets; NULL = frees them */
   void (*on_recv)(probe* p, wrn_pkt* pkts, uint32_t n); /* likewise */
   void (*on_peer)(probe* p, wrn_handle peer);
   void (*on_unreachable)(probe* p, wrn_handle peer);
} probe_script;

#define PROBE_HOST(p, call) ((p)->in_host++, (call), (p)->in_host--)

extern probe_script probe_behaviour;
extern const wrn_entry probe_entry;
extern const wrn_plugin_desc probe_transport_desc, probe_discovery_desc;
/* The newest living instance of the kind, or NULL. */
probe* probe_newest(uint32_t kind);

WRN_END
#endif
