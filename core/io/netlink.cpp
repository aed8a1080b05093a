#include "core/io/netlink.hpp"

#include "core/base/address.hpp"
#include "core/io/netlink_attributes.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/time.h>

namespace warren::io {

namespace {

constexpr size_t message_bytes = 1024; // of a request: one object
constexpr size_t answer_bytes = 32768; // the kernel fills dumps up to this

/// Netlink wants a long answer time-out only when the kernel is broken.
constexpr timeval answer_timeout{.tv_sec = 2, .tv_usec = 0};

uint8_t family_of(const wrn_addr& a) {
   return static_cast<uint8_t>(a.family == WRN_AF_INET ? AF_INET : AF_INET6);
}

size_t bytes_of(const wrn_addr& a) { return a.family == WRN_AF_INET ? 4 : 16; }

/// A request with its family header.
template <class T> struct message {
   alignas(nlmsghdr) uint8_t bytes[message_bytes];
   nlmsghdr* header;
   T* body;
   message(uint16_t type, unsigned flags) {
      header = mnl_nlmsg_put_header(bytes);
      header->nlmsg_type = type;
      header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
      body = static_cast<T*>(mnl_nlmsg_put_extra_header(header, sizeof(T)));
   }
};

bool read_ip(const nlattr* a, uint8_t family, wrn_addr& out) {
   const size_t size = family == AF_INET ? 4 : 16;
   if (mnl_attr_get_payload_len(a) < size) return false;
   std::memcpy(out.ip, mnl_attr_get_payload(a), size);
   return true;
}

link_state read_link(const nlmsghdr* message) {
   link_state out;
   const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
   out.index = static_cast<uint32_t>(info->ifi_index);
   out.up = (info->ifi_flags & IFF_UP) != 0;
   each_attribute(message, sizeof *info, [&](uint16_t type, const nlattr* a) {
      if (type == IFLA_IFNAME)
         out.name = mnl_attr_get_str(a);
      else if (type == IFLA_MTU)
         out.mtu = mnl_attr_get_u32(a);
   });
   return out;
}

base::error failed(const std::string& what, int error) {
   if (error == EPERM)
      return base::fail(
            base::errc::permission,
            what + " needs CAP_NET_ADMIN; run as root or give the service that capability");
   return base::fail_errno(base::errc_of_errno(error), "cannot " + what, error);
}

} // namespace

netlink_socket::netlink_socket(mnl_socket* socket) : socket_(socket) {}

netlink_socket::~netlink_socket() { mnl_socket_close(socket_); }

base::result<std::unique_ptr<netlink_socket>> netlink_socket::open() {
   mnl_socket* const socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
   if (socket == nullptr) return failed("open a netlink socket", errno);
   std::unique_ptr<netlink_socket> out(new netlink_socket(socket));
   if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
      return failed("bind a netlink socket", errno);
   setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &answer_timeout,
              sizeof answer_timeout);
   // Dumps of one device only; a kernel without it sends all, which is filtered below as well.
   int strict = 1;
   setsockopt(mnl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict,
              sizeof strict);
   return out;
}

int netlink_socket::request(nlmsghdr* message, const visitor& each) {
   message->nlmsg_seq = ++sequence_;
   const bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
   if (!dump) message->nlmsg_flags |= NLM_F_ACK;
   if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) return errno;
   std::vector<uint8_t> buffer(answer_bytes);
   for (;;) {
      const ssize_t got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
      if (got < 0) {
         if (errno == EINTR) continue;
         return errno == EAGAIN ? ETIMEDOUT : errno;
      }
      auto left = static_cast<int>(got);
      for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(m, left);
           m = mnl_nlmsg_next(m, &left)) {
         if (m->nlmsg_seq != sequence_) continue; // late answer to one we gave up on
         if (m->nlmsg_type == NLMSG_DONE) return 0;
         if (m->nlmsg_type == NLMSG_ERROR) {
            const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m));
            return -error->error;
         }
         if (each) each(m);
      }
   }
}

base::result<link_state> netlink_socket::get_link(uint32_t index, const std::string* name) {
   message<ifinfomsg> m(RTM_GETLINK, 0);
   m.body->ifi_index = static_cast<int>(index);
   if (name != nullptr) mnl_attr_put_strz(m.header, IFLA_IFNAME, name->c_str());
   link_state out;
   const int error = request(m.header, [&](const nlmsghdr* answer) { out = read_link(answer); });
   if (error != 0)
      return failed("find interface " + (name != nullptr ? *name : std::to_string(index)), error);
   return out;
}

base::result<link_state> netlink_socket::link(const std::string& name) {
   return get_link(0, &name);
}

base::result<link_state> netlink_socket::link(uint32_t index) { return get_link(index, nullptr); }

base::result<void> netlink_socket::set_mtu(uint32_t index, uint32_t mtu) {
   message<ifinfomsg> m(RTM_NEWLINK, 0);
   m.body->ifi_index = static_cast<int>(index);
   mnl_attr_put_u32(m.header, IFLA_MTU, mtu);
   if (const int error = request(m.header); error != 0)
      return failed("set the MTU to " + std::to_string(mtu), error);
   return {};
}

base::result<void> netlink_socket::set_up(uint32_t index, bool up) {
   message<ifinfomsg> m(RTM_NEWLINK, 0);
   m.body->ifi_index = static_cast<int>(index);
   m.body->ifi_change = IFF_UP;
   m.body->ifi_flags = up ? IFF_UP : 0;
   if (const int error = request(m.header); error != 0)
      return failed(up ? "set the interface up" : "set the interface down", error);
   return {};
}

base::result<void> netlink_socket::remove_link(uint32_t index) {
   message<ifinfomsg> m(RTM_DELLINK, 0);
   m.body->ifi_index = static_cast<int>(index);
   if (const int error = request(m.header); error != 0)
      return failed("remove the interface", error);
   return {};
}

void netlink_socket::disable_link_local(uint32_t index) {
   message<ifinfomsg> m(RTM_NEWLINK, 0);
   m.body->ifi_index = static_cast<int>(index);
   nlattr* const all = mnl_attr_nest_start(m.header, IFLA_AF_SPEC);
   nlattr* const inet6 = mnl_attr_nest_start(m.header, AF_INET6);
   mnl_attr_put_u8(m.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
   mnl_attr_nest_end(m.header, inet6);
   mnl_attr_nest_end(m.header, all);
   request(m.header);
}

base::result<void> netlink_socket::change_address(uint32_t index, const wrn_addr& address,
                                                  bool add) {
   message<ifaddrmsg> m(add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
   m.body->ifa_family = family_of(address);
   m.body->ifa_prefixlen = address.prefix_len;
   m.body->ifa_index = index;
   m.body->ifa_scope = RT_SCOPE_UNIVERSE;
   if (address.family == WRN_AF_INET6) m.body->ifa_flags = IFA_F_NODAD;
   mnl_attr_put(m.header, IFA_LOCAL, bytes_of(address), address.ip);
   mnl_attr_put(m.header, IFA_ADDRESS, bytes_of(address), address.ip);
   const int error = request(m.header);
   if (error == 0 || (add && error == EEXIST)) return {};
   if (!add && (error == EADDRNOTAVAIL || error == ENODEV)) return {}; // gone already
   const std::string what = base::format_prefix(address);
   if (add && address.family == WRN_AF_INET6 && (error == EACCES || error == EOPNOTSUPP))
      return base::fail(base::errc::unsupported,
                        "cannot add address " + what + ": IPv6 is switched off on this machine");
   return failed((add ? "add address " : "remove address ") + what, error);
}

base::result<void> netlink_socket::add_address(uint32_t index, const wrn_addr& address) {
   return change_address(index, address, true);
}

base::result<void> netlink_socket::remove_address(uint32_t index, const wrn_addr& address) {
   return change_address(index, address, false);
}

base::result<std::vector<wrn_addr>> netlink_socket::addresses(uint32_t index) {
   message<ifaddrmsg> m(RTM_GETADDR, NLM_F_DUMP);
   m.body->ifa_index = index;
   std::vector<wrn_addr> out;
   const int error = request(m.header, [&](const nlmsghdr* answer) {
      const auto* body = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(answer));
      if (body->ifa_index != index) return;
      if (body->ifa_family != AF_INET && body->ifa_family != AF_INET6) return;
      wrn_addr address{};
      address.family = body->ifa_family == AF_INET ? WRN_AF_INET : WRN_AF_INET6;
      address.prefix_len = body->ifa_prefixlen;
      bool found = false;
      each_attribute(answer, sizeof *body, [&](uint16_t type, const nlattr* a) {
         // IFA_LOCAL is the own address where there is a peer; IPv6 mostly has IFA_ADDRESS only.
         if (type == IFA_LOCAL || (type == IFA_ADDRESS && !found))
            found = read_ip(a, body->ifa_family, address) || found;
      });
      if (found) out.push_back(address);
   });
   if (error != 0) return failed("list addresses", error);
   return out;
}

base::result<void> netlink_socket::change_route(uint32_t index, const wrn_addr& prefix, bool add) {
   // NLM_F_CREATE alone puts a route in front of those that exist; NLM_F_REPLACE would take
   // somebody else's away.
   message<rtmsg> m(add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE : 0);
   m.body->rtm_family = family_of(prefix);
   m.body->rtm_dst_len = prefix.prefix_len;
   m.body->rtm_table = RT_TABLE_MAIN;
   m.body->rtm_protocol = route_protocol;
   m.body->rtm_scope = prefix.family == WRN_AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
   m.body->rtm_type = RTN_UNICAST;
   mnl_attr_put(m.header, RTA_DST, bytes_of(prefix), prefix.ip);
   mnl_attr_put_u32(m.header, RTA_OIF, index);
   const int error = request(m.header);
   if (error == 0 || (add && error == EEXIST)) return {};
   if (!add && (error == ESRCH || error == ENODEV)) return {};
   return failed((add ? "add route " : "remove route ") + base::format_prefix(prefix), error);
}

base::result<void> netlink_socket::add_route(uint32_t index, const wrn_addr& prefix) {
   return change_route(index, prefix, true);
}

base::result<void> netlink_socket::remove_route(uint32_t index, const wrn_addr& prefix) {
   return change_route(index, prefix, false);
}

base::result<std::vector<wrn_addr>> netlink_socket::routes(uint32_t index) {
   message<rtmsg> m(RTM_GETROUTE, NLM_F_DUMP);
   m.body->rtm_protocol = route_protocol;
   mnl_attr_put_u32(m.header, RTA_OIF, index);
   std::vector<wrn_addr> out;
   const int error = request(m.header, [&](const nlmsghdr* answer) {
      const auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(answer));
      if (body->rtm_protocol != route_protocol) return;
      if (body->rtm_family != AF_INET && body->rtm_family != AF_INET6) return;
      wrn_addr prefix{};
      prefix.family = body->rtm_family == AF_INET ? WRN_AF_INET : WRN_AF_INET6;
      prefix.prefix_len = body->rtm_dst_len;
      uint32_t device = 0;
      each_attribute(answer, sizeof *body, [&](uint16_t type, const nlattr* a) {
         if (type == RTA_OIF) device = mnl_attr_get_u32(a);
         if (type == RTA_DST) read_ip(a, body->rtm_family, prefix);
      });
      if (device == index) out.push_back(prefix);
   });
   if (error != 0) return failed("list routes", error);
   return out;
}

} // namespace warren::io
