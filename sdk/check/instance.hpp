// The fake host of one instance: leads it through its life, guards each call into it, and answers
// its calls with a bad temper.
//
// What a host table needs to remember is a part of the instance, found by its type: a new table is
// one file and one row in host_tables.cpp.
#pragma once

#include "sdk/check/world.hpp"

#include <string_view>
#include <typeindex>
#include <unordered_map>

namespace warren::check {

enum class stage { none, creating, created, inactive, active, stopping, stopped, destroying, gone };

/// Where a host function may be called, as its tag in the header says.
enum class place { any, main_io, io, active };

class instance {
 public:
   instance(world& w, uint32_t number, const settings& s);
   ~instance();

   // Life. Each verb makes one call into the plugin; up() makes four and wants all of them to
   // succeed.
   bool create();
   wrn_status init();
   wrn_status configure();
   wrn_status start();
   void drain(wrn_time deadline);
   void stop();
   void destroy();
   void up();
   void down(); // stop and destroy, as far as they are due
   void event(uint32_t type);

   template <class Table> const Table* ext(const char* id) {
      return static_cast<const Table*>(
            enter("get_ext", [&] { return plugin_->get_ext(plugin_, id); }));
   }
   /// Calls the plugin by way of `fn(plugin)`; an exception that comes out is the verdict.
   template <class Fn> auto enter(const char* what, Fn&& fn) {
      const scope inside(*this, what);
      try {
         return fn();
      } catch (const std::exception& e) {
         unwound(what, e.what());
      } catch (...) {
         unwound(what, "of an unknown type");
      }
   }

   /// The instance behind a host function that is being called; finds calls at the wrong time and
   /// from the wrong thread.
   static instance& of(const wrn_host* host, const char* function, place allowed);
   /// Shall this call of the host function fail?
   bool fails(const char* function);
   /// A status that the plugin must not have after stop() or a handle it leaves: for the host
   /// tables.
   template <class Part> Part& part() {
      auto& slot = parts_[typeid(Part)];
      if (slot == nullptr) slot = std::make_shared<Part>();
      return *static_cast<Part*>(slot.get());
   }

   world& home;
   const uint32_t number;
   const settings set;
   wrn_addr address;
   const wrn_plugin* raw() const { return plugin_; }
   stage at() const { return stage_; }
   bool active() const { return stage_ == stage::active && failure.empty(); }
   values configured;
   std::string failure;                                // what the plugin said to fail()
   std::map<std::string, uint32_t, std::less<>> calls; // of host functions that can fail
   std::vector<std::vector<uint8_t>> secrets;          // what must not be in the log

 private:
   struct scope {
      scope(instance& i, const char* what);
      ~scope();
      instance& owner;
      int64_t cpu_ns = 0, wall_ns = 0;
      long switches = 0;
   };
   [[noreturn]] static void unwound(const char* what, const char* text);
   void check_left();

   wrn_host host_{};
   const wrn_plugin* plugin_ = nullptr;
   stage stage_ = stage::none;
   int depth_ = 0;
   std::unordered_map<std::type_index, std::shared_ptr<void>> parts_;
};

/// A host table, and what has to hold for it once stop() has returned.
struct host_table {
   const char* id;
   const void* table;
   void (*after_stop)(instance&); // may be null
};
std::span<const host_table* const> host_tables();
/// Is this the id of a table of the ABI that the kit does not offer yet?
bool is_table_to_come(std::string_view id);

/// From now on a call into the plugin that blocks or computes for long is the verdict.
void measure_calls(bool on);

wrn_host base_functions(instance& owner); // host_base.cpp: clock, dice, timers, packets, log
void after_stop_base(instance& who);
bool holds_secret(const instance& who, std::string_view text);

} // namespace warren::check
