// Goal: our own ICMP packets are well-formed and never answer what must not be answered. Method:
// checksums recomputed, forbidden cases listed.
#include "core/base/address.hpp"
#include "core/mesh/icmp.hpp"
#include "tests/support/mesh_world.hpp"

#include <gtest/gtest.h>

namespace warren::mesh {
namespace {

uint16_t fold(std::span<const uint8_t> bytes, uint32_t sum = 0) {
   for (size_t i = 0; i < bytes.size(); i++)
      sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
   while (sum >> 16 != 0)
      sum = (sum & 0xffff) + (sum >> 16);
   return static_cast<uint16_t>(sum);
}

TEST(icmp, echo_requests_have_valid_checksums_in_both_families) {
   for (const size_t size : {0u, 1u, 56u, 1371u}) {
      const auto v4 = make_echo_request(*base::parse_address("10.0.0.1"),
                                        *base::parse_address("10.0.0.2"), 7, 8, size);
      EXPECT_EQ(fold(std::span(v4).first(20)), 0xffff);
      EXPECT_EQ(fold(std::span(v4).subspan(20)), 0xffff);
      const auto v6 = make_echo_request(*base::parse_address("fd00::1"),
                                        *base::parse_address("fd00::2"), 7, 8, size);
      const uint32_t pseudo =
            fold(std::span(v6).subspan(8, 32)) + 58u + static_cast<uint32_t>(v6.size() - 40);
      EXPECT_EQ(fold(std::span(v6).subspan(40), pseudo), 0xffff);
   }
}

TEST(icmp, unreachable_quotes_the_packet_and_goes_to_its_source) {
   const auto packet = support::make_udp4("10.0.0.1", "10.9.9.9", 1);
   const auto answer = make_unreachable(packet, unreachable_reason::no_link);
   ASSERT_TRUE(answer);
   const auto ip = route::parse_ip(*answer);
   ASSERT_TRUE(ip);
   EXPECT_EQ(ip->destination[3], 1);
   EXPECT_EQ(ip->source[3], 9) << "from the destination: our own address would be a martian";
   EXPECT_EQ((*answer)[20], 3);
   EXPECT_EQ((*answer)[21], 1);
   EXPECT_TRUE(std::equal(packet.begin(), packet.end(), answer->begin() + 28));
   EXPECT_EQ(fold(std::span(*answer).subspan(20)), 0xffff);
}

TEST(icmp, errors_multicast_and_later_fragments_are_not_answered) {
   auto packet = support::make_udp4("10.0.0.1", "10.9.9.9", 1);
   packet[7] = 1;
   EXPECT_FALSE(make_unreachable(packet, unreachable_reason::no_owner));
   EXPECT_FALSE(make_unreachable(support::make_udp4("10.0.0.1", "224.0.0.1", 1),
                                 unreachable_reason::no_owner));
   const auto error = make_unreachable(support::make_udp4("10.0.0.1", "10.9.9.9", 1),
                                       unreachable_reason::no_owner);
   EXPECT_FALSE(make_unreachable(*error, unreachable_reason::no_owner));
   EXPECT_FALSE(make_unreachable(support::make_udp6("fd00::1", "ff02::1", 1),
                                 unreachable_reason::no_owner));
   for (size_t n = 0; n < packet.size(); n++)
      EXPECT_FALSE(make_unreachable(std::span(packet).first(n), unreachable_reason::no_owner));
}

TEST(icmp, no_error_exceeds_the_least_mtu_of_its_family) {
   const auto big4 = make_unreachable(support::make_udp4("10.0.0.1", "10.9.9.9", 1, 1300),
                                      unreachable_reason::no_owner);
   EXPECT_LE(big4->size(), 576u);
   const auto big6 = make_unreachable(support::make_udp6("fd00::1", "fd99::2", 1, 1350),
                                      unreachable_reason::no_owner);
   EXPECT_LE(big6->size(), 1280u);
}

} // namespace
} // namespace warren::mesh
