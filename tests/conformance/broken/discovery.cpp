// A discovery that is complete and right when FLAW is `none`, and wrong in one way otherwise.
#include "warren/ext/discovery.h"
#include "flaws.hpp"
#include "warren/host/resolve.h"

#include <arpa/inet.h>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {

using namespace broken;

constexpr wrn_time second = 1'000'000'000;

struct endpoint {
   std::string transport, host;
   uint16_t port = 0;
   bool wanted = false, dead = false;
   uint64_t question = 0;
   std::vector<wrn_addr> found;
};

struct instance {
   wrn_plugin plugin{};
   const wrn_host* host = nullptr;
   const wrn_host_discovery* core = nullptr;
   const wrn_host_resolve* resolver = nullptr;
   wrn_handle timer = 0;
   uint64_t questions = 0;
   std::map<wrn_handle, std::vector<endpoint>> peers;
   std::map<uint64_t, wrn_handle> asked;
};

instance& self(const wrn_plugin* p) { return *static_cast<instance*>(p->data); }

endpoint parse(const wrn_str& text) {
   endpoint e;
   const std::string all(text.ptr, text.len);
   const size_t scheme = all.find("://"), colon = all.rfind(':');
   if (scheme == all.npos || colon <= scheme) return e;
   e.transport = all.substr(0, scheme);
   e.host = all.substr(scheme + 3, colon - scheme - 3);
   if (e.host.size() > 2 && e.host.front() == '[') e.host = e.host.substr(1, e.host.size() - 2);
   e.port = static_cast<uint16_t>(std::strtoul(all.c_str() + colon + 1, nullptr, 10));
   wrn_addr a{};
   a.port = e.port;
   a.prefix_len = 128;
   if (::inet_pton(AF_INET6, e.host.c_str(), a.ip) == 1) a.family = WRN_AF_INET6;
   if (::inet_pton(AF_INET, e.host.c_str(), a.ip) == 1) {
      a.family = WRN_AF_INET;
      a.prefix_len = 32;
   }
   if (a.family != WRN_AF_NONE && !is(flaw::only_names)) e.found.push_back(a);
   e.wanted = a.family == WRN_AF_NONE;
   return e;
}

void say(instance& s, wrn_handle peer, const std::vector<endpoint>& all) {
   std::vector<wrn_endpoint> out;
   for (const endpoint& e : all)
      for (const wrn_addr& a : e.found)
         if (is(flaw::too_many) || out.size() < 16)
            out.push_back({{e.transport.data(), e.transport.size()}, a});
   s.core->offer(s.host, peer, out.data(), static_cast<uint32_t>(out.size()));
}

void later(instance& s, wrn_time after = 5 * second) {
   if (is(flaw::hammers)) after = second / 50;
   if (s.timer == 0 && !is(flaw::no_second_try))
      s.host->timer_set(s.host, &s.timer, s.host->now(s.host) + after, 1);
}

void ask(instance& s) {
   for (auto& [peer, all] : s.peers)
      for (endpoint& e : all) {
         if (!e.wanted || e.question != 0) continue;
         if (s.resolver->resolve(s.host, {e.host.data(), e.host.size()}, e.port, ++s.questions) !=
             WRN_OK) {
            if (is(flaw::forgets_limit)) e.wanted = false, e.dead = true;
            return later(s);
         }
         e.wanted = false;
         e.question = s.questions;
         s.asked[s.questions] = peer;
      }
}

void on_peer(const wrn_plugin* p, wrn_handle peer, const wrn_str* configured, uint32_t n) {
   throw_if(flaw::throws_on_peer);
   instance& s = self(p);
   auto& all = s.peers[peer];
   if (!is(flaw::keeps_old)) all.clear();
   for (uint32_t i = 0; i < n; i++)
      if (endpoint e = parse(configured[i]); !e.host.empty()) all.push_back(std::move(e));
   say(s, peer, all);
   ask(s);
}
void on_peer_gone(const wrn_plugin* p, wrn_handle peer) {
   throw_if(flaw::throws_on_peer_gone);
   if (is(flaw::stale_crashes) && !self(p).peers.contains(peer)) crash();
   if (!is(flaw::offers_gone)) self(p).peers.erase(peer);
}
void on_unreachable(const wrn_plugin* p, wrn_handle peer) {
   throw_if(flaw::throws_on_unreachable);
   instance& s = self(p);
   const auto it = s.peers.find(peer);
   if (it == s.peers.end()) return;
   for (endpoint& e : it->second)
      e.wanted = !e.dead && (e.found.empty() ||
                             e.host.find_first_not_of("0123456789.:abcdef") != std::string::npos);
   ask(s);
}
constexpr wrn_discovery table{on_peer, on_peer_gone, on_unreachable};

void on_resolved(const wrn_plugin* p, uint64_t question, wrn_status status, const wrn_addr* addrs,
                 uint32_t n) {
   throw_if(flaw::throws_on_resolved);
   instance& s = self(p);
   const auto who = s.asked.find(question);
   if (who == s.asked.end()) return;
   const auto peer = s.peers.find(who->second);
   s.asked.erase(who);
   if (peer == s.peers.end()) return;
   for (endpoint& e : peer->second) {
      if (e.question != question) continue;
      e.question = 0;
      if (status != WRN_OK) {
         e.wanted = true;
         if (is(flaw::no_second_try)) e.wanted = false, e.dead = true;
         return later(s);
      }
      e.found.assign(addrs, addrs + n);
      say(s, peer->first, peer->second);
   }
}
constexpr wrn_resolve resolved{on_resolved};

wrn_status init(const wrn_plugin* p, wrn_error*) {
   instance& s = self(p);
   s.core = static_cast<const wrn_host_discovery*>(s.host->get_ext(s.host, WRN_HOST_DISCOVERY));
   s.resolver = static_cast<const wrn_host_resolve*>(s.host->get_ext(s.host, WRN_HOST_RESOLVE));
   return WRN_OK;
}
wrn_status configure(const wrn_plugin*, const wrn_conf*, wrn_error*) { return WRN_OK; }
wrn_status start(const wrn_plugin*, wrn_error*) { return WRN_OK; }
void drain(const wrn_plugin*, wrn_time) {}
void stop(const wrn_plugin* p) {
   instance& s = self(p);
   if (s.timer != 0 && !is(flaw::leaves_timer)) s.host->timer_cancel(s.host, s.timer);
   s.timer = 0;
   s.peers.clear();
   s.asked.clear();
}
void destroy(const wrn_plugin* p) { delete &self(p); }
const void* get_ext(const wrn_plugin*, const char* id) {
   if (std::strcmp(id, WRN_EXT_DISCOVERY) == 0) return &table;
   if (std::strcmp(id, WRN_EXT_RESOLVE) == 0) return &resolved;
   return nullptr;
}
void on_timer(const wrn_plugin* p, wrn_handle, uint64_t) {
   instance& s = self(p);
   s.timer = 0;
   ask(s);
}

constexpr const char* needs[] = {WRN_HOST_DISCOVERY, WRN_HOST_RESOLVE, nullptr};
constexpr wrn_plugin_desc desc{"org.warren.test.broken-discovery",
                               "broken",
                               "Warren",
                               "0.1.0",
                               "Apache-2.0",
                               "Wrong in one way.",
                               WRN_KIND_DISCOVERY,
                               0,
                               WRN_CAP_DETERMINISTIC,
                               nullptr,
                               needs};

const wrn_plugin* create(const wrn_host* host, const char* id) {
   if (std::strcmp(id, desc.id) != 0) return nullptr;
   auto* s = new (std::nothrow) instance;
   if (s == nullptr) return nullptr;
   s->host = host;
   s->plugin = {&desc, s, init, configure, start, drain, stop, destroy, get_ext, on_timer, nullptr};
   return &s->plugin;
}

} // namespace

#include "module.hpp"
