// Goal: many peers, any sequence of events, and still no packet twice, no nonce twice, no forgotten
// index, no peer that cannot talk once the network is well again. Method: random operations by seed
// on a lossy network, then a check of the invariants. A failure prints its seed.
#include "network.hpp"

namespace warren::wireguard::testing {
namespace {

struct mesh {
   mesh(uint64_t seed, size_t count) : net(seed) {
      for (size_t i = 0; i < count; i++)
         net.make_node();
      for (auto& n : net.nodes) {
         n->on_stranger = nullptr;
         for (auto& other : net.nodes)
            if (n != other)
               ids[{n.get(), other.get()}] = n->add(*other, net.random() % 3 == 0 ? 25 : 0);
      }
   }
   node& any() { return *net.nodes[net.random() % net.nodes.size()]; }
   network net;
   std::vector<std::pair<node*, node*>> pairs; // in an order that does not depend on addresses
   std::map<std::pair<node*, node*>, peer_id> ids;
};

void soak(uint64_t seed) {
   SCOPED_TRACE("seed " + std::to_string(seed));
   mesh m(seed, 5);
   network& net = m.net;
   uint64_t loss = 0; // of 16
   net.filter = [&](const message_in_flight& msg, uint64_t& delivery) {
      delivery += net.random() % (30 * ms);
      if (net.random() % 16 == 0) net.inject(msg.from, msg.to, msg.data);
      if (net.random() % 16 == 0) {
         bytes bad = msg.data;
         bad[net.random() % bad.size()] ^= static_cast<uint8_t>(1 << net.random() % 8);
         net.inject(address(77), msg.to, std::move(bad));
      }
      return net.random() % 16 >= loss;
   };
   uint32_t number = 0;
   for (int step = 0; step < 1500; step++) {
      node& a = m.any();
      node& b = m.any();
      if (&a == &b) continue;
      const peer_id to_b = m.ids[{&a, &b}];
      switch (net.random() % 40) {
      case 0:
         loss = net.random() % 12;
         break;
      case 1:
         net.run_for(net.random() % (200 * s));
         break;
      case 2:
         a.wg->set_keepalive(to_b, uint16_t(net.random() % 30), net.now);
         break;
      case 3:
         a.wg->set_identity(a.keys.identity(), net.now, net.wall());
         break;
      case 4: {
         a.wg->remove_peer(to_b);
         a.staged.erase(to_b);
         m.ids[{&a, &b}] = a.add(b);
         break;
      }
      case 5:
         a.at.port = static_cast<uint16_t>(40000 + net.random() % 1000);
         break; // its NAT forgot it
      case 6:
         net.wall_offset += static_cast<int64_t>(net.random() % (4 * s)) - 2 * int64_t{s};
         break;
      default:
         for (size_t i = net.random() % 20; i > 0; i--)
            a.push(to_b, ip_packet(20 + net.random() % 1400, ++number));
         net.run_for(net.random() % (3 * s));
      }
   }
   size_t total = 0;
   for (auto& n : net.nodes) {
      std::set<bytes> unique;
      for (const auto& r : n->received)
         unique.insert(r.packet);
      EXPECT_EQ(unique.size(), n->received.size());
      total += unique.size();
      EXPECT_LE(n->wg->index_count(), 4 * n->wg->peer_count()); // three slots and a handshake
   }
   EXPECT_GT(total, number / 4);
   EXPECT_EQ(net.ledger->repeated, 0u);

   // The network is well again, and everybody learns where everybody is: every pair must work.
   loss = 0;
   net.run_for(600 * s);
   std::shuffle(m.pairs.begin(), m.pairs.end(), net.random);
   for (const auto& who : m.pairs) {
      const peer_id id = m.ids[who];
      who.first->wg->set_endpoint(id, who.second->at);
      who.first->push(id, ip_packet(100, ++number));
      net.run_for(25 * s);
      const bytes expected = ip_packet(100, number);
      const auto& got = who.second->received;
      EXPECT_TRUE(std::any_of(got.begin(), got.end(),
                              [&](const auto& r) { return r.packet == expected; }));
   }
}

TEST(EngineSoak, RandomEventsAmongFivePeersKeepTheInvariants) {
   for (uint64_t seed = 1; seed <= 12; seed++)
      soak(seed);
}

TEST(EngineSoak, AThousandPeersOfOneHubConnectAndStayConnected) {
   network net(4);
   node& hub = net.make_node();
   constexpr uint32_t count = 1000;
   std::vector<std::pair<node*, peer_id>> spokes;
   for (uint32_t i = 0; i < count; i++) {
      node& n = net.make_node();
      hub.add(n, 0, {}, false);
      spokes.emplace_back(&n, n.add(hub));
   }
   for (auto& [n, id] : spokes)
      n->push(id, ip_packet(100));
   net.run_for(1 * s);
   // All at once is more than the load threshold: the later ones are asked for cookies and come
   // back at once.
   EXPECT_GT(hub.results[receive_result::cookie_sent], 0u);
   EXPECT_EQ(hub.received.size(), count);
   EXPECT_EQ(hub.wg->index_count(), count);
}

} // namespace
} // namespace warren::wireguard::testing
