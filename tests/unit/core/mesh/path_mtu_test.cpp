// Goal: an inner packet that is cut for a smaller link is the same packet again when its pieces are
// put together, and of a SYN nothing changes but an MSS that is too large. Method: packets with
// right checksums from tests/support, a naive reassembly, and checksums recomputed from scratch.
#include "core/base/limits.hpp"
#include "core/mesh/path_mtu.hpp"
#include "tests/support/inner_packet.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

using support::bytes;
using support::packet_spec;

packet_spec udp() {
   packet_spec spec;
   spec.tcp = false;
   return spec;
}

/// An IPv4 UDP packet of `size` bytes.
bytes packet_of(size_t size, packet_spec spec = udp()) {
   const size_t headers = 28 + spec.ip_option_words * 4u;
   return support::make_packet(spec, support::random_payload(size, size - headers));
}

uint16_t word_of(const bytes& p) { return static_cast<uint16_t>(p[6] << 8 | p[7]); }
size_t offset_of(const bytes& p) { return (word_of(p) & 0x1fffu) * 8; }
bool more_follow(const bytes& p) { return (word_of(p) & 0x2000) != 0; }

std::vector<bytes> cut(bytes packet, uint32_t mtu) {
   const auto plan = plan_cut(packet, mtu);
   if (!plan) return {};
   std::vector<bytes> out(plan->count);
   for (uint32_t i = 1; i < plan->count; i++) {
      out[i].resize(plan->bytes(i));
      write_fragment(packet, *plan, i, out[i]);
   }
   keep_first_fragment(packet, *plan);
   packet.resize(plan->bytes(0));
   out[0] = std::move(packet);
   return out;
}

/// What RFC 791 asks of each piece; the bytes behind the headers, one after the other.
bytes together(const std::vector<bytes>& pieces, const bytes& whole, uint32_t mtu) {
   bytes data;
   for (const bytes& p : pieces) {
      const bool last = &p == &pieces.back();
      const size_t header = (p[0] & 15u) * 4;
      EXPECT_LE(p.size(), mtu);
      EXPECT_EQ(p.size(), static_cast<size_t>(p[2] << 8 | p[3]));
      EXPECT_EQ(support::naive_checksum({p.data(), header}), 0);
      EXPECT_EQ(offset_of(p), offset_of(whole) + data.size());
      EXPECT_EQ(more_follow(p), !last || more_follow(whole));
      EXPECT_TRUE(last || (p.size() - header) % 8 == 0);
      EXPECT_TRUE(std::equal(&p[4], &p[6], &whole[4])) << "identification";
      EXPECT_TRUE(std::equal(&p[12], &p[20], &whole[12])) << "addresses";
      EXPECT_EQ(std::tie(p[1], p[8], p[9]), std::tie(whole[1], whole[8], whole[9]));
      data.insert(data.end(), p.begin() + static_cast<long>(header), p.end());
   }
   return data;
}

bytes data_of(const bytes& p) { return {p.begin() + (p[0] & 15) * 4, p.end()}; }

TEST(cut, what_fits_exactly_stays_whole_and_one_byte_more_makes_two_pieces) {
   EXPECT_TRUE(cut(packet_of(1360), 1360).empty());
   const bytes whole = packet_of(1361);
   const auto pieces = cut(whole, 1360);
   ASSERT_EQ(pieces.size(), 2u);
   EXPECT_EQ(together(pieces, whole, 1360), data_of(whole));
}

TEST(cut, pieces_of_every_size_make_the_packet_again) {
   for (const uint32_t mtu : {68u, 576u, 1280u, 1283u, 1360u})
      for (size_t size = mtu + 1; size < 3 * mtu; size += 7) {
         const bytes whole = packet_of(size);
         const auto pieces = cut(whole, mtu);
         ASSERT_GE(pieces.size(), 2u);
         EXPECT_EQ(together(pieces, whole, mtu), data_of(whole)) << size << " over " << mtu;
      }
}

TEST(cut, the_largest_packet_passes_the_least_relayed_link) {
   const bytes whole = packet_of(65535);
   const auto pieces = cut(whole, base::limits::relayed_mtu_min);
   ASSERT_EQ(pieces.size(), 53u);
   EXPECT_EQ(together(pieces, whole, base::limits::relayed_mtu_min), data_of(whole));
}

TEST(cut, more_pieces_than_the_limit_are_refused) {
   const size_t most = base::limits::fragments_per_packet_max;
   EXPECT_EQ(cut(packet_of(20 + 48 * most), 68).size(), most);
   EXPECT_TRUE(cut(packet_of(20 + 48 * most + 1), 68).empty());
}

TEST(cut, a_piece_of_a_fragment_goes_on_counting_and_stays_followed) {
   packet_spec spec = udp();
   spec.fragment = 0x2000 | 170; // from the middle
   const bytes whole = packet_of(1420, spec);
   const auto pieces = cut(whole, 1360);
   ASSERT_EQ(pieces.size(), 2u);
   EXPECT_EQ(together(pieces, whole, 1360), data_of(whole));
   EXPECT_TRUE(more_follow(pieces[1]));
   EXPECT_EQ(offset_of(pieces[0]), 170u * 8);
}

TEST(cut, the_last_fragment_stays_the_last) {
   packet_spec spec = udp();
   spec.fragment = 170;
   const bytes whole = packet_of(1420, spec);
   const auto pieces = cut(whole, 1360);
   EXPECT_EQ(together(pieces, whole, 1360), data_of(whole));
   EXPECT_FALSE(more_follow(pieces[1]));
}

TEST(cut, offsets_beyond_what_the_header_can_say_are_refused) {
   packet_spec spec = udp();
   spec.fragment = 0x1fff - 1336 / 8; // the last piece begins at the last offset
   const bytes fits = packet_of(1360, spec);
   EXPECT_EQ(together(cut(fits, 1359), fits, 1359), data_of(fits));
   spec.fragment++;
   EXPECT_TRUE(cut(packet_of(1360, spec), 1359).empty());
}

TEST(cut, only_options_with_the_copy_bit_go_into_later_pieces) {
   packet_spec spec = udp();
   spec.ip_option_words = 10;
   bytes whole = packet_of(1400, spec);
   // Record route (not copied), a NOP, router alert (copied), end.
   const bytes options = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x94, 4, 0, 0, 0};
   std::copy(options.begin(), options.end(), whole.begin() + 20);
   support::set_checksums(whole);
   const auto pieces = cut(whole, 1280);
   ASSERT_EQ(pieces.size(), 2u);
   EXPECT_EQ(together(pieces, whole, 1280), data_of(whole));
   EXPECT_TRUE(std::equal(&whole[20], &whole[60], &pieces[0][20]));
   EXPECT_EQ(pieces[1][0], 0x46);
   EXPECT_EQ(bytes(&pieces[1][20], &pieces[1][24]), (bytes{0x94, 4, 0, 0}));
}

TEST(cut, copied_options_are_padded_with_ends) {
   packet_spec spec = udp();
   spec.ip_option_words = 2;
   bytes whole = packet_of(1400, spec);
   const bytes options = {0x83, 5, 9, 9, 9, 1, 1, 1};
   std::copy(options.begin(), options.end(), whole.begin() + 20);
   support::set_checksums(whole);
   const auto pieces = cut(whole, 1280);
   EXPECT_EQ(together(pieces, whole, 1280), data_of(whole));
   EXPECT_EQ(bytes(&pieces[1][20], &pieces[1][28]), (bytes{0x83, 5, 9, 9, 9, 0, 0, 0}));
}

TEST(cut, broken_options_are_refused) {
   packet_spec spec = udp();
   spec.ip_option_words = 1;
   for (const bytes& options :
        {bytes{0x83, 0, 1, 1}, bytes{0x83, 1, 1, 1}, bytes{0x83, 5, 1, 1}, bytes{1, 1, 1, 0x83}}) {
      bytes whole = packet_of(1400, spec);
      std::copy(options.begin(), options.end(), whole.begin() + 20);
      support::set_checksums(whole);
      EXPECT_TRUE(cut(whole, 1280).empty());
   }
}

TEST(cut, what_must_not_be_cut_is_not) {
   packet_spec spec = udp();
   spec.df = true;
   EXPECT_TRUE(cut(packet_of(1400, spec), 1280).empty());
   spec.df = false;
   spec.v6 = true;
   EXPECT_TRUE(cut(support::make_packet(spec, support::random_payload(1, 1400)), 1280).empty());
   bytes corrupt = packet_of(1400);
   corrupt[8]--;
   EXPECT_TRUE(cut(corrupt, 1280).empty()) << "fragments would hide a header that was broken";
   bytes whole = packet_of(1400);
   for (size_t n = 0; n < whole.size(); n++)
      EXPECT_FALSE(plan_cut(std::span(whole).first(n), 1280));
}

TEST(cut, a_link_without_room_for_eight_bytes_is_refused) {
   EXPECT_FALSE(plan_cut(packet_of(100), 27));
   EXPECT_TRUE(plan_cut(packet_of(100), 28));
   packet_spec spec = udp();
   spec.ip_option_words = 10;
   EXPECT_FALSE(plan_cut(packet_of(200, spec), 67));
   EXPECT_TRUE(plan_cut(packet_of(200, spec), 68));
   EXPECT_FALSE(plan_cut(packet_of(100), 0));
}

// --- MSS ---------------------------------------------------------------------------------------

constexpr uint8_t syn = 2, ack = 16;

struct syn_spec {
   bytes options{2, 4, 0x05, 0xb4}; // 1460
   bool v6 = false;
   uint8_t flags = syn;
   uint16_t fragment = 0;
   uint8_t extension_headers = 0;
};

bytes make_syn(const syn_spec& s) {
   packet_spec spec;
   spec.v6 = s.v6;
   spec.tcp_flags = s.flags;
   spec.fragment = s.fragment;
   spec.extension_headers = s.extension_headers;
   spec.tcp_option_words = static_cast<uint8_t>((s.options.size() + 3) / 4);
   bytes p = support::make_packet(spec, {});
   uint8_t protocol;
   const size_t tcp = support::transport_offset(p, protocol);
   std::copy(s.options.begin(), s.options.end(), p.begin() + static_cast<long>(tcp) + 20);
   support::set_checksums(p);
   return p;
}

bool lower(bytes& p, uint32_t mtu) {
   const auto ip = route::parse_ip(p);
   return ip && lower_mss(p, *ip, mtu);
}

/// Lowered, with nothing else changed and a checksum as if it had been sent like that.
void expect_lowered(const syn_spec& from, const bytes& options, uint32_t mtu) {
   bytes p = make_syn(from);
   syn_spec wanted = from;
   wanted.options = options;
   EXPECT_TRUE(lower(p, mtu));
   EXPECT_EQ(p, make_syn(wanted));
}

void expect_untouched(const bytes& before, uint32_t mtu) {
   bytes p = before;
   EXPECT_FALSE(lower(p, mtu));
   EXPECT_EQ(p, before);
}

TEST(mss, a_syn_and_its_answer_announce_what_the_link_holds) {
   for (const uint8_t flags : {uint8_t{syn}, uint8_t{syn | ack}, uint8_t{syn | 0xc0}}) {
      expect_lowered({.flags = flags}, {2, 4, 1360 >> 8, 1360 & 255}, 1400);
      expect_lowered({.v6 = true, .flags = flags}, {2, 4, 1340 >> 8, 1340 & 255}, 1400);
   }
}

TEST(mss, what_is_small_enough_stays) {
   expect_untouched(make_syn({}), 1500);
   bytes p = make_syn({});
   EXPECT_TRUE(lower(p, 1499));
   expect_untouched(make_syn({.v6 = true}), 1520);
   bytes p6 = make_syn({.v6 = true});
   EXPECT_TRUE(lower(p6, 1519));
   expect_untouched(make_syn({.options = {2, 4, 0, 0}}), 1280);
}

TEST(mss, none_is_added) {
   expect_untouched(make_syn({.options = {}}), 1280);
   expect_untouched(make_syn({.options = {1, 1, 1, 1}}), 1280);
}

TEST(mss, it_is_found_at_even_and_odd_places_and_every_time) {
   expect_lowered({.options = {1, 2, 4, 0x05, 0xb4, 1, 1, 1}}, {1, 2, 4, 0x04, 0xd8, 1, 1, 1},
                  1280);
   expect_lowered({.options = {3, 3, 7, 2, 4, 0x05, 0xb4, 0}}, {3, 3, 7, 2, 4, 0x04, 0xd8, 0},
                  1280);
   expect_lowered({.options = {2, 4, 0x05, 0xb4, 2, 4, 0xff, 0xff, 2, 4, 1, 1}},
                  {2, 4, 0x04, 0xd8, 2, 4, 0x04, 0xd8, 2, 4, 1, 1}, 1280);
   // As Linux sends it: MSS, SACK permitted, timestamps, NOP, window scale.
   expect_lowered({.options = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}},
                  {2, 4, 0x04, 0xd8, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}, 1280);
}

TEST(mss, every_value_leaves_a_right_checksum) {
   for (unsigned value = 0; value < 0x10000; value += 13)
      for (const bool odd : {false, true}) {
         const auto high = static_cast<uint8_t>(value >> 8), low = static_cast<uint8_t>(value);
         const syn_spec spec{.options = odd ? bytes{1, 2, 4, high, low, 0, 0, 0}
                                            : bytes{2, 4, high, low}};
         if (value <= 1240)
            expect_untouched(make_syn(spec), 1280);
         else
            expect_lowered(
                  spec, odd ? bytes{1, 2, 4, 0x04, 0xd8, 0, 0, 0} : bytes{2, 4, 0x04, 0xd8}, 1280);
      }
}

TEST(mss, what_comes_after_the_end_of_options_is_no_option) {
   expect_untouched(make_syn({.options = {0, 2, 4, 0x05, 0xb4, 0, 0, 0}}), 1280);
}

TEST(mss, broken_options_leave_the_packet_alone) {
   for (const bytes& options :
        {bytes{2, 4, 0x05, 0xb4, 8, 0, 1, 1}, bytes{2, 4, 0x05, 0xb4, 8, 1, 1, 1},
         bytes{2, 4, 0x05, 0xb4, 8, 10, 1, 1}, bytes{2, 4, 0x05, 0xb4, 1, 1, 1, 8},
         bytes{2, 3, 0x05, 0xb4}, bytes{2, 6, 0x05, 0xb4, 0xff, 0xff, 1, 1}, bytes{1, 1, 2, 4},
         bytes{1, 2, 4, 0x05}})
      expect_untouched(make_syn({.options = options}), 1280);
}

TEST(mss, a_header_longer_than_the_packet_or_shorter_than_itself_leaves_it_alone) {
   for (const uint8_t words : {0, 4, 7, 15}) {
      bytes p = make_syn({});
      p[20 + 12] = static_cast<uint8_t>(words << 4);
      expect_untouched(p, 1280);
   }
}

TEST(mss, a_packet_shorter_than_its_tcp_header_is_left_alone) {
   const bytes whole = make_syn({});
   for (size_t n = 20; n < whole.size(); n++) {
      bytes p(whole.begin(), whole.begin() + static_cast<long>(n));
      p[2] = static_cast<uint8_t>(n >> 8);
      p[3] = static_cast<uint8_t>(n);
      expect_untouched(p, 1280);
   }
}

TEST(mss, later_fragments_and_other_packets_are_left_alone) {
   expect_untouched(make_syn({.fragment = 1}), 1280);
   expect_untouched(make_syn({.fragment = 0x2000 | 0x1000}), 1280);
   expect_lowered({.fragment = 0x2000}, {2, 4, 0x04, 0xd8}, 1280);
   expect_untouched(make_syn({.flags = ack}), 1280);
   expect_untouched(make_syn({.v6 = true, .extension_headers = 1}), 1280);
   bytes other = make_syn({});
   other[9] = 17;
   expect_untouched(other, 1280);
}

TEST(mss, no_mtu_is_too_small_to_compute_with) {
   for (uint32_t mtu = 0; mtu <= 41; mtu++)
      expect_lowered({}, {2, 4, 0, static_cast<uint8_t>(mtu > 40 ? mtu - 40 : 0)}, mtu);
}

} // namespace
} // namespace warren::mesh
