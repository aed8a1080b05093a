// Goal: one node has a thousand peers with sessions, in bounded memory, without work when nothing
// happens. Real WireGuard plugins on both sides, virtual time.
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

namespace warren::mesh {
namespace {

using support::mesh_node;
using support::mesh_world;

constexpr unsigned peers = 1000;
constexpr size_t bytes_per_peer_max = 16 << 10;

/// Bytes in use of this process's heap; 0 where the allocator is a sanitizer's.
size_t heap_bytes() {
   const auto info = mallinfo2();
   return info.uordblks + info.hblkhd;
}

TEST(scale, thousand_peers_have_sessions_within_16_kB_each_and_no_work_when_idle) {
   mesh_world world(77);
   mesh_node& hub = world.add_node();
   for (unsigned i = 0; i < peers; i++) {
      mesh_node& spoke = world.add_node();
      spoke.add(hub, false, false);
      ASSERT_TRUE(spoke.apply());
   }
   const size_t before = heap_bytes();
   const auto spokes = std::span(world.nodes).subspan(1);
   for (const auto& spoke : spokes)
      hub.add(*spoke);
   ASSERT_TRUE(hub.apply());
   for (const auto& spoke : spokes) {
      hub.send(*spoke, spoke->number);
      world.run_ms(1);
   }
   ASSERT_TRUE(world.until(
         [&] {
            return std::all_of(spokes.begin(), spokes.end(),
                               [](const auto& s) { return s->received(s->number) == 1; });
         },
         30));
   const auto status = hub.network->status();
   ASSERT_EQ(status.peers.size(), peers);
   for (const auto& p : status.peers)
      ASSERT_EQ(p.state, peer_state::up) << p.name;
   EXPECT_TRUE(status.drops.empty());
   for (const auto& node : world.nodes)
      node->events.clear();
   // What the spokes' own halves of the sessions take is in it: the figure is above the truth.
   const size_t after = heap_bytes();
   if (after > 0) {
      RecordProperty("bytes_per_peer", static_cast<int>((after - before) / peers));
      EXPECT_LE((after - before) / peers, bytes_per_peer_max);
   }
   // The last keepalives and timers of the handshakes have passed, the next thing is a rekey that
   // nobody wants.
   world.run_ms(30'000);
   const uint64_t turns = hub.shard.turns();
   world.run_ms(10'000);
   EXPECT_LE(hub.shard.turns() - turns, 10u) << "turns in ten idle seconds";
   EXPECT_LE(hub.shard.timers(), peers * 2);
}

} // namespace
} // namespace warren::mesh
