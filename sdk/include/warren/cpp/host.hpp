// The host as the plugin sees it in C++: clock, chance, timers, packets, log, configuration,
// metrics, identity. Everything on the instance's strand unless said otherwise, as in the C
// headers.
#pragma once

#include "../host/identity.h"
#include "../host/metrics.h"
#include "../host/udp.h"
#include "values.hpp"

#include <atomic>
#include <optional>
#include <vector>

namespace warren::sdk {

/// A field of a log event.
struct field {
   wrn_kv kv{};
   field(const char* key, std::string_view v) {
      kv = {key, WRN_KV_STR, 0, {.s = {v.data(), v.size()}}};
   }
   field(const char* key, const char* v) : field(key, std::string_view(v)) {}
   field(const char* key, const std::string& v) : field(key, std::string_view(v)) {}
   field(const char* key, uint64_t v) { kv = {key, WRN_KV_UINT, 0, {.u = v}}; }
   field(const char* key, int v) { kv = {key, WRN_KV_INT, 0, {.i = v}}; }
   field(const char* key, const wrn_addr& v) { kv = {key, WRN_KV_ADDR, 0, {.addr = &v}}; }
};

/// A counter that the host scrapes. Cheap to add to; does nothing until host::counter() made it.
class counter {
 public:
   void add(uint64_t n = 1) {
      if (cell_ != nullptr) std::atomic_ref(*cell_).store(*cell_ + n, std::memory_order_relaxed);
   }
   void set(uint64_t value) {
      if (cell_ != nullptr) std::atomic_ref(*cell_).store(value, std::memory_order_relaxed);
   }

 private:
   friend class host;
   uint64_t* cell_ = nullptr;
};

/// The operator's values, complete and checked. Valid during configure().
class config {
 public:
   config(const wrn_host_conf& table, const wrn_conf* conf) : table_(table), conf_(conf) {}
   bool boolean(const char* key) const {
      uint8_t v = 0;
      table_.get_bool(conf_, key, &v);
      return v != 0;
   }
   int64_t integer(const char* key) const {
      int64_t v = 0;
      table_.get_int(conf_, key, &v);
      return v;
   }
   uint64_t duration_ns(const char* key) const { return static_cast<uint64_t>(integer(key)); }
   double number(const char* key) const {
      double v = 0;
      table_.get_float(conf_, key, &v);
      return v;
   }
   std::string text(const char* key) const {
      wrn_str v{};
      table_.get_str(conf_, key, &v);
      return {v.ptr != nullptr ? v.ptr : "", v.len};
   }
   std::vector<std::string> texts(const char* key) const {
      std::vector<std::string> out;
      for (uint32_t i = 0; i < table_.size(conf_, key); i++)
         if (wrn_str v{}; table_.str_at(conf_, key, i, &v) == WRN_OK)
            out.emplace_back(v.ptr, v.len);
      return out;
   }
   const wrn_host_conf& table() const { return table_; }
   const wrn_conf* raw() const { return conf_; }

 private:
   const wrn_host_conf& table_;
   const wrn_conf* conf_;
};

class host {
 public:
   explicit host(const wrn_host* raw) : raw_(raw) {}

   wrn_time now() const { return raw_->now(raw_); }
   wrn_time stopwatch() const { return raw_->stopwatch(raw_); }
   int64_t wall_ns() const { return raw_->wall_ns(raw_); }
   void random(void* buf, size_t len) const { raw_->random(raw_, buf, len); }

   /// Arms, or arms anew; on_timer(tag) comes at `at`. False when the instance has too many.
   bool timer_set(wrn_handle& timer, wrn_time at, uint64_t tag = 0) const {
      return raw_->timer_set(raw_, &timer, at, tag) == WRN_OK;
   }
   void timer_cancel(wrn_handle& timer) const {
      if (timer != 0) raw_->timer_cancel(raw_, timer);
      timer = 0;
   }

   /// A packet of `size` bytes with room around it, or nothing.
   std::optional<wrn_pkt> alloc(uint32_t size) const {
      wrn_pkt p{};
      if (raw_->pkt_alloc(raw_, &p, 1, size) != 1) return std::nullopt;
      return p;
   }
   void free(batch packets) const {
      if (!packets.empty())
         raw_->pkt_free(raw_, packets.data(), static_cast<uint32_t>(packets.size()));
   }
   void drop(batch packets, uint32_t reason, wrn_handle peer = 0) const {
      if (!packets.empty())
         raw_->pkt_drop(raw_, peer, packets.data(), static_cast<uint32_t>(packets.size()), reason);
   }

   template <class... Fields>
   void log(uint32_t level, const char* event, const Fields&... fields) const {
      const std::array<wrn_kv, sizeof...(Fields) + 1> all{field(fields).kv..., wrn_kv{}};
      raw_->log(raw_, level, event, all.data(), static_cast<uint32_t>(sizeof...(Fields)));
   }
   void fail(wrn_status status, const char* why) const { raw_->fail(raw_, status, why); }

   /// One of the plugin's `metrics`, by its name.
   counter make_counter(const char* name) const {
      counter c;
      if (const auto* table = get<wrn_host_metrics>(WRN_HOST_METRICS))
         c.cell_ = table->cell(raw_, name);
      return c;
   }
   wrn_key node_id() const {
      wrn_key k{};
      if (const auto* table = get<wrn_host_identity>(WRN_HOST_IDENTITY)) table->node_id(raw_, &k);
      return k;
   }
   wrn_key tunnel_key() const {
      wrn_key k{};
      if (const auto* table = get<wrn_host_identity>(WRN_HOST_IDENTITY))
         table->tunnel_key(raw_, &k);
      return k;
   }

   template <class Table> const Table* get(const char* id) const {
      return static_cast<const Table*>(raw_->get_ext(raw_, id));
   }
   const wrn_host* raw() const { return raw_; }

 private:
   const wrn_host* raw_;
};

} // namespace warren::sdk
