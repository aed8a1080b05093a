// Goal: every route answers what it should, and hostile requests get an error instead of a
// surprise. Method: dispatch() against a backend of plain values, no sockets.
#include "core/control/json.hpp"
#include "core/control/routes.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace warren::control {
namespace {

namespace json = boost::json;

struct api_routes : ::testing::Test {
   fake_backend daemon;

   response ask(std::string_view method, std::string_view target, std::string_view body = "") {
      std::optional<response> answer;
      size_t answers = 0;
      dispatch(daemon, {method, target, body}, [&](response r) {
         answer = std::move(r);
         answers++;
      });
      EXPECT_EQ(answers, 1u) << method << " " << target;
      return answer ? *answer : response{};
   }
   /// A refusal in the shape of RFC 9457.
   void expect_problem(const response& r, int status, std::string_view fragment) {
      EXPECT_EQ(r.status, status) << r.body;
      ASSERT_TRUE(r.body.is_object());
      EXPECT_EQ(r.body.at("status").as_int64(), status);
      EXPECT_NE(std::string(r.body.at("detail").as_string()).find(fragment), std::string::npos)
            << r.body;
   }
};

TEST_F(api_routes, info_names_version_and_process) {
   const response r = ask("GET", "/v1/info");
   EXPECT_EQ(r.status, 200);
   EXPECT_EQ(r.body.at("schema"), "warren.info/1");
   EXPECT_EQ(r.body.at("pid"), 42);
   EXPECT_EQ(r.body.at("started"), "2023-11-14T22:13:20.000Z");
   EXPECT_EQ(r.body.at("log_level"), "info");
}

TEST_F(api_routes, networks_are_listed_by_name) {
   daemon.known["home"] = sample_network("home");
   EXPECT_EQ(json::serialize(ask("GET", "/v1/networks").body),
             R"({"schema":"warren.networks/1","networks":["acme","home"]})");
}

TEST_F(api_routes, a_network_is_shown_with_plugins_peers_and_drops) {
   const response r = ask("GET", "/v1/networks/acme");
   EXPECT_EQ(r.status, 200);
   EXPECT_EQ(r.body.at("since"), "2023-11-14T22:13:20.123Z");
   EXPECT_EQ(r.body.at("addresses").at(0), "10.0.0.0/24");
   EXPECT_EQ(r.body.at("instances").at(0).at("metrics").at("handshakes"), 3);
   EXPECT_EQ(r.body.at("peers").at(0).at("state"), "up");
   EXPECT_EQ(r.body.at("peers").at(0).at("endpoint"), "0.0.0.0:51820");
   EXPECT_EQ(r.body.at("peers").at(1).at("state"), "idle");
   EXPECT_TRUE(r.body.at("peers").at(1).at("rtt_us").is_null());
   EXPECT_EQ(r.body.at("drops").at("no_owner"), 4);
}

TEST_F(api_routes, a_network_that_does_not_exist_is_404_with_the_daemons_sentence) {
   expect_problem(ask("GET", "/v1/networks/nowhere"), 404, "no network 'nowhere'");
   expect_problem(ask("GET", "/v1/networks/nowhere/peers"), 404, "no network 'nowhere'");
}

TEST_F(api_routes, names_in_paths_are_decoded_once) {
   daemon.known["a b"] = sample_network("a b");
   EXPECT_EQ(ask("GET", "/v1/networks/a%20b").status, 200);
   expect_problem(ask("GET", "/v1/networks/a%2520b"), 404, "'a%20b'");
   expect_problem(ask("GET", "/v1/networks/%2e%2e%2finfo"), 404,
                  "'../info'"); // a name, never a path
}

TEST_F(api_routes, ping_passes_its_arguments_on_and_has_defaults) {
   EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", R"({"target":"nas"})").body.at("rtt_us"), 1234);
   EXPECT_EQ(ask("POST", "/v1/networks/acme/ping",
                 R"({"target":"10.0.0.2","bytes":0,"timeout_ms":60000})")
                   .status,
             200);
   ASSERT_EQ(daemon.pings.size(), 2u);
   EXPECT_EQ(daemon.pings[0].network, "acme");
   EXPECT_EQ(daemon.pings[0].bytes, 56u);
   EXPECT_EQ(daemon.pings[0].timeout_ns, 2'000'000'000u);
   EXPECT_EQ(daemon.pings[1].target, "10.0.0.2");
   EXPECT_EQ(daemon.pings[1].bytes, 0u);
   EXPECT_EQ(daemon.pings[1].timeout_ns, 60'000'000'000u);
}

TEST_F(api_routes, ping_refuses_arguments_out_of_range_without_asking_the_daemon) {
   const auto refused = [&](std::string_view body) {
      EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", body).status, 400) << body;
   };
   refused("");
   refused("{}");
   refused(R"({"target":5})");
   refused(R"({"target":""})");
   refused(R"({"target":"a\u0000b"})");
   refused(R"({"target":"a\nb"})");
   refused(R"({"target":")" + std::string(129, 'x') + R"("})");
   refused(R"({"target":"nas","bytes":-1})");
   refused(R"({"target":"nas","bytes":65001})");
   refused(R"({"target":"nas","bytes":5.5})");
   refused(R"({"target":"nas","bytes":"5"})");
   refused(R"({"target":"nas","bytes":18446744073709551615})");
   refused(R"({"target":"nas","timeout_ms":0})");
   refused(R"({"target":"nas","timeout_ms":60001})");
   EXPECT_TRUE(daemon.pings.empty());
}

TEST_F(api_routes, explain_passes_its_question_on_and_refuses_what_is_none) {
   const response r =
         ask("GET", "/v1/networks/acme/explain?src=10.0.0.1&dst=nas&proto=udp&sport=9&dport=53");
   EXPECT_EQ(r.body.at("forward").at("rule"), "acl.hujson:3");
   ASSERT_EQ(daemon.explained.size(), 1u);
   const mesh::explain_request& q = daemon.explained[0];
   EXPECT_EQ(q.source, "10.0.0.1");
   EXPECT_EQ(q.destination, "nas");
   EXPECT_EQ(q.protocol, "udp");
   EXPECT_EQ(q.source_port, 9);
   EXPECT_EQ(q.destination_port, 53);
   EXPECT_EQ(ask("GET", "/v1/networks/acme/explain?src=a&dst=b").status, 200);
   EXPECT_FALSE(daemon.explained[1].destination_port);
   for (const char* query : {"", "?src=a", "?dst=a", "?src=a&dst=", "?src=a&dst=b&dport=65536",
                             "?src=a&dst=b&sport=x", "?src=a&dst=b&port=1", "?src=a&dst=b&proto="})
      EXPECT_EQ(ask("GET", std::string("/v1/networks/acme/explain") + query).status, 400) << query;
   EXPECT_EQ(daemon.explained.size(), 2u);
   EXPECT_EQ(ask("GET", "/v1/networks/acme/drops").body.at("drops").at(0).at("peer"), "nas");
}

TEST_F(api_routes, every_code_of_the_daemon_has_its_status) {
   using base::errc;
   const std::pair<errc, int> all[] = {
         {errc::invalid, 400}, {errc::config, 422},     {errc::not_found, 404},
         {errc::exists, 409},  {errc::permission, 403}, {errc::limit, 503},
         {errc::in_use, 409},  {errc::io, 500},         {errc::unavailable, 503},
         {errc::timeout, 504}, {errc::state, 409},      {errc::unsupported, 500},
         {errc::internal, 500}};
   for (const auto& [code, status] : all) {
      daemon.pong = base::fail(code, "why");
      const response r = ask("POST", "/v1/networks/acme/ping", R"({"target":"nas"})");
      expect_problem(r, status, "why");
      EXPECT_EQ(r.body.at("title"), json::string_view(base::to_string(code)));
   }
}

TEST_F(api_routes, reload_reports_changes_or_every_mistake) {
   EXPECT_EQ(ask("POST", "/v1/reload").body.at("changes").at(0), "acme: nothing restarted");
   daemon.reloaded = base::fail(base::errc::config, "a.toml:1:1: x\nb.toml:2:2: y");
   expect_problem(ask("POST", "/v1/reload"), 422, "b.toml:2:2: y");
}

TEST_F(api_routes, log_level_changes_and_refuses_other_words) {
   EXPECT_EQ(ask("PUT", "/v1/log/level", R"({"level":"debug"})").body.at("level"), "debug");
   EXPECT_EQ(daemon.level, base::log::level::debug);
   expect_problem(ask("PUT", "/v1/log/level", R"({"level":"loud"})"), 400, "loud");
   expect_problem(ask("PUT", "/v1/log/level", R"({})"), 400, "'level'");
   EXPECT_EQ(daemon.level, base::log::level::debug);
}

TEST_F(api_routes, stop_is_passed_on_once) {
   EXPECT_EQ(ask("POST", "/v1/stop").body.at("stopping"), true);
   EXPECT_EQ(daemon.stops, 1u);
}

TEST_F(api_routes, wrong_methods_say_which_are_right) {
   const response r = ask("DELETE", "/v1/reload");
   expect_problem(r, 405, "POST");
   EXPECT_EQ(r.allow, "POST");
   EXPECT_EQ(ask("get", "/v1/info").status, 405); // methods are case-sensitive
   EXPECT_EQ(ask("", "/v1/info").status, 405);
   EXPECT_EQ(ask("HEAD", "/v1/info").status, 405);
}

TEST_F(api_routes, paths_that_are_almost_right_are_not_found) {
   for (const char* path :
        {"/", "/v1", "/v1/", "/v1/info/", "/v1//info", "//v1/info", "/v1/networks/",
         "/v1/networks//peers", "/v1/networks/acme/", "/v1/networks/acme/peers/x", "/v1/Info",
         "/v2/info", "/v1/info%00", "/v1/networks/{network}/x"})
      EXPECT_EQ(ask("GET", path).status, 404) << path;
}

TEST_F(api_routes, targets_that_are_no_paths_are_bad_requests) {
   EXPECT_EQ(ask("GET", "").status, 400);
   EXPECT_EQ(ask("GET", "*").status, 400);
   EXPECT_EQ(ask("GET", "http://x/v1/info").status, 400);
   EXPECT_EQ(ask("GET", "/v1/networks/" + std::string(2000, 'x')).status, 400);
}

TEST_F(api_routes, broken_escapes_and_control_characters_never_match) {
   for (const char* name : {"%", "%4", "%zz", "a%", "%00", "%0a", "%7f", "%1b[31m"})
      EXPECT_EQ(ask("GET", std::string("/v1/networks/") + name).status, 404) << name;
   EXPECT_EQ(ask("GET", std::string_view("/v1/networks/a\0b", 16)).status, 404);
}

TEST_F(api_routes, unknown_repeated_and_broken_query_keys_are_refused) {
   expect_problem(ask("GET", "/v1/info?x=1"), 400, "x=1");
   expect_problem(ask("GET", "/v1/events?folow=1"), 400, "folow=1");
   expect_problem(ask("GET", "/v1/events?follow=%zz"), 400, "follow");
   expect_problem(ask("GET", "/v1/events?follow=1&follow=0"), 400, "twice");
   expect_problem(ask("GET", "/v1/events?follow=2"), 400, "0 or 1");
   expect_problem(ask("GET", "/v1/info?&"), 400, "");
   EXPECT_EQ(ask("GET", "/v1/info?").status, 200);
}

TEST_F(api_routes, bodies_must_be_expected_json_objects_with_known_keys) {
   expect_problem(ask("GET", "/v1/info", "{}"), 400, "no body");
   expect_problem(ask("POST", "/v1/reload", " "), 400, "no body");
   for (const char* body :
        {"[]", "5", "\"x\"", "null", "{", "{}x", "{\"target\":}", "{\"target\":\"a\"", "nope",
         "{'target':'a'}", "{\"target\":\"\xff\"}", "{\"target\":\"\\ud800\"}"})
      EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", body).status, 400) << body;
   expect_problem(ask("POST", "/v1/networks/acme/ping", R"({"target":"nas","tarket":1})"), 400,
                  "unknown key 'tarket'");
   EXPECT_TRUE(daemon.pings.empty());
}

TEST_F(api_routes, deep_and_large_json_is_refused_without_recursion) {
   const std::string deep =
         R"({"target":)" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
   EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", deep).status, 400);
   std::string many = R"({"target":"nas")";
   for (int i = 0; i < 5000; i++)
      many += ",\"k" + std::to_string(i) + "\":1";
   EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", many + "}").status, 400);
}

TEST_F(api_routes, of_repeated_keys_the_last_one_counts) {
   EXPECT_EQ(ask("POST", "/v1/networks/acme/ping", R"({"target":"a","target":"b"})").status, 200);
   ASSERT_EQ(daemon.pings.size(), 1u);
   EXPECT_EQ(daemon.pings[0].target, "b");
}

TEST_F(api_routes, answers_are_valid_utf8_whatever_was_asked) {
   for (const std::string& target :
        {std::string("/v1/networks/%ff%c0%af%ed%a0%80"), std::string("/v1/info?\xff\xfe=1"),
         std::string("/v1/info?") + std::string(63, 'x') + "\xc3\xa4"}) {
      const std::string text = to_text(ask("GET", target).body);
      boost::system::error_code ec;
      (void)json::parse(text, ec); // refuses invalid UTF-8
      EXPECT_FALSE(ec) << text;
   }
   EXPECT_EQ(to_text(json::value("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb0")),
             "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb0\""); // good text stays
   EXPECT_EQ(to_text(json::value("a\xe2\x82")), "\"a??\"");
}

TEST_F(api_routes, replies_may_come_later) {
   daemon.keep_replies = true;
   std::optional<response> answer;
   dispatch(daemon, {"GET", "/v1/networks/acme", ""}, [&](response r) { answer = std::move(r); });
   EXPECT_FALSE(answer.has_value());
   ASSERT_EQ(daemon.kept.size(), 1u);
   daemon.kept[0]();
   ASSERT_TRUE(answer.has_value());
   EXPECT_EQ(answer->status, 200);
}

TEST_F(api_routes, streams_are_left_to_the_server) {
   match stream;
   bool answered = false;
   dispatch(
         daemon, {"GET", "/v1/events?follow=1", ""}, [&](response) { answered = true; }, &stream);
   EXPECT_FALSE(answered);
   ASSERT_NE(stream.found, nullptr);
   EXPECT_EQ(stream.args.query.at("follow"), "1");
   EXPECT_EQ(ask("GET", "/v1/events").status, 400); // where nobody can stream
}

} // namespace
} // namespace warren::control
