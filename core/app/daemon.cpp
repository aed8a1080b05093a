#include "core/app/daemon_class.hpp"

#include "core/app/daemon_notes.hpp"
#include "core/app/exit_codes.hpp"
#include "core/app/paths.hpp"
#include "core/base/limits.hpp"
#include "core/io/offload_probe.hpp"
#include "core/mesh/access_rules.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <unistd.h>

namespace warren::app {

namespace fs = std::filesystem;
namespace limits = base::limits;
using base::errc;
using base::fail;

namespace {

constexpr uint64_t second = 1'000'000'000;

} // namespace

config::schemas daemon::schemas() {
   config::schemas s;
   s.rules = mesh::mistakes_of_rules;
   s.find = [this](uint32_t kind, std::string_view word) {
      auto found = registry_.find(kind, word);
      return found ? config::plugin_schema{found->desc, ""}
                   : config::plugin_schema{nullptr, found.error().text};
   };
   s.all = [this](uint32_t kind) {
      std::vector<const wrn_plugin_desc*> all;
      for (const auto& p : registry_.all())
         if (p.desc->kind == kind) all.push_back(p.desc);
      return all;
   };
   return s;
}

config::loaded<config::settings> daemon::load() {
   return config::load_all(options_.config, !options_.config_given,
                           [this](const config::daemon& host) {
                              if (registry_.all().empty()) scan_plugins(host, registry_);
                              return schemas();
                           });
}

base::result<mesh::plan> daemon::make_plan(const config::network& wanted, const running* now) {
   mesh::plan plan;
   plan.settings = wanted;
   auto identity = trust::load(wanted.keys);
   if (!identity) {
      std::string text = "network '" + wanted.name + "': " + identity.error().text;
      if (identity.error().code == errc::not_found)
         text = "network '" + wanted.name + "' has no keys; run 'warren key generate " +
                wanted.keys + "'";
      return fail(identity.error().code == errc::not_found ? errc::config : identity.error().code,
                  text);
   }
   for (const config::peer& p : wanted.peers)
      if (p.id == identity->signing.id && p.id)
         return fail(errc::config, p.where.file + ":" + std::to_string(p.where.line) + ":" +
                                         std::to_string(p.where.column) + ": peer '" + p.name +
                                         "' has this node's own id");
   plan.identity = std::make_shared<const trust::identity>(std::move(*identity));
   if (wanted.id) {
      auto member = open_membership(wanted);
      if (!member) return member.error();
      mesh::add_members(plan.settings, ***member);
      plan.members = trust::table_of(***member);
      plan.identity = (*member)->identity();
   }
   const auto create =
         [&](const std::vector<config::plugin_use>& uses,
             const std::vector<config::plugin_use>& kept,
             std::vector<std::unique_ptr<plugin::instance>>& out) -> base::result<void> {
      std::vector<bool> taken(kept.size(), false);
      for (const config::plugin_use& use : uses) {
         out.push_back(nullptr);
         size_t same = 0;
         while (same < kept.size() && (taken[same] || !(kept[same] == use)))
            same++;
         if (same < kept.size()) {
            taken[same] = true;
            continue;
         }
         auto found = registry_.find(use.kind, use.plugin);
         if (!found) return found.error();
         auto made = plugin::instance::create(*found, use, wanted.name, *loop_, *plan.identity);
         if (!made) return made.error();
         out.back() = std::move(*made);
      }
      return {};
   };
   std::vector<config::plugin_use> kept_transports, kept_plugins;
   if (now != nullptr) {
      const auto works = [&](const config::plugin_use& use) {
         return std::find(now->failed.begin(), now->failed.end(), use.plugin) == now->failed.end();
      };
      std::copy_if(now->settings.transports.begin(), now->settings.transports.end(),
                   std::back_inserter(kept_transports), works);
      std::copy_if(now->settings.plugins.begin(), now->settings.plugins.end(),
                   std::back_inserter(kept_plugins), works);
   }
   if (auto ok = create(wanted.transports, kept_transports, plan.transports); !ok)
      return ok.error();
   if (auto ok = create(wanted.plugins, kept_plugins, plan.plugins); !ok) return ok.error();
   return plan;
}

base::result<daemon::prepared> daemon::prepare(config::settings settings) {
   prepared out;
   for (const config::network& n : settings.networks) {
      const auto now = networks_.find(n.name);
      auto plan = make_plan(n, now == networks_.end() ? nullptr : &now->second);
      if (!plan) return plan.error();
      out.plans.emplace(n.name, std::move(*plan));
   }
   out.settings = std::move(settings);
   return out;
}

base::result<void> daemon::apply(const std::string& name, mesh::plan plan,
                                 config::network as_written) {
   running& r = networks_[name];
   const config::network settings = plan.settings;
   const bool fresh = !r.network;
   if (fresh)
      r.network = std::make_unique<mesh::network>(*loop_, name, [this](mesh::event e) {
         // From the shard. Bounded: what a slow control thread cannot take is lost, the log has it.
         if (events_under_way_.fetch_add(1) >= limits::posts_max) {
            events_under_way_.fetch_sub(1);
            return;
         }
         asio::post(context_, [this, e = std::move(e)]() mutable {
            events_under_way_.fetch_sub(1);
            on_event(std::move(e));
         });
      });
   if (fresh && settings.id) r.network->set_trust_handler(trust_handler_of(name));
   std::vector<std::unique_ptr<plugin::instance>> retired; // destroyed here, on the control thread
   const auto applied = on_shard([&] {
      auto done = r.network->apply(std::move(plan), retired);
      const auto known =
            std::find(on_shard_networks_.begin(), on_shard_networks_.end(), r.network.get());
      if (done && known == on_shard_networks_.end()) on_shard_networks_.push_back(r.network.get());
      return done;
   });
   if (applied) {
      r.applied = settings;
      r.settings = as_written;
      r.failed.clear();
      if (const auto member = members_.find(name); member != members_.end()) member->second->wake();
      return {};
   }
   if (r.settings.name.empty()) networks_.erase(name); // it never ran
   return fail(applied.error().code, "network '" + name + "': " + applied.error().text);
}

void daemon::stop_network(std::string name) {
   const auto it = networks_.find(name);
   if (it == networks_.end()) return;
   std::vector<std::unique_ptr<plugin::instance>> retired;
   on_shard([&] {
      std::erase(on_shard_networks_, it->second.network.get());
      it->second.network->stop(retired);
      it->second.network.reset();
   });
   retired.clear();
   networks_.erase(it);
   members_.erase(name);
}

void daemon::on_event(mesh::event event) {
   std::vector<log::field> fields{{"network", event.network}};
   for (const auto& [key, value] : event.fields)
      fields.emplace_back(key, value);
   log::write(event.name == "plugin.failed" ? log::level::error : log::level::info, event.name,
              fields);
   if (event.name == "plugin.failed")
      if (const auto it = networks_.find(event.network); it != networks_.end()) {
         running& r = it->second;
         r.failed.push_back(event.fields.front().second);
         // A day without a failure forgives everything.
         const auto now = static_cast<uint64_t>(event.wall_ns);
         if (now - r.failed_at > 86'400 * second) r.restarts = 0;
         r.failed_at = now;
         plan_restart(event.network, r);
      }
   for (const auto& [token, subscriber] : std::map(subscribers_))
      subscriber(event);
   events_.push_back(std::move(event));
   if (events_.size() > limits::events_kept) events_.pop_front();
}

/// After 1, 2, 4 … 60 s.
void daemon::plan_restart(const std::string& name, running& r) {
   r.restart = std::make_unique<asio::steady_timer>(
         context_, std::chrono::seconds(std::min(60u, 1u << std::min(r.restarts++, 6u))));
   r.restart->async_wait([this, name](const boost::system::error_code& ec) {
      if (!ec) restart_failed(name);
   });
}

void daemon::restart_failed(const std::string& name) {
   const auto it = networks_.find(name);
   if (it == networks_.end() || it->second.failed.empty()) return;
   auto plan = make_plan(it->second.settings, &it->second);
   base::result<void> done = plan ? apply(name, std::move(*plan), it->second.settings)
                                  : base::result<void>(plan.error());
   if (done) return;
   log::error("plugin_not_restarted", {{"network", name}, {"why", done.error().text}});
   plan_restart(name, it->second);
}

int daemon::start() {
   if (auto ok = crypto::init(); !ok) {
      std::fprintf(stderr, "warren: %s\n", ok.error().text.c_str());
      return exit_failed;
   }
   auto loaded = load();
   if (!loaded.ok()) {
      for (const auto& e : loaded.errors)
         std::fprintf(stderr, "%s\n", e.format().c_str());
      std::fprintf(stderr, "warren: %zu mistake%s in the configuration; nothing was started\n",
                   loaded.errors.size(), loaded.errors.size() == 1 ? "" : "s");
      return exit_usage;
   }
   const auto refuse = [](const base::error& e) {
      std::fprintf(stderr, "warren: %s\n", e.text.c_str());
      return exit_code_of(e.code);
   };
   host_ = loaded.value.host;
   if (!options_.socket.empty()) host_.socket = options_.socket;
   if (options_.log_level) host_.log_level = *options_.log_level;
   if (auto ok = log::open({host_.log_file, host_.log_level}); !ok) return refuse(ok.error());
   for (const auto& [module, why] : registry_.refused())
      log::warn("plugin_refused", {{"module", module}, {"why", why}});
   io::loop_options options;
   options.offload = io::probe_offloads();
   for (size_t i = 0; i < base::offload_count; i++)
      if (options.offload[i] == base::offload_verdict::broken)
         log::warn("offload_broken", {{"offload", std::string(base::offload_names[i])}});
   auto loop = io::event_loop::create(options);
   if (!loop) return refuse(loop.error());
   loop_ = std::move(*loop);
   auto ready = prepare(std::move(loaded.value));
   if (!ready) return refuse(ready.error());
   if (ready->plans.empty()) log::warn("no_networks", {{"folder", host_.networks_dir}});

   std::error_code ec;
   fs::create_directories(fs::path(host_.socket).parent_path(), ec);
   auto server = control::server::create(context_, host_.socket, host_.socket_group, *this);
   if (!server) return refuse(server.error());
   server_ = std::move(*server);

   started_wall_ns_ = loop_->wall_ns();
   shard_ = std::thread([this] {
      // Signals are the control thread's.
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      loop_->run();
   });
   if (host_.plugin_watchdog_ns != 0)
      watchdog_ = std::make_unique<watchdog>(loop_->calls(), host_.plugin_watchdog_ns);
   on_shard([this] {
      loop_->on_network_changed([this] {
         for (mesh::network* network : on_shard_networks_)
            network->on_network_changed();
      });
   });
   for (const config::network& n : ready->settings.networks)
      if (auto ok = apply(n.name, std::move(ready->plans.at(n.name)), n); !ok)
         return refuse(ok.error());
   return exit_ok;
}

void daemon::shut_down() {
   if (server_) server_->stop();
   if (shard_.joinable()) {
      on_shard([this] { loop_->on_network_changed({}); });
      while (!networks_.empty())
         stop_network(networks_.begin()->first);
      loop_->stop();
      shard_.join();
      watchdog_.reset();
   }
   signals_.reset();
   context_.restart();
   context_.poll(); // what was posted meanwhile holds references to us
   server_.reset();
   loop_.reset();
}

void daemon::watch_signals() {
   signals_->async_wait([this](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      if (signal != SIGHUP) return stop();
      reload([](const base::result<control::reload_report>& r) {
         if (!r) log::error("reload_refused", {{"why", r.error().text}});
      });
      watch_signals();
   });
}

int daemon::run() {
   std::signal(SIGPIPE, SIG_IGN);
   signals_ = std::make_unique<asio::signal_set>(context_, SIGTERM, SIGINT, SIGHUP);
   const int started = start();
   if (started == exit_ok) {
      watch_signals();
      notify_systemd("READY=1");
      log::info("started", {{"networks", uint64_t{networks_.size()}},
                            {"socket", host_.socket},
                            {"pid", int64_t{getpid()}}});
      context_.run();
      notify_systemd("STOPPING=1");
      log::info("stopping");
   }
   shut_down();
   return started;
}

void daemon::stop() {
   // Posted, so that the answer to whoever asked goes out first.
   auto grace = std::make_shared<asio::steady_timer>(context_, std::chrono::milliseconds(50));
   grace->async_wait([this, grace](const boost::system::error_code&) { context_.stop(); });
}

int run_daemon(const daemon_options& options) { return daemon(options).run(); }

} // namespace warren::app
