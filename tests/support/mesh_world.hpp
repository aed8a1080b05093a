// Whole meshes in a test: nodes with real plugins over the fake network, under virtual time.
//
// One mesh_world owns the network, its nodes and their instances, and checks at its end that no
// packet, timer or socket is left.
#pragma once

#include "core/mesh/network.hpp"
#include "tests/support/fake_shard.hpp"

#include <memory>
#include <string>
#include <vector>

namespace warren::support {

/// An IPv4 UDP packet with `payload_bytes` of payload that begins with `mark`.
std::vector<uint8_t> make_udp4(std::string_view from, std::string_view to, uint32_t mark,
                               size_t payload_bytes = 32);
std::vector<uint8_t> make_udp6(std::string_view from, std::string_view to, uint32_t mark,
                               size_t payload_bytes = 32);

class mesh_world;

/// A node with one network "mesh". Its outer address is 192.0.2.<n>, its inner ones 10.0.0.<n>/24
/// and fd00::<n>/64; numbers above 255 go on in the byte before.
class mesh_node {
 public:
   mesh_node(mesh_world& world, unsigned number);
   ~mesh_node();

   /// Applies `settings` (edit them first). Plugins are made anew for uses that are not running.
   base::result<void> apply();
   void stop();
   /// A [[peer]] for that node: by node id, or by tunnel key as a stock peer.
   config::peer as_peer(bool by_id = false, bool with_endpoint = true) const;
   void add(const mesh_node& other, bool by_id = false, bool with_endpoint = true) {
      settings.peers.push_back(other.as_peer(by_id, with_endpoint));
   }
   void new_tunnel_key();

   fake_tun& tun() { return *shard.tun(); }
   std::string address() const { return "10.0." + last_bytes(0); }
   std::string outer_address() const { return "192.0." + last_bytes(2); }
   std::string address6() const { return "fd00::" + std::to_string(number); }
   /// Sends a marked packet to `to`; it shall arrive there as `mark`.
   void send(const mesh_node& to, uint32_t mark, size_t payload_bytes = 32);
   void send6(const mesh_node& to, uint32_t mark, size_t payload_bytes = 32);
   /// How many packets with the mark came out of the TUN device.
   size_t received(uint32_t mark) const;
   mesh::peer_status peer(const mesh_node& other) const;
   uint64_t drops(std::string_view reason) const;
   bool saw(std::string_view event) const;

   mesh_world& world;
   unsigned number;
   fake_shard& shard;
   std::shared_ptr<trust::identity> identity;
   config::network settings;
   std::shared_ptr<const trust::table> members; // of a network with certificates
   std::vector<mesh::event> events;
   std::unique_ptr<mesh::network> network;

 private:
   std::string last_bytes(unsigned first) const {
      return std::to_string(first + number / 256) + "." + std::to_string(number % 256);
   }
   config::network applied_;
   std::vector<std::unique_ptr<plugin::instance>> retired_;
};

class mesh_world {
 public:
   explicit mesh_world(uint64_t seed, std::string transport = "wireguard");
   ~mesh_world();
   mesh_node& add_node();
   /// Everybody knows everybody, by tunnel key or by id.
   void connect_all(bool by_id = false);
   void run_ms(uint64_t ms) { net.run_for(ms * 1'000'000); }
   bool until(const std::function<bool()>& pred, uint64_t seconds) {
      return net.run_until(pred, seconds * 1'000'000'000);
   }

   fake_network net;
   plugin::registry plugins;
   std::string transport;
   std::vector<std::unique_ptr<mesh_node>> nodes;
};

} // namespace warren::support
