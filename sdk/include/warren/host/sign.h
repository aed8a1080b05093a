/* Statements signed with this node's identity key, for what other members keep or pass on.
 *
 * A signature covers the plugin's id and the type of the statement, so that it means nothing to
 * another plugin, in another place, or to the core: Ed25519 over
 *    "warren plugin statement 1" 0x00 plugin-id 0x00 type 0x00 statement */
#ifndef WARREN_HOST_SIGN_H
#define WARREN_HOST_SIGN_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_SIGNATURE_BYTES 64u
#define WRN_STATEMENT_MAX 65536u

#define WRN_HOST_SIGN "warren.host.sign/1"
typedef struct wrn_host_sign { /* all [io & active] [lends] */
   /* Writes WRN_SIGNATURE_BYTES. type: 1 to 64 printable ASCII characters. WRN_E_INVALID for
    * another type, WRN_E_TOO_BIG beyond WRN_STATEMENT_MAX. */
   wrn_status(WRN_CALL* sign)(const wrn_host* host, wrn_str type, wrn_bytes statement,
                              uint8_t* signature);
   /* WRN_E_AUTH unless this node signed exactly this. That it is a member is for the caller to ask
    * (warren.host.members/1). */
   wrn_status(WRN_CALL* verify)(const wrn_host* host, const wrn_key* node_id, wrn_str type,
                                wrn_bytes statement, const uint8_t* signature);
} wrn_host_sign;

WRN_END
#endif
