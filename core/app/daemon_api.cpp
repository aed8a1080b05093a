// What the control API asks of the daemon. Control thread; queries of networks are posted to the
// shard.
#include "core/app/daemon_class.hpp"

#include "core/app/daemon_notes.hpp"

#include <algorithm>
#include <unistd.h>

namespace warren::app {

using base::errc;
using base::fail;

control::daemon_info daemon::info() {
   return {WARREN_VERSION, static_cast<uint64_t>(getpid()), started_wall_ns_, options_.config,
           log::threshold()};
}

std::vector<std::string> daemon::networks() {
   std::vector<std::string> names;
   for (const auto& [name, r] : networks_)
      names.push_back(name);
   return names;
}

void daemon::status(const std::string& name, control::reply<mesh::network_status> done) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   // Networks are destroyed by a closure posted later, so the pointer is good when this one runs.
   mesh::network* network = it->second.network.get();
   const bool posted = loop_->post([this, network, done] {
      asio::post(context_, [done, s = network->status()]() mutable { done(std::move(s)); });
   });
   if (!posted) done(fail(errc::limit, "the daemon is overloaded; try again"));
}

void daemon::ping(const std::string& name, std::string target, size_t bytes, uint64_t timeout_ns,
                  control::reply<mesh::ping_result> done) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   mesh::network* network = it->second.network.get();
   const bool posted = loop_->post([this, network, done, target = std::move(target), bytes,
                                    timeout_ns] {
      network->ping(target, bytes, timeout_ns, [this, done](base::result<mesh::ping_result> r) {
         asio::post(context_, [done, r = std::move(r)]() mutable { done(std::move(r)); });
      });
   });
   if (!posted) done(fail(errc::limit, "the daemon is overloaded; try again"));
}

void daemon::explain(const std::string& name, mesh::explain_request what,
                     control::reply<mesh::explain_result> done) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   mesh::network* network = it->second.network.get();
   const bool posted = loop_->post([this, network, done, what = std::move(what)] {
      asio::post(context_, [done, r = network->explain(what)]() mutable { done(std::move(r)); });
   });
   if (!posted) done(fail(errc::limit, "the daemon is overloaded; try again"));
}

void daemon::drops(const std::string& name, control::reply<mesh::drop_report> done) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   mesh::network* network = it->second.network.get();
   const bool posted = loop_->post([this, network, done] {
      asio::post(context_, [done, r = network->recent_drops()]() mutable { done(std::move(r)); });
   });
   if (!posted) done(fail(errc::limit, "the daemon is overloaded; try again"));
}

void daemon::ask_plugin(const std::string& name, mesh::plugin_request what,
                        control::reply<mesh::plugin_answer> done) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   mesh::network* network = it->second.network.get();
   const bool posted = loop_->post([this, network, done, what = std::move(what)] {
      network->request(what, [this, done](base::result<mesh::plugin_answer> r) {
         asio::post(context_, [done, r = std::move(r)]() mutable { done(std::move(r)); });
      });
   });
   if (!posted) done(fail(errc::limit, "the daemon is overloaded; try again"));
}

void daemon::reload(control::reply<control::reload_report> done) {
   auto loaded = load();
   if (!loaded.ok()) {
      std::string text = "the configuration has mistakes; everything runs on as before";
      for (const auto& e : loaded.errors)
         text += "\n" + e.format();
      return done(fail(errc::config, text));
   }
   auto ready = prepare(std::move(loaded.value));
   if (!ready)
      return done(fail(ready.error().code, ready.error().text + "; everything runs on as before"));
   control::reload_report report;
   const config::daemon& host = ready->settings.host;
   if (host.socket != host_.socket && options_.socket.empty())
      report.changes.push_back("control.socket changed: takes effect after a restart");
   if (host.plugin_dirs != host_.plugin_dirs || host.plugin_pins != host_.plugin_pins ||
       host.plugins_pinned_only != host_.plugins_pinned_only ||
       host.plugin_watchdog_ns != host_.plugin_watchdog_ns)
      report.changes.push_back("plugins changed: takes effect after a restart");
   if (host.log_file != host_.log_file) {
      if (auto ok = log::open({host.log_file, host.log_level}); !ok) return done(ok.error());
   }
   if (!options_.log_level) log::set_threshold(host.log_level);
   const std::string socket = host_.socket;
   host_ = host;
   host_.socket = socket;

   for (const std::string& name : networks())
      if (!ready->plans.contains(name)) {
         stop_network(name);
         report.changes.push_back(name + ": stopped");
      }
   for (auto& [name, plan] : ready->plans) {
      const auto it = networks_.find(name);
      const bool fresh = it == networks_.end();
      const config::network& written =
            *std::find_if(ready->settings.networks.begin(), ready->settings.networks.end(),
                          [&](const config::network& n) { return n.name == name; });
      const std::string change = fresh ? "started" : describe_change(it->second.settings, written);
      if (auto ok = apply(name, std::move(plan), written); !ok)
         return done(fail(ok.error().code, ok.error().text + "; this network runs on as before"));
      report.changes.push_back(name + ": " + change);
   }
   log::info("reloaded", {{"networks", uint64_t{networks_.size()}}});
   done(std::move(report));
}

base::result<void> daemon::set_log_level(log::level level) {
   log::set_threshold(level);
   return {};
}

std::vector<control::plugin_info> daemon::plugins() {
   std::vector<control::plugin_info> out;
   for (const auto& p : registry_.all())
      out.push_back({p.desc->name, std::string(config::kind_name(p.desc->kind)), p.desc->id,
                     p.desc->version, p.desc->license, p.desc->summary, p.from->path(), p.desc});
   return out;
}

uint64_t daemon::subscribe(std::function<void(const mesh::event&)> on_event) {
   subscribers_[next_subscriber_] = std::move(on_event);
   return next_subscriber_++;
}

} // namespace warren::app
