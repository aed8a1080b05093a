// Makes inner packets fit a link that carries less than the interface: IPv4 packets are cut into
// fragments (RFC 791 section 3.2), and the segment size that the ends of a TCP connection announce
// is lowered. Pure functions over bytes, any thread. Every byte is hostile.
#pragma once

#include "core/route/ip_view.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace warren::mesh {

/// How one IPv4 packet is cut. The first fragment keeps the packet's header, the others have only
/// those options that say so.
struct cut_plan {
   uint32_t count = 0;                      // 2 .. limits::fragments_per_packet_max
   uint32_t first_data = 0, later_data = 0; // bytes behind the header, the last has the rest
   uint32_t data = 0;                       // of the whole packet
   uint32_t first_header = 0, later_header = 0;
   std::array<uint8_t, 40> options{}; // of the later ones, padded: later_header - 20 bytes

   /// Bytes of the fragment `index`.
   uint32_t bytes(uint32_t index) const;
};

/// Nothing for what must or need not be cut (IPv6, DF, small enough), for what is broken (header
/// checksum, options, an end beyond what offsets can say), and where `mtu` leaves no room or makes
/// too many.
std::optional<cut_plan> plan_cut(std::span<const uint8_t> packet, uint32_t mtu);

/// Writes fragment `index` (1 .. count - 1) into `out`, which has plan.bytes(index) bytes.
void write_fragment(std::span<const uint8_t> packet, const cut_plan& plan, uint32_t index,
                    std::span<uint8_t> out);
/// Last of all: the packet becomes its own first fragment, its first plan.bytes(0) bytes.
void keep_first_fragment(std::span<uint8_t> packet, const cut_plan& plan);

/// Does the packet open or accept a TCP connection? One look at a byte beside those that
/// parse_ip() reads. Says yes to some later fragments, which lower_mss() leaves alone.
inline bool is_syn(std::span<const uint8_t> packet, const route::ip_view& ip) {
   constexpr uint8_t protocol_tcp = 6, flag_syn = 2;
   return ip.protocol == protocol_tcp && ip.total_bytes >= ip.header_bytes + 20u &&
          (packet[ip.header_bytes + 13u] & flag_syn) != 0;
}

/// Lowers the MSS option of a SYN to what packets of `mtu` bytes hold, and says whether it did.
/// Adds none, raises none; broken options leave the packet as it is.
bool lower_mss(std::span<uint8_t> packet, const route::ip_view& ip, uint32_t mtu);

} // namespace warren::mesh
