// Plain UDP: the smallest complete transport. It neither seals nor proves who sent, says so, and
// exists as an example, for tests, and as the ceiling in benchmarks. On the wire a packet is
// preceded by the first eight bytes of the sender's tunnel key, which name the link.
#include "warren/sdk.hpp"

namespace warren::plain {

namespace {

constexpr uint32_t header_bytes = 8;

struct plain final : sdk::transport<plain> {
   static constexpr sdk::info about{
         .id = "org.warren.plain",
         .name = "plain",
         .vendor = "Warren",
         .version = "0.1.0",
         .license = "Apache-2.0",
         .summary =
               "Plain UDP without any protection, for tests and as the ceiling in benchmarks."};
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT | WRN_TF_ROAMS_REMOTE,
                                                header_bytes, 0, header_bytes};

   void on_start() { own_tag_ = tag_of(warren().tunnel_key()); }
   void on_stop() { by_tag_.clear(); }
   void on_event(const wrn_event& e) {
      if (e.type == WRN_EV_IDENTITY_CHANGED) own_tag_ = tag_of(warren().tunnel_key());
   }

   wrn_status on_open(link& l) {
      if (!by_tag_.emplace(tag_of(l.params.tunnel_key), l.handle).second) return WRN_E_EXISTS;
      on_path(l);
      return WRN_OK;
   }
   void on_close(link& l) { by_tag_.erase(tag_of(l.params.tunnel_key)); }
   /// There is no handshake: a link is up as soon as it knows where to send.
   void on_path(link& l) {
      if (sdk::known(l.remote)) set_state(l, WRN_LINK_UP);
   }

   void on_send(link& l, sdk::batch packets) {
      for (wrn_pkt& p : packets)
         std::memcpy(sdk::push_front(p, header_bytes), &own_tag_, header_bytes);
      send(l, packets);
   }

   void on_datagrams(sdk::batch datagrams) {
      // Runs of one link go up together.
      for (size_t first = 0; first < datagrams.size();) {
         link* l = sender_of(datagrams[first]);
         size_t end = first + 1;
         while (end < datagrams.size() && sender_of(datagrams[end]) == l)
            end++;
         const sdk::batch run = datagrams.subspan(first, end - first);
         first = end;
         if (l == nullptr) {
            warren().drop(run, WRN_DROP_NO_LINK);
            continue;
         }
         l->local = run.back().local;
         l->stats.last_heard = warren().now();
         moved(*l, run.back().addr);
         set_state(*l, WRN_LINK_UP);
         for (wrn_pkt& p : run) {
            l->stats.rx_packets++;
            l->stats.rx_bytes += p.len;
            sdk::pop_front(p, header_bytes);
         }
         deliver(*l, run);
      }
   }

 private:
   static uint64_t tag_of(const wrn_key& key) {
      uint64_t tag = 0;
      std::memcpy(&tag, key.bytes, sizeof tag);
      return tag;
   }
   link* sender_of(const wrn_pkt& p) {
      uint64_t tag = 0;
      if (p.len <= header_bytes) return nullptr;
      std::memcpy(&tag, p.buf + p.off, sizeof tag);
      const auto it = by_tag_.find(tag);
      return it == by_tag_.end() ? nullptr : find(it->second);
   }

   uint64_t own_tag_ = 0;
   std::unordered_map<uint64_t, wrn_handle> by_tag_;
};

} // namespace

} // namespace warren::plain

WARREN_PLUGIN(warren::plain::plain)
