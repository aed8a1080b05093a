/* This node's keys. Private keys stay in the core. */
#ifndef WARREN_HOST_IDENTITY_H
#define WARREN_HOST_IDENTITY_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_HOST_IDENTITY "warren.host.identity/1"
typedef struct wrn_host_identity {                                 /* [main, io] */
   void(WRN_CALL* node_id)(const wrn_host* host, wrn_key* out);    /* Ed25519 */
   void(WRN_CALL* tunnel_key)(const wrn_host* host, wrn_key* out); /* X25519 public */
   /* X25519 of our tunnel key with `peer`. WRN_E_AUTH when the result is all zero (RFC 7748, 6.1).
    * [lends] */
   wrn_status(WRN_CALL* dh)(const wrn_host* host, const wrn_key* peer, wrn_key* out);
} wrn_host_identity;

WRN_END
#endif
