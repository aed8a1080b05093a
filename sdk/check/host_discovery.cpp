// warren.host.discovery/1 of the fake host.
#include "sdk/check/host_discovery.hpp"

namespace warren::check {

namespace {

wrn_status WRN_CALL offer(const wrn_host* host, wrn_handle peer, const wrn_endpoint* endpoints,
                          uint32_t n) {
   instance& me = instance::of(host, "offer", place::active);
   auto& part = me.part<discovery_part>();
   if (me.fails("offer")) return WRN_E_LIMIT;
   part.offers++;
   const auto it = part.peers.find(peer);
   if (it == part.peers.end()) {
      found(flaw_stray, say("offer() for peer ", peer,
                            part.gone.contains(peer) ? ", which is gone" : ", which never was"));
      return WRN_E_NOT_FOUND;
   }
   if (n > endpoints_max) {
      part.too_many++;
      return WRN_E_LIMIT;
   }
   std::vector<discovery_part::place> places;
   for (uint32_t i = 0; i < n; i++) {
      const wrn_endpoint& e = endpoints[i];
      if (e.transport.ptr == nullptr || e.transport.len == 0)
         found(flaw_call, "offer(): an endpoint without a transport");
      if ((e.addr.family != WRN_AF_INET && e.addr.family != WRN_AF_INET6) || e.addr.port == 0)
         found(flaw_call, say("offer(): an endpoint with family ", int{e.addr.family}, " and port ",
                              e.addr.port));
      places.push_back({std::string(e.transport.ptr, e.transport.len), e.addr});
      me.home.record("offer", peer, e.addr.port, {e.addr.ip, sizeof e.addr.ip});
   }
   it->second = std::move(places);
   return WRN_OK;
}

constexpr wrn_host_discovery functions{offer};

void after_stop(instance& who) {
   auto& part = who.part<discovery_part>();
   for (const auto& [peer, places] : part.peers)
      part.gone.insert(peer);
   part.peers.clear();
}

} // namespace

extern const host_table discovery_table{WRN_HOST_DISCOVERY, &functions, after_stop};

} // namespace warren::check
