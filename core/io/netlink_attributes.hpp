// Walking over the attributes of a netlink message; libmnl's own macro for it does not compile as
// C++. Only for core/io/*.cpp.
#pragma once

#include <cstdint>
#include <libmnl/libmnl.h>

namespace warren::io {

/// Calls fn(type, attribute) for each attribute behind a family header of `offset` bytes.
template <class Fn> void each_attribute(const nlmsghdr* message, size_t offset, Fn&& fn) {
   const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, offset));
   const auto* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
   while (mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a)))) {
      fn(mnl_attr_get_type(a), a);
      a = mnl_attr_next(a);
   }
}

} // namespace warren::io
