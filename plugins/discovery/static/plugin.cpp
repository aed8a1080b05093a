// Static discovery: endpoints as the operator wrote them. Literal addresses are offered at once; host names are resolved, and again when
// the peer stops answering or a look-up failed.
#include "warren/ext/discovery.h"
#include "warren/host/resolve.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
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
constexpr size_t endpoints_max = 16; // what the host takes

constexpr const char* needs[] = {WRN_HOST_DISCOVERY, WRN_HOST_RESOLVE, nullptr};
constexpr wrn_plugin_desc description{"org.warren.static", "static", "Warren", "0.1.0", "Apache-2.0",
                                      "Endpoints from the configuration; host names are resolved, and again when they stop answering.",
                                      WRN_KIND_DISCOVERY, 0, WRN_CAP_DETERMINISTIC, nullptr, needs};

struct written {
   std::string transport, host;
   uint16_t port = 0;
   std::vector<wrn_addr> found; // the last answer; kept when a later look-up fails
   bool literal = false;
   bool asking = false;
   uint64_t retry = 0;          // next wait after a failure, 0 = none failed
};

struct member {
   std::vector<written> endpoints;
   wrn_handle retry_timer = 0; // one for all its names
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
   std::unordered_map<uint64_t, question> questions;
   uint64_t next_tag = 1;

   void offer(wrn_handle peer) {
      std::vector<wrn_endpoint> out;
      for (const written& w : members[peer].endpoints)
         for (const wrn_addr& a : w.found)
            if (out.size() < endpoints_max) out.push_back({{w.transport.data(), w.transport.size()}, a});
      offers->offer(host, peer, out.data(), static_cast<uint32_t>(out.size()));
   }

   void ask(wrn_handle peer, written& w) {
      if (w.asking || w.literal) return;
      const uint64_t tag = next_tag++;
      if (resolver->resolve(host, {w.host.data(), w.host.size()}, w.port, tag) != WRN_OK) {
         retry_later(peer, w);
         return;
      }
      w.asking = true;
      questions[tag] = {peer, w.host, w.port};
   }

   void retry_later(wrn_handle peer, written& w) {
      w.retry = std::min(retry_max, w.retry == 0 ? retry_first : w.retry * 2);
      member& m = members[peer];
      if (m.retry_timer == 0) host->timer_set(host, &m.retry_timer, host->now(host) + w.retry, peer);
   }

   void on_resolved(uint64_t tag, wrn_status status, const wrn_addr* addrs, uint32_t n) {
      const auto it = questions.find(tag);
      if (it == questions.end()) return;
      const question q = it->second;
      questions.erase(it);
      const auto m = members.find(q.peer);
      if (m == members.end()) return;
      bool changed = false;
      for (written& w : m->second.endpoints) {
         if (w.host != q.name || w.port != q.port) continue;
         w.asking = false;
         if (status != WRN_OK || n == 0) {
            const wrn_kv fields[] = {{"name", WRN_KV_STR, 0, {.s = {w.host.data(), w.host.size()}}}};
            host->log(host, WRN_LOG_WARN, "name_not_resolved", fields, 1);
            retry_later(q.peer, w);
            continue;
         }
         w.retry = 0;
         w.found.assign(addrs, addrs + n);
         changed = true;
      }
      if (changed) offer(q.peer);
   }

   void forget(wrn_handle peer) {
      const auto m = members.find(peer);
      if (m == members.end()) return;
      if (m->second.retry_timer != 0) host->timer_cancel(host, m->second.retry_timer);
      members.erase(m);
   }

   void ask_all(wrn_handle peer) {
      const auto m = members.find(peer);
      if (m == members.end()) return;
      for (written& w : m->second.endpoints) ask(peer, w);
   }
};

discovery& self(const wrn_plugin* plugin) { return *static_cast<discovery*>(plugin->data); }

constexpr wrn_discovery discovery_table{
      [](const wrn_plugin* p, wrn_handle peer, const wrn_str* configured, uint32_t n) {
         member m;
         for (uint32_t i = 0; i < n && i < endpoints_max; i++)
            if (auto w = parse({configured[i].ptr, configured[i].len})) m.endpoints.push_back(std::move(*w));
         discovery& d = self(p);
         d.forget(peer);
         d.members[peer] = std::move(m);
         d.offer(peer);
         d.ask_all(peer);
      },
      [](const wrn_plugin* p, wrn_handle peer) { self(p).forget(peer); },
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
                   while (!self(p).members.empty()) self(p).forget(self(p).members.begin()->first);
                   self(p).questions.clear();
                },
                [](const wrn_plugin* p) { delete &self(p); },
                get_ext,
                [](const wrn_plugin* p, wrn_handle, uint64_t peer) {
                   const auto m = self(p).members.find(peer);
                   if (m == self(p).members.end()) return;
                   m->second.retry_timer = 0;
                   self(p).ask_all(peer);
                },
                nullptr};
   return &d->plugin;
}

constexpr wrn_factory factory{[]() -> uint32_t { return 1; }, [](uint32_t i) { return i == 0 ? &description : nullptr; }, create};

} // namespace

} // namespace warren::static_discovery

extern "C" {
WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0{WRN_ABI_MAJOR, WRN_ABI_MINOR, [](const char*) -> wrn_status { return WRN_OK; }, [] {},
                            [](const char* id) -> const void* { return std::string_view(id) == WRN_FACTORY ? &warren::static_discovery::factory : nullptr; }};
}
