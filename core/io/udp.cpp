// Sending: plan runs, one sendmmsg() for all, and what to do when the kernel refuses one. Nothing
// is sent twice: an error of sendmmsg() belongs to exactly one run, of which nothing left.
#include "core/io/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace warren::io {

namespace {

constexpr size_t backlog_max = 512; // datagrams kept while the send buffer is full: four batches
constexpr size_t plain_max = 8;     // destinations remembered whose path refuses runs
constexpr uint32_t refusals_in_a_row =
      16; // of runs, before a socket that once sent runs stops trying

bool source_may_be_to_blame(int error) {
   return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
          error == EHOSTUNREACH || error == ENODEV || error == ENXIO;
}

} // namespace

struct kernel_udp::message {
   alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) +
                                    CMSG_SPACE(sizeof(int))];
   union {
      sockaddr_in in;
      sockaddr_in6 in6;
   } to;
};

kernel_udp::channel* kernel_udp::channel_of(uint8_t family) {
   if (family != WRN_AF_INET && family != WRN_AF_INET6) return nullptr;
   channel& c = channels_[family == WRN_AF_INET ? 0 : 1];
   return c.fd >= 0 ? &c : nullptr;
}

uint32_t kernel_udp::room() {
   const size_t used = std::max(channels_[0].backlog.size(), channels_[1].backlog.size());
   if (used >= backlog_max) wants_writable_ = true;
   return static_cast<uint32_t>(backlog_max - std::min(used, backlog_max));
}

void kernel_udp::send(std::span<const wrn_pkt> packets) {
   while (!packets.empty()) {
      // The longest stretch of one family, at most a batch.
      size_t n = 1;
      const uint8_t family = packets.front().addr.family;
      while (n < packets.size() && n < WRN_BATCH_MAX && packets[n].addr.family == family)
         n++;
      const auto part = packets.first(n);
      packets = packets.subspan(n);
      channel* const c = channel_of(family);
      if (c == nullptr) {
         stats_.tx_errors += n;
         pool_.free(part);
         continue;
      }
      if (!c->backlog.empty()) { // behind what already waits
         for (const wrn_pkt& p : part)
            queue(*c, p);
         continue;
      }
      bool unsent[WRN_BATCH_MAX] = {};
      if (transmit(*c, part, unsent)) {
         pool_.free(part);
         continue;
      }
      for (size_t i = 0; i < n; i++) {
         if (unsent[i])
            queue(*c, part[i]);
         else
            pool_.free(part.subspan(i, 1));
      }
   }
}

void kernel_udp::queue(channel& c, const wrn_pkt& packet) {
   if (c.backlog.size() >= backlog_max) {
      stats_.tx_no_room++;
      pool_.free({&packet, 1});
      return;
   }
   if (c.backlog.empty()) loop_.change(c.fd, EPOLLIN | EPOLLOUT);
   c.backlog.push_back(packet);
}

/// The socket has room again: what waits goes first, in its order.
void kernel_udp::flush(channel& c) {
   while (!c.backlog.empty()) {
      wrn_pkt batch[WRN_BATCH_MAX];
      bool unsent[WRN_BATCH_MAX] = {};
      const size_t n = std::min<size_t>(c.backlog.size(), WRN_BATCH_MAX);
      std::copy_n(c.backlog.begin(), n, batch);
      c.backlog.erase(c.backlog.begin(), c.backlog.begin() + static_cast<std::ptrdiff_t>(n));
      const bool all = transmit(c, {batch, n}, unsent);
      for (size_t i = n; i > 0; i--) {
         if (unsent[i - 1])
            c.backlog.push_front(batch[i - 1]);
         else
            pool_.free({&batch[i - 1], 1});
      }
      if (!all) return;
   }
   loop_.change(c.fd, EPOLLIN);
}

bool kernel_udp::is_plain(const wrn_addr& to) const {
   return std::any_of(plain_.begin(), plain_.end(), [&](const wrn_addr& a) {
      return a.family == to.family && std::memcmp(a.ip, to.ip, sizeof a.ip) == 0;
   });
}

void kernel_udp::build(const wrn_pkt& first, uint32_t segment, bool with_source, message& m,
                       msghdr& header) const {
   const wrn_addr& to = first.addr;
   header.msg_name = &m.to;
   if (to.family == WRN_AF_INET) {
      m.to.in = sockaddr_in{};
      m.to.in.sin_family = AF_INET;
      m.to.in.sin_port = htons(to.port);
      std::memcpy(&m.to.in.sin_addr, to.ip, 4);
      header.msg_namelen = sizeof m.to.in;
   } else {
      m.to.in6 = sockaddr_in6{};
      m.to.in6.sin6_family = AF_INET6;
      m.to.in6.sin6_port = htons(to.port);
      m.to.in6.sin6_scope_id = to.scope_id;
      std::memcpy(&m.to.in6.sin6_addr, to.ip, 16);
      header.msg_namelen = sizeof m.to.in6;
   }
   size_t used = 0;
   const auto add = [&](int level, int type, const void* value, size_t size) {
      cmsghdr head{};
      head.cmsg_level = level;
      head.cmsg_type = type;
      head.cmsg_len = CMSG_LEN(size);
      std::memcpy(m.control + used, &head, sizeof head);
      std::memcpy(m.control + used + CMSG_LEN(0), value, size);
      used += CMSG_SPACE(size);
   };
   const local_table::entry* const source = with_source ? locals_.find(first.local) : nullptr;
   if (source != nullptr && source->family == to.family) {
      if (to.family == WRN_AF_INET) {
         in_pktinfo info{};
         std::memcpy(&info.ipi_spec_dst, source->ip, 4);
         add(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
      } else {
         in6_pktinfo info{};
         std::memcpy(&info.ipi6_addr, source->ip, 16);
         // The interface only where the address means nothing without it; otherwise routing
         // decides.
         if (source->ip[0] == 0xfe && (source->ip[1] & 0xc0) == 0x80)
            info.ipi6_ifindex = source->interface;
         add(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
      }
   }
   if (segment != 0) {
      const auto value = static_cast<uint16_t>(segment);
      add(IPPROTO_UDP, UDP_SEGMENT, &value, sizeof value);
   }
   if ((first.ecn & 3) != 0) {
      const int value = first.ecn & 3;
      if (to.family == WRN_AF_INET)
         add(IPPROTO_IP, IP_TOS, &value, sizeof value);
      else
         add(IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof value);
   }
   header.msg_control = used != 0 ? m.control : nullptr;
   header.msg_controllen = used;
}

/// Sends what the kernel takes; false when the socket is full: then unsent[] marks what did not
/// leave.
bool kernel_udp::transmit(channel& c, std::span<const wrn_pkt> packets, bool* unsent) {
   udp_plan plan;
   plan_udp_runs(packets, c.gso, plan);
   mmsghdr headers[WRN_BATCH_MAX];
   message messages[WRN_BATCH_MAX];
   iovec parts[WRN_BATCH_MAX];
   size_t parts_used = 0;
   for (uint32_t i = 0; i < plan.count; i++) {
      const udp_run& run = plan.runs[i];
      msghdr& h = headers[i].msg_hdr;
      h = msghdr{};
      h.msg_iov = parts + parts_used;
      h.msg_iovlen = run.count;
      for (uint8_t p = run.first; p != udp_plan::end; p = plan.next[p])
         parts[parts_used++] = {packets[p].buf + packets[p].off, packets[p].len};
      build(packets[run.first], run.count > 1 ? run.segment : 0, true, messages[i], h);
   }
   const auto mark = [&](uint32_t from_run) {
      for (uint32_t i = from_run; i < plan.count; i++)
         for (uint8_t p = plan.runs[i].first; p != udp_plan::end; p = plan.next[p])
            unsent[p] = true;
   };
   const bool any_plain = !plain_.empty();
   uint32_t done = 0;
   while (done < plan.count) {
      const udp_run& run = plan.runs[done];
      if (any_plain && run.count > 1 && is_plain(packets[run.first].addr)) {
         if (send_singly(c, packets, plan, run, unsent)) {
            done++;
            continue;
         }
         mark(done + 1);
         return false;
      }
      uint32_t upto = done + 1;
      while (upto < plan.count && !(any_plain && plan.runs[upto].count > 1 &&
                                    is_plain(packets[plan.runs[upto].first].addr)))
         upto++;
      const int n = sendmmsg(c.fd, headers + done, upto - done, MSG_DONTWAIT);
      stats_.tx_calls++;
      if (n > 0) {
         for (int i = 0; i < n; i++, done++) {
            stats_.tx_datagrams += plan.runs[done].count;
            if (plan.runs[done].count > 1) {
               c.gso_worked = true;
               c.gso_refusals = 0;
            }
         }
         continue;
      }
      const int error = n < 0 ? errno : EAGAIN;
      if (error == EINTR) continue;
      bool full = error == EAGAIN || error == EWOULDBLOCK;
      if (full)
         mark(done);
      else if (!refused(c, packets, plan, run, error, headers[done].msg_hdr, unsent)) {
         full = true;
         mark(done + 1);
      }
      if (full) return false;
      done++;
   }
   return true;
}

/// The kernel refused a run, of which nothing left. Tries what may help; false when the socket
/// became full meanwhile.
bool kernel_udp::refused(channel& c, std::span<const wrn_pkt> packets, const udp_plan& plan,
                         const udp_run& run, int error, msghdr& header, bool* unsent) {
   const wrn_pkt& first = packets[run.first];
   if (locals_.find(first.local) != nullptr && source_may_be_to_blame(error)) {
      message m;
      build(first, run.count > 1 ? run.segment : 0, false, m, header);
      stats_.tx_calls++;
      if (sendmsg(c.fd, &header, MSG_DONTWAIT) >= 0) {
         locals_.clear(first.local);
         stats_.sources_cleared++;
         stats_.tx_datagrams += run.count;
         return true;
      }
      error = errno;
      if (error == EAGAIN || error == EWOULDBLOCK) {
         for (uint8_t p = run.first; p != udp_plan::end; p = plan.next[p])
            unsent[p] = true;
         return false;
      }
   }
   if (run.count > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      // EIO: the device cannot checksum. EINVAL: some virtual devices, but also a path whose MTU is
      // below the segment size, which is no reason to send plainly to everybody else.
      stats_.gso_fallbacks++;
      c.gso_refusals++;
      if (error == EIO || (error == EINVAL && !c.gso_worked) ||
          c.gso_refusals >= refusals_in_a_row) {
         c.gso = false;
      } else if (plain_.size() < plain_max) {
         plain_.push_back(first.addr);
      } else {
         plain_[plain_next_] = first.addr;
         plain_next_ = (plain_next_ + 1) % plain_max;
      }
      return send_singly(c, packets, plan, run, unsent);
   }
   stats_.tx_errors += run.count;
   return true;
}

/// The datagrams of a run one by one; errors drop one datagram each. False when the socket is full.
bool kernel_udp::send_singly(channel& c, std::span<const wrn_pkt> packets, const udp_plan& plan,
                             const udp_run& run, bool* unsent) {
   for (uint8_t p = run.first; p != udp_plan::end; p = plan.next[p]) {
      message m;
      iovec part{packets[p].buf + packets[p].off, packets[p].len};
      msghdr header{};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      int error = 0;
      for (const bool with_source : {true, false}) {
         build(packets[p], 0, with_source, m, header);
         stats_.tx_calls++;
         error = sendmsg(c.fd, &header, MSG_DONTWAIT) >= 0 ? 0 : errno;
         if (!source_may_be_to_blame(error) || locals_.find(packets[p].local) == nullptr) break;
      }
      if (error == EAGAIN || error == EWOULDBLOCK) {
         for (; p != udp_plan::end; p = plan.next[p])
            unsent[p] = true;
         return false;
      }
      (error == 0 ? stats_.tx_datagrams : stats_.tx_errors)++;
   }
   return true;
}

void kernel_udp::on_ready(int fd, uint32_t events) {
   channel& c = channels_[fd == channels_[0].fd ? 0 : 1];
   if ((events & EPOLLERR) !=
       0) { // reading it clears it; an unconnected socket has nothing that would end it
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
   }
   if ((events & EPOLLOUT) != 0) {
      flush(c);
      if (wants_writable_ &&
          std::max(channels_[0].backlog.size(), channels_[1].backlog.size()) < backlog_max / 2) {
         wants_writable_ = false;
         bool destroyed = false;
         destroyed_ = &destroyed;
         sink_.on_writable(*this);
         if (destroyed) return;
         destroyed_ = nullptr;
      }
   }
   if ((events & EPOLLIN) != 0) receive(c);
}

} // namespace warren::io
