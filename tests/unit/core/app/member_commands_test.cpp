// Goal: 'member' lists, finds the one that is meant, never another, and says what came of it.
// Method: a daemon of prepared answers, exact output.
#include "core/app/commands.hpp"
#include "tests/unit/core/app/command_line.hpp"
#include "tests/unit/core/control/fake_membership.hpp"

namespace warren::app {
namespace {

using base::errc;
using base::fail;

json::value sample(std::string_view verb) {
   return json::parse(control::sample_answers().at(verb));
}

struct member_commands : command_line {
   const std::string members = "GET /v1/networks/acme/members";

   void SetUp() override {
      command_line::SetUp();
      const std::string path = "/v1/networks/acme/members";
      daemon.answers[members] = {sample("member.list")};
      daemon.answers["POST " + path] = {sample("member.add")};
      daemon.answers["POST " + path + "/r-1/accept"] = {sample("member.accept")};
      daemon.answers["POST " + path + "/r-1/reject"] = {sample("member.reject")};
      daemon.answers["DELETE " + path + "/phone"] = {sample("member.remove")};
      daemon.answers["PATCH " + path + "/phone"] = {sample("member.change")};
      daemon.answers["PATCH " + path + "/key_6ASf5EcmmEHT"] = {sample("member.change")};
   }
   void add_pending(const char* request, const char* name, const char* id) {
      json::value all = *daemon.answers[members].front();
      json::value one = all.at("pending").at(0);
      one.at("request") = request;
      one.at("name") = name;
      one.at("id") = id;
      all.at("pending").as_array().push_back(one);
      daemon.answers[members] = {all};
   }
};

TEST_F(member_commands, members_and_who_waits_are_two_tables) {
   EXPECT_EQ(run({"member", "list"}), exit_ok) << err;
   EXPECT_EQ(
         out,
         "NAME    NUMBER  ADDRESS   KIND   STATE  GROUPS   ROLES  TAGS  ROUTES          VIA     "
         "ID            ISSUER  EXPIRES\n"
         "laptop       1  10.0.3.1  admin  self   -        relay  eu    192.168.7.0/24  -       "
         "key_6ASf5Ecm  laptop  -\n"
         "phone        7  10.0.3.7  stock  idle   friends  -      -     -               laptop  "
         "-             laptop  2027-01-02T03:04:05.000Z\n"
         "\n"
         "waiting to be let in:\n"
         "REQUEST  NAME  KEY           FROM             SINCE                     INVITE  WANTS\n"
         "r-1      web   key_9ZYXWVUT  192.0.2.9:51820  2026-01-02T03:04:05.000Z  AAAA    relay\n"
         "let one in: warren member accept r-1    turn one away: warren member reject r-1\n");
   EXPECT_EQ(run({"member", "list", "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out), sample("member.list"));
   json::value odd = sample("member.list");
   odd.at("pending").at(0).at("name") = "web\u001b]0;x\u0007";
   odd.at("pending").at(0).at("request") = "r\u001b[2J";
   odd.at("members").at(0).at("tags") = json::array{"\u001b[31m"};
   daemon.answers[members] = {odd};
   EXPECT_EQ(run({"member", "list"}), exit_ok);
   EXPECT_EQ(out.find('\x1b'), std::string::npos);
   EXPECT_EQ(out.find('\x07'), std::string::npos);
}

TEST_F(member_commands, accept_works_by_name_request_and_beginning_of_the_key) {
   for (const char* who : {"web", "r-1", "key_9ZYXWVUTSRQP", "key_9ZYX", "K="}) {
      daemon.asked.clear();
      EXPECT_EQ(run({"member", "accept", who}), exit_ok) << err;
      EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/members/r-1/accept");
      EXPECT_EQ(out, "web is a member now: 10.0.3.8, fd01::8\n");
   }
   EXPECT_EQ(run({"member", "accept", "web", "--name", "www", "--group", "servers", "--role",
                  "relay", "--tag", "eu", "--route", "192.168.8.0/24"}),
             exit_ok);
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks/acme/members/r-1/accept {"name":"www","groups":["servers"],)"
             R"("roles":["relay"],"tags":["eu"],"routes":["192.168.8.0/24"]})");
   for (const char* who : {"key_", "key_9ZY", "we", "phone", "laptop", "7", "AAAA"}) {
      EXPECT_EQ(run({"member", "accept", who}), exit_not_found) << who;
      EXPECT_EQ(daemon.asked.back(), members);
   }
   EXPECT_EQ(err, "warren: no request 'AAAA'; 'warren member list' shows who there is\n");
}

TEST_F(member_commands, two_who_look_alike_are_never_confused) {
   add_pending("r-2", "web", "key_9ZYXWVUTxxxx");
   EXPECT_EQ(run({"member", "accept", "web"}), exit_usage);
   EXPECT_EQ(err, "warren: 'web' fits several: web (r-1, key_9ZYXWVUTSRQP), web (r-2, "
                  "key_9ZYXWVUTxxxx); name one by its request or more of its key\n");
   EXPECT_EQ(run({"member", "accept", "key_9ZYXWVUT"}), exit_usage);
   EXPECT_EQ(daemon.asked.back(), members);
   EXPECT_EQ(run({"member", "accept", "key_9ZYXWVUTS"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/members/r-1/accept");
   add_pending("r-3", "r-1", "key_evil"); // calls itself like somebody's request
   EXPECT_EQ(run({"member", "accept", "r-1"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/members/r-1/accept");
}

TEST_F(member_commands, all_who_wait_are_let_in_and_failures_are_named) {
   add_pending("r-2", "db", "key_B");
   daemon.answers["POST /v1/networks/acme/members/r-2/accept"] = {fail(errc::limit, "it is full")};
   EXPECT_EQ(run({"member", "accept", "--all"}), exit_failed);
   EXPECT_EQ(out, "web is a member now: 10.0.3.8, fd01::8\n");
   EXPECT_EQ(err, "warren: db: it is full\n");
   EXPECT_EQ(run({"member", "accept", "--all", "--json"}), exit_failed);
   const json::value d = json::parse(out);
   EXPECT_EQ(d.at("schema"), "warren.members_accepted/1");
   EXPECT_EQ(d.at("accepted").at(0), sample("member.accept"));
   EXPECT_EQ(d.at("failed").at(0).at("why"), "it is full");
   daemon.answers[members] = {json::parse("{}")};
   EXPECT_EQ(run({"member", "accept", "--all"}), exit_ok);
   EXPECT_EQ(out, "nobody waits\n");
   EXPECT_EQ(run({"member", "accept"}), exit_usage);
   EXPECT_EQ(run({"member", "accept", "--all", "web"}), exit_usage);
   EXPECT_EQ(run({"member", "accept", "--all", "--name", "x"}), exit_usage);
}

TEST_F(member_commands, reject_passes_the_reason_on) {
   EXPECT_EQ(run({"member", "reject", "web", "--why", "who are you?"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks/acme/members/r-1/reject {"why":"who are you?"})");
   EXPECT_EQ(out, "web was turned away\n");
   EXPECT_EQ(run({"member", "reject", "web"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/members/r-1/reject");
}

TEST_F(member_commands, members_are_found_by_name_key_number_and_address) {
   for (const char* who : {"phone", "7", "10.0.3.7"}) {
      EXPECT_EQ(run({"member", "remove", who}), exit_ok) << who << err;
      EXPECT_EQ(daemon.asked.back(), "DELETE /v1/networks/acme/members/phone");
      EXPECT_EQ(out, "phone is no member any more\n");
   }
   for (const char* who : {"laptop", "key_6ASf5Ec", "1"}) {
      EXPECT_EQ(run({"member", "rename", who, "nas"}), exit_ok) << who << err;
      EXPECT_EQ(daemon.asked.back(),
                R"(PATCH /v1/networks/acme/members/key_6ASf5EcmmEHT {"name":"nas"})");
   }
   EXPECT_EQ(out, "1 is called nas now\n");
   for (const char* who : {"web", "r-1", "0", "", "key_", "10.0.3"})
      EXPECT_EQ(run({"member", "remove", who}), exit_not_found) << who;
}

TEST_F(member_commands, new_names_are_names) {
   for (const char* name : {"Phone", "../x", "a b", "", "a\x1b[2J"}) {
      EXPECT_EQ(run({"member", "rename", "phone", name}), exit_usage) << name;
      EXPECT_NE(err.find("cannot be the name of a member"), std::string::npos) << err;
   }
   EXPECT_TRUE(daemon.asked.empty());
}

TEST_F(member_commands, tags_come_and_go) {
   const auto sent = [&](const char* tags) {
      EXPECT_EQ(daemon.asked.back(),
                R"(PATCH /v1/networks/acme/members/key_6ASf5EcmmEHT {"tags":)" + std::string(tags) +
                      "}");
   };
   EXPECT_EQ(run({"member", "tag", "laptop", "+us", "-eu"}), exit_ok) << err;
   sent(R"(["us"])");
   EXPECT_EQ(out, "laptop has the tags us\n");
   EXPECT_EQ(run({"member", "tag", "laptop", "-eu"}), exit_ok) << err;
   sent("[]");
   EXPECT_EQ(out, "laptop has no tags\n");
   EXPECT_EQ(run({"member", "tag", "laptop", "+eu", "+eu", "-nas", "+nas"}), exit_ok) << err;
   sent(R"(["eu","nas"])"); // "-nas" is no network "as"
   EXPECT_EQ(run({"member", "tag", "laptop", "-eu", "-n", "acme", "--json"}), exit_ok) << err;
   sent("[]");
   EXPECT_EQ(json::parse(out), sample("member.change"));
   const size_t before = daemon.asked.size();
   EXPECT_EQ(run({"member", "tag", "laptop"}), exit_usage);
   EXPECT_EQ(daemon.asked.size(), before);
   for (const char* change : {"eu", "+", "+Eu", "+a b", "-\x1b"})
      EXPECT_EQ(run({"member", "tag", "laptop", change}), exit_usage) << change;
}

TEST(arguments_of_tag, nothing_else_is_touched) {
   using words = std::vector<std::string>;
   EXPECT_EQ(without_tag_options({"ping", "-c", "3"}), (words{"ping", "-c", "3"}));
   EXPECT_EQ(without_tag_options({"member", "list", "-n", "x"}),
             (words{"member", "list", "-n", "x"}));
   EXPECT_EQ(without_tag_options({"member", "tag"}), (words{"member", "tag"}));
   EXPECT_EQ(without_tag_options({"-n", "x", "member", "tag", "a", "-b", "--json", "-", "-h"}),
             (words{"-n", "x", "member", "tag", "a", "^b", "--json", "-", "-h"}));
   EXPECT_EQ(without_tag_options({}), words{});
}

TEST_F(member_commands, a_stock_clients_file_is_alone_on_stdout) {
   EXPECT_EQ(run({"member", "add", "--wireguard", "phone", "--via", "laptop", "--tag", "eu"}),
             exit_ok);
   EXPECT_EQ(
         daemon.asked.back(),
         R"(POST /v1/networks/acme/members {"wireguard":"phone","via":"laptop","tags":["eu"]})");
   EXPECT_EQ(out, "[Interface]\nPrivateKey = S=\n");
   EXPECT_EQ(err, "phone is a member now: 10.0.3.7, fd01::7, through laptop; the file above holds "
                  "its secret key and is not kept here\n");
   EXPECT_EQ(run({"member", "add", "--wireguard", "phone", "--qr"}), exit_ok);
   EXPECT_NE(out.find("█"), std::string::npos);
   json::value own = sample("member.add");
   own.at("config") = nullptr;
   daemon.answers["POST /v1/networks/acme/members"] = {own};
   EXPECT_EQ(run({"member", "add", "--wireguard", "phone", "--public-key", "K="}), exit_ok);
   EXPECT_EQ(out, "");
   EXPECT_EQ(run({"member", "add"}), exit_usage);
}

TEST_F(member_commands, answers_of_a_newer_or_odd_daemon_do_not_break_anything) {
   for (const char* body :
        {"{}", "[]", "null", R"({"members":[5,{}],"pending":[5,{}],"config":[]})"}) {
      daemon.answers[members] = {json::parse(body)};
      EXPECT_EQ(run({"member", "list"}), exit_ok) << body;
      EXPECT_EQ(run({"member", "remove", "phone"}), exit_not_found) << body;
      EXPECT_EQ(run({"member", "accept", "phone"}), exit_not_found) << body;
   }
}

} // namespace
} // namespace warren::app
