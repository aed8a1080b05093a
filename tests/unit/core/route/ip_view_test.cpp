// Goal: a packet that lies about its lengths is never read beyond its end. Method: every truncation
// and every header length of a valid packet.
#include "core/route/ip_view.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace warren::route {
namespace {

std::vector<uint8_t> udp4() {
   std::vector<uint8_t> p(32, 0);
   p[0] = 0x45;
   p[3] = 32;
   p[9] = 17;
   p[12] = 10;
   p[16] = 11;
   p[20] = 1;
   p[23] = 2;
   return p;
}

TEST(ip_view, reads_addresses_and_ports) {
   const auto p = udp4();
   const auto view = parse_ip(p);
   ASSERT_TRUE(view);
   EXPECT_EQ(view->source[0], 10);
   EXPECT_EQ(view->destination[0], 11);
   EXPECT_EQ(view->source_port, 256);
   EXPECT_EQ(view->destination_port, 2);
}

TEST(ip_view, later_fragments_have_no_ports) {
   auto p = udp4();
   p[7] = 1;
   EXPECT_EQ(parse_ip(p)->destination_port, 0);
}

TEST(ip_view, packets_shorter_than_they_say_are_refused) {
   const auto p = udp4();
   for (size_t n = 0; n < p.size(); n++)
      EXPECT_FALSE(parse_ip(std::span(p.data(), n))) << n;
   auto v6 = std::vector<uint8_t>(48, 0);
   v6[0] = 0x60;
   v6[5] = 8;
   ASSERT_TRUE(parse_ip(v6));
   for (size_t n = 0; n < v6.size(); n++)
      EXPECT_FALSE(parse_ip(std::span(v6.data(), n))) << n;
}

TEST(ip_view, odd_versions_and_header_lengths_are_refused_or_read_inside_the_packet) {
   for (unsigned first = 0; first < 256; first++) {
      auto p = udp4();
      p[0] = static_cast<uint8_t>(first);
      const auto view = parse_ip(p);
      if (view) {
         EXPECT_TRUE(first >> 4 == 4) << first;
         EXPECT_LE(view->header_bytes, view->total_bytes);
      }
   }
}

} // namespace
} // namespace warren::route
