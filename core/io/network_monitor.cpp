#include "core/io/netlink.hpp"
#include "core/io/netlink_attributes.hpp"

#include <algorithm>
#include <cerrno>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>

namespace warren::io {

namespace {

constexpr int reads_max = 32; // per turn; a flood of notifications must not stop packets

/// The interface a notification is about, 0 when it names none.
uint32_t interface_of(const nlmsghdr* m) {
   switch (m->nlmsg_type) {
   case RTM_NEWLINK:
   case RTM_DELLINK:
      return static_cast<uint32_t>(
            static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(m))->ifi_index);
   case RTM_NEWADDR:
   case RTM_DELADDR:
      return static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(m))->ifa_index;
   case RTM_NEWROUTE:
   case RTM_DELROUTE: {
      uint32_t index = 0;
      each_attribute(m, sizeof(rtmsg), [&](uint16_t type, const nlattr* a) {
         if (type == RTA_OIF) index = mnl_attr_get_u32(a);
      });
      return index;
   }
   default:
      return 0;
   }
}

/// Wireless drivers send RTM_NEWLINK with statistics all the time: those change nothing.
bool changes_something(const nlmsghdr* m) {
   if (m->nlmsg_type == RTM_NEWLINK)
      return static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(m))->ifi_change != 0;
   if (m->nlmsg_type == RTM_NEWROUTE || m->nlmsg_type == RTM_DELROUTE)
      // Cloned entries are the kernel's notes about single destinations.
      return (static_cast<const rtmsg*>(mnl_nlmsg_get_payload(m))->rtm_flags & RTM_F_CLONED) == 0;
   return true;
}

} // namespace

network_monitor::network_monitor(reactor& loop) : loop_(loop) {}

base::result<std::unique_ptr<network_monitor>> network_monitor::open(reactor& loop) {
   std::unique_ptr<network_monitor> out(new network_monitor(loop));
   out->socket_ = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
   if (out->socket_ == nullptr)
      return base::fail_errno(base::errc_of_errno(errno), "cannot watch the network", errno);
   constexpr unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                               RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
   if (mnl_socket_bind(out->socket_, groups, MNL_SOCKET_AUTOPID) < 0)
      return base::fail_errno(base::errc_of_errno(errno), "cannot watch the network", errno);
   if (auto watched = loop.watch(mnl_socket_get_fd(out->socket_), EPOLLIN, *out); !watched)
      return watched.error();
   return out;
}

network_monitor::~network_monitor() {
   if (socket_ == nullptr) return;
   loop_.unwatch(mnl_socket_get_fd(socket_));
   mnl_socket_close(socket_);
}

void network_monitor::add(uint32_t index, link_sink& sink) {
   watched_.push_back({index, &sink, false});
}

void network_monitor::remove(link_sink& sink) {
   // Only cleared: on_ready() may be walking over the list.
   for (watched& w : watched_)
      if (w.sink == &sink) w.sink = nullptr;
}

void network_monitor::note(const nlmsghdr* m) {
   if (m->nlmsg_type < RTM_BASE) return;
   const uint32_t index = interface_of(m);
   for (watched& w : watched_) {
      if (w.index != index) continue;
      w.changed = true;
      return;
   }
   network_changed_ = network_changed_ || changes_something(m);
}

void network_monitor::on_ready(int, uint32_t) {
   alignas(nlmsghdr) uint8_t buffer[16384];
   for (int i = 0; i < reads_max; i++) {
      const ssize_t got = mnl_socket_recvfrom(socket_, buffer, sizeof buffer);
      if (got < 0) {
         if (errno == EINTR) continue;
         if (errno == EAGAIN || errno == EWOULDBLOCK) break;
         // ENOBUFS: notifications were lost, so anything may have changed.
         overruns_++;
         network_changed_ = true;
         for (watched& w : watched_)
            w.changed = true;
         continue;
      }
      auto left = static_cast<int>(got);
      for (auto* m = reinterpret_cast<nlmsghdr*>(buffer); mnl_nlmsg_ok(m, left);
           m = mnl_nlmsg_next(m, &left))
         note(m);
   }
   std::erase_if(watched_, [](const watched& w) { return w.sink == nullptr; });
   for (size_t i = 0; i < watched_.size(); i++) {
      if (!std::exchange(watched_[i].changed, false) || watched_[i].sink == nullptr) continue;
      watched_[i].sink->on_link_changed();
   }
   if (std::exchange(network_changed_, false) && on_network_changed_) on_network_changed_();
}

} // namespace warren::io
