// my-plugin: a discovery. It hears of peers with the endpoints that the operator wrote, resolves
// the names and offers the addresses. Yours may ask somebody else instead: whatever it learns, it
// says with offer(). Who is a member is the core's to decide.
#include <warren/sdk.hpp>

#include <charconv>
#include <map>

namespace {

namespace sdk = warren::sdk;

struct endpoint {
   std::string transport, host;
   uint16_t port = 0;
   bool wanted = true;          // to be asked for
   uint64_t question = 0;       // under way, 0 = none
   std::vector<wrn_addr> found; // the last answer
};

// "wireguard://nas.example.net:51820" or "wireguard://[2001:db8::1]:51820"; the host has checked
// the text.
endpoint parse(std::string_view text) {
   endpoint e;
   const size_t scheme = text.find("://"), colon = text.rfind(':');
   if (scheme == std::string_view::npos || colon <= scheme) return e;
   e.transport = text.substr(0, scheme);
   std::string_view host = text.substr(scheme + 3, colon - scheme - 3);
   if (const size_t at = host.find('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
   if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
   e.host = host;
   std::from_chars(text.data() + colon + 1, text.data() + text.size(), e.port);
   return e;
}

class my_plugin_discovery final : public sdk::discovery<my_plugin_discovery> {
 public:
   static constexpr sdk::info about{.id = "org.example.my-plugin",
                                    .name = "my-plugin",
                                    .vendor = "Example",
                                    .version = "0.1.0",
                                    .license = "MIT-0",
                                    .summary = "Resolves the endpoints of the configuration."};
   static constexpr wrn_param options[] = {sdk::option::duration(
         "retry", "1s..1h", "\"5s\"", "How long after a failure a name is asked for again.")};

   void configure(const sdk::config& c) { retry_ns_ = c.duration_ns("retry"); }
   void on_stop() {
      warren().timer_cancel(timer_);
      peers_.clear();
   }

   void on_peer(wrn_handle peer, std::span<const std::string_view> configured) {
      std::vector<endpoint>& endpoints = peers_[peer];
      endpoints.clear();
      for (const std::string_view text : configured)
         if (endpoint e = parse(text); !e.host.empty()) endpoints.push_back(std::move(e));
      say(peer, endpoints);
      ask();
   }
   void on_peer_gone(wrn_handle peer) { peers_.erase(peer); }
   void on_unreachable(wrn_handle peer) {
      if (const auto it = peers_.find(peer); it != peers_.end())
         for (endpoint& e : it->second)
            e.wanted = true;
      ask();
   }
   void on_timer(wrn_handle, uint64_t) {
      timer_ = 0;
      ask();
   }
   // An answer nobody waits for any more finds no endpoint with its number.
   void on_resolved(uint64_t question, wrn_status status, std::span<const wrn_addr> found) {
      for (auto& [peer, endpoints] : peers_)
         for (endpoint& e : endpoints) {
            if (e.question != question) continue;
            e.question = 0;
            if (status != WRN_OK) {
               warren().log(WRN_LOG_WARN, "name_not_resolved", sdk::field("name", e.host));
               e.wanted = true;
               return later();
            }
            e.found.assign(found.begin(), found.end());
            return say(peer, endpoints);
         }
   }

 private:
   static constexpr size_t places_max = 16; // what the host takes

   void ask() {
      for (auto& [peer, endpoints] : peers_)
         for (endpoint& e : endpoints) {
            if (!e.wanted || e.question != 0) continue;
            if (!resolve(e.host, e.port, ++questions_)) return later(); // too many under way
            e.wanted = false;
            e.question = questions_;
         }
   }
   void later() {
      if (timer_ == 0) warren().timer_set(timer_, warren().now() + retry_ns_);
   }
   void say(wrn_handle peer, const std::vector<endpoint>& endpoints) {
      std::vector<place> places;
      for (const endpoint& e : endpoints)
         for (const wrn_addr& a : e.found)
            if (places.size() < places_max) places.push_back({e.transport, a});
      offer(peer, places);
   }

   uint64_t retry_ns_ = 0, questions_ = 0;
   wrn_handle timer_ = 0;
   std::map<wrn_handle, std::vector<endpoint>> peers_;
};

} // namespace

WARREN_PLUGIN(my_plugin_discovery)
