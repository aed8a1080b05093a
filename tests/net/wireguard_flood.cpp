// Floods a WireGuard responder with handshake initiations, for tests: with a wrong MAC1, or with a
// right one from many source addresses.
//   wireguard_flood PUBLIC_KEY ADDRESS PORT bad-mac1|good-mac1 PER_SECOND SECONDS
// Bounded in rate and time. Sources are 198.18.x.y (the benchmarking range of RFC 2544), which the
// caller has made local.
#include "core/base/encode.hpp"
#include "plugins/transport/wireguard/blake2s.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono;
namespace wg = warren::wireguard;

int main(int argc, char** argv) {
   std::array<uint8_t, 32> key{};
   if (argc != 7 || !warren::base::base64_decode(argv[1], key)) {
      std::fprintf(stderr, "usage: wireguard_flood PUBLIC_KEY ADDRESS PORT bad-mac1|good-mac1 "
                           "PER_SECOND SECONDS\n");
      return 2;
   }
   const bool good = std::string_view(argv[4]) == "good-mac1";
   const long per_second = std::clamp(std::atol(argv[5]), 1l, 100000l);
   const long duration = std::clamp(std::atol(argv[6]), 1l, 60l);
   sockaddr_in target{};
   target.sin_family = AF_INET;
   target.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[3])));
   inet_pton(AF_INET, argv[2], &target.sin_addr);

   std::mt19937_64 random(1);
   std::vector<int> sockets;
   for (int i = 0; i < 900; i++) {
      const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
      sockaddr_in source{};
      source.sin_family = AF_INET;
      source.sin_addr.s_addr = htonl(0xc6120000u | static_cast<uint32_t>(random() & 0xffff));
      if (fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source) == 0)
         sockets.push_back(fd);
   }
   if (sockets.empty()) {
      std::perror("wireguard_flood: bind");
      return 1;
   }
   // mac1 key = BLAKE2s("mac1----" || public key)
   static constexpr std::array<uint8_t, 8> label{'m', 'a', 'c', '1', '-', '-', '-', '-'};
   const auto mac1_key = wg::blake2s({label, key});

   const auto end = steady_clock::now() + seconds(duration);
   auto next = steady_clock::now();
   while (steady_clock::now() < end) {
      for (long i = 0; i < per_second / 100; i++) {
         std::array<uint8_t, 148> message{};
         for (size_t at = 4; at + 8 <= 116; at += 8) {
            const uint64_t word = random();
            std::memcpy(&message[at], &word, sizeof word);
         }
         message[0] = 1;
         if (good) {
            const std::span<uint8_t> whole(message);
            wg::blake2s_mac(mac1_key, {whole.first(116)}, whole.subspan(116, 16));
         }
         const int fd = sockets[random() % sockets.size()];
         (void)::sendto(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&target),
                        sizeof target);
      }
      next += milliseconds(10);
      std::this_thread::sleep_until(next);
   }
}
