// From TOML files to config::settings: strict, and all errors of a file at once.
//
// Unknown keys, wrong types and values out of range are errors with file, line, column, what was
// expected and the nearest valid key. Sub-tables of plugins that are not selected are validated
// too, so that changing the one word cannot uncover old mistakes. Control thread.
#pragma once

#include "core/config/model.hpp"
#include "warren/plugin.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace warren::config {

/// One mistake in the operator's input.
struct config_error {
   location where;
   std::string text; // what, what was expected, next step
   /// "file:line:column: text"
   std::string format() const;
};

/// Either a value or every error found.
template <class T> struct loaded {
   T value{};
   std::vector<config_error> errors;
   bool ok() const { return errors.empty(); }
};

/// Tells which keys a plugin has. Null desc for an unknown word; then `unknown_text` says what
/// there is.
struct plugin_schema {
   const wrn_plugin_desc* desc = nullptr;
   std::string unknown_text;
};
using schema_source = std::function<plugin_schema(uint32_t kind, std::string_view word)>;
/// All words of a kind, for "nearest valid key" in sub-tables.
struct schemas {
   schema_source find;
   std::function<std::vector<const wrn_plugin_desc*>(uint32_t kind)> all;
   /// The mistakes of access rules; `file` is how they are called. Empty: not looked for.
   std::function<std::vector<config_error>(std::string_view text, const std::string& file)> rules =
         {};
};

/// Reads warren.toml only (no plugins needed); a missing file is the defaults when
/// `may_be_missing`.
loaded<daemon> load_daemon(const std::filesystem::path& file, bool may_be_missing);

/// Reads one network file. `text_override` is for tests, fuzzing and import.
loaded<network> load_network(const std::filesystem::path& file, const daemon& host,
                             const schemas& plugins);
loaded<network> parse_network(std::string_view text, const std::filesystem::path& file,
                              const daemon& host, const schemas& plugins);

/// All of it, with the checks across networks (names, interfaces, ports).
loaded<settings> load_all(const std::filesystem::path& warren_toml, bool may_be_missing,
                          const std::function<schemas(const daemon&)>& plugins);

/// "transport", "discovery", "routing", "service"; "unknown" for another WRN_KIND_*.
std::string_view kind_name(uint32_t kind);
/// All kinds, in the order in which they are shown.
inline constexpr uint32_t kinds[] = {WRN_KIND_TRANSPORT, WRN_KIND_DISCOVERY, WRN_KIND_ROUTING,
                                     WRN_KIND_SERVICE};

/// The transport that an endpoint such as "wireguard://[key_…@]nas.example.net:51820" names, or
/// what is wrong with it.
base::result<std::string> endpoint_transport(const std::string& endpoint);

/// The candidate most like `word`, or empty when none is near (Damerau-Levenshtein distance at most
/// a third of the length, at least 1).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "250ms", "25s", "2h", "1d" to nanoseconds; false for anything else.
bool parse_duration(std::string_view text, int64_t& ns);

/// Every key of warren.toml or of a network file with its default and help, as TOML that loads.
std::string example_daemon();
std::string example_network(const schemas& plugins);

} // namespace warren::config
