// Any virtio header in front of any bytes: splitting stays within bounds, ends, and what comes out
// adds up to what went in. Input: ten bytes of virtio header, then the packet.
#include "core/base/error.hpp"
#include "core/io/split.hpp"

#include <cstring>
#include <vector>

using namespace warren::io;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static packet_pool pool(256, 4, 64, 64);
   virtio_header header;
   if (size < sizeof header) return 0;
   std::memcpy(&header, data, sizeof header);
   const std::vector<uint8_t> packet(data + sizeof header,
                                     data + size); // its own memory, so that reading on is seen
   splitter s;
   if (!s.begin(header, packet)) {
      WRN_ASSERT(s.done());
      return 0;
   }
   wrn_pkt out[WRN_BATCH_MAX];
   size_t payload = 0, segments = 0, last = 0;
   while (!s.done()) {
      const uint32_t n = s.next(pool, out, 64, 64);
      if (n == 0) { // larger than any slab
         s.abandon();
         return 0;
      }
      for (uint32_t i = 0; i < n; i++) {
         WRN_ASSERT(out[i].off == 64 && out[i].off + out[i].len + 64 <= out[i].cap);
         payload += out[i].len;
         last = out[i].len;
      }
      segments += n;
      pool.free({out, n});
   }
   WRN_ASSERT(segments != 0 && pool.slots_in_use() + pool.slabs_in_use() == 0);
   // Each segment repeats the headers; without them the payloads are those of the packet.
   if (header.gso_type != virtio::gso_none && segments > 1) {
      const size_t headers = (payload - packet.size()) / (segments - 1);
      WRN_ASSERT((payload - packet.size()) % (segments - 1) == 0);
      WRN_ASSERT(last > headers && last <= headers + header.gso_size);
   }
   return 0;
}
