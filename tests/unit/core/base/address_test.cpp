// Goal: addresses, prefixes and endpoints have one strict text form each. Method: tables of good
// and bad texts.
#include "core/base/address.hpp"

#include <gtest/gtest.h>

namespace warren::base {
namespace {

TEST(address, texts_round_trip) {
   for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fe80::1%3"})
      EXPECT_EQ(format_address(*parse_address(text)), text);
   for (const char* text : {"192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "10.0.0.1/32"})
      EXPECT_EQ(format_prefix(*parse_prefix(text)), text);
   for (const char* text : {"192.0.2.1:51820", "[2001:db8::1]:1", "[fe80::1%3]:65535"})
      EXPECT_EQ(format_endpoint(*parse_endpoint(text)), text);
}

TEST(address, bad_texts_are_refused_with_the_text_in_the_message) {
   for (const char* text :
        {"", "1.2.3", "1.2.3.4.5", "1.2.3.4%1", "2001:db8::g", "fe80::1%eth0", "01.2.3.4 "}) {
      const auto r = parse_address(text);
      ASSERT_FALSE(r) << text;
      EXPECT_NE(r.error().text.find(text), std::string::npos);
   }
   for (const char* text :
        {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.1/24", "fe80::%3/64"})
      EXPECT_FALSE(parse_prefix(text)) << text;
   for (const char* text :
        {"1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "2001:db8::1:80", "[1.2.3.4]:80", ":80"})
      EXPECT_FALSE(parse_endpoint(text)) << text;
}

TEST(address, host_bits_are_allowed_where_an_interface_address_is_meant) {
   const auto a = parse_prefix("10.0.0.1/24", true);
   ASSERT_TRUE(a);
   EXPECT_EQ(a->prefix_len, 24);
   EXPECT_EQ(format_prefix(masked(*a)), "10.0.0.0/24");
}

TEST(address, containment_respects_family_and_every_bit) {
   const auto inside = [](const char* prefix, const char* address) {
      return contains(*parse_prefix(prefix), *parse_address(address));
   };
   EXPECT_TRUE(inside("10.0.0.0/9", "10.127.255.255"));
   EXPECT_FALSE(inside("10.0.0.0/9", "10.128.0.0"));
   EXPECT_TRUE(inside("0.0.0.0/0", "255.1.2.3"));
   EXPECT_FALSE(inside("0.0.0.0/0", "::1"));
   EXPECT_TRUE(inside("2001:db8::/33", "2001:db8:7fff::1"));
   EXPECT_FALSE(inside("2001:db8::/33", "2001:db8:8000::1"));
}

} // namespace
} // namespace warren::base
