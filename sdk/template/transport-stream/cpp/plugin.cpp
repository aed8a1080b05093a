// my-plugin: a transport over TCP, for networks that let nothing else pass. It protects nothing
// yet, which WRN_TF_PLAINTEXT says: an operator has to write allow_plaintext = true. Prove the
// other side's key before claim(), seal in on_send(), open in message(), and then take the flag
// away. TCP inside TCP repeats every loss twice: expect less throughput than over UDP.
#include <warren/sdk.hpp>

#include <algorithm>
#include <array>

namespace {

namespace sdk = warren::sdk;
using bytes = std::span<const uint8_t>;

// On the wire: | length (2, big endian) | message |. The first message of each side is a hello,
// | 'W' 'S' (2) | channel (1) | tunnel key (32) |; all that follow are packets, an empty one is a
// keepalive.
constexpr uint32_t header_bytes = sdk::message_reader::header_bytes;
constexpr uint32_t message_bytes_max = 16384;
constexpr uint32_t hello_bytes = 35;

struct my_plugin_connection : sdk::connection {
   sdk::message_reader reader{message_bytes_max};
};

class my_plugin_transport final
    : public sdk::stream_transport<my_plugin_transport, sdk::stream_link, my_plugin_connection> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "Carries packets over TCP without protection."};
   static constexpr wrn_param options[] = {sdk::option::integer(
         "channel", "0..255", "0", "Connections of other channels are closed.")};
   static constexpr wrn_metric metrics[] = {
         sdk::metric::counter("foreign_total", "Connections that were not ours.")};
   // Flags, headroom, tailroom, overhead on the wire.
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, header_bytes, 0, header_bytes};

   void configure(const sdk::config& c) { channel_ = static_cast<uint8_t>(c.integer("channel")); }
   void on_start() { foreign_ = warren().make_counter("foreign_total"); }

   // Dialled or accepted: say who we are.
   void on_connected(connection& c) {
      std::array<uint8_t, header_bytes + hello_bytes> hello{0, hello_bytes, 'W', 'S', channel_};
      const wrn_key own = warren().tunnel_key();
      std::copy(std::begin(own.bytes), std::end(own.bytes), &hello[5]);
      write(c, hello);
   }

   void on_bytes(connection& c, bytes data) {
      const auto next = [&](bytes m) { return message(c, m); };
      if (!c.reader.feed(data, next)) close(c, WRN_E_PROTOCOL);
   }

   // Yours now, and never more than there is room for.
   void on_send(connection& c, sdk::batch packets) {
      for (wrn_pkt& p : packets) {
         const uint32_t length = p.len;
         sdk::message_reader::put_length(sdk::push_front(p, header_bytes), length);
      }
      write_packets(c, packets);
   }

   // Nothing was said for as long as the operator allows: keep routers on the way awake.
   void on_keepalive(connection& c) {
      const uint8_t empty[header_bytes]{};
      write(c, empty);
   }

 private:
   /// False ends the reading: the connection is closed.
   bool message(connection& c, bytes m) {
      if (c.claimed) {
         if (!m.empty()) receive(c, m);
         return true;
      }
      if (m.size() != hello_bytes || m[0] != 'W' || m[1] != 'S' || m[2] != channel_) {
         foreign_.add();
         close(c, WRN_E_PROTOCOL);
         return false;
      }
      wrn_key key{};
      std::copy(m.begin() + 3, m.end(), key.bytes);
      return claim(c, key) != nullptr; // closes what is a stranger's
   }

   uint8_t channel_ = 0;
   sdk::counter foreign_;
};

} // namespace

WARREN_PLUGIN(my_plugin_transport)
