// What a kind of plugin does all day: the properties that hold for every plugin drive it through
// this and know no kinds.
#pragma once

#include "sdk/check/instance.hpp"

#include <memory>
#include <span>

namespace warren::check {

class workload {
 public:
   virtual ~workload() = default;
   /// The instances are active: opens what they work with.
   virtual void begin() = 0;
   /// Ordinary work for about a second of the world's clock.
   virtual void work() = 0;
   /// Work that is accepted and not finished when this returns.
   virtual void load() = 0;
   /// Does the plugin do what it is for, within half a minute? Empty = yes.
   virtual std::string alive() = 0;
   /// One legal call of the first instance, by chance.
   virtual void any_call() = 0;
   /// Calls with handles that were closed.
   virtual void stale_calls() = 0;
   /// Closes everything that begin() opened.
   virtual void end() = 0;
};

struct kind {
   uint32_t id; // WRN_KIND_*
   const char* name;
   uint32_t instances;                // that a full workload takes
   const char* (*missing)(instance&); // a function that its tables lack; null = complete
   std::unique_ptr<workload> (*make)(world&, std::vector<instance*>);
};
/// kinds.cpp lists them; null for one that the kit does not know.
const kind* find_kind(uint32_t id);

/// Calls that every kind gets now and then; false when it was not time for one.
bool any_common_call(world& w, instance& who);

} // namespace warren::check
