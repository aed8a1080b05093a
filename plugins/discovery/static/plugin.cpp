// Static discovery: endpoints as the operator wrote them. Literal addresses are offered at once; host names are resolved, and again when
// the peer stops answering or a look-up failed. Few look-ups are under way at any time, the others wait for their turn, and one timer
// serves all retries: thousands of names cost the host no more than a handful.
#include "warren/ext/discovery.h"
#include "warren/host/resolve.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace warren::static_discovery {

namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t retry_first = 2 * second;
constexpr uint64_t retry_max = 120 * second;
constexpr uint64_t retry_grain = second; // the timer fires at most this often
constexpr size_t endpoints_max = 16; // what the host takes
constexpr size_t questions_max = 32; // half of what the host allows

constexpr const char* needs[] = {WRN_HOST_DISCOVERY, WRN_HOST_RESOLVE, nullptr};
constexpr wrn_plugin_desc description{"org.warren.static", "static", "Warren", "0.1.0", "Apache-2.0",
                                      "Endpoints from the configuration; host names are resolved, and again when they stop answering.",
                                      WRN_KIND_DISCOVERY, 0, WRN_CAP_DETERMINISTIC, nullptr, needs};

struct written {
   std::string transport, host;
   uint16_t port = 0;
   std::vector<wrn_addr> found; // the last answer; kept when a later look-up fails
   bool literal = false;
   bool wanted = false;         // to be asked for when it is its turn
   bool asking = false;
   uint64_t retry = 0;          // last wait after a failure, 0 = none failed
   uint64_t retry_at = 0;       // 0 = not planned
};

struct member {
   std::vector<written> endpoints;
   bool queued = false;
};

/// "wireguard://[key_…@]host:port" or "wireguard://[::1]:port". The host has checked the text; this refuses rather than guesses.
std::optional<written> parse(std::string_view text) {
   written w;
   const size_t scheme = text.find("://");
   if (scheme == std::string_view::npos) return std::nullopt;
   w.transport = text.substr(0, scheme);
   text.remove_prefix(scheme + 3);
   if (const size_t at = text.find('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
   const size_t colon = text.rfind(':');
   if (colon == std::string_view::npos || colon == 0) return std::nullopt;
   unsigned port = 0;
   for (const char c : text.substr(colon + 1)) {
      if (c < '0' || c > '9' || port > 65535) return std::nullopt;
      port = port * 10 + static_cast<unsigned>(c - '0');
   }
   if (port == 0 || port > 65535) return std::nullopt;
   w.port = static_cast<uint16_t>(port);
   std::string_view host = text.substr(0, colon);
   if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
   if (host.empty() || host.size() > 253) return std::nullopt;
   w.host = host;
   // A literal address needs no resolver: it is there before the first packet wants it.
   wrn_addr literal{};
   literal.port = w.port;
   if (inet_pton(AF_INET, w.host.c_str(), literal.ip) == 1) {
      literal.family = WRN_AF_INET;
      literal.prefix_len = 32;
   } else if (inet_pton(AF_INET6, w.host.c_str(), literal.ip) == 1) {
      literal.family = WRN_AF_INET6;
      literal.prefix_len = 128;
   }
   w.literal = literal.family != WRN_AF_NONE;
   if (w.literal) w.found.push_back(literal);
   return w;
}

struct discovery {
   wrn_plugin plugin{};
   const wrn_host* host = nullptr;
   const wrn_host_discovery* offers = nullptr;
   const wrn_host_resolve* resolver = nullptr;
   std::unordered_map<wrn_handle, member> members;
   struct question {
      wrn_handle peer;
      std::string name; // of the endpoint asked for, since the list may change meanwhile
      uint16_t port;
   };
   std::unordered_map<uint64_t, question> questions; // under way
   std::deque<wrn_handle> queue;                     // members with names that are wanted; may name some that are gone
   uint64_t next_tag = 1;
   wrn_handle timer = 0;
   uint64_t timer_at = 0;

   void offer(wrn_handle peer) {
      std::vector<wrn_endpoint> out;
      for (const written& w : members[peer].endpoints)
         for (const wrn_addr& a : w.found)
            if (out.size() < endpoints_max) out.push_back({{w.transport.data(), w.transport.size()}, a});
      offers->offer(host, peer, out.data(), static_cast<uint32_t>(out.size()));
   }

   /// Asks for what waits, as long as few enough questions are under way.
   void pump() {
      while (!queue.empty()) {
         const wrn_handle peer = queue.front();
         const auto m = members.find(peer);
         if (m != members.end()) {
            for (written& w : m->second.endpoints) {
               if (w.asking || w.literal || !w.wanted) continue;
               if (questions.size() >= questions_max) return; // on_resolved() goes on with this member
               ask(peer, w);
            }
            m->second.queued = false;
         }
         queue.pop_front();
      }
   }

   void ask(wrn_handle peer, written& w) {
      w.wanted = false;
      w.retry_at = 0;
      const uint64_t tag = next_tag++;
      if (resolver->resolve(host, {w.host.data(), w.host.size()}, w.port, tag) != WRN_OK) {
         retry_later(w);
         return;
      }
      w.asking = true;
      questions[tag] = {peer, w.host, w.port};
   }

   void retry_later(written& w) {
      w.retry = std::min(retry_max, w.retry == 0 ? retry_first : w.retry * 2);
      w.retry_at = host->now(host) + w.retry;
      arm(w.retry_at);
   }

   void arm(uint64_t at) {
      if (timer != 0 && timer_at <= at) return;
      if (host->timer_set(host, &timer, at, 0) == WRN_OK) timer_at = at;
   }

   void on_timer() {
      timer = 0;
      const uint64_t now = host->now(host);
      uint64_t next = UINT64_MAX;
      for (auto& [peer, m] : members)
         for (written& w : m.endpoints) {
            if (w.retry_at == 0) continue;
            if (w.retry_at > now) {
               next = std::min(next, w.retry_at);
            } else {
               w.retry_at = 0;
               want(peer, m, w);
            }
         }
      if (next != UINT64_MAX) arm(std::max(next, now + retry_grain));
      pump();
   }

   void want(wrn_handle peer, member& m, written& w) {
      w.wanted = true;
      if (!m.queued) queue.push_back(peer);
      m.queued = true;
   }

   void on_resolved(uint64_t tag, wrn_status status, const wrn_addr* addrs, uint32_t n) {
      const auto it = questions.find(tag);
      if (it == questions.end()) return;
      const question q = it->second;
      questions.erase(it);
      const auto m = members.find(q.peer);
      if (m == members.end()) return pump();
      bool changed = false;
      for (written& w : m->second.endpoints) {
         if (w.host != q.name || w.port != q.port) continue;
         w.asking = false;
         if (status != WRN_OK || n == 0) {
            const wrn_kv fields[] = {{"name", WRN_KV_STR, 0, {.s = {w.host.data(), w.host.size()}}}};
            host->log(host, WRN_LOG_WARN, "name_not_resolved", fields, 1);
            retry_later(w);
            continue;
         }
         w.retry = 0;
         w.found.assign(addrs, addrs + n);
         changed = true;
      }
      if (changed) offer(q.peer);
      pump();
   }

   void stop() {
      if (timer != 0) host->timer_cancel(host, timer);
      timer = 0;
      members.clear();
      queue.clear();
      questions.clear();
   }

   void ask_all(wrn_handle peer) {
      const auto m = members.find(peer);
      if (m == members.end()) return;
      for (written& w : m->second.endpoints)
         if (!w.literal) want(peer, m->second, w);
      pump();
   }
};

discovery& self(const wrn_plugin* plugin) { return *static_cast<discovery*>(plugin->data); }

constexpr wrn_discovery discovery_table{
      [](const wrn_plugin* p, wrn_handle peer, const wrn_str* configured, uint32_t n) {
         member m;
         for (uint32_t i = 0; i < n && i < endpoints_max; i++)
            if (auto w = parse({configured[i].ptr, configured[i].len})) m.endpoints.push_back(std::move(*w));
         discovery& d = self(p);
         m.queued = d.members.contains(peer) && d.members[peer].queued;
         d.members[peer] = std::move(m);
         d.offer(peer);
         d.ask_all(peer);
      },
      [](const wrn_plugin* p, wrn_handle peer) { self(p).members.erase(peer); },
      [](const wrn_plugin* p, wrn_handle peer) { self(p).ask_all(peer); }};

constexpr wrn_resolve resolve_table{[](const wrn_plugin* p, uint64_t tag, wrn_status status, const wrn_addr* addrs, uint32_t n) {
   self(p).on_resolved(tag, status, addrs, n);
}};

const void* get_ext(const wrn_plugin*, const char* id) {
   if (std::string_view(id) == WRN_EXT_DISCOVERY) return &discovery_table;
   if (std::string_view(id) == WRN_EXT_RESOLVE) return &resolve_table;
   return nullptr;
}

const wrn_plugin* create(const wrn_host* host, const char* id) {
   if (std::string_view(id) != description.id) return nullptr;
   auto* d = new (std::nothrow) discovery;
   if (d == nullptr) return nullptr;
   d->host = host;
   d->offers = static_cast<const wrn_host_discovery*>(host->get_ext(host, WRN_HOST_DISCOVERY));
   d->resolver = static_cast<const wrn_host_resolve*>(host->get_ext(host, WRN_HOST_RESOLVE));
   d->plugin = {&description, d,
                [](const wrn_plugin*, wrn_error*) -> wrn_status { return WRN_OK; },
                [](const wrn_plugin*, const wrn_conf*, wrn_error*) -> wrn_status { return WRN_OK; },
                [](const wrn_plugin*, wrn_error*) -> wrn_status { return WRN_OK; },
                [](const wrn_plugin*, wrn_time) {},
                [](const wrn_plugin* p) {
                   self(p).stop();
                },
                [](const wrn_plugin* p) { delete &self(p); },
                get_ext,
                [](const wrn_plugin* p, wrn_handle, uint64_t) { self(p).on_timer(); },
                nullptr};
   return &d->plugin;
}

constexpr wrn_factory factory{[]() -> uint32_t { return 1; }, [](uint32_t i) { return i == 0 ? &description : nullptr; }, create};

} // namespace

} // namespace warren::static_discovery

extern "C" {
WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0{
      WRN_ABI_MAJOR, WRN_ABI_MINOR, [](const char*) -> wrn_status { return WRN_OK; }, [] {},
      [](const char* id) -> const void* { return std::string_view(id) == WRN_FACTORY ? &warren::static_discovery::factory : nullptr; }};
}
