/* Warren plugin ABI: status codes, strings, addresses, errors and log fields.
 *
 * The ABI is C11 and readable by C++20. Its rules: only fixed-width types, size_t and pointers;
 * handles are 64-bit and generational (0 = none, a stale one gives WRN_E_NOT_FOUND); nothing
 * unwinds across the boundary; nobody frees the other side's memory. Tags in comments: [main] the
 * control thread, [io] the instance's own strand (never two threads at once, never blocking), [any]
 * every thread; [lends] valid until the call returns; [gives] the callee owns it from now on. */
#ifndef WARREN_BASE_H
#define WARREN_BASE_H
#include <stddef.h>
#include <stdint.h>

/* 0.x: a host loads only modules of exactly its own minor. docs/compatibility.md says what changes
 * when. */
#define WRN_ABI_MAJOR 0u
#define WRN_ABI_MINOR 2u

#define WRN_CALL
#define WRN_EXPORT __attribute__((visibility("default")))

#if defined(__cplusplus)
#define WRN_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define WRN_BEGIN extern "C" {
#define WRN_END }
#else
#define WRN_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define WRN_BEGIN
#define WRN_END
#endif

WRN_BEGIN

/* 0 = done, < 0 = one of WRN_E_*. Values are never renumbered. */
typedef int32_t wrn_status;
enum {
   WRN_OK = 0,
   WRN_E_INVALID = -1,     /* an argument breaks the contract: a bug in the caller */
   WRN_E_STATE = -2,       /* right call, wrong lifecycle state or thread: a bug in the caller */
   WRN_E_UNSUPPORTED = -3, /* not offered by this side */
   WRN_E_VERSION = -4,
   WRN_E_CONFIG = -5, /* the operator's input; text and place are in wrn_error */
   WRN_E_NOMEM = -6,
   WRN_E_LIMIT = -7,     /* a declared bound was reached */
   WRN_E_AGAIN = -8,     /* not now; a notification follows */
   WRN_E_NOT_FOUND = -9, /* unknown or stale handle */
   WRN_E_EXISTS = -10,
   WRN_E_CLOSED = -11,
   WRN_E_TIMEOUT = -12,
   WRN_E_CANCELLED = -13,
   WRN_E_UNREACHABLE = -14,
   WRN_E_AUTH = -15, /* a proof was missing or wrong */
   WRN_E_PROTOCOL = -16,
   WRN_E_TOO_BIG = -17,
   WRN_E_INTERNAL = -100 /* a C++ exception was caught at the boundary; the instance is failed */
};

typedef struct wrn_str {
   const char* ptr;
   size_t len;
} wrn_str; /* UTF-8, no NUL; ptr may be NULL when len is 0 */
typedef struct wrn_bytes {
   const uint8_t* ptr;
   size_t len;
} wrn_bytes;
typedef struct wrn_key {
   uint8_t bytes[32];
} wrn_key; /* Ed25519 or X25519 public key, or a preshared key */

typedef uint64_t wrn_time;   /* monotonic nanoseconds; the origin has no meaning */
typedef uint64_t wrn_handle; /* peer, link, socket, timer; 0 = none */

/* An address, an endpoint (with port) or a prefix (with prefix_len). */
enum { WRN_AF_NONE = 0, WRN_AF_PATH = 3, WRN_AF_INET = 4, WRN_AF_INET6 = 6 };
typedef struct wrn_addr {
   uint8_t family;     /* WRN_AF_* */
   uint8_t prefix_len; /* of a prefix; 32 or 128 otherwise */
   uint16_t port;      /* host byte order */
   uint32_t scope_id;  /* interface index of an IPv6 link-local address, else 0 */
   uint8_t ip[16];     /* network byte order; IPv4 in the first four bytes, the rest zero.
                          WRN_AF_PATH: a path of the host's own making (through other members);
                          compare it, keep it, answer to it, and never look inside */
} wrn_addr;

/* Allocated by the caller, filled by the callee. */
typedef struct wrn_error {
   wrn_status code;
   uint32_t line, column; /* of the operator's TOML, 0 = unknown */
   uint32_t reserved;
   char text[240]; /* NUL-terminated, one sentence: what, where, next step */
} wrn_error;

/* A field of a log event. */
enum { WRN_KV_INT = 1, WRN_KV_UINT, WRN_KV_FLOAT, WRN_KV_STR, WRN_KV_ADDR, WRN_KV_KEY };
typedef struct wrn_kv {
   const char* key;
   uint32_t type; /* WRN_KV_* */
   uint32_t reserved;
   union {
      int64_t i;
      uint64_t u;
      double f;
      wrn_str s;
      const wrn_addr* addr;
      const wrn_key* key;
   } v;
} wrn_kv;

WRN_END

#if UINTPTR_MAX == UINT64_MAX
WRN_STATIC_ASSERT(sizeof(wrn_addr) == 24, "wrn_addr");
WRN_STATIC_ASSERT(sizeof(wrn_error) == 256, "wrn_error");
WRN_STATIC_ASSERT(sizeof(wrn_kv) == 32, "wrn_kv");
#endif
#endif
