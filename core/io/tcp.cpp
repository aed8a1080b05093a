// One connection: connecting, bytes in and out, both halves of its end.
#include "core/io/tcp.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/io/kernel_address.hpp"

#include <array>
#include <cerrno>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace warren::io {

namespace limits = base::limits;

namespace {

constexpr size_t parts_max = 256; // of one sendmsg(); the kernel takes 1024

void set_int(int fd, int level, int option, int value) {
   setsockopt(fd, level, option, &value, sizeof value);
}

void set_options(int fd, uint32_t mark) {
   set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
   set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(limits::stream_unsent_bytes));
   set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
           static_cast<int>(limits::stream_unacknowledged_ms_max));
   set_int(fd, IPPROTO_TCP, TCP_SYNCNT, limits::stream_connect_repeats_max);
   if (mark != 0) set_int(fd, SOL_SOCKET, SO_MARK, static_cast<int>(mark));
}

base::error describe(int error, const wrn_addr& remote) {
   base::errc code = base::errc::io;
   if (error == ETIMEDOUT)
      code = base::errc::timeout;
   else if (error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
            error == ENETDOWN || error == EADDRNOTAVAIL || error == EACCES || error == EPERM ||
            error == EAFNOSUPPORT || error == EINVAL)
      code = base::errc::unavailable;
   return base::fail_errno(code, "stream to " + base::format_endpoint(remote), error);
}

} // namespace

base::result<std::unique_ptr<kernel_tcp>>
kernel_tcp::connect(reactor& loop, const wrn_addr& to, tcp_stream_sink& sink, uint32_t mark) {
   const int domain = to.family == WRN_AF_INET ? AF_INET : AF_INET6;
   const int fd = ::socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
   if (fd < 0)
      return base::fail_errno(base::errc_of_errno(errno), "cannot open a TCP socket", errno);
   set_options(fd, mark);
   std::unique_ptr<kernel_tcp> made(new kernel_tcp(loop, fd, to));
   made->sink_ = &sink;
   made->connecting_ = true;
   kernel_address address(to);
   if (::connect(fd, address.get(), address.size) != 0 && errno != EINPROGRESS) {
      made->error_ = errno; // no way there: told like every other answer, later
      if (auto ok = loop.watch(fd, 0, *made); !ok) return ok.error();
      made->watched_ = true;
      loop.want_turn(fd);
      return made;
   }
   if (auto ok = loop.watch(fd, EPOLLOUT, *made); !ok) return ok.error();
   made->watched_ = true;
   made->events_ = EPOLLOUT;
   return made;
}

base::result<std::unique_ptr<kernel_tcp>> kernel_tcp::adopt(reactor& loop, int fd,
                                                            const wrn_addr& remote, uint32_t mark) {
   set_options(fd, mark);
   std::unique_ptr<kernel_tcp> made(new kernel_tcp(loop, fd, remote));
   if (auto ok = loop.watch(fd, EPOLLIN, *made); !ok) return ok.error();
   made->watched_ = true;
   made->events_ = EPOLLIN;
   return made;
}

kernel_tcp::~kernel_tcp() {
   if (destroyed_ != nullptr) *destroyed_ = true;
   release();
}

void kernel_tcp::release() {
   if (fd_ < 0) return;
   if (watched_) loop_.unwatch(fd_);
   watched_ = false;
   ::close(fd_);
   fd_ = -1;
}

wrn_addr kernel_tcp::local() const {
   kernel_address own;
   if (fd_ < 0 || getsockname(fd_, own.get(), &own.size) != 0) return {};
   return read_address(own.storage);
}

size_t kernel_tcp::write(std::span<const wrn_bytes> parts) {
   if (fd_ < 0 || connecting_ || shut_ || error_ != 0) return 0;
   size_t taken = 0;
   while (!parts.empty()) {
      const auto now = parts.first(std::min(parts.size(), parts_max));
      parts = parts.subspan(now.size());
      std::array<iovec, parts_max> vector;
      size_t wanted = 0;
      for (size_t i = 0; i < now.size(); i++) {
         vector[i] = {const_cast<uint8_t*>(now[i].ptr), now[i].len};
         wanted += now[i].len;
      }
      if (wanted == 0) continue;
      msghdr header{};
      header.msg_iov = vector.data();
      header.msg_iovlen = now.size();
      const ssize_t sent = sendmsg(fd_, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
         error_ = errno; // the kernel tells it once
         watch_what_matters();
         loop_.want_turn(fd_);
         return taken;
      }
      taken += sent > 0 ? static_cast<size_t>(sent) : 0;
      if (sent < 0 || static_cast<size_t>(sent) < wanted) {
         wants_writable_ = true;
         watch_what_matters();
         return taken;
      }
   }
   return taken;
}

void kernel_tcp::pause_reading(bool paused) {
   paused_ = paused;
   watch_what_matters();
}

void kernel_tcp::shutdown() {
   if (fd_ < 0 || connecting_ || shut_) return;
   shut_ = true;
   wants_writable_ = false;
   ::shutdown(fd_, SHUT_WR);
   watch_what_matters();
   if (read_ended_) loop_.want_turn(fd_); // that was the second half: told in the next turn
}

void kernel_tcp::watch_what_matters() {
   if (fd_ < 0 || connecting_) return;
   const bool reads = !paused_ && !read_ended_;
   const uint32_t wanted = (reads ? EPOLLIN : 0u) | (wants_writable_ ? EPOLLOUT : 0u);
   if (!watched_) {
      // It had only an end to tell that nobody wanted to read, see close_if_done().
      if (paused_) return;
      watched_ = loop_.watch(fd_, wanted, *this).has_value();
   } else if (wanted != events_) {
      loop_.change(fd_, wanted);
   }
   events_ = wanted;
}

int kernel_tcp::take_error() {
   if (error_ != 0) return error_;
   int error = 0;
   socklen_t size = sizeof error;
   return getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/// Ends the stream and says why; `this` may be gone afterwards.
void kernel_tcp::fail(int error) {
   release();
   if (sink_ != nullptr) sink_->on_closed(*this, describe(error, remote_));
}

void kernel_tcp::on_ready(int, uint32_t events) {
   bool destroyed = false;
   destroyed_ = &destroyed;
   step(events, destroyed);
   if (!destroyed) destroyed_ = nullptr;
}

/// One turn. `destroyed` becomes true when a sink ends this object.
void kernel_tcp::step(uint32_t events, const bool& destroyed) {
   if (connecting_ && !finish_connecting(events)) return;
   if (destroyed || fd_ < 0) return;
   const uint32_t readable = EPOLLIN | EPOLLHUP | EPOLLERR;
   if ((events & readable) != 0 && !paused_ && !read_ended_ && !receive(destroyed)) return;
   if ((events & EPOLLOUT) != 0 && wants_writable_) {
      wants_writable_ = false;
      watch_what_matters();
      if (sink_ != nullptr) sink_->on_writable(*this);
      if (destroyed || fd_ < 0) return;
   }
   close_if_done(events);
}

/// False while nothing is decided, and when it failed.
bool kernel_tcp::finish_connecting(uint32_t events) {
   if (error_ == 0 && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return false;
   const int error = take_error();
   connecting_ = false;
   if (error != 0) {
      release();
      sink_->on_connected(*this, describe(error, remote_));
      return false;
   }
   watch_what_matters();
   sink_->on_connected(*this, {});
   return true;
}

/// One turn's share; false when the stream has ended or is gone.
bool kernel_tcp::receive(const bool& destroyed) {
   uint8_t buffer[limits::stream_read_bytes];
   for (size_t total = 0; total < limits::stream_turn_bytes_max;) {
      const ssize_t got = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got < 0) {
         if (errno == EAGAIN || errno == EINTR) return true;
         fail(error_ != 0 ? error_ : errno);
         return false;
      }
      if (got == 0) {
         if (error_ != 0) { // found by write(), which took it away
            fail(error_);
            return false;
         }
         read_ended_ = true;
         watch_what_matters();
         if (sink_ != nullptr) sink_->on_read_end(*this);
         return !destroyed && fd_ >= 0;
      }
      total += static_cast<size_t>(got);
      if (sink_ != nullptr) sink_->on_read(*this, {buffer, static_cast<size_t>(got)});
      if (destroyed || fd_ < 0) return false;
      if (paused_ || static_cast<size_t>(got) < sizeof buffer) return true;
   }
   return true;
}

/// After everything else of a turn: errors that reading did not show, and the end of both halves.
void kernel_tcp::close_if_done(uint32_t events) {
   if (read_ended_ && shut_) {
      release();
      if (sink_ != nullptr) sink_->on_closed(*this, {});
      return;
   }
   const bool unread = paused_ || read_ended_;
   if (error_ != 0 || ((events & EPOLLERR) != 0 && unread)) {
      if (const int error = take_error(); error != 0) return fail(error);
   }
   // Both halves have ended in the kernel, and we do not read up to the end: level-triggered, this
   // would be told in every turn.
   if ((events & EPOLLHUP) != 0 && paused_ && watched_) {
      loop_.unwatch(fd_);
      watched_ = false;
   }
}

} // namespace warren::io
