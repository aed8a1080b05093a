#include "core/mesh/member_peers.hpp"

#include "core/base/address.hpp"
#include "core/route/acl.hpp"
#include "core/trust/address_plan.hpp"

#include <algorithm>
#include <map>

namespace warren::mesh {

namespace {

constexpr uint32_t kept_link_keepalive_s = 25; // below what NATs forget (RFC 4787 section 4.3)

bool is_relay(const trust::member& m) {
   const auto& roles = m.cert.roles;
   return std::any_of(roles.begin(), roles.end(),
                      [](const std::string& r) { return r == "relay" || r == "admin"; });
}

/// The network's rules, where the operator's file has none of its own.
void take_rules(config::network& settings, const trust::view& v) {
   const bool own = !settings.acl.file.empty() && settings.acl.file != config::strict_profile;
   if (own || !settings.accept_acl || !v.document || v.document->acl.empty()) return;
   settings.acl.file = "network document, version " + std::to_string(v.document->version);
   settings.acl.text = v.document->acl;
   settings.acl.default_accept = false;
   for (const route::acl_mistake& m :
        route::parse_acl(settings.acl.text, settings.acl.file).mistakes)
      if (!m.warning) {
         // Of a newer version, or hostile: nothing passes until there are rules that we understand.
         settings.acl.file += " (not understood here)";
         settings.acl.text = "{}";
         return;
      }
}

config::peer peer_of(const trust::member& m, const crypto::bytes32& network) {
   config::peer p;
   p.name = m.name;
   p.id = m.cert.node;
   p.tunnel_key = m.cert.tunnel_key;
   p.addresses = {m.address,
                  trust::member_ipv6(network, m.cert.node ? *m.cert.node : m.cert.tunnel_key)};
   p.addresses[1].prefix_len = 128;
   p.routes = m.cert.routes;
   p.number = m.cert.number;
   p.groups = m.cert.groups;
   p.tags = m.cert.tags;
   p.roles = m.cert.roles;
   if (m.record) p.endpoints = m.record->endpoints;
   return p;
}

} // namespace

void add_members(config::network& settings, trust::party& party) {
   settings.id = party.network();
   const trust::node_id& self = party.keys().signing.id;
   if (party.state() == trust::standing::waiting && party.invited() != nullptr) {
      config::peer admin;
      admin.name = "inviter";
      admin.id = party.invited()->admin;
      admin.endpoints = party.invited()->endpoints;
      admin.keep = true;
      settings.peers.push_back(std::move(admin));
      settings.addresses.clear();
      return;
   }
   const trust::view& v = party.now();
   const trust::member* me = party.self();
   if (me == nullptr) { // removed, refused or expired: nobody's peer
      settings.peers.clear();
      settings.addresses.clear();
      return;
   }
   wrn_addr own = me->address;
   own.prefix_len = v.plan.prefix_len;
   wrn_addr own6 = trust::member_ipv6(party.network(), self);
   own6.prefix_len = 64;
   settings.addresses = {own, own6};
   settings.node_name = me->name;
   settings.own_groups = me->cert.groups;
   settings.own_tags = me->cert.tags;
   settings.own_roles = me->cert.roles;
   take_rules(settings, v);
   settings.relay = settings.relay && is_relay(*me);

   std::map<crypto::bytes32, std::vector<std::string>> known; // endpoints of the operator's file
   for (const config::peer& p : settings.peers)
      if (p.id) known[*p.id] = p.endpoints;
   std::erase_if(settings.peers, [&](const config::peer& p) {
      return (p.id && (*p.id == self || v.find(*p.id) != nullptr)) ||
             std::any_of(v.members.begin(), v.members.end(),
                         [&](const trust::member& m) { return p.tunnel_key == m.cert.tunnel_key; });
   });
   // Until the inviting admin's record is here, its place is the invite's.
   if (party.invited() != nullptr && !known.contains(party.invited()->admin))
      known[party.invited()->admin] = party.invited()->endpoints;
   const auto partners = party.partners();
   std::map<uint32_t, size_t> at; // member number -> index in peers
   for (const trust::member& m : v.members) {
      if (m.cert.node == self || (!m.cert.node && m.cert.via != me->cert.number)) continue;
      config::peer p = peer_of(m, party.network());
      if (m.cert.node) {
         const auto more = known.find(*m.cert.node);
         if (more != known.end())
            for (const std::string& e : more->second)
               if (std::find(p.endpoints.begin(), p.endpoints.end(), e) == p.endpoints.end())
                  p.endpoints.push_back(e);
         p.keep = std::find(partners.begin(), partners.end(), *m.cert.node) != partners.end();
         if (p.keep) p.keepalive_s = kept_link_keepalive_s;
      }
      at[m.cert.number] = settings.peers.size();
      settings.peers.push_back(std::move(p));
   }
   for (const trust::member& m : v.members) {
      if (m.cert.node) continue;
      const auto gateway = at.find(m.cert.via);
      if (gateway == at.end()) continue;
      config::peer p = peer_of(m, party.network());
      auto& routes = settings.peers[gateway->second].routes;
      routes.insert(routes.end(), p.addresses.begin(), p.addresses.end());
      routes.insert(routes.end(), p.routes.begin(), p.routes.end());
      settings.guests.push_back(std::move(p));
   }
}

} // namespace warren::mesh
