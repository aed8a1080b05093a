// What others see of a transport, and what they can do to it.
#include "sdk/check/host_identity.hpp"
#include "sdk/check/properties.hpp"
#include "sdk/check/transport_rig.hpp"

#include <algorithm>

namespace warren::check {

namespace {

constexpr uint32_t padding_max = 15;

} // namespace

void overhead(const subject& s) {
   transport_rig r(s);
   r.only_datagrams();
   const uint32_t declared = r.links.limits(r.a()).overhead;
   size_t longest = 0;
   r.overhear(r.a(), [&](const datagram& d) { longest = std::max(longest, d.bytes.size()); });
   for (uint32_t size = 40; size <= r.links.mtu; size += size < 200 ? 1 : 61) {
      r.links.forget();
      longest = 0;
      r.links.send(r.a(), r.ab(), 1, size);
      r.home.run_for(50 * ms);
      const uint32_t inner = r.links.ledger.empty() ? size : r.links.ledger[0].size;
      require(longest <= inner + declared + padding_max,
              say("a packet of ", inner, " bytes became a datagram of ", longest,
                  "; limits() declares ", declared, " bytes of overhead, and padding may add ",
                  padding_max));
   }
   r.down();
}

void plaintext(const subject& s) {
   transport_rig r(s, false);
   const auto marker = plain_marker();
   size_t readable = 0, datagrams = 0;
   r.home.wire_tap = [&](const datagram& d) {
      datagrams++;
      const auto at =
            std::search(d.bytes.begin(), d.bytes.end(), marker.begin(), marker.begin() + 16);
      if (at != d.bytes.end()) readable++;
   };
   r.load->begin();
   require(r.links.settle(), "two instances do not come up");
   for (int i = 0; i < 20; i++)
      r.load->work();
   if (r.links.plaintext()) {
      r.down();
      if (readable == 0)
         note("it declares WRN_TF_PLAINTEXT, and no known text was seen on the wire");
      return;
   }
   require(readable == 0, say("known text of inner packets stands readable in ", readable, " of ",
                              datagrams, " datagrams, and WRN_TF_PLAINTEXT is not declared"));
   r.down();
}

/// A third instance knocks at both; nothing of it may be delivered.
void knock(transport_rig& r, instance* claimed, const char* who) {
   instance& stranger = r.home.add();
   stranger.part<identity_part>().claims = claimed;
   stranger.up();
   r.links.listen(stranger);
   open_network(stranger);
   r.links.forget();
   r.links.foreign = 0;
   for (instance* victim : r.all) {
      if (victim == claimed) continue;
      const wrn_handle link = r.links.open(stranger, r.links.link_to(victim));
      require(link != 0, "open() refused a link");
      for (int i = 0; i < 40; i++) {
         r.links.send(stranger, link, 5);
         r.home.run_for(500 * ms);
      }
   }
   const uint64_t delivered = r.links.arrived(stranger) + r.links.foreign;
   require(delivered == 0, say(delivered, " packet(s) were delivered of ", who));
   if (lives_on_streams(r.a())) return stranger.down(); // nobody borrows an address there
   // The same from the address of somebody known.
   r.links.forget();
   std::vector<datagram> forged;
   r.home.wire_tap = [&](const datagram& d) {
      if (d.from == &stranger) forged.push_back(d);
   };
   for (const auto& [link, l] : stranger.part<link_part>().links)
      r.links.send(stranger, link, 20);
   r.home.run_for(10 * second);
   r.home.wire_tap = nullptr;
   for (datagram& d : forged) {
      d.source = r.a().address;
      receive(r.b(), {&d, 1});
   }
   require(r.links.arrived(stranger) == 0,
           say("packets were delivered of ", who, ", when they came from the address of a peer"));
   stranger.down();
}

void strangers(const subject& s) {
   transport_rig r(s);
   if (r.links.plaintext()) skip("it declares WRN_TF_PLAINTEXT, so it proves nothing");
   knock(r, nullptr, "a third instance, whose key has no link and was refused by incoming()");
   r.home.run_for(300 * second);
   require_alive(*r.load, "after a stranger had knocked");
   knock(r, &r.a(), "an impostor, who says the tunnel key of a peer and does not hold its secret");
   for (const auto& each :
        r.all) { // back to where they are, which an impostor cannot change for long
      const wrn_handle link = each == &r.a() ? r.ab() : r.ba();
      r.set_path(*each, link, each == &r.a() ? r.b().address : r.a().address);
   }
   r.home.run_for(300 * second);
   require_alive(*r.load, "after an impostor had knocked");
   r.down();
}

void forgery(const subject& s) {
   transport_rig r(s);
   r.only_datagrams();
   if (r.links.plaintext()) skip("it declares WRN_TF_PLAINTEXT, so it proves nothing");
   std::vector<datagram> heard;
   r.overhear(r.a(), [&](const datagram& d) { heard.push_back(d); });
   r.links.forget();
   for (int i = 0; i < 10; i++) {
      r.links.send(r.a(), r.ab(), 10);
      r.home.run_for(10 * ms);
   }
   r.home.run_for(second);
   r.home.wire_tap = nullptr;
   r.links.twice = r.links.foreign = 0;
   std::vector<uint64_t> before;
   for (const auto& [link, l] : r.b().part<link_part>().links)
      before.push_back(l.delivered);
   for (const datagram& original : heard) {
      receive(r.b(), {&original, 1}); // said again
      require(r.links.twice == 0, "a datagram that was repeated was delivered a second time");
      datagram back = original; // thrown back at its sender
      back.source = r.b().address;
      receive(r.a(), {&back, 1});
      for (int i = 0; i < 8; i++) {
         datagram bent = original;
         bent.bytes[r.home.dice.below(bent.bytes.size())] ^=
               static_cast<uint8_t>(1 << r.home.dice.below(8));
         receive(r.b(), {&bent, 1});
         bent = original;
         bent.bytes.resize(r.home.dice.between(1, bent.bytes.size()));
         receive(r.b(), {&bent, 1});
      }
   }
   size_t at = 0;
   for (const auto& [link, l] : r.b().part<link_part>().links) {
      const uint64_t more = l.delivered - before[at++];
      require(more == 0, say(more, " packet(s) were delivered from datagrams that had been changed "
                                   "on the way or repeated"));
   }
   require(r.links.foreign == 0, "a datagram thrown back at its sender was delivered there");
   r.home.run_for(60 * second); // limits on the rate of handshakes
   require_alive(*r.load, "after forged datagrams");
   r.down();
}

void noise(const subject& s) {
   transport_rig r(s);
   r.only_datagrams();
   const uint64_t before = r.b().part<link_part>().links[r.ba()].delivered;
   for (int i = 0; i < 5000; i++) {
      std::vector<datagram> batch(r.home.dice.one_in(20) ? 128 : 1);
      for (datagram& d : batch) {
         d.source = r.home.dice.one_in(2)
                          ? r.a().address
                          : world::address(static_cast<uint32_t>(r.home.dice.below(3000)));
         d.bytes.resize(r.home.dice.one_in(5) ? r.home.dice.between(1, 9)
                                              : r.home.dice.between(1, 300));
         r.home.dice.fill(d.bytes.data(), d.bytes.size());
         if (r.home.dice.one_in(2)) d.bytes[0] &= 7;
         if (r.home.dice.one_in(2) && d.bytes.size() > 4) d.bytes[1] = d.bytes[2] = d.bytes[3] = 0;
      }
      receive(r.b(), batch);
      if (i % 100 == 0) r.home.run_for(50 * ms);
   }
   require(r.b().part<link_part>().links[r.ba()].delivered == before || r.links.plaintext(),
           "packets were delivered from random bytes");
   r.home.run_for(60 * second);
   require_alive(*r.load, "after noise");
   r.down();
}

} // namespace warren::check
