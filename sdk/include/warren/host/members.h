/* Who is in the network: the peers that the core has verified, and news about them. */
#ifndef WARREN_HOST_MEMBERS_H
#define WARREN_HOST_MEMBERS_H
#include "../plugin.h"
WRN_BEGIN

enum {
   WRN_MEMBER_STOCK = 1u << 0,  /* a plain WireGuard peer: takes no messages, has no node id */
   WRN_MEMBER_UP = 1u << 1,     /* a link to it is up */
   WRN_MEMBER_DIRECT = 1u << 2, /* and that link goes there by itself, through no other member */
   WRN_MEMBER_WARREN = 1u << 3  /* it has said hello on that link: messages reach it */
};

/* The caller sets size; the callee fills what fits. Grows at the end only. */
typedef struct wrn_member {
   uint32_t size;
   uint32_t flags;     /* WRN_MEMBER_* */
   wrn_key node_id;    /* zero for a stock peer */
   wrn_key tunnel_key; /* zero while it is not known */
   uint32_t rtt_us;    /* of the last round trip, 0 = not measured */
   uint32_t reserved;
   wrn_str name; /* as the operator wrote it. [lends] until the callback returns */
} wrn_member;

#define WRN_HOST_MEMBERS "warren.host.members/1"
typedef struct wrn_host_members { /* all [io & active] */
   /* Writes up to n handles in no particular order and returns how many there are in all. out may
    * be NULL when n is 0. */
   uint32_t(WRN_CALL* list)(const wrn_host* host, wrn_handle* out, uint32_t n);
   /* WRN_E_NOT_FOUND for a peer that has gone. */
   wrn_status(WRN_CALL* info)(const wrn_host* host, wrn_handle peer, wrn_member* out);
   /* 0 when nobody has this id; also 0 for our own. [lends] */
   wrn_handle(WRN_CALL* by_node_id)(const wrn_host* host, const wrn_key* node_id);
} wrn_host_members;

/* What changed. New values may come: ignore what you do not know. */
enum {
   WRN_MEMBER_JOINED = 1, /* in the table now; all that were there before come after start() */
   WRN_MEMBER_LEFT,       /* the handle is valid for the last time */
   WRN_MEMBER_LINKED,     /* WRN_MEMBER_WARREN has come: messages reach it */
   WRN_MEMBER_UNLINKED
};

#define WRN_EXT_MEMBERS "warren.members/1"
typedef struct wrn_members {
   void(WRN_CALL* on_member)(const wrn_plugin* plugin, wrn_handle peer,
                             uint32_t change); /* [io & active] */
} wrn_members;

WRN_END
#endif
