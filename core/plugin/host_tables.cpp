#include "core/plugin/host_tables.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/plugin/instance.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

namespace warren::plugin {

namespace limits = base::limits;

/// A friend of instance: the functions behind the tables.
struct host_tables {
   static instance& self(const wrn_host* host) { return *static_cast<instance*>(host->data); }
   static void guard([[maybe_unused]] const wrn_host* host, [[maybe_unused]] const char* function,
                     [[maybe_unused]] bool started_only) {
      if constexpr (guarded) self(host).guard(function, started_only);
   }

   // --- plugin.h: wrn_host ---------------------------------------------------------------------
   static const void* WRN_CALL get_ext(const wrn_host*, const char* id) {
      return find_host_table(id);
   }
   static wrn_time WRN_CALL now(const wrn_host* host) {
      guard(host, "now", true);
      return self(host).shard_.now();
   }
   static wrn_time WRN_CALL stopwatch(const wrn_host* host) {
      guard(host, "stopwatch", false);
      return self(host).shard_.stopwatch();
   }
   static int64_t WRN_CALL wall_ns(const wrn_host* host) {
      guard(host, "wall_ns", false);
      return self(host).shard_.wall_ns();
   }
   static void WRN_CALL random(const wrn_host* host, void* buf, size_t len) {
      guard(host, "random", false);
      self(host).shard_.random(buf, len);
   }

   static wrn_status WRN_CALL timer_set(const wrn_host* host, wrn_handle* timer, wrn_time at,
                                        uint64_t tag) {
      guard(host, "timer_set", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (*timer != 0 && !me.timers_.contains(*timer)) *timer = 0; // it has fired: a new one
      if (*timer == 0 && me.timers_.size() >= limits::timers_per_plugin_max) return WRN_E_LIMIT;
      *timer = me.shard_.timer_set(*timer, at, me, tag);
      me.timers_[*timer] = tag;
      return WRN_OK;
   }
   static void WRN_CALL timer_cancel(const wrn_host* host, wrn_handle timer) {
      guard(host, "timer_cancel", true);
      instance& me = self(host);
      if (me.timers_.erase(timer) != 0) me.shard_.timer_cancel(timer);
   }

   static uint32_t WRN_CALL pkt_alloc(const wrn_host* host, wrn_pkt* out, uint32_t n,
                                      uint32_t size) {
      guard(host, "pkt_alloc", true);
      return self(host).shard_.pool().alloc({out, std::min(n, WRN_BATCH_MAX)}, size);
   }
   static void WRN_CALL pkt_free(const wrn_host* host, const wrn_pkt* pkts, uint32_t n) {
      guard(host, "pkt_free", true);
      self(host).shard_.pool().free({pkts, n});
   }
   static void WRN_CALL pkt_drop(const wrn_host* host, wrn_handle peer, const wrn_pkt* pkts,
                                 uint32_t n, uint32_t reason) {
      guard(host, "pkt_drop", true);
      instance& me = self(host);
      if (me.port_ != nullptr)
         me.port_->drop(me, peer, {pkts, n}, reason);
      else
         me.shard_.pool().free({pkts, n});
   }

   static void WRN_CALL log(const wrn_host* host, uint32_t level, const char* event,
                            const wrn_kv* fields, uint32_t n) {
      instance& me = self(host);
      const auto l = static_cast<base::log::level>(std::min<uint32_t>(level, WRN_LOG_ERROR));
      if (l < base::log::threshold()) return;
      uint64_t suppressed = 0;
      {
         const std::lock_guard lock(me.log_mutex_);
         if (me.log_budgets_.size() > 256) me.log_budgets_.clear();
         auto& budget = me.log_budgets_[event];
         const int64_t second = me.shard_.wall_ns() / 1'000'000'000;
         if (second != budget.second) {
            suppressed = std::exchange(budget.suppressed, 0);
            budget.second = second;
            budget.written = 0;
         }
         if (budget.written >= limits::plugin_log_per_second_max) {
            budget.suppressed++;
            return;
         }
         budget.written++;
      }
      std::vector<base::log::field> out{{"network", me.network_}, {"plugin", me.desc().name}};
      for (uint32_t i = 0; i < std::min(n, 16u); i++)
         out.emplace_back(fields[i].key, format(fields[i]));
      if (suppressed != 0) out.emplace_back("suppressed", suppressed);
      base::log::write(l, event, out);
   }
   static std::string format(const wrn_kv& field) {
      switch (field.type) {
      case WRN_KV_INT:
         return std::to_string(field.v.i);
      case WRN_KV_UINT:
         return std::to_string(field.v.u);
      case WRN_KV_FLOAT:
         return std::to_string(field.v.f);
      case WRN_KV_STR:
         return {field.v.s.ptr, std::min<size_t>(field.v.s.len, 512)};
      case WRN_KV_ADDR:
         return field.v.addr->port != 0 ? base::format_endpoint(*field.v.addr)
                                        : base::format_address(*field.v.addr);
      case WRN_KV_KEY:
         return crypto::format_tunnel_key(std::to_array(field.v.key->bytes));
      default:
         return "?";
      }
   }
   static void WRN_CALL fail(const wrn_host* host, wrn_status status, const char* why) {
      guard(host, "fail", true);
      self(host).mark_failed(status, why != nullptr ? why : "no reason given");
   }

   // --- config.h --------------------------------------------------------------------------------
   static const config::plugin_values::entry* entry_of(const wrn_conf* conf, const char* name) {
      const auto& entries = reinterpret_cast<const config::plugin_values*>(conf)->entries;
      const auto it = entries.find(std::string_view(name));
      return it == entries.end() ? nullptr : &it->second;
   }
   template <class Value, class Out>
   static wrn_status get(const wrn_conf* conf, const char* name, Out&& out) {
      const auto* entry = entry_of(conf, name);
      if (entry == nullptr) return WRN_E_NOT_FOUND;
      const auto* value = std::get_if<Value>(&entry->content);
      if (value == nullptr) return WRN_E_INVALID;
      out(*value);
      return WRN_OK;
   }
   static wrn_status WRN_CALL get_bool(const wrn_conf* conf, const char* name, uint8_t* out) {
      return get<bool>(conf, name, [&](bool v) { *out = v ? 1 : 0; });
   }
   static wrn_status WRN_CALL get_int(const wrn_conf* conf, const char* name, int64_t* out) {
      return get<int64_t>(conf, name, [&](int64_t v) { *out = v; });
   }
   static wrn_status WRN_CALL get_float(const wrn_conf* conf, const char* name, double* out) {
      return get<double>(conf, name, [&](double v) { *out = v; });
   }
   static wrn_status WRN_CALL get_str(const wrn_conf* conf, const char* name, wrn_str* out) {
      return get<std::string>(conf, name, [&](const std::string& v) {
         *out = {v.data(), v.size()};
      });
   }
   static uint32_t WRN_CALL size(const wrn_conf* conf, const char* name) {
      uint32_t count = 0;
      get<std::vector<std::string>>(
            conf, name, [&](const auto& v) { count = static_cast<uint32_t>(v.size()); });
      return count;
   }
   static wrn_status WRN_CALL str_at(const wrn_conf* conf, const char* name, uint32_t index,
                                     wrn_str* out) {
      wrn_status status = WRN_E_NOT_FOUND;
      get<std::vector<std::string>>(conf, name, [&](const auto& v) {
         if (index >= v.size()) return;
         *out = {v[index].data(), v[index].size()};
         status = WRN_OK;
      });
      return status;
   }
   static void WRN_CALL where(const wrn_conf* conf, const char* name, wrn_error* out) {
      const auto* entry = entry_of(conf, name);
      const config::location& at =
            entry != nullptr ? entry->where
                             : reinterpret_cast<const config::plugin_values*>(conf)->where;
      out->line = at.line;
      out->column = at.column;
   }

   // --- host/udp.h ------------------------------------------------------------------------------
   static uint32_t WRN_CALL udp_room(const wrn_host* host, wrn_handle sock) {
      guard(host, "udp_room", true);
      return self(host).port_ != nullptr ? self(host).port_->udp_room(self(host), sock) : 0;
   }
   static void WRN_CALL udp_send(const wrn_host* host, wrn_handle sock, const wrn_pkt* pkts,
                                 uint32_t n) {
      guard(host, "udp_send", true);
      if (self(host).port_ != nullptr)
         self(host).port_->udp_send(self(host), sock, {pkts, n});
      else
         self(host).shard_.pool().free({pkts, n});
   }
   static wrn_status WRN_CALL udp_local(const wrn_host* host, wrn_handle sock, wrn_addr* out) {
      guard(host, "udp_local", true);
      return self(host).port_ != nullptr ? self(host).port_->udp_local(self(host), sock, *out)
                                         : WRN_E_STATE;
   }

   // --- ext/transport.h: wrn_host_link ----------------------------------------------------------
   static wrn_status WRN_CALL incoming(const wrn_host* host, const wrn_key* key,
                                       const wrn_addr* from, wrn_handle* link,
                                       wrn_link_params* params) {
      guard(host, "incoming", true);
      instance& me = self(host);
      return me.active() ? me.port_->link_incoming(me, *key, *from, *link, *params) : WRN_E_STATE;
   }
   static void WRN_CALL link_state(const wrn_host* host, wrn_handle link, uint32_t state,
                                   wrn_status why) {
      guard(host, "link_state", true);
      instance& me = self(host);
      if (me.active()) me.port_->link_state(me, link, state, why);
   }
   static void WRN_CALL moved(const wrn_host* host, wrn_handle link, const wrn_addr* remote) {
      guard(host, "moved", true);
      instance& me = self(host);
      if (me.active()) me.port_->link_moved(me, link, *remote);
   }
   static void WRN_CALL deliver(const wrn_host* host, wrn_handle link, wrn_pkt* pkts, uint32_t n) {
      guard(host, "deliver", true);
      instance& me = self(host);
      if (me.active())
         me.port_->link_deliver(me, link, {pkts, n});
      else
         me.shard_.pool().free({pkts, n});
   }
   static void WRN_CALL writable(const wrn_host* host, wrn_handle link) {
      guard(host, "writable", true);
      instance& me = self(host);
      if (me.active()) me.port_->link_writable(me, link);
   }

   // --- host/identity.h -------------------------------------------------------------------------
   static const trust::identity& identity(const wrn_host* host) {
      instance& me = self(host);
      return me.port_ != nullptr ? me.port_->identity() : *me.configuring_identity_;
   }
   static void WRN_CALL node_id(const wrn_host* host, wrn_key* out) {
      guard(host, "node_id", false);
      std::copy_n(identity(host).signing.id.begin(), 32, out->bytes);
   }
   static void WRN_CALL tunnel_key(const wrn_host* host, wrn_key* out) {
      guard(host, "tunnel_key", false);
      std::copy_n(identity(host).tunnel.public_key.begin(), 32, out->bytes);
   }
   static wrn_status WRN_CALL dh(const wrn_host* host, const wrn_key* peer, wrn_key* out) {
      guard(host, "dh", false);
      crypto::bytes32 shared{};
      if (!crypto::x25519(identity(host).tunnel.secret, std::to_array(peer->bytes), shared))
         return WRN_E_AUTH;
      std::copy(shared.begin(), shared.end(), out->bytes);
      return WRN_OK;
   }

   // --- host/metrics.h --------------------------------------------------------------------------
   static uint64_t* WRN_CALL cell(const wrn_host* host, const char* wanted) {
      guard(host, "cell", false);
      instance& me = self(host);
      const std::string_view name = wanted != nullptr ? wanted : "";
      for (auto& declared : me.metrics_)
         if (declared.what->name == name) return &declared.value;
      const wrn_kv which{"metric", WRN_KV_STR, 0, {.s = {name.data(), name.size()}}};
      log(host, WRN_LOG_WARN, "metric_undeclared", &which, 1);
      return &me.undeclared_metric_;
   }

   // --- host/resolve.h --------------------------------------------------------------------------
   static wrn_status WRN_CALL resolve(const wrn_host* host, wrn_str name, uint16_t port,
                                      uint64_t tag) {
      guard(host, "resolve", true);
      instance& me = self(host);
      const auto* table = me.ext<wrn_resolve>(WRN_EXT_RESOLVE);
      if (!me.active() || table == nullptr) return WRN_E_STATE;
      if (me.lookups_ >= limits::lookups_per_plugin_max) return WRN_E_LIMIT;
      me.lookups_++;
      me.shard_.resolve({name.ptr, name.len}, port, me.alive_,
                        [&me, table, tag](const base::result<std::vector<wrn_addr>>& found) {
                           me.lookups_--;
                           if (!me.active()) return;
                           if (!found) {
                              table->on_resolved(me.get(), tag, WRN_E_NOT_FOUND, nullptr, 0);
                              return;
                           }
                           const auto n = std::min(found->size(), limits::endpoints_per_peer_max);
                           table->on_resolved(me.get(), tag, WRN_OK, found->data(),
                                              static_cast<uint32_t>(n));
                        });
      return WRN_OK;
   }

   // --- ext/discovery.h -------------------------------------------------------------------------
   static wrn_status WRN_CALL offer(const wrn_host* host, wrn_handle peer,
                                    const wrn_endpoint* endpoints, uint32_t n) {
      guard(host, "offer", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (n > limits::endpoints_per_peer_max) return WRN_E_LIMIT;
      return me.port_->offer(me, peer, {endpoints, n});
   }
};

namespace {

using t = host_tables;
constexpr wrn_host_conf conf_table{t::get_bool, t::get_int, t::get_float, t::get_str,
                                   t::size,     t::str_at,  t::where};
constexpr wrn_host_udp udp_table{t::udp_room, t::udp_send, t::udp_local};
constexpr wrn_host_link link_table{t::incoming, t::link_state, t::moved, t::deliver, t::writable};
constexpr wrn_host_identity identity_table{t::node_id, t::tunnel_key, t::dh};
constexpr wrn_host_metrics metrics_table{t::cell};
constexpr wrn_host_resolve resolve_table{t::resolve};
constexpr wrn_host_discovery discovery_table{t::offer};

struct named_table {
   std::string_view id;
   const void* table;
};
constexpr named_table tables[] = {
      {WRN_HOST_CONF, &conf_table},           {WRN_HOST_UDP, &udp_table},
      {WRN_HOST_LINK, &link_table},           {WRN_HOST_IDENTITY, &identity_table},
      {WRN_HOST_METRICS, &metrics_table},     {WRN_HOST_RESOLVE, &resolve_table},
      {WRN_HOST_DISCOVERY, &discovery_table}, {WRN_HOST_STREAM, &stream_table},
};

} // namespace

const void* find_host_table(const char* id) {
   for (const named_table& entry : tables)
      if (entry.id == id) return entry.table;
   return find_mesh_table(id);
}

wrn_host make_host(instance& owner) {
   wrn_host host{};
   host.abi_major = WRN_ABI_MAJOR;
   host.abi_minor = WRN_ABI_MINOR;
   host.data = &owner;
   host.name = "warren";
   host.version = "0.1.0";
   host.get_ext = t::get_ext;
   host.now = t::now;
   host.stopwatch = t::stopwatch;
   host.wall_ns = t::wall_ns;
   host.random = t::random;
   host.timer_set = t::timer_set;
   host.timer_cancel = t::timer_cancel;
   host.pkt_alloc = t::pkt_alloc;
   host.pkt_free = t::pkt_free;
   host.pkt_drop = t::pkt_drop;
   host.log = t::log;
   host.fail = t::fail;
   return host;
}

} // namespace warren::plugin
