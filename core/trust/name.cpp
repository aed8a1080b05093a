#include "core/trust/name.hpp"

#include "core/base/limits.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

constexpr size_t name_max = base::limits::name_max;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string quoted(std::string_view text) {
   std::string out = "'";
   for (const char c : text.substr(0, name_max))
      out += c >= ' ' && c < 127 ? c : '?';
   return out + (text.size() > name_max ? "…'" : "'");
}

/// Letters and digits, everything between them one '-'.
std::string legal_part(std::string_view text) {
   std::string out;
   for (const char original : text) {
      const char c = lower(original);
      if (is_letter_or_digit(c))
         out += c;
      else if (!out.empty() && out.back() != '-')
         out += '-';
      if (out.size() == name_max) break;
   }
   while (!out.empty() && out.back() == '-')
      out.pop_back();
   return out;
}

} // namespace

bool is_name(std::string_view text) {
   return !text.empty() && text.size() <= name_max && text.front() != '-' && text.back() != '-' &&
          std::all_of(text.begin(), text.end(),
                      [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

std::string describe_bad_name(std::string_view text, std::string_view what) {
   if (is_name(text)) return {};
   const std::string head = quoted(text) + " cannot be the name of " + std::string(what) + ": ";
   if (text.empty()) return head + "it is empty";
   if (text.size() > name_max)
      return head + "it has " + std::to_string(text.size()) + " bytes, at most " +
             std::to_string(name_max);
   const std::string instead = "; how about '" + suggest_name(text) + "'?";
   if (std::all_of(text.begin(), text.end(),
                   [](char c) { return is_letter_or_digit(c) || c == '-'; }))
      return head + "it begins or ends with '-'" + instead;
   return head + "a name has a-z, 0-9 and '-'" + instead;
}

base::result<void> check_name(std::string_view text, std::string_view what) {
   if (std::string why = describe_bad_name(text, what); !why.empty())
      return base::fail(base::errc::invalid, std::move(why));
   return {};
}

std::string suggest_name(std::string_view text) {
   if (is_name(text)) return std::string(text);
   std::string out = legal_part(text.substr(0, text.find('.')));
   if (out.empty()) out = legal_part(text);
   return out.empty() ? "node" : out;
}

} // namespace warren::trust
