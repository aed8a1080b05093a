#include "sdk/check/values.hpp"

#include "core/config/load.hpp"
#include "sdk/check/report.hpp"

#include <charconv>
#include <cstdlib>

namespace warren::check {

namespace {

/// "text" or 'text' at the front of `in`, without escapes, which nobody needs in a default.
std::optional<std::string> read_string(std::string_view& in) {
   if (in.empty() || (in[0] != '"' && in[0] != '\'')) return std::nullopt;
   const size_t end = in.find(in[0], 1);
   if (end == std::string_view::npos) return std::nullopt;
   std::string text(in.substr(1, end - 1));
   in.remove_prefix(end + 1);
   return text;
}

void skip_blanks(std::string_view& in) {
   while (!in.empty() && (in[0] == ' ' || in[0] == '\n' || in[0] == '\t'))
      in.remove_prefix(1);
}

std::optional<std::string> whole_string(std::string_view in) {
   auto text = read_string(in);
   skip_blanks(in);
   return in.empty() ? text : std::nullopt;
}

std::optional<int64_t> whole_integer(std::string_view in) {
   std::string digits;
   for (const char c : in)
      if (c != '_') digits += c;
   if (!digits.empty() && digits[0] == '+') digits.erase(0, 1);
   int64_t v = 0;
   const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
   if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
   return v;
}

std::optional<double> whole_number(std::string_view in) {
   const std::string text(in);
   char* end = nullptr;
   const double v = std::strtod(text.c_str(), &end);
   return text.empty() || *end != '\0' ? std::nullopt : std::optional(v);
}

std::optional<std::vector<std::string>> whole_list(std::string_view in) {
   if (in.size() < 2 || in.front() != '[' || in.back() != ']') return std::nullopt;
   in = in.substr(1, in.size() - 2);
   std::vector<std::string> all;
   for (skip_blanks(in); !in.empty(); skip_blanks(in)) {
      auto text = read_string(in);
      if (!text) return std::nullopt;
      all.push_back(*text);
      skip_blanks(in);
      if (!in.empty() && in[0] != ',') return std::nullopt;
      if (!in.empty()) in.remove_prefix(1);
   }
   return all;
}

std::vector<std::string> choices_of(std::string_view range) {
   std::vector<std::string> all;
   for (size_t bar = 0; bar != std::string_view::npos;) {
      bar = range.find('|');
      all.emplace_back(range.substr(0, bar));
      if (bar != std::string_view::npos) range.remove_prefix(bar + 1);
   }
   return all;
}

struct ends {
   std::string low, high;
};
std::optional<ends> ends_of(const wrn_param& p) {
   if (p.range == nullptr) return ends{};
   const std::string range = p.range;
   const size_t dots = range.find("..");
   if (dots == std::string::npos) return std::nullopt;
   return ends{range.substr(0, dots), range.substr(dots + 2)};
}

template <class T> std::optional<T> number(const wrn_param& p, const std::string& text) {
   if constexpr (std::is_same_v<T, double>) return whole_number(text);
   if (p.type != WRN_P_DURATION) return whole_integer(text);
   int64_t ns = 0;
   if (!config::parse_duration(text, ns)) return std::nullopt;
   return ns;
}

template <class T> std::string outside(const wrn_param& p, T v) {
   const auto range = ends_of(p);
   if (!range) return "";
   const auto low = number<T>(p, range->low), high = number<T>(p, range->high);
   return (low && v < *low) || (high && v > *high) ? say(v, " lies outside of ", p.range) : "";
}

} // namespace

std::string range_problem(const wrn_param& p) {
   if (p.range == nullptr)
      return p.type == WRN_P_ENUM ? "it is a choice without choices; range is \"a|b|c\"" : "";
   if (p.type == WRN_P_BOOL || p.type == WRN_P_STRING || p.type == WRN_P_STRINGS)
      return "its type has no range";
   if (p.type == WRN_P_ENUM) {
      for (const std::string& choice : choices_of(p.range))
         if (choice.empty()) return say("its range \"", p.range, "\" has an empty choice");
      return "";
   }
   const auto range = ends_of(p);
   if (!range) return say("its range \"", p.range, "\" is not \"min..max\"");
   const auto check = [&](auto kind) -> std::string {
      using T = decltype(kind);
      const auto low = number<T>(p, range->low), high = number<T>(p, range->high);
      if ((!low && !range->low.empty()) || (!high && !range->high.empty()))
         return say("its range \"", p.range, "\" cannot be read");
      return low && high && *low > *high ? say("its range \"", p.range, "\" is empty") : "";
   };
   return p.type == WRN_P_FLOAT ? check(double{}) : check(int64_t{});
}

std::optional<value> default_of(const wrn_param& p, std::string& problem) {
   problem.clear();
   if (p.deflt == nullptr) return std::nullopt;
   const std::string_view text = p.deflt;
   std::optional<value> v;
   const auto keep = [&](auto&& read) {
      if (read) v = *read;
   };
   switch (p.type) {
   case WRN_P_BOOL:
      if (text == "true" || text == "false") v = text == "true";
      break;
   case WRN_P_INT:
      keep(whole_integer(text));
      break;
   case WRN_P_FLOAT:
      keep(whole_number(text));
      break;
   case WRN_P_STRING:
   case WRN_P_ENUM:
      keep(whole_string(text));
      break;
   case WRN_P_DURATION:
      if (const auto s = whole_string(text))
         if (int64_t ns = 0; config::parse_duration(*s, ns)) v = ns;
      break;
   default:
      keep(whole_list(text));
   }
   if (!v)
      problem = say("its default ", text, " is no TOML of its type",
                    p.type == WRN_P_INT ? "" : "; strings and durations are in quotes");
   return v;
}

std::string misfit(const wrn_param& p, const value& v) {
   if (p.range == nullptr) return "";
   if (const auto* i = std::get_if<int64_t>(&v)) return outside(p, *i);
   if (const auto* d = std::get_if<double>(&v)) return outside(p, *d);
   if (const auto* s = std::get_if<std::string>(&v); s != nullptr && p.type == WRN_P_ENUM) {
      for (const std::string& choice : choices_of(p.range))
         if (choice == *s) return "";
      return say("\"", *s, "\" is none of ", p.range);
   }
   return "";
}

std::vector<value> samples_of(const wrn_param& p) {
   std::vector<value> all;
   const auto range = ends_of(p).value_or(ends{});
   switch (p.type) {
   case WRN_P_BOOL:
      return {false, true};
   case WRN_P_INT:
   case WRN_P_DURATION:
      all.emplace_back(number<int64_t>(p, range.low).value_or(p.type == WRN_P_INT ? INT64_MIN : 0));
      all.emplace_back(number<int64_t>(p, range.high).value_or(INT64_MAX));
      return all;
   case WRN_P_FLOAT:
      all.emplace_back(number<double>(p, range.low).value_or(-1e300));
      all.emplace_back(number<double>(p, range.high).value_or(1e300));
      return all;
   case WRN_P_ENUM:
      for (const std::string& choice : choices_of(p.range != nullptr ? p.range : ""))
         all.emplace_back(choice);
      return all;
   case WRN_P_STRING:
      return {std::string(), std::string("x"), std::string(4000, 'x'),
              std::string("%s%n \xc3\xa4")};
   default:
      return {std::vector<std::string>{}, std::vector<std::string>{"x"},
              std::vector<std::string>(200, "entry")};
   }
}

values complete_values(const wrn_param* params) {
   values all;
   for (const wrn_param* p = params; p != nullptr && p->name != nullptr; p++) {
      std::string problem;
      if (auto v = default_of(*p, problem))
         all[p->name] = *v;
      else if ((p->flags & WRN_PF_REQUIRED) != 0)
         if (auto samples = samples_of(*p); !samples.empty())
            all[p->name] = samples[samples.size() > 1 ? 1 : 0];
   }
   return all;
}

} // namespace warren::check
