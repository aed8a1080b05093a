// Input: "METHOD TARGET\nBODY", or bytes of HTTP after "!". Both end in dispatch() against a daemon
// of plain values, the second by way of Beast's parser with the server's limits. Every request gets
// one answer, and every answer is JSON that a strict reader takes.
#include "core/base/error.hpp"
#include "core/base/limits.hpp"
#include "core/control/json.hpp"
#include "core/control/routes.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>

namespace {

namespace control = warren::control;
namespace http = boost::beast::http;

void ask(std::string_view method, std::string_view target, std::string_view body) {
   control::fake_backend daemon;
   control::match stream;
   size_t answers = 0;
   control::dispatch(
         daemon, {method, target, body},
         [&](control::response r) {
            answers++;
            boost::json::parse(control::to_text(r.body)); // throws on invalid UTF-8
            WRN_ASSERT((r.status == 405) == !r.allow.empty());
            WRN_ASSERT(r.status < 400 || r.body.at("status").as_int64() == r.status);
         },
         &stream);
   WRN_ASSERT(answers == (stream.found == nullptr ? 1 : 0));
   for (const auto& p : daemon.pings)
      WRN_ASSERT(p.bytes <= 65'000 && p.timeout_ns <= 60'000'000'000 && p.target.size() <= 128);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   std::string_view text(reinterpret_cast<const char*>(data), size);
   if (text.starts_with('!')) {
      text.remove_prefix(1);
      http::request_parser<http::string_body> parser;
      parser.eager(true);
      parser.body_limit(warren::base::limits::control_request_bytes_max);
      parser.header_limit(16 << 10);
      boost::system::error_code ec;
      while (!text.empty() && !parser.is_done()) {
         const size_t used = parser.put(boost::asio::buffer(text.data(), text.size()), ec);
         if (ec || used == 0) return 0;
         text.remove_prefix(used);
      }
      if (!parser.is_done()) return 0;
      const auto& r = parser.get();
      ask({r.method_string().data(), r.method_string().size()},
          {r.target().data(), r.target().size()}, r.body());
      return 0;
   }
   const std::string_view line = text.substr(0, text.find('\n'));
   const size_t space = line.find(' ');
   if (space == std::string_view::npos) return 0;
   ask(line.substr(0, space), line.substr(space + 1),
       text.size() > line.size() ? text.substr(line.size() + 1) : std::string_view{});
   return 0;
}
