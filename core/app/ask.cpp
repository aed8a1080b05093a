#include "core/app/ask.hpp"

#include "core/app/format.hpp"
#include "core/app/qr.hpp"

#include <CLI/CLI.hpp>
#include <fstream>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr size_t key_beginning_min = 8;
constexpr size_t listed_max = 8;

std::string value_of(const json::value& row, std::string_view key) {
   const uint64_t number = number_of(row, key);
   return number != 0 ? std::to_string(number) : text_of(row, key);
}

/// "web (r-1, key_9ZYXWVUT)"
std::string label_of(const json::value& row) {
   std::string inside = text_of(row, "request");
   const std::string key =
         text_of(row, "id").empty() ? text_of(row, "tunnel_key") : text_of(row, "id");
   if (!key.empty()) inside += (inside.empty() ? "" : ", ") + key.substr(0, 16);
   return text_of(row, "name") + (inside.empty() ? "" : " (" + inside + ")");
}

} // namespace

base::result<network_api> connect_network(const command_context& c) {
   network_api out;
   auto daemon = c.connect();
   if (!daemon) return daemon.error();
   out.daemon = std::move(*daemon);
   auto network = c.pick_network(*out.daemon);
   if (!network) return network.error();
   out.network = std::move(*network);
   return out;
}

int print_answer(const command_context& c, const base::result<json::value>& answer,
                 const printer& print) {
   if (!answer) return c.refuse(answer.error());
   if (c.json)
      c.print(*answer);
   else
      print(*answer);
   return exit_ok;
}

int ask(const command_context& c, std::string_view method, std::string_view tail,
        const json::value& body, const printer& print) {
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   return print_answer(c, api->request(method, tail, body), print);
}

void print_line(const command_context& c, std::string_view name, std::string_view value, tint t) {
   const std::string padding(name.size() < 11 ? 11 - name.size() : 1, ' ');
   c.out << c.paint(std::string(name) + padding, tint::faint) << c.paint(printable(value), t)
         << "\n";
}

void print_code(const command_context& c, std::string_view text, bool asked) {
   if (c.json || (!asked && c.width == 0)) return;
   const auto code = make_qr_code(text, c.color);
   if (code && (c.width == 0 || code->columns <= c.width)) {
      c.out << code->lines;
      return;
   }
   if (!asked) return;
   c.err << "warren: "
         << (code ? "the QR code needs " + std::to_string(code->columns) +
                          " columns, which this terminal has not"
                  : std::string("this text is too long for a QR code"))
         << "\n";
}

base::result<std::string> read_small_file(const std::string& file, size_t bytes_max) {
   std::ifstream in(file, std::ios::binary);
   std::string text(bytes_max + 1, '\0');
   in.read(text.data(), static_cast<std::streamsize>(text.size()));
   if (!in.is_open() || in.bad()) {
      const int e = errno;
      return base::fail_errno(base::errc_of_errno(e), "cannot read " + file, e);
   }
   text.resize(static_cast<size_t>(in.gcount()));
   if (text.size() > bytes_max)
      return fail(errc::limit, file + " has more than " + std::to_string(bytes_max) + " bytes");
   return text;
}

json::array to_array(const std::vector<std::string>& texts) {
   return json::array(texts.begin(), texts.end());
}

void set_texts(json::object& body, std::string_view key, const std::vector<std::string>& texts) {
   if (!texts.empty()) body[key] = to_array(texts);
}

void set_text(json::object& body, std::string_view key, std::string_view text) {
   if (!text.empty()) body[key] = text;
}

base::result<void> set_lifetime(json::object& body, std::string_view key, const std::string& text) {
   if (text.empty()) return {};
   const auto seconds = parse_lifetime(text);
   if (!seconds) return seconds.error();
   body[key] = *seconds;
   return {};
}

void add_list_option(CLI::App& app, const std::string& name, std::vector<std::string>& into,
                     const std::string& description, const std::string& type) {
   app.add_option(name, into, description)->type_name(type)->allow_extra_args(false);
}

base::result<const json::value*> pick_row(const json::array& rows, std::string_view text,
                                          std::initializer_list<std::string_view> exact,
                                          std::initializer_list<std::string_view> beginnings,
                                          std::string_view what) {
   std::vector<const json::value*> found;
   const auto collect = [&](const auto& fits) {
      if (!found.empty() || text.empty()) return; // nothing would name whoever lacks a key
      for (const json::value& row : rows)
         if (fits(row)) found.push_back(&row);
   };
   // The first key of `exact` is one that nobody can choose for himself, so it wins alone.
   collect([&](const json::value& row) { return value_of(row, *exact.begin()) == text; });
   collect([&](const json::value& row) {
      return std::any_of(exact.begin(), exact.end(),
                         [&](auto key) { return value_of(row, key) == text; });
   });
   if (text.size() >= key_beginning_min)
      collect([&](const json::value& row) {
         return std::any_of(beginnings.begin(), beginnings.end(),
                            [&](auto key) { return text_of(row, key).starts_with(text); });
      });
   if (found.size() == 1) return found.front();
   const std::string quoted = "'" + std::string(text) + "'";
   if (found.empty())
      return fail(errc::not_found, "no " + std::string(what) + " " + quoted +
                                         "; 'warren member list' shows who there is");
   std::string list;
   for (size_t i = 0; i < found.size() && i < listed_max; i++)
      list += (list.empty() ? "" : ", ") + label_of(*found[i]);
   if (found.size() > listed_max) list += ", …";
   return fail(errc::invalid,
               quoted + " fits several: " + list + "; name one by its request or more of its key");
}

} // namespace warren::app
