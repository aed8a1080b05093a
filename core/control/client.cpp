#include "core/control/client.hpp"

#include "core/control/json.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

namespace warren::control {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using base::errc;
using base::fail;
using protocol = asio::local::stream_protocol;

namespace {

constexpr auto connect_timeout = std::chrono::seconds(5);
constexpr size_t answer_bytes_max = 64u << 20; // a status of 4,096 peers is about 4 MB
constexpr size_t event_bytes_max = 256u << 10;

} // namespace

struct client::impl {
   std::string path;
   asio::io_context context{1};
   beast::basic_stream<protocol> stream{context};
   beast::flat_buffer buffer;
   bool open = false;

   /// Runs what was started until its handler was called.
   void run() {
      context.restart();
      context.run();
   }

   base::result<void> connect();
   base::error broken(const boost::system::error_code& ec);
   base::result<void> send(std::string_view method, std::string_view target,
                           const json::value& body, bool keep_alive);
};

base::result<void> client::impl::connect() {
   if (path.empty() || path.size() > 107)
      return fail(errc::invalid,
                  "'" + path + "' is not the path of a unix socket; it has 1 to 107 bytes");
   boost::system::error_code ec = asio::error::timed_out;
   stream.expires_after(connect_timeout);
   stream.async_connect(protocol::endpoint(path),
                        [&ec](const boost::system::error_code& result) { ec = result; });
   run();
   if (!ec) {
      open = true;
      buffer.clear();
      return {};
   }
   if (ec == boost::system::errc::permission_denied)
      return fail(errc::permission, "no permission to talk to the daemon at " + path +
                                          "; use sudo or join group 'warren'");
   if (ec == boost::system::errc::no_such_file_or_directory ||
       ec == boost::system::errc::connection_refused)
      return fail(errc::unavailable,
                  "the warren daemon is not running (" +
                        std::string(ec == boost::system::errc::connection_refused
                                          ? "nobody answers on "
                                          : "no ") +
                        path + "); start it with 'warren up' or 'systemctl start warren'");
   if (ec == beast::error::timeout)
      return fail(errc::timeout,
                  "the daemon does not accept connections on " + path + "; see its log");
   return fail(errc::io, "cannot connect to " + path + ": " + ec.message());
}

base::error client::impl::broken(const boost::system::error_code& ec) {
   open = false;
   boost::system::error_code ignored;
   stream.socket().close(ignored);
   if (ec == beast::error::timeout)
      return fail(errc::timeout, "the daemon did not answer in time on " + path + "; see its log");
   if (ec == http::error::end_of_stream || ec == asio::error::eof ||
       ec == asio::error::connection_reset || ec == asio::error::broken_pipe)
      return fail(errc::io, "the daemon closed the connection on " + path +
                                  "; it is stopping or has too many, try again");
   return fail(errc::io, "cannot talk to the daemon on " + path + ": " + ec.message());
}

base::result<void> client::impl::send(std::string_view method, std::string_view target,
                                      const json::value& body, bool keep_alive) {
   // The daemon closes connections that are idle for long; nothing but its goodbye can be waiting
   // here.
   char byte = 0;
   if (open && ::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
      boost::system::error_code ignored;
      stream.socket().close(ignored);
      open = false;
   }
   if (!open)
      if (auto ok = connect(); !ok) return ok.error();
   http::request<http::string_body> out;
   out.version(11);
   out.method_string(beast::string_view(method.data(), method.size()));
   out.target(beast::string_view(target.data(), target.size()));
   out.set(http::field::host, "warren");
   out.keep_alive(keep_alive);
   if (!body.is_null()) {
      out.set(http::field::content_type, "application/json");
      out.body() = to_text(body);
   }
   out.prepare_payload();
   boost::system::error_code ec;
   http::async_write(stream, out,
                     [&ec](const boost::system::error_code& result, size_t) { ec = result; });
   run();
   if (ec) return broken(ec);
   return {};
}

client::client(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
client::~client() = default;

base::result<std::unique_ptr<api>> client::connect(const std::string& socket) {
   auto i = std::make_unique<impl>();
   i->path = socket;
   if (auto ok = i->connect(); !ok) return ok.error();
   return std::unique_ptr<api>(new client(std::move(i)));
}

base::result<json::value> client::request(std::string_view method, std::string_view path,
                                          const json::value& body,
                                          std::chrono::milliseconds timeout) {
   impl_->stream.expires_after(timeout);
   if (auto ok = impl_->send(method, path, body, true); !ok) return ok.error();
   http::response_parser<http::string_body> parser;
   parser.body_limit(answer_bytes_max);
   boost::system::error_code ec;
   impl_->stream.expires_after(timeout);
   http::async_read(impl_->stream, impl_->buffer, parser,
                    [&ec](const boost::system::error_code& result, size_t) { ec = result; });
   impl_->run();
   if (ec) return impl_->broken(ec);
   const auto& answer = parser.get();
   if (!answer.keep_alive()) {
      boost::system::error_code ignored;
      impl_->stream.socket().close(ignored);
      impl_->open = false;
   }
   json::value content = json::parse(answer.body(), ec);
   if (ec)
      return fail(errc::io, "the daemon's answer on " + impl_->path +
                                  " is not JSON; is another program listening there?");
   if (answer.result_int() / 100 != 2) return error_of_problem(answer.result_int(), content);
   return content;
}

base::result<void> client::events(bool follow,
                                  const std::function<bool(const json::value&)>& on_event) {
   impl_->stream.expires_after(connect_timeout);
   if (auto ok = impl_->send("GET", follow ? "/v1/events?follow=1" : "/v1/events", nullptr, false);
       !ok)
      return ok;
   http::response_parser<http::buffer_body> parser;
   parser.body_limit(boost::none);
   boost::system::error_code ec;
   http::async_read_header(impl_->stream, impl_->buffer, parser,
                           [&ec](const boost::system::error_code& result, size_t) { ec = result; });
   impl_->run();
   if (ec) return impl_->broken(ec);
   if (parser.get().result_int() / 100 != 2) {
      // A refusal has a body of its own; its status says enough.
      impl_->open = false;
      return error_of_problem(parser.get().result_int(),
                              json::object{{"detail", "the daemon refused the event stream; too "
                                                      "many 'warren events' may be running"}});
   }
   if (follow)
      impl_->stream.expires_never();
   else
      impl_->stream.expires_after(connect_timeout);
   std::string pending;
   std::array<char, 4096> part;
   while (!parser.is_done()) {
      parser.get().body().data = part.data();
      parser.get().body().size = part.size();
      http::async_read_some(
            impl_->stream, impl_->buffer, parser,
            [&ec](const boost::system::error_code& result, size_t) { ec = result; });
      impl_->run();
      if (ec == http::error::need_buffer) ec = {};
      pending.append(part.data(), part.size() - parser.get().body().size);
      size_t end = 0;
      while ((end = pending.find('\n')) != std::string::npos) {
         boost::system::error_code parse_error;
         const json::value event =
               json::parse(std::string_view(pending).substr(0, end), parse_error);
         if (parse_error) return fail(errc::io, "the daemon sent an event that is not JSON");
         pending.erase(0, end + 1);
         if (!on_event(event)) {
            boost::system::error_code ignored;
            impl_->stream.socket().close(ignored);
            impl_->open = false;
            return {};
         }
      }
      if (pending.size() > event_bytes_max)
         return fail(errc::limit, "the daemon sent an event of more than " +
                                        std::to_string(event_bytes_max) + " bytes");
      if (ec) break;
   }
   const bool ended = !ec || ec == http::error::end_of_stream || ec == asio::error::eof;
   const base::error why =
         impl_->broken(ec ? ec : asio::error::eof); // the stream's end is the connection's
   if (!ended) return why;
   if (follow)
      return fail(errc::io, "the daemon ended the event stream; it was stopped, or events came "
                            "faster than they were read");
   return {};
}

base::error error_of_problem(unsigned status, const json::value& body) {
   const auto text_in = [&](const char* key) -> std::string {
      const json::value* v = body.is_object() ? body.as_object().if_contains(key) : nullptr;
      return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
   };
   std::string detail = text_in("detail");
   if (detail.empty()) detail = "the daemon answered with HTTP status " + std::to_string(status);
   const std::string title = text_in("title");
   for (int i = static_cast<int>(errc::invalid); i <= static_cast<int>(errc::internal); i++)
      if (const auto code = static_cast<errc>(i); base::to_string(code) == title)
         return fail(code == errc::unavailable ? errc::state : code, std::move(detail));
   const errc code = [&] {
      switch (status) {
      case 400:
         return errc::invalid;
      case 403:
         return errc::permission;
      case 404:
         return errc::not_found;
      case 409:
         return errc::state;
      case 413:
         return errc::limit;
      case 422:
         return errc::config;
      case 503:
         return errc::state;
      case 504:
         return errc::timeout;
      default:
         return errc::internal;
      }
   }();
   return fail(code, std::move(detail));
}

std::string encode_segment(std::string_view text) {
   static constexpr char digits[] = "0123456789ABCDEF";
   std::string out;
   for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '_' || c == '.') {
         out += c;
      } else {
         out += '%';
         out += digits[byte >> 4];
         out += digits[byte & 15];
      }
   }
   return out;
}

} // namespace warren::control
