/* Messages to other members, inside the links: sealed end to end, proved to come from the peer.
 *
 * A message reaches the instance of the same kind and plugin id at the other side, and nobody else;
 * where there is none it is dropped (a datagram) or refused (bulk). What arrives was written by
 * another member: treat it as hostile. */
#ifndef WARREN_HOST_MESSAGE_H
#define WARREN_HOST_MESSAGE_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_MESSAGE_MAX 1200u    /* bytes of a datagram */
#define WRN_BULK_MAX (1u << 20u) /* bytes of a bulk message */

#define WRN_HOST_MESSAGE "warren.host.message/1"
typedef struct wrn_host_message { /* all [io & active] [lends] */
   /* One datagram of at most WRN_MESSAGE_MAX bytes: may be lost, duplicated or overtaken. Leaves
    * after the callback has returned. WRN_E_TOO_BIG; WRN_E_NOT_FOUND: no such peer;
    * WRN_E_UNREACHABLE: no link that is up, or a peer that takes no messages; WRN_E_LIMIT: too many
    * wait already. */
   wrn_status(WRN_CALL* send)(const wrn_host* host, wrn_handle peer, wrn_bytes message);
   /* Up to WRN_BULK_MAX bytes, whole, once and in order with other bulk to this peer. The host
    * copies them. on_bulk_sent(tag) follows exactly once unless the instance stops first. Errors as
    * above; WRN_E_LIMIT when 4 to this peer wait, or 16 MiB in all. */
   wrn_status(WRN_CALL* send_bulk)(const wrn_host* host, wrn_handle peer, wrn_bytes message,
                                   uint64_t tag);
} wrn_host_message;

#define WRN_EXT_MESSAGE "warren.message/1"
typedef struct wrn_message { /* all [io & active] */
   void(WRN_CALL* on_message)(const wrn_plugin* plugin, wrn_handle peer,
                              wrn_bytes message); /* [lends] */
   /* May be NULL: bulk is refused then. [lends] */
   void(WRN_CALL* on_bulk)(const wrn_plugin* plugin, wrn_handle peer, wrn_bytes message);
   /* WRN_OK: the other instance has it. WRN_E_TIMEOUT, WRN_E_UNREACHABLE: it may or may not have.
    * WRN_E_UNSUPPORTED: nobody there takes it. NULL only when send_bulk() is never called. */
   void(WRN_CALL* on_bulk_sent)(const wrn_plugin* plugin, uint64_t tag, wrn_status status);
} wrn_message;

WRN_END
#endif
