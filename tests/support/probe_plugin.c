#include "tests/support/probe_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

probe_script probe_behaviour;
static probe* living;

static const wrn_param params[] = {
      {"flag", WRN_P_BOOL, 0, NULL, "true", "A switch."},
      {"count", WRN_P_INT, 0, "1..100", "7", "A number."},
      {"share", WRN_P_FLOAT, 0, NULL, "0.5", "A fraction."},
      {"word", WRN_P_STRING, 0, NULL, NULL, "A text without default."},
      {"mode", WRN_P_ENUM, 0, "slow|fast", "\"slow\"", "A choice."},
      {"pause", WRN_P_DURATION, 0, "0s..1h", "\"250ms\"", "A duration."},
      {"list", WRN_P_STRINGS, 0, NULL, NULL, "Texts."},
      {NULL, 0, 0, NULL, NULL, NULL}};

static const wrn_metric metrics[] = {{"a_total", "A counter.", WRN_METRIC_COUNTER, 0},
                                     {"level", "A gauge.", WRN_METRIC_GAUGE, 0},
                                     {NULL, NULL, 0, 0}};

const wrn_plugin_desc probe_transport_desc = {"org.warren.test.probe-transport",
                                              "probe",
                                              "Warren",
                                              "1.0",
                                              "Apache-2.0",
                                              "Does what the test says.",
                                              WRN_KIND_TRANSPORT,
                                              0,
                                              WRN_CAP_DETERMINISTIC,
                                              params,
                                              NULL,
                                              metrics};
const wrn_plugin_desc probe_discovery_desc = {"org.warren.test.probe-discovery",
                                              "probe",
                                              "Warren",
                                              "1.0",
                                              "Apache-2.0",
                                              "Does what the test says.",
                                              WRN_KIND_DISCOVERY,
                                              0,
                                              WRN_CAP_DETERMINISTIC,
                                              params,
                                              NULL,
                                              metrics};

static probe* self(const wrn_plugin* plugin) { return (probe*)plugin->data; }

/* Every callback begins here. */
static probe* enter(const wrn_plugin* plugin) {
   probe* p = self(plugin);
   if (p->in_host != 0) p->reentered++;
   if (p->active == 0) p->while_ended++;
   return p;
}

static wrn_status answer(wrn_status status, wrn_error* error) {
   if (status != WRN_OK && probe_behaviour.text != NULL)
      snprintf(error->text, sizeof error->text, "%s", probe_behaviour.text);
   return status;
}

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   if (probe_behaviour.on_init != NULL) probe_behaviour.on_init(self(plugin));
   return answer(probe_behaviour.init, error);
}

static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   probe* p = self(plugin);
   if (probe_behaviour.on_configure != NULL) probe_behaviour.on_configure(p, conf);
   if (probe_behaviour.configure != WRN_OK && probe_behaviour.key != NULL)
      p->conf->where(conf, probe_behaviour.key, error);
   return answer(probe_behaviour.configure, error);
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   probe* p = self(plugin);
   if (probe_behaviour.on_start != NULL) probe_behaviour.on_start(p);
   if (probe_behaviour.start == WRN_OK) p->active = 1;
   return answer(probe_behaviour.start, error);
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) {
   (void)deadline;
   enter(plugin);
}

static void stop(const wrn_plugin* plugin) {
   probe* p = enter(plugin);
   p->stops++;
   if (probe_behaviour.on_stop != NULL) probe_behaviour.on_stop(p);
   p->active = 0;
   p->link_count = 0;
}

static void destroy(const wrn_plugin* plugin) {
   probe* p = self(plugin);
   probe** at = &living;
   while (*at != p)
      at = &(*at)->next;
   *at = p->next;
   free(p);
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   probe* p = enter(plugin);
   p->timers++;
   p->last_tag = tag;
   if (probe_behaviour.on_timer != NULL) probe_behaviour.on_timer(p, timer, tag);
}

static void on_event(const wrn_plugin* plugin, const wrn_event* event) {
   (void)event;
   enter(plugin);
}

/* --- transport
 * ---------------------------------------------------------------------------------------- */

static void limits(const wrn_plugin* plugin, wrn_transport_limits* out) {
   (void)plugin;
   memset(out, 0, sizeof *out);
}

static wrn_status open_link(const wrn_plugin* plugin, wrn_handle link, const wrn_link_params* q) {
   probe* p = enter(plugin);
   (void)q;
   if (probe_behaviour.open != WRN_OK) return probe_behaviour.open;
   if (p->link_count == PROBE_LINKS_MAX) return WRN_E_LIMIT;
   p->links[p->link_count++] = link;
   if (probe_behaviour.links_come_up != 0)
      PROBE_HOST(p, p->link->state(p->host, link, WRN_LINK_UP, WRN_OK));
   return WRN_OK;
}

static wrn_status update(const wrn_plugin* plugin, wrn_handle link, const wrn_link_params* q) {
   (void)link, (void)q;
   enter(plugin);
   return WRN_OK;
}

static void close_link(const wrn_plugin* plugin, wrn_handle link) {
   probe* p = enter(plugin);
   uint32_t i;
   for (i = 0; i < p->link_count; i++)
      if (p->links[i] == link) p->links[i] = p->links[--p->link_count];
   if (probe_behaviour.on_close != NULL) probe_behaviour.on_close(p, link);
}

static wrn_status set_path(const wrn_plugin* plugin, wrn_handle link, const wrn_addr* remote) {
   (void)link, (void)remote;
   enter(plugin);
   return WRN_OK;
}

static void connect_link(const wrn_plugin* plugin, wrn_handle link) {
   (void)link;
   enter(plugin);
}

static uint32_t room(const wrn_plugin* plugin, wrn_handle link) {
   (void)link;
   enter(plugin);
   return probe_behaviour.roomless != 0 ? 0 : WRN_BATCH_MAX;
}

static void tx(const wrn_plugin* plugin, wrn_handle link, wrn_pkt* pkts, uint32_t n) {
   probe* p = enter(plugin);
   p->sent += n;
   if (probe_behaviour.on_tx != NULL)
      probe_behaviour.on_tx(p, link, pkts, n);
   else
      p->host->pkt_free(p->host, pkts, n);
}

static wrn_status stats(const wrn_plugin* plugin, wrn_handle link, wrn_link_stats* out) {
   uint32_t size = out->size;
   (void)link;
   enter(plugin);
   memset(out, 0, sizeof *out);
   out->size = size;
   out->state = probe_behaviour.links_come_up != 0 ? WRN_LINK_UP : WRN_LINK_DOWN;
   return WRN_OK;
}

static const wrn_transport transport_table = {limits,       open_link, update, close_link, set_path,
                                              connect_link, room,      tx,     stats};

static void on_bound(const wrn_plugin* plugin, wrn_handle sock) { enter(plugin)->sock = sock; }

static void on_recv(const wrn_plugin* plugin, wrn_handle sock, wrn_pkt* pkts, uint32_t n) {
   probe* p = enter(plugin);
   (void)sock;
   if (probe_behaviour.on_recv != NULL)
      probe_behaviour.on_recv(p, pkts, n);
   else
      p->host->pkt_free(p->host, pkts, n);
}

static void on_writable(const wrn_plugin* plugin, wrn_handle sock) {
   probe* p = enter(plugin);
   uint32_t i;
   (void)sock;
   for (i = 0; i < p->link_count; i++)
      PROBE_HOST(p, p->link->writable(p->host, p->links[i]));
}

static const wrn_udp udp_table = {on_bound, on_recv, on_writable};

/* --- discovery
 * ---------------------------------------------------------------------------------------- */

static void on_peer(const wrn_plugin* plugin, wrn_handle peer, const wrn_str* configured,
                    uint32_t n) {
   probe* p = enter(plugin);
   (void)configured, (void)n;
   if (p->peer_count < PROBE_LINKS_MAX) p->peers[p->peer_count++] = peer;
   if (probe_behaviour.on_peer != NULL) probe_behaviour.on_peer(p, peer);
}

static void on_peer_gone(const wrn_plugin* plugin, wrn_handle peer) {
   (void)peer;
   enter(plugin);
}

static void on_unreachable(const wrn_plugin* plugin, wrn_handle peer) {
   probe* p = enter(plugin);
   if (probe_behaviour.on_unreachable != NULL) probe_behaviour.on_unreachable(p, peer);
}

static const wrn_discovery discovery_table = {on_peer, on_peer_gone, on_unreachable};

static void on_resolved(const wrn_plugin* plugin, uint64_t tag, wrn_status status,
                        const wrn_addr* addrs, uint32_t n) {
   probe* p = enter(plugin);
   (void)addrs, (void)n;
   p->resolved++;
   p->last_tag = tag;
   p->last_status = status;
}

static const wrn_resolve resolve_table = {on_resolved};

/* --- module
 * ------------------------------------------------------------------------------------------- */

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   const int transport = plugin->desc == &probe_transport_desc;
   if (transport && strcmp(id, WRN_EXT_TRANSPORT) == 0) return &transport_table;
   if (transport && strcmp(id, WRN_EXT_UDP) == 0) return &udp_table;
   if (!transport && strcmp(id, WRN_EXT_DISCOVERY) == 0) return &discovery_table;
   if (strcmp(id, WRN_EXT_RESOLVE) == 0) return &resolve_table;
   return NULL;
}

static const wrn_plugin* create(const wrn_host* host, const char* id) {
   const wrn_plugin_desc* desc = strcmp(id, probe_transport_desc.id) == 0   ? &probe_transport_desc
                                 : strcmp(id, probe_discovery_desc.id) == 0 ? &probe_discovery_desc
                                                                            : NULL;
   probe* p = desc != NULL ? (probe*)calloc(1, sizeof *p) : NULL;
   if (p == NULL) return NULL;
   p->host = host;
   p->conf = (const wrn_host_conf*)host->get_ext(host, WRN_HOST_CONF);
   p->udp = (const wrn_host_udp*)host->get_ext(host, WRN_HOST_UDP);
   p->link = (const wrn_host_link*)host->get_ext(host, WRN_HOST_LINK);
   p->identity = (const wrn_host_identity*)host->get_ext(host, WRN_HOST_IDENTITY);
   p->metrics = (const wrn_host_metrics*)host->get_ext(host, WRN_HOST_METRICS);
   p->resolve = (const wrn_host_resolve*)host->get_ext(host, WRN_HOST_RESOLVE);
   p->discovery = (const wrn_host_discovery*)host->get_ext(host, WRN_HOST_DISCOVERY);
   p->plugin.desc = desc;
   p->plugin.data = p;
   p->plugin.init = init;
   p->plugin.configure = configure;
   p->plugin.start = start;
   p->plugin.drain = drain;
   p->plugin.stop = stop;
   p->plugin.destroy = destroy;
   p->plugin.get_ext = get_ext;
   p->plugin.on_timer = on_timer;
   p->plugin.on_event = on_event;
   p->next = living;
   living = p;
   return &p->plugin;
}

probe* probe_newest(uint32_t kind) {
   probe* p = living;
   while (p != NULL && p->plugin.desc->kind != kind)
      p = p->next;
   return p;
}

static uint32_t count(void) { return 2; }
static const wrn_plugin_desc* desc(uint32_t i) {
   return i == 0 ? &probe_transport_desc : i == 1 ? &probe_discovery_desc : NULL;
}
static const wrn_factory factory = {count, desc, create};

static wrn_status entry_init(const char* path) {
   (void)path;
   return WRN_OK;
}
static void entry_deinit(void) {}
static const void* get_factory(const char* id) {
   return strcmp(id, WRN_FACTORY) == 0 ? &factory : NULL;
}

const wrn_entry probe_entry = {WRN_ABI_MAJOR, WRN_ABI_MINOR, entry_init, entry_deinit, get_factory};
