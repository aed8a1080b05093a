// What an authenticated but evil peer, a stranger and the own applications can send into a node:
// inner packets, mesh frames, key datagrams. The transport is the plain one, so that every byte
// inside a link is the fuzzer's.
//
// Input: records of one byte of kind, two of length (little-endian) and the bytes. Kinds: 0 from a
// Warren peer, 1 from a stock peer, 2 a bare datagram, 3 from the interface, 4 a second passes.
// Checked: what reaches the interface is IP from its owner; nothing is left at the end.
#include "core/base/address.hpp"
#include "core/mesh/network.hpp"
#include "core/route/ip_view.hpp"
#include "tests/support/fake_shard.hpp"

#include <cstring>

extern "C" const wrn_entry wrn_entry_plain;

namespace warren {
namespace {

struct silent final : io::udp_sink {
   io::packet_pool& pool;
   explicit silent(io::packet_pool& p) : pool(p) {}
   void on_datagrams(io::udp_socket&, std::span<wrn_pkt> packets) override { pool.free(packets); }
   void on_writable(io::udp_socket&) override {}
};

wrn_addr address(const char* text) { return *base::parse_address(text); }

struct world {
   support::fake_network net{1};
   support::fake_shard& node = net.add_node({"192.0.2.1"});
   support::fake_shard& evil = net.add_node({"192.0.2.2"});
   silent sink{evil.pool()};
   std::unique_ptr<io::udp_socket> socket =
         *evil.open_udp(*base::parse_endpoint("192.0.2.2:9"), sink);
   std::array<std::array<uint8_t, 8>, 2> tags{};
   std::span<const uint8_t> injected; // the last packet from the interface
   mesh::network network{node, "fuzz", [](mesh::event) {}};

   world() {
      const auto random = [this](void* buf, size_t len) { node.random(buf, len); };
      mesh::plan plan;
      plan.identity = std::make_shared<trust::identity>(
            trust::identity{crypto::make_signing_key(random), crypto::make_tunnel_key(random), 1});
      plan.settings.name = plan.settings.interface = "fuzz";
      plan.settings.allow_plaintext = true;
      plan.settings.mtu = 1280; // records of up to 1400 bytes are cut or answered, too
      plan.settings.addresses = {*base::parse_prefix("10.0.0.1/24", true),
                                 *base::parse_prefix("fd00::1/64", true)};
      config::plugin_use use;
      use.plugin = "plain";
      use.listen = *base::parse_endpoint("[::]:51820");
      plan.settings.transports = {use};
      for (unsigned i = 0; i < 2; i++) {
         config::peer p;
         p.name = i == 0 ? "warren" : "stock";
         if (i == 0) p.id = crypto::make_signing_key(random).id;
         p.tunnel_key = crypto::make_tunnel_key(random).public_key;
         std::memcpy(tags[i].data(), p.tunnel_key->data(), 8);
         p.addresses = {*base::parse_prefix(i == 0 ? "10.0.0.2" : "10.0.0.3"),
                        *base::parse_prefix(i == 0 ? "fd00::2" : "fd00::3")};
         plan.settings.peers.push_back(p);
      }
      auto module = plugin::module::wrap(wrn_entry_plain, "linked in");
      WRN_ASSERT(module.has_value());
      auto made = plugin::instance::create({*module, (*module)->plugins().front()}, use, "fuzz",
                                           node, *plan.identity);
      WRN_ASSERT(made.has_value());
      plan.transports.push_back(std::move(*made));
      std::vector<std::unique_ptr<plugin::instance>> retired;
      WRN_ASSERT(network.apply(std::move(plan), retired).has_value());
      node.tun()->on_written = [this](std::span<const uint8_t> packet) { check(packet); };
   }

   /// From a peer's own address, or an ICMP error of ours about what the interface just sent.
   void check(std::span<const uint8_t> packet) const {
      const auto ip = route::parse_ip(packet);
      WRN_ASSERT(ip.has_value());
      const size_t bytes = ip->family == 4 ? 4 : 16;
      bool known = false;
      for (const char* owner :
           {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "fd00::3"}) {
         const wrn_addr a = address(owner);
         known |= a.family == ip->family && std::memcmp(a.ip, ip->source, bytes) == 0;
      }
      WRN_ASSERT(known || quotes_injected(packet, ip->family == 4 ? 28 : 48));
   }

   /// ICMP errors come from the destination of the packet that they quote, so their source may be
   /// anybody's; only a packet of our own may have caused one.
   bool quotes_injected(std::span<const uint8_t> error, size_t headers) const {
      const size_t quoted =
            std::min(injected.size(), error.size() - std::min(error.size(), headers));
      return quoted >= 20 && std::memcmp(error.data() + headers, injected.data(), quoted) == 0;
   }

   void inject(std::span<const uint8_t> packet) {
      injected = packet;
      node.tun()->inject(packet);
   }

   void datagram(std::span<const uint8_t> head, std::span<const uint8_t> body) {
      wrn_pkt packet{};
      if (evil.pool().alloc({&packet, 1}, static_cast<uint32_t>(head.size() + body.size())) != 1)
         return;
      std::copy(head.begin(), head.end(), packet.buf + packet.off);
      std::copy(body.begin(), body.end(), packet.buf + packet.off + head.size());
      packet.addr = *base::parse_endpoint("192.0.2.1:51820");
      socket->send({&packet, 1});
   }

   void end() {
      net.run_for(3'000'000'000);
      (void)network.status();
      std::vector<std::unique_ptr<plugin::instance>> retired;
      network.stop(retired);
      retired.clear();
      socket.reset();
      WRN_ASSERT(node.balanced() && evil.balanced());
      WRN_ASSERT(node.timers() == 0 && node.sockets() == 0);
   }
};

} // namespace
} // namespace warren

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   using namespace warren;
   static const bool ready = crypto::init().has_value();
   WRN_ASSERT(ready);
   world w;
   std::span<const uint8_t> input(data, size);
   for (unsigned records = 0; input.size() >= 3 && records < 64; records++) {
      const unsigned kind = input[0] % 5;
      const size_t length = std::min<size_t>(input[1] | input[2] << 8, input.size() - 3) % 1401;
      const auto body = input.subspan(3, length);
      input = input.subspan(3 + length);
      if (kind < 2)
         w.datagram(w.tags[kind], body);
      else if (kind == 2)
         w.datagram({}, body);
      else if (kind == 3)
         w.inject(body);
      w.net.run_for(kind == 4 ? 1'000'000'000 : 2'000'000);
   }
   w.end();
   return 0;
}
