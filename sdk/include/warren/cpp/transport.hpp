// A datagram transport in C++: derive, say what you are, and handle five calls. The wrapper keeps
// the link table, the socket, the statistics and the link states.
//
//    struct plain final : sdk::transport<plain> {
//       static constexpr sdk::info about{.id = "com.acme.plain", .name = "plain"};
//       static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, 8, 0, 8};
//       void on_open(link& l);                      // a peer; l.params says who
//       void on_send(link& l, sdk::batch packets);  // yours now: seal and send(l, packets), or
//       stage, or drop void on_datagrams(sdk::batch datagrams);    // yours now: open and
//       deliver(l, packets), or drop
//    };
//    WARREN_PLUGIN(plain)
//
// Optional: `sdk::transport<plain, my_link>` with `struct my_link : sdk::link { … }` for state per
// link, on_close(link&), on_path(link&), on_update(link&), on_connect(link&), configure(),
// on_start(), on_stop(), on_timer(), on_event(), on_bound().
#pragma once

#include "../ext/transport.h"
#include "plugin_base.hpp"

#include <unordered_map>

namespace warren::sdk {

/// What the wrapper keeps of a link; a transport's own `link` derives from it.
struct link {
   wrn_handle handle = 0;
   wrn_link_params params{};
   wrn_addr remote{};  // where send() sends; family 0 = not known
   uint32_t local = 0; // local token of the last datagram, echoed
   uint32_t state = 0; // WRN_LINK_*, as told to the host
   wrn_link_stats stats{};
};

template <class Self, std::derived_from<sdk::link> Link = sdk::link>
class transport : public plugin_base<Self> {
 public:
   using link = Link;
   static constexpr uint32_t kind = WRN_KIND_TRANSPORT;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_UDP, WRN_HOST_LINK,
                                           WRN_HOST_IDENTITY, nullptr};

   void on_close(link&) {}
   void on_path(link&) {}
   void on_update(link&) {}
   void on_connect(link&) {}
   void on_bound() {}

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires { Self::limits; },
            "a transport has a member 'static constexpr wrn_transport_limits limits{flags, "
            "headroom, tailroom, overhead}'");
      static_assert(
            requires(Self & s, Link & l) { s.on_open(l); },
            "a transport has 'void on_open(link&)'");
      static_assert(
            requires(Self & s, Link & l, batch b) { s.on_send(l, b); },
            "a transport has 'void on_send(link&, warren::sdk::batch)'");
      static_assert(
            requires(Self & s, batch b) { s.on_datagrams(b); },
            "a transport has 'void on_datagrams(warren::sdk::batch)'");
      if (id == WRN_EXT_TRANSPORT) return &transport_table();
      if (id == WRN_EXT_UDP) return &udp_table();
      return nullptr;
   }

   void stop_thunk() {
      static_cast<Self*>(this)->on_stop();
      links_.clear();
      sock_ = 0;
   }

 protected:
   const host& warren() const { return plugin_base<Self>::warren(); }

   /// All links by handle; addresses of links are stable.
   std::unordered_map<wrn_handle, Link>& links() { return links_; }
   Link* find(wrn_handle handle) {
      const auto it = links_.find(handle);
      return it == links_.end() ? nullptr : &it->second;
   }

   wrn_handle socket() const { return sock_; }
   uint32_t room() const { return sock_ == 0 ? 0 : udp()->room(warren().raw(), sock_); }

   /// Sends datagrams to the link's remote address and counts them. Takes the packets.
   void send(link& l, batch packets) {
      if (!known(l.remote) || sock_ == 0)
         return warren().drop(packets, WRN_DROP_NO_LINK, l.params.peer);
      for (wrn_pkt& p : packets) {
         p.addr = l.remote;
         p.local = l.local;
         l.stats.tx_bytes += p.len;
      }
      l.stats.tx_packets += packets.size();
      udp()->send(warren().raw(), sock_, packets.data(), static_cast<uint32_t>(packets.size()));
   }
   /// Sends datagrams whose addr and local are set. Takes the packets; counts nothing.
   void send_raw(batch packets) {
      if (sock_ == 0) return warren().drop(packets, WRN_DROP_NO_LINK);
      udp()->send(warren().raw(), sock_, packets.data(), static_cast<uint32_t>(packets.size()));
   }
   /// Hands inner packets of the peer to the core. Takes the packets.
   void deliver(link& l, batch packets) {
      if (!packets.empty())
         host_link()->deliver(warren().raw(), l.handle, packets.data(),
                              static_cast<uint32_t>(packets.size()));
   }
   /// Tells the core about the link, once per change.
   void set_state(link& l, uint32_t state, wrn_status why = WRN_OK) {
      if (l.state == state) return;
      l.state = l.stats.state = state;
      host_link()->state(warren().raw(), l.handle, state, why);
   }
   /// The peer proved that it is at `remote` now.
   void moved(link& l, const wrn_addr& remote) {
      if (same(l.remote, remote)) return;
      l.remote = l.stats.remote = remote;
      host_link()->moved(warren().raw(), l.handle, &remote);
   }
   /// Somebody proved `tunnel_key` and has no link yet; null for a stranger.
   Link* incoming(const wrn_key& tunnel_key, const wrn_addr& from) {
      wrn_handle handle = 0;
      wrn_link_params params{};
      if (host_link()->incoming(warren().raw(), &tunnel_key, &from, &handle, &params) != WRN_OK)
         return nullptr;
      if (open(handle, params) != WRN_OK) return nullptr;
      return find(handle);
   }

 private:
   const wrn_host_udp* udp() const {
      if (udp_ == nullptr) udp_ = warren().template get<wrn_host_udp>(WRN_HOST_UDP);
      return udp_;
   }
   const wrn_host_link* host_link() const {
      if (host_link_ == nullptr) host_link_ = warren().template get<wrn_host_link>(WRN_HOST_LINK);
      return host_link_;
   }

   wrn_status open(wrn_handle handle, const wrn_link_params& params) {
      auto [it, fresh] = links_.try_emplace(handle);
      if (!fresh) return WRN_E_EXISTS;
      it->second.handle = handle;
      it->second.params = params;
      it->second.remote = it->second.stats.remote = params.remote;
      if constexpr (std::is_same_v<decltype(std::declval<Self&>().on_open(it->second)),
                                   wrn_status>) {
         const wrn_status status = static_cast<Self*>(this)->on_open(it->second);
         if (status != WRN_OK) links_.erase(handle);
         return status;
      } else {
         static_cast<Self*>(this)->on_open(it->second);
         return WRN_OK;
      }
   }

   /// Runs fn on the link, or says that there is none.
   template <class Fn>
   static wrn_status with_link(const wrn_plugin* p, wrn_handle handle, Fn&& fn) noexcept {
      return plugin_base<Self>::guarded(p, [&](Self& s) -> wrn_status {
         Link* l = s.find(handle);
         if (l == nullptr) return WRN_E_NOT_FOUND;
         fn(s, *l);
         return WRN_OK;
      });
   }

   static const wrn_transport& transport_table() {
      using base = plugin_base<Self>;
      static const wrn_transport table{
            [](const wrn_plugin*, wrn_transport_limits* out) { *out = Self::limits; },
            [](const wrn_plugin* p, wrn_handle h, const wrn_link_params* q) {
               return base::guarded(p, [&](Self& s) { return s.open(h, *q); });
            },
            [](const wrn_plugin* p, wrn_handle h, const wrn_link_params* q) {
               return with_link(p, h, [&](Self& s, Link& l) {
                  const wrn_addr remote = l.params.remote;
                  l.params = *q;
                  l.params.remote = remote;
                  s.on_update(l);
               });
            },
            [](const wrn_plugin* p, wrn_handle h) {
               with_link(p, h, [&](Self& s, Link& l) {
                  s.on_close(l);
                  s.links_.erase(h);
               });
            },
            [](const wrn_plugin* p, wrn_handle h, const wrn_addr* remote) {
               return with_link(p, h, [&](Self& s, Link& l) {
                  l.remote = l.stats.remote = *remote;
                  s.on_path(l);
               });
            },
            [](const wrn_plugin* p, wrn_handle h) {
               with_link(p, h, [](Self& s, Link& l) { s.on_connect(l); });
            },
            [](const wrn_plugin* p, wrn_handle) {
               return base::guarded(p, [](Self& s) { return s.room(); });
            },
            [](const wrn_plugin* p, wrn_handle h, wrn_pkt* pkts, uint32_t n) {
               if (with_link(p, h, [&](Self& s, Link& l) {
                      s.on_send(l, {pkts, n});
                   }) == WRN_E_NOT_FOUND)
                  base::of(p).warren().drop({pkts, n}, WRN_DROP_NO_LINK);
            },
            [](const wrn_plugin* p, wrn_handle h, wrn_link_stats* out) {
               if (out->size < sizeof(wrn_link_stats))
                  return static_cast<wrn_status>(WRN_E_INVALID);
               return with_link(p, h, [&](Self& s, Link& l) {
                  if constexpr (requires { s.fill_stats(l); }) s.fill_stats(l);
                  const uint32_t size = out->size;
                  *out = l.stats;
                  out->size = size;
               });
            }};
      return table;
   }

   static const wrn_udp& udp_table() {
      using base = plugin_base<Self>;
      static const wrn_udp table{[](const wrn_plugin* p, wrn_handle sock) {
                                    base::guarded(p, [&](Self& s) {
                                       s.sock_ = sock;
                                       s.on_bound();
                                    });
                                 },
                                 [](const wrn_plugin* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
                                    base::guarded(p, [&](Self& s) { s.on_datagrams({pkts, n}); });
                                 },
                                 [](const wrn_plugin* p, wrn_handle) {
                                    base::guarded(p, [](Self& s) {
                                       std::vector<wrn_handle> all; // a callback may close links
                                       for (const auto& entry : s.links_)
                                          all.push_back(entry.first);
                                       for (const wrn_handle h : all)
                                          s.host_link()->writable(s.warren().raw(), h);
                                    });
                                 }};
      return table;
   }

   std::unordered_map<wrn_handle, Link> links_;
   wrn_handle sock_ = 0;
   mutable const wrn_host_udp* udp_ = nullptr;
   mutable const wrn_host_link* host_link_ = nullptr;

   friend Self;
};

} // namespace warren::sdk
