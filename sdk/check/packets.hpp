// Packets whose memory is guarded: what is around them is checked when they come back, and what
// they leave behind is checked once more later. One owner at any time; the ledger knows who.
#pragma once

#include "warren/packet.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace warren::check {

class packets {
 public:
   using owner = uint32_t; // number of an instance

   /// A packet with exactly this room around its data, owned by `who`.
   wrn_pkt make(owner who, std::span<const uint8_t> data, uint32_t headroom, uint32_t tailroom);
   /// Takes a packet back through `how` ("pkt_free"), with its data where asked for. False when it
   /// was not the giver's to give.
   bool take(owner who, const wrn_pkt& packet, const char* how,
             std::vector<uint8_t>* data = nullptr);
   size_t held(owner who) const;
   /// Looks at the memory of packets that were given back, and around those that are held.
   void inspect();

 private:
   struct block {
      std::unique_ptr<uint8_t[]> memory;
      uint32_t cap = 0, headroom = 0, tailroom = 0;
      owner who = 0;
      const char* taken_by = nullptr;
   };
   void check_bounds(const block& b) const;
   void check_poison(const block& b) const;

   uint64_t next_cookie_ = 1;
   std::unordered_map<uint64_t, block> live_;
   std::deque<block> given_back_;
};

} // namespace warren::check
