#include "core/mesh/path_mtu.hpp"

#include "core/base/limits.hpp"
#include "core/io/checksum.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace {

constexpr size_t header_bytes_min = 20; // IPv4 without options, and TCP without options
// The word at offset 6 of the IPv4 header: flags, and the offset in units of 8 bytes.
constexpr uint16_t do_not_fragment = 0x4000, more_fragments = 0x2000, offset_mask = 0x1fff;
constexpr uint8_t option_end = 0, option_nop = 1; // in IPv4 and in TCP
constexpr uint8_t option_copied = 0x80;           // into every fragment

void set_header_checksum(std::span<uint8_t> header) {
   io::store16(&header[10], 0);
   io::store_sum(&header[10],
                 static_cast<uint16_t>(~io::fold(io::sum_bytes(header.data(), header.size()))));
}

/// Bytes of the option at the front, 1 for those that have no length; 0 = broken.
size_t option_bytes(std::span<const uint8_t> options) {
   if (options[0] == option_end || options[0] == option_nop) return 1;
   if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return 0;
   return options[1];
}

/// Fills in the header of the later fragments; false for broken options.
bool copy_options(std::span<const uint8_t> options, cut_plan& plan) {
   size_t filled = 0;
   while (!options.empty() && options[0] != option_end) {
      const size_t bytes = option_bytes(options);
      if (bytes == 0) return false;
      if ((options[0] & option_copied) != 0) {
         std::copy_n(options.begin(), bytes, plan.options.begin() + static_cast<long>(filled));
         filled += bytes;
      }
      options = options.subspan(bytes);
   }
   plan.later_header = static_cast<uint32_t>(header_bytes_min + (filled + 3) / 4 * 4);
   return true;
}

/// Calls `found` with the offset of each MSS value within the TCP header; false for broken options.
template <class Found> bool each_mss(std::span<const uint8_t> header, Found&& found) {
   constexpr uint8_t option_mss = 2, option_mss_bytes = 4;
   for (size_t at = header_bytes_min; at < header.size() && header[at] != option_end;) {
      const size_t bytes = option_bytes(header.subspan(at));
      if (bytes == 0) return false;
      if (header[at] == option_mss) {
         if (bytes != option_mss_bytes) return false;
         found(at + 2);
      }
      at += bytes;
   }
   return true;
}

} // namespace

uint32_t cut_plan::bytes(uint32_t index) const {
   if (index == 0) return first_header + first_data;
   return later_header + std::min(later_data, data - first_data - (index - 1) * later_data);
}

std::optional<cut_plan> plan_cut(std::span<const uint8_t> packet, uint32_t mtu) {
   const auto ip = route::parse_ip(packet);
   if (!ip || ip->family != 4 || ip->total_bytes <= mtu) return std::nullopt;
   const uint16_t word = io::load16(&packet[6]);
   // Fragments get fresh checksums: a broken header must not become a good one.
   if ((word & do_not_fragment) != 0 ||
       io::fold(io::sum_bytes(packet.data(), ip->header_bytes)) != 0xffff)
      return std::nullopt;
   cut_plan plan;
   plan.first_header = ip->header_bytes;
   if (!copy_options(packet.subspan(header_bytes_min, ip->header_bytes - header_bytes_min), plan))
      return std::nullopt;
   if (mtu < plan.first_header + 8) return std::nullopt; // copied options are never longer than all
   plan.data = ip->total_bytes - plan.first_header;
   plan.first_data = (mtu - plan.first_header) / 8 * 8;
   plan.later_data = (mtu - plan.later_header) / 8 * 8;
   const uint32_t rest = plan.data - plan.first_data; // not 0: it does not fit
   plan.count = 1 + (rest + plan.later_data - 1) / plan.later_data;
   const uint32_t last_offset = plan.first_data + (plan.count - 2) * plan.later_data;
   if (plan.count > base::limits::fragments_per_packet_max ||
       (word & offset_mask) + last_offset / 8 > offset_mask)
      return std::nullopt;
   return plan;
}

void write_fragment(std::span<const uint8_t> packet, const cut_plan& plan, uint32_t index,
                    std::span<uint8_t> out) {
   const uint32_t at = plan.first_data + (index - 1) * plan.later_data;
   const size_t header_bytes = plan.later_header;
   std::copy_n(packet.begin(), header_bytes_min, out.begin());
   std::copy_n(plan.options.begin(), header_bytes - header_bytes_min,
               out.begin() + header_bytes_min);
   out[0] = static_cast<uint8_t>(4 << 4 | header_bytes / 4);
   io::store16(&out[2], static_cast<uint16_t>(out.size()));
   // A packet that is a fragment itself goes on counting, and its last piece is not the last.
   const uint16_t word = io::load16(&packet[6]);
   const uint16_t more = index + 1 < plan.count ? more_fragments : 0;
   io::store16(&out[6], static_cast<uint16_t>((word + at / 8) | more));
   set_header_checksum(out.first(header_bytes));
   std::copy_n(packet.begin() + plan.first_header + at, out.size() - header_bytes,
               out.begin() + static_cast<long>(header_bytes));
}

void keep_first_fragment(std::span<uint8_t> packet, const cut_plan& plan) {
   io::store16(&packet[2], static_cast<uint16_t>(plan.bytes(0)));
   io::store16(&packet[6], io::load16(&packet[6]) | more_fragments);
   set_header_checksum(packet.first(plan.first_header));
}

bool lower_mss(std::span<uint8_t> packet, const route::ip_view& ip, uint32_t mtu) {
   const bool later_fragment = ip.family == 4 && (io::load16(&packet[6]) & offset_mask) != 0;
   if (later_fragment || !is_syn(packet, ip)) return false;
   const auto segment = packet.subspan(ip.header_bytes, ip.total_bytes - ip.header_bytes);
   const size_t header_bytes = static_cast<size_t>(segment[12] >> 4) * 4;
   if (header_bytes < header_bytes_min || header_bytes > segment.size()) return false;
   const auto header = segment.first(header_bytes);
   const size_t headers = (ip.family == 4 ? 20u : 40u) + header_bytes_min;
   const size_t mss_max = mtu > headers ? std::min<size_t>(mtu - headers, 0xffff) : 0;
   bool too_large = false;
   if (!each_mss(header, [&](size_t at) { too_large |= io::load16(&header[at]) > mss_max; }) ||
       !too_large)
      return false;
   each_mss(header, [&](size_t at) {
      uint16_t before = io::load_sum(&header[at]);
      if (io::load16(&header[at]) <= mss_max) return;
      io::store16(&header[at], static_cast<uint16_t>(mss_max));
      uint16_t after = io::load_sum(&header[at]);
      if (at % 2 != 0) { // its bytes lie in two words of the sum, each in the other half
         before = __builtin_bswap16(before);
         after = __builtin_bswap16(after);
      }
      io::store_sum(&header[16], io::updated(io::load_sum(&header[16]), before, after));
   });
   return true;
}

} // namespace warren::mesh
