// The fast checksums against the 16-bit loop, for every length and alignment that takes another way
// through the code.
#include "core/io/checksum.hpp"
#include "tests/support/inner_packet.hpp"

#include <gtest/gtest.h>

namespace warren::io {
namespace {

using support::bytes;
using support::naive_checksum;
using support::random_payload;

uint16_t as_checksum(uint64_t sum) {
   uint8_t stored[2];
   store_sum(stored, static_cast<uint16_t>(~fold(sum)));
   return load16(stored);
}

TEST(checksum, equals_the_naive_loop_at_every_length_and_alignment) {
   const bytes data = random_payload(1, 2000);
   for (size_t align = 0; align < 33; align++)
      for (size_t len = 0; len + align <= 700; len++) {
         const uint16_t expected = naive_checksum({data.data() + align, len});
         ASSERT_EQ(as_checksum(sum_bytes(&data[align], len)), expected) << align << " " << len;
         ASSERT_EQ(as_checksum(sum_bytes_portable(&data[align], len)), expected);
      }
}

TEST(checksum, copies_exactly_what_it_sums) {
   const bytes data = random_payload(2, 2000);
   for (size_t align = 0; align < 17; align++)
      for (size_t len = 0; len <= 1500; len += 1 + len / 40)
         for (auto* const function : {&copy_and_sum, &copy_and_sum_portable}) {
            bytes to(len + 64, 0xee);
            const uint64_t sum = function(&to[align], &data[17], len);
            ASSERT_EQ(as_checksum(sum), naive_checksum({data.data() + 17, len}));
            for (size_t i = 0; i < to.size(); i++)
               ASSERT_EQ(to[i], i >= align && i < align + len ? data[17 + i - align] : 0xee);
         }
}

TEST(checksum, does_not_overflow_on_the_largest_and_fullest_packet) {
   const bytes ones(65535, 0xff);
   EXPECT_EQ(as_checksum(sum_bytes(ones.data(), ones.size())), naive_checksum(ones));
   EXPECT_EQ(as_checksum(sum_bytes_portable(ones.data(), ones.size())), naive_checksum(ones));
   EXPECT_EQ(as_checksum(UINT64_MAX), 0);
   const bytes zeros(1000, 0);
   EXPECT_EQ(as_checksum(sum_bytes(zeros.data(), zeros.size())), 0xffff);
}

TEST(checksum, follows_the_change_of_one_word) {
   for (uint32_t seed = 0; seed < 3000; seed++) {
      bytes data = random_payload(seed, 40);
      const uint16_t before = load_sum(&data[8]);
      const auto field = static_cast<uint16_t>(~fold(sum_bytes(data.data(), 40)));
      data[8] = static_cast<uint8_t>(seed);
      data[9] = static_cast<uint8_t>(seed >> 3);
      const uint16_t after = load_sum(&data[8]);
      EXPECT_EQ(updated(field, before, after),
                static_cast<uint16_t>(~fold(sum_bytes(data.data(), 40))));
   }
}

TEST(checksum, sums_pseudo_headers_of_both_families) {
   const bytes a = random_payload(3, 32);
   bytes v4(a.begin(), a.begin() + 8);
   for (const uint8_t b : {0, 17, 5, 0xdc})
      v4.push_back(b);
   EXPECT_EQ(as_checksum(pseudo_sum4(a.data(), 17, 0x5dc)), naive_checksum(v4));
   bytes v6 = a;
   for (const uint8_t b : {0, 1, 5, 0xdc, 0, 0, 0, 6})
      v6.push_back(b);
   EXPECT_EQ(as_checksum(pseudo_sum6(a.data(), a.data() + 16, 6, 0x105dc)), naive_checksum(v6));
}

} // namespace
} // namespace warren::io
