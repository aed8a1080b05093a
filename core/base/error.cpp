#include "core/base/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace warren::base {

std::string_view to_string(errc code) {
   switch (code) {
   case errc::invalid:
      return "invalid";
   case errc::config:
      return "config";
   case errc::not_found:
      return "not_found";
   case errc::exists:
      return "exists";
   case errc::permission:
      return "permission";
   case errc::unavailable:
      return "unavailable";
   case errc::in_use:
      return "in_use";
   case errc::limit:
      return "limit";
   case errc::io:
      return "io";
   case errc::state:
      return "state";
   case errc::timeout:
      return "timeout";
   case errc::unsupported:
      return "unsupported";
   case errc::internal:
      return "internal";
   }
   return "internal";
}

void throw_exception_from_error(const error& e, const boost::source_location&) {
   throw std::runtime_error(e.text);
}

error fail_errno(errc code, std::string text, int errno_value) {
   text += ": ";
   text += std::generic_category().message(errno_value);
   return error{code, std::move(text)};
}

errc errc_of_errno(int errno_value) {
   switch (errno_value) {
   case EPERM:
   case EACCES:
      return errc::permission;
   case EADDRINUSE:
   case EBUSY:
      return errc::in_use;
   case EEXIST:
      return errc::exists;
   case ENOENT:
   case ENODEV:
   case ESRCH:
      return errc::not_found;
   case EINVAL:
      return errc::invalid;
   case ENOMEM:
   case EMFILE:
   case ENFILE:
   case ENOBUFS:
      return errc::limit;
   case ETIMEDOUT:
      return errc::timeout;
   case EOPNOTSUPP:
   case EAFNOSUPPORT:
      return errc::unsupported;
   default:
      return errc::io;
   }
}

void assert_failed(const char* condition, const char* file, int line) {
   std::fprintf(stderr, "warren: broken invariant: %s (%s:%d); this is a bug, please report it\n",
                condition, file, line);
   std::abort();
}

} // namespace warren::base
