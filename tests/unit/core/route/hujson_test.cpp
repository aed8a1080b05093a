// Goal: what people write is read as meant, and each mistake is told at its line and column.
// Method: documents by hand, every truncation of one that has everything, and the bounds.
#include "core/route/hujson.hpp"

#include <gtest/gtest.h>

namespace warren::route {
namespace {

std::string mistake(std::string_view text) {
   const auto parsed = parse_hujson(text, "f");
   return parsed ? "none" : parsed.error().text;
}

TEST(hujson, comments_and_trailing_commas_are_read_over) {
   const auto v = parse_hujson("// first\n{ /* a */ \"a\": [1, 2,], // b\n \"b\": {},\n}\n", "f");
   ASSERT_TRUE(v) << v.error().text;
   ASSERT_EQ(v->items.size(), 2u);
   ASSERT_NE(v->find("a"), nullptr);
   EXPECT_EQ(v->find("a")->items.size(), 2u);
   EXPECT_EQ(v->find("a")->items[1].text, "2");
   EXPECT_EQ(v->find("c"), nullptr);
}

TEST(hujson, every_value_knows_its_place_in_code_points) {
   const auto v = parse_hujson("{\n  \"ä\": [ true,\n null ]\n}", "f");
   ASSERT_TRUE(v) << v.error().text;
   const hujson& list = v->items[0];
   EXPECT_EQ(list.key_at, (position{2, 3}));
   EXPECT_EQ(list.at, (position{2, 8}));
   EXPECT_EQ(list.items[0].at, (position{2, 10}));
   EXPECT_EQ(list.items[1].at, (position{3, 2}));
}

TEST(hujson, strings_are_unescaped) {
   const auto v = parse_hujson(R"("a\n\"\\\/\u00e4\ud83d\ude00")", "f");
   ASSERT_TRUE(v) << v.error().text;
   EXPECT_EQ(v->text, "a\n\"\\/ä😀");
   EXPECT_EQ(mistake(R"("\ud83d")"), "f:1:2: half of a character");
   EXPECT_EQ(mistake(R"("\ud83d\u0041")"), "f:1:2: half of a character");
   EXPECT_EQ(mistake(R"("\x")"), "f:1:2: unknown escape in a string");
   EXPECT_EQ(mistake("\"a\nb\""), "f:1:1: this string has no end");
}

TEST(hujson, mistakes_name_file_line_and_column) {
   EXPECT_EQ(mistake("{\"a\": 1,\n \"a\": 2}"), "f:2:2: the key \"a\" is given twice");
   EXPECT_EQ(mistake("[1 2]"), "f:1:4: expected ',' or ']'");
   EXPECT_EQ(mistake("[,]"),
             "f:1:2: expected a value: an object, a list, a string in double quotes, a number, "
             "true, false or null");
   EXPECT_EQ(mistake("[1,,]").substr(0, 6), "f:1:4:");
   EXPECT_EQ(mistake("{} {}"), "f:1:4: something follows the end of the document");
   EXPECT_EQ(mistake("{a: 1}"), "f:1:2: expected a key in double quotes, or '}'");
   EXPECT_EQ(mistake("\n /* x"), "f:2:2: this comment has no end; expected '*/'");
   EXPECT_EQ(mistake(""), "f:1:1: the text ends where a value is expected");
   for (const char* number : {"01", "-", "1.", "1e", ".5", "+1"})
      EXPECT_NE(mistake(number), "none") << number;
   for (const char* number : {"0", "-1", "1.5", "1e+9"})
      EXPECT_EQ(mistake(number), "none") << number;
}

TEST(hujson, every_truncation_is_a_mistake_and_nothing_is_read_beyond_the_end) {
   const std::string whole = R"({"a": [1.5e3, "x\u00e4", true, null], /* c */ "b": {}, // d
})";
   ASSERT_EQ(mistake(whole), "none");
   for (size_t n = 0; n < whole.size(); n++) {
      const std::vector<char> copy(whole.begin(), whole.begin() + static_cast<long>(n));
      EXPECT_NE(mistake({copy.data(), n}), "none") << n;
   }
}

TEST(hujson, size_depth_and_number_of_values_are_bounded) {
   EXPECT_EQ(mistake(std::string(16, '[') + std::string(16, ']')), "none");
   EXPECT_EQ(mistake(std::string(17, '[') + std::string(17, ']')), "f:1:17: nested deeper than 16");
   EXPECT_NE(mistake(std::string(hujson_bytes_max + 1, ' ')).find("more than 1048576 bytes"),
             std::string::npos);
   std::string many = "[";
   for (size_t i = 0; i + 1 < hujson_values_max; i++)
      many += "1,";
   EXPECT_EQ(mistake(many + "]"), "none");
   EXPECT_NE(mistake(many + "1]").find("more than 200000 values"), std::string::npos);
}

} // namespace
} // namespace warren::route
