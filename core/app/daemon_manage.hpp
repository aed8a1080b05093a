// Readers and writers of the JSON of membership verbs. Internal to daemon_manage*.cpp; control
// thread.
#pragma once

#include "core/app/commands.hpp"
#include "core/base/address.hpp"
#include "core/control/json.hpp"
#include "core/trust/invite.hpp"
#include "core/trust/party.hpp"

#include <boost/json.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

inline std::string text_in(const json::object& a, std::string_view key,
                           std::string otherwise = "") {
   const json::value* v = a.if_contains(key);
   return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::move(otherwise);
}

inline uint64_t number_in(const json::object& a, std::string_view key, uint64_t otherwise) {
   const json::value* v = a.if_contains(key);
   return v != nullptr && v->is_int64() && v->as_int64() >= 0 ? static_cast<uint64_t>(v->as_int64())
                                                              : otherwise;
}

inline std::optional<std::vector<std::string>> texts_in(const json::object& a,
                                                        std::string_view key) {
   const json::value* v = a.if_contains(key);
   if (v == nullptr || !v->is_array()) return std::nullopt;
   std::vector<std::string> out;
   for (const json::value& each : v->as_array())
      if (each.is_string()) out.emplace_back(each.as_string());
   return out;
}

/// Places where a node is reached; "host:port" alone is one of WireGuard.
inline std::vector<std::string> endpoints_in(const json::object& a) {
   auto all = texts_in(a, "endpoint").value_or(std::vector<std::string>());
   for (std::string& e : all)
      if (e.find("://") == std::string::npos) e = "wireguard://" + e;
   return all;
}

inline trust::member_terms terms_in(const json::object& a) {
   trust::member_terms t;
   if (const auto name = text_in(a, "name"); !name.empty()) t.name = name;
   t.groups = texts_in(a, "groups");
   t.roles = texts_in(a, "roles");
   t.tags = texts_in(a, "tags");
   if (const auto routes = texts_in(a, "routes")) {
      t.routes.emplace();
      for (const auto& r : *routes)
         if (const auto prefix = base::parse_prefix(r)) t.routes->push_back(*prefix);
   }
   return t;
}

inline json::array list(const std::vector<std::string>& texts) {
   json::array out;
   for (const auto& t : texts)
      out.emplace_back(t);
   return out;
}

inline json::value time_or_null(uint64_t ms) {
   return control::time_or_null(static_cast<int64_t>(ms) * 1'000'000);
}

inline std::string short_text(const trust::short_id& id) { return trust::format_invite_id(id); }

/// By name, number, key_… or its beginning.
inline base::result<const trust::member*> find_member(trust::party& p, const std::string& what) {
   const trust::view& v = p.now();
   const trust::member* found = v.find_name(what);
   if (found != nullptr) return found;
   const std::string key = what.starts_with("key_") ? what.substr(4) : what;
   for (const trust::member& m : v.members) {
      const std::string id = m.cert.node ? crypto::format_node_id(*m.cert.node).substr(4) : "";
      const bool by_number = std::to_string(m.cert.number) == what;
      const bool by_key = key.size() >= 4 && id.starts_with(key);
      if (!by_number && !by_key && base::format_address(m.address) != what) continue;
      if (found != nullptr)
         return fail(errc::invalid,
                     "'" + what + "' is ambiguous: '" + found->name + "' or '" + m.name + "'");
      found = &m;
   }
   if (found == nullptr)
      return fail(errc::not_found,
                  "no member '" + what + "'; 'warren member list' shows who there is");
   return found;
}

} // namespace warren::app
