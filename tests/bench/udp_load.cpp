// Offers and counts UDP packets at a known rate, for benchmarks: what was really offered is
// measured, not assumed.
//   udp_load send ADDRESS PORT BYTES PER_SECOND SECONDS    prints
//   {"sent":…,"refused":…,"seconds":…,"offered_kpps":…} udp_load receive PORT SECONDS_OF_SILENCE
//   prints {"received":…,"seconds":…,"kpps":…,"out_of_order":…}
// Packets carry a sequence number; batches of 32 go through sendmmsg and recvmmsg.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono;

namespace {

constexpr size_t batch = 32;
constexpr size_t packet_max = 2048;

struct messages {
   std::array<std::array<uint8_t, packet_max>, batch> data{};
   std::array<iovec, batch> iov{};
   std::array<mmsghdr, batch> headers{};
   explicit messages(size_t bytes) {
      for (size_t i = 0; i < batch; i++) {
         iov[i] = {data[i].data(), bytes};
         headers[i].msg_hdr.msg_iov = &iov[i];
         headers[i].msg_hdr.msg_iovlen = 1;
      }
   }
};

sockaddr_in address_of(const char* host, const char* port) {
   sockaddr_in a{};
   a.sin_family = AF_INET;
   a.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
   inet_pton(AF_INET, host, &a.sin_addr);
   return a;
}

int send_load(char** argv) {
   const auto target = address_of(argv[0], argv[1]);
   const size_t bytes = std::clamp<size_t>(std::strtoul(argv[2], nullptr, 10), 16, packet_max);
   const double per_second = std::clamp(std::atof(argv[3]), 1.0, 5e6);
   const double duration = std::clamp(std::atof(argv[4]), 0.1, 60.0);
   const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
   if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0)
      return std::perror("udp_load"), 1;
   messages out(bytes);
   uint64_t sequence = 0, sent = 0, refused = 0;
   const auto begin = steady_clock::now();
   while (true) {
      const double elapsed =
            duration_cast<std::chrono::duration<double>>(steady_clock::now() - begin).count();
      if (elapsed >= duration) break;
      const auto due = static_cast<uint64_t>(elapsed * per_second);
      if (sequence + batch > due) {
         std::this_thread::sleep_for(microseconds(50));
         continue;
      }
      for (size_t i = 0; i < batch; i++) {
         const uint64_t number = sequence + i;
         std::memcpy(out.data[i].data(), &number, sizeof number);
      }
      const int n = ::sendmmsg(fd, out.headers.data(), batch, 0);
      if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
         return std::perror("udp_load: sendmmsg"), 1;
      sent += n > 0 ? static_cast<uint64_t>(n) : 0;
      refused += batch - (n > 0 ? static_cast<uint64_t>(n) : 0);
      sequence += batch;
   }
   const double took =
         duration_cast<std::chrono::duration<double>>(steady_clock::now() - begin).count();
   std::printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"offered_kpps\":%.2f}\n",
               static_cast<unsigned long long>(sent), static_cast<unsigned long long>(refused),
               took, static_cast<double>(sent) / took / 1000);
   return 0;
}

int receive_load(char** argv) {
   const auto own = address_of("0.0.0.0", argv[0]);
   const double silence = std::clamp(std::atof(argv[1]), 0.1, 60.0);
   const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
   int size = 8 << 20;
   ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
   timeval timeout{static_cast<time_t>(silence),
                   static_cast<suseconds_t>(
                         (silence - static_cast<double>(static_cast<time_t>(silence))) * 1e6)};
   ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
   if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
      return std::perror("udp_load"), 1;
   messages in(packet_max);
   uint64_t received = 0, out_of_order = 0, highest = 0;
   auto first = steady_clock::now(), last = first;
   while (true) {
      const int n = ::recvmmsg(fd, in.headers.data(), batch, MSG_WAITFORONE, nullptr);
      if (n <= 0) {
         if (received > 0 || errno != EAGAIN) break;
         continue; // nothing yet: whoever started us bounds the wait
      }
      last = steady_clock::now();
      if (received == 0) first = last;
      received += static_cast<uint64_t>(n);
      for (int i = 0; i < n; i++) {
         uint64_t number = 0;
         std::memcpy(&number, in.data[static_cast<size_t>(i)].data(), sizeof number);
         out_of_order += number < highest ? 1 : 0;
         highest = std::max(highest, number);
      }
   }
   const double took =
         std::max(1e-9, duration_cast<std::chrono::duration<double>>(last - first).count());
   std::printf("{\"received\":%llu,\"seconds\":%.3f,\"kpps\":%.2f,\"out_of_order\":%llu}\n",
               static_cast<unsigned long long>(received), took,
               static_cast<double>(received) / took / 1000,
               static_cast<unsigned long long>(out_of_order));
   return 0;
}

} // namespace

int main(int argc, char** argv) {
   if (argc == 7 && std::string_view(argv[1]) == "send") return send_load(argv + 2);
   if (argc == 4 && std::string_view(argv[1]) == "receive") return receive_load(argv + 2);
   std::fprintf(stderr, "usage: udp_load send ADDRESS PORT BYTES PER_SECOND SECONDS | udp_load "
                        "receive PORT SECONDS_OF_SILENCE\n");
   return 2;
}
