// Goal: what commands ask of the daemon, what they print and how they end. Method: a daemon of
// prepared answers, exact output.
#include "tests/unit/core/app/command_line.hpp"

namespace warren::app {
namespace {

using commands = command_line;
using base::errc;
using base::fail;

const char* const network =
      R"({"schema":"warren.network/1","name":"acme","node_name":"laptop","id":"key_A","tunnel_key":"T=","interface":"acme0","mtu":1420,"up":true,
  "offloads":{"tso":"on","uso":"unsupported","gso":"on","gro":"untested"},"since":"2026-01-02T03:04:05.000Z","addresses":["10.0.0.1/24","fd20::1/64"],
  "instances":[{"plugin":"wireguard","kind":"transport","state":"active","plaintext":false,"listen":"[::]:51820"},{"plugin":"static","kind":"discovery","state":"active","plaintext":false,"listen":null}],
  "peers":[
    {"name":"nas","id":"key_6ASf5EcmmEHTgDJ4X4ZT5vT6","tunnel_key":"K=","addresses":["10.0.0.2","fd20::2"],"state":"up","path":"direct","transport":"wireguard","endpoint":"192.0.2.1:51820","latest_handshake_unix_ms":0,"rtt_us":1234,"rx_bytes":2048,"tx_bytes":10,"last_error":null},
    {"name":"phone","id":null,"tunnel_key":"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=","addresses":[],"state":"idle","path":null,"transport":null,"endpoint":null,"latest_handshake_unix_ms":null,"rtt_us":null,"rx_bytes":0,"tx_bytes":0,"last_error":"no\u001b answer"}],
  "drops":{"no_owner":4,"no_session":2}})";

TEST_F(commands, status_is_a_summary) {
   daemon.answers["GET /v1/networks/acme"] = {json::parse(network)};
   EXPECT_EQ(run({"status"}), exit_ok) << err;
   EXPECT_EQ(out, "network    acme, up since 2026-01-02T03:04:05.000Z\n"
                  "node       laptop  key_A\n"
                  "tunnel key T=\n"
                  "interface  acme0, MTU 1420\n"
                  "offloads   tso, gso, gro (untested); not uso (unsupported)\n"
                  "addresses  10.0.0.1/24, fd20::1/64\n"
                  "transport  wireguard on [::]:51820, active\n"
                  "discovery  static, active\n"
                  "peers      1/2 up\n"
                  "drops      no_owner 4, no_session 2\n");
}

TEST_F(commands, status_says_loudly_that_a_transport_does_not_encrypt) {
   auto odd = json::parse(network);
   odd.at("instances").at(0).at("plaintext") = true;
   daemon.answers["GET /v1/networks/acme"] = {odd};
   EXPECT_EQ(run({"status"}), exit_ok);
   EXPECT_NE(out.find("active, PLAINTEXT: everybody on the way can read it\n"), std::string::npos)
         << out;
}

TEST_F(commands, answers_of_a_newer_or_odd_daemon_do_not_break_anything) {
   for (const char* body :
        {"{}", "[]", "null", "5",
         R"({"peers":[{"name":5,"addresses":[7],"rtt_us":"x","rx_bytes":-1}],"drops":[],"instances":{},"since":[]})"}) {
      daemon.answers["GET /v1/networks/acme"] = {json::parse(body)};
      daemon.answers["GET /v1/networks/acme/peers"] = {json::parse(body)};
      EXPECT_EQ(run({"status"}), exit_ok) << body;
      EXPECT_EQ(run({"peers"}), exit_ok) << body;
   }
}

TEST_F(commands, peers_are_a_table_and_texts_from_elsewhere_are_tame) {
   daemon.answers["GET /v1/networks/acme/peers"] = {json::parse(network)};
   EXPECT_EQ(run({"peer", "list"}), exit_ok);
   EXPECT_EQ(out, "NAME   ADDRESS   ID            STATE  PATH              ENDPOINT         "
                  "HANDSHAKE      RTT       RX    TX  LAST ERROR\n"
                  "nas    10.0.0.2  key_6ASf5Ecm  up     direct wireguard  192.0.2.1:51820  -      "
                  "    1.23 ms  2.0 KiB  10 B  -\n"
                  "phone  -         xTIBA5rboUvn  idle   -                 -                -      "
                  "          -      0 B   0 B  no? answer\n");
   const std::string full = out;
   EXPECT_EQ(run({"peers"}), exit_ok);
   EXPECT_EQ(out, full);
}

TEST_F(commands, peers_fit_a_narrow_terminal) {
   daemon.answers["GET /v1/networks/acme/peers"] = {json::parse(network)};
   width = 80;
   EXPECT_EQ(run({"peers"}), exit_ok);
   EXPECT_EQ(out,
             "NAME   ADDRESS   STATE  PATH              ENDPOINT         HANDSHAKE      RTT\n"
             "nas    10.0.0.2  up     direct wireguard  192.0.2.1:51820  -          1.23 ms\n"
             "phone  -         idle   -                 -                -                -\n");
   width = 40;
   EXPECT_EQ(run({"peers"}), exit_ok);
   EXPECT_EQ(out, "NAME   ADDRESS   STATE  ENDPOINT\n"
                  "nas    10.0.0.2  up     192.0.2.1:51820\n"
                  "phone  -         idle   -\n");
   width = 10;
   EXPECT_EQ(run({"peers"}), exit_ok);
   EXPECT_EQ(out, "NAME\nnas\nphone\n");
}

TEST_F(commands, json_is_the_daemons_document) {
   daemon.answers["GET /v1/networks/acme/peers"] = {
         json::parse(R"({"schema":"warren.peers/1","network":"acme","peers":[],"new_field":1})")};
   EXPECT_EQ(run({"peer", "list", "--json"}), exit_ok);
   EXPECT_EQ(out,
             "{\"schema\":\"warren.peers/1\",\"network\":\"acme\",\"peers\":[],\"new_field\":1}\n");
}

TEST_F(commands, network_is_the_only_one_or_must_be_named) {
   daemon.answers["GET /v1/networks"] = {json::parse(R"({"networks":["acme","home"]})")};
   daemon.answers["GET /v1/networks/home"] = {json::parse(R"({})")};
   EXPECT_EQ(run({"status"}), exit_usage);
   EXPECT_EQ(
         err,
         "warren: there are several networks: acme, home; name one with -n or WARREN_NETWORK\n");
   EXPECT_EQ(run({"status", "-n", "home"}), exit_ok);
   ::setenv("WARREN_NETWORK", "home", 1);
   EXPECT_EQ(run({"status"}), exit_ok);
   daemon.answers["GET /v1/networks/a%2Fb"] = {fail(errc::not_found, "no network 'a/b'")};
   EXPECT_EQ(run({"status", "-n", "a/b"}), exit_not_found); // the option wins, and is encoded
   EXPECT_EQ(err, "warren: no network 'a/b'\n");
   ::unsetenv("WARREN_NETWORK");
   daemon.answers["GET /v1/networks"] = {json::parse(R"({"networks":[]})")};
   EXPECT_EQ(run({"status"}), exit_not_found);
   EXPECT_NE(err.find("the daemon runs no network"), std::string::npos);
}

TEST_F(commands, codes_of_errors_are_exit_codes) {
   const std::pair<errc, int> all[] = {
         {errc::invalid, 2}, {errc::config, 2},     {errc::not_found, 5},
         {errc::exists, 6},  {errc::permission, 4}, {errc::unavailable, 3},
         {errc::in_use, 6},  {errc::limit, 1},      {errc::io, 1},
         {errc::state, 1},   {errc::timeout, 7},    {errc::unsupported, 1},
         {errc::internal, 1}};
   for (const auto& [code, expected] : all) {
      daemon.answers["POST /v1/reload"] = {fail(code, "why")};
      EXPECT_EQ(run({"reload"}), expected) << base::to_string(code);
      EXPECT_EQ(err, "warren: why\n");
   }
}

TEST_F(commands, without_a_daemon_the_code_is_3) {
   daemon.running = false;
   for (const auto& words : std::vector<std::vector<std::string>>{
              {"status"}, {"peers"}, {"ping", "nas"}, {"reload"}, {"events"}}) {
      EXPECT_EQ(run(words), exit_not_running);
      EXPECT_EQ(err, "warren: the warren daemon is not running\n");
   }
   EXPECT_EQ(run({"down"}), exit_ok); // as wished
   EXPECT_EQ(out, "warren is not running\n");
}

TEST_F(commands, socket_comes_from_the_option_else_from_the_configuration) {
   daemon.answers["GET /v1/networks/acme"] = {json::parse("{}")};
   write("warren.toml", "[control]\nsocket = \"my.sock\"\n");
   EXPECT_EQ(run_here({"status"}), exit_ok);
   EXPECT_EQ(daemon.socket, (folder / "my.sock").string());
   EXPECT_EQ(run_here({"status", "--socket", "/x"}), exit_ok);
   EXPECT_EQ(daemon.socket, "/x");
   EXPECT_EQ(run({"--config", (folder / "no.toml").string(), "status"}),
             exit_usage); // named, so it must be there
}

TEST_F(commands, up_notices_a_daemon_that_runs) {
   daemon.answers["GET /v1/info"] = {json::parse(R"({"pid":42})")};
   EXPECT_EQ(run({"up"}), exit_ok);
   EXPECT_EQ(out, "warren is running already (process 42)\n");
   EXPECT_EQ(run({"up", "--json"}), exit_ok);
   EXPECT_EQ(out, "{\"schema\":\"warren.up/1\",\"how\":\"running\",\"pid\":42}\n");
}

TEST_F(commands, up_reports_mistakes_before_anything_is_started) {
   daemon.running = false;
   write("warren.toml", "colour = 1\n");
   EXPECT_EQ(run_here({"up", "--socket", (folder / "s").string()}), exit_usage);
   EXPECT_NE(err.find("warren.toml:1:1: unknown key 'colour'"), std::string::npos) << err;
}

TEST_F(commands, reload_prints_what_changed) {
   daemon.answers["POST /v1/reload"] = {json::parse(
         R"({"schema":"warren.reload/1","changes":["acme: 1 peers added","home: stopped"]})")};
   EXPECT_EQ(run({"reload"}), exit_ok);
   EXPECT_EQ(out, "acme: 1 peers added\nhome: stopped\n");
}

const char* const pong =
      R"({"schema":"warren.ping/1","peer":"nas","address":"10.0.0.2","rtt_us":1234,"bytes":56,"path":"direct","transport":"wireguard","endpoint":"192.0.2.1:51820"})";

TEST_F(commands, ping_shows_each_reply_with_its_path_and_a_summary) {
   auto slower = json::parse(pong);
   slower.at("rtt_us") = 3000;
   daemon.answers["POST /v1/networks/acme/ping"] = {
         json::parse(pong), fail(errc::timeout, "no answer within 2 s"), slower};
   EXPECT_EQ(run({"ping", "nas", "-c", "3", "-W", "500ms", "-s", "100"}), exit_ok);
   EXPECT_EQ(out,
             "reply from nas (10.0.0.2): 1.23 ms via wireguard 192.0.2.1:51820\n"
             "no reply from nas: no answer within 2 s\n"
             "reply from nas (10.0.0.2): 3.00 ms via wireguard 192.0.2.1:51820\n"
             "3 sent, 2 received, 33% lost, 1.23 ms / 2.12 ms / 3.00 ms least / mean / most\n");
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks/acme/ping {"target":"nas","bytes":100,"timeout_ms":500})");
   EXPECT_EQ(pauses, 2u); // between them, not after the last
}

TEST_F(commands, ping_without_any_reply_ends_with_1) {
   daemon.answers["POST /v1/networks/acme/ping"] = {fail(errc::timeout, "no answer")};
   EXPECT_EQ(run({"ping", "nas", "-c", "2"}), exit_failed);
   EXPECT_TRUE(out.ends_with("2 sent, 0 received, 100% lost\n")) << out;
}

TEST_F(commands, ping_of_somebody_unknown_ends_at_once_with_5) {
   daemon.answers["POST /v1/networks/acme/ping"] = {fail(errc::not_found, "no peer 'nsa'")};
   EXPECT_EQ(run({"ping", "nsa", "-c", "9"}), exit_not_found);
   EXPECT_EQ(err, "warren: no peer 'nsa'\n");
   EXPECT_EQ(pauses, 0u);
}

TEST_F(commands, ping_as_json_is_one_document) {
   daemon.answers["POST /v1/networks/acme/ping"] = {json::parse(pong),
                                                    fail(errc::timeout, "no answer")};
   EXPECT_EQ(run({"ping", "nas", "-c", "2", "--json"}), exit_ok);
   const auto d = json::parse(out);
   EXPECT_EQ(d.at("schema"), "warren.ping_summary/1");
   EXPECT_EQ(d.at("received"), 1);
   EXPECT_EQ(d.at("rtt_us_mean"), 1234);
   EXPECT_EQ(d.at("replies").at(0).at("schema"), "warren.ping/1");
   EXPECT_TRUE(d.at("replies").at(1).is_null());
}

TEST_F(commands, wait_ends_when_the_network_is_up) {
   auto down = json::parse(network);
   down.at("up") = false;
   daemon.answers["GET /v1/networks/acme"] = {down, down, json::parse(network)};
   EXPECT_EQ(run({"wait"}), exit_ok) << err;
   EXPECT_EQ(pauses, 2u);
   EXPECT_EQ(out, "");
}

TEST_F(commands, wait_for_a_peer_pings_it_awake) {
   auto up = json::parse(network);
   up.at("peers").at(1).at("state") = "up";
   daemon.answers["GET /v1/networks/acme"] = {json::parse(network), up};
   EXPECT_EQ(run({"wait", "--peer", "phone", "--json"}), exit_ok) << err;
   EXPECT_EQ(
         out,
         "{\"schema\":\"warren.wait/1\",\"network\":\"acme\",\"peer\":\"phone\",\"up\":true}\n");
   EXPECT_NE(std::find(daemon.asked.begin(), daemon.asked.end(),
                       R"(POST /v1/networks/acme/ping {"target":"phone","timeout_ms":250})"),
             daemon.asked.end());
}

TEST_F(commands, wait_that_is_in_vain_says_what_was_missing) {
   daemon.answers["GET /v1/networks/acme"] = {json::parse(network)};
   EXPECT_EQ(run({"wait", "--peer", "phone", "--timeout", "0"}), exit_timeout);
   EXPECT_EQ(err, "warren: waited 0: peer 'phone' is idle: no? answer\n");
   EXPECT_EQ(run({"wait", "--peer", "nobody"}), exit_not_found);
   daemon.running = false;
   EXPECT_EQ(run({"wait", "--timeout", "0"}), exit_timeout);
   EXPECT_NE(err.find("the warren daemon is not running"), std::string::npos);
}

TEST_F(commands, events_are_lines_that_can_be_read_back) {
   daemon.events = {json::parse(
         R"({"schema":"warren.event/1","time":"2026-01-02T03:04:05.000Z","event":"peer.up","network":"acme","fields":{"peer":"nas","why":"a \"b\"","x":"\u001b[2J"}})")};
   EXPECT_EQ(run({"events"}), exit_ok);
   EXPECT_EQ(out, "2026-01-02T03:04:05.000Z  acme  peer.up peer=nas why=\"a \\\"b\\\"\" x=?[2J\n");
   EXPECT_EQ(run({"events", "--json", "-f"}), exit_ok);
   EXPECT_EQ(json::parse(out), daemon.events[0]);
}

} // namespace
} // namespace warren::app
