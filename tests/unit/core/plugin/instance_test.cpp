// Goal: the life of an instance is what sdk/include/warren/plugin.h promises, and what a plugin
// gets wrong stays its own trouble. Method: a plugin in C whose behaviour each test chooses, on a
// shard under virtual time.
#include "core/base/limits.hpp"
#include "core/plugin/instance.hpp"
#include "tests/support/fake_shard.hpp"
#include "tests/support/probe_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warren::plugin {
namespace {

namespace limits = base::limits;
using ::testing::HasSubstr;

/// A network that only listens.
struct silent_port final : host_port {
   trust::identity own;
   io::packet_pool* pool = nullptr;
   std::vector<std::string> failures;
   size_t offers = 0;
   const trust::identity& identity() const override { return own; }
   void drop(instance&, uint64_t, std::span<const wrn_pkt> packets, uint32_t) override {
      pool->free(packets);
   }
   uint32_t udp_room(instance&, uint64_t) override { return 0; }
   void udp_send(instance&, uint64_t, std::span<const wrn_pkt> packets) override {
      pool->free(packets);
   }
   wrn_status udp_local(instance&, uint64_t, wrn_addr&) override { return WRN_E_NOT_FOUND; }
   wrn_status link_incoming(instance&, const wrn_key&, const wrn_addr&, uint64_t&,
                            wrn_link_params&) override {
      return WRN_E_NOT_FOUND;
   }
   void link_state(instance&, uint64_t, uint32_t, wrn_status) override {}
   void link_moved(instance&, uint64_t, const wrn_addr&) override {}
   void link_deliver(instance&, uint64_t, std::span<wrn_pkt> packets) override {
      pool->free(packets);
   }
   void link_writable(instance&, uint64_t) override {}
   wrn_status offer(instance&, uint64_t, std::span<const wrn_endpoint>) override {
      offers++;
      return WRN_OK;
   }
   uint32_t members(std::span<uint64_t>) const override { return 0; }
   uint64_t member_by_id(const wrn_key&) const override { return 0; }
   wrn_status member_info(uint64_t, wrn_member&) const override { return WRN_E_NOT_FOUND; }
   wrn_status send_message(instance&, uint64_t, std::span<const uint8_t>) override {
      return WRN_E_NOT_FOUND;
   }
   wrn_status send_bulk(instance&, uint64_t, std::span<const uint8_t>, uint64_t) override {
      return WRN_E_NOT_FOUND;
   }
   wrn_status publish(instance&, std::span<const wrn_route>) override { return WRN_OK; }
   bool relays() const override { return false; }
   wrn_status respond(instance&, uint64_t, uint32_t, std::string_view) override {
      return WRN_E_NOT_FOUND;
   }
   void failed(instance&, wrn_status, std::string_view why) override { failures.emplace_back(why); }
};

struct plugin_instance : ::testing::Test {
   support::fake_network net{5};
   support::fake_shard& shard = net.add_node({"192.0.2.1"});
   silent_port port;
   config::plugin_use use;
   std::shared_ptr<module> from;
   std::unique_ptr<instance> it;

   plugin_instance() {
      probe_behaviour = {};
      EXPECT_TRUE(crypto::init());
      const auto random = [this](void* buf, size_t len) { shard.random(buf, len); };
      port.own = {crypto::make_signing_key(random), crypto::make_tunnel_key(random), 1};
      port.pool = &shard.pool();
      from = *module::wrap(probe_entry, "probe");
      use.plugin = "probe";
      use.where = {"acme.toml", 3, 1};
   }
   ~plugin_instance() override {
      if (it) it->stop();
      it.reset();
      EXPECT_EQ(probe_newest(WRN_KIND_TRANSPORT), nullptr) << "not destroyed";
      EXPECT_TRUE(shard.balanced());
      EXPECT_EQ(shard.timers(), 0u);
      probe_behaviour = {};
   }
   base::result<std::unique_ptr<instance>>
   create(const wrn_plugin_desc& desc = probe_transport_desc) {
      return instance::create({from, &desc}, use, "acme", shard, port.own);
   }
   probe& start() {
      auto made = create();
      EXPECT_TRUE(made) << made.error().text;
      it = std::move(*made);
      const auto started = it->start(port);
      EXPECT_TRUE(started) << started.error().text;
      return *probe_newest(WRN_KIND_TRANSPORT);
   }
};

TEST_F(plugin_instance, values_reach_the_plugin_through_every_getter) {
   use.values.where = {"acme.toml", 9, 1};
   use.values.entries["flag"] = {true, {"acme.toml", 10, 1}};
   use.values.entries["count"] = {int64_t{42}, {"acme.toml", 11, 5}};
   use.values.entries["share"] = {0.25, {}};
   use.values.entries["mode"] = {std::string("fast"), {}};
   use.values.entries["pause"] = {int64_t{250'000'000}, {}};
   use.values.entries["list"] = {std::vector<std::string>{"a", "", "c"}, {}};
   static int runs;
   runs = 0;
   probe_behaviour.on_configure = [](probe* p, const wrn_conf* conf) {
      const wrn_host_conf& get = *p->conf;
      uint8_t flag = 9;
      EXPECT_EQ(get.get_bool(conf, "flag", &flag), WRN_OK);
      EXPECT_EQ(flag, 1);
      int64_t number = 0;
      EXPECT_EQ(get.get_int(conf, "count", &number), WRN_OK);
      EXPECT_EQ(number, 42);
      EXPECT_EQ(get.get_int(conf, "pause", &number), WRN_OK);
      EXPECT_EQ(number, 250'000'000);
      double share = 0;
      EXPECT_EQ(get.get_float(conf, "share", &share), WRN_OK);
      EXPECT_EQ(share, 0.25);
      wrn_str text{};
      EXPECT_EQ(get.get_str(conf, "mode", &text), WRN_OK);
      EXPECT_EQ(std::string_view(text.ptr, text.len), "fast");
      EXPECT_EQ(get.size(conf, "list"), 3u);
      EXPECT_EQ(get.str_at(conf, "list", 2, &text), WRN_OK);
      EXPECT_EQ(std::string_view(text.ptr, text.len), "c");
      // `out` stays as it was for whatever is not there, or of another type.
      text = {"kept", 4};
      EXPECT_EQ(get.str_at(conf, "list", 3, &text), WRN_E_NOT_FOUND);
      EXPECT_EQ(get.get_str(conf, "word", &text), WRN_E_NOT_FOUND);
      EXPECT_EQ(get.get_str(conf, "count", &text), WRN_E_INVALID);
      EXPECT_EQ(get.str_at(conf, "mode", 0, &text), WRN_E_NOT_FOUND);
      EXPECT_EQ(std::string_view(text.ptr, text.len), "kept");
      EXPECT_EQ(get.get_bool(conf, "nothing", &flag), WRN_E_NOT_FOUND);
      EXPECT_EQ(get.get_int(conf, "flag", &number), WRN_E_INVALID);
      EXPECT_EQ(get.get_float(conf, "count", &share), WRN_E_INVALID);
      EXPECT_EQ(get.size(conf, "mode"), 0u);
      wrn_error where{};
      get.where(conf, "count", &where);
      EXPECT_EQ(where.line, 11u);
      EXPECT_EQ(where.column, 5u);
      get.where(conf, "word", &where);
      EXPECT_EQ(where.line, 9u) << "of the table";
      runs++;
   };
   start();
   EXPECT_EQ(runs, 1);
}

TEST_F(plugin_instance, refusal_has_file_line_column_name_and_the_plugins_words) {
   use.values.entries["count"] = {int64_t{5}, {"acme.toml", 12, 7}};
   probe_behaviour.configure = WRN_E_CONFIG;
   probe_behaviour.key = "count";
   probe_behaviour.text = "count must be even";
   auto made = create();
   ASSERT_FALSE(made);
   EXPECT_EQ(made.error().code, base::errc::config);
   EXPECT_EQ(made.error().text, "acme.toml:12:7: transport 'probe': count must be even");
   probe_behaviour = {};
   probe_behaviour.init = WRN_E_NOMEM;
   made = create();
   ASSERT_FALSE(made);
   EXPECT_THAT(made.error().text, HasSubstr("refused with status -6"));
}

TEST_F(plugin_instance, error_text_without_its_nul_is_not_read_beyond) {
   probe_behaviour.configure = WRN_E_CONFIG;
   static std::string long_text;
   long_text.assign(1000, 'x');
   probe_behaviour.text = long_text.c_str();
   const auto made = create();
   ASSERT_FALSE(made);
   EXPECT_LT(made.error().text.size(), 300u);
}

TEST_F(plugin_instance, fail_while_it_is_made_is_a_refusal_with_its_words) {
   const auto give_up = [](probe* p) { p->host->fail(p->host, WRN_E_INTERNAL, "std::bad_alloc"); };
   probe_behaviour.on_init = give_up;
   auto made = create();
   ASSERT_FALSE(made);
   EXPECT_THAT(made.error().text, HasSubstr("std::bad_alloc"));
   probe_behaviour = {};
   probe_behaviour.on_configure = [](probe* p, const wrn_conf*) {
      p->host->fail(p->host, WRN_E_INTERNAL, nullptr);
   };
   probe_behaviour.configure = WRN_E_INTERNAL;
   made = create();
   ASSERT_FALSE(made);
   EXPECT_THAT(made.error().text, HasSubstr("no reason given"));
   EXPECT_TRUE(port.failures.empty());
}

TEST_F(plugin_instance, need_that_the_host_does_not_offer_is_named_before_anything_is_made) {
   static const char* const needs[] = {WRN_HOST_UDP, "com.acme.telepathy/1", nullptr};
   wrn_plugin_desc wants = probe_transport_desc;
   wants.needs = needs;
   const auto made = create(wants);
   ASSERT_FALSE(made);
   EXPECT_EQ(made.error().code, base::errc::unsupported);
   EXPECT_THAT(made.error().text, HasSubstr("com.acme.telepathy/1"));
}

TEST_F(plugin_instance, start_that_fails_gives_the_reason_and_leaves_nothing) {
   auto made = create();
   ASSERT_TRUE(made);
   probe_behaviour.start = WRN_E_UNREACHABLE;
   probe_behaviour.on_start = [](probe* p) {
      for (uint64_t tag = 0; tag < 3; tag++) {
         wrn_handle timer = 0;
         EXPECT_EQ(p->host->timer_set(p->host, &timer, 0, tag), WRN_OK);
      }
      EXPECT_EQ(p->resolve->resolve(p->host, {"a.example", 9}, 1, 1), WRN_OK);
   };
   const auto started = (*made)->start(port);
   ASSERT_FALSE(started);
   EXPECT_THAT(started.error().text, HasSubstr("probe did not start: status -14"));
   EXPECT_EQ(shard.timers(), 0u);
   net.run_for(1'000'000'000);
   const probe& p = *probe_newest(WRN_KIND_TRANSPORT);
   EXPECT_EQ(p.timers, 0u);
   EXPECT_EQ(p.resolved, 0u);
   EXPECT_EQ(p.stops, 0u);
}

TEST_F(plugin_instance, fail_is_told_once_and_ends_all_callbacks) {
   probe& p = start();
   wrn_handle timer = 0;
   ASSERT_EQ(p.host->timer_set(p.host, &timer, net.now() + 5, 1), WRN_OK);
   p.host->fail(p.host, WRN_E_INTERNAL, "first");
   p.host->fail(p.host, WRN_E_INTERNAL, "second");
   EXPECT_EQ(port.failures, std::vector<std::string>{"first"});
   EXPECT_EQ(it->current(), instance::state::failed);
   net.run_for(1'000'000);
   it->event(WRN_EV_NETWORK_CHANGED);
   EXPECT_EQ(p.timers, 0u);
   EXPECT_EQ(p.host->timer_set(p.host, &timer, 0, 1), WRN_E_STATE);
   EXPECT_EQ(p.resolve->resolve(p.host, {"a.example", 9}, 1, 1), WRN_E_STATE);
   EXPECT_EQ(p.discovery->offer(p.host, 1, nullptr, 0), WRN_E_STATE);
   it->stop();
   it->stop();
   EXPECT_EQ(p.stops, 1u) << "also after a failure, and once";
}

TEST_F(plugin_instance, timers_fire_once_move_cancel_and_are_bounded) {
   probe& p = start();
   wrn_handle timer = 0;
   ASSERT_EQ(p.host->timer_set(p.host, &timer, net.now() + 1000, 7), WRN_OK);
   const wrn_handle same = timer;
   ASSERT_EQ(p.host->timer_set(p.host, &timer, net.now() + 2000, 8), WRN_OK);
   EXPECT_EQ(timer, same);
   net.run_for(1'000'000);
   EXPECT_EQ(p.timers, 1u);
   EXPECT_EQ(p.last_tag, 8u);
   ASSERT_EQ(p.host->timer_set(p.host, &timer, net.now() + 1000, 9), WRN_OK);
   EXPECT_NE(timer, same) << "a handle never comes again";
   p.host->timer_cancel(p.host, timer);
   p.host->timer_cancel(p.host, timer);
   p.host->timer_cancel(p.host, 0);
   p.host->timer_cancel(p.host, same);
   net.run_for(1'000'000);
   EXPECT_EQ(p.timers, 1u);
   std::vector<wrn_handle> many(limits::timers_per_plugin_max + 1);
   size_t made = 0;
   while (made < many.size() &&
          p.host->timer_set(p.host, &many[made], net.now() + 1'000'000, made) == WRN_OK)
      made++;
   EXPECT_EQ(made, limits::timers_per_plugin_max);
   EXPECT_EQ(p.host->timer_set(p.host, &many[made], 0, 0), WRN_E_LIMIT);
   EXPECT_EQ(p.host->timer_set(p.host, &many[0], net.now() + 5, 0), WRN_OK)
         << "arming anew is no new one";
   it->stop(); // the plugin left them all
   EXPECT_EQ(shard.timers(), 0u);
   net.run_for(10'000'000);
   EXPECT_EQ(p.timers, 1u);
}

TEST_F(plugin_instance, timer_armed_anew_in_its_own_callback_fires_again) {
   probe& p = start();
   static wrn_handle timer;
   timer = 0;
   probe_behaviour.on_timer = [](probe* self, wrn_handle fired, uint64_t tag) {
      EXPECT_EQ(fired, timer);
      if (tag < 5)
         PROBE_HOST(self, self->host->timer_set(self->host, &timer,
                                                self->host->now(self->host) + 10, tag + 1));
   };
   ASSERT_EQ(p.host->timer_set(p.host, &timer, 0, 1), WRN_OK);
   net.run_for(1'000'000);
   EXPECT_EQ(p.timers, 5u);
   EXPECT_EQ(p.reentered, 0u);
}

TEST_F(plugin_instance, look_ups_answer_once_are_bounded_and_end_with_the_instance) {
   net.add_name("a.example", {"198.51.100.1"});
   probe& p = start();
   ASSERT_EQ(p.resolve->resolve(p.host, {"a.example", 9}, 51820, 70), WRN_OK);
   EXPECT_EQ(p.resolved, 0u) << "never from inside the call";
   net.run_for(1'000'000'000);
   EXPECT_EQ(p.resolved, 1u);
   EXPECT_EQ(p.last_tag, 70u);
   EXPECT_EQ(p.last_status, WRN_OK);
   ASSERT_EQ(p.resolve->resolve(p.host, {"192.0.2.77", 10}, 51820, 71), WRN_OK);
   net.run_for(1'000'000'000);
   EXPECT_EQ(p.last_status, WRN_OK) << "a literal is answered, too";
   ASSERT_EQ(p.resolve->resolve(p.host, {"missing.example", 15}, 51820, 72), WRN_OK);
   net.run_for(1'000'000'000);
   EXPECT_NE(p.last_status, WRN_OK);
   size_t under_way = 0;
   while (under_way <= limits::lookups_per_plugin_max &&
          p.resolve->resolve(p.host, {"a.example", 9}, 1, 1) == WRN_OK)
      under_way++;
   EXPECT_EQ(under_way, limits::lookups_per_plugin_max);
   EXPECT_EQ(p.resolve->resolve(p.host, {"a.example", 9}, 1, 1), WRN_E_LIMIT);
   it->stop();
   net.run_for(1'000'000'000);
   EXPECT_EQ(p.resolved, 3u) << "none after stop()";
   it.reset();
   net.run_for(1'000'000'000);
}

TEST_F(plugin_instance, packets_given_to_a_host_that_does_not_listen_are_freed) {
   auto made = create();
   ASSERT_TRUE(made);
   it = std::move(*made);
   const probe& p = *probe_newest(WRN_KIND_TRANSPORT);
   wrn_pkt packets[4];
   ASSERT_EQ(p.host->pkt_alloc(p.host, packets, 4, 100), 4u);
   p.host->pkt_drop(p.host, 0, packets, 1, WRN_DROP_AUTH);
   p.udp->send(p.host, 1, packets + 1, 1);
   p.link->deliver(p.host, 1, packets + 2, 1);
   p.host->pkt_free(p.host, packets + 3, 1);
   EXPECT_TRUE(shard.balanced());
   EXPECT_EQ(p.udp->room(p.host, 1), 0u);
   wrn_addr local{};
   EXPECT_EQ(p.udp->local(p.host, 1, &local), WRN_E_STATE);
   EXPECT_EQ(p.host->pkt_alloc(p.host, packets, 4, 1u << 20), 0u)
         << "larger than any memory of a packet";
}

TEST_F(plugin_instance, guard_logs_and_counts_calls_that_must_not_be) {
   if constexpr (!guarded) GTEST_SKIP() << "release builds look at nothing";
   testing::internal::CaptureStderr();
   probe_behaviour.on_init = [](probe* p) {
      uint64_t dice = 0;
      p->host->random(p->host, &dice, sizeof dice); // allowed
      wrn_handle timer = 0;
      EXPECT_EQ(p->host->timer_set(p->host, &timer, 1, 1), WRN_E_STATE);
   };
   const probe& p = start();
   EXPECT_EQ(it->misuses(), 1u);
   EXPECT_NE(p.host->now(p.host), 0u);
   EXPECT_EQ(it->misuses(), 1u) << "fine on the shard while active";
   const wrn_host* host = p.host;
   pthread_t other{};
   ASSERT_EQ(pthread_create(
                   &other, nullptr,
                   [](void* h) -> void* {
                      const auto* raw = static_cast<const wrn_host*>(h);
                      raw->now(raw);
                      raw->log(raw, WRN_LOG_INFO, "from_anywhere", nullptr, 0); // allowed
                      return nullptr;
                   },
                   const_cast<wrn_host*>(host)),
             0);
   pthread_join(other, nullptr);
   EXPECT_EQ(it->misuses(), 2u);
   wrn_addr local{};
   const auto* stream = static_cast<const wrn_host_stream*>(host->get_ext(host, WRN_HOST_STREAM));
   EXPECT_EQ(stream->remote(host, 4711, &local), WRN_E_NOT_FOUND);
   EXPECT_EQ(it->misuses(), 3u);
   it->stop();
   host->timer_cancel(host, 1);
   EXPECT_EQ(it->misuses(), 4u);
   const std::string said = testing::internal::GetCapturedStderr();
   for (const char* text : {"function=timer_set how=\"called before start\"",
                            "function=now how=\"called from another thread",
                            "function=timer_cancel how=\"called after stop\"", "times=4"})
      EXPECT_THAT(said, HasSubstr(text));
}

TEST_F(plugin_instance, shard_is_marked_with_the_plugin_for_as_long_as_it_is_inside) {
   static io::shard* marked;
   static std::vector<std::string> seen;
   marked = &shard;
   seen.clear();
   const auto note = [](const char* where) {
      const io::call_owner* const inside = marked->calls().now().inside;
      seen.push_back(where + (inside == nullptr ? std::string(" nobody")
                                                : " " + inside->network + " " + inside->plugin));
   };
   static const auto remember = note;
   probe_behaviour.on_start = [](probe*) { remember("start"); };
   probe_behaviour.on_timer = [](probe*, wrn_handle, uint64_t) { remember("timer"); };
   probe_behaviour.on_stop = [](probe*) { remember("stop"); };
   const probe& p = start();
   note("between");
   wrn_handle timer = 0;
   ASSERT_EQ(p.host->timer_set(p.host, &timer, shard.now() + 5, 1), WRN_OK);
   net.run_for(10);
   it->stop();
   note("after");
   EXPECT_EQ(seen,
             (std::vector<std::string>{"start acme probe", "between nobody", "timer acme probe",
                                       "stop acme probe", "after nobody"}));
}

TEST_F(plugin_instance, metric_cells_are_those_declared) {
   const probe& p = start();
   const auto cell = [&](const char* name) { return p.metrics->cell(p.host, name); };
   uint64_t* const first = cell("a_total");
   *first = 5;
   EXPECT_EQ(cell("a_total"), first);
   EXPECT_NE(cell("level"), first);
   testing::internal::CaptureStderr();
   uint64_t* const undeclared = cell("surprise_total");
   const std::string said = testing::internal::GetCapturedStderr();
   EXPECT_NE(said.find("metric_undeclared"), std::string::npos) << said;
   EXPECT_NE(said.find("surprise_total"), std::string::npos) << said;
   ASSERT_NE(undeclared, nullptr);
   *undeclared = 7;
   EXPECT_EQ(cell("another_total"), undeclared);
   const auto shown = it->metrics();
   ASSERT_EQ(shown.size(), 2u) << "those declared, asked for or not, and no other";
   EXPECT_STREQ(shown[0].what->name, "a_total");
   EXPECT_EQ(shown[0].value, 5u);
   EXPECT_STREQ(shown[1].what->name, "level");
   EXPECT_EQ(shown[1].value, 0u);
}

TEST_F(plugin_instance, log_is_limited_per_event_and_second) {
   const probe& p = start();
   testing::internal::CaptureStderr();
   for (int i = 0; i < 100; i++)
      p.host->log(p.host, WRN_LOG_WARN, "noisy_event", nullptr, 0);
   const wrn_kv fields[] = {{"name", WRN_KV_STR, 0, {.s = {"two\nlines", 9}}},
                            {"empty", WRN_KV_STR, 0, {.s = {nullptr, 0}}}};
   p.host->log(p.host, 99, "other_event", fields, 2); // unknown levels count as errors
   net.run_for(1'000'000'000);
   p.host->log(p.host, WRN_LOG_WARN, "noisy_event", nullptr, 0);
   const std::string said = testing::internal::GetCapturedStderr();
   size_t lines = 0;
   for (size_t at = said.find("noisy_event"); at != std::string::npos;
        at = said.find("noisy_event", at + 1))
      lines++;
   EXPECT_EQ(lines, limits::plugin_log_per_second_max + 1);
   EXPECT_THAT(said, HasSubstr("suppressed=90"));
   EXPECT_THAT(said, HasSubstr("network=acme plugin=probe"));
   EXPECT_THAT(said, HasSubstr("name=\"two\\x0alines\"")) << "no forged line";
}

TEST_F(plugin_instance, host_tables_are_found_by_exact_id) {
   const probe& p = start();
   EXPECT_NE(p.host->get_ext(p.host, WRN_HOST_LINK), nullptr);
   EXPECT_EQ(p.host->get_ext(p.host, "warren.host.link/2"), nullptr);
   EXPECT_EQ(p.host->get_ext(p.host, ""), nullptr);
   EXPECT_EQ(p.host->abi_minor, WRN_ABI_MINOR);
   wrn_key own{}, shared{}, zero{};
   p.identity->tunnel_key(p.host, &own);
   EXPECT_EQ(std::to_array(own.bytes), port.own.tunnel.public_key);
   EXPECT_EQ(p.identity->dh(p.host, &zero, &shared), WRN_E_AUTH) << "a low-order point";
}

TEST_F(plugin_instance, offer_is_bounded) {
   const probe& p = start();
   std::vector<wrn_endpoint> many(limits::endpoints_per_peer_max + 1);
   EXPECT_EQ(p.discovery->offer(p.host, 1, many.data(), static_cast<uint32_t>(many.size())),
             WRN_E_LIMIT);
   EXPECT_EQ(port.offers, 0u);
   EXPECT_EQ(p.discovery->offer(p.host, 1, many.data(), static_cast<uint32_t>(many.size() - 1)),
             WRN_OK);
   EXPECT_EQ(port.offers, 1u);
}

} // namespace
} // namespace warren::plugin
