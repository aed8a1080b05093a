// Goal: the command line's side maps every answer and every failure to the right code and sentence.
// Method: a real server on a socket in a temporary folder, run by a second thread; for odd daemons
// a listener that says what the test wants.
#include "core/control/client.hpp"
#include "core/control/server.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace warren::control {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;
namespace json = boost::json;
using base::errc;
using protocol = asio::local::stream_protocol;
using namespace std::chrono_literals;

struct api_client : ::testing::Test {
   fs::path folder, path;
   fake_backend daemon;
   asio::io_context context{1};
   std::unique_ptr<server> running;
   std::thread thread;

   void SetUp() override {
      char name[] = "/tmp/warren_client_XXXXXX";
      ASSERT_NE(::mkdtemp(name), nullptr);
      folder = name;
      path = folder / "s";
   }
   void TearDown() override {
      if (running) asio::post(context, [this] { running->stop(); });
      if (thread.joinable()) thread.join();
      running.reset();
      fs::remove_all(folder);
   }
   std::unique_ptr<api> start() {
      auto made = server::create(context, path, "", daemon);
      EXPECT_TRUE(made);
      running = std::move(*made);
      thread = std::thread([this] { context.run(); });
      auto connected = client::connect(path);
      EXPECT_TRUE(connected);
      return std::move(*connected);
   }
   /// A daemon that reads a request and says `answer`, then hangs up; with `hold`, only when the
   /// client has.
   std::unique_ptr<api> start_odd(std::string answer, bool hold = false) {
      auto acceptor = std::make_shared<protocol::acceptor>(context, protocol::endpoint(path));
      thread = std::thread([acceptor, answer, hold] {
         boost::system::error_code ec;
         protocol::socket s = acceptor->accept(ec);
         char buffer[4096];
         s.read_some(asio::buffer(buffer), ec);
         asio::write(s, asio::buffer(answer), ec);
         if (hold) s.read_some(asio::buffer(buffer), ec);
      });
      auto connected = client::connect(path);
      EXPECT_TRUE(connected);
      return std::move(*connected);
   }
};

TEST_F(api_client, missing_socket_says_that_the_daemon_is_not_running) {
   const auto c = client::connect(path);
   ASSERT_FALSE(c);
   EXPECT_EQ(c.error().code, errc::unavailable);
   EXPECT_EQ(c.error().text, "the warren daemon is not running (no " + path.string() +
                                   "); start it with 'warren up' or 'systemctl start warren'");
}

TEST_F(api_client, stale_socket_says_that_nobody_answers) {
   { protocol::acceptor left(context, protocol::endpoint(path)); }
   const auto c = client::connect(path);
   ASSERT_FALSE(c);
   EXPECT_EQ(c.error().code, errc::unavailable);
   EXPECT_NE(c.error().text.find("nobody answers on " + path.string()), std::string::npos);
}

TEST_F(api_client, path_longer_than_a_socket_can_have_is_refused) {
   const auto c = client::connect("/" + std::string(200, 'x'));
   ASSERT_FALSE(c);
   EXPECT_EQ(c.error().code, errc::invalid);
}

TEST_F(api_client, requests_share_a_connection) {
   auto c = start();
   for (int i = 0; i < 3; i++) {
      auto r = c->request("GET", "/v1/networks", nullptr, 5s);
      ASSERT_TRUE(r) << r.error().text;
      EXPECT_EQ(r->at("networks").at(0), "acme");
   }
   auto r = c->request("POST", "/v1/networks/acme/ping", json::object{{"target", "nas"}}, 5s);
   ASSERT_TRUE(r) << r.error().text;
   EXPECT_EQ(r->at("rtt_us"), 1234);
}

TEST_F(api_client, problems_become_errors_with_code_and_sentence) {
   auto c = start();
   auto r = c->request("GET", "/v1/networks/" + encode_segment("no/where"), nullptr, 5s);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, errc::not_found);
   EXPECT_EQ(r.error().text, "no network 'no/where'");
   EXPECT_TRUE(c->request("GET", "/v1/info", nullptr, 5s)); // the connection lives on
}

TEST_F(api_client, connection_that_the_daemon_closed_meanwhile_is_made_anew) {
   auto c = start();
   ASSERT_TRUE(c->request("GET", "/v1/info", nullptr, 5s));
   std::promise<void> again;
   asio::post(context, [&] {
      running->stop(); // closes the idle connection
      auto made = server::create(context, path, "", daemon);
      if (made) running = std::move(*made);
      again.set_value();
   });
   again.get_future().get();
   auto r = c->request("GET", "/v1/info", nullptr, 5s);
   EXPECT_TRUE(r) << r.error().text;
}

TEST_F(api_client, daemon_that_does_not_answer_is_a_timeout) {
   auto c = start_odd("", true);
   const auto r = c->request("GET", "/v1/info", nullptr, 20ms);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, errc::timeout);
}

TEST_F(api_client, daemon_that_hangs_up_is_an_error_of_the_system) {
   auto c = start_odd("");
   const auto r = c->request("GET", "/v1/info", nullptr, 5s);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, errc::io);
   EXPECT_NE(r.error().text.find("closed the connection"), std::string::npos);
}

TEST_F(api_client, answers_that_are_no_json_or_no_http_are_errors) {
   auto c = start_odd("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>");
   EXPECT_FALSE(c->request("GET", "/v1/info", nullptr, 5s));
   thread.join();
   fs::remove(path);
   c = start_odd("SSH-2.0-x\r\n");
   EXPECT_FALSE(c->request("GET", "/v1/info", nullptr, 5s));
}

TEST_F(api_client, recent_events_come_line_by_line) {
   daemon.past = {{1, "one", "acme", {}},
                  {2, "two", "acme", {{"text", std::string(10'000, 'x')}}},
                  {3, "three", "acme", {}}};
   auto c = start();
   std::vector<std::string> names;
   auto done = c->events(false, [&](const json::value& e) {
      names.emplace_back(e.at("event").as_string());
      return true;
   });
   ASSERT_TRUE(done) << done.error().text;
   EXPECT_EQ(names, (std::vector<std::string>{"one", "two", "three"}));
   EXPECT_TRUE(c->request("GET", "/v1/info", nullptr, 5s)); // on a new connection
}

TEST_F(api_client, following_ends_when_the_reader_has_enough) {
   daemon.past = {{1, "one", "acme", {}}, {2, "two", "acme", {}}};
   auto c = start();
   size_t seen = 0;
   auto done = c->events(true, [&](const json::value&) { return ++seen < 2; });
   EXPECT_TRUE(done) << done.error().text;
   EXPECT_EQ(seen, 2u);
}

TEST_F(api_client, following_a_daemon_that_stops_is_an_error) {
   daemon.past = {{1, "one", "acme", {}}};
   auto c = start();
   auto done = c->events(true, [&](const json::value&) {
      asio::post(context, [this] { running->stop(); });
      return true;
   });
   ASSERT_FALSE(done);
   EXPECT_EQ(done.error().code, errc::io);
}

TEST_F(api_client, events_that_are_no_json_or_too_long_are_errors) {
   auto c = start_odd("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nnot json\n");
   const auto ignore = [](const json::value&) { return true; };
   EXPECT_FALSE(c->events(false, ignore));
   thread.join();
   fs::remove(path);
   c = start_odd("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(400'000, 'x'));
   auto r = c->events(false, ignore);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, errc::limit);
}

TEST(problem_errors, titles_and_statuses_map_to_codes) {
   const auto code = [](unsigned status, std::string_view title) {
      return error_of_problem(status, json::object{{"title", title}, {"detail", "d"}}).code;
   };
   EXPECT_EQ(code(409, "exists"), errc::exists);
   EXPECT_EQ(code(409, "in_use"), errc::in_use);
   EXPECT_EQ(code(503, "limit"), errc::limit);
   EXPECT_EQ(code(503, "unavailable"), errc::state); // never "the daemon is not running"
   EXPECT_EQ(code(400, "bad request"), errc::invalid);
   EXPECT_EQ(code(404, "not found"), errc::not_found);
   EXPECT_EQ(code(413, "too large"), errc::limit);
   EXPECT_EQ(code(418, "?"), errc::internal);
   for (const auto& body : {json::value(nullptr), json::value(json::array{}),
                            json::value(json::object{{"detail", 5}})})
      EXPECT_EQ(error_of_problem(502, body).text, "the daemon answered with HTTP status 502");
}

TEST(segments, encode_everything_that_could_end_or_change_a_path) {
   EXPECT_EQ(encode_segment("acme-1_2.x"), "acme-1_2.x");
   EXPECT_EQ(encode_segment("a/b?c#d %\xff"), "a%2Fb%3Fc%23d%20%25%FF");
}

} // namespace
} // namespace warren::control
