// Inner IP packets for tests, and the plainest possible models of what the kernel does with them:
// checksums by a 16-bit loop, splitting byte by byte. Slow and obvious on purpose; nothing here
// shares code with core/io.
#pragma once

#include "core/io/virtio.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace warren::support {

using bytes = std::vector<uint8_t>;

struct packet_spec {
   bool v6 = false;
   bool tcp = true;
   uint8_t host = 1; // last byte of both addresses' variable part
   uint16_t source_port = 1000;
   uint16_t destination_port = 2000;
   uint32_t sequence = 1;
   uint32_t acknowledgement = 77;
   uint8_t tcp_flags = 0x10;
   uint8_t tcp_option_words = 0; // 0..10, filled with NOPs
   uint16_t window = 500;
   uint16_t id = 1;
   bool df = false;
   uint16_t fragment = 0;         // bits of the fragment word besides DF
   uint8_t ip_option_words = 0;   // 0..10
   uint8_t extension_headers = 0; // IPv6 destination options, 8 bytes each
   uint8_t tos = 0;
   uint8_t ttl = 64;
};

/// A packet with complete, right checksums.
bytes make_packet(const packet_spec& spec, std::span<const uint8_t> payload);
bytes random_payload(uint64_t seed, size_t size);

/// RFC 1071 as it stands there.
uint16_t naive_checksum(std::span<const uint8_t> data, uint32_t start = 0);
/// Fills in the IPv4 header checksum and that of TCP or UDP.
void set_checksums(bytes& packet);
/// Offset of the transport header, 0 when there is none.
size_t transport_offset(const bytes& packet, uint8_t& protocol);

/// Leaves the sum of the pseudo-header in the checksum field, as the kernel hands over what still
/// needs its checksum, and describes it.
io::virtio_header make_partial(bytes& packet, uint16_t gso_size);
/// What a device with that virtio header stands for: one packet, or the segments.
std::vector<bytes> naive_split(const io::virtio_header& header, const bytes& packet);

/// The bytes that IPv4 packets with DF may differ in (identification, and the header checksum if it
/// was right) set to zero.
bytes without_identification(bytes packet);

} // namespace warren::support
