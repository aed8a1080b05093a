#pragma once
// Which message counters of one session have been seen: a ring of bits as in RFC 6479, where moving
// the window forward clears whole words instead of shifting. Ask only about messages that have been
// authenticated.
#include "plugins/transport/wireguard/timing.hpp"
#include <array>
#include <cstddef>
#include <cstdint>

namespace warren::wireguard {

class replay_window {
 public:
   static constexpr size_t word_count = 128;
   // One word is always partly stale, so it does not count.
   static constexpr uint64_t window_size = (word_count - 1) * 64;

   // Records the counter. False if it was seen before, is older than the window or not below
   // `limit`.
   bool accept(uint64_t counter, uint64_t limit = timing{}.reject_after_messages) noexcept;

 private:
   uint64_t greatest_ = 0;
   std::array<uint64_t, word_count> seen_{};
};

} // namespace warren::wireguard
