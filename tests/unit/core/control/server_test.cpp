// Goal: the socket is made and guarded as promised, and no client can hurt the daemon. Method: a
// server on a socket in a temporary folder, its io_context stepped by the test, raw bytes on the
// other end.
#include "core/base/limits.hpp"
#include "core/control/server.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace warren::control {
namespace {

namespace fs = std::filesystem;
namespace limits = base::limits;

/// A unix socket of the test's own, closed at the end.
class raw_socket {
 public:
   raw_socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
   ~raw_socket() { close(); }
   raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
   raw_socket(const raw_socket&) = delete;
   raw_socket& operator=(const raw_socket&) = delete;
   void close() {
      if (fd_ >= 0) ::close(std::exchange(fd_, -1));
   }
   static sockaddr_un address(const fs::path& path) {
      sockaddr_un a{};
      a.sun_family = AF_UNIX;
      path.native().copy(a.sun_path, sizeof a.sun_path - 1);
      return a;
   }
   bool connect(const fs::path& path) {
      const sockaddr_un a = address(path);
      return ::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
   }
   bool bind(const fs::path& path) {
      const sockaddr_un a = address(path);
      return ::bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
   }
   /// As much as the kernel takes.
   size_t send(std::string_view text) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      return n < 0 ? 0 : static_cast<size_t>(n);
   }
   /// Appends what has arrived; false at the end.
   bool receive(std::string& out) {
      char buffer[65536];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n > 0) out.append(buffer, static_cast<size_t>(n));
      return n > 0 || (n < 0 && errno == EAGAIN);
   }

 private:
   int fd_;
};

struct api_server : ::testing::Test {
   fs::path folder;
   fs::path path;
   fake_backend daemon;
   boost::asio::io_context context{1};
   std::unique_ptr<server> running;

   void SetUp() override {
      char name[] = "/tmp/warren_server_XXXXXX";
      ASSERT_NE(::mkdtemp(name), nullptr);
      folder = name;
      path = folder / "s";
   }
   void TearDown() override {
      running.reset();
      context.restart();
      context.poll();
      fs::remove_all(folder);
   }
   void start(const std::string& group = "") {
      auto made = server::create(context, path, group, daemon);
      ASSERT_TRUE(made) << made.error().text;
      running = std::move(*made);
   }
   /// Runs the server until `condition` holds; false when it does not within a time that only a
   /// broken server needs.
   template <class Fn>
   bool run_until(Fn condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
      const auto end = std::chrono::steady_clock::now() + limit;
      while (!condition()) {
         if (std::chrono::steady_clock::now() > end) return false;
         context.restart();
         context.run_one_for(std::chrono::milliseconds(5));
      }
      return true;
   }
   /// All that the server says until it ends the connection.
   std::string converse(raw_socket& s, std::string_view text) {
      std::string answer;
      bool open = true;
      EXPECT_TRUE(run_until([&] {
         text.remove_prefix(s.send(text));
         open = s.receive(answer);
         return !open;
      })) << answer;
      return answer;
   }
   std::string converse(std::string_view text) {
      raw_socket s;
      EXPECT_TRUE(s.connect(path));
      return converse(s, text);
   }
   mode_t mode() const {
      struct stat info {};
      EXPECT_EQ(::stat(path.c_str(), &info), 0);
      return info.st_mode & 0777;
   }
};

std::string get(std::string_view target) {
   return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

TEST_F(api_server, answers_over_the_socket) {
   start();
   const std::string answer = converse(get("/v1/networks"));
   EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
   EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
   EXPECT_TRUE(answer.ends_with(R"({"schema":"warren.networks/1","networks":["acme"]})")) << answer;
}

TEST_F(api_server, socket_without_a_group_is_for_its_owner_alone) {
   start("");
   EXPECT_EQ(mode(), 0600u);
}

TEST_F(api_server, socket_of_a_group_that_does_not_exist_is_for_its_owner_alone) {
   start("no_such_group_here");
   EXPECT_EQ(mode(), 0600u);
}

TEST_F(api_server, socket_with_a_group_is_for_owner_and_group) {
   const struct group* own = ::getgrgid(::getegid());
   ASSERT_NE(own, nullptr);
   start(own->gr_name);
   EXPECT_EQ(mode(), 0660u);
}

TEST_F(api_server, stale_socket_of_a_crash_is_replaced) {
   raw_socket crashed;
   ASSERT_TRUE(crashed.bind(path));
   crashed.close();
   start();
   EXPECT_TRUE(converse(get("/v1/info")).starts_with("HTTP/1.1 200"));
}

TEST_F(api_server, live_socket_is_refused_and_left_alone) {
   start();
   auto second = server::create(context, path, "", daemon);
   ASSERT_FALSE(second);
   EXPECT_EQ(second.error().code, base::errc::in_use);
   EXPECT_NE(second.error().text.find(path.string()), std::string::npos);
   EXPECT_TRUE(converse(get("/v1/info")).starts_with("HTTP/1.1 200"));
}

TEST_F(api_server, file_that_is_no_socket_is_refused_and_left_alone) {
   std::ofstream(path) << "precious";
   auto made = server::create(context, path, "", daemon);
   ASSERT_FALSE(made);
   EXPECT_EQ(made.error().code, base::errc::exists);
   EXPECT_EQ(fs::file_size(path), 8u);
}

TEST_F(api_server, folder_that_does_not_exist_is_an_error_with_the_path) {
   auto made = server::create(context, folder / "no/s", "", daemon);
   ASSERT_FALSE(made);
   EXPECT_NE(made.error().text.find("no/s"), std::string::npos);
}

TEST_F(api_server, one_connection_serves_many_requests) {
   start();
   raw_socket s;
   ASSERT_TRUE(s.connect(path));
   const std::string first = "GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n";
   const std::string answer = converse(s, first + first + get("/v1/info"));
   size_t count = 0;
   for (size_t at = 0; (at = answer.find("HTTP/1.1 200", at)) != std::string::npos; at++)
      count++;
   EXPECT_EQ(count, 3u) << answer;
}

TEST_F(api_server, wrong_method_carries_the_allow_field) {
   start();
   const std::string answer =
         converse("DELETE /v1/stop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
   EXPECT_TRUE(answer.starts_with("HTTP/1.1 405")) << answer;
   EXPECT_NE(answer.find("Allow: POST\r\n"), std::string::npos) << answer;
   EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
   EXPECT_EQ(daemon.stops, 0u);
}

TEST_F(api_server, oversized_body_is_413_before_it_was_read) {
   start();
   const std::string answer =
         converse("POST /v1/networks/acme/ping HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                  std::to_string(limits::control_request_bytes_max + 1) + "\r\n\r\n");
   EXPECT_TRUE(answer.starts_with("HTTP/1.1 413")) << answer;
   EXPECT_TRUE(daemon.pings.empty());
}

TEST_F(api_server, oversized_chunked_body_is_413) {
   start();
   const std::string answer = converse("POST /v1/networks/acme/ping HTTP/1.1\r\nHost: "
                                       "x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" +
                                       std::string(80'000, 'x'));
   EXPECT_TRUE(answer.starts_with("HTTP/1.1 413")) << answer;
}

TEST_F(api_server, documents_may_be_larger_and_only_where_they_belong) {
   start();
   const std::string document(limits::control_document_bytes_max, 'x');
   const auto put = [&](std::string_view request, const std::string& text) {
      const std::string body = "{\"text\":\"" + text + "\"}";
      return converse(std::string(request) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                      "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
   };
   EXPECT_TRUE(put("PUT /v1/networks/acme/acl", document).starts_with("HTTP/1.1 200"));
   EXPECT_TRUE(put("POST /v1/networks/acme/trust/import?", document).starts_with("HTTP/1.1 200"));
   ASSERT_EQ(daemon.managed.size(), 2u);
   EXPECT_EQ(daemon.managed[0].arguments.at("text").as_string().size(), document.size());
   EXPECT_TRUE(put("PUT /v1/networks/acme/acl", document + "x").starts_with("HTTP/1.1 400"));
   for (const char* other : {"POST /v1/networks/acme/ping", "POST /v1/networks/acme/acl",
                             "PUT /v1/networks/acme", "PUT /acl"})
      EXPECT_TRUE(put(other, document).starts_with("HTTP/1.1 413")) << other;
   EXPECT_TRUE(put("PUT /v1/networks/acme/acl", document + document + document)
                     .starts_with("HTTP/1.1 413"));
   EXPECT_EQ(daemon.managed.size(), 2u);
}

TEST_F(api_server, endless_header_is_413) {
   start();
   EXPECT_TRUE(converse("GET /v1/info HTTP/1.1\r\nX: " + std::string(20'000, 'x'))
                     .starts_with("HTTP/1.1 413"));
}

TEST_F(api_server, bytes_that_are_not_http_get_400_and_the_end) {
   start();
   EXPECT_TRUE(converse(std::string_view("\x16\x03\x01\x02\0\1\0\r\n\r\n", 11))
                     .starts_with("HTTP/1.1 400"));
   EXPECT_TRUE(converse("GET /v1/info HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")
                     .starts_with("HTTP/1.1 400"));
   EXPECT_TRUE(converse(get("/v1/info")).starts_with("HTTP/1.1 200")); // it goes on
}

TEST_F(api_server, connections_beyond_the_limit_are_closed_at_once) {
   start();
   std::vector<raw_socket> idle(limits::control_connections_max);
   const auto served = [&](raw_socket& s) {
      std::string answer;
      std::string_view text = "GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n";
      return run_until([&] {
         text.remove_prefix(s.send(text));
         s.receive(answer);
         return answer.find("warren.info/1") != std::string::npos;
      });
   };
   for (raw_socket& s : idle) {
      ASSERT_TRUE(s.connect(path));
      ASSERT_TRUE(served(s)); // and kept open
   }
   EXPECT_EQ(converse(get("/v1/info")), "");
   idle.pop_back();
   // Its place is free again.
   EXPECT_TRUE(run_until([&] { return converse(get("/v1/info")).starts_with("HTTP/1.1 200"); }));
}

TEST_F(api_server, recent_events_are_listed_and_the_stream_ends) {
   daemon.past = {{1'700'000'000'000'000'000, "peer.up", "acme", {{"peer", "nas"}}},
                  {2, "peer.down", "acme", {}}};
   start();
   const std::string answer = converse(get("/v1/events"));
   EXPECT_NE(answer.find("application/x-ndjson"), std::string::npos);
   EXPECT_NE(answer.find(R"("event":"peer.up","network":"acme","fields":{"peer":"nas"}})"
                         "\n"),
             std::string::npos)
         << answer;
   EXPECT_TRUE(answer.ends_with("\"fields\":{}}\n")) << answer;
   EXPECT_TRUE(daemon.subscribers.empty());
}

TEST_F(api_server, follower_gets_new_events_until_it_leaves) {
   daemon.past = {{1, "old", "acme", {}}};
   start();
   raw_socket s;
   ASSERT_TRUE(s.connect(path));
   s.send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
   std::string answer;
   const auto arrived = [&](std::string_view text) {
      return run_until([&] {
         s.receive(answer);
         return answer.find(text) != std::string::npos;
      });
   };
   EXPECT_TRUE(arrived("\"event\":\"old\""));
   ASSERT_EQ(daemon.subscribers.size(), 1u);
   daemon.publish({2, "new", "acme", {}});
   EXPECT_TRUE(arrived("\"event\":\"new\""));
   s.close();
   EXPECT_TRUE(
         run_until([&] { return daemon.subscribers.empty(); })); // noticed without another event
}

TEST_F(api_server, follower_that_does_not_read_is_cut_off_and_others_are_not) {
   start();
   raw_socket slow, good;
   for (raw_socket* s : {&slow, &good}) {
      ASSERT_TRUE(s->connect(path));
      s->send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
   }
   ASSERT_TRUE(run_until([&] { return daemon.subscribers.size() == 2; }));
   const mesh::event big{1, "big", "acme", {{"text", std::string(4096, 'x')}}};
   std::string taken;
   size_t published = 0;
   // Far more than the socket's buffer and the queue take together.
   while (daemon.subscribers.size() == 2 && published < 4 * limits::events_kept + 1000) {
      daemon.publish(big);
      published++;
      ASSERT_TRUE(run_until([&] {
         good.receive(taken);
         return taken.size() >= published * 4096;
      }));
   }
   // At once, not when the server's time limit for a write (10 s) has passed.
   EXPECT_TRUE(run_until([&] { return daemon.subscribers.size() == 1; }, std::chrono::seconds(5)));
   daemon.publish({2, "last", "acme", {}});
   EXPECT_TRUE(run_until([&] {
      good.receive(taken);
      return taken.find("\"last\"") != std::string::npos;
   }));
}

TEST_F(api_server, followers_beyond_the_limit_are_refused) {
   start();
   std::vector<raw_socket> followers(limits::control_subscribers_max);
   for (raw_socket& s : followers) {
      ASSERT_TRUE(s.connect(path));
      s.send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
   }
   ASSERT_TRUE(
         run_until([&] { return daemon.subscribers.size() == limits::control_subscribers_max; }));
   EXPECT_TRUE(converse(get("/v1/events?follow=1")).starts_with("HTTP/1.1 503"));
   EXPECT_TRUE(
         converse(get("/v1/events")).starts_with("HTTP/1.1 200")); // a list is not a subscription
}

TEST_F(api_server, stop_ends_connections_and_removes_the_socket) {
   start();
   raw_socket idle, follower;
   ASSERT_TRUE(idle.connect(path));
   ASSERT_TRUE(follower.connect(path));
   follower.send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
   ASSERT_TRUE(run_until([&] { return daemon.subscribers.size() == 1; }));
   running->stop();
   running->stop();
   EXPECT_FALSE(fs::exists(path));
   std::string text;
   EXPECT_TRUE(run_until([&] {
      return !idle.receive(text) && !follower.receive(text) && daemon.subscribers.empty();
   }));
}

TEST_F(api_server, late_reply_of_the_daemon_reaches_its_client) {
   daemon.keep_replies = true;
   start();
   raw_socket s;
   ASSERT_TRUE(s.connect(path));
   s.send(get("/v1/networks/acme"));
   ASSERT_TRUE(run_until([&] { return daemon.kept.size() == 1; }));
   daemon.kept[0]();
   EXPECT_TRUE(converse(s, "").starts_with("HTTP/1.1 200"));
}

TEST_F(api_server, reply_that_comes_after_the_server_has_gone_is_harmless) {
   daemon.keep_replies = true;
   start();
   raw_socket s;
   ASSERT_TRUE(s.connect(path));
   s.send(get("/v1/networks/acme"));
   ASSERT_TRUE(run_until([&] { return daemon.kept.size() == 1; }));
   running.reset();
   daemon.kept[0]();
   context.restart();
   context.poll();
}

} // namespace
} // namespace warren::control
