/* my-plugin: a routing in plain C. Each relay tells its neighbours every few seconds who its other
 * neighbours are, and a member that is no neighbour is reached through whoever named it: ways of
 * two links. Yours may look further.
 *
 * A message is a list of node ids, 32 bytes each. Everything runs on the instance's strand, so
 * nothing is locked. */
#include <warren/ext/routing.h>
#include <warren/host/members.h>
#include <warren/host/message.h>

#include <stdlib.h>
#include <string.h>

enum { NEIGHBORS_MAX = 64, IDS_MAX = WRN_MESSAGE_MAX / 32 };

typedef struct neighbor {
   wrn_handle peer;
   uint32_t cost;
   uint32_t count; /* of what it named last */
   wrn_time until; /* believed as long */
   wrn_key ids[IDS_MAX];
} neighbor;

typedef struct instance {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_conf* conf;
   const wrn_host_members* members;
   const wrn_host_message* messages;
   const wrn_host_route* routes;
   uint64_t interval_ns;
   wrn_handle timer;
   uint32_t count;
   neighbor neighbors[NEIGHBORS_MAX];
} instance;

static const wrn_param params[] = {{"interval", WRN_P_DURATION, 0, "1s..1m", "\"5s\"",
                                    "How often neighbours hear who our neighbours are."},
                                   {NULL, 0, 0, NULL, NULL, NULL}};
static const char* const needs[] = {WRN_HOST_CONF, WRN_HOST_MEMBERS, WRN_HOST_MESSAGE,
                                    WRN_HOST_ROUTE, NULL};
static const wrn_plugin_desc description = {.id = "org.example.my-plugin",
                                            .name = "my-plugin",
                                            .vendor = "Example",
                                            .version = "0.1.0",
                                            .license = "MIT-0",
                                            .summary = "Finds ways of two links.",
                                            .kind = WRN_KIND_ROUTING,
                                            .caps = WRN_CAP_DETERMINISTIC,
                                            .params = params,
                                            .needs = needs};

static instance* self(const wrn_plugin* plugin) { return (instance*)plugin->data; }

static neighbor* find(instance* s, wrn_handle peer) {
   for (uint32_t i = 0; i < s->count; i++)
      if (s->neighbors[i].peer == peer) return &s->neighbors[i];
   return NULL;
}

/* One way per member and naming neighbour, at most as many as the host takes. */
static void publish(instance* s) {
   static const uint32_t ways_max = 4;
   wrn_route* all = (wrn_route*)calloc((size_t)s->count * IDS_MAX + 1, sizeof *all);
   uint32_t n = 0;
   if (all == NULL) return;
   for (uint32_t i = 0; i < s->count; i++) {
      const neighbor* via = &s->neighbors[i];
      for (uint32_t k = 0; k < via->count && via->until > s->host->now(s->host); k++) {
         const wrn_handle to = s->members->by_node_id(s->host, &via->ids[k]); /* 0: a stranger */
         uint32_t same = 0;
         int twice = 0;
         for (uint32_t j = 0; j < n; j++)
            if (all[j].destination == to) {
               same++;
               twice |= all[j].next_hop == via->peer;
            }
         if (to == 0 || to == via->peer || find(s, to) != NULL || same == ways_max || twice)
            continue;
         all[n].destination = to;
         all[n].next_hop = via->peer;
         all[n].metric = via->cost;
         all[n++].weight = 1;
      }
   }
   s->routes->publish(s->host, all, n);
   free(all);
}

static void tell(instance* s, wrn_handle peer) {
   wrn_key ids[IDS_MAX];
   uint32_t n = 0;
   wrn_bytes message;
   if (!s->routes->relays(s->host)) return; /* who passes nothing on has nothing to promise */
   for (uint32_t i = 0; i < s->count && n < IDS_MAX; i++) {
      wrn_member m = {0};
      m.size = sizeof m;
      if (s->neighbors[i].peer != peer &&
          s->members->info(s->host, s->neighbors[i].peer, &m) == WRN_OK)
         ids[n++] = m.node_id;
   }
   message.ptr = ids[0].bytes;
   message.len = (size_t)n * sizeof *ids;
   s->messages->send(s->host, peer, message); /* an empty list takes back what was said */
}

static void on_neighbor(const wrn_plugin* plugin, wrn_handle peer, uint32_t cost) {
   instance* s = self(plugin);
   neighbor* n = find(s, peer);
   if (cost == WRN_COST_INFINITE) {
      if (n != NULL) *n = s->neighbors[--s->count];
   } else {
      if (n == NULL && s->count < NEIGHBORS_MAX) {
         n = &s->neighbors[s->count++];
         memset(n, 0, sizeof *n);
         n->peer = peer;
      }
      if (n != NULL) n->cost = cost;
   }
   publish(s);
}

static const wrn_routing routing = {on_neighbor};

/* Written by another member: it may say what it likes, and only ways through itself follow. */
static void on_message(const wrn_plugin* plugin, wrn_handle peer, wrn_bytes message) {
   instance* s = self(plugin);
   neighbor* n = find(s, peer);
   if (n == NULL || message.len % sizeof(wrn_key) != 0 || message.len > sizeof n->ids) return;
   n->count = (uint32_t)(message.len / sizeof(wrn_key));
   if (n->count > 0) memcpy(n->ids, message.ptr, message.len);
   n->until = s->host->now(s->host) + 3 * s->interval_ns;
   publish(s);
}

static const wrn_message messages = {on_message, NULL, NULL};

/* --- the instance ------------------------------------------------------------------------------
 */

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   s->conf = (const wrn_host_conf*)s->host->get_ext(s->host, WRN_HOST_CONF);
   s->members = (const wrn_host_members*)s->host->get_ext(s->host, WRN_HOST_MEMBERS);
   s->messages = (const wrn_host_message*)s->host->get_ext(s->host, WRN_HOST_MESSAGE);
   s->routes = (const wrn_host_route*)s->host->get_ext(s->host, WRN_HOST_ROUTE);
   return s->conf != NULL && s->members != NULL && s->messages != NULL && s->routes != NULL
                ? WRN_OK
                : WRN_E_UNSUPPORTED;
}

/* The host has checked types and ranges and filled in defaults. */
static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   int64_t interval = 0;
   (void)error;
   self(plugin)->conf->get_int(conf, "interval", &interval);
   self(plugin)->interval_ns = (uint64_t)interval;
   return WRN_OK;
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   instance* s = self(plugin);
   (void)timer, (void)tag;
   s->timer = 0;
   for (uint32_t i = 0; i < s->count; i++)
      tell(s, s->neighbors[i].peer);
   publish(s); /* without what has become too old */
   s->host->timer_set(s->host, &s->timer, s->host->now(s->host) + s->interval_ns, 0);
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   return s->host->timer_set(s->host, &s->timer, s->host->now(s->host) + s->interval_ns, 0);
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) { (void)plugin, (void)deadline; }

static void stop(const wrn_plugin* plugin) {
   instance* s = self(plugin);
   if (s->timer != 0) s->host->timer_cancel(s->host, s->timer);
   s->timer = 0;
   s->count = 0;
}

static void destroy(const wrn_plugin* plugin) { free(self(plugin)); }

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   (void)plugin;
   if (strcmp(id, WRN_EXT_ROUTING) == 0) return &routing;
   if (strcmp(id, WRN_EXT_MESSAGE) == 0) return &messages;
   return NULL;
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
