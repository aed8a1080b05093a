#include "core/plugin/instance.hpp"

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/plugin/host_tables.hpp"

#include <atomic>

namespace warren::plugin {

using base::errc;
using base::fail;
namespace log = base::log;

instance::instance(const found_plugin& what, const config::plugin_use& use, std::string network, io::shard& shard,
                   const trust::identity& identity)
    : what_(what), use_(use), network_(std::move(network)), shard_(shard), configuring_identity_(&identity), alive_(std::make_shared<int>(0)) {
   host_ = make_host(*this);
}

base::result<std::unique_ptr<instance>> instance::create(const found_plugin& what, const config::plugin_use& use, std::string network,
                                                         io::shard& shard, const trust::identity& identity) {
   const std::string name = std::string(kind_name(what.desc->kind)) + " '" + what.desc->name + "'";
   for (const char* const* need = what.desc->needs; need != nullptr && *need != nullptr; need++)
      if (find_host_table(*need) == nullptr)
         return fail(errc::unsupported, name + " (" + what.from->path() + ") needs " + *need + ", which this Warren does not offer");
   std::unique_ptr<instance> made(new instance(what, use, std::move(network), shard, identity));
   made->plugin_ = what.from->factory().create(&made->host_, what.desc->id);
   if (made->plugin_ == nullptr) return fail(errc::internal, name + " could not be created");
   const auto describe = [&](const wrn_error& error, wrn_status status) {
      std::string where;
      if (error.line != 0)
         where = use.where.file + ":" + std::to_string(error.line) + ":" + std::to_string(error.column) + ": ";
      const std::string text(error.text, strnlen(error.text, sizeof error.text));
      return fail(errc::config, where + name + ": " + (text.empty() ? "refused with status " + std::to_string(status) : text));
   };
   wrn_error error{};
   if (const wrn_status status = made->plugin_->init(made->plugin_, &error); status != WRN_OK) return describe(error, status);
   error = {};
   const auto* conf = reinterpret_cast<const wrn_conf*>(&made->use_.values);
   if (const wrn_status status = made->plugin_->configure(made->plugin_, conf, &error); status != WRN_OK) return describe(error, status);
   const bool complete = what.desc->kind == WRN_KIND_TRANSPORT
                               ? made->ext<wrn_transport>(WRN_EXT_TRANSPORT) != nullptr && made->ext<wrn_udp>(WRN_EXT_UDP) != nullptr
                               : made->ext<wrn_discovery>(WRN_EXT_DISCOVERY) != nullptr;
   if (!complete) return fail(errc::invalid, name + " does not implement what its kind requires");
   return made;
}

instance::~instance() {
   WRN_ASSERT(state_ != state::active);
   if (plugin_ != nullptr) plugin_->destroy(plugin_);
}

base::result<void> instance::start(host_port& port) {
   WRN_ASSERT(state_ == state::inactive);
   port_ = &port;
   state_ = state::active;
   wrn_error error{};
   if (const wrn_status status = plugin_->start(plugin_, &error); status != WRN_OK) {
      state_ = state::stopped;
      const std::string text(error.text, strnlen(error.text, sizeof error.text));
      return fail(errc::unavailable, std::string(desc().name) + " did not start: " + (text.empty() ? "status " + std::to_string(status) : text));
   }
   return {};
}

void instance::stop() {
   if (state_ == state::stopped || state_ == state::inactive) {
      state_ = state::stopped;
      return;
   }
   plugin_->stop(plugin_);
   alive_.reset();
   if (!timers_.empty()) {
      log::warn("plugin_left_timers", {{"network", network_}, {"plugin", desc().name}, {"timers", uint64_t{timers_.size()}}});
      for (const auto& [timer, tag] : timers_) shard_.timer_cancel(timer);
      timers_.clear();
   }
   state_ = state::stopped;
}

void instance::mark_failed(wrn_status status, std::string_view why) {
   if (state_ != state::active) return;
   state_ = state::failed;
   if (port_ != nullptr) port_->failed(*this, status, why);
}

void instance::on_timer(uint64_t timer, uint64_t tag) {
   timers_.erase(timer);
   if (active()) plugin_->on_timer(plugin_, timer, tag);
}

void instance::event(uint32_t type) {
   if (!active() || plugin_->on_event == nullptr) return;
   const wrn_event e{sizeof e, type, shard_.now()};
   plugin_->on_event(plugin_, &e);
}

std::vector<metric_value> instance::metrics() const {
   std::vector<metric_value> values;
   for (const metric_cell& cell : metrics_)
      values.push_back({cell.name, cell.help, cell.type, std::atomic_ref(const_cast<uint64_t&>(cell.value)).load(std::memory_order_relaxed)});
   return values;
}

} // namespace warren::plugin
