// my-plugin: a discovery. It hears of peers with the endpoints that the operator wrote, resolves
// the names and offers the addresses. Yours may ask somebody else instead: whatever it learns, it
// says with offer(). Who is a member is the core's to decide.
#include <warren/sdk.hpp>

#include <map>

namespace {

namespace sdk = warren::sdk;

class my_plugin_discovery final : public sdk::discovery<my_plugin_discovery> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "Resolves the endpoints of the configuration."};
   static constexpr wrn_param options[] = {
         sdk::option::integer("most", "1..16", "16", "How many addresses of a peer are offered.")};

   void configure(const sdk::config& c) { most_ = static_cast<size_t>(c.integer("most")); }
   void on_stop() { names_.clear(); }

   void on_peer(wrn_handle peer, std::span<const std::string_view> configured) {
      on_peer_gone(peer);
      for (const std::string_view text : configured)
         if (const auto e = sdk::parse_endpoint(text))
            names_[++last_] = {peer, std::string(e->transport), std::string(e->host), e->port};
      say(peer);
      ask();
   }
   void on_peer_gone(wrn_handle peer) {
      std::erase_if(names_, [&](const auto& entry) { return entry.second.peer == peer; });
   }
   void on_unreachable(wrn_handle peer) { // what we know is old, or a look-up had failed
      for (auto& [number, n] : names_)
         if (n.peer == peer) n.wanted = true;
      ask();
   }
   // An answer nobody waits for any more finds no name with its number.
   void on_resolved(uint64_t number, wrn_status status, std::span<const wrn_addr> found) {
      if (const auto it = names_.find(number); it != names_.end() && status == WRN_OK) {
         it->second.found.assign(found.begin(), found.end());
         say(it->second.peer);
      }
      ask(); // there is room for another question
   }

 private:
   struct name {
      wrn_handle peer = 0;
      std::string transport, host;
      uint16_t port = 0;
      bool wanted = true;            // to be asked for
      std::vector<wrn_addr> found{}; // the last answer
   };

   void ask() {
      for (auto& [number, n] : names_)
         if (n.wanted) n.wanted = !resolve(n.host, n.port, number); // too many at once: later
   }
   void say(wrn_handle peer) {
      std::vector<place> places;
      for (const auto& [number, n] : names_)
         for (const wrn_addr& a : n.found)
            if (n.peer == peer && places.size() < most_) places.push_back({n.transport, a});
      offer(peer, places);
   }

   uint64_t last_ = 0;
   size_t most_ = 0;
   std::map<uint64_t, name> names_; // by the number of their question
};

} // namespace

WARREN_PLUGIN(my_plugin_discovery)
