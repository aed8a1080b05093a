#include "core/control/server.hpp"

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/control/json.hpp"
#include "core/control/routes.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <deque>
#include <grp.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::control {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
namespace limits = base::limits;
using protocol = asio::local::stream_protocol;
using stream_type = beast::basic_stream<protocol>;
using asio::experimental::as_tuple;

constexpr auto idle_timeout = std::chrono::seconds(30);
constexpr auto request_timeout = std::chrono::seconds(10);
constexpr uint32_t header_bytes_max = 16 << 10;

constexpr auto use_awaitable = as_tuple(asio::use_awaitable);

/// Who is at the other end, for the log.
std::string caller(protocol::socket& socket) {
   ucred credentials{};
   socklen_t size = sizeof credentials;
   if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
      return "unknown";
   return std::to_string(credentials.uid);
}

/// Header, then the body within the bound that its route has: most get little, documents more.
asio::awaitable<boost::system::error_code>
read_request(stream_type& stream, beast::flat_buffer& buffer,
             http::request_parser<http::string_body>& parser) {
   auto [header_ec, header_bytes] =
         co_await http::async_read_header(stream, buffer, parser, use_awaitable);
   (void)header_bytes;
   if (header_ec) co_return header_ec;
   const auto& r = parser.get();
   const size_t most = body_bytes_max({r.method_string().data(), r.method_string().size()},
                                      {r.target().data(), r.target().size()});
   if (const auto length = parser.content_length(); length && *length > most)
      co_return make_error_code(http::error::body_limit);
   parser.body_limit(most);
   auto [ec, bytes] = co_await http::async_read(stream, buffer, parser, use_awaitable);
   (void)bytes;
   co_return ec;
}

} // namespace

struct server::impl : std::enable_shared_from_this<server::impl> {
   impl(asio::io_context& c, backend& d, std::string p)
       : context(c), daemon(d), path(std::move(p)), acceptor(c) {}

   asio::io_context& context;
   backend& daemon;
   std::string path;
   protocol::acceptor acceptor;
   std::set<stream_type*> connections;
   size_t subscribers = 0;
   bool stopped = false;

   base::result<void> listen(const std::string& group);
   asio::awaitable<void> accept_loop();
   asio::awaitable<void> serve(protocol::socket socket);
   asio::awaitable<response> answer(const http::request<http::string_body>& r, match& stream);
   asio::awaitable<void> stream_events(stream_type& stream, bool follow);
};

base::result<void> server::impl::listen(const std::string& group) {
   boost::system::error_code ec;
   const protocol::endpoint endpoint(path);
   // Somebody answering there is another daemon; a file without one was left by a crash.
   struct stat info {};
   if (::lstat(path.c_str(), &info) == 0) {
      if (!S_ISSOCK(info.st_mode))
         return base::fail(base::errc::exists,
                           path + " exists and is no socket; move it away or set control.socket");
      protocol::socket probe(context);
      probe.open(protocol(), ec);
      probe.non_blocking(
            true, ec); // a daemon with a full backlog must not hang us; it counts as answering
      probe.connect(endpoint, ec);
      if (ec && ec != asio::error::connection_refused &&
          ec != boost::system::errc::no_such_file_or_directory)
         return base::fail(base::errc_of_errno(ec.value()),
                           "cannot tell whether a daemon answers on " + path + ": " + ec.message() +
                                 "; move the socket away or set control.socket");
      if (!ec)
         return base::fail(base::errc::in_use,
                           "another warren daemon answers on " + path +
                                 "; stop it with 'warren down', or set control.socket");
      ::unlink(path.c_str());
   }
   acceptor.open(protocol(), ec);
   const mode_t before = ::umask(0177); // nobody but us until owner and mode are right
   if (!ec) acceptor.bind(endpoint, ec);
   ::umask(before);
   if (ec)
      return base::fail(base::errc_of_errno(ec.value()),
                        "cannot create the control socket " + path + ": " + ec.message() +
                              "; run as root, or set control.socket");
   if (const struct group* g = group.empty() ? nullptr : ::getgrnam(group.c_str()); g != nullptr) {
      if (::chown(path.c_str(), static_cast<uid_t>(-1), g->gr_gid) == 0)
         ::chmod(path.c_str(), 0660);
   }
   acceptor.listen(16, ec);
   if (ec) return base::fail(base::errc::io, "cannot listen on " + path + ": " + ec.message());
   return {};
}

asio::awaitable<void> server::impl::accept_loop() {
   while (!stopped) {
      auto [ec, socket] = co_await acceptor.async_accept(use_awaitable);
      if (ec == asio::error::operation_aborted || stopped) co_return;
      if (ec) { // out of descriptors: wait instead of spinning
         asio::steady_timer pause(context, std::chrono::milliseconds(100));
         co_await pause.async_wait(use_awaitable);
         continue;
      }
      if (connections.size() >= limits::control_connections_max) continue; // closed at once
      asio::co_spawn(context, serve(std::move(socket)), asio::detached);
   }
}

asio::awaitable<response> server::impl::answer(const http::request<http::string_body>& r,
                                               match& stream) {
   const request parts{{r.method_string().data(), r.method_string().size()},
                       {r.target().data(), r.target().size()},
                       r.body()};
   // The backend may answer later; a timer that somebody cancels is the simplest thing to wait on.
   struct pending {
      std::optional<response> value;
      asio::steady_timer ready;
   };
   auto wait = std::make_shared<pending>(
         pending{std::nullopt, asio::steady_timer(context, asio::steady_timer::time_point::max())});
   // Weak: a reply that is kept longer than the context must not keep a timer of it alive.
   dispatch(
         daemon, parts,
         [later = std::weak_ptr(wait)](response result) {
            const auto still = later.lock();
            if (still == nullptr) return;
            still->value = std::move(result);
            still->ready.cancel();
         },
         &stream);
   if (stream.found == nullptr && !wait->value) co_await wait->ready.async_wait(use_awaitable);
   if (stream.found != nullptr) co_return response{};
   co_return wait->value ? std::move(*wait->value)
                         : problem(503, "unavailable", "the daemon is stopping");
}

asio::awaitable<void> server::impl::serve(protocol::socket socket) {
   const auto self = shared_from_this();
   const std::string uid = caller(socket);
   stream_type stream(std::move(socket));
   connections.insert(&stream);
   beast::flat_buffer buffer;
   while (!stopped) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(boost::none); // until the header says what the request is about
      parser.header_limit(header_bytes_max);
      stream.expires_after(buffer.size() == 0 ? idle_timeout : request_timeout);
      const boost::system::error_code ec = co_await read_request(stream, buffer, parser);
      http::response<http::string_body> out;
      out.version(11);
      out.set(http::field::content_type, "application/json");
      bool keep_alive = false;
      if (ec == http::error::end_of_stream || ec == asio::error::operation_aborted ||
          ec == beast::error::timeout)
         break;
      if (ec) {
         const bool too_big = ec == http::error::body_limit || ec == http::error::header_limit;
         const response bad =
               problem(too_big ? 413 : 400, too_big ? "too large" : "bad request", ec.message());
         out.result(static_cast<unsigned>(bad.status));
         out.set(http::field::content_type, "application/problem+json");
         out.body() = to_text(bad.body);
      } else {
         const auto& r = parser.get();
         match stream_match;
         stream.expires_never(); // the backend has bounds of its own
         response result = co_await answer(r, stream_match);
         if (stopped && stream_match.found != nullptr) break;
         if (stream_match.found != nullptr) {
            co_await stream_events(stream, stream_match.args.query["follow"] == "1");
            break;
         }
         const bool question =
               r.method() == http::verb::get || r.target().ends_with("/ping"); // changes nothing
         if (!question)
            base::log::info("control_request", {{"method", std::string(r.method_string())},
                                                {"target", std::string(r.target())},
                                                {"uid", uid},
                                                {"status", result.status}});
         keep_alive = r.keep_alive();
         out.result(static_cast<unsigned>(result.status));
         if (!result.allow.empty()) out.set(http::field::allow, result.allow);
         if (result.status >= 400) out.set(http::field::content_type, "application/problem+json");
         out.body() = to_text(result.body);
      }
      out.keep_alive(keep_alive);
      out.prepare_payload();
      stream.expires_after(request_timeout);
      auto [write_ec, written] = co_await http::async_write(stream, out, use_awaitable);
      (void)written;
      if (write_ec || !keep_alive) break;
   }
   connections.erase(&stream);
   boost::system::error_code ignored;
   stream.socket().shutdown(protocol::socket::shutdown_both, ignored);
}

/// Chunked newline-delimited JSON. A subscriber that reads too slowly is cut off rather than waited
/// for.
asio::awaitable<void> server::impl::stream_events(stream_type& stream, bool follow) {
   struct subscription {
      std::deque<std::string> lines;
      asio::steady_timer ready;
      bool overflown = false;
      bool gone = false; // the reader
   };
   http::response<http::empty_body> head{http::status::ok, 11};
   head.set(http::field::content_type, "application/x-ndjson");
   head.keep_alive(false);
   if (follow && subscribers >= limits::control_subscribers_max) {
      http::response<http::string_body> busy{http::status::service_unavailable, 11};
      busy.set(http::field::content_type, "application/problem+json");
      busy.body() = to_text(problem(503, "limit", "too many subscribers of the event stream").body);
      busy.prepare_payload();
      stream.expires_after(request_timeout);
      co_await http::async_write(stream, busy, use_awaitable);
      co_return;
   }
   auto sub = std::make_shared<subscription>(
         subscription{{}, asio::steady_timer(context, asio::steady_timer::time_point::max())});
   for (const auto& e : daemon.recent_events())
      sub->lines.push_back(to_text(to_json(e)) + "\n");
   uint64_t token = 0;
   if (follow) {
      subscribers++;
      // As long as `sub` is there, `stream` is. Weak for the reason above.
      token = daemon.subscribe([later = std::weak_ptr(sub), &stream](const mesh::event& e) {
         const auto still = later.lock();
         if (still == nullptr) return;
         if (still->lines.size() >= 2 * limits::events_kept) {
            still->overflown = true;
            stream.close(); // also ends a write that the reader does not take
         } else {
            still->lines.push_back(to_text(to_json(e)) + "\n");
         }
         still->ready.cancel();
      });
      // A reader has nothing more to say: whatever comes is its end.
      stream.socket().async_wait(protocol::socket::wait_read,
                                 [later = std::weak_ptr(sub)](const boost::system::error_code&) {
                                    const auto still = later.lock();
                                    if (still == nullptr) return;
                                    still->gone = true;
                                    still->ready.cancel();
                                 });
   }
   http::response_serializer<http::empty_body> serializer(head);
   stream.expires_after(request_timeout);
   auto [ec, n] = co_await http::async_write_header(stream, serializer, use_awaitable);
   (void)n;
   boost::system::error_code failed = ec;
   // Without a length the end of the connection ends the body (RFC 9112 section 6.3).
   while (!failed && !stopped && !sub->overflown && !sub->gone) {
      if (sub->lines.empty()) {
         if (!follow) break;
         co_await sub->ready.async_wait(use_awaitable);
         continue;
      }
      const std::string line = std::move(sub->lines.front());
      sub->lines.pop_front();
      stream.expires_after(request_timeout);
      auto [write_ec, written] =
            co_await asio::async_write(stream, asio::buffer(line), use_awaitable);
      (void)written;
      failed = write_ec;
   }
   if (follow) {
      daemon.unsubscribe(token);
      subscribers--;
   }
}

base::result<std::unique_ptr<server>> server::create(asio::io_context& context,
                                                     const std::string& path,
                                                     const std::string& group, backend& daemon) {
   auto i = std::make_shared<impl>(context, daemon, path);
   if (auto ok = i->listen(group); !ok) {
      i->path.clear();
      return ok.error();
   }
   asio::co_spawn(
         context, [i]() { return i->accept_loop(); }, asio::detached);
   return std::unique_ptr<server>(new server(std::move(i)));
}

void server::stop() {
   if (impl_->stopped) return;
   impl_->stopped = true;
   ::unlink(impl_->path.c_str()); // while it is still ours: from the close on, the path may be
                                  // another daemon's
   boost::system::error_code ignored;
   impl_->acceptor.close(ignored);
   for (stream_type* connection : impl_->connections)
      connection->close();
}

server::~server() { stop(); }

} // namespace warren::control
