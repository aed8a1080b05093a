#include "core/io/local_addresses.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sstream>

namespace warren::io {

namespace {

uint8_t bits_of(const uint8_t* mask, size_t bytes) {
   unsigned bits = 0;
   for (size_t i = 0; i < bytes; i++)
      bits += static_cast<unsigned>(std::popcount(mask[i]));
   return static_cast<uint8_t>(bits);
}

bool is_link_local(const wrn_addr& a) {
   return (a.family == WRN_AF_INET && a.ip[0] == 169 && a.ip[1] == 254) ||
          (a.family == WRN_AF_INET6 && a.ip[0] == 0xfe && (a.ip[1] & 0xc0) == 0x80);
}

} // namespace

std::vector<local_address> local_addresses() {
   std::vector<local_address> out;
   ifaddrs* all = nullptr;
   if (::getifaddrs(&all) != 0) return out;
   for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
      if (i->ifa_addr == nullptr || i->ifa_netmask == nullptr || (i->ifa_flags & IFF_UP) == 0 ||
          (i->ifa_flags & IFF_LOOPBACK) != 0)
         continue;
      local_address found;
      found.interface = i->ifa_name;
      found.tunnel = (i->ifa_flags & IFF_POINTOPOINT) != 0;
      if (i->ifa_addr->sa_family == AF_INET) {
         found.address.family = WRN_AF_INET;
         std::memcpy(found.address.ip, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr,
                     4);
         found.address.prefix_len =
               bits_of(reinterpret_cast<const uint8_t*>(
                             &reinterpret_cast<const sockaddr_in*>(i->ifa_netmask)->sin_addr),
                       4);
      } else if (i->ifa_addr->sa_family == AF_INET6) {
         found.address.family = WRN_AF_INET6;
         std::memcpy(found.address.ip,
                     &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr, 16);
         found.address.prefix_len =
               bits_of(reinterpret_cast<const uint8_t*>(
                             &reinterpret_cast<const sockaddr_in6*>(i->ifa_netmask)->sin6_addr),
                       16);
      } else {
         continue;
      }
      if (!is_link_local(found.address)) out.push_back(found);
   }
   ::freeifaddrs(all);
   return out;
}

std::vector<wrn_addr> local_networks() {
   std::vector<wrn_addr> out;
   for (const local_address& a : local_addresses())
      out.push_back(base::masked(a.address));
   // Routes to networks behind others: destination and mask are words in the kernel's byte order.
   std::ifstream routes("/proc/net/route");
   std::string line;
   std::getline(routes, line);
   while (std::getline(routes, line)) {
      std::istringstream in(line);
      std::string interface, destination, skipped, mask;
      in >> interface >> destination;
      for (int i = 0; i < 5; i++)
         in >> skipped;
      in >> mask;
      if (mask.size() != 8 || destination.size() != 8 || mask == "00000000") continue;
      const auto to = static_cast<uint32_t>(std::stoul(destination, nullptr, 16));
      const auto bits = static_cast<uint32_t>(std::stoul(mask, nullptr, 16));
      wrn_addr network{};
      network.family = WRN_AF_INET;
      std::memcpy(network.ip, &to, 4);
      network.prefix_len = static_cast<uint8_t>(std::popcount(bits));
      out.push_back(network);
   }
   return out;
}

} // namespace warren::io
