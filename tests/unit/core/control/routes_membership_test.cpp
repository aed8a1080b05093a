// Goal: what is asked about membership reaches the daemon as its verb with checked arguments, and
// nothing hostile does. Method: dispatch() against a backend of plain values, no sockets.
#include "core/control/json.hpp"
#include "core/control/routes.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace warren::control {
namespace {

namespace json = boost::json;

struct membership_routes : ::testing::Test {
   fake_backend daemon;

   response ask(std::string_view method, std::string_view target, std::string_view body = "") {
      std::optional<response> answer;
      dispatch(daemon, {method, target, body}, [&](response r) { answer = std::move(r); });
      return answer ? *answer : response{};
   }
   void expect_call(std::string_view method, std::string_view target, std::string_view body,
                    std::string_view network, std::string_view verb, std::string_view arguments) {
      daemon.managed.clear();
      const response r = ask(method, target, body);
      EXPECT_EQ(r.status, 200) << method << " " << target << r.body;
      ASSERT_EQ(daemon.managed.size(), 1u);
      EXPECT_EQ(daemon.managed[0].network, network);
      EXPECT_EQ(daemon.managed[0].verb, verb);
      EXPECT_EQ(json::value(daemon.managed[0].arguments), json::parse(arguments));
      EXPECT_EQ(r.body, json::parse(sample_answers().at(verb)));
   }
   void expect_refused(std::string_view method, std::string_view target, std::string_view body,
                       std::string_view fragment) {
      daemon.managed.clear();
      const response r = ask(method, target, body);
      EXPECT_EQ(r.status, 400) << method << " " << target << " " << body;
      EXPECT_NE(std::string(r.body.at("detail").as_string()).find(fragment), std::string::npos)
            << r.body;
      EXPECT_TRUE(daemon.managed.empty());
   }
};

TEST_F(membership_routes, every_request_becomes_its_verb) {
   expect_call("POST", "/v1/networks",
               R"({"name":"acme","plan":"10.100.0.0/16","node":"nas","listen":"[::]:1",
                   "endpoint":["vpn.example.net:1"],"mtu":1280})",
               "", "network.create",
               R"({"name":"acme","plan":"10.100.0.0/16","node":"nas","listen":"[::]:1",
                   "endpoint":["vpn.example.net:1"],"mtu":1280})");
   expect_call("POST", "/v1/networks/join", R"({"link":"warren://join/a.b.c","name":"web"})", "",
               "network.join", R"({"link":"warren://join/a.b.c","name":"web"})");
   expect_call("GET", "/v1/networks/acme/membership", "", "acme", "network.show", "{}");
   expect_call("DELETE", "/v1/networks/acme", "", "acme", "network.leave", "{}");
   expect_call("GET", "/v1/networks/acme/invites", "", "acme", "invite.list", "{}");
   expect_call("POST", "/v1/networks/acme/invites", "", "acme", "invite.create", "{}");
   expect_call("POST", "/v1/networks/acme/invites",
               R"({"uses":5,"expires_s":604800,"groups":["a"],"roles":["relay"],"tags":[],
                   "auto_accept":true})",
               "acme", "invite.create",
               R"({"uses":5,"expires_s":604800,"groups":["a"],"roles":["relay"],"tags":[],
                   "auto_accept":true})");
   expect_call("DELETE", "/v1/networks/acme/invites/A_-9", "", "acme", "invite.revoke",
               R"({"id":"A_-9"})");
   expect_call("GET", "/v1/networks/acme/members", "", "acme", "member.list", "{}");
   expect_call(
         "POST", "/v1/networks/acme/members",
         R"({"wireguard":"phone","public_key":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="})",
         "acme", "member.add",
         R"({"wireguard":"phone","public_key":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="})");
   expect_call("POST", "/v1/networks/acme/members/r-1/accept", R"({"name":"web"})", "acme",
               "member.accept", R"({"name":"web","member":"r-1"})");
   expect_call("POST", "/v1/networks/acme/members/r-1/reject", R"({"why":"who are you?"})", "acme",
               "member.reject", R"({"why":"who are you?","member":"r-1"})");
   expect_call("DELETE", "/v1/networks/acme/members/7", "", "acme", "member.remove",
               R"({"member":"7"})");
   expect_call("PATCH", "/v1/networks/acme/members/nas",
               R"({"tags":[],"routes":["192.168.7.0/24"]})", "acme", "member.change",
               R"({"tags":[],"routes":["192.168.7.0/24"],"member":"nas"})");
   expect_call("POST", "/v1/networks/acme/key/rotate", R"({"every_s":0})", "acme", "key.rotate",
               R"({"every_s":0})");
   expect_call("GET", "/v1/networks/acme/admins", "", "acme", "admin.list", "{}");
   expect_call("POST", "/v1/networks/acme/admins", R"({"member":"nas","share":"1/4"})", "acme",
               "admin.add", R"({"member":"nas","share":"1/4"})");
   expect_call("DELETE", "/v1/networks/acme/admins/nas", "", "acme", "admin.remove",
               R"({"member":"nas"})");
   expect_call("GET", "/v1/networks/acme/trust", "", "acme", "trust.show", "{}");
   expect_call("GET", "/v1/networks/acme/trust/export", "", "acme", "trust.export", "{}");
   expect_call("POST", "/v1/networks/acme/trust/import", R"({"text":"AAAA"})", "acme",
               "trust.import", R"({"text":"AAAA"})");
   expect_call("POST", "/v1/networks/acme/trust/succeed", "", "acme", "trust.succeed", "{}");
   expect_call("GET", "/v1/networks/acme/acl", "", "acme", "acl.show", "{}");
   expect_call("PUT", "/v1/networks/acme/acl", R"({"text":"{\n}","note":"x","if_version":2})",
               "acme", "acl.push", R"({"text":"{\n}","note":"x","if_version":2})");
   expect_call("GET", "/v1/networks/acme/acl/history", "", "acme", "acl.history", "{}");
   expect_call("POST", "/v1/networks/acme/acl/rollback", R"({"version":1})", "acme", "acl.rollback",
               R"({"version":1})");
   expect_call("GET", "/v1/networks/acme/audit", "", "acme", "audit.list", "{}");
}

TEST_F(membership_routes, a_network_may_be_called_like_a_word_of_the_api) {
   expect_call("DELETE", "/v1/networks/join", "", "join", "network.leave", "{}");
   expect_call("GET", "/v1/networks/join/membership", "", "join", "network.show", "{}");
}

TEST_F(membership_routes, required_keys_are_named) {
   expect_refused("POST", "/v1/networks", "", "'name' is missing");
   expect_refused("POST", "/v1/networks/join", "{}", "'link' is missing");
   expect_refused("POST", "/v1/networks/acme/members", "{}", "'wireguard' is missing");
   expect_refused("POST", "/v1/networks/acme/admins", "{}", "'member' is missing");
   expect_refused("POST", "/v1/networks/acme/trust/import", "{}", "'text' is missing");
   expect_refused("PUT", "/v1/networks/acme/acl", "{}", "'text' is missing");
   expect_refused("POST", "/v1/networks/acme/acl/rollback", "{}", "'version' is missing");
   expect_refused("PATCH", "/v1/networks/acme/members/nas", "", "nothing to change");
   expect_refused("PATCH", "/v1/networks/acme/members/nas", "{}", "nothing to change");
   expect_refused("POST", "/v1/networks/acme/invites", R"({"use":1})", "unknown key 'use'");
   expect_refused("POST", "/v1/networks/acme/members/x/accept", R"({"member":"y"})",
                  "unknown key 'member'");
   expect_refused("DELETE", "/v1/networks/acme", "{}", "takes no body");
}

TEST_F(membership_routes, values_of_another_type_or_size_never_reach_the_daemon) {
   const std::string_view invites = "/v1/networks/acme/invites";
   for (const char* body :
        {R"({"uses":0})", R"({"uses":1000001})", R"({"uses":1.5})", R"({"uses":"5"})",
         R"({"uses":18446744073709551615})", R"({"uses":null})"})
      expect_refused("POST", invites, body, "'uses' is not an integer from 1 to 1000000");
   expect_refused("POST", invites, R"({"expires_s":-1})", "'expires_s'");
   expect_refused("POST", invites, R"({"auto_accept":1})", "'auto_accept' is not true or false");
   expect_refused("POST", invites, R"({"groups":"a"})", "'groups' is not a list");
   expect_refused("POST", invites, R"({"groups":[5]})", "not a string");
   expect_refused("POST", invites, R"({"groups":{"a":1}})", "'groups' is not a list");
   std::string many = R"({"groups":["a")";
   for (int i = 0; i < 64; i++)
      many += R"(,"a")";
   expect_refused("POST", invites, many + "]}", "at most 64 strings");
   const std::string join = "/v1/networks/join";
   expect_refused("POST", join, R"({"link":")" + std::string(4097, 'x') + R"("})",
                  "more than 4096 bytes");
   expect_refused("POST", join, R"({"link":"a\nb"})", "control characters");
   expect_refused("POST", join, R"({"link":"a\u0000b"})", "control characters");
   expect_refused("POST", join, R"({"link":["a"]})", "'link' is not a string");
   expect_refused("PUT", "/v1/networks/acme/acl", R"({"text":"a\u0000b"})", "NUL");
   expect_refused("PUT", "/v1/networks/acme/acl",
                  R"({"text":")" + std::string(1 + (1 << 20), 'x') + R"("})",
                  "more than 1048576 bytes");
   for (const char* share : {"", "1", "1/1", "1/17", "2/4", "1/02", "0.5", "1/2 "})
      expect_refused("POST", "/v1/networks/acme/admins",
                     R"({"member":"nas","share":")" + std::string(share) + R"("})",
                     "expected 1/2 to 1/16");
   expect_refused("POST", "/v1/networks", R"({"name":"acme","mtu":1279})", "'mtu'");
   expect_refused("POST", "/v1/networks", R"({"name":"acme","plan":"8.8.8.0/24"})", "not private");
   expect_refused("POST", "/v1/networks/acme/members",
                  R"({"wireguard":"phone","public_key":"AAAA"})", "not a tunnel key");
   expect_refused("PATCH", "/v1/networks/acme/members/nas", R"({"routes":["10.0.0.1/8"]})",
                  "'routes'");
}

TEST_F(membership_routes, hostile_names_stop_here) {
   for (const char* name :
        {"", "../x", "A", "a b", "a\\nb", "<b>", "\\u202ea", "x\\u001b[2J", "\\\"", "-a"}) {
      const std::string quoted = "\"" + std::string(name) + "\"";
      const bool control = std::string_view(name).find("\\n") != std::string_view::npos ||
                           std::string_view(name).find("001b") != std::string_view::npos;
      const std::string_view why = control ? "control characters" : "cannot be the name";
      expect_refused("POST", "/v1/networks", R"({"name":)" + quoted + "}", why);
      expect_refused("POST", "/v1/networks/acme/members", R"({"wireguard":)" + quoted + "}", why);
      expect_refused("PATCH", "/v1/networks/acme/members/x", R"({"tags":["a",)" + quoted + "]}",
                     why);
   }
   daemon.managed.clear();
   EXPECT_EQ(ask("DELETE", "/v1/networks/acme/members/a%0ab").status, 404);
   EXPECT_EQ(ask("DELETE", "/v1/networks/acme/members/").status, 404);
   EXPECT_TRUE(daemon.managed.empty());
}

TEST_F(membership_routes, the_daemons_errors_become_problems) {
   daemon.manage_fails = base::fail(base::errc::state, "not an admin");
   const response r = ask("POST", "/v1/networks/acme/members/r-1/accept");
   EXPECT_EQ(r.status, 409);
   EXPECT_EQ(r.body.at("detail"), "not an admin");
}

TEST_F(membership_routes, wrong_methods_name_the_right_ones) {
   EXPECT_EQ(ask("PUT", "/v1/networks/acme/members/x").allow, "DELETE, PATCH");
   EXPECT_EQ(ask("POST", "/v1/networks/acme/acl").allow, "GET, PUT");
}

TEST_F(membership_routes, only_documents_may_be_large) {
   const size_t usual = base::limits::control_request_bytes_max;
   EXPECT_EQ(body_bytes_max("PUT", "/v1/log/level"), usual);
   EXPECT_EQ(body_bytes_max("POST", "/nowhere"), usual);
   EXPECT_EQ(body_bytes_max("", ""), usual);
   EXPECT_EQ(body_bytes_max("POST", "/v1/networks/acme/acl"), usual);
   EXPECT_GT(body_bytes_max("PUT", "/v1/networks/acme/acl"), size_t{2} << 20);
   EXPECT_GT(body_bytes_max("PUT", "/v1/networks/acme/acl?x"), size_t{2} << 20);
}

} // namespace
} // namespace warren::control
