// ping: echoes over the mesh, with the path that each took.
#include "core/app/commands.hpp"
#include "core/app/format.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;

namespace {

struct ping_options {
   std::string target;
   uint64_t count = 4;
   uint64_t bytes = 56;
   std::string interval = "1s", timeout = "2s";
};

/// "reply from nas (10.0.0.2): 1.23 ms via wireguard 192.0.2.1:51820"
std::string describe(const json::value& r) {
   std::string text = "reply from " + text_of(r, "peer") + " (" + text_of(r, "address") +
                      "): " + format_rtt(number_of(r, "rtt_us"));
   std::string via = text_of(r, "transport");
   if (const std::string endpoint = text_of(r, "endpoint"); !endpoint.empty())
      via += " " + endpoint;
   if (text_of(r, "path") != "direct") via += " (" + text_of(r, "path") + ")";
   return printable(text + " via " + via);
}

int ping(const command_context& c, const ping_options& o) {
   const auto interval = parse_wait(o.interval), timeout = parse_wait(o.timeout);
   if (!interval) return c.refuse(interval.error());
   if (!timeout) return c.refuse(timeout.error());
   const int64_t timeout_ms = std::clamp<int64_t>(timeout->count(), 1, 60'000);
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto network = c.pick_network(**daemon);
   if (!network) return c.refuse(network.error());

   json::array replies;
   uint64_t sent = 0, received = 0, least = UINT64_MAX, most = 0, sum = 0;
   while (sent < o.count) {
      if (sent != 0 && !c.pause(*interval)) break;
      auto r = (*daemon)->request(
            "POST", network_path(*network, "/ping"),
            json::object{{"target", o.target}, {"bytes", o.bytes}, {"timeout_ms", timeout_ms}},
            std::chrono::milliseconds(timeout_ms) + answer_timeout);
      sent++;
      if (r) {
         const uint64_t us = number_of(*r, "rtt_us");
         received++;
         sum += us;
         least = std::min(least, us);
         most = std::max(most, us);
         if (c.json)
            replies.push_back(std::move(*r));
         else
            c.out << describe(*r) << std::endl;
      } else if (r.error().code == base::errc::timeout) {
         if (c.json)
            replies.push_back(nullptr);
         else
            c.out << "no reply from " << printable(o.target) << ": " << printable(r.error().text)
                  << std::endl;
      } else {
         return c.refuse(r.error());
      }
   }
   if (c.json) {
      const auto or_null = [&](uint64_t us) {
         return received == 0 ? json::value(nullptr) : json::value(us);
      };
      c.print(json::object{{"schema", "warren.ping_summary/1"},
                           {"network", *network},
                           {"target", o.target},
                           {"sent", sent},
                           {"received", received},
                           {"rtt_us_min", or_null(least)},
                           {"rtt_us_mean", or_null(received == 0 ? 0 : sum / received)},
                           {"rtt_us_max", or_null(most)},
                           {"replies", std::move(replies)}});
   } else {
      c.out << sent << " sent, " << received << " received, "
            << (sent == 0 ? 0 : (sent - received) * 100 / sent) << "% lost";
      if (received != 0)
         c.out << ", " << format_rtt(least) << " / " << format_rtt(sum / received) << " / "
               << format_rtt(most) << " least / mean / most";
      c.out << "\n";
   }
   return received != 0 ? exit_ok : exit_failed;
}

} // namespace

void add_ping_command(CLI::App& root, command_context& c) {
   auto o = std::make_shared<ping_options>();
   auto* command =
         root.add_subcommand("ping", "Send echoes over the mesh and show which way they took");
   command
         ->add_option("target", o->target,
                      "A peer's name, node id or tunnel key, or an address behind it")
         ->required()
         ->type_name("TARGET");
   command->add_option("-c,--count", o->count, "How many")
         ->type_name("N")
         ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}))
         ->default_str("4");
   command->add_option("-i,--interval", o->interval, "Time between two")
         ->type_name("TIME")
         ->default_str(o->interval);
   command->add_option("-s,--size", o->bytes, "Bytes of payload")
         ->type_name("BYTES")
         ->check(CLI::Range(uint64_t{0}, uint64_t{65'000}))
         ->default_str("56");
   command->add_option("-W,--timeout", o->timeout, "How long to wait for each answer, at most 60s")
         ->type_name("TIME")
         ->default_str(o->timeout);
   command->callback([&c, o] { c.action = [&c, o] { return ping(c, *o); }; });
}

} // namespace warren::app
