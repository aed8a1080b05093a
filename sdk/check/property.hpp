// A property: what must hold, for whom, and the function that finds out. properties.cpp lists them.
#pragma once

#include "sdk/check/workload.hpp"

namespace warren::check {

inline constexpr uint32_t every_kind = 0;
constexpr uint32_t only(uint32_t kind_id) { return 1u << kind_id; }

struct property {
   const char* name;
   const char* holds;
   uint32_t kinds; // every_kind or only(…)
   uint32_t flaws; // of the fake host's own findings, those that this is about
   uint32_t seconds;
   void (*run)(const subject&);
   bool of_module = false; // of the file, not of each plugin in it; desc is null, and for
                           // `before_load` so is factory
   bool before_load = false;
   bool reads_only = false; // no instance is made: holds for kinds, too, that the kit cannot drive
};
std::span<const property> properties();

/// A world with instances of the plugin that are up, and what their kind does with them.
struct rig {
   explicit rig(const subject& s, const settings& first = {}, uint64_t seed_offset = 0);
   const kind& what;
   world home;
   std::vector<instance*> all;
   std::unique_ptr<workload> load;
   instance& first() { return *all[0]; }
   void down(); // stop() and destroy() of all
};

/// An ordinary day: everything is opened, used, left alone, closed, and ended. Whether anything is
/// achieved is only of interest to the property that is about it.
void ordinary_day(const subject& s, bool must_achieve = false);
void require_alive(workload& load, const std::string& after);

} // namespace warren::check
