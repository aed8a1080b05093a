// Between the kernel's socket addresses and ours. Internal to core/io.
#pragma once

#include "warren/base.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <netinet/in.h>
#include <sys/socket.h>

namespace warren::io {

inline bool is_any(const wrn_addr& a) {
   return std::all_of(std::begin(a.ip), std::end(a.ip), [](uint8_t b) { return b == 0; });
}

/// An address of family WRN_AF_INET or WRN_AF_INET6 with its port.
struct kernel_address {
   sockaddr_storage storage{};
   socklen_t size = sizeof storage;

   kernel_address() = default;
   explicit kernel_address(const wrn_addr& a) {
      if (a.family == WRN_AF_INET) {
         auto& in = reinterpret_cast<sockaddr_in&>(storage);
         in.sin_family = AF_INET;
         in.sin_port = htons(a.port);
         std::memcpy(&in.sin_addr, a.ip, 4);
         size = sizeof in;
      } else {
         auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
         in6.sin6_family = AF_INET6;
         in6.sin6_port = htons(a.port);
         in6.sin6_scope_id = a.scope_id;
         std::memcpy(&in6.sin6_addr, a.ip, 16);
         size = sizeof in6;
      }
   }
   sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

inline wrn_addr read_address(const sockaddr_storage& from) {
   wrn_addr out{};
   if (from.ss_family == AF_INET) {
      const auto& in = reinterpret_cast<const sockaddr_in&>(from);
      out.family = WRN_AF_INET;
      out.prefix_len = 32;
      out.port = ntohs(in.sin_port);
      std::memcpy(out.ip, &in.sin_addr, 4);
   } else if (from.ss_family == AF_INET6) {
      const auto& in6 = reinterpret_cast<const sockaddr_in6&>(from);
      out.family = WRN_AF_INET6;
      out.prefix_len = 128;
      out.port = ntohs(in6.sin6_port);
      out.scope_id = in6.sin6_scope_id;
      std::memcpy(out.ip, &in6.sin6_addr, 16);
   }
   return out;
}

} // namespace warren::io
