// Goal: what is printed is a QR code that a scanner can find: square, with a quiet zone and its
// three corner patterns, dark and light the right way round. Method: the modules are read back from
// the characters.
#include "core/app/qr.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace warren::app {
namespace {

/// true = light.
std::vector<std::vector<bool>> modules(std::string_view lines) {
   std::vector<std::vector<bool>> out;
   while (!lines.empty()) {
      std::string_view line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      std::vector<bool> above, below;
      while (!line.empty()) {
         const size_t size = line[0] == ' ' ? 1 : 3;
         const std::string_view c = line.substr(0, size);
         above.push_back(c == "█" || c == "▀");
         below.push_back(c == "█" || c == "▄");
         EXPECT_TRUE(c == " " || above.back() || below.back()) << c;
         line.remove_prefix(size);
      }
      out.push_back(above);
      out.push_back(below);
   }
   return out;
}

void expect_corner(const std::vector<std::vector<bool>>& m, size_t top, size_t left) {
   const std::string_view rows[] = {"#######", "#     #", "# ### #", "# ### #",
                                    "# ### #", "#     #", "#######"};
   for (size_t r = 0; r < 7; r++)
      for (size_t c = 0; c < 7; c++)
         EXPECT_EQ(m[top + r][left + c], rows[r][c] == ' ') << r << "," << c;
}

TEST(qr, a_code_has_its_quiet_zone_and_its_corners) {
   for (const size_t size : {1u, 20u, 600u, 2900u}) {
      const auto code = make_qr_code(std::string(size, 'x'), false);
      ASSERT_TRUE(code) << size;
      const auto m = modules(code->lines);
      const size_t side = code->columns - 8;
      EXPECT_EQ(side % 4, 1u);                // 21, 25, 29, …
      ASSERT_EQ(m.size(), code->columns + 1); // odd, so that one more light row fills the line
      for (const auto& row : m)
         ASSERT_EQ(row.size(), code->columns);
      for (size_t i = 0; i < code->columns; i++)
         for (size_t q = 0; q < 4; q++)
            EXPECT_TRUE(m[q][i] && m[i][q] && m[code->columns - q][i] &&
                        m[i][code->columns - 1 - q]);
      expect_corner(m, 4, 4);
      expect_corner(m, 4, 4 + side - 7);
      expect_corner(m, 4 + side - 7, 4);
   }
}

TEST(qr, another_text_is_another_code) {
   EXPECT_EQ(make_qr_code("a", false)->lines, make_qr_code("a", false)->lines);
   EXPECT_NE(make_qr_code("a", false)->lines, make_qr_code("b", false)->lines);
   EXPECT_NE(make_qr_code(std::string_view("a\0b", 3), false)->lines,
             make_qr_code("a", false)->lines); // bytes, not a C string
}

TEST(qr, with_colour_every_line_sets_both_and_puts_them_back) {
   const std::string plain = make_qr_code("a", false)->lines;
   std::string colored = make_qr_code("a", true)->lines;
   const std::string on = "\033[38;5;231;48;5;16m", off = "\033[0m";
   size_t count = 0;
   for (size_t at = 0; (at = colored.find(on)) != std::string::npos; count++)
      colored.erase(at, on.size());
   for (size_t at = 0; (at = colored.find(off)) != std::string::npos;)
      colored.erase(at, off.size());
   EXPECT_EQ(colored, plain);
   EXPECT_EQ(count, 15u); // 21 + 8 modules, two per line
}

TEST(qr, what_does_not_fit_is_no_code) {
   EXPECT_TRUE(make_qr_code(std::string(2953, '\xff'), false));
   EXPECT_FALSE(make_qr_code(std::string(2954, '\xff'), false));
   EXPECT_FALSE(make_qr_code(std::string(1'000'000, 'x'), false));
   EXPECT_FALSE(make_qr_code("", false));
}

} // namespace
} // namespace warren::app
