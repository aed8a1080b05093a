// Reads one TOML table strictly: each key is asked for once, and what nobody asked for is an error
// with the nearest valid key. Internal to core/config, since toml++ stays inside this folder.
#pragma once

#include "core/config/load.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <optional>
#include <set>

namespace warren::config {

/// Collects the errors of one file, bounded.
class error_list {
 public:
   explicit error_list(std::string file) : file_(std::move(file)) {}
   void add(const toml::source_region& where, std::string text) {
      add(location{file_, where.begin.line, where.begin.column}, std::move(text));
   }
   void add(location where, std::string text);
   location at(const toml::source_region& where) const {
      return {file_, where.begin.line, where.begin.column};
   }
   const std::string& file() const { return file_; }
   /// By position; the list is empty afterwards.
   std::vector<config_error> take();

 private:
   std::string file_;
   std::vector<config_error> errors_;
   size_t left_out_ = 0;
};

class table_reader {
 public:
   /// `name` is how messages call the table: "[network]", "[[peer]]"; empty for the file itself.
   table_reader(const toml::table& table, std::string name, error_list& errors)
       : table_(table), name_(std::move(name)), errors_(errors) {}

   std::optional<std::string> string(std::string_view key);
   std::optional<int64_t> integer(std::string_view key, int64_t min, int64_t max);
   std::optional<double> number(std::string_view key);
   std::optional<bool> boolean(std::string_view key);
   std::optional<int64_t> duration(std::string_view key, int64_t min_ns, int64_t max_ns);
   struct item {
      std::string value;
      location where;
   };
   std::vector<item> strings(std::string_view key);
   /// Null when absent; an error when it is something else.
   const toml::table* table(std::string_view key);
   std::vector<const toml::table*> tables(std::string_view key);

   bool has(std::string_view key) const { return table_.contains(key); }
   location where(std::string_view key) const;
   location where() const { return errors_.at(table_.source()); }
   void fail(std::string_view key, std::string text) { errors_.add(where(key), std::move(text)); }
   std::string called(std::string_view key) const;
   error_list& errors() { return errors_; }
   /// Reports every key that nobody asked for. Call last.
   void finish();

 private:
   const toml::node* find(std::string_view key);
   void wrong_type(std::string_view key, const toml::node& found, std::string_view expected);

   const toml::table& table_;
   std::string name_;
   error_list& errors_;
   std::set<std::string, std::less<>> known_;
};

/// Parses, or adds the syntax error and gives nothing.
std::optional<toml::table> parse_toml(std::string_view text, error_list& errors);

std::string type_name(const toml::node& node);

/// Reads a plugin's own table against its declared keys, fills in defaults. `table` may be null:
/// all defaults.
plugin_values read_plugin_values(const toml::table* table, const wrn_plugin_desc& desc,
                                 const location& where, const std::filesystem::path& folder,
                                 error_list& errors);

/// The tables of warren.toml.
daemon read_daemon(const toml::table& table, const std::filesystem::path& file, error_list& errors);

/// [plugins.sha256]: "acme.so" = "64 hexadecimal digits".
void read_pins(const toml::table& table, daemon& d, error_list& errors);

/// A path from the configuration: relative ones start at `folder`, "credential:NAME" is a systemd
/// credential.
std::filesystem::path resolve_path(std::string_view text, const std::filesystem::path& folder);

} // namespace warren::config
