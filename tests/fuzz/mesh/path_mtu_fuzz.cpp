// What core/mesh does to inner packets so that they fit: cuts IPv4 packets, lowers the MSS of SYNs.
//
// Input: two bytes of MTU (little-endian), one of what to mend (1: the IPv4 header checksum), then
// the packet. Checked: the pieces fit, have right headers and make the packet again; lowering
// changes nothing but a SYN's MSS values and checksum, and keeps what the checksum says of the
// segment.
#include "core/base/limits.hpp"
#include "core/io/checksum.hpp"
#include "core/mesh/path_mtu.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <vector>

namespace warren {
namespace {

using bytes = std::vector<uint8_t>;

size_t header_of(const bytes& p) { return (p[0] & 15u) * 4; }
uint16_t header_sum(const bytes& p) { return io::fold(io::sum_bytes(p.data(), header_of(p))); }

void cut(bytes packet, uint32_t mtu) {
   const bytes whole = packet;
   const auto plan = mesh::plan_cut(packet, mtu);
   if (!plan) return;
   WRN_ASSERT(plan->count >= 2 && plan->count <= base::limits::fragments_per_packet_max);
   std::vector<bytes> pieces(plan->count);
   for (uint32_t i = 1; i < plan->count; i++) {
      pieces[i].resize(plan->bytes(i));
      mesh::write_fragment(packet, *plan, i, pieces[i]);
   }
   mesh::keep_first_fragment(packet, *plan);
   packet.resize(plan->bytes(0));
   pieces[0] = packet;
   const auto ip = route::parse_ip(whole);
   const uint16_t word = io::load16(&whole[6]);
   size_t at = ip->header_bytes; // of the data that comes next
   for (const bytes& p : pieces) {
      const auto view = route::parse_ip(p);
      WRN_ASSERT(view && view->total_bytes == p.size() && p.size() <= mtu);
      WRN_ASSERT(header_sum(p) == 0xffff);
      const size_t data = p.size() - view->header_bytes;
      const bool last = &p == &pieces.back();
      WRN_ASSERT(data > 0 && (last || data % 8 == 0) && at + data <= ip->total_bytes);
      const uint16_t own = io::load16(&p[6]);
      WRN_ASSERT((own & 0x1fff) == (word & 0x1fff) + (at - ip->header_bytes) / 8);
      WRN_ASSERT((own & 0xc000) == (word & 0xc000));
      WRN_ASSERT(((own & 0x2000) != 0) == (!last || (word & 0x2000) != 0));
      WRN_ASSERT(std::equal(&p[view->header_bytes], p.data() + p.size(), &whole[at]));
      WRN_ASSERT(std::equal(&p[12], &p[20], &whole[12]) && p[9] == whole[9]);
      at += data;
   }
   WRN_ASSERT(at == ip->total_bytes);
}

void lower(bytes packet, uint32_t mtu) {
   const bytes before = packet;
   const auto ip = route::parse_ip(packet);
   if (!ip) return;
   const bool changed = mesh::lower_mss(packet, *ip, mtu);
   WRN_ASSERT(changed == (packet != before));
   if (!changed) return;
   WRN_ASSERT(mesh::is_syn(packet, *ip));
   const size_t tcp = ip->header_bytes, end = tcp + (packet[tcp + 12] >> 4) * 4u;
   for (size_t i = 0; i < packet.size(); i++) {
      const bool checksum = i == tcp + 16 || i == tcp + 17;
      WRN_ASSERT(packet[i] == before[i] || checksum || (i >= tcp + 20 && i < end));
   }
   // The sum over the segment stays what it was: right when it was right.
   const auto sum = [&](const bytes& p) {
      return io::fold(io::sum_bytes(&p[tcp], ip->total_bytes - tcp)) % 0xffff;
   };
   WRN_ASSERT(sum(packet) == sum(before));
   WRN_ASSERT(!mesh::lower_mss(packet, *ip, mtu));
}

} // namespace
} // namespace warren

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   using namespace warren;
   if (size < 3) return 0;
   const uint32_t mtu = data[0] | static_cast<uint32_t>(data[1]) << 8;
   bytes packet(data + 3, data + size);
   if ((data[2] & 1) != 0 && packet.size() >= 20 && header_of(packet) >= 20 &&
       header_of(packet) <= packet.size()) {
      io::store16(&packet[10], 0);
      io::store_sum(&packet[10], static_cast<uint16_t>(~header_sum(packet)));
   }
   cut(packet, mtu);
   lower(packet, mtu);
   return 0;
}
