#include "sdk/check/kind_discovery.hpp"

#include "sdk/check/host_resolve.hpp"

namespace warren::check {

namespace {

constexpr size_t peers_max = 40;

const char* missing(instance& who) {
   const auto* d = who.ext<wrn_discovery>(WRN_EXT_DISCOVERY);
   if (d == nullptr) return WRN_EXT_DISCOVERY;
   return d->on_peer != nullptr && d->on_peer_gone != nullptr ? nullptr : "on_peer or on_peer_gone";
}

} // namespace

wrn_handle discovery_load::add_peer(instance& who, const std::vector<std::string>& configured,
                                    wrn_handle again) {
   auto& part = who.part<discovery_part>();
   const wrn_handle peer = again != 0 ? again : 0x9eull << 56 | ++part.made;
   if (again == 0) part.peers[peer] = {};
   std::vector<wrn_str> texts;
   for (const std::string& text : configured)
      texts.push_back({text.data(), text.size()});
   const auto& t = table(who);
   who.enter("on_peer", [&] {
      t.on_peer(who.raw(), peer, texts.data(), static_cast<uint32_t>(texts.size()));
   });
   return peer;
}

void discovery_load::gone(instance& who, wrn_handle peer) {
   const auto& t = table(who);
   auto& part = who.part<discovery_part>();
   part.peers.erase(peer);
   part.gone.insert(peer);
   who.enter("on_peer_gone", [&] { t.on_peer_gone(who.raw(), peer); });
}

void discovery_load::unreachable(instance& who, wrn_handle peer) {
   const auto& t = table(who);
   if (t.on_unreachable != nullptr)
      who.enter("on_unreachable", [&] { t.on_unreachable(who.raw(), peer); });
}

/// As an operator writes them and the host lets them through.
std::string discovery_load::endpoint() {
   chance& dice = world_.dice;
   const std::string scheme = dice.one_in(4) ? "plain://" : "wireguard://";
   const std::string port = say(":", dice.one_in(8) ? 65535 : dice.between(1, 60000));
   switch (dice.below(8)) {
   case 0:
      return say(scheme, "192.0.2.", dice.below(256), port);
   case 1:
      return say(scheme, "[2001:db8::", dice.below(9999), "]", port);
   case 2:
      return say(scheme, "fail", dice.below(50), ".example.net", port);
   case 3:
      return say(scheme, "many", dice.below(5), ".example.net", port);
   case 4:
      return say(scheme, std::string(dice.between(1, 63), 'x'), ".",
                 std::string(dice.between(1, 63), 'y'), ".example.net", port);
   default:
      return say(scheme, "host", dice.below(500), ".example.net", port);
   }
}

void discovery_load::begin() {
   for (instance* who : all_) {
      add_peer(*who, {"wireguard://192.0.2.77:51820"});
      add_peer(*who, {"wireguard://nas.example.net:51820", "plain://[2001:db8::7]:7000"});
      add_peer(*who, {"wireguard://fail.example.net:51820"});
      add_peer(*who, {});
   }
}

void discovery_load::work() {
   for (instance* who : all_) {
      if (!who->active()) continue;
      const wrn_handle peer = add_peer(*who, {endpoint(), endpoint(), endpoint()});
      for (const wrn_handle each : {any_peer(*who), any_peer(*who)})
         unreachable(*who, each);
      world_.run_for(500 * ms);
      if (who->active() && who->part<discovery_part>().peers.size() > 6) gone(*who, peer);
   }
   world_.run_for(500 * ms);
}

void discovery_load::load() {
   for (instance* who : all_)
      for (int i = 0; i < 100 && who->active(); i++)
         add_peer(*who, {endpoint(), endpoint()});
}

std::string discovery_load::alive() {
   for (instance* who : all_)
      if (!who->failure.empty()) return say("instance ", who->number, " gave up: ", who->failure);
   instance& who = *all_[0];
   const wrn_handle literal = add_peer(who, {"wireguard://192.0.2.99:51820"}),
                    named = add_peer(who, {"wireguard://alive.example.net:51820"});
   // A discovery that knows other sources than the configuration need not read it, and one may
   // leave names alone.
   const auto offered = [&](wrn_handle peer) {
      return !who.part<discovery_part>().peers[peer].empty();
   };
   if (who.part<discovery_part>().offers == 0) return "";
   const bool looks_up = who.part<resolve_part>().asked != 0;
   const auto done = [&] { return offered(literal) && (offered(named) || !looks_up); };
   for (int i = 0; i < 300 && !done(); i++)
      world_.run_for(second); // the longest retry is ours to wait for
   const bool good = done();
   if (who.active()) gone(who, literal);
   if (who.active()) gone(who, named);
   return good ? ""
               : "nothing is offered within five minutes for a new peer with an address or a name";
}

wrn_handle discovery_load::any_peer(instance& who) {
   const auto& part = who.part<discovery_part>();
   if (part.peers.empty() || (world_.dice.one_in(10) && !part.gone.empty())) {
      if (part.gone.empty()) return 4711;
      auto it = part.gone.begin();
      std::advance(it,
                   static_cast<long>(world_.dice.below(std::min<size_t>(part.gone.size(), 50))));
      return *it;
   }
   auto it = part.peers.begin();
   std::advance(it, static_cast<long>(world_.dice.below(part.peers.size())));
   return it->first;
}

void discovery_load::any_call() {
   instance& who = *all_[0];
   if (!who.active() || any_common_call(world_, who)) return;
   auto& part = who.part<discovery_part>();
   chance& dice = world_.dice;
   const wrn_handle peer = any_peer(who);
   switch (dice.below(8)) {
   case 0:
   case 1: {
      std::vector<std::string> configured(dice.one_in(20) ? dice.below(60) : dice.below(4));
      for (std::string& text : configured)
         text = endpoint();
      if (part.peers.contains(peer) && dice.one_in(3))
         add_peer(who, configured, peer); // what the operator wrote changed
      else if (part.peers.size() < peers_max)
         add_peer(who, configured);
      return;
   }
   case 2:
      gone(who, peer);
      return;
   case 3:
      if (const auto* r = who.ext<wrn_resolve>(WRN_EXT_RESOLVE); r != nullptr && dice.one_in(4)) {
         const wrn_addr a = world::address(5, 4);
         who.enter("on_resolved",
                   [&] { r->on_resolved(who.raw(), dice.next() | 1ull << 63, WRN_OK, &a, 1); });
      }
      return;
   case 4:
      who.part<resolve_part>().limit = dice.one_in(4) ? dice.below(3) : 64;
      return;
   default:
      unreachable(who, peer);
   }
}

void discovery_load::stale_calls() {
   for (instance* who : all_) {
      std::vector<wrn_handle> stale{1, UINT64_MAX};
      for (const wrn_handle h : who->part<discovery_part>().gone)
         stale.push_back(h);
      for (const wrn_handle h : stale) {
         unreachable(*who, h);
         gone(*who, h);
      }
   }
}

void discovery_load::end() {
   for (instance* who : all_) {
      if (!who->active()) continue;
      std::vector<wrn_handle> peers;
      for (const auto& [peer, places] : who->part<discovery_part>().peers)
         peers.push_back(peer);
      for (const wrn_handle peer : peers)
         gone(*who, peer);
   }
}

extern const kind discovery_kind{
      WRN_KIND_DISCOVERY, "discovery", 1, missing,
      [](world& w, std::vector<instance*> all) -> std::unique_ptr<workload> {
         return std::make_unique<discovery_load>(w, std::move(all));
      }};

} // namespace warren::check
