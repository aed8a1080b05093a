// Results and errors of the core: values, never exceptions, for everything that can fail at run
// time. An error is one sentence for a person (what, where, next step) plus a code that programs
// and exit codes use.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace warren::base {

/// Coarse reasons; the control API and the command line's exit codes are derived from them.
enum class errc {
   invalid = 1, // malformed input or argument
   config,      // the operator's configuration
   not_found,
   exists,      // name or key taken
   permission,  // missing privilege, or a file others can read
   unavailable, // a device, socket or daemon that is not there
   in_use,      // port or interface name in use
   limit,       // a declared bound was reached
   io,          // the system refused
   state,       // right request, wrong moment
   timeout,
   unsupported,
   internal,
};

std::string_view to_string(errc code);

/// What went wrong. `text` names what, where and the next step, without a trailing newline.
struct error {
   errc code = errc::internal;
   std::string text;
};

/// Carries an error out of result::value(); reaching it means a bug, since callers test first.
[[noreturn]] void throw_exception_from_error(const error& e, const boost::source_location& loc);

template <class T> using result = boost::system::result<T, error>;

inline error fail(errc code, std::string text) { return error{code, std::move(text)}; }

/// Same, with the text of `errno_value` appended.
error fail_errno(errc code, std::string text, int errno_value);

/// The code that fits an errno: EPERM is permission, EADDRINUSE in_use, and so on.
errc errc_of_errno(int errno_value);

} // namespace warren::base

/// Our own invariants, on in every build. Input from outside never reaches one.
#define WRN_ASSERT(condition)                                                                      \
   ((condition) ? static_cast<void>(0)                                                             \
                : ::warren::base::assert_failed(#condition, __FILE__, __LINE__))

namespace warren::base {
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);
}
