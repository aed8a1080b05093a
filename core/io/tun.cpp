// Creating a TUN device and keeping it as configured. Packets: tun_packets.cpp.
#include "core/io/tun.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Linux 6.2; not in the headers of Debian 12.

namespace warren::io {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t repair_interval_ns = 200 * ms; // two programs that disagree must not burn a core
constexpr uint64_t recreate_interval_ns = 1000 * ms;
constexpr size_t read_bytes = 16 + 0x10000; // virtio header, aligned, and the largest packet

bool valid_name(const std::string& name) {
   return !name.empty() && name.size() <= base::limits::interface_name_max && name != "." &&
          name != ".." && std::none_of(name.begin(), name.end(), [](unsigned char c) {
             return c <= ' ' || c == '/' || c == ':' || c == '%' || c > 126;
          });
}

bool contains(const std::vector<wrn_addr>& list, const wrn_addr& a) {
   return std::any_of(list.begin(), list.end(), [&](const wrn_addr& b) {
      return base::same_address(a, b) && a.prefix_len == b.prefix_len;
   });
}

} // namespace

kernel_tun::kernel_tun(reactor& loop, network_monitor& monitor, const tun_options& options,
                       tun_sink& sink)
    : loop_(loop), shard_(loop.owner()), pool_(shard_.pool()), monitor_(monitor), options_(options),
      sink_(sink), read_buffer_(new uint8_t[read_bytes]) {}

base::result<std::unique_ptr<kernel_tun>> kernel_tun::open(reactor& loop, network_monitor& monitor,
                                                           const tun_options& options,
                                                           tun_sink& sink) {
   std::unique_ptr<kernel_tun> tun(new kernel_tun(loop, monitor, options, sink));
   auto netlink = netlink_socket::open();
   if (!netlink) return netlink.error();
   tun->netlink_ = std::move(*netlink);
   if (auto created = tun->create(); !created) return created.error();
   if (auto applied = tun->apply(); !applied) return applied.error();
   tun->up_ = true;
   return tun;
}

kernel_tun::~kernel_tun() {
   if (destroyed_ != nullptr) *destroyed_ = true;
   shard_.timer_cancel(repair_timer_);
   pool_.free({batch_, batched_});
   close_device();
}

void kernel_tun::close_device() {
   monitor_.remove(*this);
   splitter_ = splitter();
   if (fd_ < 0) return;
   for (const queue& q : queues_) {
      loop_.unwatch(q.fd);
      ::close(q.fd);
   }
   queues_.clear();
   fd_ = -1;
   index_ = 0;
}

base::result<void> kernel_tun::create() {
   const std::string& name = options_.name;
   const std::string what = "cannot create interface " + name;
   if (!valid_name(name))
      return base::fail(base::errc::invalid,
                        "'" + name + "' is no interface name; use 1 to " +
                              std::to_string(base::limits::interface_name_max) +
                              " letters, digits, '-', '_' or '.'");
   if (netlink_->link(name))
      return base::fail(base::errc::exists, what +
                                                  ": an interface of that name exists; remove it "
                                                  "(ip link del " +
                                                  name + ") or choose another name");
   fd_ = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
   if (fd_ < 0) {
      if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
         return base::fail(base::errc::unavailable,
                           what + ": there is no /dev/net/tun; load the module (modprobe tun), or "
                                  "pass the device into the container (--device /dev/net/tun)");
      if (errno == EACCES || errno == EPERM)
         return base::fail(base::errc::permission,
                           what + ": /dev/net/tun may not be opened; run as root or give the "
                                  "service access to the device");
      return base::fail_errno(base::errc_of_errno(errno), what + ": /dev/net/tun", errno);
   }
   const auto give_up = [this](base::error e) {
      ::close(fd_);
      fd_ = -1;
      return e;
   };
   ifreq request{};
   std::memcpy(request.ifr_name, name.c_str(), name.size());
   request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE |
                                          (has_header() ? IFF_VNET_HDR : 0));
   if (ioctl(fd_, TUNSETIFF, &request) != 0) {
      const int error = errno;
      if (error == EPERM)
         return give_up(base::fail(base::errc::permission,
                                   what + " without CAP_NET_ADMIN; run as root or give the service "
                                          "that capability"));
      if (error == EBUSY || error == EINVAL)
         return give_up(
               base::fail(base::errc::exists, what + ": the name is taken; choose another one"));
      return give_up(base::fail_errno(base::errc_of_errno(error), what, error));
   }
   offloads_ = base::offload_set::none();
   unsigned wanted = 0;
   for (const auto& [which, bits] : {std::pair{base::offload::tso, TUN_F_TSO4 | TUN_F_TSO6},
                                     {base::offload::uso, TUN_F_USO4 | TUN_F_USO6}}) {
      if (!options_.offload.has(which)) continue;
      if (ioctl(fd_, TUNSETOFFLOAD, wanted | TUN_F_CSUM | bits) != 0) continue;
      wanted |= TUN_F_CSUM | bits;
      offloads_ = offloads_.with(which);
   }
   const auto link = netlink_->link(name);
   if (!link) return give_up(link.error());
   index_ = link->index;
   if (auto watched = loop_.watch(fd_, EPOLLIN, *this); !watched) return give_up(watched.error());
   queues_.push_back({fd_});
   write_queue_ = 0;
   while (queues_.size() < queues_wanted && add_queue(request.ifr_flags)) {
   }
   monitor_.add(index_, *this);
   return {};
}

/// One more queue of the same device; false when the kernel gives none, which is no harm.
bool kernel_tun::add_queue(short flags) {
   const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
   if (fd < 0) return false;
   ifreq request{};
   std::memcpy(request.ifr_name, options_.name.c_str(), options_.name.size());
   request.ifr_flags = flags;
   if (ioctl(fd, TUNSETIFF, &request) == 0 && loop_.watch(fd, EPOLLIN, *this)) {
      queues_.push_back({fd});
      return true;
   }
   ::close(fd);
   return false;
}

base::result<void> kernel_tun::apply() {
   netlink_->disable_link_local(index_);
   if (auto done = netlink_->set_mtu(index_, options_.mtu); !done) return done;
   const auto skip = [this](const base::result<void>& done, const wrn_addr& a) {
      // Half a network is better than none: IPv4 works where IPv6 is switched off.
      if (done || a.family != WRN_AF_INET6 || done.error().code != base::errc::unsupported)
         return false;
      base::log::warn("tun.no_ipv6", {{"interface", options_.name}, {"reason", done.error().text}});
      return true;
   };
   bool no_ipv6 = false;
   for (const wrn_addr& a : options_.addresses) {
      auto done = netlink_->add_address(index_, a);
      if (skip(done, a))
         no_ipv6 = true;
      else if (!done)
         return done;
   }
   if (auto done = netlink_->set_up(index_, true); !done) return done;
   for (const wrn_addr& r : options_.routes) {
      if (no_ipv6 && r.family == WRN_AF_INET6) continue;
      if (auto done = netlink_->add_route(index_, r); !done) return done;
   }
   return {};
}

base::result<void> kernel_tun::configure(const std::vector<wrn_addr>& addresses,
                                         const std::vector<wrn_addr>& routes, uint32_t mtu) {
   const auto old_addresses = std::exchange(options_.addresses, addresses);
   const auto old_routes = std::exchange(options_.routes, routes);
   options_.mtu = mtu;
   if (fd_ < 0) return {}; // applied when the interface is back
   for (const wrn_addr& r : old_routes) {
      if (contains(routes, r)) continue;
      if (auto done = netlink_->remove_route(index_, r); !done) return done;
   }
   for (const wrn_addr& a : old_addresses) {
      if (contains(addresses, a)) continue;
      if (auto done = netlink_->remove_address(index_, a); !done) return done;
   }
   return apply();
}

void kernel_tun::on_link_changed() {
   if (shard_.now() >= repair_at_)
      check();
   else
      repair_timer_ = shard_.timer_set(repair_timer_, repair_at_, *this, 0);
}

void kernel_tun::on_timer(uint64_t, uint64_t) {
   if (fd_ >= 0) {
      check();
      return;
   }
   auto done = create();
   if (done) done = apply();
   if (done) {
      stats_.repairs++;
      base::log::warn("tun.recreated", {{"interface", options_.name}});
      tell_link(true);
      return;
   }
   if (fd_ >= 0) close_device();
   base::log::warn("tun.failed", {{"interface", options_.name}, {"reason", done.error().text}});
   repair_timer_ = shard_.timer_set(repair_timer_, shard_.now() + recreate_interval_ns, *this, 0);
}

/// Compares the interface with what it should be.
void kernel_tun::check() {
   if (fd_ < 0) return;
   repair_at_ = shard_.now() + repair_interval_ns;
   const auto link = netlink_->link(index_);
   if (!link) {
      if (link.error().code != base::errc::not_found) return;
      close_device();
      repair_timer_ = shard_.timer_set(repair_timer_, repair_at_, *this, 0);
      tell_link(false);
      return;
   }
   if (!link->up) {
      tell_link(false);
      return;
   }
   const auto addresses = netlink_->addresses(index_);
   const auto routes = netlink_->routes(index_);
   const auto all = [](const std::vector<wrn_addr>& wanted, const auto& found) {
      return !found || std::all_of(wanted.begin(), wanted.end(),
                                   [&](const wrn_addr& a) { return contains(*found, a); });
   };
   if (link->mtu != options_.mtu || !all(options_.addresses, addresses) ||
       !all(options_.routes, routes)) {
      stats_.repairs++;
      const auto done = apply();
      base::log::warn("tun.repaired", {{"interface", options_.name},
                                       {"result", done ? std::string("done") : done.error().text}});
   }
   tell_link(true);
}

void kernel_tun::tell_link(bool up) {
   if (std::exchange(up_, up) == up) return;
   bool destroyed = false;
   bool* const outer = std::exchange(destroyed_, &destroyed);
   sink_.on_link(*this, up);
   if (destroyed) {
      if (outer != nullptr) *outer = true;
      return;
   }
   destroyed_ = outer;
}

} // namespace warren::io
