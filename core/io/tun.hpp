// A TUN device of the kernel: superpackets in and out, addresses and routes kept as configured.
//
// The interface is not persistent: it goes with its file descriptor, so a killed daemon leaves
// nothing behind. What somebody else deletes (addresses, routes, the interface itself) is put back
// at once; an interface that the operator sets down stays down until he sets it up. Repairs are
// spaced, so that two programs that disagree do not fight at full speed. Owned by a network's node,
// on the loop's thread.
#pragma once

#include "core/io/coalesce.hpp"
#include "core/io/netlink.hpp"
#include "core/io/split.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace warren::io {

struct tun_stats {
   uint64_t reads = 0;
   uint64_t rx_packets = 0; // from the kernel, after splitting
   uint64_t rx_refused = 0; // odd virtio headers or not IP
   uint64_t rx_no_memory = 0;
   uint64_t writes = 0;
   uint64_t tx_packets = 0; // to the kernel, before joining
   uint64_t tx_dropped = 0; // the kernel did not take them
   uint64_t undone = 0;     // superpackets it refused, written again one by one
   uint64_t repairs = 0;
   uint64_t moves = 0; // of the queue in which answers are written
};

class kernel_tun final : public tun_device,
                         private ready_sink,
                         private link_sink,
                         private timer_sink {
 public:
   static base::result<std::unique_ptr<kernel_tun>>
   open(reactor& loop, network_monitor& monitor, const tun_options& options, tun_sink& sink);
   ~kernel_tun() override;

   void write(std::span<wrn_pkt> packets) override;
   const std::string& name() const override { return options_.name; }
   uint32_t mtu() const override { return options_.mtu; }
   base::result<void> configure(const std::vector<wrn_addr>& addresses,
                                const std::vector<wrn_addr>& routes, uint32_t mtu) override;
   uint64_t rx_dropped() const override { return stats_.tx_dropped; }

   const tun_stats& stats() const { return stats_; }
   base::offload_set offloads() const override;
   uint32_t index() const { return index_; }

 private:
   kernel_tun(reactor& loop, network_monitor& monitor, const tun_options& options, tun_sink& sink);
   // The kernel spreads flows over the queues by their hash, so that one flow that overflows its
   // queue leaves the others alone.
   static constexpr size_t queues_wanted = 8;
   struct queue {
      int fd;
      uint32_t full_turns = 0; // in a row that ended with packets left
   };

   base::result<void> create();
   void close_device();
   base::result<void> apply();

   void on_ready(int fd, uint32_t events) override;
   bool read_one(int fd);
   bool deliver();
   bool add_queue(short flags);
   void note_load(int fd, bool full);
   void write_batch(std::span<wrn_pkt> packets);
   void write_singly(uint32_t w, std::span<wrn_pkt> packets);
   void on_link_changed() override;
   void on_timer(uint64_t timer, uint64_t tag) override;
   void check();
   /// Does a virtio header precede each packet?
   bool has_header() const {
      return options_.offload.has(base::offload::tso) || options_.offload.has(base::offload::uso);
   }

   // Superpackets refused in a row before joining is given up: some kernels have broken receivers.
   static constexpr uint32_t refused_max = 8;
   void tell_link(bool up);

   reactor& loop_;
   shard& shard_;
   packet_pool& pool_;
   network_monitor& monitor_;
   tun_options options_;
   tun_sink& sink_;
   std::unique_ptr<netlink_socket> netlink_;
   int fd_ = -1; // of the first queue; -1: there is no device
   std::vector<queue> queues_;
   uint32_t write_queue_ = 0;
   uint64_t next_move_ = 0; // not before
   uint32_t index_ = 0;
   base::offload_set offloads_ = base::offload_set::none(); // what the device does for us
   bool up_ = false;
   uint32_t joined_refused_ = 0; // superpackets refused in a row
   uint64_t repair_timer_ = 0;
   uint64_t repair_at_ = 0;    // not before
   bool* destroyed_ = nullptr; // set by the destructor while a callback runs
   std::unique_ptr<uint8_t[]> read_buffer_;
   splitter splitter_;
   coalescer coalescer_;
   wrn_pkt batch_[WRN_BATCH_MAX];
   uint32_t batched_ = 0;
   tun_stats stats_;
};

} // namespace warren::io
