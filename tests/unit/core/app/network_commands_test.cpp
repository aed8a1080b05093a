// Goal: what 'network' and 'invite' ask of the daemon, what they print and how they end. Method: a
// daemon of prepared answers, exact output.
#include "tests/unit/core/app/command_line.hpp"
#include "tests/unit/core/control/fake_membership.hpp"

namespace warren::app {
namespace {

using base::errc;
using base::fail;

json::value sample(std::string_view verb) {
   return json::parse(control::sample_answers().at(verb));
}

struct network_commands : command_line {
   void SetUp() override {
      command_line::SetUp();
      daemon.answers["POST /v1/networks"] = {sample("network.create")};
      daemon.answers["POST /v1/networks/join"] = {sample("network.join")};
      daemon.answers["GET /v1/networks/acme/membership"] = {sample("network.show")};
      daemon.answers["DELETE /v1/networks/acme"] = {sample("network.leave")};
      daemon.answers["POST /v1/networks/acme/invites"] = {sample("invite.create")};
      daemon.answers["GET /v1/networks/acme/invites"] = {sample("invite.list")};
      daemon.answers["DELETE /v1/networks/acme/invites/AAAA"] = {sample("invite.revoke")};
   }
   json::value membership(std::string_view state, const json::value& why = nullptr) {
      json::value m = sample("network.show");
      m.at("state") = state;
      m.at("why") = why;
      return m;
   }
};

TEST_F(network_commands, create_asks_for_what_was_given_and_nothing_else) {
   EXPECT_EQ(run({"network", "create", "acme"}), exit_ok) << err;
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks {"name":"acme"})");
   EXPECT_EQ(out,
             "network    acme  net_A\n"
             "node       laptop\n"
             "addresses  10.0.3.1, fd01::1\n"
             "file       /etc/warren/networks/acme.toml\n"
             "invite     warren://join/a.b.c\n"
             "next       give the invite to those whom you want in; 'warren member list' shows "
             "who waits\n");
   EXPECT_EQ(run({"network", "create", "--endpoint", "a:1", "--endpoint", "b:2", "acme", "--plan",
                  "10.100.0.0/16", "--node", "nas", "--listen", "[::]:1", "--mtu", "1280"}),
             exit_ok)
         << err;
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks {"name":"acme","plan":"10.100.0.0/16","node":"nas",)"
             R"("listen":"[::]:1","endpoint":["a:1","b:2"],"mtu":1280})");
   EXPECT_EQ(run({"network", "create", "acme", "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out), sample("network.create"));
   daemon.answers["POST /v1/networks"] = {fail(errc::exists, "acme exists")};
   EXPECT_EQ(run({"network", "create", "acme"}), exit_in_use);
   EXPECT_EQ(err, "warren: acme exists\n");
}

TEST_F(network_commands, codes_are_printed_on_wide_terminals_or_when_asked_for) {
   const auto has_code = [&] { return out.find("█") != std::string::npos; };
   EXPECT_EQ(run({"network", "create", "acme"}), exit_ok);
   EXPECT_FALSE(has_code()); // no terminal
   EXPECT_EQ(run({"network", "create", "acme", "--qr"}), exit_ok);
   EXPECT_TRUE(has_code());
   EXPECT_EQ(run({"network", "create", "acme", "--qr", "--json"}), exit_ok);
   EXPECT_FALSE(has_code());
   width = 80;
   EXPECT_EQ(run({"network", "create", "acme"}), exit_ok);
   EXPECT_TRUE(has_code());
   width = 30;
   EXPECT_EQ(run({"network", "create", "acme"}), exit_ok);
   EXPECT_FALSE(has_code());
   EXPECT_EQ(err, "");
   EXPECT_EQ(run({"network", "create", "acme", "--qr"}), exit_ok);
   EXPECT_FALSE(has_code());
   EXPECT_EQ(err, "warren: the QR code needs 33 columns, which this terminal has not\n");
   width = 0;
   json::value odd = sample("network.create");
   odd.at("invite").at("link") = std::string(4000, 'x');
   daemon.answers["POST /v1/networks"] = {odd};
   EXPECT_EQ(run({"network", "create", "acme", "--qr"}), exit_ok);
   EXPECT_EQ(err, "warren: this text is too long for a QR code\n");
   EXPECT_NE(out.find(std::string(4000, 'x')), std::string::npos);
}

TEST_F(network_commands, join_waits_until_somebody_accepts) {
   daemon.answers["GET /v1/networks/acme/membership"] = {
         fail(errc::not_found, "no network 'acme'"), membership("waiting"), membership("member")};
   EXPECT_EQ(run({"network", "join", "warren://join/a.b.c", "--name", "web"}), exit_ok) << err;
   EXPECT_EQ(daemon.asked[0],
             R"(POST /v1/networks/join {"link":"warren://join/a.b.c","name":"web"})");
   EXPECT_EQ(pauses, 3u);
   EXPECT_EQ(err, "waiting for laptop to accept; you can press Ctrl-C: the request stays\n");
   EXPECT_EQ(out, "you are a member of acme: 10.0.3.1, fd01::1\n");
}

TEST_F(network_commands, join_that_is_refused_says_why_and_ends_with_1) {
   daemon.answers["GET /v1/networks/acme/membership"] = {membership("refused", "who are\nyou?")};
   EXPECT_EQ(run({"network", "join", "x"}), exit_failed);
   EXPECT_TRUE(err.ends_with("warren: 'acme' did not let you in: who are\nyou?\n")) << err;
   daemon.answers["GET /v1/networks/acme/membership"] = {membership("refused")};
   EXPECT_EQ(run({"network", "join", "x"}), exit_failed);
   EXPECT_NE(err.find("no reason was given"), std::string::npos);
   daemon.answers["POST /v1/networks/join"] = {
         fail(errc::invalid, "this invite was changed on its way")};
   EXPECT_EQ(run({"network", "join", "x"}), exit_usage);
}

TEST_F(network_commands, join_that_takes_long_leaves_the_request) {
   daemon.answers["GET /v1/networks/acme/membership"] = {membership("waiting")};
   EXPECT_EQ(run({"network", "join", "x", "--timeout", "0"}), exit_timeout);
   EXPECT_NE(err.find("nobody accepted within 0; the request stays, 'warren network show -n acme' "
                      "says when you are in"),
             std::string::npos)
         << err;
   EXPECT_EQ(run({"network", "join", "x"}), exit_timeout); // Ctrl-C, in the end
   EXPECT_NE(err.find("interrupted; the request stays"), std::string::npos);
   EXPECT_EQ(run({"network", "join", "x", "--timeout", "soon"}), exit_usage);
}

TEST_F(network_commands, join_need_not_wait) {
   EXPECT_EQ(run({"network", "join", "x", "--no-wait"}), exit_ok);
   EXPECT_EQ(out, "asked to join acme; 'warren network show -n acme' says when you are in\n");
   EXPECT_EQ(daemon.asked.size(), 1u);
   EXPECT_EQ(run({"network", "join", "x", "--no-wait", "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out), sample("network.join"));
   json::value in = sample("network.join");
   in.at("state") = "member"; // accepted by itself
   daemon.answers["POST /v1/networks/join"] = {in};
   EXPECT_EQ(run({"network", "join", "x", "--as", "home"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks/join {"link":"x","network":"home"})");
   EXPECT_EQ(out, "you are a member of acme\n");
   ::setenv("WARREN_NETWORK", "other",
            1); // says which one other commands mean, not this one's name
   EXPECT_EQ(run({"network", "join", "x"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks/join {"link":"x"})");
}

TEST_F(network_commands, show_is_a_summary) {
   EXPECT_EQ(run({"network", "show"}), exit_ok) << err;
   EXPECT_EQ(out, "network    acme  net_A\n"
                  "state      member\n"
                  "node       laptop, number 1, root of the network\n"
                  "addresses  10.0.3.1, fd01::1\n"
                  "head       number 5, signed 1 min ago\n"
                  "members    2\n"
                  "waiting    1; see 'warren member list'\n");
   json::value m = membership("static");
   for (const char* key : {"id", "number", "address", "address6", "epoch", "head"})
      m.at(key) = nullptr;
   m.at("root") = false;
   m.at("admin") = false;
   daemon.answers["GET /v1/networks/acme/membership"] = {m};
   EXPECT_EQ(run({"network", "show"}), exit_ok);
   EXPECT_EQ(out, "network    acme\n"
                  "state      as its file says, without invitations\n"
                  "node       laptop\n");
   m = membership("removed", "by\u001b[2J nas");
   m.at("warnings") = json::array{"the head is\u0007 old"};
   daemon.answers["GET /v1/networks/acme/membership"] = {m};
   EXPECT_EQ(run({"network", "show"}), exit_ok);
   EXPECT_NE(out.find("state      removed: by?[2J nas\n"), std::string::npos) << out;
   EXPECT_NE(out.find("warning    the head is? old\n"), std::string::npos);
}

TEST_F(network_commands, list_shows_every_network_even_when_one_cannot_answer) {
   daemon.answers["GET /v1/networks"] = {json::parse(R"({"networks":["acme","home"]})")};
   daemon.answers["GET /v1/networks/home/membership"] = {fail(errc::internal, "broken")};
   EXPECT_EQ(run({"network", "list"}), exit_ok);
   EXPECT_EQ(out, "NETWORK  STATE    NODE    ADDRESS   MEMBERS  WAITING  ID\n"
                  "acme     member   laptop  10.0.3.1        2        1  net_A\n"
                  "home     unknown  -       -               -        -  -\n");
   EXPECT_EQ(run({"network", "list", "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out).at("networks").at(1).at("why"), "broken");
   daemon.answers["GET /v1/networks"] = {json::parse(R"({"networks":[]})")};
   EXPECT_EQ(run({"network", "list"}), exit_ok);
   EXPECT_NE(out.find("'warren network create NAME'"), std::string::npos);
}

TEST_F(network_commands, leave_says_what_was_removed) {
   EXPECT_EQ(run({"network", "leave"}), exit_ok);
   EXPECT_EQ(out, "left acme\nremoved    /etc/warren/networks/acme.toml\n");
}

TEST_F(network_commands, invite_create_prints_the_link_alone_on_stdout) {
   EXPECT_EQ(run({"invite", "create", "--uses", "5", "--expires", "7d", "--group", "friends",
                  "--group", "gamers", "--role", "relay", "--tag", "eu", "--auto-accept"}),
             exit_ok)
         << err;
   EXPECT_EQ(
         daemon.asked.back(),
         R"(POST /v1/networks/acme/invites {"uses":5,"expires_s":604800,)"
         R"("groups":["friends","gamers"],"roles":["relay"],"tags":["eu"],"auto_accept":true})");
   EXPECT_EQ(out, "warren://join/a.b.c\n");
   EXPECT_EQ(err, "invite AAAA for 5, expires 2026-01-09T03:04:05.000Z; you accept each with "
                  "'warren member accept'\n");
   EXPECT_EQ(run({"invite", "create", "--expires", "soon"}), exit_usage);
   EXPECT_EQ(run({"invite", "create", "--uses", "0"}), exit_usage);
   EXPECT_EQ(run({"invite", "create", "--qr"}), exit_ok);
   EXPECT_NE(out.find("█"), std::string::npos);
}

TEST_F(network_commands, invites_are_a_table) {
   EXPECT_EQ(run({"invite", "list"}), exit_ok);
   EXPECT_EQ(out, "ID    STATE   USED  EXPIRES  ROLES  ACCEPTS\n"
                  "AAAA  open   1/any  never    relay  by itself\n");
   EXPECT_EQ(run({"invite", "revoke", "AAAA"}), exit_ok);
   EXPECT_EQ(out, "invite AAAA is revoked\n");
   daemon.answers["GET /v1/networks/acme/invites"] = {json::parse("{}")};
   EXPECT_EQ(run({"invite", "list"}), exit_ok);
   EXPECT_EQ(out, "no invites; 'warren invite create' makes one\n");
   EXPECT_EQ(run({"invite", "revoke", "a/b"}), exit_not_found);
   EXPECT_EQ(daemon.asked.back(), "DELETE /v1/networks/acme/invites/a%2Fb");
}

TEST_F(network_commands, answers_of_a_newer_or_odd_daemon_do_not_break_anything) {
   for (const char* body :
        {"{}", "[]", "null", "5",
         R"({"invite":5,"head":[],"invites":[5],"warnings":[5],"network":[]})"}) {
      for (auto& [key, answers] : daemon.answers)
         if (key != "GET /v1/networks") answers = {json::parse(body)};
      for (const auto& words : std::vector<std::vector<std::string>>{{"network", "create", "x"},
                                                                     {"network", "show"},
                                                                     {"network", "list"},
                                                                     {"network", "leave"},
                                                                     {"invite", "create"},
                                                                     {"invite", "list"},
                                                                     {"invite", "revoke", "AAAA"}})
         EXPECT_EQ(run(words), exit_ok) << words[0] << " " << words[1] << " " << body;
      EXPECT_EQ(run({"network", "join", "x"}), exit_failed) << body;
   }
}

} // namespace
} // namespace warren::app
