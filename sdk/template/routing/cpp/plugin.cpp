// my-plugin: a routing. A distance vector in the manner of RIP (RFC 2453): each node tells its
// neighbours every few seconds whom it reaches and what that costs, and takes the cheapest way.
// Good for a dozen nodes; yours may know better ways to compute.
//
// A message is a list of 36 bytes each: node id, cost in microseconds (little-endian). A cost that
// has counted up to a minute is none.
#include <warren/sdk.hpp>

#include <algorithm>
#include <map>

namespace {

namespace sdk = warren::sdk;

class my_plugin_routing final : public sdk::routing<my_plugin_routing> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "Finds ways through other members."};
   static constexpr wrn_param options[] = {sdk::option::duration(
         "interval", "1s..1m", "\"5s\"", "How often neighbours hear of our ways.")};

   void configure(const sdk::config& c) { interval_ = c.duration_ns("interval"); }
   void on_start() { warren().timer_set(timer_, warren().now() + interval_); }
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
      costs_.erase(peer);
      if (cost != WRN_COST_INFINITE) costs_[peer] = std::min(cost, cost_max);
      update();
   }
   void on_message(wrn_handle from, std::span<const uint8_t> bytes) {
      for (; bytes.size() >= sizeof(entry); bytes = bytes.subspan(sizeof(entry))) {
         entry e;
         std::memcpy(&e, bytes.data(), sizeof e);
         const wrn_handle destination = member_by_id(e.node_id); // 0: a stranger, or ourselves
         if (destination != 0 && destination != from && e.cost < cost_max)
            heard_[destination][from] = {e.cost, warren().now() + 3 * interval_};
      }
      update();
   }

 private:
   static constexpr uint32_t cost_max = 60'000'000;
   struct entry {
      wrn_key node_id;
      uint32_t cost;
   };
   struct way {
      uint32_t cost;
      wrn_time until;
   };

   void update() { // the cheapest way to each
      std::vector<wrn_route> routes;
      for (auto& [destination, ways] : heard_) {
         std::erase_if(ways, [&](const auto& w) {
            return w.second.until < warren().now() || !costs_.contains(w.first);
         });
         const auto price = [&](const auto& w) { return w.second.cost + costs_[w.first]; };
         const auto best = std::min_element(ways.begin(), ways.end(),
                                            [&](auto& a, auto& b) { return price(a) < price(b); });
         if (best != ways.end()) routes.push_back({destination, best->first, price(*best), 1});
      }
      std::erase_if(heard_, [](const auto& d) { return d.second.empty(); });
      if (publish(routes) == WRN_OK) routes_ = std::move(routes);
   }
   void tell(wrn_handle neighbor) const {
      std::vector<entry> entries;
      if (!relays()) return; // who passes nothing on has nothing to promise
      const auto add = [&](wrn_handle peer, uint32_t cost) {
         const auto m = member_info(peer);
         if (m && peer != neighbor) entries.push_back({m->node_id, cost});
      };
      for (const auto& [peer, cost] : costs_)
         add(peer, cost);
      for (const wrn_route& r : routes_) // not to whom we have it from: that would be a loop
         if (r.next_hop != neighbor && !costs_.contains(r.destination))
            add(r.destination, r.metric);
      constexpr size_t per_message = WRN_MESSAGE_MAX / sizeof(entry);
      for (size_t i = 0; i < entries.size(); i += per_message)
         send(neighbor, {reinterpret_cast<const uint8_t*>(&entries[i]),
                         std::min(per_message, entries.size() - i) * sizeof(entry)});
   }

   uint64_t interval_ = 0;
   wrn_handle timer_ = 0;
   std::map<wrn_handle, uint32_t> costs_;                  // of our neighbours
   std::map<wrn_handle, std::map<wrn_handle, way>> heard_; // destination, neighbour
   std::vector<wrn_route> routes_;                         // as published
};

} // namespace

WARREN_PLUGIN(my_plugin_routing)
