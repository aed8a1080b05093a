// Packets of a TUN device. Reading: one read() is one superpacket or packet; several are gathered
// into a batch before the sink gets it, and after a bounded number it is the sockets' turn.
// Writing: see coalesce.hpp; what the kernel refuses as a superpacket goes again packet by packet.
#include "core/io/tun.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

namespace warren::io {

namespace {

constexpr uint32_t reads_turn = 128;    // single packets
constexpr uint32_t full_turns_max = 16; // in a row, before answers are written elsewhere
constexpr uint64_t move_interval_ns = 1'000'000'000;
constexpr uint32_t packets_turn =
      512; // segments; a superpacket of tiny segments goes on in the next turn
constexpr uint32_t batch_enough =
      64; // then hand over before the next read, so that a superpacket is not torn between batches
constexpr size_t packet_offset =
      16; // of the packet in the read buffer; the virtio header lies right before it

} // namespace

base::offload_set kernel_tun::offloads() const {
   return joined_refused_ < refused_max ? offloads_ : base::offload_set::none();
}

bool kernel_tun::deliver() {
   const uint32_t n = std::exchange(batched_, 0);
   if (n == 0) return true;
   stats_.rx_packets += n;
   bool destroyed = false;
   bool* const outer = std::exchange(destroyed_, &destroyed);
   sink_.on_packets(*this, {batch_, n});
   if (destroyed) {
      if (outer != nullptr) *outer = true;
      return false;
   }
   destroyed_ = outer;
   return true;
}

void kernel_tun::on_ready(int fd, uint32_t events) {
   const uint64_t end = stats_.rx_packets + packets_turn;
   for (uint32_t reads = 0;;) {
      while (!splitter_.done()) {
         if (stats_.rx_packets + batched_ >= end) {
            loop_.want_turn(fd); // no read may be due, so that epoll would not tell
            deliver();
            return;
         }
         const uint32_t got = splitter_.next(pool_, {batch_ + batched_, WRN_BATCH_MAX - batched_},
                                             options_.headroom, options_.tailroom);
         batched_ += got;
         if (splitter_.done()) break;
         // The batch is full or memory is out; handing over may free some.
         if (batched_ == 0) {
            stats_.rx_no_memory += splitter_.abandon();
            break;
         }
         if (!deliver()) return;
      }
      if (batched_ >= batch_enough && !deliver()) return;
      if (stats_.rx_packets + batched_ >= end || fd_ < 0) break;
      const bool full = reads++ == reads_turn;
      if (full || !read_one(fd)) {
         note_load(fd, full);
         break;
      }
   }
   if (!deliver()) return;
   if ((events & (EPOLLERR | EPOLLHUP)) != 0) check(); // the interface was deleted
}

/// A queue that is never empty loses packets in the kernel, of all flows that are in it. Those that
/// get answers move to the queue in which the answers are written, so these go to one that keeps
/// up. Seldom, because a flow that moves may be reordered once.
void kernel_tun::note_load(int fd, bool full) {
   const auto q = std::find_if(queues_.begin(), queues_.end(),
                               [&](const queue& each) { return each.fd == fd; });
   if (q == queues_.end()) return;
   q->full_turns = full ? q->full_turns + 1 : 0;
   const bool crowded = queues_[write_queue_].full_turns >= full_turns_max;
   if (!full || !crowded || shard_.now() < next_move_) return;
   const auto calm = std::find_if(queues_.begin(), queues_.end(),
                                  [](const queue& each) { return each.full_turns == 0; });
   if (calm == queues_.end()) return;
   write_queue_ = static_cast<uint32_t>(calm - queues_.begin());
   next_move_ = shard_.now() + move_interval_ns;
   stats_.moves++;
}

/// Reads the next packet into the splitter; false when there is none.
bool kernel_tun::read_one(int fd) {
   const size_t header_bytes = has_header() ? sizeof(virtio_header) : 0;
   uint8_t* const packet = read_buffer_.get() + packet_offset;
   const ssize_t got = ::read(fd, packet - header_bytes, header_bytes + 0xffff);
   if (got < 0) return errno == EINTR;
   stats_.reads++;
   virtio_header header;
   if (static_cast<size_t>(got) < header_bytes) {
      stats_.rx_refused++;
      return true;
   }
   std::memcpy(&header, packet - header_bytes, header_bytes);
   if (!splitter_.begin(header, {packet, static_cast<size_t>(got) - header_bytes}))
      stats_.rx_refused++;
   return true;
}

void kernel_tun::write(std::span<wrn_pkt> packets) {
   while (!packets.empty()) {
      const auto part = packets.first(std::min<size_t>(packets.size(), WRN_BATCH_MAX));
      packets = packets.subspan(part.size());
      stats_.tx_packets += part.size();
      if (fd_ < 0)
         stats_.tx_dropped += part.size();
      else
         write_batch(part);
      pool_.free(part);
   }
}

void kernel_tun::write_batch(std::span<wrn_pkt> packets) {
   const int write_fd = queues_[write_queue_].fd;
   if (!has_header()) {
      for (const wrn_pkt& p : packets) {
         stats_.writes++;
         if (::write(write_fd, p.buf + p.off, p.len) < 0) stats_.tx_dropped++;
      }
      return;
   }
   const base::offload_set join = offloads();
   const uint32_t count = coalescer_.join(
         packets, {.tcp = join.has(base::offload::tso), .udp = join.has(base::offload::uso)});
   iovec pieces[coalescer::pieces_max];
   for (uint32_t w = 0; w < count; w++) {
      const uint32_t n = coalescer_.pieces(w, pieces);
      stats_.writes++;
      const bool joined = coalescer_.packets_of(w) > 1;
      if (::writev(write_fd, pieces, static_cast<int>(n)) >= 0) {
         if (joined) joined_refused_ = 0;
      } else if (joined && errno != EAGAIN && errno != EIO && errno != EBADFD) {
         stats_.undone++;
         joined_refused_++;
         write_singly(w, packets);
      } else { // EIO: the interface is down
         stats_.tx_dropped += coalescer_.packets_of(w);
      }
   }
}

void kernel_tun::write_singly(uint32_t w, std::span<wrn_pkt> packets) {
   coalescer_.undo(w);
   virtio_header none;
   for (uint32_t i = coalescer_.first(w); i != coalescer::none; i = coalescer_.next(i)) {
      iovec pieces[2] = {{&none, sizeof none}, {packets[i].buf + packets[i].off, packets[i].len}};
      stats_.writes++;
      if (::writev(queues_[write_queue_].fd, pieces, 2) < 0) stats_.tx_dropped++;
   }
}

} // namespace warren::io
