#include "tests/support/mesh_world.hpp"

#include "core/base/address.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace warren::support {

namespace {

constexpr size_t ip4_bytes = 20, ip6_bytes = 40, udp_bytes = 8;

void put_payload(uint8_t* udp, size_t payload_bytes, uint32_t mark) {
   const size_t total = udp_bytes + payload_bytes;
   udp[0] = udp[2] = 0x20;
   udp[4] = static_cast<uint8_t>(total >> 8);
   udp[5] = static_cast<uint8_t>(total);
   std::memcpy(udp + udp_bytes, &mark, sizeof mark);
}

} // namespace

std::vector<uint8_t> make_udp4(std::string_view from, std::string_view to, uint32_t mark,
                               size_t payload_bytes) {
   std::vector<uint8_t> p(ip4_bytes + udp_bytes + payload_bytes);
   p[0] = 0x45;
   p[2] = static_cast<uint8_t>(p.size() >> 8);
   p[3] = static_cast<uint8_t>(p.size());
   p[8] = 64;
   p[9] = 17;
   std::memcpy(&p[12], base::parse_address(from)->ip, 4);
   std::memcpy(&p[16], base::parse_address(to)->ip, 4);
   put_payload(&p[ip4_bytes], payload_bytes, mark);
   return p;
}

std::vector<uint8_t> make_udp6(std::string_view from, std::string_view to, uint32_t mark,
                               size_t payload_bytes) {
   std::vector<uint8_t> p(ip6_bytes + udp_bytes + payload_bytes);
   p[0] = 0x60;
   p[4] = static_cast<uint8_t>((udp_bytes + payload_bytes) >> 8);
   p[5] = static_cast<uint8_t>(udp_bytes + payload_bytes);
   p[6] = 17;
   p[7] = 64;
   std::memcpy(&p[8], base::parse_address(from)->ip, 16);
   std::memcpy(&p[24], base::parse_address(to)->ip, 16);
   put_payload(&p[ip6_bytes], payload_bytes, mark);
   return p;
}

mesh_node::mesh_node(mesh_world& w, unsigned n)
    : world(w), number(n), shard(w.net.add_node({outer_address()})) {
   const auto random = [this](void* buf, size_t len) { shard.random(buf, len); };
   identity = std::make_shared<trust::identity>(
         trust::identity{crypto::make_signing_key(random), crypto::make_tunnel_key(random), 1});
   settings.name = "mesh";
   settings.interface = "mesh" + std::to_string(n);
   settings.node_name = "node" + std::to_string(n);
   settings.allow_plaintext = true;
   settings.addresses = {*base::parse_prefix(address() + "/24", true),
                         *base::parse_prefix(address6() + "/64", true)};
   config::plugin_use transport;
   transport.kind = WRN_KIND_TRANSPORT;
   transport.plugin = w.transport;
   transport.listen = *base::parse_endpoint("[::]:51820");
   if (w.transport == "wireguard")
      transport.values.entries["aead"] = {std::string("libsodium"), {}};
   settings.transports = {transport};
   config::plugin_use discovery;
   discovery.plugin = "static";
   discovery.kind = WRN_KIND_DISCOVERY;
   settings.plugins = {discovery};
   network = std::make_unique<mesh::network>(
         shard, "mesh", [this](mesh::event e) { events.push_back(std::move(e)); });
}

mesh_node::~mesh_node() { stop(); }

base::result<void> mesh_node::apply() {
   mesh::plan plan;
   plan.settings = settings;
   plan.identity = identity;
   plan.members = members;
   const auto make =
         [&](const std::vector<config::plugin_use>& wanted,
             const std::vector<config::plugin_use>& running,
             std::vector<std::unique_ptr<plugin::instance>>& out) -> base::result<void> {
      for (const config::plugin_use& use : wanted) {
         out.push_back(nullptr);
         if (std::find(running.begin(), running.end(), use) != running.end()) continue;
         auto found = world.plugins.find(use.kind, use.plugin);
         if (!found) return found.error();
         auto made = plugin::instance::create(*found, use, "mesh", shard, *identity);
         if (!made) return made.error();
         out.back() = std::move(*made);
      }
      return {};
   };
   if (auto ok = make(settings.transports, applied_.transports, plan.transports); !ok) return ok;
   if (auto ok = make(settings.plugins, applied_.plugins, plan.plugins); !ok) return ok;
   const auto done = network->apply(std::move(plan), retired_);
   retired_.clear();
   if (done) applied_ = settings;
   return done;
}

void mesh_node::stop() {
   network->stop(retired_);
   retired_.clear();
   applied_ = {};
}

config::peer mesh_node::as_peer(bool by_id, bool with_endpoint) const {
   config::peer p;
   p.name = settings.node_name;
   if (by_id)
      p.id = identity->signing.id;
   else
      p.tunnel_key = identity->tunnel.public_key;
   p.addresses = {*base::parse_prefix(address()), *base::parse_prefix(address6())};
   if (with_endpoint) p.endpoints = {world.transport + "://" + outer_address() + ":51820"};
   return p;
}

void mesh_node::new_tunnel_key() {
   auto next = std::make_shared<trust::identity>();
   next->signing = crypto::signing_key_from_seed(identity->signing.seed.bytes());
   next->tunnel =
         crypto::make_tunnel_key([this](void* buf, size_t len) { shard.random(buf, len); });
   next->tunnel_since_ms = identity->tunnel_since_ms + 1;
   identity = next;
}

void mesh_node::send(const mesh_node& to, uint32_t mark, size_t payload_bytes) {
   tun().inject(make_udp4(address(), to.address(), mark, payload_bytes));
}
void mesh_node::send6(const mesh_node& to, uint32_t mark, size_t payload_bytes) {
   tun().inject(make_udp6(address6(), to.address6(), mark, payload_bytes));
}

size_t mesh_node::received(uint32_t mark) const {
   size_t count = 0;
   for (const auto& p : shard.tun()->written) {
      const size_t at = (p[0] >> 4 == 4 ? ip4_bytes : ip6_bytes) + udp_bytes;
      uint32_t found = 0;
      if (p.size() < at + sizeof found || (p[0] >> 4 == 4 ? p[9] : p[6]) != 17) continue;
      std::memcpy(&found, &p[at], sizeof found);
      count += found == mark ? 1 : 0;
   }
   return count;
}

mesh::peer_status mesh_node::peer(const mesh_node& other) const {
   for (const auto& p : network->status().peers)
      if (p.name == other.settings.node_name) return p;
   ADD_FAILURE() << "no peer " << other.settings.node_name;
   return {};
}

uint64_t mesh_node::drops(std::string_view reason) const {
   for (const auto& [name, count] : network->status().drops)
      if (name == reason) return count;
   return 0;
}

bool mesh_node::saw(std::string_view event) const {
   return std::any_of(events.begin(), events.end(),
                      [&](const mesh::event& e) { return e.name == event; });
}

mesh_world::mesh_world(uint64_t seed, std::string t) : net(seed), transport(std::move(t)) {
   EXPECT_TRUE(crypto::init());
   plugins.scan({WARREN_TEST_PLUGIN_DIR});
   EXPECT_TRUE(plugins.refused().empty()) << plugins.refused().front().second;
}

mesh_world::~mesh_world() {
   std::vector<fake_shard*> shards;
   for (auto& n : nodes) {
      n->stop();
      shards.push_back(&n->shard);
   }
   nodes.clear();
   for (const fake_shard* s : shards) {
      EXPECT_TRUE(s->balanced()) << "a packet is still owned by somebody";
      EXPECT_EQ(s->timers(), 0u);
      EXPECT_EQ(s->sockets(), 0u);
   }
}

mesh_node& mesh_world::add_node() {
   nodes.push_back(std::make_unique<mesh_node>(*this, static_cast<unsigned>(nodes.size()) + 1));
   return *nodes.back();
}

void mesh_world::connect_all(bool by_id) {
   for (auto& a : nodes)
      for (auto& b : nodes)
         if (a != b) a->add(*b, by_id);
   for (auto& n : nodes) {
      const auto ok = n->apply();
      EXPECT_TRUE(ok) << ok.error().text;
   }
}

} // namespace warren::support
