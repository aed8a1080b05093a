// What every implementation of streams in io::shard does, as a typed suite: instantiated for the
// fake network (virtual time) and for the kernel's loopback.
//
// A World has shard& caller(), shard& called(), wrn_addr listen_address() (port 0), and
// bool until(pred): runs both shards until pred() holds or it has been long enough.
#pragma once

#include "core/base/limits.hpp"
#include "tests/support/stream_collector.hpp"

#include <gtest/gtest.h>

namespace warren::support {

template <class World> struct stream_cases : ::testing::Test {
   World world;
   listener_collector server;
   stream_collector client;

   void listen() {
      auto opened = world.called().listen_tcp(world.listen_address(), server);
      ASSERT_TRUE(opened) << opened.error().text;
      server.listener = std::move(*opened);
      ASSERT_NE(server.listener->local().port, 0);
   }
   wrn_addr there() {
      wrn_addr to = world.listen_address();
      to.port = server.listener->local().port;
      return to;
   }
   void dial(stream_collector& c) {
      auto opened = world.caller().connect_tcp(there(), c);
      ASSERT_TRUE(opened) << opened.error().text;
      c.stream = std::move(*opened);
      EXPECT_FALSE(c.outcome) << "a callback from inside the call";
   }
   /// A connection; the other end is *server.accepted.front().
   void connect() {
      listen();
      dial(client);
      ASSERT_TRUE(world.until([&] { return client.outcome && !server.accepted.empty(); }));
      ASSERT_TRUE(*client.outcome) << client.outcome->error().text;
   }
   stream_collector& other() { return *server.accepted.front(); }
   void TearDown() override {
      EXPECT_EQ(client.after_end, 0);
      for (const auto& c : server.accepted)
         EXPECT_EQ(c->after_end, 0);
   }
   static std::vector<uint8_t> pattern(size_t n) {
      std::vector<uint8_t> out(n);
      for (size_t i = 0; i < n; i++)
         out[i] = static_cast<uint8_t>(i * 31 + i / 251);
      return out;
   }
};
TYPED_TEST_SUITE_P(stream_cases);

TYPED_TEST_P(stream_cases, both_sides_talk_and_know_the_addresses) {
   this->connect();
   auto& other = this->other();
   EXPECT_EQ(this->client.write("hello"), 5u);
   EXPECT_EQ(other.write("and you"), 7u);
   EXPECT_TRUE(this->world.until(
         [&] { return other.text() == "hello" && this->client.text() == "and you"; }));
   EXPECT_EQ(this->client.stream->remote().port, this->server.listener->local().port);
   EXPECT_EQ(this->server.from.front().port, this->client.stream->local().port);
   EXPECT_EQ(other.stream->remote().port, this->client.stream->local().port);
   EXPECT_EQ(other.stream->local().port, this->client.stream->remote().port);
}

TYPED_TEST_P(stream_cases, nobody_listening_is_told_later_and_once) {
   this->listen();
   const wrn_addr to = this->there();
   this->server.listener.reset();
   auto opened = this->world.caller().connect_tcp(to, this->client);
   ASSERT_TRUE(opened);
   this->client.stream = std::move(*opened);
   EXPECT_FALSE(this->client.outcome);
   ASSERT_TRUE(this->world.until([&] { return this->client.outcome.has_value(); }));
   ASSERT_FALSE(*this->client.outcome);
   EXPECT_EQ(this->client.outcome->error().code, base::errc::unavailable);
   EXPECT_EQ(this->client.write("x"), 0u);
   this->world.until([] { return false; });
   EXPECT_FALSE(this->client.closed);
}

TYPED_TEST_P(stream_cases, parts_are_written_in_order_and_many_bytes_arrive_as_they_were) {
   this->connect();
   const auto all = this->pattern(3'000'000);
   size_t sent = 0;
   int told = 0;
   const auto push = [&] {
      while (sent < all.size()) {
         std::array<wrn_bytes, 3> parts{};
         size_t offered = 0;
         for (wrn_bytes& part : parts) {
            const size_t n = std::min<size_t>(5000, all.size() - sent - offered);
            part = {all.data() + sent + offered, n};
            offered += n;
         }
         const size_t taken = this->client.stream->write(parts);
         ASSERT_LE(taken, offered);
         sent += taken;
         if (taken < offered) return;
      }
   };
   push();
   EXPECT_LT(sent, all.size()) << "no limit to what the host keeps";
   ASSERT_TRUE(this->world.until([&] {
      if (this->client.writable != told) {
         told = this->client.writable;
         push();
      }
      return this->other().got.size() == all.size();
   }));
   EXPECT_TRUE(this->other().got == all);
   EXPECT_LE(this->other().largest, base::limits::stream_read_bytes);
   EXPECT_GT(told, 0);
}

TYPED_TEST_P(stream_cases, paused_reader_stops_the_writer_and_loses_nothing) {
   this->connect();
   auto& other = this->other();
   other.stream->pause_reading(true);
   const auto all = this->pattern(200'000);
   size_t sent = 0;
   for (int quiet = 0; quiet < 3;) { // until nothing is taken for a while
      const size_t n = this->client.write(all);
      sent += n;
      quiet = n == 0 ? quiet + 1 : 0;
      this->world.until([] { return false; });
      ASSERT_LT(sent, size_t{64} << 20);
   }
   EXPECT_TRUE(other.got.empty());
   const int writable = this->client.writable;
   EXPECT_EQ(this->client.write(all), 0u);
   other.stream->pause_reading(false);
   EXPECT_TRUE(this->world.until([&] { return other.got.size() == sent; })) << other.got.size();
   EXPECT_TRUE(this->world.until([&] { return this->client.writable == writable + 1; }));
}

TYPED_TEST_P(stream_cases, half_close_lets_the_other_direction_go_on) {
   this->connect();
   auto& other = this->other();
   EXPECT_EQ(this->client.write("last words"), 10u);
   this->client.stream->shutdown();
   EXPECT_EQ(this->client.write("more"), 0u);
   ASSERT_TRUE(this->world.until([&] { return other.ends == 1; }));
   EXPECT_EQ(other.text(), "last words");
   EXPECT_FALSE(other.closed);
   EXPECT_EQ(other.write("an answer"), 9u);
   ASSERT_TRUE(this->world.until([&] { return this->client.text() == "an answer"; }));
   EXPECT_EQ(this->client.ends, 0);
   other.stream->shutdown();
   EXPECT_FALSE(other.closed) << "a callback from inside the call";
   ASSERT_TRUE(this->world.until([&] { return this->client.closed && other.closed; }));
   EXPECT_TRUE(*this->client.closed);
   EXPECT_TRUE(*other.closed);
   EXPECT_EQ(this->client.ends, 1);
}

TYPED_TEST_P(stream_cases, destroying_a_stream_ends_it_after_what_was_written) {
   this->connect();
   const auto all = this->pattern(60'000);
   EXPECT_EQ(this->client.write(all), all.size());
   this->client.stream.reset();
   auto& other = this->other();
   ASSERT_TRUE(this->world.until([&] { return other.ends == 1; }));
   EXPECT_TRUE(other.got == all);
   // Nobody reads any more: who goes on writing is told.
   other.write("anybody?");
   this->world.until([&] {
      if (!other.closed) other.write("anybody?");
      return other.closed.has_value();
   });
   ASSERT_TRUE(other.closed);
   ASSERT_FALSE(*other.closed);
   EXPECT_EQ(other.closed->error().code, base::errc::io);
}

TYPED_TEST_P(stream_cases, unread_bytes_at_the_end_break_the_stream_off) {
   this->connect();
   auto& other = this->other();
   other.stream->pause_reading(true);
   this->client.write("never read");
   this->world.until([] { return false; });
   other.stream.reset();
   ASSERT_TRUE(this->world.until([&] { return this->client.closed.has_value(); }));
   ASSERT_FALSE(*this->client.closed);
   EXPECT_EQ(this->client.closed->error().code, base::errc::io);
   EXPECT_EQ(this->client.write("x"), 0u);
}

TYPED_TEST_P(stream_cases, end_of_both_halves_waits_for_a_paused_reader) {
   this->connect();
   auto& other = this->other();
   other.stream->pause_reading(true);
   other.stream->shutdown();
   this->client.write("bye");
   this->client.stream->shutdown();
   ASSERT_TRUE(this->world.until([&] { return this->client.closed.has_value(); }));
   this->world.until([] { return false; });
   EXPECT_FALSE(other.closed);
   EXPECT_TRUE(other.got.empty());
   other.stream->pause_reading(false);
   ASSERT_TRUE(this->world.until([&] { return other.closed.has_value(); }));
   EXPECT_EQ(other.text(), "bye");
   EXPECT_TRUE(*other.closed);
}

TYPED_TEST_P(stream_cases, stream_may_be_destroyed_in_its_own_callback) {
   this->connect();
   this->other().destroy_on_read = true;
   this->client.write(this->pattern(100'000));
   this->world.until([&] { return this->client.closed || this->client.ends != 0; });
   EXPECT_EQ(this->other().stream, nullptr);
   EXPECT_GT(this->other().got.size(), 0u);
}

TYPED_TEST_P(stream_cases, paused_listener_keeps_callers_waiting) {
   this->listen();
   this->server.listener->pause(true);
   this->dial(this->client);
   ASSERT_TRUE(this->world.until([&] { return this->client.outcome.has_value(); }));
   EXPECT_TRUE(*this->client.outcome) << "the kernel answers for us";
   EXPECT_EQ(this->client.write("first"), 5u);
   this->world.until([] { return false; });
   EXPECT_TRUE(this->server.accepted.empty());
   this->server.listener->pause(false);
   ASSERT_TRUE(this->world.until([&] { return !this->server.accepted.empty(); }));
   EXPECT_TRUE(this->world.until([&] { return this->other().text() == "first"; }));
}

TYPED_TEST_P(stream_cases, many_callers_all_come_through) {
   this->listen();
   std::vector<std::unique_ptr<stream_collector>> callers;
   for (int i = 0; i < 50; i++) {
      callers.push_back(std::make_unique<stream_collector>());
      this->dial(*callers.back());
   }
   ASSERT_TRUE(this->world.until([&] { return this->server.accepted.size() == 50; }));
   ASSERT_TRUE(this->world.until([&] {
      return std::all_of(callers.begin(), callers.end(),
                         [](const auto& c) { return c->outcome && *c->outcome; });
   }));
}

TYPED_TEST_P(stream_cases, taken_port_is_named) {
   this->listen();
   listener_collector second;
   wrn_addr same = this->world.listen_address();
   same.port = this->server.listener->local().port;
   const auto opened = this->world.called().listen_tcp(same, second);
   ASSERT_FALSE(opened);
   EXPECT_EQ(opened.error().code, base::errc::in_use);
   EXPECT_NE(opened.error().text.find(std::to_string(same.port)), std::string::npos);
}

REGISTER_TYPED_TEST_SUITE_P(
      stream_cases, both_sides_talk_and_know_the_addresses, nobody_listening_is_told_later_and_once,
      parts_are_written_in_order_and_many_bytes_arrive_as_they_were,
      paused_reader_stops_the_writer_and_loses_nothing, half_close_lets_the_other_direction_go_on,
      destroying_a_stream_ends_it_after_what_was_written,
      unread_bytes_at_the_end_break_the_stream_off, end_of_both_halves_waits_for_a_paused_reader,
      stream_may_be_destroyed_in_its_own_callback, paused_listener_keeps_callers_waiting,
      many_callers_all_come_through, taken_port_is_named);

} // namespace warren::support
