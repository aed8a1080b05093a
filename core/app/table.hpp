// A table for people: columns as wide as they must be, the least important left out when the
// terminal is narrow. Values, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace warren::app {

enum class tint { none, good, warning, bad, faint, strong };

/// Wraps text in an ANSI colour when `color`.
std::string paint(std::string_view text, tint t, bool color);

/// Control characters and marks of the direction of writing replaced by '?', so that a text from
/// elsewhere cannot drive the terminal or look like another.
std::string printable(std::string_view text);

/// Columns that a text takes: code points of UTF-8.
size_t display_width(std::string_view text);

class table {
 public:
   struct column {
      std::string title;
      int importance = 0;    // the lowest is left out first; equal ones from the right
      bool right = false;    // numbers
      bool optional = false; // left out when every cell is empty
   };
   struct cell {
      std::string text; // empty shows as "-"
      tint color = tint::none;
      cell(std::string t, tint c = tint::none) : text(std::move(t)), color(c) {}
      cell(const char* t) : text(t) {}
   };

   explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
   /// As many cells as columns.
   void add(std::vector<cell> row);
   /// Lines with a header; `width` 0 means unlimited. The most important column always stays.
   std::string render(size_t width, bool color) const;

 private:
   std::vector<column> columns_;
   std::vector<std::vector<cell>> rows_;
};

} // namespace warren::app
