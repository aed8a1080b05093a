/* my-plugin: a discovery in plain C. It hears of peers with the endpoints that the operator wrote,
 * resolves the names and offers the addresses. Yours may ask somebody else instead: whatever it
 * learns, it says with offer(). Who is a member is the core's to decide.
 *
 * Everything runs on the instance's strand, so nothing is locked. */
#include <warren/ext/discovery.h>
#include <warren/host/resolve.h>

#include <stdlib.h>
#include <string.h>

enum {
   ENDPOINTS_MAX = 8,
   ADDRESSES_MAX = 2,
   TEXT_MAX = 256
}; /* 8 * 2 is what the host takes for a peer */

typedef struct endpoint {
   char text[TEXT_MAX];     /* as written: "wireguard://nas.example.net:51820" */
   wrn_str transport, host; /* parts of text */
   uint16_t port;
   uint8_t wanted;    /* to be asked for */
   uint64_t question; /* under way, 0 = none */
   uint32_t found;
   wrn_addr addresses[ADDRESSES_MAX]; /* the last answer */
} endpoint;

typedef struct peer {
   struct peer* next;
   wrn_handle handle;
   uint32_t count;
   endpoint endpoints[ENDPOINTS_MAX];
} peer;

typedef struct instance {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_conf* conf;
   const wrn_host_discovery* discovery;
   const wrn_host_resolve* resolve;
   uint64_t retry_ns, questions;
   wrn_handle timer;
   peer* peers;
} instance;

static const wrn_param params[] = {{"retry", WRN_P_DURATION, 0, "1s..1h", "\"5s\"",
                                    "How long after a failure a name is asked for again."},
                                   {NULL, 0, 0, NULL, NULL, NULL}};
/* Host tables without which nothing is tried. */
static const char* const needs[] = {WRN_HOST_CONF, WRN_HOST_DISCOVERY, WRN_HOST_RESOLVE, NULL};
static const wrn_plugin_desc description = {"org.example.my-plugin",
                                            "my-plugin",
                                            "Example",
                                            "0.1.0",
                                            "MIT-0",
                                            "Resolves the endpoints of the configuration.",
                                            WRN_KIND_DISCOVERY,
                                            0,
                                            WRN_CAP_DETERMINISTIC,
                                            params,
                                            needs,
                                            NULL};

static instance* self(const wrn_plugin* plugin) { return (instance*)plugin->data; }

static peer** find(instance* s, wrn_handle handle) {
   peer** at = &s->peers;
   while (*at != NULL && (*at)->handle != handle)
      at = &(*at)->next;
   return at;
}

/* "wireguard://nas.example.net:51820" or "wireguard://[2001:db8::1]:51820"; the host has checked
 * the text, so 0 is for the unforeseen. */
static int parse(endpoint* e, wrn_str text) {
   char *host, *colon, *at;
   memset(e, 0, sizeof *e);
   if (text.len >= sizeof e->text) return 0;
   memcpy(e->text, text.ptr, text.len);
   host = strstr(e->text, "://");
   colon = strrchr(e->text, ':');
   if (host == NULL || colon <= host) return 0;
   e->transport = (wrn_str){e->text, (size_t)(host - e->text)};
   host += 3;
   at = strchr(host, '@');
   if (at != NULL) host = at + 1;
   e->port = (uint16_t)strtoul(colon + 1, NULL, 10);
   if (*host == '[' && colon - host > 2) {
      host++;
      colon--;
   }
   if (colon <= host) return 0;
   e->host = (wrn_str){host, (size_t)(colon - host)};
   e->wanted = 1;
   return 1;
}

static void later(instance* s) {
   if (s->timer == 0)
      s->host->timer_set(s->host, &s->timer, s->host->now(s->host) + s->retry_ns, 0);
}

static void ask(instance* s) {
   for (peer* p = s->peers; p != NULL; p = p->next)
      for (uint32_t i = 0; i < p->count; i++) {
         endpoint* e = &p->endpoints[i];
         if (!e->wanted || e->question != 0) continue;
         if (s->resolve->resolve(s->host, e->host, e->port, ++s->questions) != WRN_OK) {
            later(s); /* too many under way */
            return;
         }
         e->wanted = 0;
         e->question = s->questions;
      }
}

static void offer(instance* s, const peer* p) {
   wrn_endpoint all[ENDPOINTS_MAX * ADDRESSES_MAX];
   uint32_t n = 0;
   for (uint32_t i = 0; i < p->count; i++)
      for (uint32_t k = 0; k < p->endpoints[i].found; k++)
         all[n++] = (wrn_endpoint){p->endpoints[i].transport, p->endpoints[i].addresses[k]};
   s->discovery->offer(s->host, p->handle, all, n);
}

static void on_peer(const wrn_plugin* plugin, wrn_handle handle, const wrn_str* configured,
                    uint32_t n) {
   instance* s = self(plugin);
   peer** at = find(s, handle);
   if (*at == NULL) *at = (peer*)calloc(1, sizeof **at);
   if (*at == NULL) return;
   (*at)->handle = handle;
   (*at)->count = 0;
   for (uint32_t i = 0; i < n && (*at)->count < ENDPOINTS_MAX; i++)
      if (parse(&(*at)->endpoints[(*at)->count], configured[i])) (*at)->count++;
   offer(s, *at);
   ask(s);
}

static void on_peer_gone(const wrn_plugin* plugin, wrn_handle handle) {
   peer** at = find(self(plugin), handle);
   peer* gone = *at;
   if (gone == NULL) return;
   *at = gone->next;
   free(gone);
}

static void on_unreachable(const wrn_plugin* plugin, wrn_handle handle) {
   peer* p = *find(self(plugin), handle);
   for (uint32_t i = 0; p != NULL && i < p->count; i++)
      p->endpoints[i].wanted = 1;
   ask(self(plugin));
}

static const wrn_discovery discovery = {on_peer, on_peer_gone, on_unreachable};

/* An answer nobody waits for any more finds no endpoint with its number. */
static void on_resolved(const wrn_plugin* plugin, uint64_t question, wrn_status status,
                        const wrn_addr* addrs, uint32_t n) {
   instance* s = self(plugin);
   for (peer* p = s->peers; p != NULL; p = p->next)
      for (uint32_t i = 0; i < p->count; i++) {
         endpoint* e = &p->endpoints[i];
         if (e->question != question) continue;
         e->question = 0;
         if (status != WRN_OK) {
            e->wanted = 1;
            later(s);
            return;
         }
         e->found = n < ADDRESSES_MAX ? n : ADDRESSES_MAX;
         memcpy(e->addresses, addrs, e->found * sizeof *addrs);
         offer(s, p);
         return;
      }
}

static const wrn_resolve resolved = {on_resolved};

/* --- the instance
 * -------------------------------------------------------------------------------------- */

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   s->conf = (const wrn_host_conf*)s->host->get_ext(s->host, WRN_HOST_CONF);
   s->discovery = (const wrn_host_discovery*)s->host->get_ext(s->host, WRN_HOST_DISCOVERY);
   s->resolve = (const wrn_host_resolve*)s->host->get_ext(s->host, WRN_HOST_RESOLVE);
   return s->conf != NULL && s->discovery != NULL && s->resolve != NULL ? WRN_OK
                                                                        : WRN_E_UNSUPPORTED;
}

/* The host has checked types and ranges and filled in defaults. */
static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   int64_t retry = 0;
   (void)error;
   self(plugin)->conf->get_int(conf, "retry", &retry);
   self(plugin)->retry_ns = (uint64_t)retry;
   return WRN_OK;
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   return (void)plugin, (void)error, WRN_OK;
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) { (void)plugin, (void)deadline; }

static void stop(const wrn_plugin* plugin) {
   instance* s = self(plugin);
   if (s->timer != 0) s->host->timer_cancel(s->host, s->timer);
   s->timer = 0;
   while (s->peers != NULL)
      on_peer_gone(plugin, s->peers->handle);
}

static void destroy(const wrn_plugin* plugin) { free(self(plugin)); }

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   (void)plugin;
   if (strcmp(id, WRN_EXT_DISCOVERY) == 0) return &discovery;
   if (strcmp(id, WRN_EXT_RESOLVE) == 0) return &resolved;
   return NULL;
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   (void)timer, (void)tag;
   self(plugin)->timer = 0;
   ask(self(plugin));
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
