// Goal: tables are aligned, fit the terminal by leaving out what matters least, and obey no text
// from elsewhere. Method: exact output.
#include "core/app/table.hpp"

#include <gtest/gtest.h>

namespace warren::app {
namespace {

table sample() {
   table t({{"NAME", 100},
            {"STATE", 90},
            {"RX", 20, true},
            {"TX", 20, true},
            {"ERROR", 10, false, true}});
   t.add({"nas", {"up", tint::good}, "12.0 KiB", "5 B", ""});
   t.add({"a-long-name", "", "0 B", "1.5 MiB", ""});
   return t;
}

TEST(tables, columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right) {
   EXPECT_EQ(sample().render(0, false), "NAME         STATE        RX       TX\n"
                                        "nas          up     12.0 KiB      5 B\n"
                                        "a-long-name  -           0 B  1.5 MiB\n");
}

TEST(tables, least_important_columns_go_first_and_of_equals_the_right_one) {
   EXPECT_EQ(sample().render(37, false), sample().render(0, false)); // exactly fits
   EXPECT_EQ(sample().render(36, false), "NAME         STATE        RX\n"
                                         "nas          up     12.0 KiB\n"
                                         "a-long-name  -           0 B\n");
   EXPECT_EQ(sample().render(27, false), "NAME         STATE\nnas          up\na-long-name  -\n");
   EXPECT_EQ(sample().render(17, false), "NAME\nnas\na-long-name\n");
}

TEST(tables, most_important_column_stays_in_the_narrowest_terminal) {
   EXPECT_EQ(sample().render(1, false), "NAME\nnas\na-long-name\n");
}

TEST(tables, optional_column_shows_once_a_cell_has_text) {
   table t = sample();
   t.add({"b", "idle", "0 B", "0 B", "no answer"});
   EXPECT_NE(t.render(0, false).find("ERROR"), std::string::npos);
   EXPECT_EQ(sample().render(0, false).find("ERROR"), std::string::npos);
}

TEST(tables, table_without_rows_is_its_header) {
   EXPECT_EQ(table({{"NAME", 1}, {"ERROR", 1, false, true}}).render(0, false), "NAME\n");
}

TEST(tables, colors_do_not_move_columns) {
   const std::string colored = sample().render(0, true);
   EXPECT_NE(colored.find("\033[32mup\033[0m    "), std::string::npos) << colored;
   std::string plain;
   for (size_t i = 0; i < colored.size(); i++) {
      if (colored[i] == '\033')
         i = colored.find('m', i);
      else
         plain += colored[i];
   }
   EXPECT_EQ(plain, sample().render(0, false));
}

TEST(tables, widths_count_characters_and_not_bytes) {
   table t({{"N", 2}, {"S", 1}});
   t.add({"gr\xc3\xbc\xc3\x9f", "x"});
   t.add({"abcd", "y"});
   EXPECT_EQ(t.render(0, false), "N     S\ngr\xc3\xbc\xc3\x9f  x\nabcd  y\n");
}

TEST(tables, control_characters_cannot_drive_the_terminal) {
   table t({{"N", 1}});
   t.add({"a\033[2Jb\nc\x7f\xc2\x9b"
          "d"});
   EXPECT_EQ(t.render(0, false), "N\na?[2Jb?c??d\n");
   EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f \xc2\xa9"), "gr\xc3\xbc\xc3\x9f \xc2\xa9"); // text stays
   EXPECT_EQ(printable("a\u202eb\u2066c\u200fd\u061c\u2028"), "a?b?c?d??"); // nothing turns around
   EXPECT_EQ(printable("\u2013\u2026\u20ac\u2070\u0627"), "\u2013\u2026\u20ac\u2070\u0627");
   EXPECT_EQ(printable("\xe2\x80"), "\xe2\x80");
}

} // namespace
} // namespace warren::app
