#include "core/io/packet_pool.hpp"

#include "core/base/error.hpp"

#include <new>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WRN_POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WRN_POOL_ASAN 1
#endif
#endif
#ifdef WRN_POOL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) static_cast<void>(0)
#endif

namespace warren::io {

// A slab handle is the block index + 1 dressed as a pointer: callers can only pass it back.
namespace {

packet_pool::slab* slab_of(uint32_t index) {
   return reinterpret_cast<packet_pool::slab*>(static_cast<uintptr_t>(index) + 1);
}

uint32_t index_of_slab(packet_pool::slab* s) {
   return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(s) - 1);
}

} // namespace

packet_pool::packet_pool(uint32_t slots, uint32_t slabs, uint32_t headroom, uint32_t tailroom)
    : slots_(slots), slabs_(slabs), headroom_(headroom), tailroom_(tailroom),
      memory_bytes_(static_cast<size_t>(slabs) * slab_bytes +
                    static_cast<size_t>(slots) * slot_bytes) {
   WRN_ASSERT(headroom + tailroom < slot_bytes && memory_bytes_ != 0);
   void* const memory = mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
   if (memory == MAP_FAILED) throw std::bad_alloc(); // out of memory, caught in main()
   memory_ = static_cast<uint8_t*>(memory);
   // Huge pages would make one touched slot cost 2 MiB of resident memory.
   madvise(memory_, memory_bytes_, MADV_NOHUGEPAGE);
   ASAN_POISON_MEMORY_REGION(memory_, memory_bytes_);
   const auto address = reinterpret_cast<uintptr_t>(this);
   tag_ = static_cast<uint16_t>((address >> 4) ^ (address >> 20));
   blocks_.resize(static_cast<size_t>(slabs) + slots);
   for (uint32_t i = slabs_ + slots_; i > slabs_; i--) {
      blocks_[i - 1].next = free_slot_;
      free_slot_ = i - 1;
   }
   for (uint32_t i = slabs_; i > 0; i--) {
      blocks_[i - 1].next = free_slab_;
      free_slab_ = i - 1;
   }
}

packet_pool::~packet_pool() {
   ASAN_UNPOISON_MEMORY_REGION(memory_, memory_bytes_);
   munmap(memory_, memory_bytes_);
}

uint8_t* packet_pool::memory_of(uint32_t index) const {
   if (index < slabs_) return memory_ + static_cast<size_t>(index) * slab_bytes;
   return memory_ + static_cast<size_t>(slabs_) * slab_bytes +
          static_cast<size_t>(index - slabs_) * slot_bytes;
}

uint64_t packet_pool::cookie_of(uint32_t index) const {
   return static_cast<uint64_t>(blocks_[index].generation) << 48 |
          static_cast<uint64_t>(tag_) << 32 | index;
}

uint32_t packet_pool::index_of(uint64_t cookie) const {
   const auto index = static_cast<uint32_t>(cookie);
   WRN_ASSERT(index < blocks_.size() && blocks_[index].refs != 0 && cookie_of(index) == cookie);
   return index;
}

uint32_t packet_pool::take(uint32_t& free_list) {
   const uint32_t index = free_list;
   block& b = blocks_[index];
   free_list = b.next;
   b.refs = 1;
   ASAN_UNPOISON_MEMORY_REGION(memory_of(index), index < slabs_ ? slab_bytes : slot_bytes);
   return index;
}

void packet_pool::put(uint32_t index) {
   block& b = blocks_[index];
   if (--b.refs != 0) return;
   if (++b.generation == 0) b.generation = 1; // no cookie is ever 0
   uint32_t& free_list = index < slabs_ ? free_slab_ : free_slot_;
   b.next = free_list;
   free_list = index;
   (index < slabs_ ? slabs_in_use_ : slots_in_use_)--;
   ASAN_POISON_MEMORY_REGION(memory_of(index), index < slabs_ ? slab_bytes : slot_bytes);
}

uint32_t packet_pool::alloc(std::span<wrn_pkt> out, uint32_t size, uint32_t headroom,
                            uint32_t tailroom) {
   const uint64_t needed = static_cast<uint64_t>(size) + headroom + tailroom;
   const bool large = needed > slot_bytes;
   uint32_t& free_list = large ? free_slab_ : free_slot_;
   uint32_t count = 0;
   if (needed <= slab_bytes) {
      while (count < out.size() && free_list != none) {
         const uint32_t index = take(free_list);
         out[count++] = wrn_pkt{.buf = memory_of(index),
                                .cap = large ? slab_bytes : slot_bytes,
                                .off = headroom,
                                .len = size,
                                .local = 0,
                                .addr = {},
                                .ecn = 0,
                                .qos = 0,
                                .flags = 0,
                                .reserved = 0,
                                .cookie = cookie_of(index)};
      }
   }
   (large ? slabs_in_use_ : slots_in_use_) += count;
   if (count < out.size()) exhausted_++;
   return count;
}

void packet_pool::free(std::span<const wrn_pkt> packets) {
   for (const wrn_pkt& p : packets)
      put(index_of(p.cookie));
}

packet_pool::slab* packet_pool::alloc_slab() {
   if (free_slab_ == none) {
      exhausted_++;
      return nullptr;
   }
   slabs_in_use_++;
   return slab_of(take(free_slab_));
}

uint8_t* packet_pool::data(slab* s) { return memory_of(index_of_slab(s)); }

wrn_pkt packet_pool::slice(slab* s, uint32_t off, uint32_t len, uint32_t lo, uint32_t hi) {
   const uint32_t index = index_of_slab(s);
   WRN_ASSERT(index < slabs_ && lo <= off && len <= hi - off && off <= hi && hi <= slab_bytes);
   WRN_ASSERT(blocks_[index].refs != 0);
   blocks_[index].refs++;
   return wrn_pkt{.buf = memory_of(index) + lo,
                  .cap = hi - lo,
                  .off = off - lo,
                  .len = len,
                  .local = 0,
                  .addr = {},
                  .ecn = 0,
                  .qos = 0,
                  .flags = 0,
                  .reserved = 0,
                  .cookie = cookie_of(index)};
}

void packet_pool::release(slab* s) {
   const uint32_t index = index_of_slab(s);
   WRN_ASSERT(index < slabs_ && blocks_[index].refs != 0);
   put(index);
}

} // namespace warren::io
