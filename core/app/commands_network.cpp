// network create, join, leave, list, show: networks that are made by invitation.
#include "core/app/ask.hpp"
#include "core/app/format.hpp"

#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(300);

struct create_options {
   std::string name, plan, node, listen;
   std::vector<std::string> endpoints;
   int64_t mtu = 0;
   bool qr = false;
};

std::string addresses_of(const json::value& answer) {
   const std::string v4 = text_of(answer, "address"), v6 = text_of(answer, "address6");
   return v4 + (v4.empty() || v6.empty() ? "" : ", ") + v6;
}

int create(const command_context& c, const create_options& o) {
   json::object body{{"name", o.name}};
   set_text(body, "plan", o.plan);
   set_text(body, "node", o.node);
   set_text(body, "listen", o.listen);
   set_texts(body, "endpoint", o.endpoints);
   if (o.mtu != 0) body["mtu"] = o.mtu;
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   const auto answer = (*daemon)->request("POST", "/v1/networks", body, answer_timeout);
   return print_answer(c, answer, [&](const json::value& a) {
      print_line(c, "network", text_of(a, "network") + "  " + text_of(a, "id"), tint::strong);
      print_line(c, "node", text_of(a, "node"));
      print_line(c, "addresses", addresses_of(a));
      print_line(c, "file", text_of(a, "file"));
      const json::value* invite = a.is_object() ? a.as_object().if_contains("invite") : nullptr;
      if (invite == nullptr) return;
      const std::string link = text_of(*invite, "link");
      print_line(c, "invite", link);
      print_code(c, link, o.qr);
      print_line(c, "next",
                 "give the invite to those whom you want in; 'warren member list' "
                 "shows who waits");
   });
}

struct join_options {
   std::string link, name, as, listen, timeout = "10m";
   bool no_wait = false;
};

/// Says how it ended. With --json the document itself says it.
int finish_join(const command_context& c, const json::value& document, const std::string& network) {
   const std::string state = text_of(document, "state"), why = text_of(document, "why");
   if (c.json) c.print(document);
   if (state == "member") {
      const std::string addresses = addresses_of(document);
      if (!c.json)
         c.out << "you are a member of " << printable(network)
               << (addresses.empty() ? "" : ": " + printable(addresses)) << "\n";
      return exit_ok;
   }
   return c.refuse(
         fail(errc::state, "'" + network + "' did not let you in: " +
                                 (why.empty() ? "no reason was given (" + state + ")" : why)));
}

int join(const command_context& c, const join_options& o) {
   const auto timeout = parse_wait(o.timeout);
   if (!timeout) return c.refuse(timeout.error());
   json::object body{{"link", o.link}};
   set_text(body, "name", o.name);
   set_text(body, "network", o.as); // not -n, which may come from the environment
   set_text(body, "listen", o.listen);
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   const auto asked = (*daemon)->request("POST", "/v1/networks/join", body, answer_timeout);
   if (!asked) return c.refuse(asked.error());
   const std::string network = text_of(*asked, "network"), inviter = text_of(*asked, "inviter");
   if (text_of(*asked, "state") != "waiting") return finish_join(c, *asked, network);
   if (o.no_wait) {
      if (c.json)
         c.print(*asked);
      else
         c.out << "asked to join " << printable(network) << "; 'warren network show -n "
               << printable(network) << "' says when you are in\n";
      return exit_ok;
   }
   c.err << "waiting for " << (inviter.empty() ? "an admin" : printable(inviter))
         << " to accept; you can press Ctrl-C: the request stays\n";
   c.err.flush();
   const auto end = std::chrono::steady_clock::now() + *timeout;
   const std::string later =
         "; the request stays, 'warren network show -n " + network + "' says when you are in";
   while (true) {
      if (std::chrono::steady_clock::now() >= end)
         return c.refuse(fail(errc::timeout, "nobody accepted within " + o.timeout + later));
      if (!c.pause(poll_interval)) return c.refuse(fail(errc::timeout, "interrupted" + later));
      const auto now = (*daemon)->request("GET", network_path(network, "/membership"), nullptr,
                                          answer_timeout);
      if (!now && now.error().code == errc::not_found) continue; // its network is being started
      if (!now) return c.refuse(now.error());
      if (text_of(*now, "state") != "waiting") return finish_join(c, *now, network);
   }
}

void print_membership(const command_context& c, const json::value& m) {
   const std::string state = text_of(m, "state"), why = text_of(m, "why"), id = text_of(m, "id");
   const bool in = state == "member" || state == "static";
   print_line(c, "network", text_of(m, "network") + (id.empty() ? "" : "  " + id), tint::strong);
   print_line(c, "state",
              (state == "static" ? "as its file says, without invitations" : state) +
                    (why.empty() ? "" : ": " + why),
              in                   ? tint::good
              : state == "waiting" ? tint::warning
                                   : tint::bad);
   std::string self = text_of(m, "name");
   if (const uint64_t number = number_of(m, "number"); number != 0)
      self += ", number " + std::to_string(number);
   if (flag_of(m, "root"))
      self += ", root of the network";
   else if (flag_of(m, "admin"))
      self += ", admin";
   print_line(c, "node", self);
   if (const std::string addresses = addresses_of(m); !addresses.empty())
      print_line(c, "addresses", addresses);
   if (state == "static") return;
   if (const json::value* head = m.is_object() ? m.as_object().if_contains("head") : nullptr;
       head != nullptr && head->is_object()) {
      const std::string level = text_of(*head, "level");
      print_line(c, "head",
                 "number " + std::to_string(number_of(*head, "sequence")) + ", signed " +
                       format_ago(static_cast<int64_t>(number_of(*head, "age_s")) * 1000) +
                       (level == "ok" ? "" : ", " + level),
                 level == "ok"    ? tint::none
                 : level == "old" ? tint::warning
                                  : tint::bad);
   }
   print_line(c, "members", std::to_string(number_of(m, "members")));
   if (const uint64_t pending = number_of(m, "pending"); pending != 0)
      print_line(c, "waiting", std::to_string(pending) + "; see 'warren member list'",
                 tint::warning);
   for (const json::value& warning : list_of(m, "warnings"))
      if (warning.is_string()) print_line(c, "warning", warning.get_string(), tint::warning);
}

int list(const command_context& c) {
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   const auto names = (*daemon)->request("GET", "/v1/networks", nullptr, answer_timeout);
   if (!names) return c.refuse(names.error());
   json::array documents;
   table t({{"NETWORK", 100},
            {"STATE", 90},
            {"NODE", 60},
            {"ADDRESS", 80},
            {"MEMBERS", 50, true},
            {"WAITING", 70, true},
            {"ID", 10, false, true}});
   for (const json::value& name : list_of(*names, "networks")) {
      if (!name.is_string()) continue;
      const auto m = (*daemon)->request("GET", network_path(name.get_string(), "/membership"),
                                        nullptr, answer_timeout);
      // One network that cannot answer must not hide the others.
      documents.push_back(
            m ? *m
              : json::object{{"network", name}, {"state", "unknown"}, {"why", m.error().text}});
      const json::value& d = documents.back();
      const auto count = [&](std::string_view key) {
         return d.as_object().contains(key) ? std::to_string(number_of(d, key)) : std::string();
      };
      if (!d.is_object()) continue;
      t.add({std::string(name.get_string()), text_of(d, "state"), text_of(d, "name"),
             text_of(d, "address"), count("members"), count("pending"),
             text_of(d, "id").substr(0, 12)});
   }
   if (c.json)
      c.print(json::object{{"schema", "warren.network_list/1"}, {"networks", documents}});
   else if (documents.empty())
      c.out << "no networks; 'warren network create NAME' makes one, 'warren network join LINK' "
               "joins one\n";
   else
      c.out << t.render(c.width, c.color);
   return exit_ok;
}

int leave(const command_context& c) {
   return ask(c, "DELETE", "", nullptr, [&](const json::value& a) {
      c.out << "left " << printable(text_of(a, "network")) << "\n";
      for (const json::value& file : list_of(a, "removed_files"))
         if (file.is_string()) print_line(c, "removed", file.get_string());
   });
}

} // namespace

void add_network_commands(CLI::App& root, command_context& c) {
   auto* network = root.add_subcommand("network", "Networks that are joined by invitation");
   network->require_subcommand(1, 1);

   auto n = std::make_shared<create_options>();
   auto* make = network->add_subcommand(
         "create", "Make a network; this node becomes its first member and admin");
   make->add_option("name", n->name, "What it is called: a-z, 0-9 and '-'")
         ->required()
         ->type_name("NAME");
   make->add_option("--plan", n->plan,
                    "Its addresses: goconnect (10.0.x.0/24), or a private prefix from /8 to /29; "
                    "omitted: goconnect")
         ->type_name("PLAN");
   add_list_option(*make, "--endpoint", n->endpoints,
                   "Where others reach this node; may be given "
                   "again",
                   "HOST:PORT");
   make->add_option("--node", n->node, "What this node is called; omitted: the host's name")
         ->type_name("NAME");
   make->add_option("--listen", n->listen, "Address and port of the transport")
         ->type_name("ADDRESS:PORT");
   make->add_option("--mtu", n->mtu, "MTU of the interface")
         ->type_name("BYTES")
         ->check(CLI::Range(1280, 65455));
   make->add_flag("--qr", n->qr, "Print the invite as a QR code even when this is no terminal");
   make->callback([&c, n] { c.action = [&c, n] { return create(c, *n); }; });

   auto j = std::make_shared<join_options>();
   auto* enter = network->add_subcommand("join", "Ask to join the network of an invite");
   enter->add_option("link", j->link, "The invite: warren://join/…")->required()->type_name("LINK");
   enter->add_option("--name", j->name, "What this node wants to be called")->type_name("NAME");
   enter->add_option("--as", j->as, "What the network is called here; omitted: as the invite says")
         ->type_name("NAME");
   enter->add_option("--listen", j->listen, "Address and port of the transport")
         ->type_name("ADDRESS:PORT");
   enter->add_flag("--no-wait", j->no_wait, "Do not wait until somebody accepts");
   enter->add_option("--timeout", j->timeout, "Stop waiting after this time, with exit code 7")
         ->type_name("TIME")
         ->default_str(j->timeout);
   enter->callback([&c, j] { c.action = [&c, j] { return join(c, *j); }; });

   network->add_subcommand("leave", "Leave the network and remove its files")->callback([&c] {
      c.action = [&c] { return leave(c); };
   });
   network->add_subcommand("list", "List the networks with this node's place in each")
         ->callback([&c] { c.action = [&c] { return list(c); }; });
   network->add_subcommand("show", "Show this node's place in the network")->callback([&c] {
      c.action = [&c] {
         return ask(c, "GET", "/membership", nullptr,
                    [&c](const json::value& m) { print_membership(c, m); });
      };
   });
}

} // namespace warren::app
