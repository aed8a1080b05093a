// The routes of networks that are made by invitation: creating, joining, members, admins, trust,
// the stored access rules. One table; each row becomes a route that checks its body and hands it to
// backend::manage() as a verb with arguments: what the body said, and the path's own values ("id",
// "member") beside it.
#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "core/control/routes.hpp"
#include "core/crypto/keys.hpp"
#include "core/trust/address_plan.hpp"
#include "core/trust/name.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace warren::control {

namespace json = boost::json;
namespace limits = base::limits;
using base::errc;
using base::fail;

namespace {

constexpr size_t text_bytes_max = 4096;
constexpr size_t texts_max = 64;
constexpr int64_t seconds_max = int64_t{100} * 366 * 86400; // a century
constexpr int64_t uses_max = 1'000'000;

enum class kind : uint8_t {
   text,     // one line
   document, // of many lines, control_document_bytes_max
   name,     // core/trust/name.hpp
   plan,     // core/trust/address_plan.hpp
   key,      // a tunnel key
   share,    // "1/2" to "1/16"
   texts,
   names,
   prefixes,
   integer,
   boolean,
};

struct field {
   std::string_view key;
   kind is = kind::text;
   bool required = false;
   int64_t min = 0, max = 0; // of an integer
};

struct row {
   std::string_view method, pattern, verb, summary;
   std::vector<field> fields{};
   bool change = false; // at least one field must be there
};

constexpr bool needed = true;

const std::vector<row>& rows() {
   static const field groups{"groups", kind::names}, roles{"roles", kind::names},
         tags{"tags", kind::names}, routes{"routes", kind::prefixes},
         endpoint{"endpoint", kind::texts}, name{"name", kind::name},
         expires{"expires_s", kind::integer, false, 1, seconds_max};
   static const std::vector<row> table{
         {"POST",
          "/v1/networks",
          "network.create",
          "Make a network; this node is its first member and admin",
          {{"name", kind::name, needed},
           {"plan", kind::plan},
           {"node", kind::name},
           {"listen"},
           endpoint,
           {"mtu", kind::integer, false, 1280, 65455}}},
         {"POST",
          "/v1/networks/join",
          "network.join",
          "Ask to join the network of an invite",
          {{"link", kind::text, needed}, name, {"network", kind::name}, {"listen"}}},
         {"GET", "/v1/networks/{network}/membership", "network.show",
          "This node's place in the network"},
         {"DELETE", "/v1/networks/{network}", "network.leave",
          "Leave the network and remove its files"},
         {"GET", "/v1/networks/{network}/invites", "invite.list", "Invites of this node"},
         {"POST",
          "/v1/networks/{network}/invites",
          "invite.create",
          "Make an invite",
          {{"uses", kind::integer, false, 1, uses_max},
           expires,
           groups,
           roles,
           tags,
           {"auto_accept", kind::boolean},
           endpoint}},
         {"DELETE", "/v1/networks/{network}/invites/{id}", "invite.revoke",
          "Make an invite useless"},
         {"GET", "/v1/networks/{network}/members", "member.list",
          "Members, and who waits to be one"},
         {"POST",
          "/v1/networks/{network}/members",
          "member.add",
          "Add a stock WireGuard client",
          {{"wireguard", kind::name, needed}, {"via"}, groups, tags, {"public_key", kind::key}}},
         {"POST",
          "/v1/networks/{network}/members/{member}/accept",
          "member.accept",
          "Let somebody in who waits",
          {name, groups, roles, tags, routes}},
         {"POST",
          "/v1/networks/{network}/members/{member}/reject",
          "member.reject",
          "Turn somebody away who waits",
          {{"why"}}},
         {"DELETE", "/v1/networks/{network}/members/{member}", "member.remove",
          "Remove a member and renew the network's secret"},
         {"PATCH",
          "/v1/networks/{network}/members/{member}",
          "member.change",
          "Change what a member is called and may do; lists replace lists",
          {name, groups, roles, tags, routes, expires},
          true},
         {"POST",
          "/v1/networks/{network}/key/rotate",
          "key.rotate",
          "Take a new tunnel key, or set how often that happens by itself",
          {{"every_s", kind::integer, false, 0, seconds_max}}},
         {"GET", "/v1/networks/{network}/admins", "admin.list", "Who may let others in"},
         {"POST",
          "/v1/networks/{network}/admins",
          "admin.add",
          "Make a member an admin with a share of the free addresses",
          {{"member", kind::text, needed}, groups, roles, {"share", kind::share}, expires}},
         {"DELETE", "/v1/networks/{network}/admins/{member}", "admin.remove",
          "Take an admin's rights away; its members stay"},
         {"GET", "/v1/networks/{network}/trust", "trust.show",
          "What this node holds of the network's signed statements"},
         {"GET", "/v1/networks/{network}/trust/export", "trust.export",
          "The signed statements as one text"},
         {"POST",
          "/v1/networks/{network}/trust/import",
          "trust.import",
          "Read signed statements that somebody exported",
          {{"text", kind::document, needed}}},
         {"POST", "/v1/networks/{network}/trust/succeed", "trust.succeed",
          "Replace the network's root key"},
         {"GET", "/v1/networks/{network}/acl", "acl.show", "The access rules in force"},
         {"PUT",
          "/v1/networks/{network}/acl",
          "acl.push",
          "Replace the access rules everywhere",
          {{"text", kind::document, needed},
           {"note"},
           {"if_version", kind::integer, false, 0, INT64_MAX}}},
         {"GET", "/v1/networks/{network}/acl/history", "acl.history",
          "Former versions of the access rules"},
         {"POST",
          "/v1/networks/{network}/acl/rollback",
          "acl.rollback",
          "Put a former version of the access rules in force again",
          {{"version", kind::integer, needed, 0, INT64_MAX}}},
         {"GET", "/v1/networks/{network}/audit", "audit.list", "Who changed what, latest last"}};
   return table;
}

bool one_line(std::string_view text) {
   return std::none_of(text.begin(), text.end(),
                       [](unsigned char c) { return c < ' ' || c == 127; });
}

/// What is wrong with a text, behind its key; empty when nothing is.
std::string check_text(kind is, std::string_view text) {
   if (is == kind::document) {
      if (text.size() > limits::control_document_bytes_max)
         return "has more than " + std::to_string(limits::control_document_bytes_max) + " bytes";
      return text.find('\0') == std::string_view::npos ? "" : "holds a NUL byte";
   }
   if (text.size() > text_bytes_max)
      return "has more than " + std::to_string(text_bytes_max) + " bytes";
   if (!one_line(text)) return "holds control characters";
   const auto said = [](const auto& r) { return r ? std::string() : ": " + r.error().text; };
   switch (is) {
   case kind::name:
   case kind::names:
      return trust::is_name(text) ? "" : ": " + trust::describe_bad_name(text, "anything");
   case kind::plan:
      return said(trust::parse_plan(text));
   case kind::key:
      return said(crypto::parse_tunnel_key(text));
   case kind::prefixes:
      return said(base::parse_prefix(text));
   case kind::share:
      for (int part = 2; part <= 16; part++)
         if (text == "1/" + std::to_string(part)) return "";
      return "is no share; expected 1/2 to 1/16";
   default:
      return "";
   }
}

std::string check_value(const field& f, const json::value& v) {
   switch (f.is) {
   case kind::integer:
      if (v.is_int64() && v.get_int64() >= f.min && v.get_int64() <= f.max) return "";
      return "is not an integer from " + std::to_string(f.min) + " to " + std::to_string(f.max);
   case kind::boolean:
      return v.is_bool() ? "" : "is not true or false";
   case kind::texts:
   case kind::names:
   case kind::prefixes:
      if (!v.is_array() || v.get_array().size() > texts_max)
         return "is not a list of at most " + std::to_string(texts_max) + " strings";
      for (const json::value& item : v.get_array()) {
         if (!item.is_string()) return "holds something that is not a string";
         if (std::string why = check_text(f.is, item.get_string()); !why.empty()) return why;
      }
      return "";
   default:
      return v.is_string() ? check_text(f.is, v.get_string()) : "is not a string";
   }
}

base::result<void> check_body(const row& r, const json::object& body) {
   for (const field& f : r.fields) {
      const json::value* v = body.if_contains(f.key);
      if (v == nullptr) {
         if (f.required)
            return fail(errc::invalid, "'" + std::string(f.key) + "' is missing in the body");
         continue;
      }
      if (const std::string why = check_value(f, *v); !why.empty())
         return fail(errc::invalid,
                     "'" + std::string(f.key) + "'" + (why[0] == ':' ? "" : " ") + why);
   }
   if (r.change && body.empty())
      return fail(errc::invalid, "the body names nothing to change; see /v1/openapi.json");
   return {};
}

void manage(const row& r, backend& daemon, const arguments& a, responder respond) {
   if (const auto ok = check_body(r, a.body); !ok) return respond(problem(ok.error()));
   json::object all = a.body;
   std::string network;
   for (const auto& [key, value] : a.path)
      if (key == "network")
         network = value;
      else
         all[key] = value;
   daemon.manage(network, r.verb, std::move(all),
                 [respond = std::move(respond)](base::result<json::value> answer) {
                    if (answer)
                       respond({200, std::move(*answer)});
                    else
                       respond(problem(answer.error()));
                 });
}

} // namespace

void add_membership_routes(std::vector<route>& all) {
   for (const row& r : rows()) {
      route made{r.method, r.pattern, r.summary, {}, {}, false, {}};
      for (const field& f : r.fields) {
         made.body_keys.push_back(f.key);
         // Every byte of a document may need two in JSON.
         if (f.is == kind::document)
            made.body_bytes_max =
                  2 * limits::control_document_bytes_max + limits::control_request_bytes_max;
      }
      made.handle = [&r](backend& daemon, const arguments& a, responder respond) {
         manage(r, daemon, a, std::move(respond));
      };
      all.push_back(std::move(made));
   }
}

} // namespace warren::control
