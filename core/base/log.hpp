// Structured logging: an event name and typed fields, written by spdlog to stderr, the journal or a
// file. Levels change at run time. Thread-safe; never called on the packet path.
#pragma once

#include "core/base/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace warren::base::log {

enum class level { trace, debug, info, warn, error };

/// Parses "trace" … "error"; nothing else.
result<level> parse_level(std::string_view text);
std::string_view to_string(level l);

/// A field of an event: the value is already text; quoting is the writer's.
struct field {
   std::string_view key;
   std::string value;
   field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
   field(std::string_view k, std::string_view v) : key(k), value(v) {}
   field(std::string_view k, const char* v) : key(k), value(v) {}
   field(std::string_view k, uint64_t v) : key(k), value(std::to_string(v)) {}
   field(std::string_view k, int64_t v) : key(k), value(std::to_string(v)) {}
   field(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
   field(std::string_view k, unsigned v) : key(k), value(std::to_string(v)) {}
   field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
};

/// Where lines go. Empty file: stderr, with syslog priority prefixes when the journal is listening
/// ($JOURNAL_STREAM).
struct target {
   std::string file;
   level threshold = level::info;
};
result<void> open(const target& where);
void set_threshold(level l);
level threshold();

/// Writes `event key=value …` unless below the threshold.
void write(level l, std::string_view event, std::span<const field> fields);
inline void write(level l, std::string_view event, std::initializer_list<field> fields = {}) {
   write(l, event, std::span<const field>(fields.begin(), fields.size()));
}
inline void debug(std::string_view e, std::initializer_list<field> f = {}) {
   write(level::debug, e, f);
}
inline void info(std::string_view e, std::initializer_list<field> f = {}) {
   write(level::info, e, f);
}
inline void warn(std::string_view e, std::initializer_list<field> f = {}) {
   write(level::warn, e, f);
}
inline void error(std::string_view e, std::initializer_list<field> f = {}) {
   write(level::error, e, f);
}

} // namespace warren::base::log
