#include "core/plugin/instance.hpp"
#include "core/config/load.hpp"

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/plugin/host_tables.hpp"

#include <atomic>
#include <list>

namespace warren::plugin {

using base::errc;
using base::fail;
namespace log = base::log;

namespace {

/// Bounded by what configurations have ever named. Instances are created on the control thread.
io::call_owner& owner_of(const std::string& network, const char* plugin,
                         const std::string& module) {
   static auto& owners = *new std::list<io::call_owner>;
   for (io::call_owner& known : owners)
      if (known.network == network && known.plugin == plugin && known.module == module)
         return known;
   io::call_owner& made = owners.emplace_back();
   made.network = network;
   made.plugin = plugin;
   made.module = module;
   return made;
}

} // namespace

instance::instance(const found_plugin& what, const config::plugin_use& use, std::string network,
                   io::shard& shard, const trust::identity& identity)
    : what_(what), use_(use), network_(std::move(network)), shard_(shard),
      owner_(&owner_of(network_, what.desc->name, what.from->path())),
      configuring_identity_(&identity), alive_(std::make_shared<int>(0)) {
   host_ = make_host(*this);
   for (const wrn_metric* m = desc().metrics; m != nullptr && m->name != nullptr; m++)
      metrics_.push_back({m});
}

base::result<std::unique_ptr<instance>> instance::create(const found_plugin& what,
                                                         const config::plugin_use& use,
                                                         std::string network, io::shard& shard,
                                                         const trust::identity& identity) {
   const std::string name =
         std::string(config::kind_name(what.desc->kind)) + " '" + what.desc->name + "'";
   for (const char* const* need = what.desc->needs; need != nullptr && *need != nullptr; need++)
      if (find_host_table(*need) == nullptr)
         return fail(errc::unsupported, name + " (" + what.from->path() + ") needs " + *need +
                                              ", which this Warren does not offer");
   std::unique_ptr<instance> made(new instance(what, use, std::move(network), shard, identity));
   made->plugin_ = what.from->factory().create(&made->host_, what.desc->id);
   if (made->plugin_ == nullptr) return fail(errc::internal, name + " could not be created");
   if (const wrn_plugin& p = *made->plugin_;
       p.init == nullptr || p.configure == nullptr || p.start == nullptr || p.stop == nullptr ||
       p.destroy == nullptr || p.get_ext == nullptr || p.on_timer == nullptr) {
      if (p.destroy == nullptr) made->plugin_ = nullptr; // nothing that could be done with it
      return fail(errc::invalid,
                  name + " (" + what.from->path() + ") lacks functions that every plugin has");
   }
   const auto describe = [&](const wrn_error& error, wrn_status status) {
      std::string where;
      if (error.line != 0)
         where = use.where.file + ":" + std::to_string(error.line) + ":" +
                 std::to_string(error.column) + ": ";
      std::string text(error.text, strnlen(error.text, sizeof error.text));
      if (text.empty()) text = made->failure_;
      return fail(errc::config,
                  where + name + ": " +
                        (text.empty() ? "refused with status " + std::to_string(status) : text));
   };
   wrn_error error{};
   if (const wrn_status status = made->plugin_->init(made->plugin_, &error); status != WRN_OK)
      return describe(error, status);
   error = {};
   const auto* conf = reinterpret_cast<const wrn_conf*>(&made->use_.values);
   if (const wrn_status status = made->plugin_->configure(made->plugin_, conf, &error);
       status != WRN_OK)
      return describe(error, status);
   if (!made->failure_.empty())
      return describe({}, WRN_E_INTERNAL); // it called fail() and claims success
   if (!made->complete())
      return fail(errc::invalid, name + " does not implement what its kind requires");
   return made;
}

/// Has every function that the host will call without asking again.
bool instance::complete() const {
   const auto* members = ext<wrn_members>(WRN_EXT_MEMBERS);
   const auto* message = ext<wrn_message>(WRN_EXT_MESSAGE);
   const auto* control = ext<wrn_control>(WRN_EXT_CONTROL);
   if ((members != nullptr && members->on_member == nullptr) ||
       (message != nullptr && message->on_message == nullptr) ||
       (control != nullptr && control->on_request == nullptr))
      return false;
   if (desc().kind == WRN_KIND_DISCOVERY) {
      const auto* d = ext<wrn_discovery>(WRN_EXT_DISCOVERY);
      return d != nullptr && d->on_peer != nullptr && d->on_peer_gone != nullptr;
   }
   if (desc().kind == WRN_KIND_ROUTING) {
      const auto* r = ext<wrn_routing>(WRN_EXT_ROUTING);
      return r != nullptr && r->on_neighbor != nullptr;
   }
   if (desc().kind == WRN_KIND_SERVICE) return true;
   const auto* t = ext<wrn_transport>(WRN_EXT_TRANSPORT);
   const auto* u = ext<wrn_udp>(WRN_EXT_UDP);
   const auto* s = ext<wrn_stream>(WRN_EXT_STREAM);
   if (t == nullptr || (u == nullptr && s == nullptr)) return false;
   if (u != nullptr && (u->on_bound == nullptr || u->on_recv == nullptr)) return false;
   if (s != nullptr &&
       (s->on_listening == nullptr || s->on_accept == nullptr || s->on_connected == nullptr ||
        s->on_read == nullptr || s->on_read_end == nullptr || s->on_writable == nullptr ||
        s->on_closed == nullptr))
      return false;
   return t->limits != nullptr && t->open != nullptr && t->update != nullptr &&
          t->close != nullptr && t->set_path != nullptr && t->connect != nullptr &&
          t->room != nullptr && t->tx != nullptr && t->stats != nullptr;
}

instance::~instance() {
   WRN_ASSERT(state_ != state::active);
   if (plugin_ != nullptr) plugin_->destroy(plugin_);
}

base::result<void> instance::start(host_port& port) {
   WRN_ASSERT(state_ == state::inactive);
   port_ = &port;
   state_ = state::active;
   if constexpr (guarded) {
      shard_thread_.store(pthread_self());
      running_.store(true);
   }
   starting_ = true;
   wrn_error error{};
   const wrn_status status = plugin_->start(get(), &error);
   starting_ = false;
   if (status == WRN_OK && state_ == state::active) return {};
   // Who returned an error has nothing to stop; who called fail() and returned success has.
   if (status == WRN_OK) plugin_->stop(get());
   state_ = state::stopped;
   release();
   std::string text(error.text, strnlen(error.text, sizeof error.text));
   if (text.empty()) text = failure_;
   return fail(errc::unavailable, std::string(desc().name) + " did not start: " +
                                        (text.empty() ? "status " + std::to_string(status) : text));
}

void instance::drain() {
   if (active() && plugin_->drain != nullptr) plugin_->drain(get(), shard_.now());
}

/// Before everything that a host function does. Never fatal: what follows is checked anyway, or
/// would have gone wrong without us.
void instance::guard(const char* function, bool started_only) {
   function_.store(function, std::memory_order_relaxed);
   if (running_.load()) {
      if (pthread_equal(shard_thread_.load(), pthread_self()) == 0)
         misuse("called from another thread than the instance's");
   } else if (started_only) {
      misuse(state_ == state::stopped ? "called after stop" : "called before start");
   }
}

void instance::misuse(const char* how) const {
   const uint64_t times = misuses_.fetch_add(1) + 1;
   if ((times & (times - 1)) != 0) return; // the first, second, fourth … is enough to be seen
   log::error("plugin_misuse", {{"network", network_},
                                {"plugin", desc().name},
                                {"function", function_.load(std::memory_order_relaxed)},
                                {"how", how},
                                {"times", times}});
}

void instance::stop() {
   if (state_ == state::active || state_ == state::failed) {
      stopping_ = true;
      plugin_->stop(get());
      release();
   }
   state_ = state::stopped;
}

/// Takes back what the plugin left: nothing of the shard may call a stopped instance.
void instance::release() {
   if constexpr (guarded) running_.store(false);
   alive_.reset();
   if (const size_t left = streams_.close_all(); left != 0)
      log::warn("plugin_left_streams",
                {{"network", network_}, {"plugin", desc().name}, {"streams", uint64_t{left}}});
   if (timers_.empty()) return;
   log::warn(
         "plugin_left_timers",
         {{"network", network_}, {"plugin", desc().name}, {"timers", uint64_t{timers_.size()}}});
   for (const auto& [timer, tag] : timers_)
      shard_.timer_cancel(timer);
   timers_.clear();
}

/// A failure while starting or configuring is the result of that call; while stopping it changes
/// nothing any more.
void instance::mark_failed(wrn_status status, std::string_view why) {
   if (state_ == state::failed || state_ == state::stopped || stopping_) return;
   failure_ = why.substr(0, sizeof(wrn_error::text));
   if (failure_.empty()) failure_ = "no reason given";
   if (state_ == state::inactive) return;
   state_ = state::failed;
   if (!starting_) port_->failed(*this, status, failure_);
}

void instance::on_timer(uint64_t timer, uint64_t tag) {
   timers_.erase(timer);
   if (active()) plugin_->on_timer(get(), timer, tag);
}

void instance::event(uint32_t type) {
   if (!active() || plugin_->on_event == nullptr) return;
   const wrn_event e{sizeof e, type, shard_.now()};
   plugin_->on_event(get(), &e);
}

std::vector<metric_value> instance::metrics() const {
   std::vector<metric_value> values;
   for (const metric_cell& cell : metrics_)
      values.push_back(
            {cell.what,
             std::atomic_ref(const_cast<uint64_t&>(cell.value)).load(std::memory_order_relaxed)});
   return values;
}

} // namespace warren::plugin
