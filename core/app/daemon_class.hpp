// The daemon's class, shared by daemon.cpp (its life) and daemon_api.cpp (what the control API
// asks). Internal to core/app; see daemon.hpp for the threads.
#pragma once

#include "core/app/daemon.hpp"
#include "core/app/membership.hpp"
#include "core/app/watchdog.hpp"
#include "core/config/load.hpp"
#include "core/control/server.hpp"
#include "core/io/event_loop.hpp"
#include "core/mesh/member_peers.hpp"
#include "core/mesh/network.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <future>
#include <map>
#include <thread>

namespace warren::app {

namespace asio = boost::asio;
namespace log = base::log;

/// What is known of a running network on the control thread.
struct running {
   std::unique_ptr<mesh::network> network; // used on the shard only
   config::network settings;               // as the operator's file has them
   config::network applied;                // with the members
   std::vector<std::string> failed;        // plugins that failed since
   std::unique_ptr<asio::steady_timer> restart;
   uint32_t restarts = 0;
   uint64_t failed_at = 0;
};

class daemon final : public control::backend {
 public:
   explicit daemon(const daemon_options& options) : options_(options) {}

   int run();

   // control::backend
   control::daemon_info info() override;
   std::vector<std::string> networks() override;
   void status(const std::string& network, control::reply<mesh::network_status> done) override;
   void ping(const std::string& network, std::string target, size_t bytes, uint64_t timeout_ns,
             control::reply<mesh::ping_result> done) override;
   void explain(const std::string& network, mesh::explain_request what,
                control::reply<mesh::explain_result> done) override;
   void drops(const std::string& network, control::reply<mesh::drop_report> done) override;
   void ask_plugin(const std::string& network, mesh::plugin_request what,
                   control::reply<mesh::plugin_answer> done) override;
   void manage(const std::string& network, std::string_view verb, boost::json::object arguments,
               control::reply<boost::json::value> done) override;
   void reload(control::reply<control::reload_report> done) override;
   base::result<void> set_log_level(log::level level) override;
   std::vector<control::plugin_info> plugins() override;
   std::vector<std::pair<std::string, std::string>> refused_plugins() override {
      return registry_.refused();
   }
   void stop() override;
   std::vector<mesh::event> recent_events() override { return {events_.begin(), events_.end()}; }
   uint64_t subscribe(std::function<void(const mesh::event&)> on_event) override;
   void unsubscribe(uint64_t token) override { subscribers_.erase(token); }

 private:
   /// Everything that a configuration needs before the system is touched.
   struct prepared {
      config::settings settings;
      std::map<std::string, mesh::plan> plans;
   };
   config::loaded<config::settings> load();
   config::schemas schemas();
   base::result<prepared> prepare(config::settings settings);
   base::result<mesh::plan> make_plan(const config::network& wanted, const running* now);
   base::result<void> apply(const std::string& name, mesh::plan plan, config::network as_written);
   void stop_network(std::string name); // a copy: it may be the table's own key
   // daemon_membership.cpp: networks with certificates
   membership::hooks hooks_of(const std::string& name);
   base::result<membership*> open_membership(const config::network& wanted);
   std::filesystem::path folder_of(const std::string& name) const;
   mesh::trust_handler trust_handler_of(const std::string& name);
   std::vector<std::string> endpoints_of(const std::string& name);
   void renew_members(const std::string& name);
   base::result<void> start_network(const std::string& name);
   base::result<void> write_network_file(const std::string& name, const crypto::bytes32& id,
                                         const std::string& node, const std::string& listen,
                                         const std::vector<std::string>& endpoints, uint32_t mtu);
   base::result<void> start_new_network(const std::string& name, const crypto::bytes32& id,
                                        const std::string& node, const std::string& listen,
                                        const std::vector<std::string>& endpoints, uint32_t mtu);
   void undo_network(const std::string& name);
   using answer_or = base::result<boost::json::value>;
   answer_or manage_create(const boost::json::object& a);
   answer_or manage_join(const boost::json::object& a);
   answer_or manage_leave(const std::string& name);
   answer_or manage_invite(const std::string& name, const boost::json::object& a);
   answer_or manage_party(membership& m, const std::string& name, std::string_view verb,
                          const boost::json::object& a);
   answer_or manage_trust(membership& m, const std::string& name, std::string_view verb,
                          const boost::json::object& a);
   answer_or manage_acl(membership& m, const std::string& name, std::string_view verb,
                        const boost::json::object& a);
   base::result<void> check_rules(const std::string& name, const std::string& text);
   answer_or manage_add_stock(const std::string& name, const boost::json::object& a);
   void plan_restart(const std::string& name, running& r);
   void restart_failed(const std::string& name);
   void on_event(mesh::event event);
   template <class Fn> auto on_shard(Fn fn) -> decltype(fn());
   int start();
   void shut_down();
   void watch_signals();

   daemon_options options_;
   config::daemon host_;
   plugin::registry registry_;
   asio::io_context context_{1};
   std::unique_ptr<asio::signal_set> signals_;
   std::unique_ptr<control::server> server_;
   std::unique_ptr<io::event_loop> loop_;
   std::thread shard_;
   std::unique_ptr<watchdog> watchdog_; // of shard_
   std::map<std::string, running> networks_;
   std::map<std::string, std::unique_ptr<membership>> members_;
   std::vector<mesh::network*> on_shard_networks_; // of the shard, touched there only
   std::deque<mesh::event> events_;
   std::map<uint64_t, std::function<void(const mesh::event&)>> subscribers_;
   uint64_t next_subscriber_ = 1;
   std::atomic<size_t> events_under_way_{0};
   int64_t started_wall_ns_ = 0;
};

/// Runs fn on the shard and waits. For changes, which are rare and bounded; queries are posted
/// instead.
template <class Fn> auto daemon::on_shard(Fn fn) -> decltype(fn()) {
   std::packaged_task<decltype(fn())()> task(std::move(fn));
   auto done = task.get_future();
   auto shared = std::make_shared<decltype(task)>(std::move(task));
   while (!loop_->post([shared] { (*shared)(); }))
      std::this_thread::yield(); // the shard empties its bounded queue each turn
   return done.get();
}

} // namespace warren::app
