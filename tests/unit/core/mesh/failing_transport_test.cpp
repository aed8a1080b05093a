// Goal: a plugin that fails, or calls the host from anywhere, hurts nobody else, and the host never
// calls back into a plugin that waits for it. Method: meshes in which one node has a plugin whose
// behaviour the test chooses; the world checks at its end that nothing is left over.
#include "core/mesh/frame.hpp"
#include "tests/support/mesh_world.hpp"
#include "tests/support/probe_plugin.h"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

struct failing_transport : ::testing::Test {
   support::mesh_world world{81, "plain"};
   support::mesh_node &a = world.add_node(), &b = world.add_node(), &c = world.add_node();

   failing_transport() {
      probe_behaviour = {};
      probe_behaviour.links_come_up = 1;
      auto wrapped = plugin::module::wrap(probe_entry, "probe");
      EXPECT_TRUE(wrapped);
      world.plugins.add(*wrapped);
   }
   ~failing_transport() override { probe_behaviour = {}; }
   /// The other nodes run the plain transport; a runs the probe before it, or alone.
   void start(bool alone, bool by_id = false) {
      config::plugin_use use;
      use.plugin = "probe";
      if (alone) {
         use.listen = a.settings.transports.front().listen;
         a.settings.transports = {use};
      } else {
         a.settings.transports.insert(a.settings.transports.begin(), use);
      }
      world.connect_all(by_id);
   }
   static probe& it() { return *probe_newest(WRN_KIND_TRANSPORT); }
   static void fail_now(probe* p) { p->host->fail(p->host, WRN_E_INTERNAL, "it broke"); }
   /// What must hold for every plugin at any time.
   static void expect_rules(const probe& p) {
      EXPECT_EQ(p.reentered, 0u) << "the host called back before a host function returned";
      EXPECT_EQ(p.while_ended, 0u);
   }
};

TEST_F(failing_transport, takes_only_its_own_links_down_and_says_why) {
   start(false);
   a.send(b, 1);
   world.run_ms(10);
   EXPECT_EQ(it().sent, 1u);
   fail_now(&it());
   EXPECT_TRUE(a.saw("plugin.failed"));
   EXPECT_TRUE(a.saw("peer.down"));
   EXPECT_EQ(a.peer(b).last_error, "probe failed: it broke");
   EXPECT_EQ(a.network->status().instances.front().state, "failed");
   const uint32_t sent = it().sent;
   a.send(b, 2);
   b.send(c, 3);
   c.send(a, 4);
   EXPECT_TRUE(world.until(
         [&] { return b.received(2) == 1 && c.received(3) == 1 && a.received(4) == 1; }, 2));
   EXPECT_EQ(it().sent, sent) << "a failed transport gets no packets";
   EXPECT_EQ(it().timers, 0u);
   expect_rules(it());
}

TEST_F(failing_transport, without_another_one_applications_are_told_and_a_replacement_works) {
   start(true);
   fail_now(&it());
   const uint32_t sent = it().sent;
   a.send(b, 1);
   world.run_ms(10);
   EXPECT_EQ(it().sent, sent);
   EXPECT_EQ(a.drops("no_link"), 1u);
   ASSERT_FALSE(a.tun().written.empty());
   EXPECT_EQ(a.tun().written.back()[9], 1); // ICMP
   // A change of the peers reaches no failed transport.
   a.settings.peers[0].keepalive_s = 25;
   a.settings.peers[0].endpoints = {"probe://192.0.2.2:51820"};
   ASSERT_TRUE(a.apply());
   a.network->on_network_changed();
   expect_rules(it());
   config::plugin_use plain;
   plain.plugin = "plain";
   plain.listen = a.settings.transports.front().listen;
   a.settings.transports = {plain};
   a.settings.peers[0].endpoints = {"plain://192.0.2.2:51820"};
   ASSERT_TRUE(a.apply());
   EXPECT_EQ(probe_newest(WRN_KIND_TRANSPORT), nullptr);
   a.send(b, 2);
   EXPECT_TRUE(world.until([&] { return b.received(2) == 1; }, 2));
}

TEST_F(failing_transport, inside_tx_drops_what_waits) {
   start(true);
   probe_behaviour.roomless = 1;
   for (uint32_t i = 0; i < 300; i++)
      a.send(b, i);
   world.run_ms(10);
   EXPECT_EQ(a.drops("queue_full"), 300u - base::limits::link_queue_max);
   probe_behaviour.roomless = 0;
   probe_behaviour.on_tx = [](probe* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
      p->host->pkt_free(p->host, pkts, n);
      fail_now(p);
   };
   PROBE_HOST(&it(), it().link->writable(it().host, it().links[0]));
   PROBE_HOST(&it(), it().link->writable(it().host, it().links[1]));
   world.run_ms(10);
   EXPECT_EQ(a.shard.pool().slots_in_use(), 0u);
   EXPECT_EQ(a.drops("no_link"), base::limits::link_queue_max - WRN_BATCH_MAX);
   expect_rules(it());
}

TEST_F(failing_transport, inside_a_batch_from_the_interface_drops_the_rest) {
   start(true);
   probe_behaviour.on_tx = [](probe* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
      fail_now(p);
      p->host->pkt_drop(p->host, 0, pkts, n, WRN_DROP_OTHER);
   };
   for (uint32_t i = 0; i < 100; i++) {
      a.send(b, i);
      a.send(c, i);
   }
   world.run_ms(10);
   EXPECT_EQ(a.shard.pool().slots_in_use(), 0u);
   EXPECT_EQ(a.drops("other") + a.drops("no_link"), 200u);
   expect_rules(it());
}

TEST_F(failing_transport, host_does_not_call_back_from_state_deliver_or_writable) {
   start(true, true);
   // Whatever arrives is delivered as an echo, which wants an answer, after a state change that
   // wants a hello, with packets that wait.
   probe_behaviour.on_recv = [](probe* p, wrn_pkt* pkts, uint32_t n) {
      for (uint32_t i = 0; i < n; i++) {
         pkts[i].off += 8; // the plain transport's header
         pkts[i].len = static_cast<uint32_t>(write_frame(
               pkts[i].buf + pkts[i].off, frame_type::echo, std::array<uint8_t, echo_bytes>{7}));
      }
      PROBE_HOST(p, p->link->state(p->host, p->links[0], WRN_LINK_CONNECTING, WRN_OK));
      PROBE_HOST(p, p->link->state(p->host, p->links[0], WRN_LINK_UP, WRN_OK));
      PROBE_HOST(p, p->link->writable(p->host, p->links[0]));
      PROBE_HOST(p, p->link->deliver(p->host, p->links[0], pkts, n));
      PROBE_HOST(p, p->link->state(p->host, p->links[0], WRN_LINK_DOWN, WRN_E_TIMEOUT));
      PROBE_HOST(p, p->link->state(p->host, 77, WRN_LINK_UP, WRN_OK)); // not its own
   };
   ASSERT_TRUE(
         world.until([&] { return it().link_count == 2 && b.peer(a).tunnel_key.has_value(); }, 5));
   const uint32_t before = it().sent;
   b.send(a, 1);
   world.run_ms(50);
   EXPECT_GE(it().sent, before + 1) << "the answer comes, later";
   EXPECT_EQ(a.received(1), 0u);
   expect_rules(it());
}

TEST_F(failing_transport, calls_from_close_and_stop_leave_no_timer) {
   probe_behaviour.on_close = [](probe* p, wrn_handle link) {
      PROBE_HOST(p, p->link->state(p->host, link, WRN_LINK_CONNECTING, WRN_OK));
      PROBE_HOST(p, p->link->state(p->host, link, WRN_LINK_UP, WRN_OK));
      PROBE_HOST(p, p->link->writable(p->host, link));
   };
   probe_behaviour.on_stop = [](probe* p) {
      wrn_handle timer = 0;
      PROBE_HOST(p, p->host->timer_set(p->host, &timer, 0, 1));
      PROBE_HOST(p, p->host->fail(p->host, WRN_E_INTERNAL, "too late"));
   };
   start(false);
   config::plugin_use use;
   use.plugin = "probe";
   use.kind = WRN_KIND_DISCOVERY;
   a.settings.plugins.push_back(use);
   probe_behaviour.on_peer = [](probe* p, wrn_handle peer) {
      wrn_endpoint e{{"plain", 5}, {}};
      e.addr.family = WRN_AF_INET;
      e.addr.port = 1;
      PROBE_HOST(p, p->discovery->offer(p->host, peer, &e, 1));
   };
   ASSERT_TRUE(a.apply());
   probe_behaviour.on_stop = [](probe* p) {
      for (uint32_t i = 0; i < p->peer_count; i++)
         PROBE_HOST(p, p->discovery->offer(p->host, p->peers[i], nullptr, 0));
      wrn_handle timer = 0;
      PROBE_HOST(p, p->host->timer_set(p->host, &timer, 0, 1));
      PROBE_HOST(p, p->host->fail(p->host, WRN_E_INTERNAL, "too late"));
   };
   expect_rules(it());
   a.stop();
   EXPECT_EQ(a.shard.timers(), 0u);
   EXPECT_FALSE(a.saw("plugin.failed"));
   world.run_ms(2000);
}

TEST_F(failing_transport, start_that_fails_takes_back_its_timer_and_changes_nothing) {
   start(false);
   probe_behaviour.start = WRN_E_INTERNAL;
   probe_behaviour.text = "no such device";
   probe_behaviour.on_start = [](probe* p) {
      wrn_handle timer = 0;
      PROBE_HOST(p, p->host->timer_set(p->host, &timer, 0, 1));
   };
   const auto before = a.settings;
   const auto timers = a.shard.timers();
   a.settings.transports.front().values.entries["count"] = {int64_t{8}, {}};
   const auto refused = a.apply();
   ASSERT_FALSE(refused);
   EXPECT_NE(refused.error().text.find("no such device"), std::string::npos)
         << refused.error().text;
   EXPECT_EQ(a.shard.timers(), timers);
   world.run_ms(10);
   // The same, by fail() and a cheerful return.
   probe_behaviour.start = WRN_OK;
   probe_behaviour.on_start = [](probe* p) {
      p->active = 1;
      fail_now(p);
   };
   const auto failed = a.apply();
   ASSERT_FALSE(failed);
   EXPECT_NE(failed.error().text.find("it broke"), std::string::npos) << failed.error().text;
   EXPECT_FALSE(a.saw("plugin.failed"));
   a.settings = before;
   probe_behaviour = {};
   a.send(b, 1);
   world.run_ms(10);
   EXPECT_EQ(it().sent, 1u) << "the old one runs on";
}

TEST_F(failing_transport, open_that_fails_leaves_the_peer_to_the_other_transport) {
   probe_behaviour.open = WRN_E_LIMIT;
   start(false);
   a.send(b, 1);
   EXPECT_TRUE(world.until([&] { return b.received(1) == 1; }, 2));
   expect_rules(it());
}

} // namespace
} // namespace warren::mesh
