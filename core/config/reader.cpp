#include "core/config/reader.hpp"

#include "core/base/limits.hpp"
#include "core/crypto/key_file.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace warren::config {

namespace {

/// Optimal string alignment distance; names are short.
size_t distance(std::string_view a, std::string_view b) {
   std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
   for (size_t i = 0; i <= a.size(); i++)
      d[i][0] = i;
   for (size_t j = 0; j <= b.size(); j++)
      d[0][j] = j;
   for (size_t i = 1; i <= a.size(); i++)
      for (size_t j = 1; j <= b.size(); j++) {
         d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                             d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
         if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
   return d[a.size()][b.size()];
}

struct number_range {
   std::string_view min, max;
};

number_range split_range(const char* range) {
   if (range == nullptr) return {};
   const std::string_view text = range;
   const size_t dots = text.find("..");
   return dots == std::string_view::npos
                ? number_range{}
                : number_range{text.substr(0, dots), text.substr(dots + 2)};
}

int64_t bound(std::string_view text, int64_t otherwise, bool is_duration) {
   int64_t value = otherwise;
   if (text.empty()) return otherwise;
   if (is_duration) return parse_duration(text, value) ? value : otherwise;
   std::from_chars(text.data(), text.data() + text.size(), value);
   return value;
}

bool is_choice(std::string_view choices, std::string_view value) {
   while (!choices.empty()) {
      const size_t bar = choices.find('|');
      if (choices.substr(0, bar) == value) return true;
      if (bar == std::string_view::npos) break;
      choices.remove_prefix(bar + 1);
   }
   return false;
}

std::string listed(std::string_view choices) {
   std::string out;
   for (const char c : choices)
      out += c == '|' ? std::string(", ") : std::string(1, c);
   return out;
}

/// The declared default, as a value. The description is the module author's; a wrong one reads as
/// absent.
std::optional<plugin_values::value> default_of(const wrn_param& p) {
   if (p.deflt == nullptr) return std::nullopt;
   const auto parsed = toml::parse("v = " + std::string(p.deflt));
   if (!parsed) return std::nullopt;
   const toml::node* node = parsed.table().get("v");
   switch (p.type) {
   case WRN_P_BOOL:
      if (auto v = node->value<bool>()) return *v;
      break;
   case WRN_P_INT:
      if (auto v = node->value<int64_t>()) return *v;
      break;
   case WRN_P_FLOAT:
      if (auto v = node->value<double>()) return *v;
      break;
   case WRN_P_STRING:
   case WRN_P_ENUM:
      if (auto v = node->value<std::string>()) return *v;
      break;
   case WRN_P_DURATION:
      if (auto v = node->value<std::string>())
         if (int64_t ns = 0; parse_duration(*v, ns)) return ns;
      break;
   case WRN_P_STRINGS: {
      std::vector<std::string> all;
      if (const toml::array* list = node->as_array())
         for (const toml::node& item : *list)
            if (auto v = item.value<std::string>()) all.push_back(*v);
      return all;
   }
   default:
      break;
   }
   return std::nullopt;
}

/// The first byte beyond ASCII outside strings and comments, or npos. TOML has none there, and
/// toml++ 3.3 has undefined behaviour for some (its issue 190), so the parser must not see them.
size_t foreign_character(std::string_view text) {
   for (size_t i = 0; i < text.size(); i++) {
      const char c = text[i];
      if (static_cast<unsigned char>(c) >= 0x80) return i;
      if (c == '#') {
         i = text.find('\n', i);
         if (i == std::string_view::npos) break;
      } else if (c == '"' || c == '\'') {
         const std::string triple(3, c);
         const bool multiline = text.substr(i, 3) == triple;
         i += multiline ? 3 : 1;
         for (; i < text.size(); i++) {
            if (c == '"' && text[i] == '\\')
               i++;
            else if (multiline ? text.substr(i, 3) == triple : text[i] == c || text[i] == '\n')
               break;
         }
         if (multiline) i += 2;
      }
   }
   return std::string_view::npos;
}

} // namespace

std::optional<toml::table> parse_toml(std::string_view text, error_list& errors) {
   const size_t mark = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
   if (const size_t at = foreign_character(text.substr(mark)); at != std::string_view::npos) {
      const std::string_view before = text.substr(mark, at);
      const auto line = static_cast<uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
      const size_t line_start = before.rfind('\n') + 1; // npos + 1 is 0
      errors.add(
            location{errors.file(), line, static_cast<uint32_t>(before.size() - line_start + 1)},
            "not valid TOML: a character beyond ASCII outside of quotes; write keys and values "
            "that have one in quotes");
      return std::nullopt;
   }
   auto parsed = toml::parse(text, errors.file());
   if (parsed) return std::move(parsed).table();
   errors.add(parsed.error().source(),
              "not valid TOML: " + std::string(parsed.error().description()));
   return std::nullopt;
}

std::string config_error::format() const {
   std::string out = where.file;
   if (where.line != 0)
      out += ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
   return out + ": " + text;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
   size_t best = std::max<size_t>(1, word.size() / 3) + 1;
   std::string found;
   if (word.size() > 64) return found;
   for (const std::string& c : candidates)
      if (const size_t d = distance(word, c); d < best) {
         best = d;
         found = c;
      }
   return found;
}

bool parse_duration(std::string_view text, int64_t& ns) {
   int64_t value = 0;
   const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
   if (ec != std::errc{} || value < 0) return false;
   static constexpr std::pair<std::string_view, int64_t> units[] = {{"ms", 1'000'000},
                                                                    {"s", 1'000'000'000},
                                                                    {"m", 60'000'000'000},
                                                                    {"h", 3'600'000'000'000},
                                                                    {"d", 86'400'000'000'000}};
   const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
   for (const auto& [name, factor] : units)
      if (unit == name) return !__builtin_mul_overflow(value, factor, &ns);
   return false;
}

void error_list::add(location where, std::string text) {
   if (errors_.size() >= base::limits::config_errors_max) {
      left_out_++;
      return;
   }
   errors_.push_back({std::move(where), std::move(text)});
}

std::vector<config_error> error_list::take() {
   std::stable_sort(errors_.begin(), errors_.end(),
                    [](const config_error& a, const config_error& b) {
                       return std::pair(a.where.line, a.where.column) <
                              std::pair(b.where.line, b.where.column);
                    });
   if (left_out_ != 0)
      errors_.push_back({{file_, 0, 0}, "and " + std::to_string(left_out_) + " more errors"});
   return std::move(errors_);
}

std::string type_name(const toml::node& node) {
   switch (node.type()) {
   case toml::node_type::string:
      return "a string";
   case toml::node_type::integer:
      return "an integer";
   case toml::node_type::floating_point:
      return "a number";
   case toml::node_type::boolean:
      return "true or false";
   case toml::node_type::array:
      return "an array";
   case toml::node_type::table:
      return "a table";
   default:
      return "a date or time";
   }
}

std::string table_reader::called(std::string_view key) const {
   return "'" + std::string(key) + "'" + (name_.empty() ? "" : " in " + name_);
}

location table_reader::where(std::string_view key) const {
   for (auto&& [k, v] : table_)
      if (k.str() == key) return errors_.at(k.source());
   return errors_.at(table_.source());
}

const toml::node* table_reader::find(std::string_view key) {
   known_.emplace(key);
   return table_.get(key);
}

void table_reader::wrong_type(std::string_view key, const toml::node& found,
                              std::string_view expected) {
   errors_.add(found.source(),
               called(key) + " is " + type_name(found) + "; expected " + std::string(expected));
}

std::optional<std::string> table_reader::string(std::string_view key) {
   const toml::node* node = find(key);
   if (node == nullptr) return std::nullopt;
   if (const auto* v = node->as_string()) return v->get();
   wrong_type(key, *node, "a string");
   return std::nullopt;
}

std::optional<int64_t> table_reader::integer(std::string_view key, int64_t min, int64_t max) {
   const toml::node* node = find(key);
   if (node == nullptr) return std::nullopt;
   const std::string expected =
         "an integer from " + std::to_string(min) + " to " + std::to_string(max);
   if (const auto* v = node->as_integer()) {
      if (v->get() >= min && v->get() <= max) return v->get();
      errors_.add(node->source(),
                  called(key) + " is " + std::to_string(v->get()) + "; expected " + expected);
   } else {
      wrong_type(key, *node, expected);
   }
   return std::nullopt;
}

std::optional<double> table_reader::number(std::string_view key) {
   const toml::node* node = find(key);
   if (node == nullptr) return std::nullopt;
   if (node->is_number()) return node->value<double>();
   wrong_type(key, *node, "a number");
   return std::nullopt;
}

std::optional<bool> table_reader::boolean(std::string_view key) {
   const toml::node* node = find(key);
   if (node == nullptr) return std::nullopt;
   if (const auto* v = node->as_boolean()) return v->get();
   wrong_type(key, *node, "true or false");
   return std::nullopt;
}

std::optional<int64_t> table_reader::duration(std::string_view key, int64_t min_ns,
                                              int64_t max_ns) {
   const toml::node* node = find(key);
   if (node == nullptr) return std::nullopt;
   const auto* v = node->as_string();
   if (v == nullptr) {
      wrong_type(key, *node, "a duration in quotes such as \"25s\" (units: ms, s, m, h, d)");
      return std::nullopt;
   }
   int64_t ns = 0;
   if (!parse_duration(v->get(), ns)) {
      errors_.add(node->source(),
                  called(key) + " is \"" + v->get() +
                        "\"; expected a duration such as \"25s\" (units: ms, s, m, h, d)");
      return std::nullopt;
   }
   if (ns < min_ns || ns > max_ns) {
      errors_.add(node->source(), called(key) + " is \"" + v->get() + "\"; expected from " +
                                        std::to_string(min_ns / 1'000'000'000) + "s to " +
                                        std::to_string(max_ns / 1'000'000'000) + "s");
      return std::nullopt;
   }
   return ns;
}

std::vector<table_reader::item> table_reader::strings(std::string_view key) {
   std::vector<item> out;
   const toml::node* node = find(key);
   if (node == nullptr) return out;
   const toml::array* list = node->as_array();
   if (list == nullptr) {
      wrong_type(key, *node, "an array of strings");
      return out;
   }
   for (const toml::node& entry : *list) {
      if (const auto* v = entry.as_string())
         out.push_back({v->get(), errors_.at(entry.source())});
      else
         errors_.add(entry.source(), "an entry of " + called(key) + " is " + type_name(entry) +
                                           "; expected a string");
   }
   return out;
}

const toml::table* table_reader::table(std::string_view key) {
   const toml::node* node = find(key);
   if (node == nullptr) return nullptr;
   if (const toml::table* t = node->as_table()) return t;
   wrong_type(key, *node, "a table, written [" + std::string(key) + "]");
   return nullptr;
}

std::vector<const toml::table*> table_reader::tables(std::string_view key) {
   std::vector<const toml::table*> out;
   const toml::node* node = find(key);
   if (node == nullptr) return out;
   const toml::array* list = node->as_array();
   if (list == nullptr) {
      wrong_type(key, *node, "one or more tables, each written [[" + std::string(key) + "]]");
      return out;
   }
   for (const toml::node& entry : *list) {
      if (const toml::table* t = entry.as_table())
         out.push_back(t);
      else
         errors_.add(entry.source(), "an entry of " + called(key) + " is " + type_name(entry) +
                                           "; expected a table, written [[" + std::string(key) +
                                           "]]");
   }
   return out;
}

void table_reader::finish() {
   const std::vector<std::string> known(known_.begin(), known_.end());
   for (auto&& [key, value] : table_) {
      if (known_.contains(key.str())) continue;
      std::string text = "unknown key " + called(key.str());
      if (const std::string like = nearest(key.str(), known); !like.empty()) {
         text += "; did you mean '" + like + "'?";
      } else {
         text += "; known are ";
         for (size_t i = 0; i < known.size(); i++)
            text += (i == 0 ? "" : ", ") + known[i];
      }
      errors_.add(key.source(), std::move(text));
   }
}

std::filesystem::path resolve_path(std::string_view text, const std::filesystem::path& folder) {
   constexpr std::string_view credential = "credential:";
   if (text.starts_with(credential)) {
      const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
      return std::filesystem::path(directory != nullptr ? directory : "/run/credentials/none") /
             text.substr(credential.size());
   }
   const std::filesystem::path path(text);
   return path.is_absolute() ? path : folder / path;
}

plugin_values read_plugin_values(const toml::table* table, const wrn_plugin_desc& desc,
                                 const location& where, const std::filesystem::path& folder,
                                 error_list& errors) {
   static const toml::table empty;
   plugin_values values;
   values.where = table != nullptr ? errors.at(table->source()) : where;
   table_reader in(table != nullptr ? *table : empty,
                   "[" + std::string(kind_name(desc.kind)) + "." + desc.name + "]", errors);
   for (const wrn_param* p = desc.params; p != nullptr && p->name != nullptr; p++) {
      const number_range range = split_range(p->range);
      std::optional<plugin_values::value> value;
      switch (p->type) {
      case WRN_P_BOOL:
         if (auto v = in.boolean(p->name)) value = *v;
         break;
      case WRN_P_INT:
         if (auto v = in.integer(p->name, bound(range.min, INT64_MIN, false),
                                 bound(range.max, INT64_MAX, false)))
            value = *v;
         break;
      case WRN_P_FLOAT:
         if (auto v = in.number(p->name)) value = *v;
         break;
      case WRN_P_DURATION:
         if (auto v = in.duration(p->name, bound(range.min, 0, true),
                                  bound(range.max, INT64_MAX, true)))
            value = *v;
         break;
      case WRN_P_STRINGS: {
         if (!in.has(p->name)) break;
         std::vector<std::string> all;
         for (auto& item : in.strings(p->name))
            all.push_back(std::move(item.value));
         value = std::move(all);
         break;
      }
      default: // string, enum
         if (auto v = in.string(p->name)) {
            if (p->type == WRN_P_ENUM && p->range != nullptr && !is_choice(p->range, *v))
               in.fail(p->name, in.called(p->name) + " is \"" + *v + "\"; expected one of " +
                                      listed(p->range));
            else
               value = std::move(*v);
         }
      }
      if ((p->flags & WRN_PF_SECRET) != 0 && p->type == WRN_P_STRING) {
         const std::string file_key = std::string(p->name) + "_file";
         if (auto file = in.string(file_key)) {
            if (auto secret = crypto::load_secret(resolve_path(*file, folder))) {
               crypto::bytes32 bytes{};
               std::copy(secret->bytes().begin(), secret->bytes().end(), bytes.begin());
               value = crypto::format_tunnel_key(bytes);
            } else {
               in.fail(file_key, secret.error().text);
            }
         }
      }
      const bool given = value.has_value();
      if (!given && !in.has(p->name)) value = default_of(*p);
      if (value)
         values.entries[p->name] = {std::move(*value), given ? in.where(p->name) : values.where};
      if (!value && !in.has(p->name) && (p->flags & WRN_PF_REQUIRED) != 0)
         errors.add(values.where, "missing key " + in.called(p->name) + ": " + p->help);
   }
   in.finish();
   return values;
}

} // namespace warren::config
