/* Modules that are wrong in one way each, chosen by a macro of the build; without any, a good one.
 */
#define _GNU_SOURCE /* dladdr */
#include "warren/plugin.h"

#include <string.h>

#ifdef CHANGES_ITSELF
#include <dlfcn.h>
#include <sys/stat.h>
/* Before anybody has looked at the module. */
__attribute__((constructor)) static void change(void) {
   Dl_info self;
   if (dladdr((const void*)(uintptr_t)&change, &self) != 0) chmod(self.dli_fname, 0755);
}
#endif

#ifndef MINOR
#define MINOR WRN_ABI_MINOR
#endif
#ifndef COUNT
#define COUNT 1
#endif
#ifndef NAME
#define NAME "variant"
#endif
#ifndef VENDOR
#define VENDOR "Warren"
#endif
#ifndef KIND
#define KIND WRN_KIND_DISCOVERY
#endif
#ifndef HELP
#define HELP "One sentence."
#endif
#ifndef INIT
#define INIT WRN_OK
#endif
#ifndef FACTORY
#define FACTORY WRN_FACTORY
#endif

#ifndef METRICS
#define METRICS NULL
#endif

#ifdef NO_ENTRY
WRN_EXPORT int some_other_symbol(void);
int some_other_symbol(void) { return 1; }
#else
static const wrn_param params[] = {{"key", WRN_P_INT, 0, NULL, NULL, HELP},
                                   {NULL, 0, 0, NULL, NULL, NULL}};
static const wrn_plugin_desc description = {"org.warren.test.variant",
                                            NAME,
                                            VENDOR,
                                            "1",
                                            "Apache-2.0",
                                            "For tests.",
                                            KIND,
                                            0,
                                            0,
                                            params,
                                            NULL,
                                            METRICS};

static uint32_t count(void) { return COUNT; }
static const wrn_plugin_desc* desc(uint32_t i) { return i == 0 ? &description : NULL; }
static const wrn_plugin* create(const wrn_host* host, const char* id) {
   (void)host, (void)id;
   return NULL;
}
static const wrn_factory factory = {count, desc, create};
static wrn_status init(const char* path) {
   (void)path;
   return INIT;
}
static void deinit(void) {}
static const void* get_factory(const char* id) {
   return strcmp(id, FACTORY) == 0 ? &factory : NULL;
}

WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0 = {WRN_ABI_MAJOR, MINOR, init, deinit, get_factory};
#endif
