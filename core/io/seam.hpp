// The seam between node logic and the outside: clock, chance, timers, packets, sockets, streams,
// TUN, names.
//
// core/mesh and core/plugin see the world only through io::shard. The daemon implements it over
// epoll and the kernel (event_loop.hpp), the tests over virtual time and an in-memory network
// (tests/support/fake_shard.hpp). A shard is one thread: every call and every callback here happens
// on it, unless marked [any]. Callbacks never come from inside a call.
#pragma once

#include "core/base/error.hpp"
#include "core/base/offload.hpp"
#include "core/io/call_mark.hpp"
#include "core/io/packet_pool.hpp"
#include "core/io/tcp_seam.hpp"
#include "warren/packet.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace warren::io {

class udp_socket;
class tun_device;

/// What a socket's user implements.
class udp_sink {
 public:
   virtual ~udp_sink() = default;
   /// 1..WRN_BATCH_MAX datagrams in order of arrival, already split (GRO). The callee owns them.
   virtual void on_datagrams(udp_socket& socket, std::span<wrn_pkt> datagrams) = 0;
   /// Once after room() was 0.
   virtual void on_writable(udp_socket& socket) = 0;
};

/// One listening port, IPv4 and IPv6.
class udp_socket {
 public:
   virtual ~udp_socket() = default;
   virtual uint32_t room() = 0;
   /// Takes all packets. Order is kept per destination; runs of equal size to one address leave as
   /// one GSO send.
   virtual void send(std::span<const wrn_pkt> packets) = 0;
   virtual wrn_addr local() const = 0;
   /// Datagrams that found no room, by our own or the kernel's queue.
   virtual uint64_t tx_dropped() const = 0;
   virtual uint64_t rx_dropped() const = 0;
   /// Of gso and gro: in use now.
   virtual base::offload_set offloads() const = 0;
};

/// What the TUN device's user implements.
class tun_sink {
 public:
   virtual ~tun_sink() = default;
   /// 1..WRN_BATCH_MAX inner IP packets with complete checksums, superpackets already split;
   /// segments of one superpacket carry WRN_PKT_RUN from the second on. Head- and tailroom as in
   /// tun_options. The callee owns them.
   virtual void on_packets(tun_device& tun, std::span<wrn_pkt> packets) = 0;
   /// The interface disappeared or was set down (false), or is back (true).
   virtual void on_link(tun_device& tun, bool up) = 0;
};

struct tun_options {
   std::string name; // interface name; must not exist
   uint32_t mtu = 1420;
   uint32_t headroom = 0; // bytes kept before each packet handed to the sink
   uint32_t tailroom = 0;
   base::offload_set offload{};       // tso and uso; neither: one packet per read and write
   std::vector<wrn_addr> addresses{}; // with prefix_len
   std::vector<wrn_addr> routes{};    // prefixes to send into the device; masked
};

class tun_device {
 public:
   virtual ~tun_device() = default;
   /// Hands inner packets to the kernel, joined into superpackets where they fit; takes all of
   /// them.
   virtual void write(std::span<wrn_pkt> packets) = 0;
   virtual const std::string& name() const = 0;
   virtual uint32_t mtu() const = 0;
   /// Makes addresses, routes and MTU what they should be; also repairs what somebody deleted
   /// behind our back.
   virtual base::result<void> configure(const std::vector<wrn_addr>& addresses,
                                        const std::vector<wrn_addr>& routes, uint32_t mtu) = 0;
   virtual uint64_t rx_dropped() const = 0; // packets the kernel did not take
   /// Of tso and uso: in use now.
   virtual base::offload_set offloads() const = 0;
};

class timer_sink {
 public:
   virtual ~timer_sink() = default;
   virtual void on_timer(uint64_t timer, uint64_t tag) = 0;
};

class turn_sink {
 public:
   virtual ~turn_sink() = default;
   /// After all events of one wake-up, before the shard sleeps: flush what was collected.
   virtual void on_turn_end() = 0;
};

/// Called on the shard. `addresses` is empty when `error` is set.
using resolve_callback = std::function<void(const base::result<std::vector<wrn_addr>>& addresses)>;

class shard {
 public:
   virtual ~shard() = default;

   virtual uint64_t now() const = 0;    // monotonic ns, constant within a callback
   virtual int64_t wall_ns() const = 0; // Unix time, may jump. [any]
   /// Moves while code measures its own speed, also within a callback. [any]
   virtual uint64_t stopwatch() = 0;
   virtual void random(void* buf, size_t len) = 0; // cryptographic. [any]
   virtual packet_pool& pool() = 0;

   /// One-shot. `timer` 0 creates; returns the handle, never 0. A past deadline fires on the next
   /// turn.
   virtual uint64_t timer_set(uint64_t timer, uint64_t at, timer_sink& sink, uint64_t tag) = 0;
   virtual void timer_cancel(uint64_t timer) = 0;
   virtual void add_turn_sink(turn_sink& sink) = 0;
   virtual void remove_turn_sink(turn_sink& sink) = 0;

   /// Opens both families where the address is "::" (any), else the one of `bind`. Port 0 = any.
   /// `offload`: gso and gro; neither: each datagram by itself.
   virtual base::result<std::unique_ptr<udp_socket>> open_udp(const wrn_addr& bind, udp_sink& sink,
                                                              base::offload_set offload = {}) = 0;
   virtual base::result<std::unique_ptr<tun_device>> open_tun(const tun_options& options,
                                                              tun_sink& sink) = 0;
   /// Addresses as for open_udp().
   virtual base::result<std::unique_ptr<tcp_listener>> listen_tcp(const wrn_addr& bind,
                                                                  tcp_listener_sink& sink) = 0;
   /// on_connected() follows, never from inside this call. Fails at once only for lack of files.
   virtual base::result<std::unique_ptr<tcp_stream>> connect_tcp(const wrn_addr& to,
                                                                 tcp_stream_sink& sink) = 0;

   /// Host name or literal to addresses with `port` set. The callback comes later, exactly once,
   /// unless `alive` is gone by then.
   virtual void resolve(std::string name, uint16_t port, std::weak_ptr<void> alive,
                        resolve_callback done) = 0;

   /// [any] Runs fn on the shard. False when too many wait.
   virtual bool post(std::function<void()> fn) = 0;

   /// What the self-test of the kernel's offloads found; what failed it is not used.
   virtual base::offload_report offloads() const = 0;

   /// Whose code this shard is in; written on the shard only.
   call_mark& calls() { return calls_; }

 private:
   call_mark calls_;
};

} // namespace warren::io
