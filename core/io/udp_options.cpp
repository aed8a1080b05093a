// Opening and setting up the sockets of a kernel_udp, and the table of local addresses.
#include "core/io/kernel_address.hpp"
#include "core/io/listen.hpp"
#include "core/io/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace warren::io {

namespace {

bool set_int(int fd, int level, int option, int value) {
   return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

void set_buffer(int fd, int forced, int plain, uint32_t bytes) {
   const auto value = static_cast<int>(bytes);
   if (!set_int(fd, SOL_SOCKET, forced, value)) set_int(fd, SOL_SOCKET, plain, value);
}

} // namespace

uint32_t local_table::token(uint8_t family, const uint8_t* ip, uint32_t interface) {
   const size_t size = family == WRN_AF_INET ? 4 : 16;
   const auto matches = [&](const slot& s) {
      return s.e.family == family && s.e.interface == interface &&
             std::memcmp(s.e.ip, ip, size) == 0;
   };
   const auto token_of = [&](uint32_t i) { return slots_[i].generation << 8 | (i + 1); };
   if (recent_ < slots_.size() && matches(slots_[recent_])) return token_of(recent_);
   for (uint32_t i = 0; i < slots_.size(); i++) {
      if (!matches(slots_[i])) continue;
      recent_ = i;
      return token_of(i);
   }
   uint32_t i;
   if (slots_.size() < size_max) {
      i = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
   } else {
      i = oldest_;
      oldest_ = (oldest_ + 1) % size_max;
   }
   slot& s = slots_[i];
   s.generation = (s.generation + 1) & 0xffffff;
   s.e = entry{};
   s.e.family = family;
   s.e.interface = interface;
   std::memcpy(s.e.ip, ip, size);
   recent_ = i;
   return token_of(i);
}

const local_table::entry* local_table::find(uint32_t token) const {
   const uint32_t index = (token & 0xff) - 1;
   if (token == 0 || index >= slots_.size() || slots_[index].generation != token >> 8)
      return nullptr;
   return slots_[index].e.family != 0 ? &slots_[index].e : nullptr;
}

void local_table::clear(uint32_t token) {
   if (find(token) == nullptr) return;
   slot& s = slots_[(token & 0xff) - 1];
   s.e = entry{};
   s.generation = (s.generation + 1) & 0xffffff;
}

kernel_udp::kernel_udp(reactor& loop, udp_sink& sink, const udp_options& options)
    : loop_(loop), pool_(loop.owner().pool()), sink_(sink), options_(options) {
   channels_[0].family = WRN_AF_INET;
   channels_[1].family = WRN_AF_INET6;
}

base::result<std::unique_ptr<kernel_udp>>
kernel_udp::open(reactor& loop, const wrn_addr& bind, udp_sink& sink, const udp_options& options) {
   if (bind.family != WRN_AF_INET && bind.family != WRN_AF_INET6)
      return base::fail(base::errc::invalid, "cannot listen: no address family given");
   std::unique_ptr<kernel_udp> socket(new kernel_udp(loop, sink, options));
   if (auto opened = socket->open_channels(bind); !opened) return opened.error();
   return socket;
}

kernel_udp::~kernel_udp() {
   if (destroyed_ != nullptr) *destroyed_ = true;
   close_channels();
}

void kernel_udp::close_channels() {
   for (channel& c : channels_) {
      for (const wrn_pkt& p : c.backlog)
         pool_.free({&p, 1});
      c.backlog.clear();
      if (c.fd < 0) continue;
      loop_.unwatch(c.fd);
      ::close(c.fd);
      c.fd = -1;
   }
}

base::result<void> kernel_udp::open_channels(const wrn_addr& bind) {
   return listen_on(
         "UDP", bind, bind_, [this](const wrn_addr& at) { return open_channel(at.family, at); },
         [this] { close_channels(); });
}

/// False when the machine lacks the protocol; an error when it has it and refuses.
base::result<bool> kernel_udp::open_channel(uint8_t family, const wrn_addr& bind) {
   channel& c = channels_[family == WRN_AF_INET ? 0 : 1];
   const int domain = family == WRN_AF_INET ? AF_INET : AF_INET6;
   c.fd = ::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
   if (c.fd < 0) {
      if (errno == EAFNOSUPPORT) return false;
      return base::fail_errno(base::errc_of_errno(errno), "cannot open a UDP socket", errno);
   }
   set_options(c);
   kernel_address address(bind);
   if (::bind(c.fd, address.get(), address.size) != 0) {
      const int error = errno;
      ::close(c.fd);
      c.fd = -1;
      // "::" cannot be bound where IPv6 is compiled in but switched off.
      if (family == WRN_AF_INET6 && is_any(bind) && error == EADDRNOTAVAIL) return false;
      return listen_error("UDP", bind, error);
   }
   kernel_address real;
   if (getsockname(c.fd, real.get(), &real.size) == 0) bind_.port = read_address(real.storage).port;
   if (auto watched = loop_.watch(c.fd, EPOLLIN, *this); !watched) {
      ::close(c.fd);
      c.fd = -1;
      return watched.error();
   }
   return true;
}

void kernel_udp::set_options(channel& c) {
   set_buffer(c.fd, SO_RCVBUFFORCE, SO_RCVBUF, options_.rx_buffer);
   set_buffer(c.fd, SO_SNDBUFFORCE, SO_SNDBUF, options_.tx_buffer);
   set_int(c.fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
   if (options_.mark != 0) set_int(c.fd, SOL_SOCKET, SO_MARK, static_cast<int>(options_.mark));
   if (c.family == WRN_AF_INET) {
      set_int(c.fd, IPPROTO_IP, IP_PKTINFO, 1);
      set_int(c.fd, IPPROTO_IP, IP_RECVTOS, 1);
      set_int(c.fd, IPPROTO_IP, IP_MTU_DISCOVER,
              options_.pmtu == pmtu_mode::probe ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
   } else {
      set_int(c.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      set_int(c.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
      set_int(c.fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
      set_int(c.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
              options_.pmtu == pmtu_mode::probe ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT);
   }
   int value = 0;
   socklen_t size = sizeof value;
   c.gso = options_.offload.has(base::offload::gso) &&
           getsockopt(c.fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
   c.gro = options_.offload.has(base::offload::gro) && set_int(c.fd, IPPROTO_UDP, UDP_GRO, 1);
}

base::offload_set kernel_udp::offloads() const {
   base::offload_set used = base::offload_set::none();
   for (const channel& c : channels_) {
      if (c.fd < 0) continue;
      if (c.gso) used = used.with(base::offload::gso);
      if (c.gro) used = used.with(base::offload::gro);
   }
   return used;
}

} // namespace warren::io
