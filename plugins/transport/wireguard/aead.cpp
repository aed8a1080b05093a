// Chooses among the AEAD backends: lists them, proves each on a known vector, measures.
#include "plugins/transport/wireguard/aead.hpp"
#include "plugins/transport/wireguard/aead_internal.hpp"
#include <algorithm>
#include <array>
#include <numeric>

namespace warren::wireguard {

namespace {

// RFC 8439's own vectors have associated data, which data messages never have. So this is the key
// and counter of its section 2.8.2 without: plaintext 0, 1, ... 79; the tag comes from an
// independent program (tests: vectors.py).
constexpr uint64_t self_test_counter = 0x4746454443424140;
constexpr size_t self_test_size = 80;
constexpr std::array<uint8_t, tag_size> self_test_tag = {0xd8, 0x53, 0x54, 0xf2, 0x3f, 0x76,
                                                         0x2a, 0xc4, 0x6f, 0xcf, 0x30, 0x3e,
                                                         0x34, 0x86, 0x72, 0xa8};

bool works(aead_backend& backend) {
   std::array<uint8_t, 32> key;
   std::iota(key.begin(), key.end(), uint8_t{0x80});
   const auto k = backend.make_key(key);
   if (!k) return false;
   std::array<uint8_t, self_test_size> plain;
   std::iota(plain.begin(), plain.end(), uint8_t{0});
   std::array<uint8_t, self_test_size + tag_size> buffer{};
   std::memcpy(buffer.data(), plain.data(), plain.size());

   aead_job job{buffer.data(), self_test_size, self_test_counter, false};
   k->seal({&job, 1});
   if (!job.ok || std::memcmp(buffer.data() + self_test_size, self_test_tag.data(), tag_size) != 0)
      return false;
   auto damaged = buffer;
   damaged.back() ^= 1;
   k->open({&job, 1});
   if (!job.ok || std::memcmp(buffer.data(), plain.data(), plain.size()) != 0) return false;
   job.data = damaged.data();
   k->open({&job, 1});
   return !job.ok;
}

/// Nanoseconds that sealing one full batch takes.
class stopwatch {
 public:
   explicit stopwatch(aead_backend& backend) : key_(backend.make_key(std::array<uint8_t, 32>{1})) {
      for (size_t i = 0; i < batch; i++)
         jobs_[i] = {memory_.data() + i * (packet + tag_size), packet, i, false};
      key_->seal(jobs_); // warms caches and the CPU's vector units
   }
   uint64_t measure(const std::function<uint64_t()>& now_ns) {
      const uint64_t start = now_ns();
      key_->seal(jobs_);
      return now_ns() - start;
   }

 private:
   static constexpr uint32_t packet = 1420;
   static constexpr size_t batch = 32;
   std::vector<uint8_t> memory_ = std::vector<uint8_t>(batch * (packet + tag_size));
   std::array<aead_job, batch> jobs_;
   std::unique_ptr<aead_key> key_;
};

} // namespace

std::vector<std::unique_ptr<aead_backend>> aead_backends() {
   std::vector<std::unique_ptr<aead_backend>> all;
#ifdef WARREN_HAVE_IPSEC_MB
   all.push_back(make_ipsec_mb_aead());
#endif
   all.push_back(make_openssl_aead());
   all.push_back(make_sodium_aead());
   std::erase_if(all, [](auto& backend) { return !backend || !works(*backend); });
   return all;
}

std::unique_ptr<aead_backend> find_aead(std::string_view name) {
   for (auto& backend : aead_backends())
      if (backend->name() == name) return std::move(backend);
   return nullptr;
}

std::unique_ptr<aead_backend> fastest_aead(const std::function<uint64_t()>& now_ns) {
   // Whoever else runs on this machine makes some rounds longer, none shorter: the least of many
   // short ones counts, in turn, so that a slow phase hits all alike.
   constexpr int rounds = 40; // of some 20 to 50 us
   auto all = aead_backends();
   std::vector<stopwatch> watches;
   for (const auto& backend : all)
      watches.emplace_back(*backend);
   std::vector<uint64_t> least(all.size(), UINT64_MAX);
   for (int round = 0; round < rounds; round++)
      for (size_t i = 0; i < all.size(); i++)
         least[i] = std::min(least[i], watches[i].measure(now_ns));
   const auto best = std::min_element(least.begin(), least.end()) - least.begin();
   return all.empty() ? nullptr : std::move(all[static_cast<size_t>(best)]);
}

} // namespace warren::wireguard
