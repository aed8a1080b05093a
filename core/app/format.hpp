// Numbers for people: bytes, times, durations; and the durations that people write. Values, any
// thread.
#pragma once

#include "core/base/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace warren::app {

/// "0 B", "999 B", "1.5 KiB", "12.0 MiB", "3.4 GiB": powers of 1024.
std::string format_bytes(uint64_t bytes);

/// "0.42 ms", "12.3 ms", "123 ms", "1.50 s".
std::string format_rtt(uint64_t us);

/// "now", "5 s ago", "3 min ago", "2 h ago", "4 d ago"; "in the future" when a clock was set back.
std::string format_ago(int64_t ms_ago);

/// "250ms", "30s", "2h", or a bare number of seconds: "30", "0.2". At most a day.
base::result<std::chrono::milliseconds> parse_wait(std::string_view text);

/// "90s", "15m", "12h", "7d", "4w" as seconds: at least one, at most ten years.
base::result<int64_t> parse_lifetime(std::string_view text);

/// The first characters of a node id or tunnel key, enough to tell peers apart: "key_6ASf5Ecm".
std::string short_key(std::string_view key);

} // namespace warren::app
