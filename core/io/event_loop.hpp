// io::shard over the kernel: one thread, one epoll set, TUN devices, sockets, timers.
//
// A turn is: wait, hand over what is ready (each device a bounded share, so that none starves
// another), timers, posted closures, turn sinks. After a turn with traffic the loop polls a few
// times more before it blocks, since the next packet is usually microseconds away and waking a
// sleeping thread costs more than that; with nothing to do it sleeps until the next timer and does
// nothing at all.
#pragma once

#include "core/base/limits.hpp"
#include "core/io/reactor.hpp"
#include "core/io/repoll.hpp"
#include "core/io/resolver.hpp"
#include "core/io/timer_queue.hpp"
#include "core/io/udp.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct epoll_event;

namespace warren::io {

class network_monitor;

struct loop_options {
   uint32_t slots = base::limits::packet_slots;
   uint32_t slabs = 32; // 64 KiB each, touched only when used
   uint32_t headroom = 256;
   uint32_t tailroom = 128;
   bool repoll = true; // see repoll_window
   udp_options udp{};
   base::offload_report offload{}; // what is broken or missing here is not used
};

struct loop_stats {
   uint64_t turns = 0;
   uint64_t waits = 0;       // turns before which the thread may have slept
   uint64_t repoll_hits = 0; // sleeps saved
   uint64_t posts_refused = 0;
};

class event_loop final : public shard, private reactor, private ready_sink {
 public:
   static base::result<std::unique_ptr<event_loop>> create(const loop_options& options);
   ~event_loop() override;
   event_loop(const event_loop&) = delete;
   event_loop& operator=(const event_loop&) = delete;

   /// Turns until stop(). The calling thread becomes the shard's.
   void run();
   /// [any, also signal handlers] Ends run() after the turn under way.
   void stop();
   /// One turn that waits at most wait_ns; for programs and tests that bring their own loop.
   void turn(uint64_t wait_ns);
   const loop_stats& stats() const { return stats_; }

   /// Addresses, links or routes of the machine changed, other than ours: time to look for better
   /// paths. Told at most once per turn.
   void on_network_changed(std::function<void()> fn);

   uint64_t now() const override; // on the shard's thread
   uint64_t stopwatch() override;
   int64_t wall_ns() const override;
   void random(void* buf, size_t len) override;
   base::offload_report offloads() const override { return options_.offload; }
   packet_pool& pool() override { return pool_; }
   uint64_t timer_set(uint64_t timer, uint64_t at, timer_sink& sink, uint64_t tag) override;
   void timer_cancel(uint64_t timer) override { timers_.cancel(timer); }
   void add_turn_sink(turn_sink& sink) override;
   void remove_turn_sink(turn_sink& sink) override;
   base::result<std::unique_ptr<udp_socket>> open_udp(const wrn_addr& bind, udp_sink& sink,
                                                      base::offload_set offload = {}) override;
   base::result<std::unique_ptr<udp_socket>> open_udp(const wrn_addr& bind, udp_sink& sink,
                                                      const udp_options& options);
   base::result<std::unique_ptr<tun_device>> open_tun(const tun_options& options,
                                                      tun_sink& sink) override;
   base::result<std::unique_ptr<tcp_listener>> listen_tcp(const wrn_addr& bind,
                                                          tcp_listener_sink& sink) override;
   base::result<std::unique_ptr<tcp_stream>> connect_tcp(const wrn_addr& to,
                                                         tcp_stream_sink& sink) override;
   void resolve(std::string name, uint16_t port, std::weak_ptr<void> alive,
                resolve_callback done) override;
   bool post(std::function<void()> fn) override;

 private:
   struct watched {
      int fd = -1;
      ready_sink* sink = nullptr;
      uint32_t generation = 0;
      bool wants_turn = false;
      repoll_window repoll;
   };

   explicit event_loop(const loop_options& options);
   base::result<void> open();
   base::result<void> watch(int fd, uint32_t events, ready_sink& sink) override;
   void change(int fd, uint32_t events) override;
   void unwatch(int fd) override;
   void want_turn(int fd) override;
   shard& owner() override { return *this; }
   void on_ready(int fd, uint32_t events) override; // of wake_fd_
   watched* find(int fd);
   void wake();
   int wait(epoll_event* events, uint64_t wait_ns);
   int block(epoll_event* events, uint64_t wait_ns);
   void run_posts();

   loop_options options_;
   packet_pool pool_;
   timer_queue timers_;
   int epoll_fd_ = -1;
   int wake_fd_ = -1;
   bool in_turn_ = false;
   bool busy_ = false;    // the last turn had traffic
   uint32_t last_fd_ = 0; // of that traffic
   uint32_t streak_ = 0;  // turns since the thread slept
   bool have_pwait2_ = true;
   uint32_t turns_wanted_ = 0;
   uint64_t now_ = 0;
   loop_stats stats_;
   std::vector<watched> watched_;
   std::vector<turn_sink*> turn_sinks_;
   std::atomic<bool> stop_{false};
   std::mutex posts_mutex_; // guards posts_ only
   std::vector<std::function<void()>> posts_;
   std::atomic<uint64_t> posts_refused_{0};
   std::unique_ptr<resolver> resolver_;
   std::unique_ptr<network_monitor> monitor_; // with the first TUN device or listener
   std::function<void()> on_network_changed_;
};

} // namespace warren::io
