// admin add, remove, list: who may let others in.
#include "core/app/ask.hpp"

#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

struct admin_options {
   std::string member, share, expires;
   std::vector<std::string> groups, roles;
};

void print_admins(const command_context& c, const json::value& answer) {
   table t({{"NAME", 100},
            {"ID", 50},
            {"ADDRESSES", 90},
            {"FREE", 80, true},
            {"MAY GIVE GROUPS", 40, false, true},
            {"ROLES", 30, false, true},
            {"SINCE", 20},
            {"EXPIRES", 60}});
   for (const json::value& a : list_of(answer, "admins")) {
      const std::string expires = text_of(a, "expires");
      t.add({text_of(a, "name") + (flag_of(a, "root") ? " (root)" : ""),
             text_of(a, "id").substr(0, 12), text_of(a, "pool"),
             std::to_string(number_of(a, "numbers")), join(list_of(a, "groups"), ", "),
             join(list_of(a, "roles"), ", "), text_of(a, "issued"),
             expires.empty() ? "never" : expires});
   }
   c.out << t.render(c.width, c.color);
}

int add(const command_context& c, const admin_options& o) {
   json::object body{{"member", o.member}};
   set_texts(body, "groups", o.groups);
   set_texts(body, "roles", o.roles);
   set_text(body, "share", o.share);
   if (const auto ok = set_lifetime(body, "expires_s", o.expires); !ok) return c.refuse(ok.error());
   return ask(c, "POST", "/admins", body, [&](const json::value& a) { print_admins(c, a); });
}

} // namespace

void add_admin_commands(CLI::App& root, command_context& c) {
   auto* admin = root.add_subcommand("admin", "Members that may let others in");
   admin->require_subcommand(1, 1);

   auto o = std::make_shared<admin_options>();
   auto* more = admin->add_subcommand("add", "Make a member an admin, with addresses of its own");
   more->add_option("member", o->member, "Name, key or number")->required()->type_name("MEMBER");
   add_list_option(*more, "--group", o->groups, "A group that it may give; may be given again",
                   "NAME");
   add_list_option(*more, "--role", o->roles, "A role that it may give; may be given again",
                   "NAME");
   more->add_option("--share", o->share, "How many of the free addresses: 1/2 to 1/16")
         ->type_name("1/N");
   more->add_option("--expires", o->expires, "For how long, such as 90d")->type_name("TIME");
   more->callback([&c, o] { c.action = [&c, o] { return add(c, *o); }; });

   auto who = std::make_shared<std::string>();
   auto* less =
         admin->add_subcommand("remove", "Take an admin's rights away; whom it let in stays");
   less->add_option("member", *who, "Name, key or number")->required()->type_name("MEMBER");
   less->callback([&c, who] {
      c.action = [&c, who] {
         return ask(c, "DELETE", "/admins/" + control::encode_segment(*who), nullptr,
                    [&](const json::value& a) { print_admins(c, a); });
      };
   });

   admin->add_subcommand("list", "List the admins and what they may give")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/admins", nullptr,
                    [&c](const json::value& a) { print_admins(c, a); });
      };
   });
}

} // namespace warren::app
