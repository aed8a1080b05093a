// Access rules compiled for the members of a network: which rule decides a new flow.
//
// Each clause of the rules (acl_compile.cpp) is a bit, in the order of the file. A member, a prefix
// and a protocol each have a row with the bits of the clauses that may match them, so the first bit
// that is set in the rows of source, destination and protocol is the rule that decides. Above the
// words of a row stands a summary with a bit per word that is not zero, so that the search touches
// only words that may hold it. Never changes after compile(); any thread.
#pragma once

#include "core/route/acl.hpp"
#include "core/route/owner_table.hpp"

#include <memory>

namespace warren::route {

inline constexpr uint32_t no_rule = UINT32_MAX; // the default decided

/// Of a flow that nothing is known of.
struct flow_question {
   uint8_t family = 0;              // 4 or 6
   const uint8_t* source = nullptr; // 4 or 16 bytes
   const uint8_t* destination = nullptr;
   uint8_t protocol = 0;
   bool has_port = false; // false: only clauses without ports match
   uint16_t port = 0;     // of the destination
};

/// Asked about addresses as values.
flow_question question_of(const wrn_addr& source, const wrn_addr& destination, uint8_t protocol,
                          std::optional<uint16_t> port);

struct decision {
   bool accept = false;
   uint32_t rule = no_rule; // index into the rules
};

class rule_set {
 public:
   decision judge(const flow_question& q) const noexcept;

   struct origin { // of a rule, for messages
      uint32_t line = 0;
      bool accept = false;
   };
   /// "acl.hujson:12", or "default".
   std::string where(uint32_t rule) const;
   bool default_accept() const { return default_accept_; }
   size_t rules() const { return origins_.size(); }
   size_t bytes() const; // of its tables

 private:
   friend class rule_compiler;
   struct key128 {
      uint64_t high = 0, low = 0;
      friend auto operator<=>(const key128&, const key128&) = default;
   };
   struct word_bits {
      uint32_t word = 0;
      uint64_t bits = 0;
   };
   /// Clauses that name ports, by where the ports stand.
   struct port_table {
      std::vector<uint32_t> starts;  // of ranges with the same clauses, the first is 0
      std::vector<uint32_t> offsets; // into entries, one more than starts
      std::vector<word_bits> entries;
   };
   struct rows {
      std::vector<uint64_t> words;
      size_t add(size_t stride) {
         words.resize(words.size() + stride);
         return words.size() / stride - 1;
      }
   };
   struct side {
      rows members;         // the first is that of everybody else
      rows prefixes;        // the first has no bit
      owner_table prefixed; // address to row
   };

   uint32_t member_of(uint8_t family, const uint8_t* ip) const noexcept;
   static key128 key_of(uint8_t family, const uint8_t* ip) noexcept;

   size_t summary_ = 0, words_ = 0; // of a row: summary first
   side source_, target_;
   std::vector<uint64_t> self_, internet_, none_; // rows of the destination
   bool has_internet_ = false;
   rows protocols_;
   std::array<uint16_t, 256> protocol_row_{};
   port_table tcp_, udp_;
   std::vector<uint32_t> rule_of_; // clause
   std::vector<origin> origins_;
   std::vector<std::pair<key128, uint32_t>> addresses_; // to row of the member, sorted
   std::string file_;
   bool default_accept_ = false;
};

/// errc::limit beyond the bounds of acl.hpp, which the members have no part in: parse_acl() refuses
/// such a text.
base::result<std::shared_ptr<const rule_set>>
compile(const acl& rules, std::span<const member_view> members, bool default_accept = false);

/// Neither private, shared, local, multicast nor reserved (RFC 6890 and its registries).
bool is_public_unicast(uint8_t family, const uint8_t* ip) noexcept;

} // namespace warren::route
