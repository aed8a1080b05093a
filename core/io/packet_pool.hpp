// Packet memory of a shard: fixed slots for single packets and reference-counted slabs that hold a
// whole received superdatagram.
//
// Owned by the shard, used on its thread only. Nothing is allocated after construction: when memory
// is out, alloc() returns fewer packets and the caller drops. Address space is reserved at once,
// memory is touched only as slots come into use; both free lists are last in, first out, so that
// resident memory follows the load and the next slot is the one whose lines are still in the cache.
//
// wrn_pkt::cookie names the block (slot or slab) that a packet lies in: index, pool tag and a
// generation that moves on with every free, so that a second free(), a free() to a foreign pool and
// a stale descriptor end the program instead of corrupting a stranger's packet.
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
   static constexpr uint32_t slot_bytes =
         2048; // one packet of a 1,500-byte path with room for nested headers
   static constexpr uint32_t slab_bytes = 64u << 10; // one received superdatagram

   /// headroom/tailroom: what alloc() keeps free before and after the data.
   packet_pool(uint32_t slots, uint32_t slabs, uint32_t headroom, uint32_t tailroom);
   ~packet_pool();
   packet_pool(const packet_pool&) = delete;
   packet_pool& operator=(const packet_pool&) = delete;

   /// Up to out.size() packets of `size` data bytes (contents undefined); returns how many. A size
   /// that fits no slot takes a slab each.
   uint32_t alloc(std::span<wrn_pkt> out, uint32_t size) {
      return alloc(out, size, headroom_, tailroom_);
   }
   /// The same with other room around the data, as a TUN device asks for.
   uint32_t alloc(std::span<wrn_pkt> out, uint32_t size, uint32_t headroom, uint32_t tailroom);
   void free(std::span<const wrn_pkt> packets);

   struct slab;        // a 64 KiB buffer with a reference count
   slab* alloc_slab(); // one reference, the caller's; null when none is left
   uint8_t* data(slab* s);
   /// A packet at [off, off + len) of the slab; takes one more reference. Its head- and tailroom is
   /// what lies between lo and hi.
   wrn_pkt slice(slab* s, uint32_t off, uint32_t len, uint32_t lo, uint32_t hi);
   void release(slab* s);

   uint32_t headroom() const { return headroom_; }
   uint32_t tailroom() const { return tailroom_; }
   uint32_t slots_in_use() const { return slots_in_use_; }
   uint32_t slabs_in_use() const { return slabs_in_use_; }
   uint32_t slots_free() const { return slots_ - slots_in_use_; }
   uint32_t slabs_free() const { return slabs_ - slabs_in_use_; }
   uint64_t exhausted() const { return exhausted_; } // times alloc() or alloc_slab() fell short

 private:
   struct block {
      uint32_t refs = 0;
      uint32_t next = 0; // in the free list
      uint16_t generation = 1;
      uint16_t reserved = 0;
   };
   static constexpr uint32_t none = UINT32_MAX;

   uint32_t take(uint32_t& free_list);
   void put(uint32_t index);
   uint64_t cookie_of(uint32_t index) const;
   uint32_t index_of(uint64_t cookie) const;
   uint8_t* memory_of(uint32_t index) const;

   uint32_t slots_;
   uint32_t slabs_;
   uint32_t headroom_;
   uint32_t tailroom_;
   uint32_t slots_in_use_ = 0;
   uint32_t slabs_in_use_ = 0;
   uint32_t free_slot_ = none;
   uint32_t free_slab_ = none;
   uint16_t tag_;
   uint64_t exhausted_ = 0;
   uint8_t* memory_ = nullptr; // slabs first, then slots
   size_t memory_bytes_;
   std::vector<block> blocks_; // slabs first, then slots
};

} // namespace warren::io
