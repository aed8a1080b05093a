// Generational handles: the slot index in the low half, a generation in the high half. A stale
// handle finds nothing. One owner, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace warren::base {

/// Owns objects of T and gives out handles that never mean another object later. Pointers stay
/// valid until erase().
template <class T> class handle_table {
 public:
   explicit handle_table(size_t size_max) : size_max_(size_max) {}

   /// Takes the object; 0 when the table is full.
   uint64_t insert(std::unique_ptr<T> object) {
      if (size_ == size_max_) return 0;
      uint32_t index;
      if (free_.empty()) {
         index = static_cast<uint32_t>(slots_.size());
         slots_.emplace_back();
      } else {
         index = free_.back();
         free_.pop_back();
      }
      slots_[index].object = std::move(object);
      size_++;
      return handle_of(index);
   }

   T* find(uint64_t handle) const {
      const auto index = static_cast<uint32_t>(handle);
      if (index >= slots_.size() || handle_of(index) != handle) return nullptr;
      return slots_[index].object.get();
   }

   /// Ends the handle and returns the object, or null for a stale one.
   std::unique_ptr<T> erase(uint64_t handle) {
      if (find(handle) == nullptr) return nullptr;
      const auto index = static_cast<uint32_t>(handle);
      auto object = std::move(slots_[index].object);
      slots_[index].generation++;
      free_.push_back(index);
      size_--;
      return object;
   }

   /// Calls fn(handle, object) for each; fn must not insert or erase.
   template <class Fn> void each(Fn&& fn) const {
      for (uint32_t i = 0; i < slots_.size(); i++)
         if (slots_[i].object) fn(handle_of(i), *slots_[i].object);
   }

   size_t size() const { return size_; }

 private:
   struct slot {
      std::unique_ptr<T> object;
      uint32_t generation = 1;
   };
   uint64_t handle_of(uint32_t index) const {
      return static_cast<uint64_t>(slots_[index].generation) << 32 | index;
   }

   size_t size_max_;
   size_t size_ = 0;
   std::vector<slot> slots_;
   std::vector<uint32_t> free_;
};

} // namespace warren::base
