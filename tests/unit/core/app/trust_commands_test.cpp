// Goal: what 'admin', 'trust', 'key rotate', 'acl' and 'audit' ask of the daemon, what they print
// and how they end. Method: a daemon of prepared answers, exact output, files in a temporary
// folder.
#include "tests/unit/core/app/command_line.hpp"
#include "tests/unit/core/control/fake_membership.hpp"

#include <sys/stat.h>

namespace warren::app {
namespace {

using base::errc;
using base::fail;

json::value sample(std::string_view verb) {
   return json::parse(control::sample_answers().at(verb));
}

struct trust_commands : command_line {
   void SetUp() override {
      command_line::SetUp();
      const std::string path = "/v1/networks/acme";
      daemon.answers["GET " + path + "/admins"] = {sample("admin.list")};
      daemon.answers["POST " + path + "/admins"] = {sample("admin.add")};
      daemon.answers["DELETE " + path + "/admins/nas"] = {sample("admin.remove")};
      daemon.answers["GET " + path + "/trust"] = {sample("trust.show")};
      daemon.answers["GET " + path + "/trust/export"] = {sample("trust.export")};
      daemon.answers["POST " + path + "/trust/import"] = {sample("trust.import")};
      daemon.answers["POST " + path + "/trust/succeed"] = {sample("trust.succeed")};
      daemon.answers["POST " + path + "/key/rotate"] = {sample("key.rotate")};
      daemon.answers["GET " + path + "/acl"] = {sample("acl.show")};
      daemon.answers["PUT " + path + "/acl"] = {sample("acl.push")};
      daemon.answers["GET " + path + "/acl/history"] = {sample("acl.history")};
      daemon.answers["POST " + path + "/acl/rollback"] = {sample("acl.rollback")};
      daemon.answers["GET " + path + "/audit"] = {sample("audit.list")};
   }
   std::string file(const char* name) { return (folder / name).string(); }
};

TEST_F(trust_commands, admins_are_a_table) {
   const std::string table = "NAME           ID     ADDRESSES            FREE  ROLES  SINCE        "
                             "             EXPIRES\n"
                             "laptop (root)  key_A  10.0.3.1-10.0.3.127   120  relay  "
                             "2026-01-02T03:04:05.000Z  never\n";
   EXPECT_EQ(run({"admin", "list"}), exit_ok) << err;
   EXPECT_EQ(out, table);
   EXPECT_EQ(run({"admin", "add", "nas", "--group", "friends", "--role", "relay", "--share", "1/4",
                  "--expires", "90d"}),
             exit_ok)
         << err;
   EXPECT_EQ(out, table);
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks/acme/admins {"member":"nas","groups":["friends"],)"
             R"("roles":["relay"],"share":"1/4","expires_s":7776000})");
   EXPECT_EQ(run({"admin", "remove", "nas"}), exit_ok);
   EXPECT_EQ(out, table);
   EXPECT_EQ(run({"admin", "add"}), exit_usage);
   EXPECT_EQ(run({"admin", "add", "nas", "--expires", "never"}), exit_usage);
}

TEST_F(trust_commands, trust_is_a_summary) {
   EXPECT_EQ(run({"trust", "show"}), exit_ok);
   EXPECT_EQ(out, "network    acme  net_A\n"
                  "root       key_A\n"
                  "epoch      1\n"
                  "head       number 5, signed 1 min ago, ok\n"
                  "admins     1\n"
                  "members    2, and 0 removed\n"
                  "statements 4, 900 B\n");
   EXPECT_EQ(run({"trust", "succeed"}), exit_ok);
   EXPECT_EQ(out, "root       key_B\n");
   EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/trust/succeed");
}

TEST_F(trust_commands, statements_go_to_a_file_and_come_back_unchanged) {
   const std::string content("\0\xff\x80 statements", 14);
   json::value exported = sample("trust.export");
   exported.at("text") = "AP+AIHN0YXRlbWVudHM=";
   daemon.answers["GET /v1/networks/acme/trust/export"] = {exported};
   EXPECT_EQ(run({"trust", "export", file("t")}), exit_ok) << err;
   EXPECT_EQ(read("t"), content);
   struct stat info {};
   ASSERT_EQ(::stat(file("t").c_str(), &info), 0);
   EXPECT_EQ(info.st_mode & 0777, 0600u);
   EXPECT_EQ(run({"trust", "export", file("t")}), exit_in_use); // never overwritten
   EXPECT_EQ(run({"trust", "import", file("t")}), exit_ok) << err;
   EXPECT_EQ(daemon.asked.back(),
             R"(POST /v1/networks/acme/trust/import {"text":"AP+AIHN0YXRlbWVudHM="})");
   EXPECT_EQ(out, "1 new statements, 3 known before, 0 refused\n");
   EXPECT_EQ(run({"trust", "import", file("none")}), exit_not_found);
   write("large", std::string(1 << 20, 'x'));
   EXPECT_EQ(run({"trust", "import", file("large")}), exit_failed);
   for (const char* odd : {"A", "AAA", "AA=A", "====", "A B="}) {
      exported.at("text") = odd;
      daemon.answers["GET /v1/networks/acme/trust/export"] = {exported};
      EXPECT_EQ(run({"trust", "export", file("odd")}), exit_failed) << odd;
      EXPECT_FALSE(std::filesystem::exists(folder / "odd"));
   }
}

TEST_F(trust_commands, keys_rotate_now_or_by_themselves) {
   EXPECT_EQ(run({"key", "rotate"}), exit_ok) << err;
   EXPECT_EQ(daemon.asked.back(), "POST /v1/networks/acme/key/rotate");
   EXPECT_EQ(out, "tunnel key K=\nstate      in use from now on\n");
   EXPECT_EQ(run({"key", "rotate", "--every", "30d"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks/acme/key/rotate {"every_s":2592000})");
   EXPECT_EQ(run({"key", "rotate", "--every", "never"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks/acme/key/rotate {"every_s":0})");
   EXPECT_EQ(run({"key", "rotate", "--every", "often"}), exit_usage);
}

TEST_F(trust_commands, rules_are_pushed_and_shown_as_they_are) {
   write("rules", "{\n   // \"quoted\"\n}\n");
   EXPECT_EQ(run({"acl", "push", file("rules"), "--note", "phones", "--if-version", "0"}), exit_ok)
         << err;
   EXPECT_EQ(
         daemon.asked.back(),
         R"(PUT /v1/networks/acme/acl {"text":"{\n   // \"quoted\"\n}\n","note":"phones","if_version":0})");
   EXPECT_EQ(out, "in force: version 2, by laptop, 2026-01-02T03:04:05.000Z\n");
   json::value shown = sample("acl.show");
   shown.at("text") = "{\n\t\"a\": 1 \u001b[2J\r\n}\n";
   daemon.answers["GET /v1/networks/acme/acl"] = {shown};
   EXPECT_EQ(run({"acl", "show"}), exit_ok);
   EXPECT_EQ(out, "{\n \"a\": 1 ?[2J?\n}\n");
   EXPECT_EQ(err, "version 2, by laptop, 2026-01-02T03:04:05.000Z\n");
   EXPECT_EQ(run({"acl", "push", file("none")}), exit_not_found);
   write("large", std::string((1 << 20) + 1, 'x'));
   EXPECT_EQ(run({"acl", "push", file("large")}), exit_failed);
   EXPECT_NE(err.find("more than 1048576 bytes"), std::string::npos);
   daemon.answers["PUT /v1/networks/acme/acl"] = {fail(errc::state, "version 3 is in force")};
   EXPECT_EQ(run({"acl", "push", file("rules"), "--if-version", "2"}), exit_failed);
   EXPECT_EQ(err, "warren: version 3 is in force\n");
}

TEST_F(trust_commands, former_rules_can_be_listed_and_put_back) {
   EXPECT_EQ(run({"acl", "history"}), exit_ok);
   EXPECT_EQ(out, "VERSION  TIME                      BY      SIZE  NOTE\n"
                  "      1  2026-01-02T03:04:05.000Z  laptop   2 B  -\n"
                  "      2  2026-01-02T03:04:06.000Z  laptop   9 B  phones, too\n");
   EXPECT_EQ(run({"acl", "rollback", "1"}), exit_ok);
   EXPECT_EQ(daemon.asked.back(), R"(POST /v1/networks/acme/acl/rollback {"version":1})");
   for (const char* bad : {"-1", "x", "1.5"})
      EXPECT_EQ(run({"acl", "rollback", bad}), exit_usage) << bad;
}

TEST_F(trust_commands, audit_is_a_table) {
   EXPECT_EQ(run({"audit"}), exit_ok);
   EXPECT_EQ(out, "TIME                      ACTOR   ACTION         SUBJECT  DETAIL\n"
                  "2026-01-02T03:04:05.000Z  laptop  member.accept  phone    10.0.3.7\n");
   daemon.answers["GET /v1/networks/acme/audit"] = {json::parse("{}")};
   EXPECT_EQ(run({"audit"}), exit_ok);
   EXPECT_EQ(out, "nothing was changed yet\n");
}

TEST_F(trust_commands, with_json_every_answer_is_the_daemons_document) {
   const std::pair<std::vector<std::string>, const char*> all[] = {
         {{"admin", "list"}, "admin.list"},
         {{"trust", "show"}, "trust.show"},
         {{"trust", "succeed"}, "trust.succeed"},
         {{"key", "rotate"}, "key.rotate"},
         {{"acl", "show"}, "acl.show"},
         {{"acl", "history"}, "acl.history"},
         {{"acl", "rollback", "1"}, "acl.rollback"},
         {{"audit"}, "audit.list"}};
   for (auto [words, verb] : all) {
      words.emplace_back("--json");
      EXPECT_EQ(run(words), exit_ok) << verb;
      EXPECT_EQ(json::parse(out), sample(verb));
      EXPECT_EQ(err, "");
   }
}

TEST_F(trust_commands, answers_of_a_newer_or_odd_daemon_do_not_break_anything) {
   for (const char* body :
        {"{}", "[]", "null", R"({"admins":[5],"head":5,"versions":[{}],"entries":[5],"text":5})"}) {
      for (auto& [key, answers] : daemon.answers)
         if (key != "GET /v1/networks") answers = {json::parse(body)};
      for (const auto& words : std::vector<std::vector<std::string>>{{"admin", "list"},
                                                                     {"trust", "show"},
                                                                     {"trust", "succeed"},
                                                                     {"key", "rotate"},
                                                                     {"acl", "show"},
                                                                     {"acl", "history"},
                                                                     {"audit"}})
         EXPECT_EQ(run(words), exit_ok) << words[0] << body;
   }
}

} // namespace
} // namespace warren::app
