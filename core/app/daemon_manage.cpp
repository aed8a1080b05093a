// What the control API asks of networks with certificates, as verbs with JSON; core/control has
// checked the shape of what comes in. Control thread. Every change is in the audit log.
#include "core/app/daemon_manage.hpp"
#include "core/app/daemon_class.hpp"
#include "core/base/address.hpp"
#include "core/base/encode.hpp"
#include "core/control/json.hpp"
#include "core/io/local_addresses.hpp"
#include "core/trust/address_plan.hpp"
#include "core/trust/invite.hpp"
#include "core/trust/stock_config.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <unistd.h>

namespace warren::app {

namespace fs = std::filesystem;
using trust::member;

namespace {

// Heads are said every six hours while an admin is up.
constexpr uint64_t head_warn_s = 3 * 86'400, head_fail_s = 30 * 86'400;

std::string own_name() {
   char name[256] = {};
   if (::gethostname(name, sizeof name - 1) != 0) return "node";
   return trust::suggest_name(name);
}

json::object invite_document(const trust::invite_state& i) {
   const auto verdict = trust::verdict_of(i, static_cast<uint64_t>(unix_ms_now()));
   return {{"id", short_text(i.id)},
           {"expires", time_or_null(i.expires_ms)},
           {"uses", i.uses == 0 ? json::value(nullptr) : json::value(i.uses)},
           {"used", i.used},
           {"state", trust::to_string(verdict)},
           {"groups", list(i.groups)},
           {"roles", list(i.roles)},
           {"tags", list(i.tags)},
           {"auto_accept", i.auto_accept}};
}

json::object member_document(trust::party& p, const member& m) {
   const trust::view& v = p.now();
   wrn_addr six = trust::member_ipv6(v.network, m.cert.node ? *m.cert.node : m.cert.tunnel_key);
   json::array routes;
   for (const wrn_addr& r : m.cert.routes)
      routes.emplace_back(base::format_prefix(r));
   const member* via = m.cert.node ? nullptr : v.find(m.cert.via);
   const member* issuer = v.find(m.issuer);
   return {{"name", m.name},
           {"id",
            m.cert.node ? json::value(crypto::format_node_id(*m.cert.node)) : json::value(nullptr)},
           {"kind", m.cert.node ? "node" : "stock"},
           {"number", m.cert.number},
           {"address", base::format_address(m.address)},
           {"address6", base::format_address(six)},
           {"tunnel_key", crypto::format_tunnel_key(m.cert.tunnel_key)},
           {"groups", list(m.cert.groups)},
           {"roles", list(m.cert.roles)},
           {"tags", list(m.cert.tags)},
           {"routes", std::move(routes)},
           {"via", via != nullptr ? json::value(via->name) : json::value(nullptr)},
           {"issuer", issuer != nullptr ? issuer->name : crypto::format_node_id(m.issuer)},
           {"serial", m.cert.serial},
           {"expires", time_or_null(m.cert.not_after_s * 1000)},
           {"state",
            m.cert.node == p.keys().signing.id
                  ? "self"
                  : (m.cert.node && p.cloned().contains(*m.cert.node) ? "cloned" : "member")},
           {"admin", m.admin}};
}

json::object pending_document(const trust::pending_request& r) {
   return {{"request", crypto::format_node_id(r.node).substr(4, 8)},
           {"name", r.request.name},
           {"id", crypto::format_node_id(r.node)},
           {"tunnel_key", crypto::format_tunnel_key(r.request.tunnel_key)},
           {"from", r.from},
           {"invite", short_text(r.request.invite)},
           {"since", time_or_null(r.since_ms)},
           {"claims", json::object{{"version", r.request.version}}}};
}

base::result<trust::node_id> find_pending(trust::party& p, const std::string& what) {
   std::vector<const trust::pending_request*> found;
   for (const auto& r : p.pending()) {
      const std::string id = crypto::format_node_id(r.node);
      if (r.request.name == what || id == what ||
          (what.size() >= 4 && (id.starts_with(what) || id.substr(4).starts_with(what))))
         found.push_back(&r);
   }
   if (found.size() == 1) return found.front()->node;
   std::string all;
   for (const auto& r : found.empty() ? std::vector<const trust::pending_request*>() : found)
      all += (all.empty() ? "" : ", ") + crypto::format_node_id(r->node).substr(4, 8);
   if (found.size() > 1)
      return fail(errc::invalid,
                  "several ask to be let in as '" + what + "': " + all + "; name one of these");
   return fail(errc::not_found,
               "nobody asks to be let in as '" + what + "'; 'warren member list' shows who does");
}

} // namespace

daemon::answer_or daemon::manage_invite(const std::string& name, const json::object& a) {
   membership& m = *members_.at(name);
   trust::party::invite_terms terms;
   terms.uses = static_cast<uint32_t>(number_in(a, "uses", 1));
   terms.lifetime_s = number_in(a, "expires_s", 7 * 86'400);
   if (const json::value* v = a.if_contains("auto_accept"))
      terms.auto_accept = v->is_bool() && v->as_bool();
   terms.groups = texts_in(a, "groups").value_or(std::vector<std::string>());
   terms.roles = texts_in(a, "roles").value_or(std::vector<std::string>());
   terms.tags = texts_in(a, "tags").value_or(std::vector<std::string>());
   auto endpoints = endpoints_in(a);
   for (const auto& e : endpoints_of(name))
      if (endpoints.size() < trust::invite_endpoints_max &&
          std::find(endpoints.begin(), endpoints.end(), e) == endpoints.end())
         endpoints.push_back(e);
   if (endpoints.empty())
      return fail(errc::state, "this node has no address that others could reach; say where with "
                               "--endpoint wireguard://HOST:PORT");
   const auto made = m->invite(terms);
   if (!made) return made.error();
   trust::invite token;
   token.issuer = m->keys().signing.id;
   token.network = m->network();
   token.network_name = m->now().name;
   token.id = made->id;
   token.secret = made->secret;
   token.endpoints = endpoints;
   token.issued_s = static_cast<int64_t>(made->created_ms / 1000);
   if (made->expires_ms != 0) token.expires_s = static_cast<int64_t>(made->expires_ms / 1000);
   if (made->uses != 0) token.uses = made->uses;
   token.auto_accept = made->auto_accept;
   token.groups = made->groups;
   token.roles = made->roles;
   token.plan = base::format_prefix(m->now().plan);
   const auto text = trust::encode_invite(token, m->keys().signing);
   if (!text) return text.error();
   if (auto ok = m->name_token(made->id, trust::token_hash(*text)); !ok) return ok.error();
   m.wake();
   m.audit("invite.create", short_text(made->id),
           made->auto_accept ? "accepts by itself" : "somebody accepts");
   json::object out = invite_document(*made);
   out["schema"] = "warren.invite/1";
   out["link"] = trust::invite_link(*text);
   return out;
}

daemon::answer_or daemon::manage_create(const json::object& a) {
   const std::string name = text_in(a, "name");
   const std::string node = text_in(a, "node", own_name());
   std::error_code ec;
   if (networks_.contains(name) || fs::exists(fs::path(host_.networks_dir) / (name + ".toml"), ec))
      return fail(errc::exists, "there is a network '" + name + "' here already");
   std::array<uint8_t, 16> seed{};
   system_random(seed.data(), seed.size());
   const auto host_networks = io::local_networks();
   const auto plan = trust::parse_plan(text_in(a, "plan", std::string(trust::goconnect_plan)), seed,
                                       host_networks);
   if (!plan) return plan.error();
   if (const auto clash = trust::clash(*plan, host_networks))
      return fail(errc::in_use, clash->text);
   const fs::path folder = folder_of(name), keys = folder / "keys";
   if (auto made = trust::generate(keys, system_random); !made) return made.error();
   auto m = std::make_unique<membership>(context_, folder, keys, hooks_of(name));
   trust::party::birth birth;
   birth.network_name = name;
   birth.node_name = node;
   birth.plan = plan->prefix;
   if (auto ok = m->create(birth); !ok) {
      fs::remove_all(folder, ec);
      return ok.error();
   }
   const crypto::bytes32 id = (*m)->network();
   m->endpoints = [this, name] { return endpoints_of(name); };
   members_[name] = std::move(m);
   const auto endpoints = endpoints_in(a);
   const auto started = start_new_network(name, id, node, text_in(a, "listen"), endpoints,
                                          static_cast<uint32_t>(number_in(a, "mtu", 0)));
   if (!started) {
      undo_network(name);
      return started.error();
   }
   membership& running = *members_.at(name);
   running.audit("network.create", name, base::format_prefix(plan->prefix));
   const member* me = running->self();
   json::object out{{"schema", "warren.network_created/1"},
                    {"network", name},
                    {"id", crypto::format_network_id(id)},
                    {"node", node},
                    {"address", base::format_address(me->address)},
                    {"address6", base::format_address(trust::member_ipv6(id, *me->cert.node))},
                    {"file", (fs::path(host_.networks_dir) / (name + ".toml")).string()},
                    {"invite", nullptr}};
   if (auto invite = manage_invite(name, {})) {
      json::object& i = invite->as_object();
      out["invite"] = json::object{
            {"id", i["id"]}, {"link", i["link"]}, {"expires", i["expires"]}, {"uses", i["uses"]}};
   }
   return out;
}

daemon::answer_or daemon::manage_join(const json::object& a) {
   const auto parsed = trust::parse_invite(text_in(a, "link"));
   if (!parsed) return parsed.error();
   const trust::invite& invite = parsed->value;
   const std::string name = text_in(a, "network", trust::suggest_name(invite.network_name));
   const std::string node = text_in(a, "name", own_name());
   std::error_code ec;
   // Who was refused or removed may try again under the same name.
   if (const auto it = members_.find(name); it != members_.end())
      if (const auto s = (*it->second)->state();
          s == trust::standing::refused || s == trust::standing::removed)
         undo_network(name);
   if (networks_.contains(name) || fs::exists(fs::path(host_.networks_dir) / (name + ".toml"), ec))
      return fail(errc::exists, "there is a network '" + name +
                                      "' here already; give it another name with --network");
   if (parsed->signature_ok && !invite.plan.empty())
      if (const auto plan = trust::parse_plan(invite.plan))
         if (const auto clash = trust::clash(*plan, io::local_networks()))
            return fail(errc::in_use, clash->text);
   const fs::path folder = folder_of(name), keys = folder / "keys";
   if (!fs::exists(keys / trust::identity_file, ec))
      if (auto made = trust::generate(keys, system_random); !made) return made.error();
   auto m = std::make_unique<membership>(context_, folder, keys, hooks_of(name));
   trust::party::invitation with;
   with.network = invite.network;
   with.admin = invite.issuer;
   with.id = invite.id;
   with.secret = invite.secret;
   with.token = parsed->token;
   with.tampered = !parsed->signature_ok;
   with.endpoints = invite.endpoints;
   with.node_name = node;
   if (auto ok = m->join(with); !ok) {
      fs::remove_all(folder, ec);
      return ok.error();
   }
   m->endpoints = [this, name] { return endpoints_of(name); };
   members_[name] = std::move(m);
   const auto started = start_new_network(name, invite.network, node, text_in(a, "listen"), {}, 0);
   if (!started) {
      undo_network(name);
      return started.error();
   }
   members_.at(name)->audit("network.join", name, crypto::format_node_id(invite.issuer));
   return json::object{{"schema", "warren.join/1"},
                       {"network", name},
                       {"state", "waiting"},
                       {"why", nullptr},
                       {"inviter", crypto::format_node_id(invite.issuer)}};
}

daemon::answer_or daemon::manage_leave(const std::string& name) {
   const auto it = networks_.find(name);
   const fs::path file = fs::path(host_.networks_dir) / (name + ".toml");
   const fs::path folder = folder_of(name), keys = folder / "keys";
   const bool ours = it != networks_.end() && it->second.settings.keys == keys.string();
   stop_network(name);
   std::error_code ec;
   json::array gone;
   std::vector<fs::path> files{file, folder / "network.state", folder / "audit.jsonl",
                               folder / "audit.1.jsonl"};
   if (ours)
      for (const char* key : {trust::identity_file, trust::tunnel_file})
         files.push_back(keys / key);
   for (const fs::path& f : files)
      if (fs::remove(f, ec)) gone.emplace_back(f.string());
   fs::remove(keys, ec);
   fs::remove(folder, ec);
   return json::object{
         {"schema", "warren.left/1"}, {"network", name}, {"removed_files", std::move(gone)}};
}

daemon::answer_or daemon::manage_add_stock(const std::string& name, const json::object& a) {
   membership& m = *members_.at(name);
   trust::party& p = *m;
   const member* via = p.self();
   if (const auto wanted = text_in(a, "via"); !wanted.empty()) {
      auto found = find_member(p, wanted);
      if (!found) return found.error();
      via = *found;
   }
   if (via == nullptr || !via->cert.node)
      return fail(errc::invalid, "a stock client connects to a node of the network");
   std::vector<std::string> endpoints = via->cert.node == p.keys().signing.id ? endpoints_of(name)
                                        : via->record ? via->record->endpoints
                                                      : std::vector<std::string>();
   std::string endpoint;
   for (const std::string& e : endpoints)
      if (endpoint.empty() && e.starts_with("wireguard://")) {
         endpoint = e.substr(std::string_view("wireguard://").size());
         if (const auto at = endpoint.find('@'); at != std::string::npos) endpoint.erase(0, at + 1);
      }
   crypto::tunnel_key key;
   const std::string given = text_in(a, "public_key");
   if (given.empty())
      key = crypto::make_tunnel_key(system_random);
   else if (const auto parsed = crypto::parse_tunnel_key(given))
      key.public_key = *parsed;
   const uint32_t via_number = via->cert.number;
   const std::string via_name = via->name;
   const crypto::bytes32 via_key = via->cert.tunnel_key;
   auto made = p.add_stock(text_in(a, "wireguard"), key.public_key, via_number, terms_in(a));
   if (!made) return made.error();
   m.wake();
   m.audit("member.add", made->name, "stock client of " + via_name);
   const member* added = p.now().find(made->number);
   const wrn_addr six = trust::member_ipv6(p.network(), made->tunnel_key);
   json::object out{{"schema", "warren.member_added/1"},
                    {"name", made->name},
                    {"address", base::format_address(added->address)},
                    {"address6", base::format_address(six)},
                    {"via", via_name},
                    {"tunnel_key", crypto::format_tunnel_key(made->tunnel_key)},
                    {"config", nullptr}};
   if (given.empty()) {
      trust::stock_client client;
      client.network_name = name;
      client.gateway_name = via_name;
      client.private_key = &key.secret;
      client.address = added->address;
      client.address6 = six;
      client.gateway_key = via_key;
      client.gateway_endpoint = endpoint;
      client.plan.prefix = p.now().plan;
      client.prefix6 = trust::network_ipv6_prefix(p.network());
      auto text = trust::stock_config(client);
      if (!text) return text.error();
      out["config"] = *text;
   }
   return out;
}

void daemon::manage(const std::string& name, std::string_view verb, json::object a,
                    control::reply<json::value> done) {
   if (verb == "network.create") return done(manage_create(a));
   if (verb == "network.join") return done(manage_join(a));
   const auto network = networks_.find(name);
   if (network == networks_.end()) return done(fail(errc::not_found, "no network '" + name + "'"));
   const auto at = members_.find(name);
   if (verb == "network.leave") return done(manage_leave(name));
   if (at == members_.end()) {
      if (verb == "network.show")
         return done(json::value(json::object{
               {"schema", "warren.membership/1"}, {"network", name}, {"state", "static"}}));
      return done(fail(errc::state, "network '" + name +
                                          "' is what its file says; only networks made by 'warren "
                                          "network create' have members, invites and admins"));
   }
   membership& m = *at->second;
   done(manage_party(m, name, verb, a));
   if (const auto still = members_.find(name); still != members_.end()) still->second->wake();
}

daemon::answer_or daemon::manage_party(membership& m, const std::string& name,
                                       std::string_view verb, const json::object& a) {
   trust::party& p = *m;
   const auto accepted = [&](const trust::certificate& c) -> json::value {
      const member* found = p.now().find(c.number);
      json::object out =
            found != nullptr ? member_document(p, *found) : json::object{{"name", c.name}};
      out["schema"] = "warren.member/1";
      return out;
   };
   if (verb == "network.show") {
      const trust::view& v = p.now();
      const member* found = p.self();
      const std::optional<member> own = found != nullptr ? std::optional(*found) : std::nullopt;
      const member* me = own ? &*own : nullptr; // what follows looks at the clock again
      const uint64_t age_s =
            v.newest_head ? (v.now_ms - std::min(v.now_ms, v.newest_head->time_ms)) / 1000 : 0;
      json::array warnings;
      if (v.behind)
         warnings.emplace_back(
               "the newest head names revocations that are not here: somebody withholds them");
      if (p.cloned().contains(p.keys().signing.id))
         warnings.emplace_back("another process speaks with this node's keys");
      for (const auto& node : p.cloned())
         if (const member* c = v.find(node); c != nullptr && node != p.keys().signing.id)
            warnings.emplace_back("member '" + c->name + "' runs in two places at once");
      if (me != nullptr && me->cert.not_after_s * 1000 < v.now_ms + 14ull * 86'400'000)
         warnings.emplace_back("this node's certificate ends within two weeks; its issuer renews "
                               "it when it is online");
      return json::object{
            {"schema", "warren.membership/1"},
            {"network", name},
            {"id", crypto::format_network_id(p.network())},
            {"state", trust::to_string(p.state())},
            {"why", p.why().empty() ? json::value(nullptr) : json::value(p.why())},
            {"name", me != nullptr ? json::value(me->name) : json::value(nullptr)},
            {"number", me != nullptr ? json::value(me->cert.number) : json::value(nullptr)},
            {"address",
             me != nullptr ? json::value(base::format_address(me->address)) : json::value(nullptr)},
            {"address6", me != nullptr ? json::value(base::format_address(trust::member_ipv6(
                                               p.network(), p.keys().signing.id)))
                                       : json::value(nullptr)},
            {"admin", p.is_admin()},
            {"root", p.has_root()},
            {"epoch", v.epoch},
            {"head", json::object{{"sequence", v.newest_head ? v.newest_head->sequence : 0},
                                  {"age_s", age_s},
                                  {"level", age_s > head_fail_s   ? "stale"
                                            : age_s > head_warn_s ? "old"
                                                                  : "ok"}}},
            {"members", v.members.size()},
            {"pending", p.pending().size()},
            {"warnings", std::move(warnings)}};
   }
   if (verb == "invite.create") return manage_invite(name, a);
   if (verb == "invite.list") {
      json::array all;
      for (const auto& [id, i] : p.invites())
         all.push_back(invite_document(i));
      return json::object{
            {"schema", "warren.invites/1"}, {"network", name}, {"invites", std::move(all)}};
   }
   if (verb == "invite.revoke") {
      const std::string wanted = text_in(a, "id");
      for (const auto& [id, i] : p.invites())
         if (short_text(id) == wanted ||
             (wanted.size() >= 4 && short_text(id).starts_with(wanted))) {
            const trust::short_id which = id;
            if (auto ok = p.revoke_invite(which); !ok) return ok.error();
            m.audit(verb, short_text(which), "");
            json::object out = invite_document(p.invites().at(which));
            out["schema"] = "warren.invite/1";
            return out;
         }
      return fail(errc::not_found, "no invite '" + wanted + "'; 'warren invite list' shows them");
   }
   if (verb == "member.list") {
      json::array members, pending;
      for (const member& each : p.now().members)
         members.push_back(member_document(p, each));
      for (const auto& r : p.pending())
         pending.push_back(pending_document(r));
      return json::object{{"schema", "warren.members/1"},
                          {"network", name},
                          {"members", std::move(members)},
                          {"pending", std::move(pending)}};
   }
   if (verb == "member.accept" || verb == "member.reject") {
      const auto who = find_pending(p, text_in(a, "member"));
      if (!who) return who.error();
      if (verb == "member.reject") {
         if (auto ok = p.reject(*who, text_in(a, "why")); !ok) return ok.error();
         m.audit(verb, crypto::format_node_id(*who), text_in(a, "why"));
         return json::object{{"schema", "warren.member_rejected/1"},
                             {"id", crypto::format_node_id(*who)}};
      }
      const auto made = p.accept(*who, terms_in(a));
      if (!made) return made.error();
      m.audit(verb, made->name, crypto::format_node_id(*who));
      return accepted(*made);
   }
   if (verb == "member.add") return manage_add_stock(name, a);
   if (verb == "member.remove" || verb == "member.change") {
      const auto who = find_member(p, text_in(a, "member"));
      if (!who) return who.error();
      const uint32_t number = (*who)->cert.number;
      const std::string called = (*who)->name;
      if (verb == "member.remove") {
         if (auto ok = p.remove(number, ""); !ok) return ok.error();
         m.audit(verb, called, std::to_string(number));
         return json::object{
               {"schema", "warren.member_removed/1"}, {"name", called}, {"number", number}};
      }
      const auto made = p.change(number, terms_in(a));
      if (!made) return made.error();
      m.audit(verb, made->name, json::serialize(a));
      return accepted(*made);
   }
   return manage_trust(m, name, verb, a);
}

} // namespace warren::app
