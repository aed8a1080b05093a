/* my-plugin: a transport in plain C. It carries packets over UDP and protects nothing yet, which
 * WRN_TF_PLAINTEXT says: an operator has to write allow_plaintext = true. Seal in tx(), open in
 * on_recv(), prove the sender's key there, and then take the flag away.
 *
 * Everything runs on the instance's strand, so nothing is locked. Links lie in an array that is
 * searched in order: take a hash table when you expect more than some dozens of peers. */
#include <warren/ext/transport.h>
#include <warren/host/identity.h>
#include <warren/host/udp.h>

#include <stdlib.h>
#include <string.h>

/* On the wire: | channel (1) | first bytes of the sender's tunnel key (8) | packet | */
enum { TAG_BYTES = 8, HEADER_BYTES = 9 };

typedef struct link {
   wrn_handle handle, peer;
   uint8_t tag[TAG_BYTES];
   uint32_t local; /* which of our addresses the peer spoke to; answers come from it */
   wrn_link_stats stats;
} link;

typedef struct instance {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_conf* conf;
   const wrn_host_udp* udp;
   const wrn_host_link* links_of_host;
   const wrn_host_identity* identity;
   uint8_t channel, own_tag[TAG_BYTES];
   wrn_handle sock;
   link* links;
   uint32_t count, capacity;
} instance;

static const wrn_param params[] = {
      {"channel", WRN_P_INT, 0, "0..255", "0", "Datagrams of other channels are dropped."},
      {NULL, 0, 0, NULL, NULL, NULL}};
/* Host tables without which nothing is tried. */
static const char* const needs[] = {WRN_HOST_CONF, WRN_HOST_UDP, WRN_HOST_LINK, WRN_HOST_IDENTITY,
                                    NULL};
static const wrn_plugin_desc description = {"org.example.my-plugin",
                                            "my-plugin",
                                            "Example",
                                            "0.1.0",
                                            "MIT-0",
                                            "Carries packets over UDP without protection.",
                                            WRN_KIND_TRANSPORT,
                                            0,
                                            WRN_CAP_DETERMINISTIC,
                                            params,
                                            needs,
                                            NULL};

static instance* self(const wrn_plugin* plugin) { return (instance*)plugin->data; }

static link* find(instance* s, wrn_handle handle) {
   for (uint32_t i = 0; i < s->count; i++)
      if (s->links[i].handle == handle) return &s->links[i];
   return NULL;
}

static link* find_tag(instance* s, const uint8_t* tag) {
   for (uint32_t i = 0; i < s->count; i++)
      if (memcmp(s->links[i].tag, tag, TAG_BYTES) == 0) return &s->links[i];
   return NULL;
}

static int same(const wrn_addr* a, const wrn_addr* b) {
   return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
          memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static void read_identity(instance* s) {
   wrn_key key;
   s->identity->tunnel_key(s->host, &key);
   memcpy(s->own_tag, key.bytes, TAG_BYTES);
}

static void set_state(instance* s, link* l, uint32_t state) {
   if (l->stats.state == state) return;
   l->stats.state = state;
   s->links_of_host->state(s->host, l->handle, state, WRN_OK);
}

/* --- links: the core opens one for each peer
 * ----------------------------------------------------------- */

static void limits(const wrn_plugin* plugin, wrn_transport_limits* out) {
   (void)plugin;
   out->flags = WRN_TF_PLAINTEXT | WRN_TF_ROAMS_REMOTE;
   out->headroom = out->overhead = HEADER_BYTES;
   out->tailroom = 0;
}

static wrn_status set_path(const wrn_plugin* plugin, wrn_handle handle, const wrn_addr* remote) {
   link* l = find(self(plugin), handle);
   if (l == NULL) return WRN_E_NOT_FOUND;
   l->stats.remote = *remote;
   /* There is no handshake: a link is up as soon as it knows where to send. */
   if (remote->family != WRN_AF_NONE) set_state(self(plugin), l, WRN_LINK_UP);
   return WRN_OK;
}

static wrn_status open_link(const wrn_plugin* plugin, wrn_handle handle, const wrn_link_params* q) {
   instance* s = self(plugin);
   link* l;
   if (find(s, handle) != NULL || find_tag(s, q->tunnel_key.bytes) != NULL) return WRN_E_EXISTS;
   if (s->count == s->capacity) {
      const uint32_t capacity = s->capacity == 0 ? 8 : s->capacity * 2;
      link* const more = (link*)realloc(s->links, capacity * sizeof *more);
      if (more == NULL) return WRN_E_NOMEM;
      s->links = more;
      s->capacity = capacity;
   }
   l = &s->links[s->count++];
   memset(l, 0, sizeof *l);
   l->handle = handle;
   l->peer = q->peer;
   memcpy(l->tag, q->tunnel_key.bytes, TAG_BYTES);
   return set_path(plugin, handle, &q->remote);
}

static wrn_status update(const wrn_plugin* plugin, wrn_handle handle, const wrn_link_params* q) {
   (void)q; /* no preshared key, no keepalive here */
   return find(self(plugin), handle) == NULL ? WRN_E_NOT_FOUND : WRN_OK;
}

static void close_link(const wrn_plugin* plugin, wrn_handle handle) {
   instance* s = self(plugin);
   link* l = find(s, handle);
   if (l != NULL) *l = s->links[--s->count];
}

static void connect_link(const wrn_plugin* plugin, wrn_handle handle) {
   (void)plugin, (void)handle;
}

static uint32_t room(const wrn_plugin* plugin, wrn_handle handle) {
   instance* s = self(plugin);
   (void)handle;
   return s->sock == 0 ? 0 : s->udp->room(s->host, s->sock);
}

/* The packets are ours from here on: send them, keep them, or drop them with a reason. */
static void tx(const wrn_plugin* plugin, wrn_handle handle, wrn_pkt* pkts, uint32_t n) {
   instance* s = self(plugin);
   link* l = find(s, handle);
   if (l == NULL || s->sock == 0 || l->stats.remote.family == WRN_AF_NONE) {
      s->host->pkt_drop(s->host, l == NULL ? 0 : l->peer, pkts, n, WRN_DROP_NO_LINK);
      return;
   }
   for (uint32_t i = 0; i < n; i++) {
      wrn_pkt* p = &pkts[i];
      p->off -= HEADER_BYTES; /* the headroom that limits() asked for */
      p->len += HEADER_BYTES;
      p->buf[p->off] = s->channel;
      memcpy(p->buf + p->off + 1, s->own_tag, TAG_BYTES);
      p->addr = l->stats.remote;
      p->local = l->local;
      l->stats.tx_packets++;
      l->stats.tx_bytes += p->len;
   }
   s->udp->send(s->host, s->sock, pkts, n);
}

static wrn_status stats(const wrn_plugin* plugin, wrn_handle handle, wrn_link_stats* out) {
   const link* l = find(self(plugin), handle);
   const uint32_t size = out->size;
   if (l == NULL) return WRN_E_NOT_FOUND;
   /* The table grows at its end: fill what the caller has room for. */
   memcpy(out, &l->stats, size < sizeof l->stats ? size : sizeof l->stats);
   out->size = size;
   return WRN_OK;
}

static const wrn_transport transport = {limits,       open_link, update, close_link, set_path,
                                        connect_link, room,      tx,     stats};

/* --- the socket: the host opens it from `listen`
 * ------------------------------------------------------- */

static void on_bound(const wrn_plugin* plugin, wrn_handle sock) { self(plugin)->sock = sock; }

static void receive(instance* s, wrn_pkt* p) {
   const uint8_t* const header = p->buf + p->off;
   link* l = NULL;
   if (p->len > HEADER_BYTES && header[0] == s->channel) l = find_tag(s, header + 1);
   if (l == NULL) {
      s->host->pkt_drop(s->host, 0, p, 1, WRN_DROP_NO_LINK);
      return;
   }
   l->local = p->local;
   l->stats.last_heard = s->host->now(s->host);
   l->stats.rx_packets++;
   l->stats.rx_bytes += p->len;
   if (!same(&l->stats.remote, &p->addr)) {
      l->stats.remote = p->addr;
      s->links_of_host->moved(s->host, l->handle, &p->addr);
   }
   set_state(s, l, WRN_LINK_UP);
   p->off += HEADER_BYTES;
   p->len -= HEADER_BYTES;
   s->links_of_host->deliver(s->host, l->handle, p, 1);
}

static void on_recv(const wrn_plugin* plugin, wrn_handle sock, wrn_pkt* pkts, uint32_t n) {
   (void)sock;
   for (uint32_t i = 0; i < n; i++)
      receive(self(plugin), &pkts[i]);
}

static void on_writable(const wrn_plugin* plugin, wrn_handle sock) {
   instance* s = self(plugin);
   (void)sock;
   for (uint32_t i = 0; i < s->count; i++)
      s->links_of_host->writable(s->host, s->links[i].handle);
}

static const wrn_udp udp = {on_bound, on_recv, on_writable};

/* --- the instance
 * -------------------------------------------------------------------------------------- */

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   s->conf = (const wrn_host_conf*)s->host->get_ext(s->host, WRN_HOST_CONF);
   s->udp = (const wrn_host_udp*)s->host->get_ext(s->host, WRN_HOST_UDP);
   s->links_of_host = (const wrn_host_link*)s->host->get_ext(s->host, WRN_HOST_LINK);
   s->identity = (const wrn_host_identity*)s->host->get_ext(s->host, WRN_HOST_IDENTITY);
   return s->conf != NULL && s->udp != NULL && s->links_of_host != NULL && s->identity != NULL
                ? WRN_OK
                : WRN_E_UNSUPPORTED;
}

/* The host has checked types and ranges and filled in defaults. */
static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   int64_t channel = 0;
   (void)error;
   self(plugin)->conf->get_int(conf, "channel", &channel);
   self(plugin)->channel = (uint8_t)channel;
   return WRN_OK;
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   (void)error;
   read_identity(self(plugin));
   return WRN_OK;
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) { (void)plugin, (void)deadline; }

static void stop(const wrn_plugin* plugin) {
   self(plugin)->count = 0;
   self(plugin)->sock = 0;
}

static void destroy(const wrn_plugin* plugin) {
   instance* s = self(plugin);
   free(s->links);
   free(s);
}

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   (void)plugin;
   if (strcmp(id, WRN_EXT_TRANSPORT) == 0) return &transport;
   if (strcmp(id, WRN_EXT_UDP) == 0) return &udp;
   return NULL;
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   (void)plugin, (void)timer, (void)tag;
}

static void on_event(const wrn_plugin* plugin, const wrn_event* event) {
   if (event->type == WRN_EV_IDENTITY_CHANGED) read_identity(self(plugin));
}

/* --- the module
 * ---------------------------------------------------------------------------------------- */

static uint32_t count(void) { return 1; }
static const wrn_plugin_desc* desc(uint32_t index) { return index == 0 ? &description : NULL; }

static const wrn_plugin* create(const wrn_host* host, const char* id) {
   instance* s = NULL;
   if (strcmp(id, description.id) == 0) s = (instance*)calloc(1, sizeof *s);
   if (s == NULL) return NULL;
   s->host = host;
   s->plugin = (wrn_plugin){&description, s,       init,    configure, start,   drain,
                            stop,         destroy, get_ext, on_timer,  on_event};
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
