/* Packets: one descriptor is one packet, never a superpacket.
 *
 * The bytes live in reference-counted host slabs with room before and after the data, so that a
 * transport seals and opens in place. Descriptors travel in arrays of 1..WRN_BATCH_MAX; an array is
 * valid only during the call, the packets in it have one owner at any time. Whoever owns a packet
 * passes it on, frees it, or drops it with a reason. */
#ifndef WARREN_PACKET_H
#define WARREN_PACKET_H
#include "base.h"
WRN_BEGIN

#define WRN_BATCH_MAX 128u /* no call passes more packets than this */

enum {
   WRN_PKT_RUN = 1u << 0 /* same flow (inner) or same sender and size (outer) as the packet before
                            it in this array: a hint */
};

typedef struct wrn_pkt {
   uint8_t* buf;   /* start of the memory that belongs to this packet */
   uint32_t cap;   /* its size in bytes */
   uint32_t off;   /* first data byte; [0, off) is headroom */
   uint32_t len;   /* data bytes; [off + len, cap) is tailroom */
   uint32_t local; /* wire side: which local address and interface the datagram came to; copy it
                      into answers. 0 = host chooses */
   wrn_addr addr;  /* wire side: remote address of the datagram */
   uint8_t ecn;    /* two bits of the outer header */
   uint8_t qos;    /* class 0 (bulk) .. 7 (control) */
   uint16_t flags; /* WRN_PKT_*; unknown bits are ignored */
   uint32_t reserved;
   uint64_t cookie; /* the host's; copied with the descriptor, never changed */
} wrn_pkt;

/* Why a packet was dropped; counted by the host per reason and peer. */
enum {
   WRN_DROP_OTHER = 0,
   WRN_DROP_MALFORMED, /* not a packet of the protocol it claims to be */
   WRN_DROP_AUTH,      /* no valid proof of its sender */
   WRN_DROP_REPLAY,
   WRN_DROP_NO_LINK, /* nobody to send it to, or nobody it can be from */
   WRN_DROP_QUEUE_FULL,
   WRN_DROP_TOO_BIG,
   WRN_DROP_RATE,
   WRN_DROP_POLICY,
   WRN_DROP_EXPIRED, /* its session ended before it was sent */
   WRN_DROP_COUNT_   /* number of reasons of this ABI minor */
};

WRN_END
#if UINTPTR_MAX == UINT64_MAX
WRN_STATIC_ASSERT(sizeof(wrn_pkt) == 64, "wrn_pkt is one cache line");
#endif
#endif
