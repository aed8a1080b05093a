// HuJSON: JSON (RFC 8259) with // and /* */ comments and trailing commas, for files that people
// write. Every value knows its line and column, because mistakes are told by them.
//
// Bounded in bytes, depth and number of values; a duplicate key is a mistake. Pure, any thread.
#pragma once

#include "core/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace warren::route {

/// Where something stands in a text; both count from 1, columns in code points.
struct position {
   uint32_t line = 1;
   uint32_t column = 1;
   friend bool operator==(const position&, const position&) = default;
};

struct hujson {
   enum class kind : uint8_t { null, boolean, number, string, array, object };

   kind type = kind::null;
   position at;
   std::string key; // of a member of an object
   position key_at;
   std::string text; // a string unescaped, a number as written, "true" or "false"
   std::vector<hujson> items;

   /// The member of that name, or null.
   const hujson* find(std::string_view name) const;
};

/// Far above any file that somebody keeps in their head, below what would hurt.
inline constexpr size_t hujson_bytes_max = 1 << 20;
inline constexpr size_t hujson_depth_max = 16;
inline constexpr size_t hujson_values_max = 200'000;

/// "file:line:column: text"
std::string format_mistake(std::string_view file, const position& at, std::string_view text);

/// The document, or its first mistake as "file:line:column: text" (errc::config).
base::result<hujson> parse_hujson(std::string_view text, std::string_view file);

} // namespace warren::route
