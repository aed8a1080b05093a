#include "sdk/check/host_base.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

constexpr wrn_handle timer_tag = 0x71;

const void* WRN_CALL get_ext(const wrn_host* host, const char* id) {
   const instance& me = instance::of(host, "get_ext", place::any);
   if (std::find(me.set.absent.begin(), me.set.absent.end(), id) != me.set.absent.end())
      return nullptr;
   for (const host_table* t : host_tables())
      if (std::string_view(t->id) == id) return t->table;
   return nullptr;
}

wrn_time WRN_CALL now(const wrn_host* host) {
   return instance::of(host, "now", place::io).home.now;
}
wrn_time WRN_CALL stopwatch(const wrn_host* host) {
   return instance::of(host, "stopwatch", place::main_io).home.stopwatch += 50 * us;
}
int64_t WRN_CALL wall_ns(const wrn_host* host) {
   const world& w = instance::of(host, "wall_ns", place::main_io).home;
   return static_cast<int64_t>(w.now) + w.wall_shift;
}
void WRN_CALL random(const wrn_host* host, void* buf, size_t len) {
   instance::of(host, "random", place::main_io).home.dice.fill(buf, len);
}

void fire(instance& me, wrn_handle timer, uint64_t order) {
   auto& t = me.part<timer_part>();
   const auto it = t.timers.find(timer);
   if (it == t.timers.end() || it->second.order != order || !me.active()) return;
   if (const wrn_time s = me.home.now / second; s != t.fired_second) {
      t.fired_second = s;
      t.fired_in_second = 0;
   }
   if (++t.fired_in_second > storm_per_second) {
      found(flaw_storm, say("more than ", storm_per_second,
                            " timers fired within one second of the clock; a deadline that is "
                            "always now turns for ever"));
      me.home.at(me.home.now + second, [&me, timer, order] { fire(me, timer, order); });
      return;
   }
   t.fired++;
   const uint64_t tag = it->second.tag;
   t.timers.erase(it);
   me.home.record("timer", me.number, tag, {});
   me.enter("on_timer", [&] { me.raw()->on_timer(me.raw(), timer, tag); });
}

wrn_status WRN_CALL timer_set(const wrn_host* host, wrn_handle* timer, wrn_time at, uint64_t tag) {
   instance& me = instance::of(host, "timer_set", place::active);
   if (me.at() != stage::active && me.at() != stage::stopping) return WRN_E_STATE;
   if (me.fails("timer_set")) return WRN_E_LIMIT;
   auto& t = me.part<timer_part>();
   if (*timer != 0 && (*timer >> 56 != timer_tag || (*timer & 0xffffffff) > t.next))
      found(flaw_call, "timer_set(): *timer is neither 0 nor a handle of the host");
   if (!t.timers.contains(*timer)) *timer = 0; // it has fired: a new one
   if (*timer == 0 && t.timers.size() >= timers_max) return WRN_E_LIMIT;
   if (*timer == 0) *timer = timer_tag << 56 | ++t.next;
   const uint64_t order = ++t.next;
   t.timers[*timer] = {at, tag, order};
   me.home.at(std::max(at, me.home.now),
              [&me, handle = *timer, order] { fire(me, handle, order); });
   return WRN_OK;
}

void WRN_CALL timer_cancel(const wrn_host* host, wrn_handle timer) {
   instance::of(host, "timer_cancel", place::io).part<timer_part>().timers.erase(timer);
}

uint32_t WRN_CALL pkt_alloc(const wrn_host* host, wrn_pkt* out, uint32_t n, uint32_t size) {
   instance& me = instance::of(host, "pkt_alloc", place::active);
   if (size > 65535 || n > WRN_BATCH_MAX)
      found(flaw_call, say("pkt_alloc() of ", n, " packets of ", size, " bytes"));
   if (me.fails("pkt_alloc")) return 0;
   const std::vector<uint8_t> old(std::min(size, 65535u),
                                  0xab); // what was there before is not zero
   n = std::min(n, WRN_BATCH_MAX);
   for (uint32_t i = 0; i < n; i++)
      out[i] = me.home.pool.make(me.number, old, alloc_headroom, alloc_tailroom);
   return n;
}
void WRN_CALL pkt_free(const wrn_host* host, const wrn_pkt* pkts, uint32_t n) {
   instance& me = instance::of(host, "pkt_free", place::io);
   for (uint32_t i = 0; i < n; i++)
      me.home.pool.take(me.number, pkts[i], "pkt_free");
}
void WRN_CALL pkt_drop(const wrn_host* host, wrn_handle, const wrn_pkt* pkts, uint32_t n,
                       uint32_t reason) {
   instance& me = instance::of(host, "pkt_drop", place::io);
   if (reason >= WRN_DROP_COUNT_)
      found(flaw_call, say("pkt_drop() with reason ", reason, ", which this ABI does not have"));
   for (uint32_t i = 0; i < n; i++)
      me.home.pool.take(me.number, pkts[i], "pkt_drop");
   me.home.record("drop", me.number, reason, {});
}

void WRN_CALL log(const wrn_host* host, uint32_t level, const char* event, const wrn_kv* fields,
                  uint32_t n) {
   instance& me = instance::of(host, "log", place::any);
   if (event == nullptr || *event == '\0' || level > WRN_LOG_ERROR) {
      found(flaw_call,
            say("log() with level ", level, event == nullptr ? ", without an event" : ""));
      return;
   }
   if (std::any_of(event, event + std::strlen(event),
                   [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'; }))
      found(flaw_call, say("log(): the event \"", event,
                           "\" is no stable snake_case name; what varies belongs into fields"));
   for (uint32_t i = 0; i < n; i++) {
      const wrn_kv& f = fields[i];
      std::string_view text;
      if (f.type == WRN_KV_STR && f.v.s.len != 0) text = {f.v.s.ptr, f.v.s.len};
      if (f.type == WRN_KV_KEY)
         text = {reinterpret_cast<const char*>(f.v.key->bytes), sizeof f.v.key->bytes};
      if (f.key == nullptr || f.type < WRN_KV_INT || f.type > WRN_KV_KEY)
         found(flaw_call, say("log(\"", event, "\"): field ", i, " has no name or type ", f.type));
      else if (holds_secret(me, text))
         found(flaw_secret,
               say("log(\"", event, "\"): field \"", f.key,
                   "\" holds a preshared key, a shared secret or a secret of the configuration"));
   }
}

void WRN_CALL fail_instance(const wrn_host* host, wrn_status status, const char* why) {
   instance& me = instance::of(host, "fail", place::io);
   const std::string text = why != nullptr && *why != '\0' ? why : "no reason given";
   found(status == WRN_E_INTERNAL ? flaw_thrown : flaw_gave_up,
         say("the instance gave up with status ", status,
             status == WRN_E_INTERNAL ? " (an exception was caught) in " : " in ", page->call,
             "(): ", text));
   if (holds_secret(me, text)) found(flaw_secret, "the reason given to fail() holds a secret");
   if (me.at() != stage::stopping && me.failure.empty()) me.failure = text;
}

std::string encoded(const std::vector<uint8_t>& bytes, bool base64) {
   static constexpr char hex[] = "0123456789abcdef",
                         b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
   std::string out;
   if (!base64) {
      for (const uint8_t b : bytes)
         (out += hex[b >> 4]) += hex[b & 15];
      return out;
   }
   for (size_t i = 0; i + 2 < bytes.size(); i += 3) {
      const uint32_t v = uint32_t{bytes[i]} << 16 | uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
      for (int shift = 18; shift >= 0; shift -= 6)
         out += b64[v >> shift & 63];
   }
   return out;
}

} // namespace

/// As bytes, as hexadecimal, as base64; half of a key is one too many.
bool holds_secret(const instance& who, std::string_view text) {
   if (text.size() < 8) return false;
   std::string lower(text);
   std::transform(lower.begin(), lower.end(), lower.begin(),
                  [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
   return std::any_of(
         who.secrets.begin(), who.secrets.end(), [&](const std::vector<uint8_t>& secret) {
            const std::vector<uint8_t> half(
                  secret.begin(),
                  secret.begin() + static_cast<long>(std::max<size_t>(secret.size() / 2, 8)));
            return text.find(std::string_view(reinterpret_cast<const char*>(half.data()),
                                              half.size())) != std::string_view::npos ||
                   lower.find(encoded(half, false)) != std::string::npos ||
                   text.find(encoded(half, true)) != std::string_view::npos;
         });
}

void after_stop_base(instance& who) {
   auto& timers = who.part<timer_part>().timers;
   if (!timers.empty())
      found(flaw_handle, say("stop() left ", timers.size(), " timer(s) armed, the first with tag ",
                             timers.begin()->second.tag));
   timers.clear();
   who.home.pool.inspect();
   if (const size_t held = who.home.pool.held(who.number); held != 0)
      found(flaw_packet,
            say(held,
                " packet(s) were neither passed on, freed nor dropped when stop() had returned"));
}

wrn_host base_functions(instance& owner) {
   return {.abi_major = WRN_ABI_MAJOR,
           .abi_minor = WRN_ABI_MINOR,
           .data = &owner,
           .name = "warren plugin check",
           .version = "1",
           .get_ext = get_ext,
           .now = now,
           .stopwatch = stopwatch,
           .wall_ns = wall_ns,
           .random = random,
           .timer_set = timer_set,
           .timer_cancel = timer_cancel,
           .pkt_alloc = pkt_alloc,
           .pkt_free = pkt_free,
           .pkt_drop = pkt_drop,
           .log = log,
           .fail = fail_instance};
}

} // namespace warren::check
