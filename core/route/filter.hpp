// The stateful filter: which inner packets pass, by access rules and by the flows that they let
// begin.
//
// Rules judge the first packet of a flow; its further packets and its replies pass without them,
// until the rules change: then each flow is judged again on its next packet. ICMP errors about a
// flow pass. Fragments share the verdict of the first. Fixed memory, no allocation per packet, no
// clock. Shard thread.
#pragma once

#include "core/route/flow_table.hpp"
#include "core/route/inner_packet.hpp"
#include "core/route/rule_set.hpp"

namespace warren::route {

enum class filter_reason : uint8_t {
   flow,                   // of a flow that passes
   related,                // an ICMP error about one
   rule,                   // `rule` decided
   standard,               // no rule matched: the default
   fragment,               // as its first fragment
   fragment_first_missing, // a later fragment, and its first was not seen
   fragment_tiny,          // a first fragment without the whole header
   fragment_overlap,       // a later fragment that would overwrite its first
   malformed,
   count_
};
std::string_view to_string(filter_reason r);

struct verdict {
   bool pass = false;
   filter_reason why = filter_reason::malformed;
   uint32_t rule = no_rule;
};

class filter {
 public:
   /// Flows and fragmented packets at once, both powers of two; `secrets` key the hashes.
   filter(size_t entries, const flow_secrets& secrets, size_t fragments = 512)
       : flows_(entries, secrets), fragments_(fragments), secrets_(secrets) {}

   /// From now on; flows are judged again on their next packet.
   void set_rules(std::shared_ptr<const rule_set> rules) {
      rules_ = std::move(rules);
      epoch_++;
   }
   const rule_set& rules() const { return *rules_; }
   const std::shared_ptr<const rule_set>& shared_rules() const { return rules_; }

   /// `peer` is who sent the packet or will get it, `now` a steady clock in nanoseconds. After
   /// set_rules().
   verdict judge(std::span<const uint8_t> packet, uint64_t peer, uint64_t now) noexcept;

   using counters = std::array<uint64_t, static_cast<size_t>(filter_reason::count_)>;
   const counters& passed() const { return passed_; }
   const counters& dropped() const { return dropped_; }
   size_t flows() const { return flows_.size(); }
   uint64_t flows_evicted() const { return flows_.evicted(); }

 private:
   struct fragment_entry {
      flow_key key; // addresses, protocol and identification
      uint64_t peer = 0;
      uint32_t seen = 0, first_end = 0, rule = no_rule;
      bool used = false, pass = false;
   };
   struct segment { // of the packet at hand
      flow_key key;
      bool lesser_sends = false;
      bool opens = true;   // may begin a flow
      bool answers = true; // may be a reply in a flow
      uint8_t tcp_flags = 0;
      flow_question question;
   };
   static constexpr size_t fragment_ways = 4;

   verdict judge_inner(const inner_packet& p, uint64_t peer, uint32_t now) noexcept;
   verdict judge_flow(const inner_packet& p, uint64_t peer, uint32_t now) noexcept;
   verdict later_fragment(const inner_packet& p, uint32_t now) noexcept;
   void note_fragment(const inner_packet& p, const verdict& v, uint64_t peer,
                      uint32_t now) noexcept;
   bool is_related(const inner_packet& error, uint32_t now, uint32_t& rule) noexcept;
   flow_entry* known(const flow_key& key, uint32_t now) noexcept;
   verdict by_rules(const flow_question& q) const noexcept;
   fragment_entry* fragments_of(const flow_key& key) noexcept {
      const size_t sets = fragments_.size() / fragment_ways;
      return &fragments_[(hash_of(key, secrets_) & (sets - 1)) * fragment_ways];
   }
   static segment segment_of(const inner_packet& p) noexcept;
   static void advance(flow_entry& e, bool forward, uint8_t tcp_flags) noexcept;

   std::shared_ptr<const rule_set> rules_;
   uint32_t epoch_ = 0;
   flow_table flows_;
   std::vector<fragment_entry> fragments_;
   flow_secrets secrets_;
   counters passed_{}, dropped_{};
};

} // namespace warren::route
