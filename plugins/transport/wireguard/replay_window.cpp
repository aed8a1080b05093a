#include "plugins/transport/wireguard/replay_window.hpp"
#include <algorithm>

namespace warren::wireguard {

bool replay_window::accept(uint64_t counter, uint64_t limit) noexcept {
   if (counter >= limit) return false;
   const uint64_t word = counter / 64;
   if (counter > greatest_) {
      const uint64_t newest = greatest_ / 64;
      const uint64_t fresh = std::min<uint64_t>(word - newest, word_count);
      for (uint64_t i = 1; i <= fresh; i++)
         seen_[(newest + i) % word_count] = 0;
      greatest_ = counter;
   } else if (greatest_ - counter >= window_size) {
      return false;
   }
   const uint64_t bit = uint64_t{1} << counter % 64;
   uint64_t& bits = seen_[word % word_count];
   if ((bits & bit) != 0) return false;
   bits |= bit;
   return true;
}

} // namespace warren::wireguard
