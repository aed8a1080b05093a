// A listening port over the kernel's sockets: batches in and out, GSO and GRO, sticky source
// addresses.
//
// One object holds an IPv4 and an IPv6 socket (IPV6_V6ONLY) where the bound address is "::", so
// that IPv4 keeps its own addresses, errors and options and a machine without IPv6 works the same.
// Owned by a transport, used on the loop's thread.
//
// Path MTU: by default IPv4 datagrams go without DF and IPv6 ones follow what the kernel learned,
// so that what is too big is fragmented and arrives even where ICMP is filtered. A transport that
// finds the path MTU itself asks for pmtu_mode::probe: DF set, nothing believed.
#pragma once

#include "core/io/reactor.hpp"
#include "core/io/udp_group.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

struct msghdr;

namespace warren::io {

enum class pmtu_mode : uint8_t { fragment, probe };

struct udp_options {
   base::offload_set offload{}; // gso and gro, if the kernel has them
   pmtu_mode pmtu = pmtu_mode::fragment;
   uint32_t rx_buffer = 4u << 20; // bytes asked of the kernel; with less privilege it gives less
   uint32_t tx_buffer = 2u << 20;
   uint32_t mark = 0; // SO_MARK, keeps our own datagrams out of our own tunnel; 0 = none
};

struct udp_stats {
   uint64_t rx_datagrams = 0;
   uint64_t rx_calls = 0;
   uint64_t rx_no_memory = 0; // dropped: the pool was empty
   uint64_t rx_kernel = 0;    // dropped by the kernel: receive buffer full
   uint64_t tx_datagrams = 0;
   uint64_t tx_calls = 0;
   uint64_t tx_no_room = 0;    // dropped: backlog full
   uint64_t tx_errors = 0;     // refused by the kernel, one at a time
   uint64_t gso_fallbacks = 0; // runs sent again one by one
   uint64_t sources_cleared = 0;
};

/// Local addresses that datagrams came to, as 32-bit tokens: position and generation. Bounded; the
/// oldest makes room, and its token then means "the host chooses".
class local_table {
 public:
   struct entry {
      uint8_t family = 0;
      uint8_t ip[16] = {};
      uint32_t interface = 0;
   };
   uint32_t token(uint8_t family, const uint8_t* ip, uint32_t interface);
   const entry* find(uint32_t token) const;
   /// The kernel refused it as a source: the token means "the host chooses" from now on.
   void clear(uint32_t token);

 private:
   static constexpr uint32_t size_max = 64;
   struct slot {
      entry e;
      uint32_t generation = 0;
   };
   std::vector<slot> slots_;
   uint32_t oldest_ = 0;
   uint32_t recent_ = 0; // nearly always the answer
};

class kernel_udp final : public udp_socket, private ready_sink {
 public:
   static base::result<std::unique_ptr<kernel_udp>>
   open(reactor& loop, const wrn_addr& bind, udp_sink& sink, const udp_options& options);
   ~kernel_udp() override;

   uint32_t room() override;
   void send(std::span<const wrn_pkt> packets) override;
   wrn_addr local() const override { return bind_; }
   uint64_t tx_dropped() const override { return stats_.tx_no_room; }
   uint64_t rx_dropped() const override { return stats_.rx_no_memory + stats_.rx_kernel; }
   const udp_stats& stats() const { return stats_; }
   base::offload_set offloads() const override;

 private:
   struct channel { // one socket
      int fd = -1;
      uint8_t family = 0;
      bool gso = false;
      bool gro = false;
      bool gso_worked = false;
      uint32_t gso_refusals = 0; // in a row
      uint32_t rx_overflow = 0;  // SO_RXQ_OVFL's last value
      std::deque<wrn_pkt> backlog;
   };
   struct message; // control buffer and parts of one sendmsg

   kernel_udp(reactor& loop, udp_sink& sink, const udp_options& options);
   base::result<void> open_channels(const wrn_addr& bind);
   base::result<bool> open_channel(uint8_t family, const wrn_addr& bind);
   void close_channels();
   void set_options(channel& c);

   channel* channel_of(uint8_t family);
   void build(const wrn_pkt& first, uint32_t segment, bool with_source, message& m,
              msghdr& header) const;
   bool transmit(channel& c, std::span<const wrn_pkt> packets, bool* unsent);
   bool refused(channel& c, std::span<const wrn_pkt> packets, const udp_plan& plan,
                const udp_run& run, int error, msghdr& header, bool* unsent);
   bool send_singly(channel& c, std::span<const wrn_pkt> packets, const udp_plan& plan,
                    const udp_run& run, bool* unsent);
   void queue(channel& c, const wrn_pkt& packet);
   void flush(channel& c);
   bool is_plain(const wrn_addr& to) const;

   void on_ready(int fd, uint32_t events) override;
   void receive(channel& c);
   bool deliver(wrn_pkt* batch, uint32_t& count);

   reactor& loop_;
   packet_pool& pool_;
   udp_sink& sink_;
   udp_options options_;
   wrn_addr bind_{};
   channel channels_[2]; // IPv4, IPv6
   bool wants_writable_ = false;
   bool* destroyed_ = nullptr; // set by the destructor while a callback runs
   local_table locals_;
   std::vector<wrn_addr> plain_; // destinations whose path refuses runs, a few
   uint32_t plain_next_ = 0;
   std::unique_ptr<uint8_t[]> spare_; // receive buffer for when all slabs are held
   udp_stats stats_;
};

} // namespace warren::io
