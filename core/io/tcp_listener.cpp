// Listening: the sockets of both families, and accepting a bounded number per turn.
#include "core/base/limits.hpp"
#include "core/io/kernel_address.hpp"
#include "core/io/listen.hpp"
#include "core/io/tcp.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>

namespace warren::io {

namespace limits = base::limits;

namespace {

constexpr uint64_t retry_ns = 100'000'000; // without a file to spare

} // namespace

base::result<std::unique_ptr<kernel_tcp_listener>>
kernel_tcp_listener::open(reactor& loop, const wrn_addr& bind, tcp_listener_sink& sink,
                          uint32_t mark) {
   if (bind.family != WRN_AF_INET && bind.family != WRN_AF_INET6)
      return base::fail(base::errc::invalid, "cannot listen: no address family given");
   std::unique_ptr<kernel_tcp_listener> made(new kernel_tcp_listener(loop, sink, mark));
   if (auto opened = made->open_sockets(bind); !opened) return opened.error();
   return made;
}

kernel_tcp_listener::~kernel_tcp_listener() {
   if (destroyed_ != nullptr) *destroyed_ = true;
   if (retry_timer_ != 0) loop_.owner().timer_cancel(retry_timer_);
   close_sockets();
}

void kernel_tcp_listener::close_sockets() {
   for (int& fd : fds_) {
      if (fd < 0) continue;
      loop_.unwatch(fd);
      ::close(fd);
      fd = -1;
   }
}

base::result<void> kernel_tcp_listener::open_sockets(const wrn_addr& bind) {
   return listen_on(
         "TCP", bind, bind_, [this](const wrn_addr& at) { return open_socket(at); },
         [this] { close_sockets(); });
}

/// False when the machine lacks the protocol; an error when it has it and refuses.
base::result<bool> kernel_tcp_listener::open_socket(const wrn_addr& bind) {
   int& fd = fds_[bind.family == WRN_AF_INET ? 0 : 1];
   fd = ::socket(bind.family == WRN_AF_INET ? AF_INET : AF_INET6,
                 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
   if (fd < 0) {
      if (errno == EAFNOSUPPORT) return false;
      return base::fail_errno(base::errc_of_errno(errno), "cannot open a TCP socket", errno);
   }
   const int one = 1;
   setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
   if (mark_ != 0) setsockopt(fd, SOL_SOCKET, SO_MARK, &mark_, sizeof mark_);
   if (bind.family == WRN_AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
   kernel_address address(bind);
   if (::bind(fd, address.get(), address.size) != 0 ||
       ::listen(fd, limits::stream_backlog_max) != 0) {
      const int error = errno;
      ::close(fd);
      fd = -1;
      // "::" cannot be bound where IPv6 is compiled in but switched off.
      if (bind.family == WRN_AF_INET6 && is_any(bind) && error == EADDRNOTAVAIL) return false;
      return listen_error("TCP", bind, error);
   }
   kernel_address real;
   if (getsockname(fd, real.get(), &real.size) == 0) bind_.port = read_address(real.storage).port;
   if (auto watched = loop_.watch(fd, EPOLLIN, *this); !watched) {
      ::close(fd);
      fd = -1;
      return watched.error();
   }
   return true;
}

void kernel_tcp_listener::pause(bool paused) {
   if (paused == paused_) return;
   paused_ = paused;
   watch_what_matters();
}

void kernel_tcp_listener::watch_what_matters() {
   for (const int fd : fds_)
      if (fd >= 0) loop_.change(fd, paused_ || retry_timer_ != 0 ? 0u : EPOLLIN);
}

void kernel_tcp_listener::on_timer(uint64_t, uint64_t) {
   retry_timer_ = 0;
   watch_what_matters();
}

void kernel_tcp_listener::on_ready(int fd, uint32_t) {
   bool destroyed = false;
   destroyed_ = &destroyed;
   for (uint32_t i = 0; i < limits::stream_accepts_per_turn_max && !paused_; i++) {
      kernel_address from;
      const int accepted = accept4(fd, from.get(), &from.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (accepted < 0) {
         if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            retry_timer_ = loop_.owner().timer_set(0, loop_.owner().now() + retry_ns, *this, 0);
            watch_what_matters();
            break;
         }
         if (errno == EAGAIN) break;
         continue; // a caller that is gone already
      }
      const wrn_addr remote = read_address(from.storage);
      auto stream = kernel_tcp::adopt(loop_, accepted, remote, mark_);
      if (!stream) continue;
      sink_.on_accepted(*this, std::move(*stream), remote);
      if (destroyed) return;
   }
   destroyed_ = nullptr;
}

} // namespace warren::io
