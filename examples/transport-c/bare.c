/* bare: the least that carries packets. An inner packet is the payload of a UDP datagram, nothing
 * more, and the sender's address says which peer it is. Nothing is sealed and nothing proved, so
 * the operator has to allow it.
 *
 * All memory is in the instance; a peer beyond the sixteenth is refused. Everything runs on the
 * instance's strand. */
#include <warren/ext/transport.h>
#include <warren/host/udp.h>

#include <stdlib.h>
#include <string.h>

enum { LINKS_MAX = 16 };

typedef struct link {
   wrn_handle handle; /* 0 = this place is free */
   wrn_key key;       /* of the peer: one link each */
   wrn_link_stats stats;
} link;

typedef struct instance {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_udp* udp;
   const wrn_host_link* core;
   wrn_handle sock;
   link links[LINKS_MAX];
} instance;

static const char* const needs[] = {WRN_HOST_UDP, WRN_HOST_LINK, NULL};
static const wrn_plugin_desc description = {"org.warren.example.bare",
                                            "bare",
                                            "Warren",
                                            "0.1.0",
                                            "Apache-2.0",
                                            "IP packets as the payload of UDP, for an example.",
                                            WRN_KIND_TRANSPORT,
                                            0,
                                            WRN_CAP_DETERMINISTIC,
                                            NULL,
                                            needs,
                                            NULL};

static instance* self(const wrn_plugin* plugin) { return (instance*)plugin->data; }

static link* find(instance* s, wrn_handle handle) {
   for (link* l = s->links; l < s->links + LINKS_MAX; l++)
      if (l->handle == handle) return l;
   return NULL;
}

static link* find_sender(instance* s, const wrn_addr* from) {
   for (link* l = s->links; l < s->links + LINKS_MAX; l++) {
      const wrn_addr* at = &l->stats.remote;
      if (l->handle != 0 && at->family == from->family && at->port == from->port &&
          memcmp(at->ip, from->ip, sizeof at->ip) == 0)
         return l;
   }
   return NULL;
}

static void set_state(instance* s, link* l, uint32_t state) {
   if (l->stats.state == state) return;
   l->stats.state = state;
   s->core->state(s->host, l->handle, state, WRN_OK);
}

static void limits(const wrn_plugin* plugin, wrn_transport_limits* out) {
   (void)plugin;
   memset(out, 0, sizeof *out);
   out->flags = WRN_TF_PLAINTEXT;
}

static wrn_status set_path(const wrn_plugin* plugin, wrn_handle handle, const wrn_addr* remote) {
   link* l = handle == 0 ? NULL : find(self(plugin), handle);
   if (l == NULL) return WRN_E_NOT_FOUND;
   l->stats.remote = *remote;
   if (remote->family != WRN_AF_NONE) set_state(self(plugin), l, WRN_LINK_UP);
   return WRN_OK;
}

static wrn_status open_link(const wrn_plugin* plugin, wrn_handle handle,
                            const wrn_link_params* params) {
   link* l;
   if (find(self(plugin), handle) != NULL) return WRN_E_EXISTS;
   for (l = self(plugin)->links; l < self(plugin)->links + LINKS_MAX; l++)
      if (l->handle != 0 && memcmp(&l->key, &params->tunnel_key, sizeof l->key) == 0)
         return WRN_E_EXISTS;
   l = find(self(plugin), 0);
   if (l == NULL) return WRN_E_LIMIT;
   memset(l, 0, sizeof *l);
   l->handle = handle;
   l->key = params->tunnel_key;
   return set_path(plugin, handle, &params->remote);
}

static wrn_status update(const wrn_plugin* plugin, wrn_handle handle,
                         const wrn_link_params* params) {
   (void)params;
   return handle == 0 || find(self(plugin), handle) == NULL ? WRN_E_NOT_FOUND : WRN_OK;
}

static void close_link(const wrn_plugin* plugin, wrn_handle handle) {
   link* l = find(self(plugin), handle);
   if (l != NULL) l->handle = 0;
}

static void connect_link(const wrn_plugin* plugin, wrn_handle handle) {
   (void)plugin, (void)handle;
}

static uint32_t room(const wrn_plugin* plugin, wrn_handle handle) {
   instance* s = self(plugin);
   (void)handle;
   return s->sock == 0 ? 0 : s->udp->room(s->host, s->sock);
}

static void tx(const wrn_plugin* plugin, wrn_handle handle, wrn_pkt* pkts, uint32_t n) {
   instance* s = self(plugin);
   link* l = handle == 0 ? NULL : find(s, handle);
   if (l == NULL || s->sock == 0 || l->stats.remote.family == WRN_AF_NONE) {
      s->host->pkt_drop(s->host, 0, pkts, n, WRN_DROP_NO_LINK);
      return;
   }
   for (uint32_t i = 0; i < n; i++) {
      pkts[i].addr = l->stats.remote;
      pkts[i].local = 0;
      l->stats.tx_packets++;
      l->stats.tx_bytes += pkts[i].len;
   }
   s->udp->send(s->host, s->sock, pkts, n);
}

static wrn_status stats(const wrn_plugin* plugin, wrn_handle handle, wrn_link_stats* out) {
   const link* l = handle == 0 ? NULL : find(self(plugin), handle);
   const uint32_t size = out->size;
   if (l == NULL) return WRN_E_NOT_FOUND;
   memcpy(out, &l->stats, size < sizeof l->stats ? size : sizeof l->stats);
   out->size = size;
   return WRN_OK;
}

static const wrn_transport transport = {limits,       open_link, update, close_link, set_path,
                                        connect_link, room,      tx,     stats};

static void on_bound(const wrn_plugin* plugin, wrn_handle sock) { self(plugin)->sock = sock; }

static void on_recv(const wrn_plugin* plugin, wrn_handle sock, wrn_pkt* pkts, uint32_t n) {
   instance* s = self(plugin);
   (void)sock;
   for (uint32_t i = 0; i < n; i++) {
      link* l = find_sender(s, &pkts[i].addr);
      if (l == NULL) {
         s->host->pkt_drop(s->host, 0, &pkts[i], 1, WRN_DROP_NO_LINK);
         continue;
      }
      l->stats.rx_packets++;
      l->stats.rx_bytes += pkts[i].len;
      l->stats.last_heard = s->host->now(s->host);
      s->core->deliver(s->host, l->handle, &pkts[i], 1);
   }
}

static void on_writable(const wrn_plugin* plugin, wrn_handle sock) {
   instance* s = self(plugin);
   (void)sock;
   for (const link* l = s->links; l < s->links + LINKS_MAX; l++)
      if (l->handle != 0) s->core->writable(s->host, l->handle);
}

static const wrn_udp udp = {on_bound, on_recv, on_writable};

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   s->udp = (const wrn_host_udp*)s->host->get_ext(s->host, WRN_HOST_UDP);
   s->core = (const wrn_host_link*)s->host->get_ext(s->host, WRN_HOST_LINK);
   return s->udp != NULL && s->core != NULL ? WRN_OK : WRN_E_UNSUPPORTED;
}

static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   return (void)plugin, (void)conf, (void)error, WRN_OK;
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   return (void)plugin, (void)error, WRN_OK;
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) { (void)plugin, (void)deadline; }

static void stop(const wrn_plugin* plugin) {
   self(plugin)->sock = 0;
   memset(self(plugin)->links, 0, sizeof self(plugin)->links);
}

static void destroy(const wrn_plugin* plugin) { free(self(plugin)); }

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   (void)plugin;
   if (strcmp(id, WRN_EXT_TRANSPORT) == 0) return &transport;
   if (strcmp(id, WRN_EXT_UDP) == 0) return &udp;
   return NULL;
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   (void)plugin, (void)timer, (void)tag;
}

static uint32_t count(void) { return 1; }
static const wrn_plugin_desc* desc(uint32_t index) { return index == 0 ? &description : NULL; }

static const wrn_plugin* create(const wrn_host* host, const char* id) {
   instance* s = NULL;
   if (strcmp(id, description.id) == 0) s = (instance*)calloc(1, sizeof *s);
   if (s == NULL) return NULL;
   s->host = host;
   s->plugin = (wrn_plugin){&description, s,       init,    configure, start, drain,
                            stop,         destroy, get_ext, on_timer,  NULL};
   return &s->plugin;
}

static const wrn_factory factory = {count, desc, create};
static wrn_status module_init(const char* path) { return (void)path, WRN_OK; }
static void module_deinit(void) {}
static const void* get_factory(const char* id) {
   return strcmp(id, WRN_FACTORY) == 0 ? &factory : NULL;
}

WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0 = {WRN_ABI_MAJOR, WRN_ABI_MINOR, module_init, module_deinit,
                               get_factory};
