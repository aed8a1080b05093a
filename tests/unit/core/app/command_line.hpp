// The whole command line as one function call, with a daemon of prepared answers behind it.
#pragma once

#include "core/app/cli.hpp"
#include "core/app/exit_codes.hpp"

#include <boost/json.hpp>
#include <deque>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <unistd.h>

namespace warren::app {

namespace json = boost::json;

/// What the prepared daemon has been asked, and says.
struct prepared_daemon {
   using answer = base::result<json::value>;
   std::map<std::string, std::deque<answer>>
         answers;                  // by "GET /v1/info"; the last one of each stays
   std::vector<std::string> asked; // "POST /v1/… {body}"
   std::vector<json::value> events;
   bool running = true;
   std::string socket; // that was connected to
};

class prepared_api final : public control::api {
 public:
   explicit prepared_api(prepared_daemon& d) : daemon_(d) {}
   base::result<json::value> request(std::string_view method, std::string_view path,
                                     const json::value& body, std::chrono::milliseconds) override {
      const std::string key = std::string(method) + " " + std::string(path);
      daemon_.asked.push_back(body.is_null() ? key : key + " " + json::serialize(body));
      const auto it = daemon_.answers.find(key);
      if (it == daemon_.answers.end() || it->second.empty())
         return base::fail(base::errc::not_found, "nothing at " + key);
      auto answer = it->second.front();
      if (it->second.size() > 1) it->second.pop_front();
      return answer;
   }
   base::result<void> events(bool,
                             const std::function<bool(const json::value&)>& on_event) override {
      for (const auto& e : daemon_.events)
         if (!on_event(e)) break;
      return {};
   }

 private:
   prepared_daemon& daemon_;
};

struct command_line : ::testing::Test {
   prepared_daemon daemon;
   std::filesystem::path folder;
   std::string out, err;
   size_t width = 0;
   size_t pauses = 0;
   std::optional<daemon_options> ran;

   void SetUp() override {
      ::unsetenv("WARREN_NETWORK");
      char name[] = "/tmp/warren_cli_XXXXXX";
      ASSERT_NE(::mkdtemp(name), nullptr);
      folder = name;
      write("warren.toml", "state_dir = \"state\"\n");
      std::filesystem::create_directory(folder / "networks");
      daemon.answers["GET /v1/networks"] = {
            json::parse(R"({"schema":"warren.networks/1","networks":["acme"]})")};
   }
   void TearDown() override {
      ::unsetenv("WARREN_NETWORK");
      std::filesystem::remove_all(folder);
   }
   void write(const std::filesystem::path& name, const std::string& text) {
      std::ofstream(folder / name) << text;
   }
   std::string read(const std::filesystem::path& name) {
      std::ifstream in(folder / name);
      return {std::istreambuf_iterator<char>(in), {}};
   }

   /// Runs "warren …" and gives the exit code; what it said is in `out` and `err`.
   int run(std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), "warren");
      std::vector<char*> argv;
      for (auto& a : arguments)
         argv.push_back(a.data());
      std::ostringstream said, complained;
      command_hooks hooks;
      hooks.run = [this](const daemon_options& o) {
         ran = o;
         return static_cast<int>(exit_ok);
      };
      hooks.connect =
            [this](const std::string& socket) -> base::result<std::unique_ptr<control::api>> {
         daemon.socket = socket;
         if (!daemon.running)
            return base::fail(base::errc::unavailable, "the warren daemon is not running");
         return std::unique_ptr<control::api>(new prepared_api(daemon));
      };
      hooks.pause = [this](std::chrono::milliseconds) { return ++pauses < 1000; };
      hooks.out = &said;
      hooks.err = &complained;
      hooks.width = width;
      const int code = run_command_line(static_cast<int>(argv.size()), argv.data(), hooks);
      out = said.str();
      err = complained.str();
      return code;
   }
   /// The same with the files of this test.
   int run_here(std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), {"--config", (folder / "warren.toml").string()});
      return run(std::move(arguments));
   }
};

} // namespace warren::app
