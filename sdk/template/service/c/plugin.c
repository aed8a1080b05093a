/* my-plugin: a service in plain C. It says hello to every member that appears, and `warren plugin
 * call my-plugin` shows who is there, how it is reached, and who said hello.
 *
 * Everything runs on the instance's strand, so nothing is locked. */
#include <warren/ext/control.h>
#include <warren/host/members.h>
#include <warren/host/message.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 256, LINE_MAX_BYTES = 512, GREETING_MAX = 64 };

typedef struct guest {
   wrn_handle peer;
   uint32_t hellos;
} guest;

typedef struct instance {
   wrn_plugin plugin;
   const wrn_host* host;
   const wrn_host_conf* conf;
   const wrn_host_members* members;
   const wrn_host_message* messages;
   const wrn_host_control* control;
   char greeting[GREETING_MAX];
   uint32_t count;
   guest guests[MEMBERS_MAX];
} instance;

static const wrn_param params[] = {
      {"greeting", WRN_P_STRING, 0, NULL, "\"hello\"", "What members that appear are told."},
      {NULL, 0, 0, NULL, NULL, NULL}};
static const char* const needs[] = {WRN_HOST_CONF, WRN_HOST_MEMBERS, WRN_HOST_MESSAGE,
                                    WRN_HOST_CONTROL, NULL};
static const wrn_plugin_desc description = {.id = "org.example.my-plugin",
                                            .name = "my-plugin",
                                            .vendor = "Example",
                                            .version = "0.1.0",
                                            .license = "MIT-0",
                                            .summary = "Says hello and shows who is there.",
                                            .kind = WRN_KIND_SERVICE,
                                            .caps = WRN_CAP_DETERMINISTIC,
                                            .params = params,
                                            .needs = needs};

static instance* self(const wrn_plugin* plugin) { return (instance*)plugin->data; }

static guest* find(instance* s, wrn_handle peer) {
   for (uint32_t i = 0; i < s->count; i++)
      if (s->guests[i].peer == peer) return &s->guests[i];
   return NULL;
}

static void on_member(const wrn_plugin* plugin, wrn_handle peer, uint32_t change) {
   instance* s = self(plugin);
   guest* g = find(s, peer);
   if (change == WRN_MEMBER_JOINED && g == NULL && s->count < MEMBERS_MAX) {
      s->guests[s->count].peer = peer;
      s->guests[s->count++].hellos = 0;
   } else if (change == WRN_MEMBER_LEFT && g != NULL) {
      *g = s->guests[--s->count];
   } else if (change == WRN_MEMBER_LINKED) {
      wrn_bytes hello;
      hello.ptr = (const uint8_t*)s->greeting;
      hello.len = strlen(s->greeting);
      s->messages->send(s->host, peer, hello);
   }
}

static const wrn_members members = {on_member};

/* Written by another member: only that it came is of interest. */
static void on_message(const wrn_plugin* plugin, wrn_handle peer, wrn_bytes message) {
   guest* g = find(self(plugin), peer);
   (void)message;
   if (g != NULL && g->hellos < UINT32_MAX) g->hellos++;
}

static const wrn_message messages = {on_message, NULL, NULL};

/* Names of members are letters, digits, '-', '_' and '.': they need no escapes in JSON. */
static void on_request(const wrn_plugin* plugin, wrn_handle request, const wrn_request* what) {
   instance* s = self(plugin);
   const size_t size = (size_t)s->count * LINE_MAX_BYTES + 64;
   char* text = (char*)malloc(size);
   size_t at = 0;
   wrn_str json;
   if (text == NULL || what->path.len != 1 || strncmp(what->method.ptr, "GET", what->method.len)) {
      static const char there[] = "{\"detail\":\"there is GET /\"}";
      json.ptr = there;
      json.len = sizeof there - 1;
      s->control->respond(s->host, request, 404, json);
      free(text);
      return;
   }
   at += (size_t)snprintf(text, size, "{\"members\":[");
   for (uint32_t i = 0; i < s->count; i++) {
      wrn_member m = {0};
      m.size = sizeof m;
      if (s->members->info(s->host, s->guests[i].peer, &m) != WRN_OK) continue;
      at += (size_t)snprintf(
            text + at, size - at,
            "%s{\"name\":\"%.*s\",\"up\":%s,\"direct\":%s,\"rtt_us\":%u,\"hellos\":%u}",
            text[at - 1] == '[' ? "" : ",", (int)m.name.len, m.name.ptr,
            m.flags & WRN_MEMBER_UP ? "true" : "false",
            m.flags & WRN_MEMBER_DIRECT ? "true" : "false", (unsigned)m.rtt_us,
            (unsigned)s->guests[i].hellos);
   }
   at += (size_t)snprintf(text + at, size - at, "]}");
   json.ptr = text;
   json.len = at;
   s->control->respond(s->host, request, 200, json);
   free(text);
}

static const wrn_control control = {on_request};

/* --- the instance ------------------------------------------------------------------------------
 */

static wrn_status init(const wrn_plugin* plugin, wrn_error* error) {
   instance* s = self(plugin);
   (void)error;
   s->conf = (const wrn_host_conf*)s->host->get_ext(s->host, WRN_HOST_CONF);
   s->members = (const wrn_host_members*)s->host->get_ext(s->host, WRN_HOST_MEMBERS);
   s->messages = (const wrn_host_message*)s->host->get_ext(s->host, WRN_HOST_MESSAGE);
   s->control = (const wrn_host_control*)s->host->get_ext(s->host, WRN_HOST_CONTROL);
   return s->conf != NULL && s->members != NULL && s->messages != NULL && s->control != NULL
                ? WRN_OK
                : WRN_E_UNSUPPORTED;
}

/* The host has checked types and ranges; what a table cannot say is refused here, with the place.
 */
static wrn_status configure(const wrn_plugin* plugin, const wrn_conf* conf, wrn_error* error) {
   instance* s = self(plugin);
   wrn_str greeting = {0};
   s->conf->get_str(conf, "greeting", &greeting);
   if (greeting.len >= GREETING_MAX) {
      s->conf->where(conf, "greeting", error);
      snprintf(error->text, sizeof error->text, "'greeting' is longer than 63 bytes");
      return error->code = WRN_E_CONFIG;
   }
   memcpy(s->greeting, greeting.ptr, greeting.len);
   s->greeting[greeting.len] = '\0';
   return WRN_OK;
}

static void on_timer(const wrn_plugin* plugin, wrn_handle timer, uint64_t tag) {
   (void)plugin, (void)timer, (void)tag;
}

static wrn_status start(const wrn_plugin* plugin, wrn_error* error) {
   return (void)plugin, (void)error, WRN_OK;
}

static void drain(const wrn_plugin* plugin, wrn_time deadline) { (void)plugin, (void)deadline; }

static void stop(const wrn_plugin* plugin) { self(plugin)->count = 0; }

static void destroy(const wrn_plugin* plugin) { free(self(plugin)); }

static const void* get_ext(const wrn_plugin* plugin, const char* id) {
   (void)plugin;
   if (strcmp(id, WRN_EXT_MEMBERS) == 0) return &members;
   if (strcmp(id, WRN_EXT_MESSAGE) == 0) return &messages;
   if (strcmp(id, WRN_EXT_CONTROL) == 0) return &control;
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
