// What the plugin boundary costs per packet in full batches: core -> ABI -> plugin -> ABI -> core.
//
// The whole of core/mesh is around it, so the figure is an upper bound: IP header, owner by flow
// cache, link, room, the no-op transport's tx, deliver, source check, and a TUN device that swallows.
// Packets are real slots of the pool and are used again. `run`: segments of superpackets of 44, as the
// TUN device hands over a TCP stream; `apart`: each packet is looked up by itself.
#include "core/base/address.hpp"
#include "core/mesh/network.hpp"
#include "tests/support/fake_shard.hpp"
#include "tests/support/mesh_world.hpp"

#include <array>
#include <benchmark/benchmark.h>

namespace warren {

namespace {

constexpr uint32_t batch = WRN_BATCH_MAX;

/// A node with the no-op transport and one peer.
struct node {
   support::mesh_world world{1};
   support::mesh_node& self = world.add_node();
   std::array<wrn_pkt, batch> packets{};
   uint64_t delivered = 0;

   node(size_t bytes, bool runs) {
      self.settings.transports.front().plugin = NOOP_MODULE;
      config::peer p;
      p.name = "peer";
      p.tunnel_key = crypto::bytes32{1};
      p.addresses = {*base::parse_prefix("10.0.0.2")};
      self.settings.peers = {p};
      if (!self.apply()) std::abort();
      if (self.shard.pool().alloc(packets, static_cast<uint32_t>(bytes)) != batch) std::abort();
      // From the peer's address to the peer's address: it belongs there on both ways.
      const auto inner = support::make_udp4("10.0.0.2", "10.0.0.2", 1, bytes - 28);
      for (uint32_t i = 0; i < batch; i++) {
         std::copy(inner.begin(), inner.end(), packets[i].buf + packets[i].off);
         if (runs && i % 44 != 0) packets[i].flags = WRN_PKT_RUN;
      }
      self.tun().swallow = [this](std::span<wrn_pkt> written) { delivered += written.size(); };
   }
   ~node() {
      self.tun().swallow = {};
      self.shard.pool().free(packets);
   }
};

void measure(benchmark::State& state, bool runs) {
   node n(1420, runs);
   for (auto _ : state) {
      std::array<wrn_pkt, batch> turn = n.packets;
      n.self.network->on_packets(n.self.tun(), turn);
   }
   if (n.delivered != static_cast<uint64_t>(state.iterations()) * batch) std::abort();
   state.SetItemsProcessed(static_cast<int64_t>(n.delivered));
   state.counters["per_packet"] = benchmark::Counter(
         static_cast<double>(n.delivered),
         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(measure, run, true)->Name("boundary/run");
BENCHMARK_CAPTURE(measure, apart, false)->Name("boundary/apart");

} // namespace

} // namespace warren

BENCHMARK_MAIN();
