#include "core/base/log.hpp"

#include <cstdlib>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace warren::base::log {

namespace {

spdlog::level::level_enum to_spdlog(level l) {
   switch (l) {
   case level::trace:
      return spdlog::level::trace;
   case level::debug:
      return spdlog::level::debug;
   case level::info:
      return spdlog::level::info;
   case level::warn:
      return spdlog::level::warn;
   case level::error:
      return spdlog::level::err;
   }
   return spdlog::level::info;
}

/// The journal reads "<N>" at the start of a line as the syslog priority (sd-daemon(3)).
class journal_priority final : public spdlog::custom_flag_formatter {
 public:
   void format(const spdlog::details::log_msg& message, const std::tm&,
               spdlog::memory_buf_t& out) override {
      static constexpr char priority[] = {'7', '7', '6', '4', '3', '2', '6'};
      const char text[] = {'<', priority[message.level], '>'};
      out.append(text, text + sizeof text);
   }
   std::unique_ptr<custom_flag_formatter> clone() const override {
      return std::make_unique<journal_priority>();
   }
};

std::shared_ptr<spdlog::logger>& logger() {
   static auto instance = [] {
      auto created = std::make_shared<spdlog::logger>(
            "warren", std::make_shared<spdlog::sinks::stderr_sink_mt>());
      created->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      created->set_level(spdlog::level::info);
      return created;
   }();
   return instance;
}

/// logfmt: quotes where a reader could misread, control characters escaped so that a name cannot
/// forge a line.
void append_value(std::string& out, std::string_view value) {
   bool plain = !value.empty();
   for (const char c : value)
      if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\\' || c == 127)
         plain = false;
   if (plain) {
      out += value;
      return;
   }
   out += '"';
   for (const char c : value) {
      if (c == '"' || c == '\\') {
         out += '\\';
         out += c;
      } else if (static_cast<unsigned char>(c) < ' ' || c == 127) {
         static constexpr char digits[] = "0123456789abcdef";
         out += "\\x";
         out += digits[static_cast<unsigned char>(c) >> 4];
         out += digits[c & 15];
      } else {
         out += c;
      }
   }
   out += '"';
}

} // namespace

result<level> parse_level(std::string_view text) {
   for (const level l : {level::trace, level::debug, level::info, level::warn, level::error})
      if (to_string(l) == text) return l;
   return fail(errc::invalid, "'" + std::string(text) +
                                    "' is not a log level; use trace, debug, info, warn or error");
}

std::string_view to_string(level l) {
   switch (l) {
   case level::trace:
      return "trace";
   case level::debug:
      return "debug";
   case level::info:
      return "info";
   case level::warn:
      return "warn";
   case level::error:
      return "error";
   }
   return "info";
}

result<void> open(const target& where) {
   const auto threshold_now = to_spdlog(where.threshold);
   if (where.file.empty()) {
      auto created = std::make_shared<spdlog::logger>(
            "warren", std::make_shared<spdlog::sinks::stderr_sink_mt>());
      if (std::getenv("JOURNAL_STREAM") != nullptr) {
         auto formatter = std::make_unique<spdlog::pattern_formatter>();
         formatter->add_flag<journal_priority>('*').set_pattern("%*%v");
         created->set_formatter(std::move(formatter));
      } else {
         created->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      }
      created->set_level(threshold_now);
      logger() = std::move(created);
      return {};
   }
   try { // spdlog reports an unwritable file by exception only
      auto created = std::make_shared<spdlog::logger>(
            "warren", std::make_shared<spdlog::sinks::basic_file_sink_mt>(where.file));
      created->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      created->set_level(threshold_now);
      created->flush_on(spdlog::level::info);
      logger() = std::move(created);
   } catch (const spdlog::spdlog_ex& e) {
      return fail(errc::io, "cannot open the log file: " + std::string(e.what()) +
                                  "; check log.file in warren.toml");
   }
   return {};
}

void set_threshold(level l) { logger()->set_level(to_spdlog(l)); }

level threshold() {
   switch (logger()->level()) {
   case spdlog::level::trace:
      return level::trace;
   case spdlog::level::debug:
      return level::debug;
   case spdlog::level::warn:
      return level::warn;
   case spdlog::level::err:
      return level::error;
   default:
      return level::info;
   }
}

void write(level l, std::string_view event, std::span<const field> fields) {
   if (!logger()->should_log(to_spdlog(l))) return;
   std::string line(event);
   for (const field& f : fields) {
      line += ' ';
      line += f.key;
      line += '=';
      append_value(line, f.value);
   }
   logger()->log(to_spdlog(l), spdlog::string_view_t(line.data(), line.size()));
}

} // namespace warren::base::log
