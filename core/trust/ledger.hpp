// The documents that a node holds of one network, and what follows from them: who is a member now.
//
// The ledger is a set: the order in which documents arrive does not matter, two nodes with the same
// documents and clocks come to the same view. admit() is the one function that everything passes
// through, whoever brought it; it refuses what its signer may not say. What is replaced (an older
// certificate, an older record) is forgotten; revocations and what authorises them are not. All
// tables are bounded. Free of I/O: time is an argument. One thread, its owner's.
#pragma once

#include "core/trust/documents.hpp"

#include <map>
#include <set>

namespace warren::trust {

inline constexpr uint64_t clock_skew_ms = 86'400'000; // what clocks may be apart
/// A clock this far ahead of the last head is taken to be wrong: nothing is signed by it.
inline constexpr uint64_t clock_leap_max_ms = 400ull * 86'400'000;

enum class outcome : uint8_t {
   added,
   known,   // exactly this is there
   older,   // something newer is there
   waits,   // what authorises it is not there (yet)
   refused, // see why
};
struct admission {
   outcome what = outcome::refused;
   std::string why;
   statement_type type{};
   short_id id{};
   /// The signer has said two different things under one number: a restored backup, or worse.
   bool equivocation = false;
};

struct member {
   certificate cert;
   std::string name; // the certificate's, or made unique
   node_id issuer{};
   wrn_addr address{}; // IPv4, /32
   short_id statement_id{};
   bool admin = false;
   std::optional<node_record> record;
};

/// What the documents say at a moment.
struct view {
   crypto::bytes32 network{};
   std::string name;
   wrn_addr plan{};
   node_id root{};
   uint64_t generation = 0;
   uint64_t now_ms = 0; // the moment: the clock, or the newest head where the clock is behind it
   std::vector<member> members; // by number
   struct admin {
      delegation rights;
      short_id statement_id{};
      uint32_t issued = 0; // members by him
   };
   std::map<node_id, admin> admins;
   std::set<uint32_t> revoked;
   /// Secret in use: its epoch and name, and who has it sealed.
   uint64_t epoch = 0;
   std::array<uint8_t, 8> secret{};
   std::set<uint32_t> granted;
   std::optional<head> newest_head;
   node_id head_by{};
   std::optional<network_document> document;
   node_id document_by{};
   short_id document_id{};
   /// The head names revocations that are not here: somebody withholds them.
   bool behind = false;

   const member* find(const node_id& node) const;
   const member* find(uint32_t number) const;
   const member* find_name(std::string_view name) const;
};

class ledger {
 public:
   /// Of a network whose genesis must hash to `network`.
   explicit ledger(const crypto::bytes32& network) : network_(network) {}
   ledger(const ledger&) = delete;
   ledger& operator=(const ledger&) = delete;

   const crypto::bytes32& network() const { return network_; }
   /// Opens, verifies and takes in, or says why not. `wall_ms` is the clock.
   admission admit(std::span<const uint8_t> bytes, uint64_t wall_ms);
   /// The same for what open_statement() or make_statement() gave.
   admission admit(statement s, uint64_t wall_ms);

   /// Renewed by admit() and when time passes a validity; cheap when nothing changed.
   const view& now(uint64_t wall_ms);

   /// Another number after each change of the members, those that only time has brought included.
   uint64_t version() const { return version_; }

   /// Every statement, in the order of their dependencies.
   std::vector<const statement*> all() const { return up_to(statement_type::join_request); }
   /// The same, but only of types up to this one: what authorises the rest is little.
   std::vector<const statement*> up_to(statement_type last) const;
   const statement* find(const short_id& id) const;
   /// Kept documents, newest first.
   std::vector<const statement*> documents() const;
   size_t size() const { return by_id_.size(); }

   /// For comparing with another ledger: a hash of the ids of each bucket.
   static constexpr size_t buckets = 32;
   const std::array<uint64_t, buckets>& digest() const { return digest_; }
   static size_t bucket_of(const short_id& id) { return id[0] % buckets; }
   std::vector<short_id> ids_in(uint32_t bucket_mask) const;

   /// Takes back what admit() added last, when it could not be stored.
   void forget(const short_id& id);

 private:
   using key = std::pair<uint32_t, node_id>; // certificates: number, issuer
   admission judge(const statement& s, uint64_t wall_ms);
   admission judge_certificate(const statement& s, const certificate& c);
   bool may_revoke(const view& v, const statement& s, const revocation& r) const;
   void insert(statement s);
   void erase(const short_id& id);
   /// Out of the tables of all statements.
   void drop(statement_type type, const short_id& id);
   void prune();
   void note(const statement& s);
   /// The view without its members.
   const view& frame(uint64_t wall_ms);
   void evaluate_roots(view& v);
   void evaluate_admins(view& v);
   void evaluate_revocations(view& v);
   void evaluate_members(view& v);
   void evaluate_rest(view& v);

   crypto::bytes32 network_;
   std::map<short_id, statement> by_id_;
   std::array<uint64_t, buckets> digest_{}; // kept up to date: every link asks for it
   std::array<std::set<short_id>, statement_types> by_type_;
   std::map<key, short_id> certificates_;
   std::map<node_id, short_id> records_, heads_;
   std::set<std::pair<node_id, uint64_t>> serials_; // of certificates
   std::set<node_id> nodes_;                        // that have or had a certificate
   crypto::bytes32 committed_{};                    // hash of the root that may come next
   std::set<short_id> kept_;                        // delegations of roots before this one
   /// Delegations that the roots of the chain stand behind, ended ones included.
   std::map<short_id, const delegation*> chained_;
   view view_;
   uint64_t floor_ms_ = 0; // time of the newest head
   uint64_t next_ms_ = 0;  // when the view changes by itself
   uint64_t seen_ms_ = 0;  // when it was made
   uint64_t version_ = 0;
   // Roots, admins, revocations, secret, head, document; and the members, which follow from them.
   bool frame_dirty_ = true, members_dirty_ = true;
};

/// The hash in a head: of the numbers, ascending.
crypto::bytes32 revoked_root(const std::set<uint32_t>& numbers);

} // namespace warren::trust
