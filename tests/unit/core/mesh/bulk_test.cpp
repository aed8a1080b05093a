// Goal: bulk messages arrive whole, once and in order over a link that loses, doubles and reorders
// frames, and end with a reason when they cannot. Method: two channels with a hostile pipe between
// them, time in steps.
#include "core/mesh/bulk.hpp"

#include <gmock/gmock.h>
#include <map>
#include <random>

namespace warren::mesh {

namespace {

using ::testing::ElementsAre;
constexpr uint64_t ms = 1'000'000;

struct pipe_end final : bulk_sink {
   struct frame_in_flight {
      frame_type type;
      std::vector<uint8_t> body;
   };
   std::multimap<uint64_t, frame_in_flight>* to = nullptr;
   std::mt19937_64* dice = nullptr;
   uint64_t now = 0;
   unsigned loss = 0, twice = 0, jitter_ms = 0; // percent, percent, at most
   bool full = false, taking = true;
   std::vector<std::pair<uint32_t, std::vector<uint8_t>>> got;
   std::vector<std::pair<uint64_t, wrn_status>> sent;
   size_t frames = 0;

   bool send(frame_type type, std::span<const uint8_t> body) override {
      if (full) return false;
      frames++;
      const auto roll = [&](unsigned n) { return static_cast<unsigned>((*dice)() % n); };
      for (unsigned copies = roll(100) < twice ? 2 : 1; copies > 0; copies--)
         if (roll(100) >= loss)
            to->emplace(now + 10 * ms + (jitter_ms != 0 ? roll(jitter_ms) * ms : 0),
                        frame_in_flight{type, {body.begin(), body.end()}});
      return true;
   }
   bool takes(uint32_t) override { return taking; }
   void on_message(uint32_t channel, std::span<const uint8_t> bytes) override {
      got.emplace_back(channel, std::vector<uint8_t>(bytes.begin(), bytes.end()));
   }
   void on_sent(uint64_t, uint64_t tag, wrn_status status) override {
      sent.emplace_back(tag, status);
   }
};

struct bulk : ::testing::Test {
   std::mt19937_64 dice{7};
   std::multimap<uint64_t, pipe_end::frame_in_flight> to_a, to_b;
   pipe_end a, b;
   std::unique_ptr<bulk_channel> at_a = std::make_unique<bulk_channel>(0x1234'0000'0001ull);
   std::unique_ptr<bulk_channel> at_b = std::make_unique<bulk_channel>(0x5678'0000'0009ull);
   uint64_t now = 1000 * ms;

   bulk() {
      a.to = &to_b;
      b.to = &to_a;
      a.dice = b.dice = &dice;
   }
   void bad_line() {
      for (pipe_end* e : {&a, &b}) {
         e->loss = 10;
         e->twice = 10;
         e->jitter_ms = 30;
      }
   }
   std::vector<uint8_t> bytes(size_t n) {
      std::vector<uint8_t> out(n);
      for (uint8_t& b1 : out)
         b1 = static_cast<uint8_t>(dice());
      return out;
   }
   void step() {
      now += ms;
      a.now = b.now = now;
      const auto drain = [&](auto& queue, bulk_channel& at, pipe_end& port) {
         while (!queue.empty() && queue.begin()->first <= now) {
            const auto f = std::move(queue.begin()->second);
            queue.erase(queue.begin());
            if (f.type == frame_type::bulk_segment)
               at.on_segment(f.body, now, port);
            else
               at.on_ack(f.body, now, port);
         }
         at.poll(now, port);
      };
      drain(to_a, *at_a, a);
      drain(to_b, *at_b, b);
   }
   template <class Pred> bool until(Pred pred, uint64_t seconds) {
      for (const uint64_t end = now + seconds * 1000 * ms; now < end;) {
         if (pred()) return true;
         step();
      }
      return pred();
   }
};

TEST_F(bulk, every_size_arrives_whole_on_a_clean_line) {
   for (const size_t size :
        {size_t{0}, size_t{1}, bulk_segment_bytes - 1, bulk_segment_bytes, bulk_segment_bytes + 1,
         size_t{70} * bulk_segment_bytes, size_t{WRN_BULK_MAX}}) {
      const auto message = bytes(size);
      ASSERT_EQ(at_a->send(5, message, 1, size, now), WRN_OK);
      ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 20)) << size;
      EXPECT_EQ(a.sent.back(), (std::pair<uint64_t, wrn_status>(size, WRN_OK)));
      ASSERT_EQ(b.got.size(), 1u) << size;
      EXPECT_EQ(b.got[0].first, 5u);
      EXPECT_EQ(b.got[0].second, message) << size;
      a.sent.clear();
      b.got.clear();
   }
   EXPECT_EQ(at_a->bytes_waiting(), 0u);
}

TEST_F(bulk, a_clean_line_sees_no_segment_twice) {
   ASSERT_EQ(at_a->send(5, bytes(100 * bulk_segment_bytes), 1, 1, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 20));
   EXPECT_EQ(a.frames, 100u);
}

TEST_F(bulk, loss_doubling_and_reordering_lose_double_and_reorder_nothing) {
   bad_line();
   std::vector<std::vector<uint8_t>> out;
   for (size_t i = 0; i < 40; i++) {
      out.push_back(bytes(dice() % 60000));
      ASSERT_TRUE(until([&] { return at_a->send(i, out.back(), 1, i, now) == WRN_OK; }, 60)) << i;
   }
   ASSERT_TRUE(until([&] { return a.sent.size() == out.size(); }, 120));
   ASSERT_EQ(b.got.size(), out.size());
   for (size_t i = 0; i < out.size(); i++) {
      EXPECT_EQ(a.sent[i], (std::pair<uint64_t, wrn_status>(i, WRN_OK)));
      EXPECT_EQ(b.got[i].first, i);
      EXPECT_EQ(b.got[i].second, out[i]) << i;
   }
}

TEST_F(bulk, both_directions_at_once) {
   bad_line();
   const auto there = bytes(200'000), back = bytes(150'000);
   ASSERT_EQ(at_a->send(1, there, 1, 1, now), WRN_OK);
   ASSERT_EQ(at_b->send(2, back, 1, 2, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty() && !b.sent.empty(); }, 60));
   ASSERT_EQ(b.got.size(), 1u);
   ASSERT_EQ(a.got.size(), 1u);
   EXPECT_EQ(b.got[0].second, there);
   EXPECT_EQ(a.got[0].second, back);
}

TEST_F(bulk, a_dead_line_ends_with_timeout_and_stops_sending) {
   a.loss = 100;
   ASSERT_EQ(at_a->send(1, bytes(50'000), 1, 9, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 20));
   EXPECT_THAT(a.sent, ElementsAre(std::pair<uint64_t, wrn_status>(9, WRN_E_TIMEOUT)));
   EXPECT_TRUE(at_a->idle());
   EXPECT_LT(a.frames, 200u) << "backs off";
}

TEST_F(bulk, who_takes_no_bulk_says_so) {
   b.taking = false;
   ASSERT_EQ(at_a->send(1, bytes(50'000), 1, 9, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 5));
   EXPECT_EQ(a.sent[0].second, WRN_E_UNSUPPORTED);
   EXPECT_TRUE(b.got.empty());
}

TEST_F(bulk, a_receiver_that_starts_anew_gets_everything_again) {
   const auto message = bytes(300 * bulk_segment_bytes);
   ASSERT_EQ(at_a->send(1, message, 1, 9, now), WRN_OK);
   ASSERT_TRUE(until([&] { return a.frames > 150; }, 5));
   at_b = std::make_unique<bulk_channel>(0x9999'0000'0001ull);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 20));
   EXPECT_EQ(a.sent[0].second, WRN_OK);
   ASSERT_EQ(b.got.size(), 1u);
   EXPECT_EQ(b.got[0].second, message);
}

TEST_F(bulk, a_sender_that_starts_anew_is_heard_though_it_counts_from_elsewhere) {
   ASSERT_EQ(at_a->send(1, bytes(10), 1, 1, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 5));
   at_a = std::make_unique<bulk_channel>(0x4321'0000'0000ull - 5);
   a.sent.clear();
   ASSERT_EQ(at_a->send(1, bytes(20), 1, 2, now), WRN_OK);
   ASSERT_TRUE(until([&] { return !a.sent.empty(); }, 5));
   ASSERT_EQ(b.got.size(), 2u);
   EXPECT_EQ(b.got[1].second.size(), 20u);
}

TEST_F(bulk, only_a_few_wait) {
   a.full = true;
   for (size_t i = 0; i < bulk_channel::waiting_max; i++)
      EXPECT_EQ(at_a->send(1, bytes(10), 1, i, now), WRN_OK);
   EXPECT_EQ(at_a->send(1, bytes(10), 1, 9, now), WRN_E_LIMIT);
   EXPECT_EQ(at_a->send(1, bytes(WRN_BULK_MAX + 1), 1, 9, now), WRN_E_TOO_BIG);
   EXPECT_EQ(at_a->bytes_waiting(), 10 * bulk_channel::waiting_max);
   a.full = false;
   EXPECT_TRUE(until([&] { return a.sent.size() == bulk_channel::waiting_max; }, 5));
}

TEST_F(bulk, an_owner_that_has_gone_hears_nothing) {
   ASSERT_EQ(at_a->send(1, bytes(100'000), 77, 1, now), WRN_OK);
   ASSERT_EQ(at_a->send(1, bytes(10), 78, 2, now), WRN_OK);
   ASSERT_EQ(at_a->send(1, bytes(10), 77, 3, now), WRN_OK);
   step();
   at_a->forget(77);
   ASSERT_TRUE(until([&] { return at_a->idle(); }, 20));
   EXPECT_THAT(a.sent, ElementsAre(std::pair<uint64_t, wrn_status>(2, WRN_OK)));
}

TEST_F(bulk, junk_changes_nothing) {
   ASSERT_EQ(at_a->send(1, bytes(100'000), 1, 1, now), WRN_OK);
   bad_line();
   until(
         [&] {
            const auto junk = bytes(dice() % 64);
            at_a->on_ack(junk, now, a);
            at_b->on_segment(junk, now, b);
            // Right heads with wrong sums: sizes that lie, indices beyond the end.
            std::array<uint8_t, bulk_segment_header + 3> head{};
            put_le(&head[8], dice(), 4);
            put_le(&head[12], dice() % (2 * WRN_BULK_MAX), 4);
            put_le(&head[16], dice() % 2000, 4);
            put_le(&head[4], 0x1234, 4);
            if (get_le(&head[12], 4) % bulk_segment_bytes != 3) at_b->on_segment(head, now, b);
            return !a.sent.empty();
         },
         30);
   ASSERT_EQ(a.sent.size(), 1u);
}

} // namespace

} // namespace warren::mesh
