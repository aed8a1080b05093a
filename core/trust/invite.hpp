// An invite: a short text that says which network to join, whom to ask and where that one answers.
// It is a JSON Web Token (RFC 7519) signed by the inviting node with EdDSA (RFC 8037), so that a
// change on its way shows. Pure; any thread. What comes in is hostile.
//
//   base64url(header) "." base64url(claims) "." base64url(Ed25519 signature of all before the dot)
//
//   header   {"alg":"EdDSA","typ":"JWT"}, these two members and nothing else
//   iss      node id of the inviter, key_…         jti   16 random bytes, base64url: the invite's
//   id net      network id, net_…                     sec   16 random bytes: the join secret name
//   the network's name                    ep    1 to 8 endpoints where the inviter answers iat
//   issued, Unix seconds                  exp   until when; absent: no end uses     how many may
//   join; absent: any number auto  true: nobody needs to accept grp      groups that joining gives
//   role  roles plan     address plan, a prefix
//
// Claims that we do not know are ignored (RFC 7519 section 4). The inviter alone decides whether
// an invite still counts; what it says of validity is for people.
#pragma once

#include "core/crypto/keys.hpp"

#include <optional>

namespace warren::trust {

inline constexpr size_t invite_bytes_max = 4096; // of the token
inline constexpr size_t invite_endpoints_max = 8;
inline constexpr size_t invite_list_max = 64; // groups, roles
inline constexpr std::string_view invite_link_prefix = "warren://join/";

using bytes16 = std::array<uint8_t, 16>;

struct invite {
   crypto::bytes32 issuer{};
   crypto::bytes32 network{};
   std::string network_name;
   bytes16 id{};
   bytes16 secret{};
   std::vector<std::string> endpoints; // "wireguard://192.0.2.1:51820"
   int64_t issued_s = 0;               // Unix seconds
   std::optional<int64_t> expires_s;
   std::optional<uint32_t> uses;
   bool auto_accept = false;
   std::vector<std::string> groups, roles;
   std::string plan; // empty: not told
};

/// The token; its issuer is `key`. Checked as parse_invite() would: errc::invalid or errc::limit.
base::result<std::string> encode_invite(const invite& content, const crypto::signing_key& key);
/// "warren://join/" and the token.
std::string invite_link(std::string_view token);

struct parsed_invite {
   invite value;
   std::string token; // the bare token, as it came
   /// False: issuer and id could be read, but somebody changed the text. Nothing of `value` is to
   /// be believed; issuer, id and endpoints serve to tell the inviter, `why` tells the user.
   bool signature_ok = false;
   std::string why;
};
/// The bare token or the link, with white space around it. An error is a text that is no invite, or
/// one so broken that it names no issuer and no id.
base::result<parsed_invite> parse_invite(std::string_view text);

/// What lists and logs call a token without giving it away.
crypto::bytes32 token_hash(std::string_view token);

std::string format_invite_id(const bytes16& id);

} // namespace warren::trust
