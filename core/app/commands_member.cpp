// member list, accept, reject, remove, rename, tag, add.
#include "core/app/ask.hpp"
#include "core/app/format.hpp"
#include "core/base/limits.hpp"
#include "core/trust/name.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

/// What takes a tag away, from the command line's "-eu" to the command: no character of a name.
constexpr char take_away = '^';

struct grants {
   std::string name;
   std::vector<std::string> groups, roles, tags, routes;
};

struct accept_options : grants {
   std::string who;
   bool all = false;
};

struct add_options {
   std::string name, via, public_key;
   std::vector<std::string> groups, tags;
   bool qr = false;
};

std::string key_of(const json::value& row) {
   const std::string id = text_of(row, "id");
   return id.empty() ? text_of(row, "tunnel_key") : id;
}

base::result<const json::value*> pick_pending(const json::value& members, std::string_view who) {
   return pick_row(list_of(members, "pending"), who, {"request", "name", "id", "tunnel_key"},
                   {"id", "tunnel_key"}, "request");
}

base::result<const json::value*> pick_member(const json::value& members, std::string_view who) {
   return pick_row(list_of(members, "members"), who, {"id", "name", "number", "address"}, {"id"},
                   "member");
}

/// How the daemon is told which member is meant: its key; stock clients have names alone.
std::string member_path(const json::value& member, std::string_view tail = "") {
   const std::string id = text_of(member, "id");
   return "/members/" + control::encode_segment(id.empty() ? text_of(member, "name") : id) +
          std::string(tail);
}

std::string request_path(const json::value& request, std::string_view tail) {
   return "/members/" + control::encode_segment(text_of(request, "request")) + std::string(tail);
}

void print_members(const command_context& c, const json::value& answer) {
   table t({{"NAME", 100},
            {"NUMBER", 20, true},
            {"ADDRESS", 90},
            {"KIND", 40},
            {"STATE", 80},
            {"GROUPS", 60, false, true},
            {"ROLES", 55, false, true},
            {"TAGS", 50, false, true},
            {"ROUTES", 45, false, true},
            {"VIA", 35, false, true},
            {"ID", 30},
            {"ISSUER", 10},
            {"EXPIRES", 25, false, true}});
   for (const json::value& m : list_of(answer, "members")) {
      const std::string state = text_of(m, "state");
      t.add({{text_of(m, "name"), flag_of(m, "admin") ? tint::strong : tint::none},
             std::to_string(number_of(m, "number")),
             text_of(m, "address"),
             flag_of(m, "admin") ? "admin" : text_of(m, "kind"),
             {state, state == "up" || state == "self" ? tint::good : tint::faint},
             join(list_of(m, "groups"), ", "),
             join(list_of(m, "roles"), ", "),
             join(list_of(m, "tags"), ", "),
             join(list_of(m, "routes"), ", "),
             text_of(m, "via"),
             short_key(text_of(m, "id")),
             text_of(m, "issuer"),
             text_of(m, "expires")});
   }
   c.out << t.render(c.width, c.color);
   const json::array& pending = list_of(answer, "pending");
   if (pending.empty()) return;
   table waiting({{"REQUEST", 90},
                  {"NAME", 100},
                  {"KEY", 95},
                  {"FROM", 60, false, true},
                  {"SINCE", 50},
                  {"INVITE", 20, false, true},
                  {"WANTS", 70, false, true}});
   for (const json::value& p : pending)
      waiting.add({text_of(p, "request"), text_of(p, "name"), short_key(key_of(p)),
                   text_of(p, "from"), text_of(p, "since"), text_of(p, "invite"),
                   join(list_of(p, "claims"), ", ")});
   c.out << "\nwaiting to be let in:\n"
         << waiting.render(c.width, c.color) << "let one in: warren member accept "
         << printable(text_of(pending[0], "request")) << "    turn one away: warren member reject "
         << printable(text_of(pending[0], "request")) << "\n";
}

json::object body_of(const grants& g) {
   json::object body;
   set_text(body, "name", g.name);
   set_texts(body, "groups", g.groups);
   set_texts(body, "roles", g.roles);
   set_texts(body, "tags", g.tags);
   set_texts(body, "routes", g.routes);
   return body;
}

/// Null when it is empty: a request without a body.
json::value or_nothing(json::object body) {
   return body.empty() ? json::value(nullptr) : json::value(std::move(body));
}

void print_accepted(const command_context& c, const json::value& a) {
   c.out << printable(text_of(a, "name"))
         << " is a member now: " << printable(text_of(a, "address")) << ", "
         << printable(text_of(a, "address6")) << "\n";
}

int accept_all(const command_context& c, const network_api& api, const json::array& pending,
               const json::value& body) {
   json::array accepted, failed;
   int code = exit_ok;
   for (const json::value& p : pending) {
      const auto answer = api.request("POST", request_path(p, "/accept"), body);
      if (answer) {
         if (!c.json) print_accepted(c, *answer);
         accepted.push_back(*answer);
         continue;
      }
      code = c.refuse(fail(answer.error().code, text_of(p, "name") + ": " + answer.error().text));
      failed.push_back(json::object{{"request", text_of(p, "request")},
                                    {"name", text_of(p, "name")},
                                    {"why", answer.error().text}});
   }
   if (c.json)
      c.print(json::object{{"schema", "warren.members_accepted/1"},
                           {"network", api.network},
                           {"accepted", std::move(accepted)},
                           {"failed", std::move(failed)}});
   else if (pending.empty())
      c.out << "nobody waits\n";
   return code;
}

int accept(const command_context& c, const accept_options& o) {
   if (o.all != o.who.empty())
      return c.refuse(fail(errc::invalid, "name who is let in, or --all; 'warren member list' "
                                          "shows who waits"));
   if (o.all && !o.name.empty())
      return c.refuse(fail(errc::invalid, "--name is for one, and --all is for all who wait"));
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   const auto members = api->request("GET", "/members");
   if (!members) return c.refuse(members.error());
   const json::value body = or_nothing(body_of(o));
   if (o.all) return accept_all(c, *api, list_of(*members, "pending"), body);
   const auto request = pick_pending(*members, o.who);
   if (!request) return c.refuse(request.error());
   return print_answer(c, api->request("POST", request_path(**request, "/accept"), body),
                       [&](const json::value& a) { print_accepted(c, a); });
}

int reject(const command_context& c, const std::string& who, const std::string& why) {
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   const auto members = api->request("GET", "/members");
   if (!members) return c.refuse(members.error());
   const auto request = pick_pending(*members, who);
   if (!request) return c.refuse(request.error());
   json::object body;
   set_text(body, "why", why);
   return print_answer(
         c, api->request("POST", request_path(**request, "/reject"), or_nothing(std::move(body))),
         [&](const json::value& a) {
            c.out << printable(text_of(a, "name")) << " was turned away\n";
         });
}

/// Finds a member, makes a change of it, and says what came of it.
int change(const command_context& c, const std::string& who,
           const std::function<base::result<json::object>(const json::value&)>& make,
           const std::function<std::string(const json::value&)>& said) {
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   const auto members = api->request("GET", "/members");
   if (!members) return c.refuse(members.error());
   const auto member = pick_member(*members, who);
   if (!member) return c.refuse(member.error());
   auto body = make(**member);
   if (!body) return c.refuse(body.error());
   return print_answer(c, api->request("PATCH", member_path(**member), *body),
                       [&](const json::value&) { c.out << printable(said(*body)) << "\n"; });
}

int remove(const command_context& c, const std::string& who) {
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   const auto members = api->request("GET", "/members");
   if (!members) return c.refuse(members.error());
   const auto member = pick_member(*members, who);
   if (!member) return c.refuse(member.error());
   return print_answer(c, api->request("DELETE", member_path(**member)), [&](const json::value& a) {
      c.out << printable(text_of(a, "name")) << " is no member any more\n";
   });
}

int rename(const command_context& c, const std::string& who, const std::string& name) {
   if (const auto ok = trust::check_name(name, "a member"); !ok) return c.refuse(ok.error());
   return change(
         c, who,
         [&](const json::value&) {
            return json::object{{"name", name}};
         },
         [&](const json::value&) { return who + " is called " + name + " now"; });
}

/// "+eu" and "^us" applied to the tags that there are, in their order.
base::result<std::vector<std::string>> changed_tags(const json::array& before,
                                                    const std::vector<std::string>& changes) {
   std::vector<std::string> tags;
   for (const json::value& t : before)
      if (t.is_string()) tags.emplace_back(t.get_string());
   for (const std::string& change : changes) {
      const std::string tag = change.empty() ? "" : change.substr(1);
      if (change.empty() || (change[0] != '+' && change[0] != take_away))
         return fail(errc::invalid, "'" + change + "' says neither +TAG nor -TAG");
      if (auto ok = trust::check_name(tag, "a tag"); !ok) return ok.error();
      const auto at = std::find(tags.begin(), tags.end(), tag);
      if (change[0] == '+' && at == tags.end()) tags.push_back(tag);
      if (change[0] == take_away && at != tags.end()) tags.erase(at);
   }
   return tags;
}

int tag(const command_context& c, const std::string& who, const std::vector<std::string>& changes) {
   return change(
         c, who,
         [&](const json::value& member) -> base::result<json::object> {
            auto tags = changed_tags(list_of(member, "tags"), changes);
            if (!tags) return tags.error();
            return json::object{{"tags", to_array(*tags)}};
         },
         [&](const json::value& body) {
            const std::string tags = join(list_of(body, "tags"), ", ");
            return who + (tags.empty() ? " has no tags" : " has the tags " + tags);
         });
}

int add(const command_context& c, const add_options& o) {
   json::object body{{"wireguard", o.name}};
   set_text(body, "via", o.via);
   set_texts(body, "groups", o.groups);
   set_texts(body, "tags", o.tags);
   set_text(body, "public_key", o.public_key);
   return ask(c, "POST", "/members", body, [&](const json::value& a) {
      const std::string config = text_of(a, "config");
      // The file alone on stdout, line by line since a whole one has line ends.
      std::string_view rest = config;
      while (!rest.empty()) {
         const std::string_view line = rest.substr(0, rest.find('\n'));
         rest.remove_prefix(std::min(rest.size(), line.size() + 1));
         c.out << printable(line) << "\n";
      }
      if (!config.empty()) print_code(c, config, o.qr);
      c.err << printable(text_of(a, "name"))
            << " is a member now: " << printable(text_of(a, "address")) << ", "
            << printable(text_of(a, "address6")) << ", through " << printable(text_of(a, "via"))
            << (config.empty() ? "\n"
                               : "; the file above holds its secret key and is not kept here\n");
   });
}

void add_grants(CLI::App& app, grants& g) {
   add_list_option(app, "--group", g.groups, "A group that it gets; may be given again", "NAME");
   add_list_option(app, "--role", g.roles, "A role that it gets; may be given again", "NAME");
   add_list_option(app, "--tag", g.tags, "A tag that it gets; may be given again", "NAME");
   add_list_option(app, "--route", g.routes, "A network behind it; may be given again", "PREFIX");
}

void add_waiting_commands(CLI::App& member, command_context& c) {
   constexpr const char* who_waits = "Name, request or key of one who waits";
   auto a = std::make_shared<accept_options>();
   auto* in = member.add_subcommand("accept", "Let somebody in who waits");
   in->add_option("who", a->who, who_waits)->type_name("WHO");
   in->add_flag("--all", a->all, "Let in all who wait");
   in->add_option("--name", a->name, "Call it so, instead of what it calls itself")
         ->type_name("NAME");
   add_grants(*in, *a);
   in->callback([&c, a] { c.action = [&c, a] { return accept(c, *a); }; });

   struct reject_options {
      std::string who, why;
   };
   auto r = std::make_shared<reject_options>();
   auto* out = member.add_subcommand("reject", "Turn somebody away who waits");
   out->add_option("who", r->who, who_waits)->required()->type_name("WHO");
   out->add_option("--why", r->why, "A sentence for the one turned away")->type_name("TEXT");
   out->callback([&c, r] { c.action = [&c, r] { return reject(c, r->who, r->why); }; });
}

void add_change_commands(CLI::App& member, command_context& c) {
   constexpr const char* which = "Name, key, number or address";
   auto gone = std::make_shared<std::string>();
   auto* out = member.add_subcommand("remove", "Remove a member; the others stop talking to it");
   out->add_option("member", *gone, which)->required()->type_name("MEMBER");
   out->callback([&c, gone] { c.action = [&c, gone] { return remove(c, *gone); }; });

   auto names = std::make_shared<std::pair<std::string, std::string>>();
   auto* called = member.add_subcommand("rename", "Give a member another name");
   called->add_option("old", names->first, which)->required()->type_name("OLD");
   called->add_option("new", names->second, "a-z, 0-9 and '-'")->required()->type_name("NEW");
   called->callback([&c, names] {
      c.action = [&c, names] { return rename(c, names->first, names->second); };
   });

   struct tag_options {
      std::string who;
      std::vector<std::string> changes;
   };
   auto t = std::make_shared<tag_options>();
   auto* tags = member.add_subcommand("tag", "Give a member tags, or take them away: +eu -us");
   tags->add_option("member", t->who, which)->required()->type_name("MEMBER");
   tags->add_option("changes", t->changes, "+TAG or -TAG, one or more")
         ->required()
         ->type_name("CHANGE");
   tags->callback([&c, t] { c.action = [&c, t] { return tag(c, t->who, t->changes); }; });
}

} // namespace

std::vector<std::string> without_tag_options(std::vector<std::string> arguments) {
   for (size_t i = 0; i + 1 < arguments.size(); i++) {
      if (arguments[i] != "member" || arguments[i + 1] != "tag") continue;
      for (size_t j = i + 2; j < arguments.size(); j++) {
         std::string& a = arguments[j];
         // "-n" alone is the network's option and -h help's; tags of one letter n or h are rare
         // enough to be taken away by another way.
         if (a.size() >= 2 && a[0] == '-' && a[1] != '-' && a != "-n" && a != "-h")
            a[0] = take_away;
      }
      break;
   }
   return arguments;
}

void add_member_commands(CLI::App& root, command_context& c) {
   auto* member = root.add_subcommand("member", "Members of the network, and who waits to be one");
   member->require_subcommand(1, 1);
   member->add_subcommand("list", "List the members and the requests to join")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/members", nullptr,
                    [&c](const json::value& a) { print_members(c, a); });
      };
   });
   add_waiting_commands(*member, c);
   add_change_commands(*member, c);

   auto o = std::make_shared<add_options>();
   auto* stock = member->add_subcommand(
         "add", "Add a stock WireGuard client, such as a phone, and print its configuration");
   stock->add_option("--wireguard", o->name, "What the client is called")
         ->required()
         ->type_name("NAME");
   stock->add_option("--via", o->via, "The node that it calls; omitted: this one")
         ->type_name("NODE");
   stock->add_option("--public-key", o->public_key,
                     "The client's own public key; omitted: a pair is made for it")
         ->type_name("KEY");
   add_list_option(*stock, "--group", o->groups, "A group that it gets; may be given again",
                   "NAME");
   add_list_option(*stock, "--tag", o->tags, "A tag that it gets; may be given again", "NAME");
   stock->add_flag("--qr", o->qr,
                   "Print the configuration as a QR code even when this is no terminal");
   stock->callback([&c, o] { c.action = [&c, o] { return add(c, *o); }; });
}

} // namespace warren::app
