// Any batch of packets: what the plain splitter makes of the writes are the packets that went in,
// in order between two addresses and ports. Input: repeated {flags, length as two bytes
// little-endian, bytes}; flag bit 0 makes the packet's checksums right, bit 1 copies the packet
// before and advances its sequence number and identification, so that a fuzzer reaches joining
// quickly.
#include "core/base/error.hpp"
#include "core/io/coalesce.hpp"
#include "tests/support/inner_packet.hpp"

#include <cstring>
#include <map>
#include <memory>

using namespace warren;
using support::bytes;

namespace {

bool summable(const bytes& p) {
   if (p.size() < 28) return false;
   if (p[0] >> 4 == 4 && ((p[0] & 15) < 5 || (p[0] & 15u) * 4 + 20 > p.size())) return false;
   if (p[0] >> 4 == 6 && p.size() < 60) return false;
   if (p[0] >> 4 != 4 && p[0] >> 4 != 6) return false;
   uint8_t protocol;
   const size_t at = support::transport_offset(p, protocol);
   return at != 0 && at + 20 <= p.size();
}

/// TCP may write a sum of zero in two ways; joining makes it the usual one.
bytes normal(bytes p) {
   p = support::without_identification(std::move(p));
   uint8_t protocol = 0;
   if (!summable(p)) return p;
   const size_t at = support::transport_offset(p, protocol);
   if (protocol == 6 && p[at + 16] == 0xff && p[at + 17] == 0xff) p[at + 16] = p[at + 17] = 0;
   if (p[0] >> 4 == 4 && p[10] == 0xff && p[11] == 0xff) p[10] = p[11] = 0;
   return p;
}

using flows = std::map<bytes, std::vector<bytes>>;

void add(flows& to, const bytes& p) {
   bytes key;
   if (p.size() >= 20 && p[0] >> 4 == 4) key.assign(p.begin() + 12, p.begin() + 20);
   if (p.size() >= 40 && p[0] >> 4 == 6) key.assign(p.begin() + 8, p.begin() + 40);
   uint8_t protocol = 0;
   if (!key.empty() && summable(p)) {
      const size_t at = support::transport_offset(p, protocol);
      key.insert(key.end(), &p[at], &p[at] + 4);
      key.push_back(protocol);
   }
   to[key].push_back(normal(p));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   std::vector<bytes> memory;
   while (size >= 3 && memory.size() < WRN_BATCH_MAX) {
      const uint8_t flags = data[0];
      size_t n = data[1] | static_cast<size_t>(data[2] & 0x0f) << 8;
      data += 3;
      size -= 3;
      n = std::min(n, size);
      bytes p(data, data + n);
      data += n;
      size -= n;
      if ((flags & 2) != 0 && !memory.empty() && summable(memory.back())) {
         p = memory.back();
         uint8_t protocol;
         const size_t at = support::transport_offset(p, protocol);
         if (protocol == 6) {
            const size_t headers = at + (p[at + 12] >> 4) * 4u;
            const auto advance = static_cast<uint32_t>(p.size() - std::min(p.size(), headers));
            uint32_t sequence = 0;
            for (size_t i = 0; i < 4; i++)
               sequence = sequence << 8 | p[at + 4 + i];
            sequence += advance;
            for (size_t i = 0; i < 4; i++)
               p[at + 4 + i] = static_cast<uint8_t>(sequence >> (24 - 8 * i));
         }
         if (p[0] >> 4 == 4 && ++p[5] == 0) p[4]++;
      }
      if (((flags & 1) != 0 || (flags & 2) != 0) && summable(p)) support::set_checksums(p);
      if (!p.empty()) memory.push_back(std::move(p));
   }
   flows in, out;
   std::vector<wrn_pkt> packets;
   for (bytes& p : memory) {
      add(in, p);
      wrn_pkt d{};
      d.buf = p.data();
      d.cap = d.len = static_cast<uint32_t>(p.size());
      packets.push_back(d);
   }
   const auto c = std::make_unique<io::coalescer>();
   const uint32_t writes = c->join(packets, {});
   for (uint32_t w = 0; w < writes; w++) {
      iovec pieces[io::coalescer::pieces_max];
      const uint32_t n = c->pieces(w, pieces);
      io::virtio_header header;
      std::memcpy(&header, pieces[0].iov_base, sizeof header);
      bytes all;
      for (uint32_t i = 1; i < n; i++) {
         const auto* const p = static_cast<const uint8_t*>(pieces[i].iov_base);
         all.insert(all.end(), p, p + pieces[i].iov_len);
      }
      WRN_ASSERT(all.size() <= 65535);
      if (header.gso_type == 0) {
         WRN_ASSERT(header.flags == 0);
         add(out, all);
      } else {
         for (const bytes& p : support::naive_split(header, all))
            add(out, p);
      }
   }
   WRN_ASSERT(in == out);
   return 0;
}
