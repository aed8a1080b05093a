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

#include "link_table.hpp"

namespace warren::sdk {

template <class Self, std::derived_from<sdk::link> Link = sdk::link>
class transport : public link_table<Self, Link> {
   using base = link_table<Self, Link>;

 public:
   using link = Link;
   using base::warren;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_UDP, WRN_HOST_LINK,
                                           WRN_HOST_IDENTITY, nullptr};

   void on_bound() {}

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires(Self & s, Link & l, batch b) { s.on_send(l, b); },
            "a transport has 'void on_send(link&, warren::sdk::batch)'");
      static_assert(
            requires(Self & s, batch b) { s.on_datagrams(b); },
            "a transport has 'void on_datagrams(warren::sdk::batch)'");
      return id == WRN_EXT_UDP ? &udp_table() : base::find_ext(id);
   }

   void stop_thunk() {
      static_cast<Self*>(this)->on_stop();
      links().clear();
      sock_ = 0;
   }
   uint32_t link_room(link&) { return room(); }
   void link_tx(link& l, batch packets) { static_cast<Self*>(this)->on_send(l, packets); }

 protected:
   using base::links;

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

 private:
   const wrn_host_udp* udp() const {
      if (udp_ == nullptr) udp_ = warren().template get<wrn_host_udp>(WRN_HOST_UDP);
      return udp_;
   }

   static const wrn_udp& udp_table() {
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
                                       for (const auto& entry : s.links())
                                          all.push_back(entry.first);
                                       for (const wrn_handle h : all)
                                          if (const Link* l = s.find(h)) s.tell_writable(*l);
                                    });
                                 }};
      return table;
   }

   wrn_handle sock_ = 0;
   mutable const wrn_host_udp* udp_ = nullptr;

   friend Self;
};

} // namespace warren::sdk
