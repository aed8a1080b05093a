// Shared by the tests against the real kernel: waiting with a deadline instead of sleeping,
// addresses, sockets of the "application" side.
#pragma once

#include "core/base/address.hpp"
#include "core/io/event_loop.hpp"
#include "core/io/netlink.hpp"
#include "tests/support/inner_packet.hpp"

#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace warren::io {

inline wrn_addr endpoint(const char* text) { return *base::parse_endpoint(text); }
inline wrn_addr prefix(const char* text) { return *base::parse_prefix(text, true); }

inline std::unique_ptr<event_loop> make_loop(const loop_options& options = {}) {
   return event_loop::create(options).value();
}

/// Turns the loop until pred() holds; false after the deadline.
template <class Pred> bool run_until(event_loop& loop, Pred&& pred, uint64_t milliseconds = 5000) {
   const uint64_t end = loop.now() + milliseconds * 1'000'000;
   while (!pred()) {
      if (loop.now() > end) return false;
      loop.turn(1'000'000);
   }
   return true;
}

/// A file descriptor that closes itself.
class owned_fd {
 public:
   explicit owned_fd(int fd) : fd_(fd) { EXPECT_GE(fd, 0) << std::strerror(errno); }
   ~owned_fd() {
      if (fd_ >= 0) ::close(fd_);
   }
   owned_fd(const owned_fd&) = delete;
   owned_fd& operator=(const owned_fd&) = delete;
   operator int() const { return fd_; }

 private:
   int fd_;
};

/// A kernel socket address of "10.0.0.1:5" or "[fd00::1]:5".
struct socket_address {
   sockaddr_storage storage{};
   socklen_t size = 0;
   explicit socket_address(const char* text) {
      const wrn_addr a = endpoint(text);
      if (a.family == WRN_AF_INET) {
         auto& in = reinterpret_cast<sockaddr_in&>(storage);
         in.sin_family = AF_INET;
         in.sin_port = htons(a.port);
         std::memcpy(&in.sin_addr, a.ip, 4);
         size = sizeof in;
      } else {
         auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
         in6.sin6_family = AF_INET6;
         in6.sin6_port = htons(a.port);
         std::memcpy(&in6.sin6_addr, a.ip, 16);
         size = sizeof in6;
      }
   }
   const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
   int family() const { return storage.ss_family; }
};

inline int bound_socket(const char* text, int type) {
   const socket_address a(text);
   const int fd = ::socket(a.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
   int one = 1;
   setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
   int size = 8 << 20;
   setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
   EXPECT_EQ(::bind(fd, a.get(), a.size), 0) << std::strerror(errno);
   return fd;
}

} // namespace warren::io
