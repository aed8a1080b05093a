// The signed documents of a network, as values, and their one encoding.
//
// A document travels and is stored as a *statement*: CBOR [type, body, signer, signature] where the
// signature covers "warren/statement/1", the network id, the type and exactly the bytes of the
// body. What is checked here needs no other document: form, sizes, counts and the signature.
// Whether the signer may say it is the ledger's (ledger.hpp). docs/trust.md has the whole picture.
// Values; any thread.
#pragma once

#include "core/trust/cbor.hpp"
#include "core/trust/name.hpp"
#include "warren/base.h"

#include <optional>
#include <variant>

namespace warren::trust {

using node_id = crypto::bytes32;
using short_id = std::array<uint8_t, 16>;

/// In the order in which statements depend on each other.
enum class statement_type : uint8_t {
   genesis = 1,
   succession = 2,
   delegation = 3,
   revocation = 4,
   certificate = 5,
   grant = 6,
   head = 7,
   network_document = 8,
   node_record = 9,
   join_request = 10, // not kept by a ledger
};
inline constexpr uint8_t statement_types = 11;

// Bounds of what one document may say.
inline constexpr size_t label_bytes_max = 63;
inline constexpr size_t labels_max = 32;    // groups, roles or tags of one member
inline constexpr size_t routes_max = 64;    // prefixes of one member
inline constexpr size_t ranges_max = 16;    // of a delegation
inline constexpr size_t endpoints_max = 16; // of a node
inline constexpr size_t revoked_max = 1024; // members in one revocation
inline constexpr size_t grants_max = 256;   // sealed secrets in one statement
inline constexpr size_t kept_max = 64;      // delegations that survive a succession
inline constexpr size_t acl_bytes_max = 256 << 10;
inline constexpr size_t statement_bytes_max = acl_bytes_max + 4096;

/// Inclusive.
struct range {
   uint32_t first = 0, last = 0;
   bool contains(uint32_t value) const { return value >= first && value <= last; }
   bool overlaps(const range& other) const { return first <= other.last && other.first <= last; }
   bool operator==(const range&) const = default;
};
bool any_contains(const std::vector<range>& ranges, uint32_t value);

/// The network's id is the hash of this document's statement. Signed by the root that it names.
struct genesis {
   std::string name;
   crypto::bytes32 next_root{}; // hash of the root key that may succeed this one
   wrn_addr plan{};             // IPv4 prefix; addresses of members are offsets in it
   uint64_t created_ms = 0;
   short_id nonce{};
};

/// A new root takes over: signed by the key whose hash the one before it has committed to, so that
/// a thief of the root in use cannot succeed it. Delegations that are not named here end.
struct succession {
   uint64_t generation = 0; // genesis is 0
   crypto::bytes32 next_root{};
   uint64_t time_ms = 0;
   std::vector<short_id> kept;
};

/// What the root lets an admin do. Signed by the root. A later serial for the same node replaces
/// an earlier one.
struct delegation {
   enum right : uint32_t {
      issue = 1,      // certificates, and revocations of the own numbers
      revoke_any = 2, // revocations of any member
      govern = 4,     // heads, network documents, secrets
   };
   node_id admin{};
   uint64_t serial = 0;              // among the root's delegations
   std::vector<range> pool, numbers; // offsets in the plan; member numbers
   bool any_label = false;           // may grant every group, role and tag, else those named:
   std::vector<std::string> groups, roles, tags;
   bool any_route = false; // may certify routes into foreign networks
   uint32_t rights = 0;
   uint64_t not_before_s = 0, not_after_s = 0;
   uint32_t members_max = 0;
};

/// Makes somebody a member. Signed by an admin within his delegation.
struct certificate {
   std::optional<node_id> node; // nothing: a stock WireGuard client
   crypto::bytes32 tunnel_key{};
   uint32_t number = 0;
   std::string name;
   uint32_t offset = 0; // IPv4 address in the plan
   std::vector<wrn_addr> routes;
   std::vector<std::string> groups, roles, tags;
   uint64_t not_before_s = 0, not_after_s = 0;
   uint64_t serial = 0; // strictly increasing per issuer
   uint32_t via = 0;    // stock: the number of the node that it connects to
   uint64_t since = 0;  // serial of the number's first certificate: tells who had it first
};

/// Where a node is and what runs there; signed by the node itself.
struct node_record {
   uint64_t sequence = 0;
   std::vector<std::string> endpoints; // "wireguard://192.0.2.1:51820"
   std::array<uint8_t, 8> instance{};  // chosen at each start: two at once are a copied identity
   std::string version;
};

/// Ends members (for ever: numbers are not used again), or an admin's delegation.
struct revocation {
   std::vector<uint32_t> numbers;
   std::optional<node_id> admin; // all his delegations up to now, by serial
   uint64_t admin_serial = 0;
   std::string why;
   uint64_t time_ms = 0;
};

/// The network's secret of an epoch, sealed to members.
struct grant {
   struct seal {
      uint32_t number = 0;
      std::array<uint8_t, 32 + crypto::sealed_overhead> box{};
   };
   uint64_t epoch = 0;
   std::array<uint8_t, 8> secret{}; // names the secret: its hash
   uint64_t time_ms = 0;
   std::vector<seal> seals;
};

/// What there is, said now: shows that nothing is withheld.
struct head {
   uint64_t sequence = 0, time_ms = 0;
   uint64_t epoch = 0, document_version = 0;
   uint64_t revoked = 0;           // how many numbers
   crypto::bytes32 revoked_root{}; // hash of all revoked numbers, ascending
};

struct network_document {
   uint64_t version = 0, time_ms = 0;
   std::string acl; // HuJSON; empty = none
   std::string note;
   short_id parent{}; // the statement that it replaces
};

/// A node asks to be let in, or for a new certificate. Signed by the node; the tunnel key is proved
/// to the one who is asked.
struct join_request {
   node_id admin{};
   crypto::bytes32 tunnel_key{};
   crypto::possession_proof proof{}; // of the tunnel key, toward `admin`
   short_id invite{};                // zero for a new certificate
   short_id nonce{};
   uint64_t time_ms = 0;
   std::string name;    // wanted
   std::string version; // claims
};

using document = std::variant<genesis, succession, delegation, revocation, certificate, grant, head,
                              network_document, node_record, join_request>;
statement_type type_of(const document& d);
std::string_view name_of(statement_type type);

/// A document with its signature, as it travels.
struct statement {
   document content;
   node_id signer{};
   short_id id{}; // of the bytes
   std::vector<uint8_t> bytes;
   statement_type type() const { return type_of(content); }
};

/// Signs. `network` is zero for a genesis.
statement make_statement(const crypto::signing_key& signer, const crypto::bytes32& network,
                         const document& content);

/// Reads and verifies form, bounds and signature: the only way from bytes to a statement. Whoever
/// signed has signed exactly this; nothing is said about whether he may.
base::result<statement> open_statement(std::span<const uint8_t> bytes,
                                       const crypto::bytes32& network);

/// The id of a network from the bytes of its genesis statement.
crypto::bytes32 network_id_of(std::span<const uint8_t> genesis_bytes);
/// What a root commits to: the hash of the key that may succeed it.
crypto::bytes32 commitment_of(const node_id& next_root);
/// What a possession proof in a join request covers.
std::vector<uint8_t> proved_text(const join_request& request, const crypto::bytes32& network,
                                 const node_id& asker);

/// The address at an offset of an IPv4 prefix, /32.
wrn_addr address_at(const wrn_addr& plan, uint32_t offset);

} // namespace warren::trust
