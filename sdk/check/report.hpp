// What a property says: failed with what was seen, skipped with a reason, or nothing, which is ok.
// Lives in memory that the runner shares with the process of the property, so that a crash and a
// hang name the callback they happened in.
#pragma once

#include "warren/plugin.h"

#include <atomic>
#include <sstream>
#include <string>

namespace warren::check {

/// What the fake host can find by itself. A property names the flaws that it is about; the others
/// are left to theirs.
enum flaw : uint32_t {
   flaw_call = 1u << 0,    // a host function in the wrong state or thread, or with arguments that
                           // break its contract
   flaw_packet = 1u << 1,  // kept, given back twice, or touched after it was given back
   flaw_bounds = 1u << 2,  // bytes written outside of a packet's memory
   flaw_handle = 1u << 3,  // something left behind at stop()
   flaw_stray = 1u << 4,   // a call about a link or peer that is gone
   flaw_storm = 1u << 5,   // timers without end
   flaw_secret = 1u << 6,  // a key in a log event
   flaw_gave_up = 1u << 7, // fail() where nothing was wrong
   flaw_thrown = 1u << 8,  // an exception that a wrapper caught: fail(WRN_E_INTERNAL)
};
inline constexpr uint32_t any_flaw = ~0u;

enum class outcome : uint32_t { none, ok, failed, skipped };

/// Plain memory, shared between two processes.
struct shared_page {
   std::atomic<uint64_t> beat; // moves with each call into the plugin
   char call[64];              // the plugin's function that runs now; empty between them
   outcome result;
   char text[2000];
   uint32_t plugin_count;
   struct {
      char name[64], version[64];
      uint32_t kind;
      uint64_t caps;
   } plugins[16];
};
extern shared_page* page; // of this process; set by the runner

template <class... Parts> std::string say(const Parts&... parts) {
   std::ostringstream out;
   (out << ... << parts);
   return out.str();
}

/// Ends the process of the property with a verdict.
[[noreturn]] void fail(const std::string& what);
[[noreturn]] void skip(const std::string& why);
inline void require(bool holds, const std::string& otherwise) {
   if (!holds) fail(otherwise);
}
/// Said with the verdict "ok", too.
void note(const std::string& text);

/// Fails when the running property is about this flaw.
void found(flaw what, const std::string& text);
extern uint32_t flaws_wanted;

} // namespace warren::check
