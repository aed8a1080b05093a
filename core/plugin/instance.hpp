// One running plugin: its life from create to destroy, and the host tables it sees.
//
// create(), configure() and destruction on the control thread; start(), stop() and everything
// between on the shard. The host tables turn C calls into calls of host_port, which the network
// implements; what needs nothing from the network (clock, timers, packets, config, log, metrics) is
// answered here.
#pragma once

#include "core/config/model.hpp"
#include "core/io/seam.hpp"
#include "core/plugin/host_stream.hpp"
#include "core/plugin/module.hpp"
#include "core/trust/identity.hpp"
#include "warren/ext/control.h"
#include "warren/ext/discovery.h"
#include "warren/ext/routing.h"
#include "warren/ext/transport.h"
#include "warren/host/identity.h"
#include "warren/host/members.h"
#include "warren/host/message.h"
#include "warren/host/metrics.h"
#include "warren/host/resolve.h"
#include "warren/host/sign.h"
#include "warren/host/udp.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <pthread.h>
#include <unordered_map>

namespace warren::plugin {

class instance;

/// Debug builds, and others by -DWARREN_PLUGIN_GUARD=ON, look at who calls host functions when.
#if defined(WARREN_PLUGIN_GUARD) || !defined(NDEBUG)
inline constexpr bool guarded = true;
#else
inline constexpr bool guarded = false;
#endif

/// What an instance asks of its network. All on the shard.
class host_port {
 public:
   virtual ~host_port() = default;
   virtual const trust::identity&
   identity() const = 0; // constant while instances are being configured
   virtual void drop(instance& from, uint64_t peer, std::span<const wrn_pkt> packets,
                     uint32_t reason) = 0;
   virtual uint32_t udp_room(instance& from, uint64_t sock) = 0;
   virtual void udp_send(instance& from, uint64_t sock, std::span<const wrn_pkt> packets) = 0;
   virtual wrn_status udp_local(instance& from, uint64_t sock, wrn_addr& out) = 0;
   virtual wrn_status link_incoming(instance& from, const wrn_key& tunnel_key,
                                    const wrn_addr& remote, uint64_t& link,
                                    wrn_link_params& params) = 0;
   virtual void link_state(instance& from, uint64_t link, uint32_t state, wrn_status why) = 0;
   virtual void link_moved(instance& from, uint64_t link, const wrn_addr& remote) = 0;
   virtual void link_deliver(instance& from, uint64_t link, std::span<wrn_pkt> packets) = 0;
   virtual void link_writable(instance& from, uint64_t link) = 0;
   virtual wrn_status offer(instance& from, uint64_t peer,
                            std::span<const wrn_endpoint> endpoints) = 0;
   virtual uint32_t members(std::span<uint64_t> out) const = 0;
   virtual uint64_t member_by_id(const wrn_key& id) const = 0;
   virtual wrn_status member_info(uint64_t peer, wrn_member& out) const = 0;
   virtual wrn_status send_message(instance& from, uint64_t peer,
                                   std::span<const uint8_t> bytes) = 0;
   virtual wrn_status send_bulk(instance& from, uint64_t peer, std::span<const uint8_t> bytes,
                                uint64_t tag) = 0;
   virtual wrn_status publish(instance& from, std::span<const wrn_route> routes) = 0;
   virtual bool relays() const = 0;
   virtual wrn_status respond(instance& from, uint64_t request, uint32_t status,
                              std::string_view json) = 0;
   virtual void failed(instance& from, wrn_status status, std::string_view why) = 0;
};

/// `const wrn_plugin*` for one call: the shard is marked as being in this plugin until the end of
/// the full expression, so that a call that does not return has a name. Made by instance::get().
class calling {
 public:
   calling(io::call_mark& mark, io::call_owner& who, const wrn_plugin* plugin)
       : mark_(mark), before_(mark.enter(who)), plugin_(plugin) {}
   ~calling() { mark_.leave(before_); }
   calling(const calling&) = delete;
   calling& operator=(const calling&) = delete;
   operator const wrn_plugin*() const { return plugin_; } // NOLINT: it stands for the plugin

 private:
   io::call_mark& mark_;
   io::call_owner* before_;
   const wrn_plugin* plugin_;
};

/// A metric cell as the control API shows it.
struct metric_value {
   const wrn_metric* what; // static data of the module
   uint64_t value = 0;
};

class instance final : public io::timer_sink {
 public:
   enum class state { inactive, active, failed, stopped };

   /// Creates, initialises and configures. `network` is for logs. Nothing outside the instance
   /// changes. [main]
   static base::result<std::unique_ptr<instance>> create(const found_plugin& what,
                                                         const config::plugin_use& use,
                                                         std::string network, io::shard& shard,
                                                         const trust::identity& identity);
   ~instance() override; // [main], not while active

   base::result<void> start(host_port& port); // [io]
   void drain();                              // [io] before stop(), when there is time
   void stop();                               // [io] also after a failure; idempotent

   /// To be passed to a function of the plugin, on the shard: table->tx(instance.get(), …).
   [[nodiscard]] calling get() const { return {shard_.calls(), *owner_, plugin_}; }
   /// Host functions that the plugin called where it must not; counted in guarded builds only.
   uint64_t misuses() const { return misuses_.load(std::memory_order_relaxed); }
   /// Guarded builds: `function` of the host begins; `started_only`: between start and stop.
   void guard(const char* function, bool started_only);
   /// A handle that is not this plugin's, or not any more, was given to the function last entered.
   void stale_handle() const {
      if constexpr (guarded) misuse("stale handle");
   }
   uint64_t slow_calls() const { return owner_->slow_calls.load(std::memory_order_relaxed); }
   const wrn_plugin_desc& desc() const { return *what_.desc; }
   const config::plugin_use& use() const { return use_; }
   const std::string& module_path() const { return what_.from->path(); }
   state current() const { return state_; }
   bool active() const { return state_ == state::active; }
   template <class Table> const Table* ext(const char* id) const {
      return static_cast<const Table*>(plugin_->get_ext(plugin_, id));
   }
   std::vector<metric_value> metrics() const;
   io::shard& shard() const { return shard_; }
   streams& open_streams() { return streams_; }

   void on_timer(uint64_t timer, uint64_t tag) override;
   void event(uint32_t type);

 private:
   friend struct host_tables;
   friend struct mesh_tables;
   instance(const found_plugin& what, const config::plugin_use& use, std::string network,
            io::shard& shard, const trust::identity& identity);
   void misuse(const char* how) const;
   void mark_failed(wrn_status status, std::string_view why);
   bool complete() const;
   void release();

   struct log_budget {
      int64_t second = 0;
      uint32_t written = 0;
      uint64_t suppressed = 0;
   };
   struct metric_cell {
      const wrn_metric* what;
      uint64_t value = 0;
   };

   found_plugin what_;
   config::plugin_use use_;
   std::string network_;
   io::shard& shard_;
   io::call_owner* owner_; // the same one for the same plugin of the same network; never freed
   const trust::identity* configuring_identity_; // until start() gives a port
   host_port* port_ = nullptr;
   wrn_host host_{};
   const wrn_plugin* plugin_ = nullptr;
   state state_ = state::inactive;
   bool starting_ = false, stopping_ = false;
   std::string failure_;                           // what the plugin said when it gave up
   std::unordered_map<uint64_t, uint64_t> timers_; // handle of the shard -> tag
   streams streams_{*this};
   uint32_t lookups_ = 0;
   std::shared_ptr<int> alive_;       // resolver callbacks stop when it goes
   std::vector<metric_cell> metrics_; // all that are declared; never grows
   uint64_t undeclared_metric_ = 0;   // shown to nobody
   // Of guarded builds. Misuse comes from any thread.
   std::atomic<pthread_t> shard_thread_{};
   std::atomic<bool> running_{false};
   std::atomic<const char*> function_{""};
   mutable std::atomic<uint64_t> misuses_{0};
   mutable std::mutex log_mutex_;
   std::unordered_map<std::string, log_budget> log_budgets_;
};

} // namespace warren::plugin
