// A routing that is complete and right when FLAW is `none`, and wrong in one way otherwise. A
// distance vector, as in the template, written with the wrapper.
#include "flaws.hpp"
#include "warren/sdk.hpp"

#include <algorithm>
#include <map>

namespace {

using namespace broken;
namespace sdk = warren::sdk;

class routing final : public sdk::routing<routing> {
 public:
   static constexpr sdk::info about{.id = "org.warren.test.broken-routing",
                                    .name = "broken",
                                    .vendor = "Warren",
                                    .version = "0.1.0",
                                    .license = "Apache-2.0",
                                    .summary = "Wrong in one way."};

   void on_start() { warren().timer_set(timer_, warren().now() + interval); }
   void on_stop() {
      warren().timer_cancel(timer_);
      costs_.clear();
      heard_.clear();
   }
   void on_timer(wrn_handle, uint64_t) {
      timer_ = 0;
      update();
      for (const auto& [neighbor, cost] : costs_)
         tell(neighbor);
      on_start();
   }
   void on_neighbor(wrn_handle peer, uint32_t cost) {
      throw_if(flaw::throws_on_neighbor);
      if (cost != WRN_COST_INFINITE)
         costs_[peer] = std::min(cost, cost_max);
      else if (!is(flaw::keeps_lost))
         costs_.erase(peer);
      update();
   }
   void on_message(wrn_handle from, std::span<const uint8_t> bytes) {
      if (is(flaw::trusts_length) && bytes.size() % sizeof(entry) == 1) crash();
      for (; bytes.size() >= sizeof(entry); bytes = bytes.subspan(sizeof(entry))) {
         entry e;
         std::memcpy(&e, bytes.data(), sizeof e);
         const wrn_handle to = member_by_id(e.node_id);
         if (to == 0 || to == from || e.cost >= cost_max) continue;
         heard_[to][from] = {e.cost, warren().now() + 3 * interval};
      }
      update();
   }

 private:
   static constexpr wrn_time interval = 5'000'000'000;
   static constexpr uint32_t cost_max = 60'000'000;
   struct entry {
      wrn_key node_id;
      uint32_t cost;
   };
   struct way {
      uint32_t cost;
      wrn_time until;
   };

   void update() {
      std::vector<wrn_route> routes;
      for (auto& [to, ways] : heard_) {
         std::erase_if(ways, [&](const auto& w) {
            return (w.second.until < warren().now() && !is(flaw::never_forgets)) ||
                   !costs_.contains(w.first);
         });
         for (const auto& [by, w] : ways) {
            routes.push_back({to, by, w.cost + costs_[by], is(flaw::no_weight) ? 0u : 1u});
            break;
         }
      }
      std::erase_if(heard_, [](const auto& d) { return d.second.empty(); });
      if (publish(routes) == WRN_OK) routes_ = std::move(routes);
   }
   void tell(wrn_handle neighbor) const {
      std::vector<entry> entries;
      if (!relays() && !is(flaw::always_relays)) return;
      const auto add = [&](wrn_handle peer, uint32_t cost) {
         const auto m = member_info(peer);
         if (m && peer != neighbor) entries.push_back({m->node_id, cost});
      };
      for (const auto& [peer, cost] : costs_)
         add(peer, cost);
      for (const wrn_route& r : routes_)
         if (r.next_hop != neighbor && !costs_.contains(r.destination))
            add(r.destination, r.metric);
      if (!entries.empty())
         send(neighbor, {reinterpret_cast<const uint8_t*>(entries.data()),
                         std::min<size_t>(entries.size(), 30) * sizeof(entry)});
   }

   wrn_handle timer_ = 0;
   std::map<wrn_handle, uint32_t> costs_;
   std::map<wrn_handle, std::map<wrn_handle, way>> heard_;
   std::vector<wrn_route> routes_;
};

} // namespace

WARREN_PLUGIN(routing)
