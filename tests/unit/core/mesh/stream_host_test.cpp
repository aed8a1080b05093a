// Goal: warren.host.stream/1 is what sdk/include/warren/host/stream.h promises: every error, stale
// handles, limits, both halves of an end, pauses, and nothing left after stop(). Method: a node
// with a transport that does what the test says, against bare sockets of another node.
#include "core/base/address.hpp"
#include "tests/support/fake_tcp.hpp"
#include "tests/support/mesh_world.hpp"
#include "tests/support/stream_collector.hpp"
#include "warren/sdk.hpp"

#include <gmock/gmock.h>

namespace warren::mesh {
namespace {

namespace limits = base::limits;
using support::stream_collector;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Writes down what it is told. One living instance at a time, plus one that is being replaced.
struct stream_probe final : sdk::plugin_base<stream_probe> {
   static constexpr sdk::info about{
         .id = "org.warren.test.stream", .name = "probe", .summary = "Does what the test says."};
   static constexpr uint32_t kind = WRN_KIND_TRANSPORT;
   static constexpr const char* needs[] = {WRN_HOST_STREAM, nullptr};
   static inline stream_probe* it = nullptr;
   static inline bool with_udp = false, incomplete = false, closes_in_stop = false;
   static inline std::vector<wrn_status> before_start;

   std::vector<std::string> heard;
   std::map<wrn_handle, std::string> got;
   std::vector<wrn_handle> accepted, listeners;
   wrn_status last = WRN_OK;
   wrn_status in_callback = WRN_OK; // what a function said of the handle inside on_closed()
   uint32_t in_host = 0, reentered = 0;

   const wrn_host_stream& table() const { return *warren().get<wrn_host_stream>(WRN_HOST_STREAM); }
   const wrn_host* host() const { return warren().raw(); }
   void configure(const sdk::config&) {
      wrn_handle h = 7;
      const wrn_addr to = *base::parse_endpoint("192.0.2.9:9");
      wrn_addr out{};
      size_t taken = 1;
      before_start = {
            table().connect(host(), &to, &h), table().write(host(), 1, nullptr, 0, &taken),
            table().read_pause(host(), 1),    table().read_resume(host(), 1),
            table().accept_pause(host(), 1),  table().accept_resume(host(), 1),
            table().shutdown(host(), 1),      table().local(host(), 1, &out),
            table().remote(host(), 1, &out)};
      EXPECT_EQ(h, 7u);
      EXPECT_EQ(taken, 0u);
   }
   void on_start() { it = this; }
   void stop_thunk() {
      if (!closes_in_stop) return;
      for (const wrn_handle h : accepted)
         table().close(host(), h);
   }
   ~stream_probe() override {
      if (it == this) it = nullptr;
   }
   wrn_handle dial(const char* to, wrn_status expected = WRN_OK) {
      const wrn_addr address = *base::parse_endpoint(to);
      return dial(address, expected);
   }
   wrn_handle dial(const wrn_addr& to, wrn_status expected) {
      wrn_handle h = 0;
      in_host++;
      EXPECT_EQ(table().connect(host(), &to, &h), expected);
      in_host--;
      return h;
   }
   size_t write(wrn_handle h, std::string_view text, wrn_status expected = WRN_OK) {
      const wrn_bytes part{reinterpret_cast<const uint8_t*>(text.data()), text.size()};
      size_t taken = 99;
      in_host++;
      EXPECT_EQ(table().write(host(), h, &part, 1, &taken), expected);
      in_host--;
      return taken;
   }
   static stream_probe& enter(const wrn_plugin* p) {
      stream_probe& s = of(p);
      s.reentered += s.in_host != 0;
      return s;
   }
   void hear(std::string what) { heard.push_back(std::move(what)); }

   const void* find_ext(std::string_view id) const {
      static const wrn_transport transport{
            [](const wrn_plugin*, wrn_transport_limits* out) { *out = {}; },
            [](const wrn_plugin*, wrn_handle, const wrn_link_params*) -> wrn_status { return 0; },
            [](const wrn_plugin*, wrn_handle, const wrn_link_params*) -> wrn_status { return 0; },
            [](const wrn_plugin*, wrn_handle) {},
            [](const wrn_plugin*, wrn_handle, const wrn_addr*) -> wrn_status { return 0; },
            [](const wrn_plugin*, wrn_handle) {},
            [](const wrn_plugin*, wrn_handle) -> uint32_t { return 0; },
            [](const wrn_plugin* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
               of(p).warren().free({pkts, n});
            },
            [](const wrn_plugin*, wrn_handle, wrn_link_stats*) -> wrn_status { return 0; }};
      static const wrn_udp udp{[](const wrn_plugin*, wrn_handle) {},
                               [](const wrn_plugin* p, wrn_handle, wrn_pkt* pkts, uint32_t n) {
                                  of(p).warren().free({pkts, n});
                               },
                               nullptr};
      static const wrn_stream stream{
            [](const wrn_plugin* p, wrn_handle listener) {
               enter(p).listeners.push_back(listener);
            },
            [](const wrn_plugin* p, wrn_handle, wrn_handle stream_handle, const wrn_addr* from) {
               enter(p).accepted.push_back(stream_handle);
               of(p).hear("accept " + base::format_address(*from));
            },
            [](const wrn_plugin* p, wrn_handle h, wrn_status status) {
               stream_probe& s = enter(p);
               s.last = status;
               s.hear("connected " + std::to_string(status));
               wrn_addr out{};
               s.in_callback = s.table().remote(s.host(), h, &out);
            },
            [](const wrn_plugin* p, wrn_handle h, wrn_bytes bytes) {
               enter(p).got[h].append(reinterpret_cast<const char*>(bytes.ptr), bytes.len);
            },
            [](const wrn_plugin* p, wrn_handle) { enter(p).hear("end"); },
            [](const wrn_plugin* p, wrn_handle) { enter(p).hear("writable"); },
            [](const wrn_plugin* p, wrn_handle h, wrn_status status) {
               stream_probe& s = enter(p);
               s.hear("closed " + std::to_string(status));
               wrn_addr out{};
               s.in_callback = s.table().remote(s.host(), h, &out);
            }};
      static const wrn_stream holes{stream.on_listening, stream.on_accept, stream.on_connected,
                                    stream.on_read,      nullptr,          stream.on_writable,
                                    stream.on_closed};
      if (id == WRN_EXT_TRANSPORT) return &transport;
      if (id == WRN_EXT_UDP) return with_udp ? &udp : nullptr;
      if (id == WRN_EXT_STREAM) return incomplete ? &holes : &stream;
      return nullptr;
   }
};

struct stream_host : ::testing::Test {
   support::mesh_world world{91, "plain"};
   support::mesh_node& a = world.add_node();
   support::fake_shard& outside = world.net.add_node({"192.0.2.99"});
   support::listener_collector server;
   stream_collector client;

   stream_host() {
      stream_probe::with_udp = stream_probe::incomplete = stream_probe::closes_in_stop = false;
      auto wrapped = plugin::module::wrap(sdk::module_of<stream_probe>::entry, "probe");
      EXPECT_TRUE(wrapped) << wrapped.error().text;
      world.plugins.add(*wrapped);
      a.settings.transports.front().plugin = "probe";
      a.settings.transports.front().listen = *base::parse_endpoint("[::]:700");
   }
   ~stream_host() override {
      if (stream_probe::it != nullptr) {
         EXPECT_EQ(it().reentered, 0u);
      }
      a.stop();
   }
   static stream_probe& it() { return *stream_probe::it; }
   void start() {
      const auto ok = a.apply();
      ASSERT_TRUE(ok) << ok.error().text;
   }
   void listen_outside() {
      server.listener = std::move(*outside.listen_tcp(*base::parse_endpoint("[::]:9"), server));
   }
   /// A stream of the probe to outside; the other end is *server.accepted.back().
   wrn_handle connected() {
      if (!server.listener) listen_outside();
      const size_t before = server.accepted.size();
      const wrn_handle h = it().dial("192.0.2.99:9");
      EXPECT_TRUE(world.until([&] { return server.accepted.size() > before; }, 1));
      world.run_ms(10);
      it().heard.clear();
      return h;
   }
   void call(stream_collector& from) {
      from.stream = std::move(*outside.connect_tcp(*base::parse_endpoint("192.0.2.1:700"), from));
   }
   void expect_stale(wrn_handle h) {
      const wrn_host_stream& t = it().table();
      wrn_addr out{};
      size_t taken = 1;
      EXPECT_EQ(t.write(it().host(), h, nullptr, 0, &taken), WRN_E_NOT_FOUND);
      EXPECT_EQ(taken, 0u);
      EXPECT_EQ(t.read_pause(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.read_resume(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.accept_pause(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.accept_resume(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.shutdown(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.close(it().host(), h), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.local(it().host(), h, &out), WRN_E_NOT_FOUND);
      EXPECT_EQ(t.remote(it().host(), h, &out), WRN_E_NOT_FOUND);
   }
};

TEST_F(stream_host, transport_on_streams_gets_a_listener_and_no_datagram_socket) {
   start();
   EXPECT_EQ(a.shard.sockets(), 1u);
   ASSERT_EQ(it().listeners.size(), 1u);
   wrn_addr at{};
   EXPECT_EQ(it().table().local(it().host(), it().listeners[0], &at), WRN_OK);
   EXPECT_EQ(at.port, 700);
   EXPECT_EQ(base::format_endpoint(a.network->status().instances.front().listen), "[::]:700");
   EXPECT_EQ(it().warren().get<wrn_host_udp>(WRN_HOST_UDP)->room(it().host(), 0), 0u);
   EXPECT_EQ(it().warren().get<wrn_host_udp>(WRN_HOST_UDP)->local(it().host(), 0, &at),
             WRN_E_NOT_FOUND);
}

TEST_F(stream_host, transport_on_both_gets_both_on_one_port) {
   stream_probe::with_udp = true;
   a.settings.transports.front().listen = std::nullopt;
   // The port that datagrams get first is taken for streams.
   auto taken = a.shard.listen_tcp(*base::parse_endpoint("[::]:40000"), server);
   ASSERT_TRUE(taken);
   start();
   EXPECT_EQ(a.shard.sockets(), 3u);
   wrn_addr at{};
   EXPECT_EQ(it().table().local(it().host(), it().listeners[0], &at), WRN_OK);
   EXPECT_EQ(at.port, a.network->status().instances.front().listen.port);
   EXPECT_EQ(at.port, 40001);
}

TEST_F(stream_host, taken_port_is_refused_with_its_number_and_nothing_stays_open) {
   auto taken = a.shard.listen_tcp(*base::parse_endpoint("[::]:700"), server);
   const auto ok = a.apply();
   ASSERT_FALSE(ok);
   EXPECT_THAT(ok.error().text, ::testing::HasSubstr("700"));
   EXPECT_EQ(a.shard.sockets(), 1u);
}

TEST_F(stream_host, incomplete_table_is_refused) {
   stream_probe::incomplete = true;
   const auto ok = a.apply();
   ASSERT_FALSE(ok);
   EXPECT_THAT(ok.error().text, ::testing::HasSubstr("does not implement"));
}

TEST_F(stream_host, nothing_works_before_start) {
   start();
   for (const wrn_status status : stream_probe::before_start)
      EXPECT_EQ(status, WRN_E_STATE);
   EXPECT_EQ(stream_probe::before_start.size(), 9u);
}

TEST_F(stream_host, dialled_stream_goes_through_its_whole_life) {
   start();
   listen_outside();
   const wrn_handle h = it().dial("192.0.2.99:9");
   EXPECT_EQ(it().write(h, "early", WRN_E_AGAIN), 0u);
   EXPECT_EQ(it().table().shutdown(it().host(), h), WRN_E_AGAIN);
   wrn_addr at{};
   EXPECT_EQ(it().table().remote(it().host(), h, &at), WRN_OK);
   EXPECT_EQ(base::format_endpoint(at), "192.0.2.99:9");
   EXPECT_THAT(it().heard, IsEmpty());
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   stream_collector& other = *server.accepted.front();
   EXPECT_EQ(it().write(h, "hello"), 5u);
   EXPECT_TRUE(world.until([&] { return other.text() == "hello"; }, 1));
   EXPECT_EQ(it().table().local(it().host(), h, &at), WRN_OK);
   EXPECT_EQ(base::format_address(at), "192.0.2.1");
   other.write("hi");
   other.stream->shutdown();
   ASSERT_TRUE(world.until([&] { return it().heard.size() == 2; }, 1));
   EXPECT_EQ(it().got[h], "hi");
   EXPECT_EQ(it().write(h, "still here"), 10u);
   EXPECT_EQ(it().table().shutdown(it().host(), h), WRN_OK);
   EXPECT_EQ(it().table().shutdown(it().host(), h), WRN_OK);
   EXPECT_EQ(it().write(h, "no more", WRN_E_CLOSED), 0u);
   ASSERT_TRUE(world.until([&] { return it().heard.size() == 3 && other.closed; }, 1));
   EXPECT_THAT(it().heard, ElementsAre("connected 0", "end", "closed 0"));
   EXPECT_EQ(it().in_callback, WRN_E_NOT_FOUND) << "stale already inside on_closed()";
   EXPECT_EQ(other.text(), "hellostill here");
   expect_stale(h);
   expect_stale(0);
}

TEST_F(stream_host, calls_that_lead_nowhere_say_why) {
   start();
   for (const char* nowhere : {"192.0.2.99:0", "0.0.0.0:5", "[::]:5"}) {
      wrn_addr to = *base::parse_address("192.0.2.99");
      if (const auto parsed = base::parse_endpoint(nowhere)) to = *parsed;
      EXPECT_EQ(it().dial(to, WRN_E_INVALID), 0u) << nowhere;
   }
   EXPECT_EQ(it().dial(wrn_addr{}, WRN_E_INVALID), 0u);
   const wrn_handle refused = it().dial("192.0.2.99:9");
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_EQ(it().last, WRN_E_UNREACHABLE);
   EXPECT_EQ(it().in_callback, WRN_E_NOT_FOUND);
   expect_stale(refused);
   it().dial("192.0.2.200:9");
   ASSERT_TRUE(world.until([&] { return it().heard.size() == 2; }, 60));
   EXPECT_EQ(it().last, WRN_E_TIMEOUT);
   EXPECT_EQ(a.shard.streams(), 0u);
}

TEST_F(stream_host, close_is_silent_and_the_other_side_reads_what_was_written) {
   start();
   const wrn_handle h = connected();
   it().write(h, "last words");
   EXPECT_EQ(it().table().close(it().host(), h), WRN_OK);
   expect_stale(h);
   stream_collector& other = *server.accepted.back();
   ASSERT_TRUE(world.until([&] { return other.ends == 1; }, 1));
   EXPECT_EQ(other.text(), "last words");
   EXPECT_THAT(it().heard, IsEmpty());
   const wrn_handle again = it().dial("192.0.2.99:9");
   EXPECT_NE(again, h) << "never used twice";
   EXPECT_EQ(it().table().close(it().host(), again), WRN_OK) << "while it is being connected";
   world.run_ms(100);
   EXPECT_THAT(it().heard, IsEmpty());
}

TEST_F(stream_host, broken_stream_is_told_with_its_reason) {
   start();
   const wrn_handle h = connected();
   stream_collector& other = *server.accepted.back();
   other.stream->pause_reading(true);
   it().write(h, "unread");
   world.run_ms(10);
   other.stream.reset();
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_THAT(it().heard, ElementsAre("closed " + std::to_string(WRN_E_CLOSED)));
   expect_stale(h);
}

TEST_F(stream_host, writing_is_bounded_and_tells_once_when_there_is_room) {
   start();
   const wrn_handle h = connected();
   stream_collector& other = *server.accepted.back();
   other.stream->pause_reading(true);
   const std::string chunk(100'000, 'x');
   size_t sent = 0;
   for (int i = 0; i < 100; i++) {
      sent += it().write(h, chunk);
      world.run_ms(10);
   }
   EXPECT_LE(sent, limits::stream_unsent_bytes + support::fake_tcp_wire::window_bytes);
   EXPECT_LE(a.shard.stream_bytes_most(), limits::stream_unsent_bytes);
   EXPECT_EQ(it().write(h, chunk), 0u);
   other.stream->pause_reading(false);
   ASSERT_TRUE(world.until([&] { return other.got.size() == sent; }, 5));
   world.run_ms(100);
   EXPECT_THAT(it().heard, ElementsAre("writable"));
   const std::vector<wrn_bytes> many(WRN_STREAM_PARTS_MAX + 1);
   size_t taken = 1;
   EXPECT_EQ(it().table().write(it().host(), h, many.data(), WRN_STREAM_PARTS_MAX + 1, &taken),
             WRN_E_INVALID);
   EXPECT_EQ(taken, 0u);
   EXPECT_EQ(it().table().write(it().host(), h, many.data(), WRN_STREAM_PARTS_MAX, &taken), WRN_OK);
}

TEST_F(stream_host, paused_reading_holds_bytes_and_the_end_back) {
   start();
   const wrn_handle h = connected();
   stream_collector& other = *server.accepted.back();
   EXPECT_EQ(it().table().read_pause(it().host(), h), WRN_OK);
   EXPECT_EQ(it().table().read_pause(it().host(), h), WRN_OK);
   other.write("later");
   other.stream->shutdown();
   world.run_ms(100);
   EXPECT_EQ(it().got[h], "");
   EXPECT_THAT(it().heard, IsEmpty());
   EXPECT_EQ(it().table().read_resume(it().host(), h), WRN_OK);
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_EQ(it().got[h], "later");
}

TEST_F(stream_host, paused_listener_keeps_callers_waiting) {
   start();
   const wrn_handle listener = it().listeners.front();
   EXPECT_EQ(it().table().accept_pause(it().host(), listener), WRN_OK);
   call(client);
   world.run_ms(100);
   EXPECT_THAT(it().heard, IsEmpty());
   EXPECT_EQ(it().table().accept_resume(it().host(), listener), WRN_OK);
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_THAT(it().heard, ElementsAre("accept 192.0.2.99"));
   EXPECT_EQ(it().table().close(it().host(), listener), WRN_E_NOT_FOUND) << "the host's own";
}

TEST_F(stream_host, limit_of_streams_refuses_calls_and_keeps_callers_waiting) {
   start();
   const wrn_handle first = connected();
   for (size_t i = 1; i < limits::streams_per_plugin_max; i++)
      it().dial("192.0.2.99:9");
   world.run_ms(30'000); // the queue of the other side is shorter than that
   it().dial(*base::parse_endpoint("192.0.2.99:9"), WRN_E_LIMIT);
   it().heard.clear();
   call(client);
   world.run_ms(100);
   ASSERT_TRUE(client.outcome && *client.outcome) << "the kernel's queue takes it";
   EXPECT_THAT(it().heard, IsEmpty());
   EXPECT_EQ(it().table().close(it().host(), first), WRN_OK);
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_THAT(it().heard, ElementsAre("accept 192.0.2.99"));
   // The operator's pause is not undone by a stream that ends.
   EXPECT_EQ(it().table().close(it().host(), it().accepted.front()), WRN_OK);
   EXPECT_EQ(it().table().accept_pause(it().host(), it().listeners.front()), WRN_OK);
   stream_collector another;
   call(another);
   world.run_ms(100);
   EXPECT_EQ(it().accepted.size(), 1u);
}

TEST_F(stream_host, what_is_open_at_stop_is_closed_by_the_host) {
   start();
   connected();
   call(client);
   world.run_ms(10);
   ASSERT_EQ(it().accepted.size(), 1u);
   std::vector<std::unique_ptr<plugin::instance>> retired;
   a.network->stop(retired);
   ASSERT_EQ(retired.size(), 2u) << "it and the discovery";
   EXPECT_EQ(a.shard.sockets(), 0u) << "before the instance is destroyed";
   EXPECT_EQ(it().table().close(it().host(), it().accepted.front()), WRN_E_NOT_FOUND);
   it().dial(*base::parse_endpoint("192.0.2.99:9"), WRN_E_STATE);
   retired.clear();
   EXPECT_EQ(stream_probe::it, nullptr);
   EXPECT_TRUE(world.until([&] { return client.ends == 1; }, 1));
   EXPECT_TRUE(world.until([&] { return server.accepted.back()->ends == 1; }, 1));
}

TEST_F(stream_host, failed_instance_hears_nothing_more_and_may_tidy_up) {
   stream_probe::closes_in_stop = true;
   start();
   call(client);
   world.run_ms(10);
   it().warren().fail(WRN_E_INTERNAL, "enough");
   it().heard.clear();
   it().dial(*base::parse_endpoint("192.0.2.99:9"), WRN_E_STATE);
   client.write("anybody?");
   ASSERT_TRUE(world.until([&] { return client.ends == 1 || client.closed; }, 1));
   stream_collector later;
   call(later);
   EXPECT_TRUE(world.until([&] { return later.ends == 1; }, 1)) << "nobody takes calls any more";
   EXPECT_THAT(it().heard, IsEmpty());
   EXPECT_EQ(a.shard.streams(), 0u);
}

TEST_F(stream_host, listener_moves_to_the_next_instance_without_a_refused_call) {
   start();
   it().table().accept_pause(it().host(), it().listeners.front());
   call(client); // waits in the queue
   world.run_ms(10);
   a.settings.transports.front().values.entries["nothing"] = {true, {}};
   start();
   EXPECT_EQ(a.shard.sockets() - a.shard.streams(), 1u);
   ASSERT_TRUE(world.until([&] { return !it().heard.empty(); }, 1));
   EXPECT_THAT(it().heard, ElementsAre("accept 192.0.2.99"));
   // From streams to streams and datagrams is another kind of socket: opened anew.
   stream_probe::with_udp = true;
   a.settings.transports.front().values.entries["nothing"] = {false, {}};
   a.settings.transports.front().listen = *base::parse_endpoint("[::]:701");
   start();
   EXPECT_EQ(a.shard.sockets(), 2u);
}

} // namespace
} // namespace warren::mesh
