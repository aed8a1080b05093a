// What the instances under test live in: one virtual clock, one list of things to come, one network
// in memory. Single thread.
#pragma once

#include "sdk/check/chance.hpp"
#include "sdk/check/packets.hpp"
#include "sdk/check/report.hpp"
#include "sdk/check/values.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace warren::check {

class instance;

/// The plugin under test.
struct subject {
   std::string path;
   const wrn_factory* factory = nullptr;
   const wrn_plugin_desc* desc = nullptr;
   uint64_t seed = 1;
};

inline constexpr wrn_time us = 1'000, ms = 1'000'000, second = 1'000'000'000;

/// How datagrams fare between instances.
struct network_weather {
   uint32_t loss_percent = 0, twice_percent = 0;
   wrn_time delay_min = 2 * ms, delay_max = 2 * ms; // a spread reorders
   uint32_t mtu = 65535;                            // longer datagrams are lost
};

/// A datagram that an instance sent.
struct datagram {
   instance* from;
   wrn_addr source, to;
   std::vector<uint8_t> bytes;
};

/// One line of what was seen from outside, for the comparison of two runs.
struct trace_entry {
   wrn_time at;
   const char* what;
   uint64_t who, to, size, content;
};

struct settings {
   std::vector<std::string> absent;           // host tables that get_ext() does not know
   values overrides;                          // of the configuration's defaults
   std::string failing;                       // host function that fails, "" = none
   uint32_t failing_from = 0, failing_to = 0; // its calls by number, first included, last not
};

class world {
 public:
   world(const subject& s, uint64_t seed);
   ~world();

   /// A further instance, not created yet. It lives as long as the world.
   instance& add(const settings& s = {});
   const subject& tested() const { return subject_; }

   void at(wrn_time when, std::function<void()> what) { to_come_.emplace(when, std::move(what)); }
   /// Lets things happen until then.
   void run_for(wrn_time how_long);
   /// The clock moves, and what should have happened meanwhile happens late.
   void jump(wrn_time how_far) { now += how_far; }

   void send(instance& from, wrn_time after, datagram d);
   /// The instance that answers at this address; null when nobody does.
   instance* at_address(const wrn_addr& addr);
   void add_address(const wrn_addr& addr, instance& who);
   static wrn_addr address(uint32_t number, uint16_t port = 51820);

   void record(const char* what, uint64_t who, uint64_t to, std::span<const uint8_t> bytes);

   wrn_time now = 1000 * second;
   int64_t wall_shift = 1'900'000'000ll * second; // added to now
   uint64_t stopwatch = 0;
   chance dice;
   packets pool;
   network_weather weather;
   std::function<void(const datagram&)> wire_tap; // sees each datagram once, as sent
   std::vector<trace_entry> trace;
   bool tracing = false;
   std::thread::id strand;

 private:
   void arrive(instance& to, datagram d);

   const subject& subject_;
   std::multimap<wrn_time, std::function<void()>> to_come_;
   std::vector<std::unique_ptr<instance>> instances_;
   std::vector<std::pair<wrn_addr, instance*>> addresses_;
};

} // namespace warren::check
