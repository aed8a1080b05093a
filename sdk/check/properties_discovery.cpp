// Discoveries: peers by the thousand, names that answer and names that do not.
#include "sdk/check/host_resolve.hpp"
#include "sdk/check/kind_discovery.hpp"
#include "sdk/check/properties.hpp"

#include <algorithm>

namespace warren::check {

namespace {

struct discovery_rig : rig {
   explicit discovery_rig(const subject& s) : rig(s), peers(static_cast<discovery_load&>(*load)) {}
   discovery_load& peers;
   auto& places(wrn_handle peer) { return first().part<discovery_part>().peers[peer]; }
   auto& names() { return first().part<resolve_part>(); }
};

/// The core says every half minute that the peer is wanted and does not answer.
bool offered_when_wanted(discovery_rig& r, wrn_handle peer, wrn_time within) {
   for (wrn_time t = 0; t < within && r.places(peer).empty(); t += 30 * second) {
      r.peers.unreachable(r.first(), peer);
      r.home.run_for(30 * second);
   }
   return !r.places(peer).empty();
}

} // namespace

void peer_storm(const subject& s) {
   discovery_rig r(s);
   std::vector<wrn_handle> all;
   for (int i = 0; i < 3000; i++) {
      all.push_back(
            r.peers.add_peer(r.first(), {say("wireguard://host", i, ".example.net:51820"),
                                         say("wireguard://192.0.2.", i % 250, ":", 1 + i)}));
      if (i % 50 == 0) r.home.run_for(ms);
      if (r.home.dice.one_in(3)) r.peers.unreachable(r.first(), all[r.home.dice.below(all.size())]);
      if (r.home.dice.one_in(4)) {
         const wrn_handle again = all[r.home.dice.below(all.size())];
         r.peers.add_peer(r.first(), {say("wireguard://other", i, ".example.net:51820")}, again);
      }
      if (r.home.dice.one_in(2)) {
         const size_t which = r.home.dice.below(all.size());
         r.peers.gone(r.first(), all[which]);
         all.erase(all.begin() + static_cast<long>(which));
         if (all.empty()) all.push_back(r.peers.add_peer(r.first(), {}));
      }
   }
   r.home.run_for(600 * second);
   require_alive(*r.load, "after a storm of peers");
   r.down();
}

void offers(const subject& s) {
   discovery_rig r(s);
   const wrn_handle literal = r.peers.add_peer(r.first(), {"wireguard://192.0.2.9:51820"}),
                    six = r.peers.add_peer(r.first(), {"wireguard://[2001:db8::9]:4242"}),
                    named = r.peers.add_peer(r.first(), {"wireguard://nas.example.net:700"});
   r.home.run_for(60 * second);
   if (r.first().part<discovery_part>().offers == 0)
      skip("it offers nothing for what is configured; so it knows other sources");
   const auto holds = [&](wrn_handle peer, uint8_t family, uint16_t port) {
      const auto& all = r.places(peer);
      return std::any_of(all.begin(), all.end(), [&](const auto& p) {
         return p.addr.family == family && p.addr.port == port && p.transport == "wireguard";
      });
   };
   require(holds(literal, WRN_AF_INET, 51820),
           "wireguard://192.0.2.9:51820 is configured and not offered within a minute");
   require(r.places(literal).size() == 1 && r.places(literal)[0].addr.ip[3] == 9,
           "for wireguard://192.0.2.9:51820 something else is offered");
   require(holds(six, WRN_AF_INET6, 4242),
           "wireguard://[2001:db8::9]:4242 is configured and not offered within a minute");
   require(r.names().asked == 0 || holds(named, WRN_AF_INET, 700),
           "the addresses of wireguard://nas.example.net:700 are not offered within a minute");
   r.peers.add_peer(r.first(), {"wireguard://192.0.2.10:51821"}, literal);
   r.home.run_for(10 * second);
   require(holds(literal, WRN_AF_INET, 51821) && !holds(literal, WRN_AF_INET, 51820),
           "after the operator had changed an endpoint, the old one is still offered");
   const uint64_t asked = r.names().asked;
   r.peers.unreachable(r.first(), named);
   r.home.run_for(60 * second);
   require(asked == 0 || r.names().asked > asked || r.first().part<discovery_part>().offers > 4,
           "on_unreachable() of a peer with a name: nothing is looked up or offered again");
   r.down();
}

void lookups(const subject& s) {
   discovery_rig r(s);
   r.names().all_fail = true;
   const wrn_handle named = r.peers.add_peer(r.first(), {"wireguard://nas.example.net:700"});
   r.home.run_for(second);
   if (r.names().asked == 0) skip("it looks no names up");
   offered_when_wanted(r, named, 600 * second);
   require(r.names().asked <= 600,
           say(r.names().asked, " look-ups of one name in ten minutes, all in vain: back off"));
   require(r.names().asked >= 2, "a look-up that failed is never repeated, neither by timer nor "
                                 "at on_unreachable()");
   r.names().all_fail = false;
   require(offered_when_wanted(r, named, 600 * second),
           "a name that resolves again is not offered within ten minutes");
   // More names than the host looks up at once.
   r.names().limit = 2;
   std::vector<wrn_handle> all;
   for (int i = 0; i < 20; i++)
      all.push_back(
            r.peers.add_peer(r.first(), {say("wireguard://host", i, ".example.net:51820")}));
   for (const wrn_handle peer : all)
      require(offered_when_wanted(r, peer, 1200 * second),
              "resolve() gave WRN_E_LIMIT, and that name is not looked up later");
   r.down();
}

void many_endpoints(const subject& s) {
   discovery_rig r(s);
   std::vector<std::string> configured;
   for (int i = 0; i < 40; i++)
      configured.push_back(say("wireguard://192.0.2.", i + 1, ":51820"));
   const wrn_handle literal = r.peers.add_peer(r.first(), configured);
   const wrn_handle many = r.peers.add_peer(
         r.first(), {"wireguard://many1.example.net:51820", "wireguard://many2.example.net:51820"});
   r.home.run_for(120 * second);
   const auto& part = r.first().part<discovery_part>();
   if (part.offers == 0)
      skip("it offers nothing for what is configured; so it knows other sources");
   require(part.too_many == 0, say("offer() with more than ", endpoints_max,
                                   " endpoints, which the host refuses: nothing of it counts"));
   require(!r.places(literal).empty(), "nothing is offered for a peer with forty addresses");
   require(r.names().asked == 0 || !r.places(many).empty(),
           "nothing is offered for a peer whose names have sixteen addresses each");
   r.down();
}

} // namespace warren::check
