// warren.host.route/1 of the fake host.
#include "sdk/check/host_mesh.hpp"

namespace warren::check {

namespace {

constexpr uint32_t routes_max = 16384, ways_max = 4, weight_max = 1000;

wrn_status judge(instance& me, const wrn_route* routes, uint32_t n) {
   if (n > routes_max) return WRN_E_LIMIT;
   const auto& all = me.part<members_part>().members;
   std::map<wrn_handle, uint32_t> ways;
   for (uint32_t i = 0; i < n; i++) {
      const wrn_route& r = routes[i];
      const auto hop = all.find(r.next_hop);
      if (!all.contains(r.destination) || hop == all.end()) return WRN_E_NOT_FOUND;
      if (r.weight < 1 || r.weight > weight_max) return WRN_E_INVALID;
      if (r.next_hop == r.destination && (hop->second.flags & WRN_MEMBER_DIRECT) == 0)
         return WRN_E_INVALID;
      if (++ways[r.destination] > ways_max) return WRN_E_LIMIT;
   }
   return WRN_OK;
}

wrn_status WRN_CALL publish(const wrn_host* host, const wrn_route* routes, uint32_t n) {
   instance& me = instance::of(host, "publish", place::active);
   auto& part = me.part<route_part>();
   if (me.fails("publish")) return WRN_E_NOT_FOUND;
   const wrn_status verdict = judge(me, routes, n);
   if (verdict == WRN_E_INVALID)
      found(flaw_call, "publish(): a weight out of 1..1000, or a way by the destination itself "
                       "that is no neighbour");
   if (verdict == WRN_E_LIMIT)
      found(flaw_call, say("publish(): ", n, " ways; at most ", ways_max, " to one member and ",
                           routes_max, " in all"));
   if (verdict != WRN_OK) {
      part.refused++;
      return verdict;
   }
   part.published++;
   part.routes.assign(routes, routes + n);
   for (const wrn_route& r : part.routes)
      me.home.record("route", me.number, r.destination << 16 | (r.next_hop & 0xffff), {});
   return WRN_OK;
}

uint32_t WRN_CALL relays(const wrn_host* host) {
   return instance::of(host, "relays", place::active).part<route_part>().relays ? 1 : 0;
}

constexpr wrn_host_route functions{publish, relays};

void after_stop(instance& who) { who.part<route_part>().routes.clear(); }

} // namespace

extern const host_table route_table{WRN_HOST_ROUTE, &functions, after_stop};

} // namespace warren::check
