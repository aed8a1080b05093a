// invite create, list, revoke.
#include "core/app/ask.hpp"

#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

struct invite_options {
   int64_t uses = 0;
   std::string expires;
   std::vector<std::string> groups, roles, tags, endpoints;
   bool auto_accept = false, qr = false;
};

std::string expiry_of(const json::value& invite) {
   const std::string when = text_of(invite, "expires");
   return when.empty() ? "never" : when;
}

std::string uses_of(const json::value& invite) {
   const uint64_t uses = number_of(invite, "uses");
   return std::to_string(number_of(invite, "used")) + "/" +
          (uses == 0 ? "any" : std::to_string(uses));
}

int create(const command_context& c, const invite_options& o) {
   json::object body;
   if (o.uses != 0) body["uses"] = o.uses;
   if (const auto ok = set_lifetime(body, "expires_s", o.expires); !ok) return c.refuse(ok.error());
   set_texts(body, "groups", o.groups);
   set_texts(body, "roles", o.roles);
   set_texts(body, "tags", o.tags);
   set_texts(body, "endpoint", o.endpoints);
   if (o.auto_accept) body["auto_accept"] = true;
   return ask(c, "POST", "/invites", body, [&](const json::value& a) {
      // The link alone on stdout, so that it can be passed on; what it means is for people.
      const uint64_t uses = number_of(a, "uses");
      const std::string link = text_of(a, "link");
      c.out << printable(link) << "\n";
      print_code(c, link, o.qr);
      c.err << "invite " << printable(text_of(a, "id")) << " for "
            << (uses == 0 ? "any number" : std::to_string(uses)) << ", expires "
            << printable(expiry_of(a))
            << (flag_of(a, "auto_accept") ? "; whoever has it is let in at once\n"
                                          : "; you accept each with 'warren member accept'\n");
   });
}

void print_invites(const command_context& c, const json::value& answer) {
   const json::array& invites = list_of(answer, "invites");
   if (invites.empty()) {
      c.out << "no invites; 'warren invite create' makes one\n";
      return;
   }
   table t({{"ID", 100},
            {"STATE", 90},
            {"USED", 80, true},
            {"EXPIRES", 70},
            {"GROUPS", 40, false, true},
            {"ROLES", 30, false, true},
            {"ACCEPTS", 60}});
   for (const json::value& i : invites) {
      const std::string state = text_of(i, "state");
      t.add({text_of(i, "id"),
             {state, state == "open" ? tint::good : tint::faint},
             uses_of(i),
             expiry_of(i),
             join(list_of(i, "groups"), ", "),
             join(list_of(i, "roles"), ", "),
             {flag_of(i, "auto_accept") ? "by itself" : "an admin",
              flag_of(i, "auto_accept") ? tint::warning : tint::none}});
   }
   c.out << t.render(c.width, c.color);
}

} // namespace

void add_invite_commands(CLI::App& root, command_context& c) {
   auto* invite = root.add_subcommand("invite", "Links that let others ask to join");
   invite->require_subcommand(1, 1);

   auto o = std::make_shared<invite_options>();
   auto* make = invite->add_subcommand("create", "Make an invite and print its link");
   make->add_option("--uses", o->uses, "How many may join with it; omitted: any number")
         ->type_name("N")
         ->check(CLI::Range(1, 1'000'000));
   make->add_option("--expires", o->expires, "Its lifetime, such as 12h or 7d")->type_name("TIME");
   add_list_option(*make, "--group", o->groups, "A group that joining gives; may be given again",
                   "NAME");
   add_list_option(*make, "--role", o->roles, "A role that joining gives; may be given again",
                   "NAME");
   add_list_option(*make, "--tag", o->tags, "A tag that joining gives; may be given again", "NAME");
   add_list_option(*make, "--endpoint", o->endpoints,
                   "Where this node is reached, instead of what it knows; may be given again",
                   "HOST:PORT");
   make->add_flag("--auto-accept", o->auto_accept, "Let in whoever has it, without asking");
   make->add_flag("--qr", o->qr, "Print the link as a QR code even when this is no terminal");
   make->callback([&c, o] { c.action = [&c, o] { return create(c, *o); }; });

   invite->add_subcommand("list", "List the invites and who used them up")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/invites", nullptr,
                    [&c](const json::value& a) { print_invites(c, a); });
      };
   });

   auto id = std::make_shared<std::string>();
   auto* revoke = invite->add_subcommand("revoke", "Make an invite useless; members stay members");
   revoke->add_option("id", *id, "Its id, as 'invite list' shows it")->required()->type_name("ID");
   revoke->callback([&c, id] {
      c.action = [&c, id] {
         return ask(c, "DELETE", "/invites/" + control::encode_segment(*id), nullptr,
                    [&](const json::value&) {
                       c.out << "invite " << printable(*id) << " is revoked\n";
                    });
      };
   });
}

} // namespace warren::app
