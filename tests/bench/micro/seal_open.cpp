// What sealing and opening the same bytes costs in a hot loop: the part of a tunnel's work that no
// design saves. tunnel.py runs it between the tunnels, so that both figures are from one run.
//   seal_open BYTES [BACKEND]    prints {"backend":…,"bytes":…,"seal_ns":…,"open_ns":…}, per
//   packet:
//                                the medians of 2,000 batches of 47; without a name with the
//                                backend that `aead = "auto"` takes here and now
#include "plugins/transport/wireguard/aead.hpp"
#include "tests/bench/micro/body.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

using namespace warren;

namespace {

constexpr size_t batch = 47; // a superpacket
constexpr size_t rounds = 2000;
constexpr size_t stride = 2048; // a slot of the packet pool

uint64_t now_ns() {
   return static_cast<uint64_t>(
         std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

double median_per_packet(std::vector<uint64_t>& all) {
   std::nth_element(all.begin(), all.begin() + static_cast<long>(all.size() / 2), all.end());
   return static_cast<double>(all[all.size() / 2]) / static_cast<double>(batch);
}

} // namespace

int main(int argc, char** argv) {
   const unsigned long bytes = argc == 2 || argc == 3 ? std::strtoul(argv[1], nullptr, 10) : 0;
   if (bytes == 0 || bytes + wireguard::tag_size > stride) {
      std::fprintf(stderr, "usage: seal_open BYTES [BACKEND]\n");
      return 2;
   }
   const auto backend = argc == 3 ? wireguard::find_aead(argv[2]) : wireguard::fastest_aead(now_ns);
   bench::require(backend != nullptr, "no backend works");
   const auto key = backend->make_key(std::array<uint8_t, 32>{1});
   std::vector<uint8_t> memory(batch * stride);
   std::array<wireguard::aead_job, batch> jobs;
   for (size_t i = 0; i < batch; i++)
      jobs[i] = {memory.data() + i * stride, static_cast<uint32_t>(bytes), i, false};
   std::vector<uint64_t> seal, open;
   for (size_t round = 0; round < rounds; round++) {
      for (auto& job : jobs)
         job.counter += batch;
      const uint64_t begin = now_ns();
      key->seal(jobs);
      const uint64_t middle = now_ns();
      key->open(jobs);
      open.push_back(now_ns() - middle);
      seal.push_back(middle - begin);
      bench::require(jobs.front().ok && jobs.back().ok, "a packet was refused");
   }
   std::printf("{\"backend\":\"%s\",\"bytes\":%lu,\"seal_ns\":%.1f,\"open_ns\":%.1f}\n",
               std::string(backend->name()).c_str(), bytes, median_per_packet(seal),
               median_per_packet(open));
}
