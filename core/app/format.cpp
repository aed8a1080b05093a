#include "core/app/format.hpp"

#include "core/config/load.hpp"

#include <charconv>
#include <fmt/format.h>

namespace warren::app {

std::string format_bytes(uint64_t bytes) {
   if (bytes < 1024) return std::to_string(bytes) + " B";
   static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
   auto value = static_cast<double>(bytes) / 1024;
   size_t unit = 0;
   while (value >= 1023.95 && unit + 1 < std::size(units)) { // what would be printed as 1024.0
      value /= 1024;
      unit++;
   }
   return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string format_rtt(uint64_t us) {
   const auto ms = static_cast<double>(us) / 1000;
   if (us < 9'995) return fmt::format("{:.2f} ms", ms);
   if (us < 99'950) return fmt::format("{:.1f} ms", ms);
   if (us < 999'500) return fmt::format("{:.0f} ms", ms);
   return fmt::format("{:.2f} s", ms / 1000);
}

std::string format_ago(int64_t ms_ago) {
   if (ms_ago < -1000) return "in the future";
   const int64_t s = ms_ago / 1000;
   if (s < 1) return "now";
   if (s < 60) return fmt::format("{} s ago", s);
   if (s < 3600) return fmt::format("{} min ago", s / 60);
   if (s < 86'400) return fmt::format("{} h ago", s / 3600);
   return fmt::format("{} d ago", s / 86'400);
}

base::result<std::chrono::milliseconds> parse_wait(std::string_view text) {
   constexpr int64_t day_ms = 86'400'000;
   int64_t ns = 0;
   if (config::parse_duration(text, ns) && ns >= 0 && ns / 1'000'000 <= day_ms)
      return std::chrono::milliseconds(ns / 1'000'000);
   double seconds = 0;
   const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
   if (ec == std::errc{} && end == text.data() + text.size() && seconds >= 0 &&
       seconds * 1000 <= day_ms)
      return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000 + 0.5));
   return base::fail(base::errc::invalid,
                     "'" + std::string(text) +
                           "' is not a duration; use seconds or 250ms, 30s, 5m, at most a day");
}

base::result<int64_t> parse_lifetime(std::string_view text) {
   constexpr int64_t seconds_max = int64_t{3660} * 86'400;
   const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
   int64_t count = 0, unit = 0;
   switch (text.empty() ? '\0' : text.back()) {
   case 's':
      unit = 1;
      break;
   case 'm':
      unit = 60;
      break;
   case 'h':
      unit = 3600;
      break;
   case 'd':
      unit = 86'400;
      break;
   case 'w':
      unit = 7 * 86'400;
      break;
   default:
      break;
   }
   const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
   if (unit == 0 || ec != std::errc{} || end != digits.data() + digits.size() || count < 1 ||
       count > seconds_max / unit)
      return base::fail(base::errc::invalid, "'" + std::string(text) +
                                                   "' is not a lifetime; use 90s, 15m, 12h, 7d or "
                                                   "4w, at most ten years");
   return count * unit;
}

std::string short_key(std::string_view key) { return std::string(key.substr(0, 12)); }

} // namespace warren::app
