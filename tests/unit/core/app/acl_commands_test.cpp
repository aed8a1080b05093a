// Goal: rules are looked at, tried and compared with the right words and exit codes, with a daemon
// and without. Method: files in a folder of the test, prepared answers.
#include "tests/unit/core/app/command_line.hpp"

namespace warren::app {
namespace {

using acl_commands = command_line;

const char* const members = R"({"schema":"warren.network/1","name":"acme","node_name":"laptop",
  "relay":false,"addresses":["10.0.0.1/24"],"peers":[
   {"name":"nas","addresses":["10.0.0.2"],"routes":[],"groups":[],"tags":["web"],"roles":[]},
   {"name":"phone","addresses":["10.0.0.3"],"routes":[],"groups":["dev"],"tags":[],"roles":[]}]})";

const char* const rules = R"({"acls": [
 {"action": "accept", "src": ["phone", "ghost"], "dst": ["tag:web:22"]},
 {"action": "deny", "src": ["phone"], "dst": ["tag:web:22"]},
],
"tests": [{"src": "phone", "accept": ["nas:22"], "deny": ["nas:80"]}]})";

struct acl_commands_with_files : acl_commands {
   std::string file;
   void SetUp() override {
      acl_commands::SetUp();
      write("a.hujson", rules);
      write("members.json", members);
      file = (folder / "a.hujson").string();
      daemon.answers["GET /v1/networks/acme"] = {json::parse(members)};
   }
   std::string at(const char* name) const { return (folder / name).string(); }
};

TEST_F(acl_commands_with_files, check_warns_with_the_daemons_members) {
   EXPECT_EQ(run({"acl", "check", file}), exit_ok);
   EXPECT_EQ(err, file + ":2:40: warning: no member is called \"ghost\" now\n" + file +
                        ":3:2: warning: this rule never matches: the one in line 2 covers it and "
                        "comes first, with another action\n");
   EXPECT_EQ(out, file + ": no mistakes, 2 rules, 2 warnings\n");
}

TEST_F(acl_commands_with_files, check_works_without_a_daemon) {
   daemon.running = false;
   EXPECT_EQ(run({"acl", "check", file}), exit_ok);
   EXPECT_EQ(err.find("ghost"), std::string::npos);
   EXPECT_NE(out.find("1 warning; the members are not known"), std::string::npos) << out;
   EXPECT_EQ(run({"acl", "check", "--members", at("members.json"), file}), exit_ok);
   EXPECT_NE(err.find("ghost"), std::string::npos);
}

TEST_F(acl_commands_with_files, check_ends_with_2_after_a_mistake) {
   write("a.hujson", "{\"acls\": [{\"action\": \"no\", \"src\": [\"*\"], \"dst\": [\"*:*\"]}]}");
   EXPECT_EQ(run({"acl", "check", file}), exit_usage);
   EXPECT_EQ(err, file + ":1:22: \"action\" is \"accept\" or \"deny\"\n"
                         "warren: 1 mistake in the rules\n");
   EXPECT_EQ(run({"--json", "acl", "check", file}), exit_usage);
   const auto document = json::parse(out);
   EXPECT_EQ(document.at("schema"), "warren.acl_check/1");
   EXPECT_EQ(document.at("mistakes").at(0).at("column"), 22);
   EXPECT_EQ(run({"acl", "check", at("none.hujson")}), exit_not_found);
}

TEST_F(acl_commands_with_files, test_tries_the_cases_and_ends_with_1_when_one_does_not_hold) {
   EXPECT_EQ(run({"acl", "test", file}), exit_ok) << err;
   EXPECT_EQ(out, "1 test with 2 flows, all as they should be\n");
   EXPECT_EQ(run({"acl", "test", "--default", "accept", file}), exit_failed);
   EXPECT_EQ(err, file + ":5:11: tcp from phone (10.0.0.3) to nas (10.0.0.2) port 80 should be "
                         "denied, but default accepts it\n");
   daemon.running = false;
   EXPECT_EQ(run({"acl", "test", file}), exit_not_running);
   EXPECT_EQ(run({"acl", "test", "--members", at("members.json"), file}), exit_ok);
   write("few.json", R"({"members": [{"name": "nas", "addresses": ["10.0.0.2"]}]})");
   EXPECT_EQ(run({"acl", "test", "--members", at("few.json"), file}), exit_failed);
   EXPECT_NE(err.find("cannot be tried"), std::string::npos);
   write("bad.json", "{}");
   EXPECT_EQ(run({"acl", "test", "--members", at("bad.json"), file}), exit_usage);
}

TEST_F(acl_commands_with_files, diff_shows_which_flows_change) {
   write("b.hujson", R"({"acls": [{"action": "accept", "src": ["phone"], "dst": ["nas:22-23"]}]})");
   EXPECT_EQ(run({"acl", "diff", file, at("b.hujson")}), exit_ok);
   EXPECT_EQ(out, "FROM   TO   PROTOCOL  PORTS  BEFORE  AFTER\n"
                  "phone  nas  tcp       23     deny    accept\n"
                  "phone  nas  udp       23     deny    accept\n");
   EXPECT_EQ(run({"acl", "diff", file, file}), exit_ok);
   EXPECT_EQ(out, "no flow between these members is judged differently\n");
   EXPECT_EQ(run({"--json", "acl", "diff", "--limit", "1", file, at("b.hujson")}), exit_ok);
   EXPECT_EQ(json::parse(out).at("left_out"), 1);
}

TEST_F(acl_commands_with_files, explain_tells_who_decides_and_which_way_it_goes) {
   daemon.answers["GET /v1/networks/acme/explain?src=laptop&dst=nas&proto=tcp&dport=22"] = {
         json::parse(R"({"schema":"warren.explain/1","source":"10.0.0.1","source_owner":"laptop",
         "source_port":null,"destination":"10.0.0.2","destination_owner":"nas",
         "destination_port":22,"protocol":"tcp",
         "forward":{"accept":true,"rule":"a.hujson:2","rule_name":"ssh"},
         "backward":{"accept":false,"rule":"default","rule_name":null},
         "link":{"peer":"nas","state":"up","transport":"wireguard","endpoint":"192.0.2.1:51820",
                 "via":null,"mtu":1420}})")};
   EXPECT_EQ(run({"explain", "flow", "laptop", "nas", "tcp", "22"}), exit_ok) << err;
   EXPECT_EQ(out, "protocol     tcp\n"
                  "source       10.0.0.1 (laptop)\n"
                  "destination  10.0.0.2 (nas) port 22\n"
                  "forward      accepted by a.hujson:2 \"ssh\"\n"
                  "backward     denied, no rule matches: the default (as a flow of its own; "
                  "replies pass)\n"
                  "link         nas: up, wireguard to 192.0.2.1:51820\n"
                  "mtu          1420\n");
   EXPECT_EQ(run({"explain", "flow", "laptop"}), exit_usage);
   EXPECT_EQ(run({"explain", "flow", "laptop", "nas", "tcp", "70000"}), exit_usage);
}

TEST_F(acl_commands_with_files, explain_last_shows_the_drops_that_are_meant) {
   daemon.answers["GET /v1/networks/acme/drops"] = {json::parse(
         R"({"schema":"warren.drops/1","filtered":true,"flows":1,"passed":{},"dropped":{"rule":2},"drops":[
         {"time":"2026-01-02T03:04:05.000Z","direction":"in","peer":"nas","source":"10.0.0.2","source_port":5000,
          "destination":"10.0.0.1","destination_port":22,"protocol":6,"why":"rule","rule":"a.hujson:3"},
         {"time":null,"direction":"out","peer":"phone","source":"10.0.0.1","source_port":0,
          "destination":"10.0.0.3","destination_port":0,"protocol":1,"why":"default","rule":"default"}]})")};
   EXPECT_EQ(run({"explain", "flow", "--last"}), exit_ok);
   EXPECT_NE(out.find("a.hujson:3"), std::string::npos) << out;
   EXPECT_NE(out.find("10.0.0.3"), std::string::npos) << out;
   EXPECT_EQ(run({"explain", "flow", "nas", "--last"}), exit_ok);
   EXPECT_NE(out.find("10.0.0.2 5000"), std::string::npos) << out;
   EXPECT_EQ(out.find("10.0.0.3"), std::string::npos) << out;
   EXPECT_EQ(run({"explain", "flow", "laptop", "--last"}), exit_ok);
   EXPECT_EQ(out.find("10.0.0.2 5000"), std::string::npos) << out;
   EXPECT_NE(out.find("10.0.0.3"), std::string::npos) << out;
   EXPECT_EQ(run({"explain", "flow", "ghost", "--last"}), exit_ok);
   EXPECT_EQ(out, "no such packet was dropped lately\n");
}

TEST_F(acl_commands_with_files, explain_last_without_arguments_is_bounded_by_the_daemon) {
   daemon.answers["GET /v1/networks/acme/drops"] = {json::parse(
         R"({"schema":"warren.drops/1","filtered":false,"flows":0,"passed":{},"dropped":{},"drops":[]})")};
   EXPECT_EQ(run({"explain", "flow", "--last"}), exit_ok);
   EXPECT_EQ(out, "this network has no access rules\n");
}

TEST_F(acl_commands_with_files, rules_of_the_configuration_are_meant_without_a_file) {
   write("networks/acme.toml", "[acl]\nfile = \"../a.hujson\"\n[node]\naddresses = "
                               "[\"10.0.0.1/24\"]\n[[transport]]\nplugin = \"none\"\n");
   EXPECT_EQ(run_here({"acl", "check"}), exit_usage) << "other mistakes are told, too";
   EXPECT_NE(err.find("none"), std::string::npos);
}

/// The text between ```hujson and ``` in the manual.
std::string example_of_manual() {
   std::ifstream in(WARREN_SOURCE_DIR "/docs/acl.md");
   const std::string text{std::istreambuf_iterator<char>(in), {}};
   const size_t start = text.find("```hujson\n");
   if (start == std::string::npos) return "";
   return text.substr(start + 10, text.find("```", start + 10) - start - 10);
}

TEST_F(acl_commands_with_files, the_manuals_example_is_right_and_its_tests_hold) {
   write("example.hujson", example_of_manual());
   write("m.json", R"({"members": [
     {"name": "alice", "addresses": ["10.0.0.2"]},
     {"name": "nas-box", "addresses": ["10.0.0.5"], "groups": ["admins"]},
     {"name": "x.dev@company.com", "addresses": ["10.0.0.6"], "tags": ["server"], "roles": ["admin"]}]})");
   EXPECT_EQ(run({"acl", "check", "--members", at("m.json"), at("example.hujson")}), exit_ok);
   EXPECT_EQ(err, "");
   EXPECT_NE(out.find("5 rules, 0 warnings"), std::string::npos) << out;
   EXPECT_EQ(run({"acl", "test", "--members", at("m.json"), at("example.hujson")}), exit_ok) << err;
}

} // namespace
} // namespace warren::app
