// The links of transport.cpp: their keys, their toy of a cryptography, what they send.
#pragma once

#include "flaws.hpp"
#include "warren/ext/transport.h"
#include "warren/host/identity.h"
#include "warren/host/metrics.h"
#include "warren/host/udp.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <new>

namespace {

using namespace broken;

constexpr uint32_t header_bytes = 41, tag_bytes = 8, hello_bytes = 32;
constexpr size_t staged_max = 64;
constexpr wrn_time second = 1'000'000'000;
enum { type_hello = 1, type_answer = 2, type_data = 3 };

uint64_t mix(uint64_t x) {
   x += 0x9e3779b97f4a7c15;
   x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
   x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
   return x ^ (x >> 31);
}
uint64_t hash(uint64_t seed, const uint8_t* at, size_t n) {
   for (size_t i = 0; i < n; i += 8) {
      uint64_t word = 0;
      std::memcpy(&word, at + i, std::min<size_t>(8, n - i));
      seed = mix(seed ^ word) + i;
   }
   return mix(seed ^ n);
}

struct link {
   wrn_handle handle = 0;
   wrn_link_params params{};
   wrn_link_stats stats{};
   uint64_t key_out = 0, key_in = 0, counter = 0, heard = 0, window = 0;
   uint32_t local = 0, tries = 0, no_answer = 0;
   std::deque<wrn_pkt> staged;
   wrn_time next_keepalive = 0;
};

struct instance {
   wrn_plugin plugin{};
   const wrn_host* host = nullptr;
   const wrn_host_conf* conf = nullptr;
   const wrn_host_udp* udp = nullptr;
   const wrn_host_link* core = nullptr;
   const wrn_host_identity* identity = nullptr;
   const wrn_host_metrics* metrics = nullptr;
   uint64_t* foreign = nullptr;
   wrn_handle sock = 0, timer = 0, idle_timer = 0;
   wrn_key own{};
   int64_t channel = 0;
   std::map<wrn_handle, std::unique_ptr<link>> links;
   wrn_pkt kept[256]{};
   size_t kept_count = 0;
   uint64_t extra = 0;
};

instance& self(const wrn_plugin* p) { return *static_cast<instance*>(p->data); }
link* find(instance& s, wrn_handle h) {
   const auto it = s.links.find(h);
   return it == s.links.end() ? nullptr : it->second.get();
}
void drop(instance& s, const wrn_pkt* p, uint32_t n, uint32_t reason) {
   s.host->pkt_drop(s.host, 0, p, n, reason);
}

void set_state(instance& s, link& l, uint32_t state) {
   if (l.stats.state == state) return;
   l.stats.state = state;
   if (is(flaw::never_up) && state == WRN_LINK_UP) return;
   s.core->state(s.host, l.handle, state, WRN_OK);
}

bool make_keys(instance& s, link& l) {
   wrn_key shared{};
   if (s.identity->dh(s.host, &l.params.tunnel_key, &shared) != WRN_OK) return false;
   if (is(flaw::ignores_keys)) std::memset(shared.bytes, 1, sizeof shared.bytes);
   if (is(flaw::logs_shared_secret)) {
      const wrn_kv field{"shared", WRN_KV_KEY, 0, {.key = &shared}};
      s.host->log(s.host, WRN_LOG_DEBUG, "key_made", &field, 1);
   }
   const uint64_t both = hash(hash(7, shared.bytes, 32), l.params.psk.bytes, 32);
   l.key_out = hash(both, s.own.bytes, 32);
   l.key_in = hash(both, l.params.tunnel_key.bytes, 32);
   l.counter = std::max<uint64_t>(l.counter,
                                  s.host->now(s.host)); // never one that was used before a restart
   return true;
}

void arm(instance& s) {
   if (s.timer != 0) return;
   if (s.host->timer_set(s.host, &s.timer, s.host->now(s.host) + second, 1) != WRN_OK &&
       is(flaw::no_timer_no_life))
      s.extra = 1;
}

void apply_stream(uint64_t key, uint64_t counter, uint8_t* at, size_t n) {
   if (is(flaw::plaintext)) return;
   for (size_t i = 0; i < n; i += 8) {
      const uint64_t stream = mix(key ^ counter * 31 ^ i);
      uint64_t word = 0;
      std::memcpy(&word, at + i, std::min<size_t>(8, n - i));
      word ^= stream;
      std::memcpy(at + i, &word, std::min<size_t>(8, n - i));
   }
}

void put(instance& s, link& l, wrn_pkt& p, uint8_t type) {
   l.counter++;
   uint8_t* data = p.buf + p.off;
   if (is(flaw::writes_behind)) data[p.len + tag_bytes] = 1;
   if (is(flaw::writes_before)) data[-static_cast<int>(header_bytes) - 1] = 1;
   apply_stream(l.key_out, l.counter, data, p.len);
   uint8_t* header = data - header_bytes;
   header[0] = type;
   std::memcpy(header + 1, s.own.bytes, 32);
   std::memcpy(header + 33, &l.counter, 8);
   p.off -= header_bytes;
   p.len += header_bytes;
   const uint64_t tag = hash(l.key_out, header, p.len);
   std::memcpy(header + p.len, &tag, tag_bytes);
   p.len += tag_bytes;
   p.addr = l.stats.remote;
   p.local = l.local;
   if (is(flaw::ignores_path)) p.addr = l.params.remote;
   l.stats.tx_packets++;
   l.stats.tx_bytes += is(flaw::wrong_stats) ? 1 : p.len;
   if (l.params.keepalive_s != 0)
      l.next_keepalive = s.host->now(s.host) + l.params.keepalive_s * second;
}

void hello(instance& s, link& l, uint8_t type) {
   wrn_pkt p{};
   if (s.sock == 0 || l.stats.remote.family == WRN_AF_NONE ||
       (is(flaw::no_timer_no_life) && s.extra == 1))
      return;
   if (s.host->pkt_alloc(s.host, &p, 1, hello_bytes) != 1) {
      if (is(flaw::ignores_failed_alloc)) p.buf[p.off] = 1;
      return;
   }
   std::memcpy(p.buf + p.off, s.own.bytes, hello_bytes);
   if (is(flaw::own_bytes)) own_chance(p.buf + p.off + 8, 8);
   put(s, l, p, type);
   s.udp->send(s.host, s.sock, &p, 1);
}

void send(instance& s, link& l, wrn_pkt* pkts, uint32_t n) {
   if (s.sock == 0 || l.stats.remote.family == WRN_AF_NONE)
      return drop(s, pkts, n, WRN_DROP_NO_LINK);
   if (is(flaw::no_timer_no_life) && s.extra == 1) return drop(s, pkts, n, WRN_DROP_OTHER);
   if (is(flaw::shared_state) && own_state() == 0) return drop(s, pkts, n, WRN_DROP_OTHER);
   if (is(flaw::cuts_batches) && n > 64) {
      drop(s, pkts + 64, n - 64, WRN_DROP_OTHER);
      n = 64;
   }
   for (uint32_t i = 0; i < n; i++)
      put(s, l, pkts[i], type_data);
   s.udp->send(s.host, s.sock, pkts, n);
   if (is(flaw::freed_twice)) s.host->pkt_free(s.host, pkts, 1);
   if (is(flaw::used_after)) pkts[0].buf[pkts[0].off] ^= 1;
}

void came_up(instance& s, link& l) {
   l.tries = 0;
   set_state(s, l, WRN_LINK_UP);
   while (!l.staged.empty()) {
      wrn_pkt p = l.staged.front();
      l.staged.pop_front();
      send(s, l, &p, 1);
   }
}

} // namespace
