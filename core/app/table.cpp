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

/// Bytes of a character at the beginning that drives a terminal or turns around what is read: the
/// C0 and C1 controls, line separators, and Unicode's bidirectional marks; 0 for others.
size_t hidden_length(std::string_view text) {
   const auto at = [&](size_t i) {
      return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
   };
   if (at(0) < ' ' || at(0) == 127) return 1;
   if (at(0) == 0xc2 && at(1) >= 0x80 && at(1) < 0xa0) return 2; // C1; some terminals obey them
   if (at(0) == 0xd8 && at(1) == 0x9c) return 2;                 // U+061C
   if (at(0) != 0xe2) return 0;
   const unsigned last = at(2);
   if (at(1) == 0x80 && (last == 0x8e || last == 0x8f || (last >= 0xa8 && last <= 0xae)))
      return 3;                                                    // U+200E, 200F, 2028 to 202E
   return at(1) == 0x81 && last >= 0xa6 && last <= 0xa9 ? 3u : 0u; // U+2066 to 2069
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
   for (size_t i = 0; i < text.size();) {
      if (const size_t n = hidden_length(text.substr(i)); n != 0) {
         out += '?';
         i += n;
      } else {
         out += text[i++];
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
