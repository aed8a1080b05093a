// What UDP sockets and TCP listeners share when they bind. Internal to core/io.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <functional>

namespace warren::io {

/// Opens one socket. False when the machine lacks the address family; an error when it has it and
/// refuses.
using open_family = std::function<base::result<bool>(const wrn_addr& at)>;

/// Opens a socket for `bind`, and for "::" one for IPv4 too on the same port: one of the two is
/// enough. With port 0 it tries again when the port that one family got is taken in the other.
/// `open` sets `bound.port` to the port it got; `close` takes back what a failed try opened.
base::result<void> listen_on(const char* protocol, const wrn_addr& bind, wrn_addr& bound,
                             const open_family& open, const std::function<void()>& close);

/// What to say of a bind() or listen() that failed with `error` (errno); `protocol` is "UDP" or
/// "TCP".
base::error listen_error(const char* protocol, const wrn_addr& bind, int error);

} // namespace warren::io
