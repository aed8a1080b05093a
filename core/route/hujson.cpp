#include "core/route/hujson.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace warren::route {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void put_utf8(std::string& out, uint32_t c) {
   const auto more = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
   if (c < 0x80) {
      out += static_cast<char>(c);
   } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | c >> 6);
      more(0);
   } else if (c < 0x10000) {
      out += static_cast<char>(0xe0 | c >> 12);
      more(6);
      more(0);
   } else {
      out += static_cast<char>(0xf0 | c >> 18);
      more(12);
      more(6);
      more(0);
   }
}

/// The first mistake ends everything: `failed_` is looked at after each step.
class parser {
 public:
   parser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

   base::result<hujson> run() {
      hujson root;
      if (text_.starts_with("\xef\xbb\xbf")) next_ = 3;
      skip();
      if (!failed_) value(root, 0);
      if (!failed_) skip();
      if (!failed_ && next_ < text_.size()) fail("something follows the end of the document");
      if (failed_) return base::fail(base::errc::config, mistake_);
      return root;
   }

 private:
   bool at_end() const { return next_ >= text_.size(); }
   char peek() const { return at_end() ? '\0' : text_[next_]; }
   void advance() {
      const auto c = static_cast<unsigned char>(text_[next_++]);
      if (c == '\n') {
         here_.line++;
         here_.column = 1;
      } else if ((c & 0xc0) != 0x80) { // a continuation byte belongs to the one before
         here_.column++;
      }
   }
   void fail(std::string_view what) { fail_at(here_, what); }
   void fail_at(const position& at, std::string_view what) {
      if (failed_) return;
      failed_ = true;
      mistake_ = format_mistake(file_, at, what);
   }

   /// Blanks and comments.
   void skip() {
      while (!at_end()) {
         const char c = peek();
         if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            advance();
         } else if (text_.substr(next_, 2) == "//") {
            while (!at_end() && peek() != '\n')
               advance();
         } else if (text_.substr(next_, 2) == "/*") {
            const position start = here_;
            const size_t end = text_.find("*/", next_ + 2);
            if (end == std::string_view::npos)
               return fail_at(start, "this comment has no end; expected '*/'");
            while (next_ < end + 2)
               advance();
         } else {
            return;
         }
      }
   }

   void value(hujson& out, size_t depth) {
      out.at = here_;
      if (++values_ > hujson_values_max)
         return fail("more than " + std::to_string(hujson_values_max) + " values");
      switch (peek()) {
      case '{':
      case '[':
         if (depth >= hujson_depth_max)
            return fail("nested deeper than " + std::to_string(hujson_depth_max));
         return list(out, depth, peek() == '{');
      case '"':
         out.type = hujson::kind::string;
         return string(out.text);
      case 't':
         return word(out, hujson::kind::boolean, "true");
      case 'f':
         return word(out, hujson::kind::boolean, "false");
      case 'n':
         return word(out, hujson::kind::null, "null");
      default:
         if (is_digit(peek()) || peek() == '-') return number(out);
         return fail(at_end() ? "the text ends where a value is expected"
                              : "expected a value: an object, a list, a string in double quotes, "
                                "a number, true, false or null");
      }
   }

   void word(hujson& out, hujson::kind type, std::string_view spelled) {
      if (text_.substr(next_, spelled.size()) != spelled)
         return fail("expected true, false or null; strings stand in double quotes");
      out.type = type;
      out.text = spelled;
      for (size_t i = 0; i < spelled.size(); i++)
         advance();
   }

   void number(hujson& out) {
      const size_t start = next_;
      const auto digits = [&] {
         const size_t first = next_;
         while (is_digit(peek()))
            advance();
         return next_ > first;
      };
      if (peek() == '-') advance();
      const bool zero = peek() == '0';
      const size_t whole = next_;
      bool good = digits() && !(zero && next_ - whole > 1);
      if (good && peek() == '.') {
         advance();
         good = digits();
      }
      if (good && (peek() == 'e' || peek() == 'E')) {
         advance();
         if (peek() == '+' || peek() == '-') advance();
         good = digits();
      }
      if (!good) return fail_at(out.at, "this is not a number as JSON has them");
      out.type = hujson::kind::number;
      out.text = text_.substr(start, next_ - start);
   }

   std::optional<uint32_t> hex4() {
      uint32_t code = 0;
      for (int i = 0; i < 4; i++) {
         const char c = peek();
         const int digit = is_digit(c)              ? c - '0'
                           : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                           : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                    : -1;
         if (digit < 0) {
            fail("expected four hexadecimal digits");
            return std::nullopt;
         }
         code = code << 4 | static_cast<uint32_t>(digit);
         advance();
      }
      return code;
   }

   void escape(std::string& out) {
      static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
      const position start = here_;
      advance(); // the backslash
      const char c = peek();
      if (c == 'u') {
         advance();
         auto code = hex4();
         if (!code) return;
         if (*code >= 0xd800 && *code < 0xdc00 && text_.substr(next_, 2) == "\\u") {
            advance();
            advance();
            const auto low = hex4();
            if (!low) return;
            if (*low < 0xdc00 || *low > 0xdfff) return fail_at(start, "half of a character");
            code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
         } else if (*code >= 0xd800 && *code <= 0xdfff) {
            return fail_at(start, "half of a character");
         }
         return put_utf8(out, *code);
      }
      const size_t which = at_end() ? std::string_view::npos : names.find(c);
      if (which == std::string_view::npos) return fail_at(start, "unknown escape in a string");
      out += values[which];
      advance();
   }

   void string(std::string& out) {
      const position start = here_;
      advance();
      while (!failed_) {
         if (at_end() || peek() == '\n') return fail_at(start, "this string has no end");
         const char c = peek();
         if (c == '"') return advance();
         if (c == '\\') {
            escape(out);
         } else if (static_cast<unsigned char>(c) < ' ') {
            return fail("a control character in a string; write it as \\u00XX");
         } else {
            out += c;
            advance();
         }
      }
   }

   void member_key(hujson& out) {
      out.key_at = here_;
      if (peek() != '"') return fail("expected a key in double quotes, or '}'");
      string(out.key);
      if (failed_) return;
      skip();
      if (failed_) return;
      if (peek() != ':') return fail("expected ':' after the key \"" + out.key + "\"");
      advance();
      skip();
   }

   void list(hujson& out, size_t depth, bool object) {
      out.type = object ? hujson::kind::object : hujson::kind::array;
      const char end = object ? '}' : ']';
      std::unordered_set<std::string> keys;
      advance();
      while (true) {
         skip();
         if (failed_) return;
         if (at_end())
            return fail_at(out.at, object ? "this object has no end; expected '}'"
                                          : "this list has no end; expected ']'");
         if (peek() == end) return advance();
         hujson item;
         if (object) {
            member_key(item);
            if (failed_) return;
            if (!keys.insert(item.key).second)
               return fail_at(item.key_at, "the key \"" + item.key + "\" is given twice");
         }
         value(item, depth + 1);
         if (failed_) return;
         out.items.push_back(std::move(item));
         skip();
         if (failed_) return;
         if (peek() == ',')
            advance();
         else if (peek() != end)
            return fail(std::string("expected ',' or '") + end + "'");
      }
   }

   std::string_view text_, file_;
   size_t next_ = 0, values_ = 0;
   position here_;
   bool failed_ = false;
   std::string mistake_;
};

} // namespace

const hujson* hujson::find(std::string_view name) const {
   const auto it =
         std::find_if(items.begin(), items.end(), [&](const hujson& i) { return i.key == name; });
   return it == items.end() || type != kind::object ? nullptr : &*it;
}

std::string format_mistake(std::string_view file, const position& at, std::string_view text) {
   return std::string(file) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
          ": " + std::string(text);
}

base::result<hujson> parse_hujson(std::string_view text, std::string_view file) {
   if (text.size() > hujson_bytes_max)
      return base::fail(base::errc::config,
                        format_mistake(file, {},
                                       "the text has more than " +
                                             std::to_string(hujson_bytes_max) + " bytes"));
   return parser(text, file).run();
}

} // namespace warren::route
