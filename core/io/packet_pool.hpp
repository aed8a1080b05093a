// Packet memory of a shard: fixed slots for single packets and reference-counted slabs that hold a whole received superdatagram.
//
// Owned by the shard, used on its thread only. Nothing is allocated after construction: when memory is out, alloc() returns fewer
// packets and the caller drops. wrn_pkt::cookie points at the reference count of the slab or slot the packet lies in.
#pragma once

#include "warren/packet.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace warren::io {

class packet_pool {
 public:
   static constexpr uint32_t slot_bytes = 2048;      // one packet of a 1,500-byte path with room for nested headers
   static constexpr uint32_t slab_bytes = 64u << 10; // one received superdatagram

   /// headroom/tailroom: what alloc() keeps free before and after the data.
   packet_pool(uint32_t slots, uint32_t slabs, uint32_t headroom, uint32_t tailroom);
   ~packet_pool();
   packet_pool(const packet_pool&) = delete;
   packet_pool& operator=(const packet_pool&) = delete;

   /// Up to out.size() packets of `size` data bytes (contents undefined); returns how many.
   uint32_t alloc(std::span<wrn_pkt> out, uint32_t size);
   void free(std::span<const wrn_pkt> packets);

   struct slab; // a 64 KiB buffer with a reference count
   slab* alloc_slab(); // one reference, the caller's; null when none is left
   uint8_t* data(slab* s);
   /// A packet at [off, off + len) of the slab; takes one more reference. Its head- and tailroom is what lies between lo and hi.
   wrn_pkt slice(slab* s, uint32_t off, uint32_t len, uint32_t lo, uint32_t hi);
   void release(slab* s);

   uint32_t headroom() const;
   uint32_t tailroom() const;
   uint32_t slots_in_use() const;
   uint32_t slabs_in_use() const;
   uint64_t exhausted() const; // times alloc() or alloc_slab() fell short

 private:
   struct impl;
   std::unique_ptr<impl> impl_;
};

} // namespace warren::io
