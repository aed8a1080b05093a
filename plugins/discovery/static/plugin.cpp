// Static discovery: endpoints as the operator wrote them. Literal addresses are offered at once; host names are resolved, and again when
// the peer stops answering or a look-up failed.
#include "warren/sdk.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace warren::static_discovery {

namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t retry_first = 2 * second;
constexpr uint64_t retry_max = 120 * second;
constexpr size_t endpoints_max = 16; // what the host takes

struct written {
   std::string transport, host;
   uint16_t port = 0;
   std::vector<wrn_addr> found; // the last answer; kept when a later look-up fails
   bool literal = false;
   bool asking = false;
   uint64_t retry = 0;          // next wait after a failure, 0 = none failed
};

struct member {
   std::vector<written> endpoints;
   wrn_handle retry_timer = 0; // one for all its names
};

/// "wireguard://[key_…@]host:port" or "wireguard://[::1]:port". The host has checked the text; this refuses rather than guesses.
std::optional<written> parse(std::string_view text) {
   written w;
   const size_t scheme = text.find("://");
   if (scheme == std::string_view::npos) return std::nullopt;
   w.transport = text.substr(0, scheme);
   text.remove_prefix(scheme + 3);
   if (const size_t at = text.find('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
   const size_t colon = text.rfind(':');
   if (colon == std::string_view::npos || colon == 0) return std::nullopt;
   unsigned port = 0;
   for (const char c : text.substr(colon + 1)) {
      if (c < '0' || c > '9' || port > 65535) return std::nullopt;
      port = port * 10 + static_cast<unsigned>(c - '0');
   }
   if (port == 0 || port > 65535) return std::nullopt;
   w.port = static_cast<uint16_t>(port);
   std::string_view host = text.substr(0, colon);
   if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
   if (host.empty() || host.size() > 253) return std::nullopt;
   w.host = host;
   // A literal address needs no resolver: it is there before the first packet wants it.
   wrn_addr literal{};
   literal.port = w.port;
   if (inet_pton(AF_INET, w.host.c_str(), literal.ip) == 1) {
      literal.family = WRN_AF_INET;
      literal.prefix_len = 32;
   } else if (inet_pton(AF_INET6, w.host.c_str(), literal.ip) == 1) {
      literal.family = WRN_AF_INET6;
      literal.prefix_len = 128;
   }
   w.literal = literal.family != WRN_AF_NONE;
   if (w.literal) w.found.push_back(literal);
   return w;
}

class discovery final : public sdk::discovery<discovery> {
 public:
   static constexpr sdk::info about{.id = "org.warren.static", .name = "static", .vendor = "Warren", .version = "0.1.0", .license = "Apache-2.0",
                                    .summary = "Endpoints from the configuration; host names are resolved, and again when they stop answering."};

   void on_peer(wrn_handle peer, std::span<const std::string_view> configured) {
      on_peer_gone(peer);
      member& m = members_[peer];
      for (const std::string_view text : configured.first(std::min(configured.size(), endpoints_max)))
         if (auto w = parse(text)) m.endpoints.push_back(std::move(*w));
      offer_all(peer, m);
      on_unreachable(peer);
   }

   void on_peer_gone(wrn_handle peer) {
      const auto m = members_.find(peer);
      if (m == members_.end()) return;
      warren().timer_cancel(m->second.retry_timer);
      members_.erase(m);
   }

   void on_unreachable(wrn_handle peer) {
      const auto m = members_.find(peer);
      if (m == members_.end()) return;
      for (written& w : m->second.endpoints) ask(peer, m->second, w);
   }

   void on_timer(wrn_handle, uint64_t peer) {
      const auto m = members_.find(peer);
      if (m == members_.end()) return;
      m->second.retry_timer = 0;
      on_unreachable(peer);
   }

   void on_resolved(uint64_t tag, wrn_status status, std::span<const wrn_addr> found) {
      const auto it = questions_.find(tag);
      if (it == questions_.end()) return;
      const question q = std::move(it->second);
      questions_.erase(it);
      const auto m = members_.find(q.peer);
      if (m == members_.end()) return;
      for (written& w : m->second.endpoints) {
         if (w.host != q.name || w.port != q.port || w.literal) continue;
         w.asking = false;
         if (status != WRN_OK || found.empty()) {
            warren().log(WRN_LOG_WARN, "name_not_resolved", sdk::field("name", w.host));
            retry_later(q.peer, m->second, w);
            continue;
         }
         w.retry = 0;
         w.found.assign(found.begin(), found.end());
      }
      offer_all(q.peer, m->second);
   }

   void on_stop() {
      while (!members_.empty()) on_peer_gone(members_.begin()->first);
      questions_.clear();
   }

 private:
   struct question {
      wrn_handle peer;
      std::string name; // of the endpoint asked for, since the list may change meanwhile
      uint16_t port;
   };

   void offer_all(wrn_handle peer, const member& m) {
      std::vector<place> places;
      for (const written& w : m.endpoints)
         for (const wrn_addr& a : w.found)
            if (places.size() < endpoints_max) places.push_back({w.transport, a});
      offer(peer, places);
   }

   void ask(wrn_handle peer, member& m, written& w) {
      if (w.asking || w.literal) return;
      const uint64_t tag = next_tag_++;
      if (!resolve(w.host, w.port, tag)) return retry_later(peer, m, w);
      w.asking = true;
      questions_[tag] = {peer, w.host, w.port};
   }

   void retry_later(wrn_handle peer, member& m, written& w) {
      w.retry = std::min(retry_max, w.retry == 0 ? retry_first : w.retry * 2);
      if (m.retry_timer == 0) warren().timer_set(m.retry_timer, warren().now() + w.retry, peer);
   }

   std::unordered_map<wrn_handle, member> members_;
   std::unordered_map<uint64_t, question> questions_;
   uint64_t next_tag_ = 1;
};

} // namespace

} // namespace warren::static_discovery

WARREN_PLUGIN(warren::static_discovery::discovery)
