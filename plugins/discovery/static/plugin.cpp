// Static discovery: endpoints as the operator wrote them. Literal addresses are offered at once;
// host names are resolved, and again when the peer stops answering or a look-up failed. Few
// look-ups are under way at any time, the others wait for their turn, and one timer serves all
// retries: thousands of names cost the host no more than a handful.
#include "warren/sdk.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <deque>
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
constexpr uint64_t retry_grain = second; // the timer fires at most this often
constexpr size_t endpoints_max = 16;     // what the host takes
constexpr size_t questions_max = 32;     // half of what the host allows

struct written {
   std::string transport, host;
   uint16_t port = 0;
   std::vector<wrn_addr> found; // the last answer; kept when a later look-up fails
   bool literal = false;
   bool wanted = false; // to be asked for when it is its turn
   bool asking = false;
   uint64_t retry = 0;    // last wait after a failure, 0 = none failed
   uint64_t retry_at = 0; // 0 = not planned
};

struct member {
   std::vector<written> endpoints;
   bool queued = false;
};

/// "wireguard://[key_…@]host:port" or "wireguard://[::1]:port". The host has checked the text; this
/// refuses rather than guesses.
std::optional<written> parse(std::string_view text) {
   written w;
   const auto parts = sdk::parse_endpoint(text);
   if (!parts) return std::nullopt;
   w.transport = parts->transport;
   w.host = parts->host;
   w.port = parts->port;
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
   static constexpr sdk::info about{.id = "org.warren.static",
                                    .name = "static",
                                    .vendor = "Warren",
                                    .version = "0.1.0",
                                    .license = "Apache-2.0",
                                    .summary = "Endpoints from the configuration; host names are "
                                               "resolved, and again when they stop answering."};

   void on_peer(wrn_handle peer, std::span<const std::string_view> configured) {
      member fresh;
      for (const std::string_view text :
           configured.first(std::min(configured.size(), endpoints_max)))
         if (auto w = parse(text)) fresh.endpoints.push_back(std::move(*w));
      member& m = members_[peer];
      fresh.queued = m.queued;
      m = std::move(fresh);
      offer_all(peer, m);
      on_unreachable(peer);
   }

   void on_peer_gone(wrn_handle peer) { members_.erase(peer); }

   void on_unreachable(wrn_handle peer) {
      const auto m = members_.find(peer);
      if (m == members_.end()) return;
      for (written& w : m->second.endpoints)
         if (!w.literal) want(peer, m->second, w);
      pump();
   }

   void on_timer(wrn_handle, uint64_t) {
      timer_ = 0;
      const uint64_t now = warren().now();
      uint64_t next = UINT64_MAX;
      for (auto& [peer, m] : members_)
         for (written& w : m.endpoints) {
            if (w.retry_at == 0) continue;
            if (w.retry_at > now) {
               next = std::min(next, w.retry_at);
            } else {
               w.retry_at = 0;
               want(peer, m, w);
            }
         }
      if (next != UINT64_MAX) arm(std::max(next, now + retry_grain));
      pump();
   }

   void on_resolved(uint64_t tag, wrn_status status, std::span<const wrn_addr> found) {
      const auto it = questions_.find(tag);
      if (it == questions_.end()) return;
      const question q = std::move(it->second);
      questions_.erase(it);
      const auto m = members_.find(q.peer);
      if (m == members_.end()) return pump();
      bool changed = false;
      for (written& w : m->second.endpoints) {
         if (w.host != q.name || w.port != q.port) continue;
         w.asking = false;
         if (status != WRN_OK || found.empty()) {
            warren().log(WRN_LOG_WARN, "name_not_resolved", sdk::field("name", w.host));
            retry_later(w);
            continue;
         }
         w.retry = 0;
         w.found.assign(found.begin(), found.end());
         changed = true;
      }
      if (changed) offer_all(q.peer, m->second);
      pump();
   }

   void on_stop() {
      warren().timer_cancel(timer_);
      members_.clear();
      queue_.clear();
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

   void want(wrn_handle peer, member& m, written& w) {
      w.wanted = true;
      if (!m.queued) queue_.push_back(peer);
      m.queued = true;
   }

   /// Asks for what waits, as long as few enough questions are under way.
   void pump() {
      while (!queue_.empty()) {
         const wrn_handle peer = queue_.front();
         const auto m = members_.find(peer);
         if (m != members_.end()) {
            for (written& w : m->second.endpoints) {
               if (w.asking || w.literal || !w.wanted) continue;
               if (questions_.size() >= questions_max)
                  return; // on_resolved() goes on with this member
               ask(peer, w);
            }
            m->second.queued = false;
         }
         queue_.pop_front();
      }
   }

   void ask(wrn_handle peer, written& w) {
      w.wanted = false;
      w.retry_at = 0;
      const uint64_t tag = next_tag_++;
      if (!resolve(w.host, w.port, tag)) return retry_later(w);
      w.asking = true;
      questions_[tag] = {peer, w.host, w.port};
   }

   void retry_later(written& w) {
      w.retry = std::min(retry_max, w.retry == 0 ? retry_first : w.retry * 2);
      w.retry_at = warren().now() + w.retry;
      arm(w.retry_at);
   }

   void arm(uint64_t at) {
      if (timer_ != 0 && timer_at_ <= at) return;
      if (warren().timer_set(timer_, at)) timer_at_ = at;
   }

   std::unordered_map<wrn_handle, member> members_;
   std::unordered_map<uint64_t, question> questions_; // under way
   std::deque<wrn_handle> queue_; // members with names that are wanted; may name some that are gone
   uint64_t next_tag_ = 1;
   wrn_handle timer_ = 0;
   uint64_t timer_at_ = 0;
};

} // namespace

} // namespace warren::static_discovery

WARREN_PLUGIN(warren::static_discovery::discovery)
