// Plain UDP: the smallest complete transport. It neither seals nor proves who sent, says so, and exists as an example, for tests, and as
// the ceiling in benchmarks. On the wire a packet is preceded by the first eight bytes of the sender's tunnel key, which name the link.
#include "warren/ext/transport.h"
#include "warren/host/identity.h"
#include "warren/host/udp.h"

#include <cstring>
#include <string_view>
#include <unordered_map>

namespace warren::plain {

namespace {

constexpr uint32_t header_bytes = 8;
constexpr const char* needs[] = {WRN_HOST_UDP, WRN_HOST_LINK, WRN_HOST_IDENTITY, nullptr};
constexpr wrn_plugin_desc description{"org.warren.plain", "plain", "Warren", "0.1.0", "Apache-2.0",
                                      "Plain UDP without any protection, for tests and as the ceiling in benchmarks.",
                                      WRN_KIND_TRANSPORT, 0, WRN_CAP_DETERMINISTIC, nullptr, needs};

struct link {
   wrn_handle handle = 0;
   uint64_t tag = 0; // what the peer's packets begin with
   wrn_addr remote{};
   uint32_t local = 0;
   wrn_link_stats stats{};
};

struct transport {
   wrn_plugin plugin{};
   const wrn_host* host = nullptr;
   const wrn_host_udp* udp = nullptr;
   const wrn_host_link* links = nullptr;
   wrn_handle sock = 0;
   uint64_t own_tag = 0;
   std::unordered_map<wrn_handle, link> by_handle;
   std::unordered_map<uint64_t, wrn_handle> by_tag;

   void take_identity() {
      const auto* identity = static_cast<const wrn_host_identity*>(host->get_ext(host, WRN_HOST_IDENTITY));
      wrn_key key{};
      identity->tunnel_key(host, &key);
      std::memcpy(&own_tag, key.bytes, sizeof own_tag);
   }
   link* find(wrn_handle handle) {
      const auto it = by_handle.find(handle);
      return it == by_handle.end() ? nullptr : &it->second;
   }
   void set_remote(link& l, const wrn_addr& remote) {
      l.remote = l.stats.remote = remote;
      l.stats.state = remote.family != WRN_AF_NONE ? WRN_LINK_UP : WRN_LINK_DOWN;
      links->state(host, l.handle, l.stats.state, WRN_OK);
   }
};

transport& self(const wrn_plugin* plugin) { return *static_cast<transport*>(plugin->data); }

wrn_status open(const wrn_plugin* plugin, wrn_handle handle, const wrn_link_params* params) {
   transport& t = self(plugin);
   uint64_t tag = 0;
   std::memcpy(&tag, params->tunnel_key.bytes, sizeof tag);
   if (!t.by_tag.emplace(tag, handle).second) return WRN_E_EXISTS;
   link& l = t.by_handle[handle];
   l.handle = handle;
   l.tag = tag;
   if (params->remote.family != WRN_AF_NONE) t.set_remote(l, params->remote);
   return WRN_OK;
}

void close(const wrn_plugin* plugin, wrn_handle handle) {
   transport& t = self(plugin);
   if (link* l = t.find(handle)) t.by_tag.erase(l->tag);
   t.by_handle.erase(handle);
}

void tx(const wrn_plugin* plugin, wrn_handle handle, wrn_pkt* pkts, uint32_t n) {
   transport& t = self(plugin);
   link* l = t.find(handle);
   if (l == nullptr || l->remote.family == WRN_AF_NONE) return t.host->pkt_drop(t.host, 0, pkts, n, WRN_DROP_NO_LINK);
   for (uint32_t i = 0; i < n; i++) {
      pkts[i].off -= header_bytes;
      pkts[i].len += header_bytes;
      std::memcpy(pkts[i].buf + pkts[i].off, &t.own_tag, header_bytes);
      pkts[i].addr = l->remote;
      pkts[i].local = l->local;
      l->stats.tx_bytes += pkts[i].len;
   }
   l->stats.tx_packets += n;
   t.udp->send(t.host, t.sock, pkts, n);
}

void on_recv(const wrn_plugin* plugin, wrn_handle, wrn_pkt* pkts, uint32_t n) {
   transport& t = self(plugin);
   link* run_link = nullptr;
   uint32_t run = 0;
   uint32_t kept = 0;
   const auto flush = [&] {
      if (kept > 0) t.links->deliver(t.host, run_link->handle, pkts + run, kept);
      kept = 0;
   };
   for (uint32_t i = 0; i < n; i++) {
      uint64_t tag = 0;
      if (pkts[i].len > header_bytes) std::memcpy(&tag, pkts[i].buf + pkts[i].off, sizeof tag);
      const auto it = t.by_tag.find(tag);
      if (pkts[i].len <= header_bytes || it == t.by_tag.end()) {
         t.host->pkt_drop(t.host, 0, &pkts[i], 1, WRN_DROP_NO_LINK);
         continue;
      }
      link& l = t.by_handle[it->second];
      l.local = pkts[i].local;
      l.stats.rx_packets++;
      l.stats.rx_bytes += pkts[i].len;
      l.stats.last_heard = t.host->now(t.host);
      if (std::memcmp(&l.remote, &pkts[i].addr, sizeof l.remote) != 0) {
         const bool was_known = l.remote.family != WRN_AF_NONE;
         t.links->moved(t.host, l.handle, &pkts[i].addr);
         l.remote = l.stats.remote = pkts[i].addr;
         if (!was_known) t.set_remote(l, pkts[i].addr);
      }
      pkts[i].off += header_bytes;
      pkts[i].len -= header_bytes;
      if (kept == 0 || &l != run_link) {
         flush();
         run = i;
         run_link = &l;
      }
      pkts[run + kept++] = pkts[i];
   }
   flush();
}

constexpr wrn_udp udp_table{[](const wrn_plugin* p, wrn_handle sock) { self(p).sock = sock; }, on_recv,
                            [](const wrn_plugin* p, wrn_handle) {
                               for (const auto& [handle, l] : self(p).by_handle) self(p).links->writable(self(p).host, handle);
                            }};

constexpr wrn_transport transport_table{
      [](const wrn_plugin*, wrn_transport_limits* out) {
         *out = {WRN_TF_PLAINTEXT | WRN_TF_ROAMS_REMOTE, header_bytes, 0, header_bytes};
      },
      open,
      [](const wrn_plugin* p, wrn_handle l, const wrn_link_params*) -> wrn_status {
         return self(p).find(l) != nullptr ? WRN_OK : WRN_E_NOT_FOUND;
      },
      close,
      [](const wrn_plugin* p, wrn_handle handle, const wrn_addr* remote) -> wrn_status {
         link* l = self(p).find(handle);
         if (l == nullptr) return WRN_E_NOT_FOUND;
         self(p).set_remote(*l, *remote);
         return WRN_OK;
      },
      [](const wrn_plugin*, wrn_handle) {},
      [](const wrn_plugin* p, wrn_handle) { return self(p).sock != 0 ? self(p).udp->room(self(p).host, self(p).sock) : 0u; },
      tx,
      [](const wrn_plugin* p, wrn_handle handle, wrn_link_stats* out) -> wrn_status {
         const link* l = self(p).find(handle);
         if (l == nullptr) return WRN_E_NOT_FOUND;
         const uint32_t size = out->size;
         *out = l->stats;
         out->size = size;
         return WRN_OK;
      }};

const void* get_ext(const wrn_plugin*, const char* id) {
   if (std::string_view(id) == WRN_EXT_TRANSPORT) return &transport_table;
   if (std::string_view(id) == WRN_EXT_UDP) return &udp_table;
   return nullptr;
}

const wrn_plugin* create(const wrn_host* host, const char* id) {
   if (std::string_view(id) != description.id) return nullptr;
   auto* t = new (std::nothrow) transport;
   if (t == nullptr) return nullptr;
   t->host = host;
   t->udp = static_cast<const wrn_host_udp*>(host->get_ext(host, WRN_HOST_UDP));
   t->links = static_cast<const wrn_host_link*>(host->get_ext(host, WRN_HOST_LINK));
   t->plugin = {&description, t,
                [](const wrn_plugin*, wrn_error*) -> wrn_status { return WRN_OK; },
                [](const wrn_plugin*, const wrn_conf*, wrn_error*) -> wrn_status { return WRN_OK; },
                [](const wrn_plugin* p, wrn_error*) -> wrn_status {
                   self(p).take_identity();
                   return WRN_OK;
                },
                [](const wrn_plugin*, wrn_time) {},
                [](const wrn_plugin* p) {
                   self(p).by_handle.clear();
                   self(p).by_tag.clear();
                   self(p).sock = 0;
                },
                [](const wrn_plugin* p) { delete &self(p); },
                get_ext,
                [](const wrn_plugin*, wrn_handle, uint64_t) {},
                [](const wrn_plugin* p, const wrn_event* e) {
                   if (e->type == WRN_EV_IDENTITY_CHANGED) self(p).take_identity();
                }};
   return &t->plugin;
}

constexpr wrn_factory factory{[]() -> uint32_t { return 1; }, [](uint32_t i) { return i == 0 ? &description : nullptr; }, create};

} // namespace

} // namespace warren::plain

extern "C" {
WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0{
      WRN_ABI_MAJOR, WRN_ABI_MINOR, [](const char*) -> wrn_status { return WRN_OK; }, [] {},
      [](const char* id) -> const void* { return std::string_view(id) == WRN_FACTORY ? &warren::plain::factory : nullptr; }};
}
