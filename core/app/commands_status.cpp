// status, wait, peer list, events: what the daemon knows, for people.
#include "core/app/commands.hpp"
#include "core/app/format.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

tint tint_of_state(std::string_view state) {
   if (state == "up") return tint::good;
   return state == "idle" ? tint::faint : tint::warning;
}

std::string ago_of(const json::value& peer) {
   const uint64_t at = number_of(peer, "latest_handshake_unix_ms");
   return at == 0 ? "" : format_ago(unix_ms_now() - static_cast<int64_t>(at));
}

std::string rtt_of(const json::value& object) {
   const uint64_t us = number_of(object, "rtt_us");
   return us == 0 ? "" : format_rtt(us);
}

/// "tso, gso, gro; not uso (unsupported)"
std::string offloads_of(const json::value& s) {
   std::string used, others;
   const json::value* all = s.is_object() ? s.as_object().if_contains("offloads") : nullptr;
   if (all == nullptr || !all->is_object()) return "unknown";
   for (const auto& [name, value] : all->as_object()) {
      const std::string state = value.is_string() ? std::string(value.as_string()) : "unknown";
      const bool on = state == "on" || state == "untested";
      std::string& list = on ? used : others;
      if (!list.empty()) list += ", ";
      list += std::string(name) + (state == "on" ? "" : " (" + state + ")");
   }
   if (used.empty()) used = "none";
   return printable(others.empty() ? used : used + "; not " + others);
}

void print_status(const command_context& c, const json::value& s) {
   const auto line = [&](std::string_view name, const std::string& value) {
      c.out << c.paint(std::string(name) + std::string(11 - name.size(), ' '), tint::faint) << value
            << "\n";
   };
   const bool up = flag_of(s, "up");
   line("network",
        c.paint(printable(text_of(s, "name")), tint::strong) + ", " +
              c.paint(up ? "up" : "down", up ? tint::good : tint::bad) +
              (text_of(s, "since").empty() ? "" : " since " + printable(text_of(s, "since"))));
   line("node", printable(text_of(s, "node_name") + "  " + text_of(s, "id")));
   line("tunnel key", printable(text_of(s, "tunnel_key")));
   line("interface",
        printable(text_of(s, "interface")) + ", MTU " + std::to_string(number_of(s, "mtu")));
   line("offloads", offloads_of(s));
   if (flag_of(s, "relay")) line("role", "relay");
   line("addresses", printable(join(list_of(s, "addresses"), ", ")));
   for (const json::value& i : list_of(s, "instances")) {
      std::string text = text_of(i, "plugin");
      if (const std::string listen = text_of(i, "listen"); !listen.empty()) text += " on " + listen;
      text = printable(text + ", " + text_of(i, "state"));
      if (flag_of(i, "plaintext"))
         text += ", " + c.paint("PLAINTEXT: everybody on the way can read it", tint::bad);
      line(printable(text_of(i, "kind").substr(0, 10)), text);
   }
   size_t count = 0, connected = 0;
   for (const json::value& p : list_of(s, "peers")) {
      count++;
      connected += text_of(p, "state") == "up" ? 1 : 0;
   }
   line("peers", std::to_string(connected) + "/" + std::to_string(count) + " up");
   const json::value* drops = s.is_object() ? s.as_object().if_contains("drops") : nullptr;
   if (drops != nullptr && drops->is_object() && !drops->as_object().empty()) {
      std::string text;
      for (const auto& item : drops->as_object())
         text += (text.empty() ? "" : ", ") + printable(std::string(item.key())) + " " +
                 std::to_string(number_of(*drops, item.key()));
      line("drops", text);
   }
}

std::string render_peers(const command_context& c, const json::array& peers) {
   table t({{"NAME", 100},
            {"ADDRESS", 80},
            {"ID", 5},
            {"STATE", 90},
            {"PATH", 30, false, true},
            {"ENDPOINT", 70},
            {"HANDSHAKE", 50},
            {"RTT", 60, true},
            {"RX", 20, true},
            {"TX", 20, true},
            {"LAST ERROR", 10, false, true}});
   for (const json::value& p : peers) {
      const json::array& addresses = list_of(p, "addresses");
      const std::string state = text_of(p, "state"), id = text_of(p, "id");
      std::string path = text_of(p, "path");
      if (!path.empty() && !text_of(p, "transport").empty()) path += " " + text_of(p, "transport");
      t.add({text_of(p, "name"),
             addresses.empty() || !addresses[0].is_string() ? std::string()
                                                            : std::string(addresses[0].as_string()),
             short_key(id.empty() ? text_of(p, "tunnel_key") : id),
             {state, tint_of_state(state)},
             path,
             text_of(p, "via").empty() ? text_of(p, "endpoint") : "through " + text_of(p, "via"),
             ago_of(p),
             rtt_of(p),
             format_bytes(number_of(p, "rx_bytes")),
             format_bytes(number_of(p, "tx_bytes")),
             {text_of(p, "last_error"), tint::warning}});
   }
   return t.render(c.width, c.color);
}

/// Asks for a document of a network and prints it, as it is with --json.
int show(const command_context& c, std::string_view tail,
         const std::function<void(const json::value&)>& print) {
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto network = c.pick_network(**daemon);
   if (!network) return c.refuse(network.error());
   auto answer = (*daemon)->request("GET", network_path(*network, tail), nullptr, answer_timeout);
   if (!answer) return c.refuse(answer.error());
   if (c.json)
      c.print(*answer);
   else
      print(*answer);
   return exit_ok;
}

const json::value* find_peer(const json::value& status, const std::string& name) {
   for (const json::value& p : list_of(status, "peers"))
      if (text_of(p, "name") == name || text_of(p, "id") == name ||
          text_of(p, "tunnel_key") == name)
         return &p;
   return nullptr;
}

/// What `wait` waits for has not happened yet; empty when it has.
base::result<std::string> missing(const command_context& c, const std::string& peer,
                                  json::value& found) {
   auto daemon = c.connect();
   if (!daemon) {
      if (daemon.error().code == errc::unavailable) return daemon.error().text;
      return daemon.error();
   }
   auto network = c.pick_network(**daemon);
   if (!network) {
      if (network.error().code == errc::not_found) return network.error().text;
      return network.error();
   }
   auto status = (*daemon)->request("GET", network_path(*network), nullptr, answer_timeout);
   if (!status) {
      if (status.error().code == errc::not_found) return status.error().text;
      return status.error();
   }
   if (!flag_of(*status, "up")) return "network '" + *network + "' is down";
   found = *status;
   if (peer.empty()) return std::string();
   const json::value* p = find_peer(*status, peer);
   if (p == nullptr)
      return fail(errc::not_found,
                  "no peer '" + peer + "' in network '" + *network + "'; see 'warren peer list'");
   if (text_of(*p, "state") == "up") return std::string();
   // An idle peer stays idle until somebody wants something of it.
   (void)(*daemon)->request("POST", network_path(*network, "/ping"),
                            json::object{{"target", peer}, {"timeout_ms", 250}}, answer_timeout);
   const std::string why = text_of(*p, "last_error");
   return "peer '" + peer + "' is " + text_of(*p, "state") + (why.empty() ? "" : ": " + why);
}

int wait(const command_context& c, const std::string& peer, const std::string& timeout_text) {
   const auto timeout = parse_wait(timeout_text);
   if (!timeout) return c.refuse(timeout.error());
   constexpr auto step = std::chrono::milliseconds(200);
   const auto end = std::chrono::steady_clock::now() + *timeout;
   while (true) {
      json::value status;
      auto left = missing(c, peer, status);
      if (!left) return c.refuse(left.error());
      if (left->empty()) {
         if (c.json)
            c.print(json::object{{"schema", "warren.wait/1"},
                                 {"network", text_of(status, "name")},
                                 {"peer", peer.empty() ? json::value(nullptr) : json::value(peer)},
                                 {"up", true}});
         return exit_ok;
      }
      if (std::chrono::steady_clock::now() >= end)
         return c.refuse(fail(errc::timeout, "waited " + timeout_text + ": " + *left));
      if (!c.pause(step)) return c.refuse(fail(errc::timeout, "interrupted: " + *left));
   }
}

int events(const command_context& c, bool follow) {
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto done = (*daemon)->events(follow, [&](const json::value& e) {
      if (c.json) {
         c.print(e);
      } else {
         std::string line = text_of(e, "time") + "  " + text_of(e, "network") + "  ";
         c.out << printable(line) << c.paint(printable(text_of(e, "event")), tint::strong);
         if (const json::value* fields =
                   e.is_object() ? e.as_object().if_contains("fields") : nullptr;
             fields != nullptr && fields->is_object())
            for (const auto& f : fields->as_object()) {
               const std::string value = printable(text_of(*fields, f.key()));
               const bool quote = value.empty() || value.find_first_of(" \"=") != std::string::npos;
               c.out << " " << printable(std::string(f.key())) << "="
                     << (quote ? json::serialize(json::value(value)) : value);
            }
         c.out << "\n";
      }
      c.out.flush();
      return c.out.good(); // a closed pipe ends it
   });
   return done ? static_cast<int>(exit_ok) : c.refuse(done.error());
}

} // namespace

void add_status_commands(CLI::App& root, command_context& c) {
   auto* status = root.add_subcommand(
         "status", "Show the network: node, interface, transports, peers, drops");
   status->callback([&c] {
      c.action = [&c] { return show(c, "", [&c](const json::value& s) { print_status(c, s); }); };
   });

   const auto list = [&c] {
      c.action = [&c] {
         return show(c, "/peers",
                     [&c](const json::value& s) { c.out << render_peers(c, list_of(s, "peers")); });
      };
   };
   auto* peer = root.add_subcommand("peer", "Peers of the network");
   peer->require_subcommand(1, 1);
   peer->add_subcommand("list", "List the peers with state, path and traffic")->callback(list);
   root.add_subcommand("peers", "The same as 'peer list'")->callback(list);

   struct wait_options {
      std::string peer, timeout = "30s";
   };
   auto o = std::make_shared<wait_options>();
   auto* waiting = root.add_subcommand("wait", "Wait until the network, or one peer, is up");
   waiting->add_option("--peer", o->peer, "Wait for this peer: name, node id or tunnel key")
         ->type_name("NAME");
   waiting->add_option("--timeout", o->timeout, "Give up after this time, with exit code 7")
         ->type_name("TIME")
         ->default_str(o->timeout);
   waiting->callback([&c, o] { c.action = [&c, o] { return wait(c, o->peer, o->timeout); }; });

   auto follow = std::make_shared<bool>(false);
   auto* event_list = root.add_subcommand("events", "Show what happened lately");
   event_list->add_flag("-f,--follow", *follow, "Go on with what happens from now on");
   event_list->callback([&c, follow] { c.action = [&c, follow] { return events(c, *follow); }; });
}

} // namespace warren::app
