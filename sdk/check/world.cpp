#include "sdk/check/world.hpp"

#include "sdk/check/host_udp.hpp"
#include "sdk/check/instance.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

bool same_endpoint(const wrn_addr& a, const wrn_addr& b) {
   return a.family == b.family && a.port == b.port && std::memcmp(a.ip, b.ip, sizeof a.ip) == 0;
}

} // namespace

world::world(const subject& s, uint64_t seed)
    : dice(seed), strand(std::this_thread::get_id()), subject_(s) {}
world::~world() = default;

instance& world::add(const settings& s) {
   const auto number = static_cast<uint32_t>(instances_.size() + 1);
   instances_.push_back(std::make_unique<instance>(*this, number, s));
   add_address(address(number), *instances_.back());
   return *instances_.back();
}

wrn_addr world::address(uint32_t number, uint16_t port) {
   wrn_addr a{};
   a.family = WRN_AF_INET;
   a.prefix_len = 32;
   a.port = port;
   const uint8_t ip[] = {192, 0, static_cast<uint8_t>(2 + number / 250),
                         static_cast<uint8_t>(1 + number % 250)};
   std::copy(std::begin(ip), std::end(ip), a.ip);
   return a;
}

void world::add_address(const wrn_addr& addr, instance& who) {
   addresses_.emplace_back(addr, &who);
}

instance* world::at_address(const wrn_addr& addr) {
   for (const auto& [known, who] : addresses_)
      if (same_endpoint(known, addr)) return who;
   return nullptr;
}

void world::run_for(wrn_time how_long) {
   const wrn_time end = now + how_long;
   while (!to_come_.empty() && to_come_.begin()->first <= end) {
      auto node = to_come_.extract(to_come_.begin());
      now = std::max(now, node.key());
      node.mapped()();
   }
   now = end;
}

void world::send(instance& from, wrn_time after, datagram d) {
   if (wire_tap) wire_tap(d);
   instance* to = at_address(d.to);
   if (to == nullptr || d.bytes.size() > weather.mtu || dice.below(100) < weather.loss_percent)
      return;
   const int copies = dice.below(100) < weather.twice_percent ? 2 : 1;
   for (int i = 0; i < copies; i++)
      at(now + after + dice.between(weather.delay_min, weather.delay_max),
         [this, to, d] { arrive(*to, d); });
   (void)from;
}

/// Datagrams that are due at the same moment for the same socket arrive as one batch.
void world::arrive(instance& to, datagram d) {
   auto& udp = to.part<udp_part>();
   udp.inbox.push_back(std::move(d));
   if (udp.inbox.size() > 1) return; // who came first takes all
   at(now, [&to] { receive_inbox(to); });
}

void world::record(const char* what, uint64_t who, uint64_t to, std::span<const uint8_t> bytes) {
   if (!tracing) return;
   uint64_t content = 0;
   for (const uint8_t b : bytes)
      content = mix(content ^ b);
   trace.push_back({now, what, who, to, bytes.size(), content});
}

} // namespace warren::check
