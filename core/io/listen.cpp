#include "core/io/listen.hpp"

#include "core/base/address.hpp"
#include "core/io/kernel_address.hpp"

#include <cerrno>

namespace warren::io {

namespace {

constexpr int same_port_tries = 32; // for port 0: the port one family got may be taken in the other

} // namespace

base::result<void> listen_on(const char* protocol, const wrn_addr& bind, wrn_addr& bound,
                             const open_family& open, const std::function<void()>& close) {
   const bool both = bind.family == WRN_AF_INET6 && is_any(bind);
   const int tries = both && bind.port == 0 ? same_port_tries : 1;
   base::error last =
         base::fail(base::errc::unsupported, std::string("cannot listen on ") + protocol + " " +
                                                   base::format_endpoint(bind) +
                                                   ": this machine has no such protocol");
   for (int i = 0; i < tries; i++) {
      bound = bind;
      auto first = open(bind);
      if (first && *first && !both) return {};
      if (first && both) {
         wrn_addr any4{};
         any4.family = WRN_AF_INET;
         any4.port = bound.port; // real by now, unless IPv6 is off
         auto second = open(any4);
         if (second && (*first || *second)) return {};
         if (!second) last = second.error();
      } else if (!first) {
         last = first.error();
      }
      close();
   }
   return last;
}

base::error listen_error(const char* protocol, const wrn_addr& bind, int error) {
   const std::string where =
         std::string("cannot listen on ") + protocol + " " + base::format_endpoint(bind);
   if (error == EADDRINUSE)
      return base::fail(base::errc::in_use,
                        where + ": the port is in use; choose another one with `listen`, or stop "
                                "the program that has it (ss -lp)");
   if (error == EACCES)
      return base::fail(base::errc::permission,
                        where + ": ports below 1024 need CAP_NET_BIND_SERVICE");
   if (error == EADDRNOTAVAIL)
      return base::fail(base::errc::unavailable,
                        where + ": no interface has that address; `listen` on [::] takes all");
   return base::fail_errno(base::errc_of_errno(error), where, error);
}

} // namespace warren::io
