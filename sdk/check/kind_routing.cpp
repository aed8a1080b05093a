// Drives routings: instances in a line, so that the ends need a way through the middle.
#include "sdk/check/kind_mesh.hpp"

#include <algorithm>

namespace warren::check {

namespace {

const char* missing(instance& who) {
   const auto* r = who.ext<wrn_routing>(WRN_EXT_ROUTING);
   return r == nullptr                ? WRN_EXT_ROUTING
          : r->on_neighbor == nullptr ? "on_neighbor of " WRN_EXT_ROUTING
                                      : nullptr;
}

void neighbor(instance& who, wrn_handle peer, uint32_t cost) {
   if (!who.active()) return;
   const auto* r = who.ext<wrn_routing>(WRN_EXT_ROUTING);
   who.enter("on_neighbor", [&] { r->on_neighbor(who.raw(), peer, cost); });
}

} // namespace

void routing_load::linked(instance& who, wrn_handle peer, bool up) {
   const auto cost = static_cast<uint32_t>(1000 + world_.dice.below(50'000));
   neighbor(who, peer, up ? cost : WRN_COST_INFINITE);
}

void routing_load::load() {
   for (int i = 0; i < 20; i++)
      for (instance* who : all_) {
         const wrn_handle peer = any_member(*who);
         if (peer != 0 && (who->part<members_part>().members[peer].flags & WRN_MEMBER_DIRECT) != 0)
            neighbor(*who, peer, static_cast<uint32_t>(1 + world_.dice.below(1'000'000)));
      }
}

bool routing_load::has_way(instance& who, instance& to, instance* by) {
   const auto& routes = who.part<route_part>().routes;
   const wrn_handle destination = member_of(who, to), hop = by != nullptr ? member_of(who, *by) : 0;
   return std::any_of(routes.begin(), routes.end(), [&](const wrn_route& r) {
      return r.destination == destination && (hop == 0 || r.next_hop == hop);
   });
}

std::string routing_load::alive() {
   for (instance* who : all_)
      if (!who->failure.empty()) return say("instance ", who->number, " gave up: ", who->failure);
   if (all_.size() < 3) return "";
   for (size_t i = 0; i + 1 < all_.size(); i++)
      link(*all_[i], *all_[i + 1], true);
   instance &first = *all_.front(), &last = *all_.back();
   for (int i = 0; i < 300; i++) {
      if (has_way(first, last, all_[1]) && has_way(last, first, all_[all_.size() - 2])) return "";
      world_.run_for(second);
   }
   return "no way to a member two links away is published within five minutes";
}

bool routing_load::own_call(instance& who) {
   const wrn_handle peer = any_member(who);
   if (peer == 0 || (who.part<members_part>().members[peer].flags & WRN_MEMBER_DIRECT) == 0)
      return false;
   const uint32_t costs[] = {1, 1000, 70'000, 3'000'000'000, WRN_COST_INFINITE - 1};
   neighbor(who, peer, costs[world_.dice.below(std::size(costs))]);
   return true;
}

extern const kind routing_kind{
      WRN_KIND_ROUTING, "routing", 3, missing,
      [](world& w, std::vector<instance*> all) -> std::unique_ptr<workload> {
         return std::make_unique<routing_load>(w, std::move(all));
      }};

} // namespace warren::check
