// The header in front of every packet of a TUN device with IFF_VNET_HDR, and the constants that
// Debian 12's headers lack.
#pragma once

#include <cstdint>
#include <linux/if_tun.h>

#ifndef TUN_F_USO4 // Linux 6.2
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace warren::io {

// Host byte order; ten bytes in front of the IP packet.
//   0        1          2         4          6            8             10
//   | flags  | gso_type | hdr_len | gso_size | csum_start | csum_offset |
struct virtio_header {
   uint8_t flags = 0;
   uint8_t gso_type = 0;
   uint16_t hdr_len = 0;
   uint16_t gso_size = 0;    // payload bytes per segment
   uint16_t csum_start = 0;  // where the sum begins
   uint16_t csum_offset = 0; // of the checksum field, from csum_start
};
static_assert(sizeof(virtio_header) == 10);

namespace virtio {
inline constexpr uint8_t needs_csum = 1;
inline constexpr uint8_t gso_none = 0;
inline constexpr uint8_t gso_tcp4 = 1;
inline constexpr uint8_t gso_tcp6 = 4;
inline constexpr uint8_t gso_udp = 5; // UDP_L4; Linux 6.2
inline constexpr uint8_t gso_ecn = 0x80;
} // namespace virtio

namespace ip {
inline constexpr uint8_t tcp = 6;
inline constexpr uint8_t udp = 17;
inline constexpr uint8_t tcp_fin = 0x01, tcp_psh = 0x08, tcp_ack = 0x10, tcp_cwr = 0x80;
} // namespace ip

} // namespace warren::io
