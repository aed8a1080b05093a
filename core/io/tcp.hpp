// TCP over the kernel's sockets: streams and listeners of io::shard.
//
// Nothing is buffered on our side: write() hands the bytes to the kernel, TCP_NOTSENT_LOWAT bounds
// what it keeps unsent, and a read goes through a buffer on the stack. A listener on "::" has an
// IPv4 and an IPv6 socket (IPV6_V6ONLY), as kernel_udp does. Owned by core/plugin and core/mesh,
// used on the loop's thread; a sink may destroy the object that calls it.
#pragma once

#include "core/io/reactor.hpp"

#include <cstdint>
#include <memory>

namespace warren::io {

class kernel_tcp final : public tcp_stream, private ready_sink {
 public:
   /// `mark` as in udp_options.
   static base::result<std::unique_ptr<kernel_tcp>> connect(reactor& loop, const wrn_addr& to,
                                                            tcp_stream_sink& sink, uint32_t mark);
   /// A connected socket, which it owns from now on also when this fails.
   static base::result<std::unique_ptr<kernel_tcp>> adopt(reactor& loop, int fd,
                                                          const wrn_addr& remote, uint32_t mark);
   ~kernel_tcp() override;

   void set_sink(tcp_stream_sink& sink) override { sink_ = &sink; }
   size_t write(std::span<const wrn_bytes> parts) override;
   void pause_reading(bool paused) override;
   void shutdown() override;
   wrn_addr local() const override;
   wrn_addr remote() const override { return remote_; }

 private:
   kernel_tcp(reactor& loop, int fd, const wrn_addr& remote)
       : loop_(loop), remote_(remote), fd_(fd) {}
   void on_ready(int fd, uint32_t events) override;
   void step(uint32_t events, const bool& destroyed);
   bool finish_connecting(uint32_t events);
   bool receive(const bool& destroyed);
   void close_if_done(uint32_t events);
   void fail(int error);
   void release();
   void watch_what_matters();
   int take_error();

   reactor& loop_;
   tcp_stream_sink* sink_ = nullptr;
   wrn_addr remote_;
   int fd_;
   uint32_t events_ = 0;
   int error_ = 0; // found inside a call, told in the next turn
   bool watched_ = false;
   bool connecting_ = false;
   bool paused_ = false;
   bool read_ended_ = false;
   bool shut_ = false;
   bool wants_writable_ = false;
   bool* destroyed_ = nullptr; // set by the destructor while a callback runs
};

class kernel_tcp_listener final : public tcp_listener, private ready_sink, private timer_sink {
 public:
   static base::result<std::unique_ptr<kernel_tcp_listener>>
   open(reactor& loop, const wrn_addr& bind, tcp_listener_sink& sink, uint32_t mark);
   ~kernel_tcp_listener() override;

   void pause(bool paused) override;
   wrn_addr local() const override { return bind_; }

 private:
   kernel_tcp_listener(reactor& loop, tcp_listener_sink& sink, uint32_t mark)
       : loop_(loop), sink_(sink), mark_(mark) {}
   base::result<void> open_sockets(const wrn_addr& bind);
   base::result<bool> open_socket(const wrn_addr& bind);
   void close_sockets();
   void on_ready(int fd, uint32_t events) override;
   void on_timer(uint64_t timer, uint64_t tag) override;
   void watch_what_matters();

   reactor& loop_;
   tcp_listener_sink& sink_;
   uint32_t mark_;
   wrn_addr bind_{};
   int fds_[2] = {-1, -1}; // IPv4, IPv6
   bool paused_ = false;
   uint64_t retry_timer_ = 0; // while the machine has no file to spare
   bool* destroyed_ = nullptr;
};

} // namespace warren::io
