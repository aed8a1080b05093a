// my-plugin: a transport. It carries packets over UDP and protects nothing yet, which
// WRN_TF_PLAINTEXT says: an operator has to write allow_plaintext = true. Seal in on_send(), open
// in on_datagrams(), prove the sender's key there, and then take the flag away.
#include <warren/sdk.hpp>

#include <cstring>
#include <unordered_map>

namespace {

namespace sdk = warren::sdk;

// On the wire: | channel (1) | first bytes of the sender's tunnel key (8) | packet |
constexpr uint32_t header_bytes = 9;

class my_plugin_transport final : public sdk::transport<my_plugin_transport> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "Carries packets over UDP without protection."};
   static constexpr wrn_param options[] = {sdk::option::integer(
         "channel", "0..255", "0", "Datagrams of other channels are dropped.")};
   static constexpr wrn_metric metrics[] = {
         sdk::metric::counter("foreign_total", "Datagrams of other channels.")};
   // Flags, headroom, tailroom, overhead on the wire.
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT | WRN_TF_ROAMS_REMOTE,
                                                header_bytes, 0, header_bytes};

   void configure(const sdk::config& c) { channel_ = static_cast<uint8_t>(c.integer("channel")); }
   void on_start() {
      own_tag_ = tag_of(warren().tunnel_key());
      foreign_ = warren().make_counter("foreign_total");
   }
   void on_stop() { by_tag_.clear(); }
   void on_event(const wrn_event& e) {
      if (e.type == WRN_EV_IDENTITY_CHANGED) own_tag_ = tag_of(warren().tunnel_key());
   }

   // A peer; l.params says who. There is no handshake: a link is up as soon as it knows where to
   // send.
   wrn_status on_open(link& l) {
      if (!by_tag_.emplace(tag_of(l.params.tunnel_key), l.handle).second) return WRN_E_EXISTS;
      on_path(l);
      return WRN_OK;
   }
   void on_close(link& l) { by_tag_.erase(tag_of(l.params.tunnel_key)); }
   void on_path(link& l) {
      if (sdk::known(l.remote)) set_state(l, WRN_LINK_UP);
   }

   // Yours now: send them, keep them, or drop them with a reason.
   void on_send(link& l, sdk::batch packets) {
      for (wrn_pkt& p : packets) {
         uint8_t* header = sdk::push_front(p, header_bytes);
         header[0] = channel_;
         std::memcpy(header + 1, &own_tag_, sizeof own_tag_);
      }
      send(l, packets);
   }

   void on_datagrams(sdk::batch datagrams) {
      for (wrn_pkt& p : datagrams)
         receive(p);
   }

 private:
   static uint64_t tag_of(const wrn_key& key) {
      uint64_t tag = 0;
      std::memcpy(&tag, key.bytes, sizeof tag);
      return tag;
   }

   void receive(wrn_pkt& p) {
      if (p.len <= header_bytes) return warren().drop({&p, 1}, WRN_DROP_MALFORMED);
      const uint8_t* header = sdk::data(p).data();
      if (header[0] != channel_) {
         foreign_.add();
         return warren().drop({&p, 1}, WRN_DROP_NO_LINK);
      }
      uint64_t tag = 0;
      std::memcpy(&tag, header + 1, sizeof tag);
      const auto it = by_tag_.find(tag);
      link* l = it == by_tag_.end() ? nullptr : find(it->second);
      if (l == nullptr) return warren().drop({&p, 1}, WRN_DROP_NO_LINK);
      l->local = p.local;
      l->stats.last_heard = warren().now();
      l->stats.rx_packets++;
      l->stats.rx_bytes += p.len;
      moved(*l, p.addr);
      set_state(*l, WRN_LINK_UP);
      sdk::pop_front(p, header_bytes);
      deliver(*l, {&p, 1});
   }

   uint8_t channel_ = 0;
   uint64_t own_tag_ = 0;
   sdk::counter foreign_;
   std::unordered_map<uint64_t, wrn_handle> by_tag_;
};

} // namespace

WARREN_PLUGIN(my_plugin_transport)
