// One node's part in a network: its documents, its own say, and, where it is an admin, what it
// issues.
//
// Sans I/O: messages of linked nodes come in, messages and a table of members go out, time, chance
// and storage come through `party_host`. Nothing that an admin grants leaves before it is stored:
// save() has returned. Runs on one thread (the daemon's control thread); a thousand of them run in
// a test. Split by theme: party.cpp (life, table), party_sync.cpp (documents over links),
// party_join.cpp (asking to be let in), party_admin.cpp (letting in), party_state.cpp (what is
// stored).
#pragma once

#include "core/trust/identity.hpp"
#include "core/trust/ledger.hpp"

#include <deque>
#include <functional>

namespace warren::trust {

using fields = std::vector<std::pair<std::string, std::string>>;

class party_host {
 public:
   virtual ~party_host() = default;
   virtual uint64_t wall_ms() = 0;
   virtual uint64_t now_ms() = 0; // monotonic
   virtual void random(void* out, size_t bytes) = 0;
   /// To a linked node; false = no room now, it is as if it were lost.
   virtual bool send(const node_id& to, std::vector<uint8_t> message) = 0;
   /// Replaces what is stored, whole and durable, or fails and leaves it.
   virtual base::result<void> save(std::span<const uint8_t> state) = 0;
   virtual void event(std::string name, fields what) = 0;
};

using invite_secret = std::array<uint8_t, 16>;

struct invite_state {
   short_id id{};
   invite_secret secret{};
   uint64_t created_ms = 0, expires_ms = 0; // 0 = never
   uint32_t uses = 1, used = 0;             // 0 uses = any number
   bool revoked = false, auto_accept = false;
   std::vector<std::string> groups, roles, tags;
   crypto::bytes32 token{}; // hash of the text that was given out
};
enum class invite_verdict : uint8_t {
   open,
   expired,
   used_up,
   revoked,
   tampered,
   wrong_network,
   full
};
std::string_view to_string(invite_verdict v); // "expired", for a sentence
invite_verdict verdict_of(const invite_state& i, uint64_t now_ms);

/// Somebody who asked to be let in and waits.
struct pending_request {
   node_id node{};
   join_request request;
   uint64_t since_ms = 0;
   std::string from; // where the link came from
};

/// What an admin may say of a member.
struct member_terms {
   std::optional<std::string> name;
   std::optional<std::vector<std::string>> groups, roles, tags;
   std::optional<std::vector<wrn_addr>> routes;
};

enum class standing : uint8_t { waiting, refused, member, removed, expired };
std::string_view to_string(standing s);

/// A secret of the network that pairs of members derive their preshared keys from.
struct network_secret {
   uint64_t epoch = 0;
   std::array<uint8_t, 8> name{};
   crypto::secret32 value;
};
crypto::bytes32 psk_of_pair(const crypto::secret32& secret, const crypto::bytes32& network,
                            const node_id& a, const node_id& b);
/// The same from an invite's join secret.
crypto::bytes32 psk_of_invite(const invite_secret& secret, const crypto::bytes32& network,
                              const node_id& a, const node_id& b);

class party {
 public:
   struct birth {
      std::string network_name, node_name;
      wrn_addr plan{};
      uint64_t member_days = 365;
   };
   /// Makes a network with this node as its first member and admin; stores it.
   static base::result<std::unique_ptr<party>>
   create(party_host& host, std::shared_ptr<const identity> self, const birth& wanted);
   /// A node that has an invite and waits to be accepted; stores that.
   struct invitation {
      crypto::bytes32 network{};
      node_id admin{};
      short_id id{};
      invite_secret secret{};
      std::string token;     // as it was given
      bool tampered = false; // its signature does not fit: the inviter shall hear of it
      std::vector<std::string> endpoints;
      std::string node_name;
   };
   static base::result<std::unique_ptr<party>>
   join(party_host& host, std::shared_ptr<const identity> self, const invitation& with);
   /// From what was stored.
   static base::result<std::unique_ptr<party>>
   restore(party_host& host, std::shared_ptr<const identity> self, std::span<const uint8_t> state);

   // What happens.
   void on_link(const node_id& peer, bool up, const std::string& from);
   void on_message(const node_id& peer, std::span<const uint8_t> message);
   /// The admin's answer to the knock, before there is a link.
   void on_knock(invite_verdict verdict);
   void on_endpoints(std::vector<std::string> own);
   /// The links of a member come from two processes in turn.
   void on_clone(const node_id& peer);
   /// Call at least every 100 ms while anything is linked.
   void tick();
   /// True once after each change of the table.
   bool take_changed() { return std::exchange(changed_, false); }

   // What there is.
   const view& now() { return ledger_.now(host_.wall_ms()); }
   const ledger& documents() const { return ledger_; }
   standing state();
   const std::string& why() const { return state_.why; }
   const member* self();
   const identity& keys() const { return *self_; }
   const crypto::bytes32& network() const { return ledger_.network(); }
   const invitation* invited() const { return state_.invited ? &*state_.invited : nullptr; }
   std::vector<network_secret> secrets() const;
   /// Stores what is not stored yet; what can wait does so for a moment.
   void store();
   const std::map<short_id, invite_state>& invites() const { return state_.invites; }
   const std::vector<pending_request>& pending() const { return state_.pending; }
   bool is_admin();
   bool has_root() const { return state_.root.has_value(); }
   /// Numbers of members whose identity runs in two places.
   const std::set<node_id>& cloned() const { return cloned_; }
   /// Something is to be sent or asked soon: tick() is wanted often.
   bool busy() const { return !news_.empty() || change_pending_ || state_.next_tunnel.has_value(); }
   /// Members whose links should be kept, so that documents spread: log2 of the members, or all of
   /// few.
   std::vector<node_id> partners();

   // What an admin does. All store before they return; errors change nothing.
   struct invite_terms {
      uint32_t uses = 1;
      uint64_t lifetime_s = 7 * 86'400;
      bool auto_accept = false;
      std::vector<std::string> groups, roles, tags;
   };
   base::result<invite_state> invite(const invite_terms& terms);
   base::result<void> name_token(const short_id& id, const crypto::bytes32& token_hash);
   base::result<void> revoke_invite(const short_id& id);
   base::result<certificate> accept(const node_id& who, const member_terms& terms);
   base::result<void> reject(const node_id& who, std::string why);
   base::result<void> remove(uint32_t number, std::string why);
   base::result<certificate> change(uint32_t number, const member_terms& terms);
   base::result<certificate> add_stock(const std::string& name, const crypto::bytes32& tunnel_key,
                                       uint32_t via, const member_terms& terms);
   struct admin_terms {
      std::vector<std::string> groups, roles, tags;
      uint32_t share = 8; // one part in so many of the plan
      uint64_t lifetime_s = 365 * 86'400;
   };
   base::result<delegation> add_admin(uint32_t number, const admin_terms& terms);
   base::result<void> remove_admin(const node_id& who);
   base::result<network_document> push_document(std::string acl, std::string note);
   /// The committed next root takes over; every delegation of now is kept.
   base::result<void> succeed();
   /// A new tunnel key for this node; it is in use when take_new_tunnel_key() gives it.
   base::result<void> rotate();
   std::optional<crypto::tunnel_key> take_new_tunnel_key();
   /// This node's keys have changed: its file is written.
   void use(std::shared_ptr<const identity> self);
   bool rotating() const { return state_.next_tunnel.has_value(); }
   void rotate_every(uint64_t seconds);
   uint64_t rotates_every() const { return state_.rotate_every_s; }
   /// Takes in documents that somebody brought; how many were new.
   base::result<size_t> import(std::span<const std::vector<uint8_t>> statements);

 private:
   struct issued_to { // what this admin has given, for ever
      uint32_t number = 0, offset = 0;
      uint64_t since = 0;
      crypto::bytes32 who{}; // node id, or a stock client's tunnel key
      bool stock = false;
   };
   struct stored {
      // Everybody.
      uint64_t record_sequence = 0;
      std::vector<std::array<uint8_t, 8>> instances; // of earlier starts, newest last
      std::vector<network_secret> secrets;           // newest last
      std::optional<invitation> invited;
      bool refused = false, removed = false;
      std::string why;
      std::vector<uint32_t> own_numbers; // that this node was a member by
      std::optional<crypto::tunnel_key> next_tunnel;
      uint64_t rotate_every_s = 0, rotated_ms = 0;
      // Admins.
      std::optional<crypto::signing_key> root, next_root;
      uint64_t delegation_serial = 0, serial = 0, head_sequence = 0;
      uint32_t next_number = 0, next_offset = 0;
      std::vector<issued_to> issued;
      std::map<short_id, invite_state> invites;
      std::vector<pending_request> pending;
      std::vector<short_id> delegations; // that this root has made
      std::deque<short_id> nonces;       // of join requests that were answered
      uint64_t member_days = 365;

      stored() = default;
      stored(stored&&) = default;
      stored& operator=(stored&&) = default;
      stored copy() const;
   };
   struct linked {
      std::string from;
      uint64_t since_ms = 0;
      uint64_t digest_at = 0;            // when to say again what is here
      uint64_t budget = 0, refilled = 0; // bytes of documents that may be sent
      uint64_t checks = 0;               // statements of this neighbour that may be looked at
      bool stranger = false;
   };

   party(party_host& host, std::shared_ptr<const identity> self, const crypto::bytes32& network);

   // party.cpp
   void refresh();
   void publish_record(bool force);
   void watch_own_record(const statement& s);
   void watch_record(const node_id& node, const node_record& r);
   void tell_clone(const node_id& peer);
   void note_clone(const node_id& node, const std::string& why);
   void open_grant(const statement& s);
   void rotate_if_due();

   // party_sync.cpp
   admission take(std::span<const uint8_t> bytes, const node_id* from);
   void added(const statement& s, const node_id* from);
   void say(const statement& s, const node_id* except);
   void flush_news();
   void give_checks();
   void send_digest(const node_id& to, linked& l);
   void send_statements(const node_id& to, linked& l, std::span<const short_id> ids);
   void on_digest(const node_id& peer, linked& l, cbor::reader& r);
   void on_listing(const node_id& peer, linked& l, cbor::reader& r);
   void on_want(const node_id& peer, linked& l, cbor::reader& r);
   void on_statements(const node_id& peer, cbor::reader& r);
   bool is_listed(const node_id& peer);

   // party_join.cpp
   void ask();
   void on_join_request(const node_id& peer, std::span<const uint8_t> bytes);
   void on_join_answer(const node_id& peer, cbor::reader& r);
   void answer(const node_id& to, int state, const std::string& why);
   void refuse_request(const node_id& peer, const join_request& r, const std::string& why);

   // party_admin.cpp
   const delegation* own_rights(uint32_t right);
   base::error no_right(std::string_view what);
   base::result<issued_to> allocate(const crypto::bytes32& who, bool stock);
   base::result<void> grow_pool();
   certificate fill(const issued_to& slot, const member_terms& terms, const member* before);
   base::result<void> check_terms(const member_terms& terms, uint32_t number);
   std::optional<statement> make_grant(uint64_t epoch, const std::vector<uint32_t>& numbers);
   base::result<void> bump_epoch(std::vector<statement>& out, const std::set<uint32_t>& without);
   statement make_head();
   uint64_t next_serial();
   uint64_t next_delegation_serial();
   /// Takes the statements in and stores them, or takes everything back.
   base::result<void> settle(std::vector<statement> made, stored before);
   bool clock_is_right();
   void admin_duties();

   // party_state.cpp
   std::vector<uint8_t> snapshot() const;
   base::result<void> load(std::span<const uint8_t> state);
   base::result<void> save();

   party_host& host_;
   std::shared_ptr<const identity> self_;
   ledger ledger_;
   stored state_;
   std::array<uint8_t, 8> instance_{};
   std::vector<std::string> endpoints_;
   uint64_t endpoints_at_ = 0, published_at_ = 0;
   bool record_due_ = false;
   std::map<node_id, linked> links_;
   struct news_item {
      short_id id;
      node_id from{};
   };
   std::vector<news_item> news_;
   std::map<short_id, uint64_t> unwanted_; // refused ids, until when
   std::vector<certificate> reissue_;      // members who need another number
   std::map<node_id, std::deque<std::array<uint8_t, 8>>> seen_instances_;
   std::set<node_id> cloned_;
   uint32_t foreign_records_ = 0;
   bool changed_ = false, unsaved_ = false, change_pending_ = false;
   uint64_t change_at_ = 0, version_ = 0; // of the ledger when the table was told last
   uint64_t checks_given_ = 0;
   uint64_t save_at_ = 0, ask_at_ = 0, duties_at_ = 0, ask_wait_ = 0;
   uint64_t started_ms_ = 0;
   uint64_t granted_wait_ = 0; // since when somebody lacks the secret
   short_id ask_nonce_{};
   std::optional<crypto::tunnel_key> new_tunnel_;
   std::map<uint32_t, node_id> recipients_; // of secrets, while their certificates are made
   const std::vector<statement>* settling_ = nullptr;
};

} // namespace warren::trust
