// What a daemon answers to the verbs of membership, one whole document each, for tests of the
// control API and of what reads it.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string_view>

namespace warren::control {

inline const std::map<std::string_view, std::string_view>& sample_answers() {
   static constexpr std::string_view admins =
         R"({"schema":"warren.admins/1","network":"acme","admins":[{"name":"laptop","id":"key_A","pool":"10.0.3.1-10.0.3.127","numbers":120,"groups":[],"roles":["relay"],"issued":"2026-01-02T03:04:05.000Z","expires":null,"root":true}]})";
   static constexpr std::string_view acl =
         R"({"schema":"warren.acl/1","version":2,"text":"{}","by":"laptop","time":"2026-01-02T03:04:05.000Z"})";
   static const std::
         map<std::string_view, std::string_view>
               all{
                     {"network.create",
                      R"({"schema":"warren.network_created/1","network":"acme","id":"net_A","node":"laptop","address":"10.0.3.1","address6":"fd01::1","file":"/etc/warren/networks/acme.toml","invite":{"id":"AAAA","link":"warren://join/a.b.c","expires":null,"uses":null}})"},
                     {"network.join",
                      R"({"schema":"warren.join/1","network":"acme","state":"waiting","why":null,"inviter":"laptop"})"},
                     {"network.show",
                      R"({"schema":"warren.membership/1","network":"acme","id":"net_A","state":"member","why":null,"name":"laptop","number":1,"address":"10.0.3.1","address6":"fd01::1","admin":true,"root":true,"epoch":1,"head":{"sequence":5,"age_s":60,"level":"ok"},"members":2,"pending":1,"warnings":[]})"},
                     {"network.leave",
                      R"({"schema":"warren.left/1","network":"acme","removed_files":["/etc/warren/networks/acme.toml"]})"},
                     {"invite.create",
                      R"({"schema":"warren.invite/1","id":"AAAA","link":"warren://join/a.b.c","expires":"2026-01-09T03:04:05.000Z","uses":5,"used":0,"state":"open","groups":["friends"],"roles":[],"auto_accept":false})"},
                     {"invite.list",
                      R"({"schema":"warren.invites/1","network":"acme","invites":[{"id":"AAAA","expires":null,"uses":null,"used":1,"state":"open","groups":[],"roles":["relay"],"auto_accept":true}]})"},
                     {"invite.revoke",
                      R"({"schema":"warren.invite_revoked/1","network":"acme","id":"AAAA"})"},
                     {"member.list",
                      R"({"schema":"warren.members/1","network":"acme","members":[{"name":"laptop","id":"key_6ASf5EcmmEHT","kind":"node","number":1,"address":"10.0.3.1","address6":"fd01::1","groups":[],"roles":["relay"],"tags":["eu"],"routes":["192.168.7.0/24"],"via":null,"issuer":"laptop","serial":1,"expires":null,"state":"self","admin":true},{"name":"phone","id":null,"kind":"stock","number":7,"address":"10.0.3.7","address6":"fd01::7","groups":["friends"],"roles":[],"tags":[],"routes":[],"via":"laptop","issuer":"laptop","serial":2,"expires":"2027-01-02T03:04:05.000Z","state":"idle","admin":false}],"pending":[{"request":"r-1","name":"web","id":"key_9ZYXWVUTSRQP","tunnel_key":"K=","from":"192.0.2.9:51820","invite":"AAAA","since":"2026-01-02T03:04:05.000Z","claims":["relay"]}]})"},
                     {"member.add", R"({"schema":"warren.member_added/1","name":"phone","address":"10.0.3.7","address6":"fd01::7","via":"laptop","config":"[Interface]\nPrivateKey = S=\n","tunnel_key":"K="})"},
                     {"member.accept",
                      R"({"schema":"warren.member_accepted/1","network":"acme","name":"web","id":"key_9ZYXWVUTSRQP","address":"10.0.3.8","address6":"fd01::8"})"},
                     {"member.reject",
                      R"({"schema":"warren.member_rejected/1","network":"acme","request":"r-1","name":"web"})"},
                     {"member.remove",
                      R"({"schema":"warren.member_removed/1","network":"acme","name":"phone","id":null})"},
                     {"member.change",
                      R"({"schema":"warren.member_changed/1","network":"acme","name":"telephone","id":null,"serial":3})"},
                     {"key.rotate",
                      R"({"schema":"warren.key_rotated/1","tunnel_key":"K=","state":"in use from now on"})"},
                     {"admin.list", admins},
                     {"admin.add", admins},
                     {"admin.remove", admins},
                     {"trust.show",
                      R"({"schema":"warren.trust/1","network":"acme","id":"net_A","root":"key_A","epoch":1,"head":{"sequence":5,"age_s":60,"level":"ok"},"admins":1,"members":2,"removed":0,"statements":4,"bytes":900})"},
                     {"trust.export",
                      R"({"schema":"warren.trust_export/1","network":"acme","text":"AAAA"})"},
                     {"trust.import",
                      R"({"schema":"warren.trust_import/1","network":"acme","added":1,"known":3,"refused":0})"},
                     {"trust.succeed",
                      R"({"schema":"warren.trust_succeeded/1","network":"acme","root":"key_B"})"},
                     {"acl.show", acl},
                     {"acl.push", acl},
                     {"acl.rollback", acl},
                     {"acl.history",
                      R"({"schema":"warren.acl_history/1","network":"acme","versions":[{"version":1,"by":"laptop","time":"2026-01-02T03:04:05.000Z","note":null,"bytes":2},{"version":2,"by":"laptop","time":"2026-01-02T03:04:06.000Z","note":"phones, too","bytes":9}]})"},
                     {"audit.list",
                      R"({"schema":"warren.audit/1","network":"acme","entries":[{"time":"2026-01-02T03:04:05.000Z","actor":"laptop","action":"member.accept","subject":"phone","detail":"10.0.3.7"}]})"},
               };
   return all;
}

} // namespace warren::control
