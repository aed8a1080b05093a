#include "core/mesh/icmp.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace {

constexpr uint8_t proto_icmp = 1, proto_icmp6 = 58;
constexpr size_t icmp_header_bytes = 8;
constexpr size_t quoted_bytes_max4 = 576 - 28;  // RFC 1812 section 4.3.2.3
constexpr size_t quoted_bytes_max6 = 1280 - 48; // RFC 4443 section 3.1

uint32_t sum(std::span<const uint8_t> bytes, uint32_t start = 0) {
   for (size_t i = 0; i + 1 < bytes.size(); i += 2)
      start += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
   if (bytes.size() % 2 != 0) start += static_cast<uint32_t>(bytes.back()) << 8;
   return start;
}

void put_checksum(uint8_t* at, uint32_t total) {
   while (total >> 16 != 0)
      total = (total & 0xffff) + (total >> 16);
   const auto folded = static_cast<uint16_t>(~total);
   at[0] = static_cast<uint8_t>(folded >> 8);
   at[1] = static_cast<uint8_t>(folded);
}

/// IP and ICMP headers around `body`; bytes 4..7 of the ICMP header are `rest`.
std::vector<uint8_t> make_icmp(const wrn_addr& from, const wrn_addr& to, uint8_t type, uint8_t code,
                               std::array<uint8_t, 4> rest, std::span<const uint8_t> body) {
   const bool v4 = from.family == WRN_AF_INET;
   const size_t ip_bytes = v4 ? 20 : 40;
   std::vector<uint8_t> packet(ip_bytes + icmp_header_bytes + body.size());
   uint8_t* p = packet.data();
   const size_t icmp_bytes = packet.size() - ip_bytes;
   uint32_t pseudo = 0;
   if (v4) {
      p[0] = 0x45;
      p[2] = static_cast<uint8_t>(packet.size() >> 8);
      p[3] = static_cast<uint8_t>(packet.size());
      p[8] = 64;
      p[9] = proto_icmp;
      std::memcpy(p + 12, from.ip, 4);
      std::memcpy(p + 16, to.ip, 4);
      put_checksum(p + 10, sum({p, 20}));
   } else {
      p[0] = 0x60;
      p[4] = static_cast<uint8_t>(icmp_bytes >> 8);
      p[5] = static_cast<uint8_t>(icmp_bytes);
      p[6] = proto_icmp6;
      p[7] = 64;
      std::memcpy(p + 8, from.ip, 16);
      std::memcpy(p + 24, to.ip, 16);
      pseudo = sum({p + 8, 32}) + static_cast<uint32_t>(icmp_bytes) + proto_icmp6;
   }
   uint8_t* icmp = p + ip_bytes;
   icmp[0] = type;
   icmp[1] = code;
   std::copy(rest.begin(), rest.end(), icmp + 4);
   std::copy(body.begin(), body.end(), icmp + icmp_header_bytes);
   put_checksum(icmp + 2, sum({icmp, icmp_bytes}, pseudo));
   return packet;
}

struct icmp_error {
   uint8_t type4, code4, type6, code6;
   std::array<uint8_t, 4> rest{};
};

/// From the packet's destination: one of our own addresses would be a martian on our own interface
/// (RFC 1812 section 5.3.7), and Linux drops those of IPv4.
std::optional<std::vector<uint8_t>> make_error(std::span<const uint8_t> packet,
                                               const icmp_error& error) {
   const auto ip = route::parse_ip(packet);
   if (!ip) return std::nullopt;
   wrn_addr source{}, to{};
   source.family = to.family = ip->family == 4 ? WRN_AF_INET : WRN_AF_INET6;
   std::memcpy(source.ip, ip->destination, ip->family == 4 ? 4 : 16);
   std::memcpy(to.ip, ip->source, ip->family == 4 ? 4 : 16);
   const std::span<const uint8_t> payload =
         packet.subspan(ip->header_bytes, ip->total_bytes - ip->header_bytes);
   if (ip->family == 4) {
      const bool later_fragment = (packet[6] & 0x1f) != 0 || packet[7] != 0;
      const bool icmp_error =
            ip->protocol == proto_icmp && (payload.empty() || (payload[0] != 8 && payload[0] != 0));
      if (later_fragment || icmp_error || ip->destination[0] >= 224 || ip->source[0] >= 224 ||
          ip->source[0] == 0)
         return std::nullopt;
      return make_icmp(source, to, error.type4, error.code4, error.rest,
                       packet.first(std::min<size_t>(ip->total_bytes, quoted_bytes_max4)));
   }
   const bool icmp_error = ip->protocol == proto_icmp6 && (payload.empty() || payload[0] < 128);
   if (icmp_error || ip->destination[0] == 0xff || ip->source[0] == 0xff) return std::nullopt;
   return make_icmp(source, to, error.type6, error.code6, error.rest,
                    packet.first(std::min<size_t>(ip->total_bytes, quoted_bytes_max6)));
}

} // namespace

std::optional<std::vector<uint8_t>> make_unreachable(std::span<const uint8_t> packet,
                                                     unreachable_reason why) {
   if (why == unreachable_reason::prohibited) return make_error(packet, {3, 13, 1, 1});
   const bool no_owner = why == unreachable_reason::no_owner;
   return make_error(packet, {3, uint8_t(no_owner ? 0 : 1), 1, uint8_t(no_owner ? 0 : 3)});
}

std::optional<std::vector<uint8_t>> make_too_big(std::span<const uint8_t> packet, uint32_t mtu) {
   const bool may_be_cut = packet.size() >= 20 && packet[0] >> 4 == 4 && (packet[6] & 0x40) == 0;
   if (may_be_cut) return std::nullopt;
   return make_error(
         packet, {3, 4, 2, 0, {0, 0, static_cast<uint8_t>(mtu >> 8), static_cast<uint8_t>(mtu)}});
}

std::vector<uint8_t> make_echo_request(const wrn_addr& from, const wrn_addr& to,
                                       uint16_t identifier, uint16_t sequence,
                                       size_t payload_bytes) {
   std::vector<uint8_t> body(payload_bytes);
   for (size_t i = 0; i < body.size(); i++)
      body[i] = static_cast<uint8_t>(i);
   return make_icmp(from, to, from.family == WRN_AF_INET ? 8 : 128, 0,
                    {static_cast<uint8_t>(identifier >> 8), static_cast<uint8_t>(identifier),
                     static_cast<uint8_t>(sequence >> 8), static_cast<uint8_t>(sequence)},
                    body);
}

std::optional<echo_reply> parse_echo_reply(std::span<const uint8_t> packet,
                                           const route::ip_view& ip) {
   const bool v4 = ip.family == 4;
   if (ip.protocol != (v4 ? proto_icmp : proto_icmp6) ||
       ip.total_bytes < ip.header_bytes + icmp_header_bytes)
      return std::nullopt;
   const uint8_t* icmp = packet.data() + ip.header_bytes;
   if (icmp[0] != (v4 ? 0 : 129)) return std::nullopt;
   return echo_reply{static_cast<uint16_t>(icmp[4] << 8 | icmp[5]),
                     static_cast<uint16_t>(icmp[6] << 8 | icmp[7])};
}

} // namespace warren::mesh
