// What transports over datagrams and over streams share: the link table, what is told to the core
// about links, and the C table of a transport. Internal; authors derive from transport or
// stream_transport, which add what a link runs over.
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

template <class Self, class Link> class link_table : public plugin_base<Self> {
 public:
   using link = Link;
   using plugin_base<Self>::warren;
   static constexpr uint32_t kind = WRN_KIND_TRANSPORT;

   void on_close(link&) {}
   void on_path(link&) {}
   void on_update(link&) {}
   void on_connect(link&) {}

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires { Self::limits; },
            "a transport has a member 'static constexpr wrn_transport_limits limits{flags, "
            "headroom, tailroom, overhead}'");
      static_assert(
            requires(Self & s, Link & l) { s.on_open(l); },
            "a transport has 'void on_open(link&)'");
      return id == WRN_EXT_TRANSPORT ? &transport_table() : nullptr;
   }

   // From the C table; what a link runs over may do more.
   void link_closed(link& l) { static_cast<Self*>(this)->on_close(l); }
   void link_path(link& l, const wrn_addr& remote) {
      l.remote = l.stats.remote = remote;
      static_cast<Self*>(this)->on_path(l);
   }
   void link_connect(link& l) { static_cast<Self*>(this)->on_connect(l); }
   wrn_status link_opened(link& l) {
      if constexpr (std::is_same_v<decltype(std::declval<Self&>().on_open(l)), wrn_status>) {
         return static_cast<Self*>(this)->on_open(l);
      } else {
         static_cast<Self*>(this)->on_open(l);
         return WRN_OK;
      }
   }

 protected:
   /// All links by handle; addresses of links are stable.
   std::unordered_map<wrn_handle, Link>& links() { return links_; }
   Link* find(wrn_handle handle) {
      const auto it = links_.find(handle);
      return it == links_.end() ? nullptr : &it->second;
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

   /// There is room again, for whoever found none.
   void tell_writable(const link& l) { host_link()->writable(warren().raw(), l.handle); }

 private:
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
      const wrn_status status = static_cast<Self*>(this)->link_opened(it->second);
      if (status != WRN_OK) links_.erase(handle);
      return status;
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
                  s.link_closed(l);
                  s.links_.erase(h);
               });
            },
            [](const wrn_plugin* p, wrn_handle h, const wrn_addr* remote) {
               return with_link(p, h, [&](Self& s, Link& l) { s.link_path(l, *remote); });
            },
            [](const wrn_plugin* p, wrn_handle h) {
               with_link(p, h, [](Self& s, Link& l) { s.link_connect(l); });
            },
            [](const wrn_plugin* p, wrn_handle h) {
               uint32_t room = 0;
               with_link(p, h, [&](Self& s, Link& l) { room = s.link_room(l); });
               return room;
            },
            [](const wrn_plugin* p, wrn_handle h, wrn_pkt* pkts, uint32_t n) {
               if (with_link(p, h, [&](Self& s, Link& l) {
                      s.link_tx(l, {pkts, n});
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

   std::unordered_map<wrn_handle, Link> links_;
   mutable const wrn_host_link* host_link_ = nullptr;

   friend Self;
};

} // namespace warren::sdk
