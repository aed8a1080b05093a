/* Configuration: a plugin declares its keys, the host checks the operator's TOML against them and
 * hands over values.
 *
 * Unknown keys, wrong types and values out of range never reach the plugin: the host has refused
 * them with file, line and column, and has filled in defaults. configure() is for what a table
 * cannot say. */
#ifndef WARREN_CONFIG_H
#define WARREN_CONFIG_H
#include "base.h"
WRN_BEGIN

enum {
   WRN_P_BOOL = 1,
   WRN_P_INT, /* range "min..max" */
   WRN_P_FLOAT,
   WRN_P_STRING,
   WRN_P_ENUM,     /* range "a|b|c" */
   WRN_P_DURATION, /* TOML string "250ms", "25s", "2h"; read with get_int in nanoseconds; range
                      "0s..1h" */
   WRN_P_STRINGS   /* array of strings */
};
enum {
   WRN_PF_REQUIRED = 1u << 0,
   WRN_PF_SECRET = 1u << 1 /* never logged or shown; also accepted as <key>_file */
};

typedef struct wrn_param {
   const char* name;  /* "aead"; NULL ends the table */
   uint32_t type;     /* WRN_P_* */
   uint32_t flags;    /* WRN_PF_* */
   const char* range; /* NULL = any value of the type */
   const char* deflt; /* TOML text, NULL = none */
   const char* help;  /* one sentence for the reference page */
} wrn_param;

typedef struct wrn_conf wrn_conf; /* the plugin's own table, valid during configure() */

#define WRN_HOST_CONF "warren.host.conf/1"
/* All [main]. `out` is untouched unless WRN_OK; WRN_E_NOT_FOUND for a key without value and
 * default. Strings are [lends] until configure() returns. */
typedef struct wrn_host_conf {
   wrn_status(WRN_CALL* get_bool)(const wrn_conf* conf, const char* name, uint8_t* out);
   wrn_status(WRN_CALL* get_int)(const wrn_conf* conf, const char* name,
                                 int64_t* out); /* also durations, in ns */
   wrn_status(WRN_CALL* get_float)(const wrn_conf* conf, const char* name, double* out);
   wrn_status(WRN_CALL* get_str)(const wrn_conf* conf, const char* name,
                                 wrn_str* out); /* also enums */
   uint32_t(WRN_CALL* size)(const wrn_conf* conf,
                            const char* name); /* entries of an array, else 0 */
   wrn_status(WRN_CALL* str_at)(const wrn_conf* conf, const char* name, uint32_t index,
                                wrn_str* out);
   void(WRN_CALL* where)(const wrn_conf* conf, const char* name,
                         wrn_error* out); /* fills line and column */
} wrn_host_conf;

WRN_END
#endif
