// One property in one process.
#pragma once

#include "sdk/check/check.hpp"
#include "sdk/check/property.hpp"

namespace warren::check {

struct run_result {
   outcome result;
   std::string text;
};
/// Forks, loads the module there and runs the property on its plugin number `index`; what the
/// process leaves in the shared page can be read until the next call. A process that does not end
/// in time is killed.
run_result run_property(const property& p, const request& what, uint32_t index);

} // namespace warren::check
