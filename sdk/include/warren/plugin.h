/* The module, the plugin instance and the host: what every plugin has and every host offers. The
 * rest is asked for by id.
 *
 * A module exports one symbol, wrn_entry_0. The host reads the descriptions it lists, and creates
 * an instance per use:
 *
 *    create --init--> inactive --configure--> inactive --start--> active --stop--> inactive
 * --destroy
 *
 * Host functions never call back into the instance before they return; results come as later
 * callbacks. */
#ifndef WARREN_PLUGIN_H
#define WARREN_PLUGIN_H
#include "config.h"
#include "event.h"
#include "packet.h"
WRN_BEGIN

typedef struct wrn_host wrn_host;
typedef struct wrn_plugin wrn_plugin;

enum { WRN_KIND_TRANSPORT = 1, WRN_KIND_DISCOVERY, WRN_KIND_ROUTING, WRN_KIND_SERVICE };

#define WRN_CAP_DETERMINISTIC                                                                      \
   (1ull << 0) /* time, chance and I/O through the host only: may run in a simulation */

/* A number that the plugin keeps and the host shows (host/metrics.h). */
enum { WRN_METRIC_COUNTER = 1, WRN_METRIC_GAUGE = 2 };
typedef struct wrn_metric {
   const char* name; /* bare: "handshakes_total", of a-z, 0-9 and '_'; the host adds network and
                        instance. NULL ends the table */
   const char* help; /* one sentence for the reference page */
   uint32_t type;    /* WRN_METRIC_* */
   uint32_t reserved;
} wrn_metric;

/* Static data of the module, readable without an instance. */
typedef struct wrn_plugin_desc {
   const char* id;   /* "org.warren.wireguard"; reverse DNS, the same for ever */
   const char* name; /* the word in TOML and in endpoints: "wireguard" */
   const char* vendor;
   const char* version;
   const char* license; /* SPDX */
   const char* summary; /* one sentence */
   uint32_t kind;       /* WRN_KIND_* */
   uint32_t reserved;
   uint64_t caps;           /* WRN_CAP_* */
   const wrn_param* params; /* ends with name == NULL; NULL = no keys */
   const char* const*
         needs; /* host tables without which create() is not tried; ends with NULL; NULL = none */
   const wrn_metric* metrics; /* at most 256; ends with name == NULL; NULL = none */
} wrn_plugin_desc;

struct wrn_plugin {
   const wrn_plugin_desc* desc;
   void* data; /* the plugin's own */
   /* Once, first. Keep what get_ext of the host returns. [main] */
   wrn_status(WRN_CALL* init)(const wrn_plugin* plugin, wrn_error* error);
   /* Takes the configuration or refuses it with a text; nothing outside the instance changes. [main
    * & !active] [lends conf] */
   wrn_status(WRN_CALL* configure)(const wrn_plugin* plugin, const wrn_conf* conf,
                                   wrn_error* error);
   /* From here on callbacks come. [io & !active] */
   wrn_status(WRN_CALL* start)(const wrn_plugin* plugin, wrn_error* error);
   /* Finish what is under way, take on nothing new; stop() follows at `deadline` at the latest. [io
    * & active] */
   void(WRN_CALL* drain)(const wrn_plugin* plugin, wrn_time deadline);
   /* After return the instance owns no packet, timer, link or other handle. [io & active] */
   void(WRN_CALL* stop)(const wrn_plugin* plugin);
   void(WRN_CALL* destroy)(const wrn_plugin* plugin); /* [main & !active] */
   /* A table of this plugin by id, or NULL. Lent until destroy(). [any] from init() on */
   const void*(WRN_CALL* get_ext)(const wrn_plugin* plugin, const char* id);
   void(WRN_CALL* on_timer)(const wrn_plugin* plugin, wrn_handle timer,
                            uint64_t tag); /* [io & active] */
   void(WRN_CALL* on_event)(const wrn_plugin* plugin,
                            const wrn_event* event); /* [io & active] [lends] may be NULL */
};

enum { WRN_LOG_TRACE = 0, WRN_LOG_DEBUG, WRN_LOG_INFO, WRN_LOG_WARN, WRN_LOG_ERROR };

struct wrn_host {
   uint32_t abi_major, abi_minor;
   void* data; /* the host's own */
   const char* name;
   const char* version;
   /* A host table by id, or NULL. Lent until destroy(). [any] */
   const void*(WRN_CALL* get_ext)(const wrn_host* host, const char* id);

   /* The only clock and the only dice. now() does not move within one callback. */
   wrn_time(WRN_CALL* now)(const wrn_host* host); /* [io] */
   /* Moves while one measures one's own speed; has nothing to do with now(), and a simulating host
    * counts calls. [main, io] */
   wrn_time(WRN_CALL* stopwatch)(const wrn_host* host);
   int64_t(WRN_CALL* wall_ns)(const wrn_host* host); /* Unix time; may jump. [main, io] */
   void(WRN_CALL* random)(const wrn_host* host, void* buf,
                          size_t len); /* cryptographic, cannot fail. [main, io] */

   /* One-shot timers. *timer == 0 creates one, else it is armed anew; a deadline in the past fires
    * on the next turn. WRN_E_LIMIT when the instance has too many. [io & active] */
   wrn_status(WRN_CALL* timer_set)(const wrn_host* host, wrn_handle* timer, wrn_time at,
                                   uint64_t tag);
   void(WRN_CALL* timer_cancel)(const wrn_host* host,
                                wrn_handle timer); /* no on_timer after return. [io] */

   /* Up to n packets of `size` data bytes, with the headroom and tailroom of the deepest nesting;
    * returns how many. [io & active] */
   uint32_t(WRN_CALL* pkt_alloc)(const wrn_host* host, wrn_pkt* out, uint32_t n, uint32_t size);
   void(WRN_CALL* pkt_free)(const wrn_host* host, const wrn_pkt* pkts,
                            uint32_t n); /* [io] [gives] */
   /* peer 0 = unknown. [io] [gives] */
   void(WRN_CALL* pkt_drop)(const wrn_host* host, wrn_handle peer, const wrn_pkt* pkts, uint32_t n,
                            uint32_t reason);

   /* `event` is a stable snake_case name, fields carry the rest. Rate-limited by the host. [any]
    * [lends] */
   void(WRN_CALL* log)(const wrn_host* host, uint32_t level, const char* event,
                       const wrn_kv* fields, uint32_t n);
   /* This instance cannot go on: the host stops it, takes its links down with `why`, and restarts
    * it later. [io] [lends] */
   void(WRN_CALL* fail)(const wrn_host* host, wrn_status status, const char* why);
};

#define WRN_FACTORY "warren.factory/1"
typedef struct wrn_factory {
   uint32_t(WRN_CALL* count)(void);                        /* [any] */
   const wrn_plugin_desc*(WRN_CALL* desc)(uint32_t index); /* [any] lent until deinit() */
   /* NULL when plugin_id is not one of ours or memory is out. No host calls in here. [main] */
   const wrn_plugin*(WRN_CALL* create)(const wrn_host* host, const char* plugin_id);
} wrn_factory;

typedef struct wrn_entry {
   uint32_t abi_major, abi_minor; /* of the SDK that the module was compiled against */
   wrn_status(WRN_CALL* init)(
         const char* path);      /* [main] calls are counted; cheap; no threads, no I/O */
   void(WRN_CALL* deinit)(void); /* [main] */
   const void*(WRN_CALL* get_factory)(const char* id); /* [any] */
} wrn_entry;
/* A module defines, with C linkage:  WRN_EXPORT extern const wrn_entry wrn_entry_0; */

WRN_END
#endif
