#include "core/trust/invite.hpp"

#include "core/base/encode.hpp"
#include "core/config/load.hpp"
#include "core/crypto/digest.hpp"
#include "core/trust/address_plan.hpp"
#include "core/trust/name.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace warren::trust {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr size_t signature_bytes = 64;
constexpr size_t endpoint_bytes_max = 300;
constexpr int64_t seconds_max = int64_t{1} << 40; // far beyond every calendar, far below overflow
constexpr int64_t uses_max = 1'000'000;

base::error broken(std::string_view why) {
   return fail(errc::invalid, "this is not a usable invite: " + std::string(why) +
                                    "; copy it again, all of it, or ask for a new one");
}

std::string_view trimmed(std::string_view text) {
   constexpr std::string_view space = " \t\r\n";
   const size_t first = text.find_first_not_of(space);
   if (first == std::string_view::npos) return {};
   return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// Members of all objects in a value.
size_t count_members(const json::value& v) {
   size_t count = 0;
   if (const auto* object = v.if_object())
      for (const auto& item : *object)
         count += 1 + count_members(item.value());
   if (const auto* array = v.if_array())
      for (const auto& item : *array)
         count += count_members(item);
   return count;
}

/// Colons outside of strings: in valid JSON one for each member that was written.
size_t count_colons(std::string_view text) {
   size_t count = 0;
   bool inside = false;
   for (size_t i = 0; i < text.size(); i++) {
      if (inside && text[i] == '\\')
         i++;
      else if (text[i] == '"')
         inside = !inside;
      else if (!inside && text[i] == ':')
         count++;
   }
   return count;
}

/// An object without repeated keys, of which Boost.JSON would silently keep the last.
base::result<json::object> parse_object(std::string_view part, std::string_view what) {
   const auto bytes = base::base64url_decode(part);
   if (!bytes) return broken("its " + std::string(what) + " is not base64url");
   const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
   json::parse_options options;
   options.max_depth = 4;
   json::error_code ec;
   json::value v = json::parse(text, ec, {}, options);
   if (ec || !v.is_object()) return broken("its " + std::string(what) + " is not a JSON object");
   if (count_colons(text) != count_members(v))
      return broken("its " + std::string(what) + " says something twice");
   return std::move(v.as_object());
}

base::result<void> check_header(const json::object& header) {
   // Each of these lets a token choose the key that verifies it, or change the rules.
   for (const std::string_view key : {"jwk", "jku", "x5u", "x5c", "kid", "crit"})
      if (header.contains(key))
         return broken("its header brings a key or rules of its own ('" + std::string(key) + "')");
   const json::value* alg = header.if_contains("alg");
   if (alg == nullptr || !alg->is_string() || alg->get_string() != "EdDSA")
      return broken("it is not signed with EdDSA");
   const json::value* type = header.if_contains("typ");
   if (type == nullptr || !type->is_string() || type->get_string() != "JWT" || header.size() != 2)
      return broken("its header is not that of a Warren invite");
   return {};
}

/// Reads claims; the first mistake stays, and what comes after it stays unread.
class claims_reader {
 public:
   explicit claims_reader(const json::object& claims) : claims_(claims) {}

   std::optional<base::error> mistake;

   std::string text(std::string_view key, bool needed, size_t max = 100) {
      const json::value* v = find(key, needed);
      if (v == nullptr) return {};
      if (!v->is_string() || v->get_string().size() > max) return wrong(key), std::string();
      return std::string(v->get_string());
   }
   std::optional<int64_t> number(std::string_view key, bool needed, int64_t min, int64_t max) {
      const json::value* v = find(key, needed);
      if (v == nullptr) return std::nullopt;
      if (!v->is_int64() || v->get_int64() < min || v->get_int64() > max)
         return wrong(key), std::nullopt;
      return v->get_int64();
   }
   bool flag(std::string_view key) {
      const json::value* v = find(key, false);
      if (v == nullptr) return false;
      if (!v->is_bool()) return wrong(key), false;
      return v->get_bool();
   }
   bytes16 random(std::string_view key) {
      bytes16 out{};
      const std::string coded = text(key, true);
      if (mistake) return out;
      const auto bytes = base::base64url_decode(coded);
      if (!bytes || bytes->size() != out.size()) return wrong(key), out;
      std::copy(bytes->begin(), bytes->end(), out.begin());
      return out;
   }
   template <class Good>
   std::vector<std::string> texts(std::string_view key, size_t min, size_t max, Good good) {
      std::vector<std::string> out;
      const json::value* v = find(key, min != 0);
      if (v == nullptr) return out;
      if (!v->is_array() || v->get_array().size() < min || v->get_array().size() > max)
         return wrong(key), out;
      for (const json::value& item : v->get_array()) {
         if (!item.is_string() || !good(std::string(item.get_string()))) return wrong(key), out;
         out.emplace_back(item.get_string());
      }
      return out;
   }
   void wrong(std::string_view key) {
      if (!mistake) mistake = broken("its '" + std::string(key) + "' is not what it should be");
   }

 private:
   const json::value* find(std::string_view key, bool needed) {
      if (mistake) return nullptr;
      const json::value* v = claims_.if_contains(key);
      if (v == nullptr && needed) mistake = broken("it lacks '" + std::string(key) + "'");
      return v;
   }

   const json::object& claims_;
};

bool good_endpoint(const std::string& text) {
   const bool plain = text.size() <= endpoint_bytes_max &&
                      std::all_of(text.begin(), text.end(),
                                  [](char c) { return c > ' ' && c < 127 && c != '%'; });
   if (!plain) return false;
   const auto transport = config::endpoint_transport(text);
   return transport && is_name(*transport);
}

/// Issuer, id and endpoints first: who changes the rest cannot keep them from being reported.
void read_claims(claims_reader& in, invite& out, bool& reportable) {
   const auto key_of = [&in](std::string_view claim, auto parse) {
      const std::string text = in.text(claim, true);
      if (in.mistake) return crypto::bytes32{};
      const auto id = parse(text);
      if (!id) in.wrong(claim);
      return id ? *id : crypto::bytes32{};
   };
   out.issuer = key_of("iss", crypto::parse_node_id);
   out.id = in.random("jti");
   reportable = !in.mistake;
   out.endpoints = in.texts("ep", 1, invite_endpoints_max, good_endpoint);
   out.network = key_of("net", crypto::parse_network_id);
   out.network_name = in.text("name", true);
   if (!in.mistake && !is_name(out.network_name)) in.wrong("name");
   out.secret = in.random("sec");
   out.issued_s = in.number("iat", true, 0, seconds_max).value_or(0);
   out.expires_s = in.number("exp", false, 0, seconds_max);
   if (out.expires_s && *out.expires_s <= out.issued_s) in.wrong("exp");
   if (const auto uses = in.number("uses", false, 1, uses_max))
      out.uses = static_cast<uint32_t>(*uses);
   out.auto_accept = in.flag("auto");
   out.groups = in.texts("grp", 0, invite_list_max, is_name);
   out.roles = in.texts("role", 0, invite_list_max, is_name);
   out.plan = in.text("plan", false);
   if (!in.mistake && !out.plan.empty() && (out.plan == goconnect_plan || !parse_plan(out.plan)))
      in.wrong("plan");
}

std::string encode_json(const json::object& content) {
   const std::string text = json::serialize(content);
   return base::base64url_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::span<const uint8_t> bytes_of(std::string_view text) {
   return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

json::array to_array(const std::vector<std::string>& texts) {
   return json::array(texts.begin(), texts.end());
}

} // namespace

base::result<std::string> encode_invite(const invite& content, const crypto::signing_key& key) {
   json::object claims{{"iss", crypto::format_node_id(key.id)},
                       {"net", crypto::format_network_id(content.network)},
                       {"name", content.network_name},
                       {"jti", base::base64url_encode(content.id)},
                       {"sec", base::base64url_encode(content.secret)},
                       {"ep", to_array(content.endpoints)},
                       {"iat", content.issued_s}};
   if (content.expires_s) claims["exp"] = *content.expires_s;
   if (content.uses) claims["uses"] = int64_t{*content.uses};
   if (content.auto_accept) claims["auto"] = true;
   if (!content.groups.empty()) claims["grp"] = to_array(content.groups);
   if (!content.roles.empty()) claims["role"] = to_array(content.roles);
   if (!content.plan.empty()) claims["plan"] = content.plan;
   std::string token = encode_json({{"alg", "EdDSA"}, {"typ", "JWT"}}) + "." + encode_json(claims);
   token += "." + base::base64url_encode(crypto::sign(key, bytes_of(token)));
   if (token.size() > invite_bytes_max)
      return fail(errc::limit, "the invite has " + std::to_string(token.size()) +
                                     " bytes, at most " + std::to_string(invite_bytes_max) +
                                     "; give it fewer endpoints, groups or roles");
   const auto read = parse_invite(token); // nobody would take what we would not
   if (!read) return read.error();
   return token;
}

std::string invite_link(std::string_view token) {
   return std::string(invite_link_prefix) + std::string(token);
}

base::result<parsed_invite> parse_invite(std::string_view text) {
   std::string_view token = trimmed(text);
   if (token.starts_with(invite_link_prefix)) token.remove_prefix(invite_link_prefix.size());
   if (token.empty()) return broken("it is empty");
   if (token.size() > invite_bytes_max)
      return broken("it has more than " + std::to_string(invite_bytes_max) + " bytes");
   const size_t first = token.find('.');
   const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
   if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
      return broken("it does not have three parts with dots between them");
   const auto header = parse_object(token.substr(0, first), "header");
   if (!header) return header.error();
   if (const auto ok = check_header(*header); !ok) return ok.error();
   const auto claims = parse_object(token.substr(first + 1, second - first - 1), "content");
   if (!claims) return claims.error();
   const auto signature = base::base64url_decode(token.substr(second + 1));
   if (!signature || signature->size() != signature_bytes)
      return broken("its signature is incomplete");

   parsed_invite out;
   out.token = std::string(token);
   claims_reader in(*claims);
   bool reportable = false;
   read_claims(in, out.value, reportable);
   if (!reportable) return *in.mistake;
   out.signature_ok = crypto::verify(
         out.value.issuer, bytes_of(token.substr(0, second)),
         std::span<const uint8_t, signature_bytes>(signature->data(), signature_bytes));
   if (out.signature_ok && in.mistake) return *in.mistake;
   if (!out.signature_ok)
      out.why = "this invite was changed on its way (its signature does not fit); do not use it, "
                "and ask the one who invited you for a new one";
   return out;
}

crypto::bytes32 token_hash(std::string_view token) {
   return crypto::hash("warren/invite/token/1", {bytes_of(token)});
}

std::string format_invite_id(const bytes16& id) { return base::base64url_encode(id); }

} // namespace warren::trust
