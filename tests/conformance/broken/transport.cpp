// A transport that is complete and right when FLAW is `none`, and wrong in one way otherwise. It is
// written against the C tables, since the wrapper would mend half of the flaws.
//
// Its cryptography is a toy that nobody must copy: it proves keys and hides packets from the kit,
// not from an attacker.
//
//    | type 1 | the sender's tunnel key 32 | counter 8 | sealed packet | tag 8 |
//
// A hello is answered by one; whoever hears an authentic datagram is up.
#include "transport_link.hpp"

namespace {

// --- the module's transport table
// ---------------------------------------------------------------------------------------

void limits(const wrn_plugin* p, wrn_transport_limits* out) {
   (void)p;
   throw_if(flaw::throws_limits);
   *out = {WRN_TF_ROAMS_REMOTE, header_bytes, tag_bytes, header_bytes + tag_bytes};
   if (is(flaw::lies_about_overhead)) out->overhead = 8;
}

wrn_status open_link(const wrn_plugin* p, wrn_handle handle, const wrn_link_params* q) {
   instance& s = self(p);
   throw_if(flaw::throws_open);
   for (const auto& [h, l] : s.links)
      if (h == handle || (!is(flaw::same_key_twice) &&
                          std::memcmp(&l->params.tunnel_key, &q->tunnel_key, sizeof(wrn_key)) == 0))
         return WRN_E_EXISTS;
   auto made = std::make_unique<link>();
   made->handle = handle;
   made->params = *q;
   made->stats.remote = q->remote;
   made->stats.state = WRN_LINK_DOWN;
   if (!make_keys(s, *made)) return WRN_E_AUTH;
   if (is(flaw::logs_psk)) {
      const wrn_kv field{
            "psk", WRN_KV_STR, 0, {.s = {reinterpret_cast<const char*>(q->psk.bytes), 32}}};
      s.host->log(s.host, WRN_LOG_INFO, "link_opened", &field, 1);
   }
   if (is(flaw::logs_psk_hex)) {
      char text[65]{};
      for (int i = 0; i < 32; i++)
         std::snprintf(text + 2 * i, 3, "%02X", q->psk.bytes[i]);
      const wrn_kv field{"psk", WRN_KV_STR, 0, {.s = {text, 64}}};
      s.host->log(s.host, WRN_LOG_INFO, "link_opened", &field, 1);
   }
   link& l = *(s.links[handle] = std::move(made));
   if (q->keepalive_s != 0) {
      l.next_keepalive = s.host->now(s.host);
      arm(s);
   }
   if (is(flaw::chatty)) hello(s, l, type_hello);
   if (is(flaw::timer_storm)) s.host->timer_set(s.host, &s.idle_timer, s.host->now(s.host), 2);
   if (is(flaw::slow_storm))
      s.host->timer_set(s.host, &s.idle_timer, s.host->now(s.host) + second / 500, 2);
   return WRN_OK;
}

wrn_status update(const wrn_plugin* p, wrn_handle handle, const wrn_link_params* q) {
   instance& s = self(p);
   throw_if(flaw::throws_update);
   link* l = find(s, handle);
   if (l == nullptr && is(flaw::stale_crashes)) l = nullptr, touch_nothing();
   if (l == nullptr) return is(flaw::stale_is_ok) ? WRN_OK : WRN_E_NOT_FOUND;
   l->params.psk = q->psk;
   l->params.keepalive_s = is(flaw::no_keepalive) ? 0 : q->keepalive_s;
   make_keys(s, *l);
   if (l->params.keepalive_s != 0) {
      l->next_keepalive = s.host->now(s.host);
      arm(s);
   }
   return WRN_OK;
}

void close_link(const wrn_plugin* p, wrn_handle handle) {
   instance& s = self(p);
   throw_if(flaw::throws_close);
   link* l = find(s, handle);
   if (l == nullptr) return;
   if (!is(flaw::leaks_staged))
      for (wrn_pkt& staged : l->staged)
         drop(s, &staged, 1, WRN_DROP_EXPIRED);
   if (is(flaw::keeps_closed)) {
      l->staged.clear();
      return;
   }
   s.links.erase(handle);
   if (is(flaw::says_down_after_close))
      s.host->timer_set(s.host, &s.idle_timer, s.host->now(s.host) + second, handle);
}

wrn_status set_path(const wrn_plugin* p, wrn_handle handle, const wrn_addr* remote) {
   throw_if(flaw::throws_set_path);
   link* l = find(self(p), handle);
   if (l == nullptr) return WRN_E_NOT_FOUND;
   l->stats.remote = *remote;
   l->local = 0;
   return WRN_OK;
}

void connect_link(const wrn_plugin* p, wrn_handle handle) {
   throw_if(flaw::throws_connect);
   instance& s = self(p);
   link* l = find(s, handle);
   if (l == nullptr || l->stats.state == WRN_LINK_UP) return;
   set_state(s, *l, WRN_LINK_CONNECTING);
   hello(s, *l, type_hello);
   l->tries = 1;
   arm(s);
}

uint32_t room(const wrn_plugin* p, wrn_handle) {
   throw_if(flaw::throws_room);
   instance& s = self(p);
   if (is(flaw::room_without_end)) return 128;
   return s.sock == 0 ? 0 : s.udp->room(s.host, s.sock);
}

void tx(const wrn_plugin* p, wrn_handle handle, wrn_pkt* pkts, uint32_t n) {
   throw_if(flaw::throws_tx);
   instance& s = self(p);
   link* l = find(s, handle);
   if (is(flaw::busy_loop)) spin();
   if (is(flaw::exits)) leave_process();
   if (is(flaw::slow_tx)) compute_long();
   if (is(flaw::sleeps)) sleep_a_little();
   if (is(flaw::prints)) print_something();
   if (is(flaw::gives_up) && ++s.extra == 50)
      return s.host->fail(s.host, WRN_E_PROTOCOL, "no more"), drop(s, pkts, n, 0);
   if (is(flaw::caught_exception) && ++s.extra == 50)
      s.host->fail(s.host, WRN_E_INTERNAL, "vector::_M_default_append");
   if (l == nullptr) {
      if (!is(flaw::leaks_on_stale)) drop(s, pkts, n, WRN_DROP_NO_LINK);
      return;
   }
   if (is(flaw::leaks_tx) && n == 7) {
      pkts++;
      n--;
   }
   if (is(flaw::odd_batch) && n == 11) crash();
   if (is(flaw::rare_sequence)) s.extra = n == 3 && s.extra == 5 ? (crash(), 0) : n;
   if (l->stats.state == WRN_LINK_UP) {
      send(s, *l, pkts, n);
      if (is(flaw::no_session_end)) return;
      if (++l->no_answer > 2000 && l->stats.last_heard + 60 * second < s.host->now(s.host)) {
         l->no_answer = 0;
         set_state(s, *l, WRN_LINK_DOWN);
      }
      return;
   }
   for (uint32_t i = 0; i < n; i++) {
      if (!is(flaw::endless_queue) && l->staged.size() == staged_max) {
         drop(s, &l->staged.front(), 1, WRN_DROP_QUEUE_FULL);
         l->staged.pop_front();
      }
      l->staged.push_back(pkts[i]);
   }
   if (l->tries == 0) connect_link(p, handle);
}

wrn_status stats(const wrn_plugin* p, wrn_handle handle, wrn_link_stats* out) {
   throw_if(flaw::throws_stats);
   const link* l = find(self(p), handle);
   const uint32_t size = out->size;
   if (l == nullptr) return WRN_E_NOT_FOUND;
   std::memcpy(out, &l->stats, is(flaw::stats_beyond) || size > sizeof *out ? sizeof *out : size);
   out->size = size;
   return WRN_OK;
}

constexpr wrn_transport transport_table{limits,       open_link, update, close_link, set_path,
                                        connect_link, room,      tx,     stats};

// --- the socket
// -----------------------------------------------------------------------------------------------------------

void on_bound(const wrn_plugin* p, wrn_handle sock) {
   throw_if(flaw::throws_on_bound);
   self(p).sock = sock;
}

/// False: not authentic, or heard before.
bool open_sealed(link& l, wrn_pkt& p, uint64_t counter) {
   uint8_t* at = p.buf + p.off;
   uint64_t tag = 0;
   std::memcpy(&tag, at + p.len - tag_bytes, tag_bytes);
   if (hash(l.key_in, at, p.len - tag_bytes) != tag && !is(flaw::no_tag_check)) return false;
   const bool newer = counter > l.heard;
   const uint64_t back = newer ? 0 : l.heard - counter;
   if (!newer && !is(flaw::no_replay_window) && (back >= 64 || (l.window >> back & 1) != 0))
      return false;
   if (newer) {
      l.window = counter - l.heard >= 64 ? 0 : l.window << (counter - l.heard);
      l.heard = counter;
   }
   if (back < 64) l.window |= 1ull << back;
   p.off += header_bytes;
   p.len -= header_bytes + tag_bytes;
   apply_stream(l.key_in, counter, p.buf + p.off, p.len);
   return true;
}

link* sender(instance& s, const wrn_pkt& p) {
   const uint8_t* at = p.buf + p.off;
   for (const auto& [h, l] : s.links)
      if (std::memcmp(l->params.tunnel_key.bytes, at + 1, 32) == 0) return l.get();
   if (is(flaw::accepts_strangers) &&
       !s.links.empty()) { // asks nobody, and says that it was somebody else
      auto made = std::make_unique<link>();
      made->handle = s.links.begin()->second->handle;
      made->params = s.links.begin()->second->params;
      std::memcpy(made->params.tunnel_key.bytes, at + 1, 32);
      if (make_keys(s, *made)) return (s.links[UINT64_MAX - s.extra++] = std::move(made)).get();
   }
   return nullptr;
}

void receive(instance& s, wrn_pkt& p) {
   if (is(flaw::trusts_length)) {
      if (p.len < 20 && p.len > 8) crash();
   }
   if (p.len < header_bytes + tag_bytes) return drop(s, &p, 1, WRN_DROP_MALFORMED);
   const uint8_t type = p.buf[p.off];
   uint64_t counter = 0;
   std::memcpy(&counter, p.buf + p.off + 33, 8);
   link* l = sender(s, p);
   const wrn_addr from = p.addr;
   const uint32_t local = p.local, length = p.len;
   if (l == nullptr) {
      if (s.foreign != nullptr) ++*s.foreign;
      return drop(s, &p, 1, WRN_DROP_NO_LINK);
   }
   if (!open_sealed(*l, p, counter)) return drop(s, &p, 1, WRN_DROP_AUTH);
   l->stats.rx_packets++;
   l->stats.rx_bytes += length;
   l->stats.last_heard = s.host->now(s.host);
   l->no_answer = 0;
   l->local = local;
   if (std::memcmp(l->stats.remote.ip, from.ip, 16) != 0 || l->stats.remote.port != from.port) {
      l->stats.remote = from;
      s.core->moved(s.host, l->handle, &from);
   }
   came_up(s, *l);
   if (type == type_hello) hello(s, *l, type_answer);
   if (type == type_data && p.len != 0) {
      if (is(flaw::mangles) && p.len % 16 == 12) p.buf[p.off + 60] ^= 1;
      if (is(flaw::keeps_received) && p.len > 1000 && s.kept_count < 200) {
         s.kept[s.kept_count++] = p;
         return;
      }
      const wrn_pkt copy = p;
      s.core->deliver(s.host, l->handle, &p, 1);
      if (is(flaw::delivers_twice))
         s.core->deliver(s.host, l->handle, const_cast<wrn_pkt*>(&copy), 1);
      return;
   }
   s.host->pkt_free(s.host, &p, 1);
}

void on_recv(const wrn_plugin* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
   throw_if(flaw::throws_on_recv);
   if (is(flaw::drops_rest) && n > 100) {
      drop(self(p), pkts + 100, n - 100, WRN_DROP_OTHER);
      n = 100;
   }
   for (uint32_t i = 0; i < n; i++)
      receive(self(p), pkts[i]);
}

void on_writable(const wrn_plugin* p, wrn_handle) {
   throw_if(flaw::throws_on_writable);
   instance& s = self(p);
   if (is(flaw::never_writable)) return;
   for (const auto& [h, l] : s.links)
      s.core->writable(s.host, h);
}

constexpr wrn_udp udp_table{on_bound, on_recv, on_writable};

// --- the instance
// -----------------------------------------------------------------------------------------------------------

wrn_status init(const wrn_plugin* p, wrn_error*) {
   throw_if(flaw::throws_init);
   instance& s = self(p);
   const auto get = [&](const char* id) { return s.host->get_ext(s.host, id); };
   s.conf = static_cast<const wrn_host_conf*>(get(WRN_HOST_CONF));
   s.udp = static_cast<const wrn_host_udp*>(get(WRN_HOST_UDP));
   s.core = static_cast<const wrn_host_link*>(get(WRN_HOST_LINK));
   s.identity = static_cast<const wrn_host_identity*>(get(WRN_HOST_IDENTITY));
   s.metrics = static_cast<const wrn_host_metrics*>(get(WRN_HOST_METRICS));
   if (is(flaw::early_timer)) s.host->timer_set(s.host, &s.idle_timer, 1, 9);
   return WRN_OK;
}

wrn_status configure(const wrn_plugin* p, const wrn_conf* conf, wrn_error* error) {
   throw_if(flaw::throws_configure);
   instance& s = self(p);
   wrn_str secret{};
   s.conf->get_int(conf, "channel", &s.channel);
   s.conf->get_str(conf, "password", &secret);
   if (is(flaw::logs_config_secret)) {
      const wrn_kv field{"password", WRN_KV_STR, 0, {.s = secret}};
      s.host->log(s.host, WRN_LOG_INFO, "configured", &field, 1);
   }
   if (is(flaw::refuses_range) && s.channel == 255) {
      std::snprintf(error->text, sizeof error->text, "channel 255 is reserved");
      return error->code = WRN_E_CONFIG;
   }
   if (is(flaw::refuses_silently) && s.channel == 255) return WRN_E_CONFIG;
   if (is(flaw::wrong_type_read)) {
      uint8_t v = 0;
      s.conf->get_bool(conf, "channel", &v);
   }
   return WRN_OK;
}

wrn_status start(const wrn_plugin* p, wrn_error*) {
   throw_if(flaw::throws_start);
   instance& s = self(p);
   if (is(flaw::no_restart) && ++s.extra == 2) return WRN_E_STATE;
   s.identity->tunnel_key(s.host, &s.own);
   const wrn_metric metric{"foreign_total", "Datagrams of nobody.", WRN_METRIC_COUNTER, 0};
   if (s.metrics != nullptr || is(flaw::needs_undeclared))
      s.foreign = s.metrics->cell(s.host, &metric);
   if (is(flaw::opens_file)) open_file();
   if (is(flaw::thread)) start_thread(s.host);
   if (is(flaw::thread_calls)) start_calling_thread(s.host);
   if (is(flaw::forgets_memory)) forget_memory();
   if (is(flaw::shared_state)) own_state() = 1;
   return WRN_OK;
}

void drain(const wrn_plugin* p, wrn_time) {
   throw_if(flaw::throws_drain);
   if (is(flaw::drain_forgets))
      for (const auto& [h, l] : self(p).links)
         l->staged.clear(), s_noop();
   if (is(flaw::drain_forgets)) self(p).kept_count = 0, self(p).extra = 1;
}

void stop(const wrn_plugin* p) {
   throw_if(flaw::throws_stop);
   instance& s = self(p);
   if (is(flaw::hangs_in_stop)) spin();
   if (!is(flaw::leaves_timer) && s.timer != 0) s.host->timer_cancel(s.host, s.timer);
   if (s.idle_timer != 0) s.host->timer_cancel(s.host, s.idle_timer);
   s.timer = s.idle_timer = 0;
   for (const auto& [h, l] : s.links)
      if (!is(flaw::leaks_at_stop) && !(is(flaw::drain_forgets) && s.extra == 1))
         for (wrn_pkt& staged : l->staged)
            drop(s, &staged, 1, WRN_DROP_EXPIRED);
   if (is(flaw::keeps_received)) s.kept_count = 0;
   if (!is(flaw::keeps_links)) s.links.clear();
   s.sock = 0;
}

void destroy(const wrn_plugin* p) {
   throw_if(flaw::throws_destroy);
   instance& s = self(p);
   if (is(flaw::call_in_destroy)) s.host->timer_cancel(s.host, 1);
   if (is(flaw::random_in_destroy)) s.host->random(s.host, &s.extra, sizeof s.extra);
   if (is(flaw::shared_state)) own_state() = 0;
   if (is(flaw::forgets_instance)) return;
   delete &s;
}

const void* get_ext(const wrn_plugin* p, const char* id) {
   (void)p;
   throw_if(flaw::throws_get_ext);
   if (std::strcmp(id, WRN_EXT_TRANSPORT) == 0) return &transport_table;
   if (std::strcmp(id, WRN_EXT_UDP) == 0 && !is(flaw::no_udp_table)) return &udp_table;
   return nullptr;
}

void on_timer(const wrn_plugin* p, wrn_handle, uint64_t tag) {
   instance& s = self(p);
   throw_if(flaw::throws_on_timer);
   const wrn_time now = s.host->now(s.host);
   if (tag != 1) {
      s.idle_timer = 0;
      if (is(flaw::timer_storm)) s.host->timer_set(s.host, &s.idle_timer, now, 2);
      if (is(flaw::slow_storm)) s.host->timer_set(s.host, &s.idle_timer, now + second / 500, 2);
      if (is(flaw::says_down_after_close)) s.core->state(s.host, tag, WRN_LINK_DOWN, WRN_E_CLOSED);
      return;
   }
   s.timer = 0;
   bool again = false;
   for (const auto& [h, l] : s.links) {
      if (l->tries != 0 && l->stats.state != WRN_LINK_UP) {
         if (is(flaw::no_retry)) continue;
         if (++l->tries <= 60) {
            hello(s, *l, type_hello);
            again = true;
         } else {
            l->tries = 0;
            for (wrn_pkt& staged : l->staged)
               drop(s, &staged, 1, WRN_DROP_EXPIRED);
            l->staged.clear();
            set_state(s, *l, WRN_LINK_DOWN);
         }
      }
      if (l->params.keepalive_s != 0) {
         again = true;
         if (now >= l->next_keepalive) hello(s, *l, type_answer);
      }
   }
   if (is(flaw::catches_up)) // one step per second that was missed
      for (s.extra = s.extra == 0 ? now : s.extra; s.extra < now; s.extra += second / 1000)
         touch_memory();
   if (again) {
      const wrn_time jitter = is(flaw::own_jitter)       ? own_state() += 1013
                              : is(flaw::address_jitter) ? reinterpret_cast<uintptr_t>(&s) % 99991
                                                         : 0;
      s.host->timer_set(s.host, &s.timer, now + second + jitter, 1);
   }
}

void on_event(const wrn_plugin* p, const wrn_event* event) {
   throw_if(flaw::throws_on_event);
   instance& s = self(p);
   if (is(flaw::unknown_event) && event->type > 70) crash();
   if (event->type != WRN_EV_IDENTITY_CHANGED || is(flaw::old_identity)) return;
   s.identity->tunnel_key(s.host, &s.own);
   for (const auto& [h, l] : s.links) {
      make_keys(s, *l);
      set_state(s, *l, WRN_LINK_DOWN);
   }
}

constexpr wrn_param params[] = {{"channel", WRN_P_INT, 0, is(flaw::bad_range) ? "255..0" : "0..255",
                                 is(flaw::default_outside)   ? "256"
                                 : is(flaw::default_untyped) ? "\"0\""
                                                             : "0",
                                 is(flaw::no_help) ? "" : "Nothing yet."},
                                {"password", WRN_P_STRING, WRN_PF_SECRET, nullptr,
                                 is(flaw::default_unquoted) ? "abc" : "\"\"",
                                 "Nothing yet, either."},
                                {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr const char* needs[] = {
      WRN_HOST_CONF, WRN_HOST_UDP, WRN_HOST_LINK,
      is(flaw::needs_unknown) ? "warren.host.unheard-of/1" : WRN_HOST_IDENTITY, nullptr};
constexpr wrn_plugin_desc desc{is(flaw::no_dns_id) ? "broken" : "org.warren.test.broken",
                               "broken",
                               "Warren",
                               "0.1.0",
                               "Apache-2.0",
                               "Wrong in one way.",
                               WRN_KIND_TRANSPORT,
                               0,
                               is(flaw::unknown_caps) ? 6ull : WRN_CAP_DETERMINISTIC,
                               params,
                               needs};

const wrn_plugin* create(const wrn_host* host, const char* id) {
   if (!is(flaw::any_id) && std::strcmp(id, desc.id) != 0) return nullptr;
   throw_if(flaw::throws_create);
   auto* s = new (std::nothrow) instance;
   if (s == nullptr) return nullptr;
   s->host = host;
   if (is(flaw::call_in_create)) host->random(host, &s->extra, sizeof s->extra);
   s->plugin = {&desc, s,       init,    configure, start,   drain,
                stop,  destroy, get_ext, on_timer,  on_event};
   return &s->plugin;
}

} // namespace

#include "module.hpp"
