// Everything here but probe_offloads() runs in a child process with a network namespace of its own,
// where addresses and interfaces may be anything. The child ends with _exit() and leaves nothing.
#include "core/io/offload_probe.hpp"

#include "core/base/address.hpp"
#include "core/io/checksum.hpp"
#include "core/io/coalesce.hpp"
#include "core/io/kernel_address.hpp"
#include "core/io/netlink.hpp"
#include "core/io/split.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace warren::io {

namespace {

using base::offload_verdict;
using bytes = std::vector<uint8_t>;

constexpr int answer_ms = 500;         // for each packet that shall come
constexpr int child_ms = 2'000;        // for all of it
constexpr uint16_t segment = 1000;     // payload bytes
constexpr size_t payload_bytes = 3500; // three full segments and a shorter one
constexpr uint32_t segments = 4;
constexpr uint16_t port = 7777, peer_port = 7778;
constexpr const char *own_address = "192.0.2.1", *peer_address = "192.0.2.2"; // RFC 5737

bytes pattern() {
   bytes out(payload_bytes);
   for (size_t i = 0; i < out.size(); i++)
      out[i] = static_cast<uint8_t>(i * 7 + i / 251);
   return out;
}

wrn_addr endpoint(const char* address, uint16_t at) {
   wrn_addr a = *base::parse_address(address);
   a.port = at;
   return a;
}

bool readable(int fd) {
   pollfd p{fd, POLLIN, 0};
   return poll(&p, 1, answer_ms) == 1;
}

struct descriptor {
   int fd;
   explicit descriptor(int f) : fd(f) {}
   ~descriptor() {
      if (fd >= 0) close(fd);
   }
   descriptor(const descriptor&) = delete;
   descriptor& operator=(const descriptor&) = delete;
};

int bound_socket(int type, const wrn_addr& at) {
   const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
   kernel_address a(at);
   if (fd >= 0 && bind(fd, a.get(), a.size) != 0) {
      close(fd);
      return -1;
   }
   return fd;
}

bool send_segmented(int fd, const wrn_addr& to, const bytes& data) {
   kernel_address a(to);
   iovec part{const_cast<uint8_t*>(data.data()), data.size()};
   alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof segment)] = {};
   msghdr m{};
   m.msg_name = a.get();
   m.msg_namelen = a.size;
   m.msg_iov = &part;
   m.msg_iovlen = 1;
   m.msg_control = control;
   m.msg_controllen = sizeof control;
   cmsghdr* c = CMSG_FIRSTHDR(&m);
   c->cmsg_level = IPPROTO_UDP;
   c->cmsg_type = UDP_SEGMENT;
   c->cmsg_len = CMSG_LEN(sizeof segment);
   std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
   return sendmsg(fd, &m, 0) == static_cast<ssize_t>(data.size());
}

/// Receives datagrams, or several at once, until all of `data` came; false when sizes or bytes are
/// others than were sent.
bool receive_segments(int fd, const bytes& data) {
   size_t got = 0;
   while (got < data.size()) {
      if (!readable(fd)) return false;
      uint8_t buffer[65536];
      iovec part{buffer, sizeof buffer};
      alignas(cmsghdr) uint8_t control[256];
      msghdr m{};
      m.msg_iov = &part;
      m.msg_iovlen = 1;
      m.msg_control = control;
      m.msg_controllen = sizeof control;
      const ssize_t n = recvmsg(fd, &m, 0);
      if (n <= 0 || got + static_cast<size_t>(n) > data.size()) return false;
      int each = static_cast<int>(n);
      for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c))
         if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            std::memcpy(&each, CMSG_DATA(c), sizeof each);
      const size_t left = data.size() - got;
      if (static_cast<size_t>(each) != std::min<size_t>(segment, left)) return false;
      if (std::memcmp(buffer, data.data() + got, static_cast<size_t>(n)) != 0) return false;
      got += static_cast<size_t>(n);
   }
   return true;
}

void probe_udp(base::offload_report& report) {
   auto& gso = report[static_cast<size_t>(base::offload::gso)];
   auto& gro = report[static_cast<size_t>(base::offload::gro)];
   const wrn_addr to = endpoint("127.0.0.1", port);
   const descriptor sender(bound_socket(SOCK_DGRAM, endpoint("127.0.0.1", 0)));
   const descriptor receiver(bound_socket(SOCK_DGRAM, to));
   if (sender.fd < 0 || receiver.fd < 0) return;
   int value = 0;
   socklen_t size = sizeof value;
   if (getsockopt(sender.fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) != 0) {
      gso = offload_verdict::unsupported;
   } else {
      const bool good =
            send_segmented(sender.fd, to, pattern()) && receive_segments(receiver.fd, pattern());
      gso = good ? offload_verdict::works : offload_verdict::broken;
   }
   const int one = 1;
   if (setsockopt(receiver.fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one) != 0) {
      gro = offload_verdict::unsupported;
   } else if (gso == offload_verdict::works) { // without it nothing makes runs on loopback
      const bool good =
            send_segmented(sender.fd, to, pattern()) && receive_segments(receiver.fd, pattern());
      gro = good ? offload_verdict::works : offload_verdict::broken;
   }
}

/// A peer of the kernel behind a TUN device, who speaks with our splitter and coalescer.
class tun_peer {
 public:
   explicit tun_peer(int fd) : fd_(fd) {}

   /// What the kernel sends to the peer next: packets of that protocol with good checksums, split.
   /// Empty when nothing comes or a checksum is wrong.
   std::vector<bytes> read(uint8_t protocol) {
      std::vector<bytes> out;
      while (out.empty() && readable(fd_)) {
         uint8_t buffer[sizeof(virtio_header) + 65536];
         const ssize_t n = ::read(fd_, buffer, sizeof buffer);
         virtio_header header;
         if (n < static_cast<ssize_t>(sizeof header)) return {};
         std::memcpy(&header, buffer, sizeof header);
         const std::span packet(buffer + sizeof header, static_cast<size_t>(n) - sizeof header);
         if (packet.size() < 28 || packet[0] != 0x45 || packet[9] != protocol) continue;
         splitter split;
         if (!split.begin(header, packet)) return {};
         while (!split.done()) {
            wrn_pkt p{};
            if (split.next(pool_, {&p, 1}, 0, 0) != 1) return {};
            out.emplace_back(p.buf + p.off, p.buf + p.off + p.len);
            pool_.free({&p, 1});
            if (!is_good(out.back(), protocol)) return {};
         }
      }
      return out;
   }

   /// Gives the kernel packets, joined.
   bool write(const std::vector<bytes>& packets, uint32_t writes_wanted) {
      std::array<wrn_pkt, segments> batch{};
      const auto count = static_cast<uint32_t>(packets.size());
      if (count > batch.size()) return false;
      for (uint32_t i = 0; i < count; i++) {
         if (pool_.alloc({&batch[i], 1}, static_cast<uint32_t>(packets[i].size())) != 1)
            return false;
         std::copy(packets[i].begin(), packets[i].end(), batch[i].buf + batch[i].off);
      }
      const std::span all(batch.data(), count);
      coalescer join;
      bool good = true;
      const uint32_t writes = join.join(all, {.tcp = true, .udp = true});
      for (uint32_t w = 0; w < writes; w++) {
         iovec pieces[coalescer::pieces_max];
         const auto n = static_cast<int>(join.pieces(w, pieces));
         good &= writev(fd_, pieces, n) > 0;
      }
      pool_.free(all);
      return good && writes == writes_wanted;
   }

   /// A packet from the peer to the host, complete with checksums.
   static bytes packet(uint8_t protocol, const bytes& transport_header,
                       std::span<const uint8_t> payload) {
      bytes p(20 + transport_header.size() + payload.size());
      const auto behind =
            std::copy(transport_header.begin(), transport_header.end(), p.begin() + 20);
      std::copy(payload.begin(), payload.end(), behind);
      p[0] = 0x45;
      store16(&p[2], static_cast<uint16_t>(p.size()));
      p[6] = 0x40; // DF
      p[8] = 64;
      p[9] = protocol;
      std::memcpy(&p[12], base::parse_address(peer_address)->ip, 4);
      std::memcpy(&p[16], base::parse_address(own_address)->ip, 4);
      store_sum(&p[10], static_cast<uint16_t>(~fold(sum_bytes(p.data(), 20))));
      const size_t field = 20 + (protocol == ip::tcp ? 16u : 6u);
      store_sum(&p[field], static_cast<uint16_t>(~transport_sum(p, protocol)));
      return p;
   }

 private:
   static uint16_t transport_sum(const bytes& p, uint8_t protocol) {
      const auto length = static_cast<uint32_t>(p.size() - 20);
      return fold(sum_bytes(&p[20], length) + pseudo_sum4(&p[12], protocol, length));
   }
   static bool is_good(const bytes& p, uint8_t protocol) {
      return p.size() >= 28 && fold(sum_bytes(p.data(), 20)) == 0xffff &&
             transport_sum(p, protocol) == 0xffff;
   }

   int fd_;
   packet_pool pool_{64, 4, 0, 0};
};

bytes udp_header(size_t payload) {
   bytes h(8);
   store16(&h[0], peer_port);
   store16(&h[2], port);
   store16(&h[4], static_cast<uint16_t>(8 + payload));
   return h;
}

bytes tcp_header(uint32_t sequence, uint32_t acknowledged, uint8_t flags) {
   const bool syn = (flags & TH_SYN) != 0;
   bytes h(syn ? 24 : 20);
   store16(&h[0], peer_port);
   store16(&h[2], port);
   store32(&h[4], sequence);
   store32(&h[8], acknowledged);
   h[12] = static_cast<uint8_t>(h.size() / 4 << 4);
   h[13] = flags;
   store16(&h[14], 0xffff);
   if (syn) { // maximum segment size
      h[20] = 2;
      h[21] = 4;
      store16(&h[22], segment);
   }
   return h;
}

std::span<const uint8_t> nth_segment(const bytes& data, size_t i) {
   const size_t at = i * segment;
   return std::span(data).subspan(at, std::min<size_t>(segment, data.size() - at));
}

bool uso_works(tun_peer& peer) {
   const bytes data = pattern();
   const descriptor host(bound_socket(SOCK_DGRAM, endpoint(own_address, port)));
   if (host.fd < 0) return false;
   std::vector<bytes> packets;
   for (size_t i = 0; i < segments; i++)
      packets.push_back(tun_peer::packet(ip::udp, udp_header(nth_segment(data, i).size()),
                                         nth_segment(data, i)));
   if (!peer.write(packets, 1) || !receive_segments(host.fd, data)) return false;
   if (!send_segmented(host.fd, endpoint(peer_address, peer_port), data)) return false;
   std::vector<bytes> got;
   while (got.size() < segments) {
      const auto more = peer.read(ip::udp);
      if (more.empty()) return false;
      got.insert(got.end(), more.begin(), more.end());
   }
   for (size_t i = 0; i < segments; i++) {
      const auto wanted = nth_segment(data, i);
      if (got.size() != segments || got[i].size() != 28 + wanted.size() ||
          !std::equal(wanted.begin(), wanted.end(), got[i].begin() + 28))
         return false;
   }
   return true;
}

bool tso_works(tun_peer& peer) {
   const bytes data = pattern();
   const descriptor listener(bound_socket(SOCK_STREAM, endpoint(own_address, port)));
   if (listener.fd < 0 || listen(listener.fd, 1) != 0) return false;
   constexpr uint32_t first = 1'000'000;
   if (!peer.write({tun_peer::packet(ip::tcp, tcp_header(first, 0, TH_SYN), {})}, 1)) return false;
   const auto answer = peer.read(ip::tcp);
   if (answer.size() != 1 || (answer[0][33] & (TH_SYN | TH_ACK)) != (TH_SYN | TH_ACK)) return false;
   const uint32_t theirs = load32(&answer[0][24]) + 1;
   if (!peer.write({tun_peer::packet(ip::tcp, tcp_header(first + 1, theirs, TH_ACK), {})}, 1))
      return false;
   if (!readable(listener.fd)) return false;
   const descriptor host(accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC));
   if (host.fd < 0) return false;
   // To the host.
   std::vector<bytes> packets;
   for (size_t i = 0; i < segments; i++)
      packets.push_back(tun_peer::packet(
            ip::tcp, tcp_header(first + 1 + static_cast<uint32_t>(i * segment), theirs, TH_ACK),
            nth_segment(data, i)));
   if (!peer.write(packets, 1)) return false;
   bytes got(data.size() + 1);
   for (size_t bytes_got = 0; bytes_got < data.size();) {
      if (!readable(host.fd)) return false;
      const ssize_t n = recv(host.fd, got.data() + bytes_got, got.size() - bytes_got, 0);
      if (n <= 0) return false;
      bytes_got += static_cast<size_t>(n);
      if (bytes_got > data.size()) return false;
   }
   got.pop_back();
   if (got != data) return false;
   // From the host.
   if (send(host.fd, data.data(), data.size(), 0) != static_cast<ssize_t>(data.size()))
      return false;
   bytes seen(data.size());
   size_t covered = 0;
   for (int reads = 0; covered < data.size() && reads < 16; reads++) {
      const auto more = peer.read(ip::tcp);
      if (more.empty()) return false;
      for (const bytes& p : more) {
         const size_t header = 20 + (p[32] >> 4) * 4u;
         const uint32_t at = load32(&p[24]) - theirs;
         if (header > p.size() || p.size() - header > segment) return false;
         if (p.size() == header) continue; // an acknowledgement
         if (at != covered || at + (p.size() - header) > seen.size()) return false;
         std::copy(p.begin() + static_cast<long>(header), p.end(), seen.begin() + at);
         covered += p.size() - header;
      }
   }
   return seen == data;
}

void probe_tun(base::offload_report& report) {
   auto& tso = report[static_cast<size_t>(base::offload::tso)];
   auto& uso = report[static_cast<size_t>(base::offload::uso)];
   const descriptor tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
   ifreq request{};
   std::strcpy(request.ifr_name, "probe");
   request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
   if (tun.fd < 0 || ioctl(tun.fd, TUNSETIFF, &request) != 0) return;
   auto netlink = netlink_socket::open();
   if (!netlink) return;
   const auto link = (*netlink)->link("probe");
   if (!link || !(*netlink)->add_address(link->index, *base::parse_prefix("192.0.2.1/24", true)) ||
       !(*netlink)->set_up(link->index, true))
      return;
   tun_peer peer(tun.fd);
   constexpr unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
   if (ioctl(tun.fd, TUNSETOFFLOAD, tcp) != 0)
      tso = offload_verdict::unsupported;
   else
      tso = tso_works(peer) ? offload_verdict::works : offload_verdict::broken;
   if (ioctl(tun.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6) != 0)
      uso = offload_verdict::unsupported;
   else
      uso = uso_works(peer) ? offload_verdict::works : offload_verdict::broken;
}

constexpr base::offload_report nothing_known() {
   base::offload_report report{};
   report.fill(offload_verdict::untested);
   return report;
}

/// A namespace needs a privilege that a service may lack; in a user namespace nobody needs any.
[[noreturn]] void run_child(int answer) {
   base::offload_report report = nothing_known();
   if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
      if (auto netlink = netlink_socket::open())
         if (const auto loopback = (*netlink)->link("lo"))
            if ((*netlink)->set_up(loopback->index, true)) probe_udp(report);
      probe_tun(report);
   }
   [[maybe_unused]] const ssize_t written = write(answer, report.data(), sizeof report);
   _exit(0);
}

} // namespace

base::offload_report probe_offloads() {
   int ends[2];
   if (pipe2(ends, O_CLOEXEC) != 0) return nothing_known();
   const pid_t child = fork();
   if (child == 0) run_child(ends[1]);
   close(ends[1]);
   const descriptor answer(ends[0]);
   if (child < 0) return nothing_known();
   base::offload_report report = nothing_known();
   pollfd p{answer.fd, POLLIN, 0};
   base::offload_report said{};
   if (poll(&p, 1, child_ms) == 1 && read(answer.fd, said.data(), sizeof said) == sizeof said)
      report = said;
   kill(child, SIGKILL);
   while (waitpid(child, nullptr, 0) < 0 && errno == EINTR)
      ;
   return report;
}

} // namespace warren::io
