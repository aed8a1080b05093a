// The verbs of admins, keys, trust, access rules and the audit log.
#include "core/app/daemon_class.hpp"
#include "core/app/daemon_manage.hpp"
#include "core/base/encode.hpp"

namespace warren::app {

using trust::member;

daemon::answer_or daemon::manage_trust(membership& m, const std::string& name,
                                       std::string_view verb, const json::object& a) {
   trust::party& p = *m;
   if (verb == "key.rotate") {
      if (a.contains("every_s")) {
         p.rotate_every(number_in(a, "every_s", 0));
         m.audit(verb, "", "every " + std::to_string(p.rotates_every()) + " s");
      } else {
         if (auto ok = p.rotate(); !ok) return ok.error();
         m.audit(verb, "", "now");
      }
      return json::object{{"schema", "warren.key_rotation/1"},
                          {"tunnel_key", crypto::format_tunnel_key(p.keys().tunnel.public_key)},
                          {"every_s", p.rotates_every()},
                          {"state", p.rotating() ? "asked" : "done"}};
   }
   if (verb == "admin.list" || verb == "admin.add" || verb == "admin.remove") {
      if (verb == "admin.add") {
         const auto who = find_member(p, text_in(a, "member"));
         if (!who) return who.error();
         trust::party::admin_terms terms;
         terms.groups = texts_in(a, "groups").value_or(std::vector<std::string>());
         terms.roles = texts_in(a, "roles").value_or(std::vector<std::string>());
         if (const auto share = text_in(a, "share"); share.starts_with("1/"))
            terms.share = static_cast<uint32_t>(std::stoul(share.substr(2)));
         terms.lifetime_s = number_in(a, "expires_s", terms.lifetime_s);
         const std::string called = (*who)->name;
         if (auto made = p.add_admin((*who)->cert.number, terms); !made) return made.error();
         m.audit(verb, called, "");
      } else if (verb == "admin.remove") {
         const auto who = find_member(p, text_in(a, "member"));
         if (!who) return who.error();
         if (!(*who)->cert.node) return fail(errc::invalid, "a stock client is no admin");
         const std::string called = (*who)->name;
         if (auto ok = p.remove_admin(*(*who)->cert.node); !ok) return ok.error();
         m.audit(verb, called, "");
      }
      json::array all;
      const trust::view& v = p.now();
      for (const auto& [who, admin] : v.admins) {
         const member* found = v.find(who);
         const auto ranges = [](const std::vector<trust::range>& rs, const auto& text) {
            std::string out;
            for (const trust::range& r : rs)
               out += (out.empty() ? "" : ", ") + text(r.first) + "-" + text(r.last);
            return out;
         };
         all.push_back(json::object{
               {"name", found != nullptr ? found->name : std::string("?")},
               {"id", crypto::format_node_id(who)},
               {"pool", ranges(admin.rights.pool,
                               [&](uint32_t n) {
                                  return base::format_address(trust::address_at(v.plan, n));
                               })},
               {"numbers",
                ranges(admin.rights.numbers, [](uint32_t n) { return std::to_string(n); })},
               {"groups", admin.rights.any_label ? json::array{"*"} : list(admin.rights.groups)},
               {"roles", admin.rights.any_label ? json::array{"*"} : list(admin.rights.roles)},
               {"issued", admin.issued},
               {"expires", time_or_null(admin.rights.not_after_s * 1000)},
               {"root", p.has_root() && who == p.keys().signing.id}});
      }
      return json::object{
            {"schema", "warren.admins/1"}, {"network", name}, {"admins", std::move(all)}};
   }
   if (verb == "trust.show" || verb == "trust.succeed") {
      if (verb == "trust.succeed") {
         if (auto ok = p.succeed(); !ok) return ok.error();
         m.audit(verb, "", "generation " + std::to_string(p.now().generation));
      }
      const trust::view& v = p.now();
      std::map<std::string, uint64_t> count;
      for (const auto* s : p.documents().all())
         count[std::string(trust::name_of(s->type()))]++;
      json::object counts;
      for (const auto& [what, n] : count)
         counts[what] = n;
      return json::object{{"schema", "warren.trust/1"},
                          {"network", name},
                          {"id", crypto::format_network_id(p.network())},
                          {"plan", base::format_prefix(v.plan)},
                          {"root", crypto::format_node_id(v.root)},
                          {"generation", v.generation},
                          {"has_root", p.has_root()},
                          {"epoch", v.epoch},
                          {"revoked", v.revoked.size()},
                          {"statements", std::move(counts)}};
   }
   if (verb == "trust.export") {
      trust::cbor::writer w;
      const auto all = p.documents().all();
      w.array(all.size());
      for (const auto* s : all)
         w.bytes(s->bytes);
      return json::object{{"schema", "warren.trust_export/1"},
                          {"network", name},
                          {"statements", all.size()},
                          {"text", base::base64url_encode(w.take())}};
   }
   if (verb == "trust.import") {
      const auto bytes = base::base64url_decode(text_in(a, "text"));
      if (!bytes) return fail(errc::invalid, "that is not what 'warren trust export' writes");
      trust::cbor::reader r(*bytes);
      std::vector<std::vector<uint8_t>> statements;
      for (size_t n = r.array(1 << 20); n > 0 && r.ok(); n--) {
         const auto each = r.bytes(1, trust::statement_bytes_max);
         statements.emplace_back(each.begin(), each.end());
      }
      if (!r.done())
         return fail(errc::invalid,
                     "that is not what 'warren trust export' writes: " + r.error().text);
      const auto fresh = p.import(statements);
      if (!fresh) return fresh.error();
      m.audit(verb, "", std::to_string(*fresh) + " new statements");
      return json::object{{"schema", "warren.trust_import/1"},
                          {"network", name},
                          {"statements", statements.size()},
                          {"added", *fresh}};
   }
   if (verb.starts_with("acl.")) return manage_acl(m, name, verb, a);
   if (verb == "audit.list") {
      return json::object{
            {"schema", "warren.audit/1"}, {"network", name}, {"entries", m.audit_entries(1000)}};
   }
   return fail(errc::unsupported, "this daemon does not know '" + std::string(verb) + "'");
}

/// The stored access rules: versions of the network document.
daemon::answer_or daemon::manage_acl(membership& m, const std::string& name, std::string_view verb,
                                     const json::object& a) {
   trust::party& p = *m;
   const auto document = [&](const trust::statement& s, bool text) {
      const auto& d = std::get<trust::network_document>(s.content);
      const member* by = p.now().find(s.signer);
      json::object out{{"version", d.version},
                       {"time", time_or_null(d.time_ms)},
                       {"by", by != nullptr ? by->name : crypto::format_node_id(s.signer)},
                       {"note", d.note},
                       {"bytes", d.acl.size()}};
      if (text) out["text"] = d.acl;
      return out;
   };
   const auto all = p.documents().documents();
   const uint64_t version = p.now().document ? p.now().document->version : 0;
   if (verb == "acl.history") {
      json::array versions;
      for (const auto* s : all)
         versions.push_back(document(*s, false));
      return json::object{{"schema", "warren.acl_history/1"},
                          {"network", name},
                          {"versions", std::move(versions)}};
   }
   if (verb == "acl.push" || verb == "acl.rollback") {
      std::string text = text_in(a, "text"), note = text_in(a, "note");
      if (verb == "acl.push" && a.contains("if_version") &&
          number_in(a, "if_version", 0) != version)
         return fail(errc::state, "the rules in force are version " + std::to_string(version) +
                                        ", not " + std::to_string(number_in(a, "if_version", 0)) +
                                        "; look at them again ('warren acl show')");
      if (verb == "acl.rollback") {
         const trust::network_document* wanted = nullptr;
         for (const auto* s : all)
            if (const auto& d = std::get<trust::network_document>(s->content);
                d.version == number_in(a, "version", 0))
               wanted = &d;
         if (wanted == nullptr)
            return fail(errc::not_found, "no such version; 'warren acl history' shows them");
         text = wanted->acl;
         note = "rolled back to version " + std::to_string(wanted->version);
      }
      if (auto ok = check_rules(name, text); !ok) return ok.error();
      auto made = p.push_document(std::move(text), std::move(note));
      if (!made) return made.error();
      m.audit(verb, "version " + std::to_string(made->version), made->note);
   }
   const auto now = p.documents().documents();
   json::object out = now.empty() ? json::object{{"version", 0}, {"text", nullptr}}
                                  : document(*now.front(), true);
   out["schema"] = "warren.acl/1";
   out["network"] = name;
   return out;
}

} // namespace warren::app
