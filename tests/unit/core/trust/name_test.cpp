// Goal: hostile names never get in, and whatever a host is called, a legal name can be made of it.
// Method: a corpus of texts that break terminals, shells, paths, HTML and people.
#include "core/trust/name.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace warren::trust {
namespace {

using namespace std::string_literals;

const std::string hostile[] = {
      ""s,
      "-"s,
      "-a"s,
      "a-"s,
      "A"s,
      "Laptop"s,
      "a b"s,
      " a"s,
      "a "s,
      "a_b"s,
      "a.b"s,
      "."s,
      ".."s,
      "../../etc/passwd"s,
      "a/b"s,
      "a\\b"s,
      "a\0b"s,
      "a\n[Peer]"s,
      "a\r"s,
      "a\tb"s,
      "\x1b[2J\x1b]0;owned\x07"s,
      "\x7f"s,
      "\xc2\x9b[31m"s,
      "<script>alert(1)</script>"s,
      "a&amp;b"s,
      "\"; DROP TABLE members; --"s,
      "'$(reboot)'"s,
      "`id`"s,
      "a;b"s,
      "a|b"s,
      "%s%n"s,
      "%2e%2e"s,
      "a\xe2\x80\xae"
      "b"s,             // right-to-left override
      "a\xe2\x80\x8b"s, // zero width space
      "\xef\xbb\xbf"
      "a"s,                  // byte order mark
      "\xd0\xb0pple"s,       // Cyrillic a
      "gr\xc3\xbc\xc3\x9f"s, // umlaut
      "\xff\xfe"s,           // not UTF-8
      "\xf0\x9f\x90\xb0"s,   // a rabbit
      "+eu"s,
      "tag:eu"s,
      "*"s,
      "@"s,
      "#"s,
      "key_abc"s,
      std::string(64, 'a'),
      std::string(100'000, '\x1b'),
};

TEST(name, one_dns_label_in_lower_case_is_a_name) {
   for (const std::string& good :
        {"a"s, "0"s, "nas"s, "web-1"s, "a--b"s, "xn--grn-goa"s, "4chan"s, std::string(63, 'z')}) {
      EXPECT_TRUE(is_name(good)) << good;
      EXPECT_EQ(describe_bad_name(good, "a member"), "");
      EXPECT_TRUE(check_name(good, "a member"));
      EXPECT_EQ(suggest_name(good), good);
   }
}

TEST(name, nothing_hostile_is_a_name_and_its_description_is_safe_to_print) {
   for (const std::string& bad : hostile) {
      EXPECT_FALSE(is_name(bad)) << bad;
      const std::string text = describe_bad_name(bad, "a member");
      EXPECT_NE(text, "");
      EXPECT_LT(text.size(), 300u);
      EXPECT_TRUE(std::none_of(text.begin(), text.end(), [](unsigned char c) {
         return c < ' ' || c == 127;
      })) << text;
      const auto checked = check_name(bad, "a member");
      ASSERT_FALSE(checked);
      EXPECT_EQ(checked.error().code, base::errc::invalid);
   }
}

TEST(name, a_legal_name_is_made_of_anything) {
   for (const std::string& bad : hostile) {
      EXPECT_TRUE(is_name(suggest_name(bad))) << suggest_name(bad);
      EXPECT_EQ(suggest_name(suggest_name(bad)), suggest_name(bad));
   }
   EXPECT_EQ(suggest_name("Alice's MacBook Pro.local"), "alice-s-macbook-pro");
   EXPECT_EQ(suggest_name("db01.prod.example.org"), "db01");
   EXPECT_EQ(suggest_name("../../etc/passwd"), "etc-passwd");
   EXPECT_EQ(suggest_name("--__--"), "node");
   EXPECT_EQ(suggest_name(""), "node");
   EXPECT_EQ(suggest_name(std::string(62, 'a') + "-" + std::string(9, 'b')), std::string(62, 'a'));
}

TEST(name, descriptions_say_what_is_wrong_and_what_would_do) {
   EXPECT_EQ(describe_bad_name("Web 1", "a tag"),
             "'Web 1' cannot be the name of a tag: a name has a-z, 0-9 and '-'; how about "
             "'web-1'?");
   EXPECT_EQ(describe_bad_name("", "a member"), "'' cannot be the name of a member: it is empty");
   EXPECT_EQ(describe_bad_name("-x", "a group"), "'-x' cannot be the name of a group: it begins or "
                                                 "ends with '-'; how about 'x'?");
   EXPECT_NE(describe_bad_name(std::string(64, 'a'), "x").find("64 bytes, at most 63"),
             std::string::npos);
   EXPECT_EQ(describe_bad_name("\x1b[2J", "a member").substr(0, 7), "'?[2J' ");
}

} // namespace
} // namespace warren::trust
