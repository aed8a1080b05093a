// Receiving: recvmmsg() into a few slabs, superdatagrams cut into slices, batches to the sink.
//
// A single datagram moves to a slot of the pool, which has head- and tailroom and does not pin 64
// KiB; slices of a superdatagram stay where they are and hold the slab until the last of them is
// freed.
#include "core/io/kernel_address.hpp"
#include "core/io/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace warren::io {

namespace {

constexpr uint32_t buffers_max = 8;      // 64 KiB each per recvmmsg()
constexpr uint32_t datagrams_turn = 256; // then it is the others' turn
constexpr size_t control_bytes = 256; // pktinfo, TOS, GRO size, overflow count, with room to spare

/// What the control messages of one datagram say.
struct ancillary {
   uint8_t family = 0;
   uint8_t ip[16] = {};
   uint32_t interface = 0;
   uint32_t segment = 0;
   uint8_t ecn = 0;
   bool has_overflow = false;
   uint32_t overflow = 0;
};

template <class T> bool read_value(const cmsghdr* c, T& out) {
   if (c->cmsg_len < CMSG_LEN(sizeof(T))) return false;
   std::memcpy(&out, CMSG_DATA(c), sizeof(T));
   return true;
}

ancillary read_ancillary(msghdr& header) {
   ancillary out;
   for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      const int level = c->cmsg_level, type = c->cmsg_type;
      if (level == IPPROTO_IP && type == IP_PKTINFO) {
         in_pktinfo info{};
         if (!read_value(c, info)) continue;
         out.family = WRN_AF_INET;
         std::memcpy(out.ip, &info.ipi_spec_dst, 4);
         out.interface = static_cast<uint32_t>(info.ipi_ifindex);
      } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
         in6_pktinfo info{};
         if (!read_value(c, info)) continue;
         out.family = WRN_AF_INET6;
         std::memcpy(out.ip, &info.ipi6_addr, 16);
         out.interface = info.ipi6_ifindex;
      } else if (level == IPPROTO_UDP && type == UDP_GRO) {
         int segment = 0;
         if (read_value(c, segment) && segment > 0) out.segment = static_cast<uint32_t>(segment);
      } else if (level == IPPROTO_IP && type == IP_TOS) {
         uint8_t tos = 0;
         if (read_value(c, tos)) out.ecn = tos & 3;
      } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
         int tclass = 0;
         if (read_value(c, tclass)) out.ecn = static_cast<uint8_t>(tclass & 3);
      } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
         out.has_overflow = read_value(c, out.overflow);
      }
   }
   return out;
}

bool same_sender(const wrn_pkt& a, const wrn_pkt& b) {
   return a.len == b.len && a.addr.port == b.addr.port && a.addr.family == b.addr.family &&
          std::memcmp(a.addr.ip, b.addr.ip, sizeof a.addr.ip) == 0;
}

} // namespace

/// Hands the batch over; false when the sink destroyed this socket meanwhile.
bool kernel_udp::deliver(wrn_pkt* batch, uint32_t& count) {
   const uint32_t n = std::exchange(count, 0);
   if (n == 0) return true;
   bool destroyed = false;
   destroyed_ = &destroyed;
   stats_.rx_datagrams += n;
   sink_.on_datagrams(*this, {batch, n});
   if (destroyed) return false;
   destroyed_ = nullptr;
   return true;
}

void kernel_udp::receive(channel& c) {
   packet_pool& pool = pool_; // outlives this socket
   wrn_pkt batch[WRN_BATCH_MAX];
   uint32_t batched = 0, total = 0;
   bool more = true;
   while (more && total < datagrams_turn) {
      packet_pool::slab* slabs[buffers_max];
      mmsghdr headers[buffers_max];
      iovec parts[buffers_max];
      sockaddr_storage from[buffers_max];
      alignas(cmsghdr) uint8_t control[buffers_max][control_bytes];
      uint32_t buffers = 0;
      while (buffers < buffers_max && (slabs[buffers] = pool.alloc_slab()) != nullptr)
         buffers++;
      const bool spare = buffers == 0;
      if (spare) { // all slabs are held by somebody: go on with copies only
         if (spare_ == nullptr) spare_ = std::make_unique<uint8_t[]>(packet_pool::slab_bytes);
         buffers = 1;
      }
      for (uint32_t i = 0; i < buffers; i++) {
         parts[i] = {spare ? spare_.get() : pool.data(slabs[i]), packet_pool::slab_bytes};
         headers[i] = mmsghdr{};
         headers[i].msg_hdr.msg_name = &from[i];
         headers[i].msg_hdr.msg_namelen = sizeof from[i];
         headers[i].msg_hdr.msg_iov = &parts[i];
         headers[i].msg_hdr.msg_iovlen = 1;
         headers[i].msg_hdr.msg_control = control[i];
         headers[i].msg_hdr.msg_controllen = control_bytes;
      }
      const int n = recvmmsg(c.fd, headers, buffers, MSG_DONTWAIT, nullptr);
      stats_.rx_calls++;
      const uint32_t got = n > 0 ? static_cast<uint32_t>(n) : 0;
      more = got == buffers;
      bool alive = true;
      for (uint32_t i = 0; i < got && alive; i++) {
         const uint32_t bytes = headers[i].msg_len;
         msghdr& header = headers[i].msg_hdr;
         const ancillary info = read_ancillary(header);
         if (info.has_overflow) {
            stats_.rx_kernel += info.overflow - c.rx_overflow; // the kernel's counter wraps
            c.rx_overflow = info.overflow;
         }
         if ((header.msg_flags & MSG_TRUNC) != 0 || bytes == 0) continue;
         const uint32_t segment = info.segment != 0 ? info.segment : bytes;
         const bool single = segment >= bytes;
         const uint32_t token =
               info.family != 0 ? locals_.token(info.family, info.ip, info.interface) : 0;
         const wrn_addr address = read_address(from[i]);
         // What was one superpacket at the sender becomes one here, if batches do not tear it.
         const uint32_t segments = (bytes + segment - 1) / segment;
         if (batched + segments > WRN_BATCH_MAX) alive = deliver(batch, batched);
         for (uint32_t off = 0; off < bytes && alive; off += segment) {
            const uint32_t len = std::min(segment, bytes - off);
            wrn_pkt& p = batch[batched];
            total++;
            if ((single || spare) && pool.alloc({&p, 1}, len) == 1) {
               std::memcpy(p.buf + p.off, static_cast<uint8_t*>(parts[i].iov_base) + off, len);
            } else if (!spare) {
               const uint32_t hi = off + len == bytes ? packet_pool::slab_bytes : off + len;
               p = pool.slice(slabs[i], off, len, off, hi);
            } else {
               stats_.rx_no_memory++;
               continue;
            }
            p.addr = address;
            p.local = token;
            p.ecn = info.ecn;
            if (batched != 0 && same_sender(batch[batched - 1], p)) p.flags |= WRN_PKT_RUN;
            if (++batched == WRN_BATCH_MAX) alive = deliver(batch, batched);
         }
      }
      if (!spare)
         for (uint32_t i = 0; i < buffers; i++)
            pool.release(slabs[i]);
      if (!alive) return;
   }
   deliver(batch, batched);
}

} // namespace warren::io
