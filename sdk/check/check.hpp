// The conformance kit as a library: `warren plugin check` and the tests call it. One property, one
// process. Any single-threaded program; nothing of the module is loaded into the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace warren::check {

struct request {
   std::string path;              // absolute
   std::vector<std::string> only; // names of properties; empty = all
   uint64_t seed = 1;
   uint32_t patience = 1; // time limits times this, for slow machines
};

enum class result { ok, failed, skipped };

struct verdict {
   std::string property, holds;
   std::string plugin; // empty when it is about the file
   result outcome = result::ok;
   std::string seen;      // what went wrong, why it was skipped, or a remark
   std::string reproduce; // the command line
};

struct property_info {
   std::string name, holds, kinds;
};
std::vector<property_info> list();

/// Calls `on_verdict` after each property. False when one failed.
bool run(const request& what, const std::function<void(const verdict&)>& on_verdict);

} // namespace warren::check
