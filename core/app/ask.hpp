// What the commands about membership share: one request about a network and its answer, files that
// they read, tables and codes that they print. Internal to the command line.
#pragma once

#include "core/app/commands.hpp"

#include <boost/json.hpp>

namespace warren::app {

/// A daemon and the network meant.
struct network_api {
   std::unique_ptr<control::api> daemon;
   std::string network;

   base::result<boost::json::value> request(std::string_view method, std::string_view tail,
                                            const boost::json::value& body = nullptr) const {
      return daemon->request(method, network_path(network, tail), body, answer_timeout);
   }
};
base::result<network_api> connect_network(const command_context& c);

using printer = std::function<void(const boost::json::value&)>;
/// Prints the answer: as it is with --json, else by `print`. The exit code.
int print_answer(const command_context& c, const base::result<boost::json::value>& answer,
                 const printer& print);
/// One request about the network meant, and its answer printed.
int ask(const command_context& c, std::string_view method, std::string_view tail,
        const boost::json::value& body, const printer& print);

/// A name and a value, aligned with others; the value is made printable.
void print_line(const command_context& c, std::string_view name, std::string_view value,
                tint t = tint::none);
/// A QR code of `text`: on a terminal that is wide enough, or anywhere when it was asked for.
void print_code(const command_context& c, std::string_view text, bool asked);

/// The file's text, at most `bytes_max`.
base::result<std::string> read_small_file(const std::string& file, size_t bytes_max);

boost::json::array to_array(const std::vector<std::string>& texts);
/// Sets `key` unless there is nothing to say.
void set_texts(boost::json::object& body, std::string_view key,
               const std::vector<std::string>& texts);
void set_text(boost::json::object& body, std::string_view key, std::string_view text);
/// Sets `key` to the seconds of a lifetime such as "7d".
base::result<void> set_lifetime(boost::json::object& body, std::string_view key,
                                const std::string& text);

/// An option that takes one value and may be given again.
void add_list_option(CLI::App& app, const std::string& name, std::vector<std::string>& into,
                     const std::string& description, const std::string& type);

/// Of `rows`, the one that `text` names exactly by one of `exact`, or as the beginning of one of
/// `beginnings` (keys; at least eight characters). errc::not_found when there is none,
/// errc::invalid with a list when several fit. `what` is "request" or "member".
base::result<const boost::json::value*> pick_row(const boost::json::array& rows,
                                                 std::string_view text,
                                                 std::initializer_list<std::string_view> exact,
                                                 std::initializer_list<std::string_view> beginnings,
                                                 std::string_view what);

} // namespace warren::app
