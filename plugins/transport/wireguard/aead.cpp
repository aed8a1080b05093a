// Chooses among the AEAD backends: lists them, proves each on a known vector, measures.
#include "plugins/transport/wireguard/aead.hpp"
#include "plugins/transport/wireguard/aead_internal.hpp"
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

// Nanoseconds per packet when sealing full batches for about `budget_ns`.
uint64_t measure(aead_backend& backend, const std::function<uint64_t()>& now_ns,
                 uint64_t budget_ns) {
   constexpr uint32_t packet = 1420;
   constexpr size_t batch = 32;
   std::vector<uint8_t> memory(batch * (packet + tag_size));
   std::array<aead_job, batch> jobs;
   const auto key = backend.make_key(std::array<uint8_t, 32>{1});
   for (size_t i = 0; i < batch; i++)
      jobs[i] = {memory.data() + i * (packet + tag_size), packet, i, false};
   key->seal(jobs); // warms caches and the CPU's vector units
   uint64_t rounds = 0;
   const uint64_t start = now_ns();
   uint64_t elapsed = 0;
   do {
      key->seal(jobs);
      rounds++;
      elapsed = now_ns() - start;
   } while (elapsed < budget_ns && rounds < 10'000); // a clock that stands still must not hang us
   return elapsed / (rounds * batch);
}

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
   std::unique_ptr<aead_backend> best;
   uint64_t best_ns = UINT64_MAX;
   for (auto& backend : aead_backends()) {
      const uint64_t ns = measure(*backend, now_ns, 1'000'000);
      if (ns >= best_ns) continue;
      best = std::move(backend);
      best_ns = ns;
   }
   return best;
}

} // namespace warren::wireguard
