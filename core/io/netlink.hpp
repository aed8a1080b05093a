// rtnetlink through libmnl: what a TUN device needs of links, addresses and routes, and a monitor
// that tells when somebody changes them.
//
// netlink_socket asks and waits for the kernel's answer, which comes at once; it is for set-up and
// repair, never per packet. network_monitor lives in an event loop. Both on the loop's thread.
#pragma once

#include "core/io/reactor.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct mnl_socket;
struct nlmsghdr;

namespace warren::io {

/// rtm_protocol of our routes, so that they can be told from others' (`ip route show proto 87`).
/// Not one of those the kernel or routing daemons use.
inline constexpr uint8_t route_protocol = 87;

struct link_state {
   uint32_t index = 0;
   std::string name;
   uint32_t mtu = 0;
   bool up = false;
};

class netlink_socket {
 public:
   static base::result<std::unique_ptr<netlink_socket>> open();
   ~netlink_socket();
   netlink_socket(const netlink_socket&) = delete;
   netlink_socket& operator=(const netlink_socket&) = delete;

   base::result<link_state> link(const std::string& name);
   base::result<link_state> link(uint32_t index);
   base::result<void> set_mtu(uint32_t index, uint32_t mtu);
   base::result<void> set_up(uint32_t index, bool up);
   base::result<void> remove_link(uint32_t index);
   /// No automatic fe80:: address, which would only send router solicitations into the tunnel. Best
   /// effort.
   void disable_link_local(uint32_t index);

   /// Adds or refreshes; IPv6 without duplicate address detection.
   base::result<void> add_address(uint32_t index, const wrn_addr& address);
   base::result<void> remove_address(uint32_t index, const wrn_addr& address);
   base::result<std::vector<wrn_addr>> addresses(uint32_t index);

   /// Adds to the main table in front of others' routes for the prefix, which stay untouched;
   /// already there is success.
   base::result<void> add_route(uint32_t index, const wrn_addr& prefix);
   base::result<void> remove_route(uint32_t index, const wrn_addr& prefix);
   /// Ours (route_protocol) on that device.
   base::result<std::vector<wrn_addr>> routes(uint32_t index);

 private:
   explicit netlink_socket(mnl_socket* socket);
   using visitor = std::function<void(const nlmsghdr*)>;
   /// errno of the kernel's answer, 0 for success.
   int request(nlmsghdr* message, const visitor& each = {});
   base::result<void> change_address(uint32_t index, const wrn_addr& address, bool add);
   base::result<void> change_route(uint32_t index, const wrn_addr& prefix, bool add);
   base::result<link_state> get_link(uint32_t index, const std::string* name);

   mnl_socket* socket_;
   uint32_t sequence_ = 0;
};

/// What a TUN device is told about itself.
class link_sink {
 public:
   virtual ~link_sink() = default;
   /// Something of this interface changed or may have changed: compare and repair.
   virtual void on_link_changed() = 0;
};

class network_monitor final : private ready_sink {
 public:
   static base::result<std::unique_ptr<network_monitor>> open(reactor& loop);
   ~network_monitor() override;

   /// Tells about that interface until remove(). Its other changes do not count as changes of the
   /// network.
   void add(uint32_t index, link_sink& sink);
   void remove(link_sink& sink);
   /// Addresses, links or routes other than those of interfaces given to add() changed.
   void on_network_changed(std::function<void()> fn) { on_network_changed_ = std::move(fn); }
   uint64_t overruns() const {
      return overruns_;
   } // notifications lost; everything was looked at again

 private:
   struct watched {
      uint32_t index;
      link_sink* sink;
      bool changed;
   };
   explicit network_monitor(reactor& loop);
   void on_ready(int fd, uint32_t events) override;
   void note(const nlmsghdr* message);

   reactor& loop_;
   mnl_socket* socket_ = nullptr;
   std::vector<watched> watched_;
   bool network_changed_ = false;
   std::function<void()> on_network_changed_;
   uint64_t overruns_ = 0;
};

} // namespace warren::io
