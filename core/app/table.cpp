#include "core/app/table.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace warren::app {

namespace {

constexpr size_t gap = 2;

const std::string& shown(const table::cell& c) {
   static const std::string nothing = "-";
   return c.text.empty() ? nothing : c.text;
}

} // namespace

std::string paint(std::string_view text, tint t, bool color) {
   const char* code = [&]() -> const char* {
      switch (t) {
      case tint::good:
         return "32";
      case tint::warning:
         return "33";
      case tint::bad:
         return "1;31";
      case tint::faint:
         return "2";
      case tint::strong:
         return "1";
      case tint::none:
         break;
      }
      return nullptr;
   }();
   if (!color || code == nullptr) return std::string(text);
   return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

std::string printable(std::string_view text) {
   std::string out;
   for (size_t i = 0; i < text.size(); i++) {
      const auto c = static_cast<unsigned char>(text[i]);
      // C1 controls are two bytes in UTF-8, and some terminals obey them.
      if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
          static_cast<unsigned char>(text[i + 1]) < 0xa0) {
         out += '?';
         i++;
      } else {
         out += c < ' ' || c == 127 ? '?' : text[i];
      }
   }
   return out;
}

size_t display_width(std::string_view text) {
   return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
   }));
}

void table::add(std::vector<cell> row) {
   WRN_ASSERT(row.size() == columns_.size());
   for (cell& c : row)
      c.text = printable(c.text);
   rows_.push_back(std::move(row));
}

std::string table::render(size_t width, bool color) const {
   std::vector<size_t> widths;
   std::vector<size_t> kept;
   for (size_t i = 0; i < columns_.size(); i++) {
      size_t widest = display_width(columns_[i].title);
      bool empty = true;
      for (const auto& row : rows_) {
         widest = std::max(widest, display_width(shown(row[i])));
         empty = empty && row[i].text.empty();
      }
      widths.push_back(widest);
      if (!empty || !columns_[i].optional) kept.push_back(i);
   }
   const auto total = [&] {
      size_t sum = 0;
      for (const size_t i : kept)
         sum += widths[i] + gap;
      return sum - gap;
   };
   while (width != 0 && kept.size() > 1 && total() > width) {
      auto least = kept.begin();
      for (auto it = kept.begin(); it != kept.end(); ++it)
         if (columns_[*it].importance <= columns_[*least].importance) least = it;
      kept.erase(least);
   }
   std::string out;
   const auto line = [&](const auto& text_of) {
      std::string text;
      for (const size_t i : kept) {
         const auto& [content, t] = text_of(i);
         const std::string padding(widths[i] - display_width(content), ' ');
         if (columns_[i].right)
            text += padding + paint(content, t, color);
         else
            text += paint(content, t, color) + padding;
         text += std::string(gap, ' ');
      }
      text.erase(text.find_last_not_of(' ') + 1);
      out += text + "\n";
   };
   line([&](size_t i) { return std::pair(columns_[i].title, tint::faint); });
   for (const auto& row : rows_)
      line([&](size_t i) { return std::pair(shown(row[i]), row[i].color); });
   return out;
}

} // namespace warren::app
