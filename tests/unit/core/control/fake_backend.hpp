// A daemon of plain values for tests of the control API: it answers at once, or keeps the reply for
// the test to give.
#pragma once

#include "core/control/backend.hpp"
#include "tests/unit/core/control/fake_membership.hpp"

#include <map>
#include <optional>

namespace warren::control {

inline mesh::network_status sample_network(const std::string& name) {
   mesh::network_status s;
   s.name = name;
   s.node_name = "laptop";
   s.interface = name;
   s.id.fill(7);
   s.tunnel_key.fill(9);
   s.mtu = 1420;
   s.up = true;
   s.since_wall_ns = 1'700'000'000'123'000'000;
   s.addresses.push_back({});
   s.addresses.back().family = WRN_AF_INET;
   s.addresses.back().ip[0] = 10;
   s.addresses.back().prefix_len = 24;
   mesh::instance_status i;
   i.plugin = "wireguard";
   i.kind = "transport";
   i.version = "1";
   i.module = "/x.so";
   i.state = "active";
   static constexpr wrn_metric handshakes{"handshakes", "How many.", WRN_METRIC_COUNTER, 0};
   i.metrics.push_back({&handshakes, 3});
   s.instances.push_back(i);
   mesh::peer_status p;
   p.name = "nas";
   p.id.emplace().fill(1);
   p.tunnel_key.emplace().fill(2);
   p.state = mesh::peer_state::up;
   p.transport = "wireguard";
   p.endpoint.family = WRN_AF_INET;
   p.endpoint.port = 51820;
   p.handshake_wall_ns = 1'700'000'000'000'000'000;
   p.rtt_us = 1234;
   p.rx_bytes = 10;
   p.drops = {{"no_session", 2}};
   s.peers.push_back(p);
   s.peers.push_back({}); // all unknown: every null there is
   s.peers.back().name = "phone";
   s.drops = {{"no_owner", 4}};
   return s;
}

inline mesh::explain_result sample_explanation() {
   mesh::explain_result r;
   r.source.family = r.destination.family = r.endpoint.family = WRN_AF_INET;
   r.source_owner = "laptop";
   r.protocol = "tcp";
   r.destination_port = 22;
   r.forward = {false, "acl.hujson:3", "no ssh"};
   r.peer = "nas";
   r.mtu = 1420;
   return r;
}

inline mesh::drop_report sample_drops() {
   mesh::drop_report r;
   r.filtered = true;
   r.flows = 3;
   r.passed = {{"flow", 5}};
   r.dropped = {{"rule", 1}};
   r.drops.resize(2); // one of which nothing is known
   r.drops[0] = {1'700'000'000'000'000'000, true, "nas", {}, {}, 6, "rule", "acl.hujson:3"};
   r.drops[0].source.family = r.drops[0].destination.family = WRN_AF_INET;
   r.drops[0].destination.port = 22;
   return r;
}

struct fake_backend final : backend {
   struct ping_call {
      std::string network, target;
      size_t bytes = 0;
      uint64_t timeout_ns = 0;
   };
   std::vector<mesh::explain_request> explained;
   base::result<mesh::explain_result> explanation = sample_explanation();
   std::map<std::string, mesh::network_status> known{{"acme", sample_network("acme")}};
   std::vector<ping_call> pings;
   std::vector<std::pair<std::string, mesh::plugin_request>> asked;
   base::result<mesh::plugin_answer> plugin_says = mesh::plugin_answer{200, "{}"};
   struct manage_call {
      std::string network, verb;
      boost::json::object arguments;
   };
   std::vector<manage_call> managed;
   std::optional<base::error> manage_fails;
   base::result<mesh::ping_result> pong = mesh::ping_result{1234, "nas", "wireguard", {}, {}, 56};
   base::result<reload_report> reloaded = reload_report{{"acme: nothing restarted"}};
   bool keep_replies = false;
   std::vector<std::function<void()>> kept;
   base::log::level level = base::log::level::info;
   size_t stops = 0;
   std::vector<plugin_info> plugin_list;
   std::vector<mesh::event> past;
   std::map<uint64_t, std::function<void(const mesh::event&)>> subscribers;
   uint64_t next_token = 1;

   void publish(const mesh::event& e) {
      for (const auto& [token, on_event] : std::map(subscribers))
         on_event(e);
   }
   template <class T> void answer(reply<T> done, base::result<T> value) {
      if (keep_replies)
         kept.push_back([done, value] { done(value); });
      else
         done(std::move(value));
   }

   daemon_info info() override {
      return {"0.1.0", 42, 1'700'000'000'000'000'000, "/etc/warren/warren.toml", level};
   }
   std::vector<std::string> networks() override {
      std::vector<std::string> names;
      for (const auto& [name, s] : known)
         names.push_back(name);
      return names;
   }
   void status(const std::string& network, reply<mesh::network_status> done) override {
      const auto it = known.find(network);
      if (it == known.end())
         return answer<mesh::network_status>(
               done, base::fail(base::errc::not_found, "no network '" + network + "'"));
      answer<mesh::network_status>(done, it->second);
   }
   void ping(const std::string& network, std::string target, size_t bytes, uint64_t timeout_ns,
             reply<mesh::ping_result> done) override {
      pings.push_back({network, target, bytes, timeout_ns});
      answer(done, pong);
   }
   void explain(const std::string&, mesh::explain_request what,
                reply<mesh::explain_result> done) override {
      explained.push_back(std::move(what));
      answer(done, explanation);
   }
   void drops(const std::string&, reply<mesh::drop_report> done) override {
      answer(done, base::result<mesh::drop_report>(sample_drops()));
   }
   void ask_plugin(const std::string& network, mesh::plugin_request what,
                   reply<mesh::plugin_answer> done) override {
      asked.emplace_back(network, what);
      answer(done, plugin_says);
   }
   void manage(const std::string& network, std::string_view verb, boost::json::object arguments,
               reply<boost::json::value> done) override {
      managed.push_back({network, std::string(verb), std::move(arguments)});
      if (manage_fails) return answer<boost::json::value>(done, *manage_fails);
      answer<boost::json::value>(done, boost::json::parse(sample_answers().at(verb)));
   }
   void reload(reply<reload_report> done) override { answer(done, reloaded); }
   base::result<void> set_log_level(base::log::level l) override {
      level = l;
      return {};
   }
   std::vector<plugin_info> plugins() override { return plugin_list; }
   std::vector<std::pair<std::string, std::string>> refused_plugins() override {
      return {{"/bad.so", "no entry"}};
   }
   void stop() override { stops++; }
   std::vector<mesh::event> recent_events() override { return past; }
   uint64_t subscribe(std::function<void(const mesh::event&)> on_event) override {
      subscribers[next_token] = std::move(on_event);
      return next_token++;
   }
   void unsubscribe(uint64_t token) override { subscribers.erase(token); }
};

} // namespace warren::control
