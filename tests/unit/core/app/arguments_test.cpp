// Goal: wrong arguments end with code 2 and one sentence that helps; help, completion and the
// manual know every command. Method: the whole command line as a function call.
#include "core/app/describe.hpp"
#include "tests/unit/core/app/command_line.hpp"

#include <algorithm>

namespace warren::app {
namespace {

using arguments = command_line;

TEST_F(arguments, mistakes_are_one_sentence_and_code_2) {
   const auto expect = [&](std::vector<std::string> words, std::string_view text) {
      EXPECT_EQ(run(words), exit_usage) << text;
      EXPECT_EQ(err, "warren: " + std::string(text) + "\n");
      EXPECT_EQ(out, "");
   };
   expect({"statsu"}, "no command 'warren statsu'; did you mean 'status'?");
   expect({"zzzzzz"}, "no command 'warren zzzzzz'; see 'warren --help'");
   expect({"peer"}, "'warren peer' needs a command: list");
   expect({"peer", "lst"}, "no command 'warren peer lst'; did you mean 'list'?");
   expect({"ping"}, "target is required; see 'warren ping --help'");
   expect({"ping", "a", "b"}, "'warren ping' does not know 'b'; see 'warren ping --help'");
   expect({"status", "--jsno"},
          "'warren status' does not know '--jsno'; see 'warren status --help'");
   expect({"ping", "a", "-c", "0"},
          "--count: Value 0 not in range 1 to 1000000000; see 'warren ping --help'");
   expect({"ping", "a", "-s", "65001"},
          "--size: Value 65001 not in range 0 to 65000; see 'warren ping --help'");
   expect({"ping", "a", "-i", "soon"},
          "'soon' is not a duration; use seconds or 250ms, 30s, 5m, at most a day");
   expect({"wait", "--timeout", "ever"},
          "'ever' is not a duration; use seconds or 250ms, 30s, 5m, at most a day");
   expect({"run", "--log-level", "loud"},
          "'loud' is not a log level; use trace, debug, info, warn or error");
   expect({"help", "nonsense"},
          "no command or topic 'nonsense'; see 'warren help' and 'warren help exit-codes'");
   EXPECT_EQ(run({}), exit_usage);
   EXPECT_TRUE(err.starts_with("warren: 'warren' needs a command: run, up, ")) << err;
   EXPECT_TRUE(daemon.asked.empty());
}

TEST_F(arguments, names_of_commands_can_be_names_of_peers) {
   daemon.answers["POST /v1/networks/acme/ping"] = {json::parse(R"({"rtt_us":1})")};
   EXPECT_EQ(run({"ping", "status", "-c", "1"}), exit_ok) << err;
   EXPECT_NE(daemon.asked.back().find(R"("target":"status")"), std::string::npos);
}

TEST_F(arguments, common_options_stand_before_or_after_the_command) {
   daemon.answers["GET /v1/networks/home"] = {json::parse(R"({"schema":"warren.network/1"})")};
   for (const auto& words :
        std::vector<std::vector<std::string>>{{"--json", "-n", "home", "status"},
                                              {"status", "-n", "home", "--json"},
                                              {"--json", "status", "--network=home"}}) {
      EXPECT_EQ(run(words), exit_ok) << err;
      EXPECT_EQ(out, "{\"schema\":\"warren.network/1\"}\n");
   }
}

TEST_F(arguments, run_gets_what_was_given) {
   EXPECT_EQ(run({"run"}), exit_ok);
   EXPECT_EQ(ran->config, "/etc/warren/warren.toml");
   EXPECT_FALSE(ran->config_given);
   EXPECT_FALSE(ran->log_level.has_value());
   EXPECT_EQ(run({"run", "--config", "/x.toml", "--socket", "/s", "--log-level", "debug"}),
             exit_ok);
   EXPECT_EQ(ran->config, "/x.toml");
   EXPECT_TRUE(ran->config_given);
   EXPECT_EQ(ran->socket, "/s");
   EXPECT_EQ(ran->log_level, base::log::level::debug);
}

TEST_F(arguments, help_goes_to_stdout_with_code_0) {
   EXPECT_EQ(run({"--help"}), exit_ok);
   EXPECT_NE(out.find("Usage: warren [OPTIONS] SUBCOMMAND"), std::string::npos) << out;
   EXPECT_EQ(run({"peer", "list", "--help"}), exit_ok);
   EXPECT_NE(out.find("Usage: warren peer list"), std::string::npos) << out;
   const std::string by_option = out;
   EXPECT_EQ(run({"help", "peer", "list"}), exit_ok);
   EXPECT_EQ(out, by_option);
   EXPECT_EQ(err, "");
}

TEST_F(arguments, exit_codes_are_listed_one_for_each) {
   EXPECT_EQ(run({"help", "exit-codes"}), exit_ok);
   EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), exit_timeout + 1);
   EXPECT_NE(out.find("3  the daemon is not running\n"), std::string::npos) << out;
   EXPECT_EQ(exit_code_texts().size(), static_cast<size_t>(exit_timeout) + 1);
}

TEST_F(arguments, version_is_told) {
   EXPECT_EQ(run({"version"}), exit_ok);
   EXPECT_TRUE(out.starts_with("warren ")) << out;
   EXPECT_EQ(run({"version", "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out).at("schema"), "warren.version/1");
}

const std::vector<std::vector<std::string>> all_commands{{"run"},
                                                         {"up"},
                                                         {"down"},
                                                         {"reload"},
                                                         {"status"},
                                                         {"wait"},
                                                         {"peer", "list"},
                                                         {"peers"},
                                                         {"ping"},
                                                         {"events"},
                                                         {"key", "generate"},
                                                         {"key", "show"},
                                                         {"config", "check"},
                                                         {"config", "show"},
                                                         {"config", "example"},
                                                         {"plugin", "list"},
                                                         {"plugin", "describe"},
                                                         {"key", "rotate"},
                                                         {"network", "create"},
                                                         {"network", "join"},
                                                         {"network", "leave"},
                                                         {"network", "list"},
                                                         {"network", "show"},
                                                         {"invite", "create"},
                                                         {"invite", "list"},
                                                         {"invite", "revoke"},
                                                         {"member", "list"},
                                                         {"member", "accept"},
                                                         {"member", "reject"},
                                                         {"member", "remove"},
                                                         {"member", "rename"},
                                                         {"member", "tag"},
                                                         {"member", "add"},
                                                         {"admin", "add"},
                                                         {"admin", "remove"},
                                                         {"admin", "list"},
                                                         {"trust", "show"},
                                                         {"trust", "export"},
                                                         {"trust", "import"},
                                                         {"trust", "succeed"},
                                                         {"acl", "show"},
                                                         {"acl", "push"},
                                                         {"acl", "history"},
                                                         {"acl", "rollback"},
                                                         {"audit"},
                                                         {"import", "wg-quick"},
                                                         {"export", "wg-quick"},
                                                         {"completion"},
                                                         {"help"},
                                                         {"version"}};

TEST_F(arguments, completion_of_every_shell_contains_every_command_and_option) {
   for (const char* shell : {"bash", "zsh", "fish"}) {
      ASSERT_EQ(run({"completion", shell}), exit_ok);
      const std::string script = out;
      for (const auto& words : all_commands) {
         std::string path = "warren";
         for (const auto& w : words)
            path += " " + w;
         EXPECT_NE(script.find("\"" + path + "\""), std::string::npos) << shell << ": " << path;
      }
      for (const char* option : {"timeout", "peer", "count", "network", "json", "config", "socket",
                                 "follow", "log-level", "endpoint", "man"})
         EXPECT_NE(script.find(option), std::string::npos) << shell << ": " << option;
   }
}

TEST_F(arguments, manual_page_has_every_command_and_every_exit_code) {
   ASSERT_EQ(run({"help", "--man"}), exit_ok);
   EXPECT_TRUE(out.starts_with(".TH WARREN 1 ")) << out.substr(0, 40);
   for (const auto& words : all_commands) {
      std::string path = "warren";
      for (const auto& w : words)
         path += " " + w;
      for (size_t at = 0; (at = path.find('-', at)) != std::string::npos; at += 2)
         path.insert(at, "\\");
      EXPECT_NE(out.find(".SS \\fB" + path + "\\fR"), std::string::npos) << path;
   }
   for (const auto text : exit_code_texts())
      EXPECT_NE(out.find(text), std::string::npos) << text;
   // Every line is text or a request that man(7) has.
   std::istringstream lines(out);
   for (std::string line; std::getline(lines, line);) {
      const bool request = line.starts_with(".") || line.starts_with("'");
      EXPECT_TRUE(!request || line.starts_with(".TH ") || line.starts_with(".S") || line == ".TP" ||
                  line.starts_with(".B"))
            << line;
   }
}

TEST(descriptions, shells_are_not_led_astray_by_texts) {
   const std::vector<command_info> tree{{"warren", "warren", "", {}, {"x"}},
                                        {"warren x",
                                         "x",
                                         "It's \\ \"odd\" $HOME",
                                         {{{"--o"}, "V", "don't", "", {}, false, false}},
                                         {}}};
   const std::string fish = completion_script(tree, "fish");
   EXPECT_NE(fish.find(R"(-d 'It\'s \\ "odd" $HOME')"), std::string::npos) << fish;
   EXPECT_NE(fish.find(R"(-l o -r -d 'don\'t')"), std::string::npos) << fish;
   EXPECT_NE(man_page(tree, "1").find("It's \\e \"odd\" $HOME"), std::string::npos);
}

} // namespace
} // namespace warren::app
