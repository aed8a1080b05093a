// The event loop itself: timers on time, closures and names from other threads, and no work at all
// when there is none.
#include "tests/net/io/net_support.hpp"

#include <atomic>
#include <thread>

namespace warren::io {
namespace {

constexpr uint64_t ms = 1'000'000;

struct stopper : timer_sink {
   explicit stopper(event_loop& l) : loop(l) {}
   void on_timer(uint64_t, uint64_t tag) override {
      fired.push_back(tag);
      at.push_back(loop.now());
      if (tag == 0) loop.stop();
   }
   event_loop& loop;
   std::vector<uint64_t> fired, at;
};

TEST(net_loop, fires_timers_in_order_and_not_early) {
   auto loop = make_loop();
   stopper s(*loop);
   const uint64_t start = loop->now();
   loop->timer_set(0, start + 30 * ms, s, 0);
   loop->timer_set(0, start + 10 * ms, s, 1);
   loop->timer_set(0, start + 100'000, s, 2);
   loop->run();
   EXPECT_EQ(s.fired, (std::vector<uint64_t>{2, 1, 0}));
   EXPECT_GE(s.at[0], start + 100'000);
   EXPECT_GE(s.at[2], start + 30 * ms);
   EXPECT_LT(s.at[0], start + 10 * ms);
}

TEST(net_loop, stopwatch_moves_within_a_turn_and_on_other_threads_while_now_stands_still) {
   auto loop = make_loop();
   stopper s(*loop);
   std::atomic<bool> end{false};
   std::thread other([&] { // configures a plugin, which measures itself
      uint64_t last = loop->stopwatch();
      while (!end) {
         const uint64_t next = loop->stopwatch();
         EXPECT_GE(next, last);
         last = next;
      }
   });
   bool moved = false, stood = true;
   loop->post([&] {
      const uint64_t now = loop->now(), start = loop->stopwatch();
      for (int i = 0; i < 1000 && loop->stopwatch() == start; i++) {
      }
      moved = loop->stopwatch() > start;
      stood = loop->now() == now;
   });
   loop->timer_set(0, loop->now() + 20 * ms, s, 0);
   loop->run();
   end = true;
   other.join();
   EXPECT_TRUE(moved);
   EXPECT_TRUE(stood);
}

TEST(net_loop, sleeps_when_there_is_nothing_to_do) {
   auto loop = make_loop();
   stopper s(*loop);
   loop->timer_set(0, loop->now() + 300 * ms, s, 0);
   timespec before{}, after{};
   clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
   loop->run();
   clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
   EXPECT_LE(loop->stats().turns, 5u);
   EXPECT_LT((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
             20);
}

TEST(net_loop, runs_posted_closures_of_several_threads_on_its_own) {
   auto loop = make_loop();
   std::atomic<int> accepted{0};
   int ran = 0;
   const auto self = std::this_thread::get_id();
   std::vector<std::thread> threads;
   for (int t = 0; t < 3; t++)
      threads.emplace_back([&] {
         for (int i = 0; i < 2000; i++)
            if (loop->post([&] {
                   ran++;
                   EXPECT_EQ(std::this_thread::get_id(), self);
                }))
               accepted++;
      });
   std::thread last([&] {
      for (auto& t : threads)
         t.join();
      while (!loop->post([&] { loop->stop(); }))
         std::this_thread::yield();
   });
   loop->run();
   last.join();
   EXPECT_EQ(ran, accepted.load());
   EXPECT_GT(ran, 0);
}

TEST(net_loop, refuses_posts_beyond_its_bound) {
   auto loop = make_loop();
   size_t accepted = 0;
   for (size_t i = 0; i < base::limits::posts_max + 10; i++)
      accepted += loop->post([] {});
   EXPECT_EQ(accepted, base::limits::posts_max);
   loop->turn(0);
   EXPECT_EQ(loop->stats().posts_refused, 10u);
   EXPECT_TRUE(loop->post([] {}));
}

TEST(net_loop, resolves_literals_and_names_later_and_on_its_own_thread) {
   auto loop = make_loop();
   auto alive = std::make_shared<int>(0);
   int done = 0;
   std::vector<wrn_addr> literal, local;
   bool dead = false;
   loop->resolve("192.0.2.7", 5, alive, [&](const auto& r) {
      literal = *r;
      done++;
   });
   loop->resolve("localhost", 6, alive, [&](const auto& r) {
      if (r) local = *r;
      done++;
   });
   loop->resolve("192.0.2.8", 5, std::make_shared<int>(0), [&](const auto&) { dead = true; });
   EXPECT_EQ(done, 0);
   ASSERT_TRUE(run_until(*loop, [&] { return done == 2; }));
   ASSERT_EQ(literal.size(), 1u);
   EXPECT_EQ(base::format_endpoint(literal[0]), "192.0.2.7:5");
   ASSERT_FALSE(local.empty());
   EXPECT_EQ(local[0].port, 6);
   EXPECT_FALSE(dead);
}

TEST(net_loop, ends_at_once_with_a_look_up_under_way) {
   const auto before = std::make_shared<int>(0);
   {
      auto loop = make_loop();
      for (int i = 0; i < 300; i++)
         loop->resolve("host" + std::to_string(i) + ".invalid", 1, before,
                       [](const auto& r) { EXPECT_FALSE(r); });
      loop->turn(0);
   }
   SUCCEED();
}

TEST(net_loop, tells_when_the_network_changed_but_not_for_its_own_changes) {
   struct nobody : tun_sink {
      explicit nobody(event_loop& l) : loop(l) {}
      void on_packets(tun_device&, std::span<wrn_pkt> p) override { loop.pool().free(p); }
      void on_link(tun_device&, bool) override {}
      event_loop& loop;
   };
   auto loop = make_loop();
   auto netlink = netlink_socket::open().value();
   int changes = 0;
   loop->on_network_changed([&] { changes++; });
   loop->turn(0);
   ASSERT_TRUE(netlink->add_address(1, prefix("10.55.0.1/32")));
   EXPECT_TRUE(run_until(*loop, [&] { return changes == 1; }));
   ASSERT_TRUE(netlink->remove_address(1, prefix("10.55.0.1/32")));
   EXPECT_TRUE(run_until(*loop, [&] { return changes == 2; }));
   nobody sink(*loop);
   tun_options options;
   options.name = "wtest2";
   options.addresses = {prefix("10.56.0.1/24")};
   auto tun = loop->open_tun(options, sink).value();
   run_until(
         *loop, [] { return false; }, 300);
   changes = 0;
   ASSERT_TRUE(tun->configure({prefix("10.56.0.2/24")}, {prefix("10.57.0.0/24")}, 1400));
   run_until(
         *loop, [] { return false; }, 300);
   EXPECT_EQ(changes, 0);
}

} // namespace
} // namespace warren::io
