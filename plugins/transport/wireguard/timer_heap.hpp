#pragma once
// The peers' next deadlines: a binary heap in which every peer knows its place, so that a deadline
// can be moved in O(log n). Packets do not touch it (see README.md). Belongs to the engine.
#include "plugins/transport/wireguard/types.hpp"
#include <utility>
#include <vector>

namespace warren::wireguard {

class timer_heap {
 public:
   uint64_t next() const noexcept { return heap_.empty() ? never : heap_.front().deadline; }
   peer_id next_peer() const noexcept { return heap_.front().peer; }
   size_t size() const noexcept { return heap_.size(); }

   uint64_t deadline(peer_id peer) const noexcept {
      return peer < place_.size() && place_[peer] != absent ? heap_[place_[peer]].deadline : never;
   }

   // Adds, moves or (with `never`) removes the peer.
   void set(peer_id peer, uint64_t deadline) {
      if (peer >= place_.size()) {
         if (deadline == never) return;
         place_.resize(peer + 1, absent);
      }
      size_t at = place_[peer];
      if (deadline == never) {
         if (at != absent) remove(at);
         return;
      }
      if (at == absent) {
         at = heap_.size();
         heap_.push_back({deadline, peer});
         place_[peer] = static_cast<uint32_t>(at);
      }
      heap_[at].deadline = deadline;
      sift(at);
   }

 private:
   static constexpr uint32_t absent = UINT32_MAX;
   struct item {
      uint64_t deadline;
      peer_id peer;
   };

   void put(size_t at, const item& value) noexcept {
      heap_[at] = value;
      place_[value.peer] = static_cast<uint32_t>(at);
   }

   void remove(size_t at) noexcept {
      place_[heap_[at].peer] = absent;
      const item last = heap_.back();
      heap_.pop_back();
      if (at == heap_.size()) return;
      put(at, last);
      sift(at);
   }

   void sift(size_t at) noexcept {
      const item moving = heap_[at];
      while (at > 0 && moving.deadline < heap_[(at - 1) / 2].deadline) {
         put(at, heap_[(at - 1) / 2]);
         at = (at - 1) / 2;
      }
      for (size_t child; (child = 2 * at + 1) < heap_.size(); at = child) {
         if (child + 1 < heap_.size() && heap_[child + 1].deadline < heap_[child].deadline) child++;
         if (heap_[child].deadline >= moving.deadline) break;
         put(at, heap_[child]);
      }
      put(at, moving);
   }

   std::vector<item> heap_;
   std::vector<uint32_t> place_; // by peer_id
};

} // namespace warren::wireguard
