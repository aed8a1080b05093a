#include "plugins/transport/wireguard/rate_limiter.hpp"
#include <algorithm>
#include <cstring>
#include <sodium.h>

namespace warren::wireguard {

namespace {

constexpr size_t slot_count = 2 * rate_limiter::sources_max;
constexpr uint64_t collect_every_ns = 100'000'000; // a full table is swept at most this often

} // namespace

rate_limiter::rate_limiter(const random_source& random) : table_(slot_count) {
   survivors_.reserve(sources_max);
   random(hash_key_.data(), hash_key_.size());
}

bool rate_limiter::allow(const endpoint& from, uint64_t now) noexcept {
   uint64_t source = 0;
   std::memcpy(&source, from.ip.data(), from.family == 4 ? 4 : 8);
   size_t at = home(source, from.family);
   while (table_[at].family != 0 &&
          (table_[at].source != source || table_[at].family != from.family))
      at = (at + 1) % slot_count;
   if (table_[at].family == 0) {
      if (used_ == sources_max) {
         if (now - collected_at_ < collect_every_ns) return false;
         collect(now);
         if (used_ == sources_max) return false;
         at = home(source, from.family);
         while (table_[at].family != 0)
            at = (at + 1) % slot_count;
      }
      table_[at] = {source, now, from.family};
      used_++;
   }
   const uint64_t full_at = std::max(table_[at].full_at, now) + interval_ns;
   if (full_at > now + burst * interval_ns) return false;
   table_[at].full_at = full_at;
   return true;
}

// The key is random, so nobody can choose addresses that share a slot.
size_t rate_limiter::home(uint64_t source, uint8_t family) const noexcept {
   uint8_t in[9];
   uint8_t out[crypto_shorthash_BYTES];
   std::memcpy(in, &source, sizeof source);
   in[8] = family;
   crypto_shorthash(out, in, sizeof in, hash_key_.data());
   uint64_t hash = 0;
   std::memcpy(&hash, out, sizeof hash);
   return hash % slot_count;
}

// Drops the buckets that are full again and puts the others back in place.
void rate_limiter::collect(uint64_t now) noexcept {
   collected_at_ = now;
   survivors_.clear();
   for (entry& e : table_) {
      if (e.family != 0 && e.full_at > now) survivors_.push_back(e);
      e = {};
   }
   for (const entry& e : survivors_) {
      size_t at = home(e.source, e.family);
      while (table_[at].family != 0)
         at = (at + 1) % slot_count;
      table_[at] = e;
   }
   used_ = survivors_.size();
}

} // namespace warren::wireguard
