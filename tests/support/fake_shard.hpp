// io::shard under virtual time: the world of one node in a test. Sockets speak over a fake_network,
// the TUN device is a pair of queues.
//
// Owned by its fake_network, used on the thread that runs the network. As in the real loop no
// callback comes from inside a call: what arrives is handed over in the node's next turn, which
// ends with the turn sinks.
#pragma once

#include "core/io/seam.hpp"
#include "core/io/timer_queue.hpp"
#include "tests/support/fake_network.hpp"

#include <algorithm>
#include <deque>
#include <mutex>

namespace warren::support {

class fake_shard;

/// What tests see of a TUN device. The node's core owns it.
class fake_tun final : public io::tun_device {
 public:
   fake_tun(fake_shard& owner, io::tun_options options, io::tun_sink& sink);
   ~fake_tun() override;

   /// An inner packet that the node's own applications send; `run` marks it as the next segment of
   /// a superpacket.
   void inject(std::span<const uint8_t> packet, bool run = false);
   /// The operator sets the interface down or up.
   void set_link(bool up);
   /// What the node handed to its applications, in order.
   std::vector<std::vector<uint8_t>> written;
   /// Called for each written packet, when set; then nothing is collected in `written`.
   std::function<void(std::span<const uint8_t>)> on_written;
   /// Takes written packets instead, when set: benchmarks use them again.
   std::function<void(std::span<wrn_pkt>)> swallow;
   const io::tun_options& options() const { return options_; }

   void write(std::span<wrn_pkt> packets) override;
   const std::string& name() const override { return options_.name; }
   uint32_t mtu() const override { return options_.mtu; }
   base::offload_set offloads() const override { return options_.offload; }
   base::result<void> configure(const std::vector<wrn_addr>& addresses,
                                const std::vector<wrn_addr>& routes, uint32_t mtu) override;
   uint64_t rx_dropped() const override { return rx_dropped_; }

 private:
   friend class fake_shard;
   struct waiting {
      std::vector<uint8_t> bytes;
      bool run;
   };
   bool deliver();

   fake_shard& owner_;
   io::tun_options options_;
   io::tun_sink& sink_;
   std::deque<waiting> inbox_;
   std::deque<bool> link_changes_;
   bool up_ = true;
   uint64_t rx_dropped_ = 0;
};

class fake_udp;
class fake_tcp;
class fake_tcp_listener;

class fake_shard final : public io::shard {
 public:
   fake_shard(fake_network& network, uint32_t index, std::vector<wrn_addr> addresses,
              const node_options& options);
   ~fake_shard() override;

   fake_network& network() { return network_; }
   uint32_t index() const { return index_; }
   const std::vector<wrn_addr>& addresses() const { return addresses_; }
   /// The node's device of that name, or its only one; null when there is none.
   fake_tun* tun(std::string_view name = {}) const;
   /// Datagram sockets, listeners and streams.
   size_t sockets() const { return sockets_.size() + listeners_.size() + streams_.size(); }
   size_t streams() const { return streams_.size(); }
   /// The most bytes that one stream of this node ever held on our side: written and not sent, and
   /// arrived and not read.
   size_t stream_bytes_most() const { return stream_bytes_most_; }
   size_t timers() const { return timers_.size(); }
   /// No packet is owned by anybody. Call it when the code under test is gone.
   bool balanced() const { return pool_.slots_in_use() == 0 && pool_.slabs_in_use() == 0; }

   uint64_t now() const override { return network_.now(); }
   int64_t wall_ns() const override;
   uint64_t stopwatch() override { return stopwatch_ += 100'000; } // every measurement is alike
   void random(void* buf, size_t len) override { random_.fill(buf, len); }
   io::packet_pool& pool() override { return pool_; }
   base::offload_report offloads() const override { return {}; } // all work
   uint64_t timer_set(uint64_t timer, uint64_t at, io::timer_sink& sink, uint64_t tag) override;
   void timer_cancel(uint64_t timer) override { timers_.cancel(timer); }
   void add_turn_sink(io::turn_sink& sink) override;
   void remove_turn_sink(io::turn_sink& sink) override;
   base::result<std::unique_ptr<io::udp_socket>> open_udp(const wrn_addr& bind, io::udp_sink& sink,
                                                          base::offload_set offload = {}) override;
   base::result<std::unique_ptr<io::tun_device>> open_tun(const io::tun_options& options,
                                                          io::tun_sink& sink) override;
   base::result<std::unique_ptr<io::tcp_listener>> listen_tcp(const wrn_addr& bind,
                                                              io::tcp_listener_sink& sink) override;
   base::result<std::unique_ptr<io::tcp_stream>> connect_tcp(const wrn_addr& to,
                                                             io::tcp_stream_sink& sink) override;
   void resolve(std::string name, uint16_t port, std::weak_ptr<void> alive,
                io::resolve_callback done) override;
   bool post(std::function<void()> fn) override;

 private:
   friend class fake_network;
   friend class fake_tun;
   friend class fake_udp;
   friend class fake_tcp;
   friend class fake_tcp_listener;
   friend class fake_tcp_wire;
   /// When this shard wants its next turn; UINT64_MAX for never.
   uint64_t next_turn();
   void turn();
   bool owns(const wrn_addr& address) const;
   uint32_t token_of(const wrn_addr& address);
   /// The source address for a datagram to that family; null when the node has none.
   const wrn_addr* source_for(uint32_t token, uint8_t family) const;
   /// False when nobody listens there.
   bool receive(const wrn_addr& from, const wrn_addr& to, const std::vector<uint8_t>& data,
                uint8_t ecn);
   void turn_streams();
   template <class T> static bool contains(const std::vector<T*>& list, T* item) {
      return std::find(list.begin(), list.end(), item) != list.end();
   }

   fake_network& network_;
   uint32_t index_;
   std::vector<wrn_addr> addresses_;
   std::vector<wrn_addr>
         tokens_; // every address the node ever had; a local token is the position + 1
   node_options options_;
   seeded_random random_;
   io::packet_pool pool_;
   io::timer_queue timers_;
   std::vector<io::turn_sink*> turn_sinks_;
   std::vector<fake_udp*> sockets_;
   std::vector<fake_tun*> tuns_;
   std::vector<fake_tcp_listener*> listeners_;
   std::vector<fake_tcp*> streams_;
   size_t stream_bytes_most_ = 0;
   std::mutex posts_mutex_;
   std::vector<std::function<void()>> posts_;
   uint16_t next_port_ = 40000;
   uint64_t stopwatch_ = 0;
};

} // namespace warren::support
