// What the control API can ask of the daemon. Implemented by core/app; every call and every
// callback on the control thread.
#pragma once

#include "core/base/log.hpp"
#include "core/mesh/status.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace warren::control {

/// What a reload did, one sentence per network: "acme: 2 peers added, transport 'wireguard'
/// restarted".
struct reload_report {
   std::vector<std::string> changes;
};

struct plugin_info {
   std::string name, kind, id, version, license, summary, module;
   const wrn_plugin_desc* desc = nullptr; // lives as long as the process
};

struct daemon_info {
   std::string version;
   uint64_t pid = 0;
   int64_t started_wall_ns = 0;
   std::string config_file;
   base::log::level log_level = base::log::level::info;
};

template <class T>
using reply = std::function<void(base::result<T>)>; // called exactly once, later or at once

class backend {
 public:
   virtual ~backend() = default;
   virtual daemon_info info() = 0;
   virtual std::vector<std::string> networks() = 0;
   /// errc::not_found names the networks there are.
   virtual void status(const std::string& network, reply<mesh::network_status> done) = 0;
   virtual void ping(const std::string& network, std::string target, size_t bytes,
                     uint64_t timeout_ns, reply<mesh::ping_result> done) = 0;
   /// Whether a flow would pass, and which way.
   virtual void explain(const std::string& network, mesh::explain_request what,
                        reply<mesh::explain_result> done) = 0;
   /// What the access rules dropped lately.
   virtual void drops(const std::string& network, reply<mesh::drop_report> done) = 0;
   /// A request for a plugin of the network.
   virtual void ask_plugin(const std::string& network, mesh::plugin_request what,
                           reply<mesh::plugin_answer> done) = 0;
   /// Everything about membership: a verb of routes_membership.cpp ("member.accept") with arguments
   /// whose types and sizes are right, to be answered with the whole document, "schema" included.
   /// `network` is empty where there is none yet.
   virtual void manage(const std::string& network, std::string_view verb,
                       boost::json::object arguments, reply<boost::json::value> done) = 0;
   /// Reads all configuration again and applies it, or changes nothing and says why.
   virtual void reload(reply<reload_report> done) = 0;
   virtual base::result<void> set_log_level(base::log::level level) = 0;
   virtual std::vector<plugin_info> plugins() = 0;
   virtual std::vector<std::pair<std::string, std::string>> refused_plugins() = 0; // module, why
   /// Begins an orderly stop; the answer still goes out.
   virtual void stop() = 0;
   /// Recent events, oldest first.
   virtual std::vector<mesh::event> recent_events() = 0;
   /// Called for each event from now on until the returned token is passed to unsubscribe().
   virtual uint64_t subscribe(std::function<void(const mesh::event&)> on_event) = 0;
   virtual void unsubscribe(uint64_t token) = 0;
};

} // namespace warren::control
