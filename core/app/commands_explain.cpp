// explain flow: would it pass, what decides, which way does it go; and what was dropped lately.
#include "core/app/commands.hpp"
#include "core/control/client.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

struct explain_options {
   std::string source, destination, protocol = "tcp";
   std::optional<uint16_t> port;
   bool last = false;
};

const json::value& part_of(const json::value& object, std::string_view key) {
   static const json::value nothing;
   const json::value* v = object.is_object() ? object.as_object().if_contains(key) : nullptr;
   return v != nullptr ? *v : nothing;
}

/// "10.0.0.2 (nas) port 22"
std::string end_of(const json::value& answer, const std::string& which) {
   std::string out = text_of(answer, which);
   const std::string owner = text_of(answer, which + "_owner");
   out += owner.empty() ? " (nobody's)" : " (" + owner + ")";
   if (part_of(answer, which + "_port").is_number())
      out += " port " + std::to_string(number_of(answer, which + "_port"));
   return printable(out);
}

std::string verdict_of(const command_context& c, const json::value& v) {
   const bool accept = flag_of(v, "accept");
   std::string out = c.paint(accept ? "accepted" : "denied", accept ? tint::good : tint::bad);
   const std::string rule = text_of(v, "rule"), name = text_of(v, "rule_name");
   if (rule.empty()) return out + ", there are no rules";
   out += rule == "default" ? ", no rule matches: the default" : " by " + printable(rule);
   return name.empty() ? out : out + " \"" + printable(name) + "\"";
}

void print_explanation(const command_context& c, const json::value& a) {
   c.out << "protocol     " << printable(text_of(a, "protocol")) << "\n"
         << "source       " << end_of(a, "source") << "\n"
         << "destination  " << end_of(a, "destination") << "\n"
         << "forward      " << verdict_of(c, part_of(a, "forward")) << "\n"
         << "backward     " << verdict_of(c, part_of(a, "backward"))
         << " (as a flow of its own; replies pass)\n";
   const json::value& link = part_of(a, "link");
   if (!link.is_object()) {
      c.out << "link         none: no end is another member\n";
      return;
   }
   std::string way = text_of(link, "state");
   if (const auto transport = text_of(link, "transport"); !transport.empty())
      way += ", " + transport;
   if (const auto via = text_of(link, "via"); !via.empty())
      way += " through " + via;
   else if (const auto endpoint = text_of(link, "endpoint"); !endpoint.empty())
      way += " to " + endpoint;
   c.out << "link         " << printable(text_of(link, "peer") + ": " + way) << "\n";
   if (const uint64_t mtu = number_of(link, "mtu"); mtu != 0)
      c.out << "mtu          " << mtu << "\n";
}

/// Is an end of the dropped packet meant by what the person wrote?
bool is_meant(const std::string& who, const std::string& address, const std::string& name) {
   return who.empty() || who == address || who == name;
}

int last(const command_context& c, const explain_options& o, control::api& daemon,
         const std::string& network) {
   auto answer = daemon.request("GET", network_path(network, "/drops"), nullptr, answer_timeout);
   if (!answer) return c.refuse(answer.error());
   std::string own; // the name of the end that is no peer
   if (!o.source.empty())
      if (const auto about = daemon.request("GET", network_path(network), nullptr, answer_timeout))
         own = text_of(*about, "node_name");
   json::array meant;
   for (const json::value& d : list_of(*answer, "drops")) {
      const std::string peer = text_of(d, "peer");
      const bool in = text_of(d, "direction") == "in";
      if (is_meant(o.source, text_of(d, "source"), in ? peer : own) &&
          is_meant(o.destination, text_of(d, "destination"), in ? own : peer))
         meant.push_back(d);
   }
   if (c.json) {
      c.print(json::object{{"schema", "warren.drops/1"},
                           {"filtered", flag_of(*answer, "filtered")},
                           {"flows", number_of(*answer, "flows")},
                           {"passed", part_of(*answer, "passed")},
                           {"dropped", part_of(*answer, "dropped")},
                           {"drops", std::move(meant)}});
      return exit_ok;
   }
   if (meant.empty()) {
      c.out << (flag_of(*answer, "filtered") ? "no such packet was dropped lately\n"
                                             : "this network has no access rules\n");
      return exit_ok;
   }
   table t({{"TIME", 60},
            {"DIR", 40},
            {"PEER", 90},
            {"SOURCE", 80},
            {"DESTINATION", 80},
            {"PROTO", 50},
            {"WHY", 70},
            {"RULE", 100}});
   const auto end = [](const json::value& d, const std::string& which) {
      const uint64_t port = number_of(d, which + "_port");
      return printable(text_of(d, which)) + (port == 0 ? "" : " " + std::to_string(port));
   };
   for (const json::value& d : meant)
      t.add({printable(text_of(d, "time")), printable(text_of(d, "direction")),
             printable(text_of(d, "peer")), end(d, "source"), end(d, "destination"),
             std::to_string(number_of(d, "protocol")), printable(text_of(d, "why")),
             printable(text_of(d, "rule"))});
   c.out << t.render(c.width, c.color);
   return exit_ok;
}

int flow(const command_context& c, const explain_options& o) {
   if (!o.last && (o.source.empty() || o.destination.empty()))
      return c.refuse(fail(errc::invalid, "'warren explain flow' needs SRC and DST, or --last"));
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto network = c.pick_network(**daemon);
   if (!network) return c.refuse(network.error());
   if (o.last) return last(c, o, **daemon, *network);
   std::string query = "/explain?src=" + control::encode_segment(o.source) +
                       "&dst=" + control::encode_segment(o.destination) +
                       "&proto=" + control::encode_segment(o.protocol);
   if (o.port) query += "&dport=" + std::to_string(*o.port);
   auto answer = (*daemon)->request("GET", network_path(*network, query), nullptr, answer_timeout);
   if (!answer) return c.refuse(answer.error());
   if (c.json)
      c.print(*answer);
   else
      print_explanation(c, *answer);
   return exit_ok;
}

} // namespace

void add_explain_commands(CLI::App& root, command_context& c) {
   auto* explain = root.add_subcommand("explain", "Why something passes or does not");
   explain->require_subcommand(1, 1);
   auto o = std::make_shared<explain_options>();
   auto* command = explain->add_subcommand(
         "flow", "Which rule decides on a flow, and which way it goes, as this node sees it");
   command->add_option("source", o->source, "A member's name or an address")->type_name("SRC");
   command->add_option("destination", o->destination, "A member's name or an address")
         ->type_name("DST");
   command->add_option("protocol", o->protocol, "tcp, udp, icmp or a number")
         ->type_name("PROTO")
         ->default_str("tcp");
   command->add_option("port", o->port, "Of the destination")->type_name("PORT");
   command->add_flag("--last", o->last, "Packets that the rules dropped lately instead");
   command->callback([&c, o] { c.action = [&c, o] { return flow(c, *o); }; });
}

} // namespace warren::app
