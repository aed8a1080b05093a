// The routes of /v1: one table from which requests are dispatched and against which openapi.json is
// tested. No sockets in here.
#pragma once

#include "core/base/limits.hpp"
#include "core/control/backend.hpp"

#include <boost/json/value.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace warren::control {

struct response {
   int status = 200;
   boost::json::value body =
         nullptr; // a document with "schema", or RFC 9457 problem details when status >= 400
   std::string allow = {}; // with 405: the methods that the path knows
};
using responder = std::function<void(response)>; // called exactly once

/// A request as it came; all hostile.
struct request {
   std::string_view method, target, body;
};

/// What a handler gets: decoded, bounded, checked.
struct arguments {
   std::map<std::string, std::string, std::less<>> path, query;
   boost::json::object body;
};

struct route {
   std::string_view method, pattern, summary;
   std::vector<std::string_view> query_keys, body_keys; // all others are refused; "*": any
   bool stream = false; // answered by the server itself as newline-delimited JSON
   std::function<void(backend&, const arguments&, responder)> handle;
   size_t body_bytes_max = base::limits::control_request_bytes_max;
};

const std::vector<route>& routes();
/// The part of them that is about membership (routes_membership.cpp).
void add_membership_routes(std::vector<route>& all);

/// How large a body may be, before it is read: that of the route, the usual one where there is
/// none.
size_t body_bytes_max(std::string_view method, std::string_view target);

/// Finds the route and calls it; answers 404, 405 or 400 itself. `matched` tells the server about
/// streams: then `respond` is not called.
struct match {
   const route* found = nullptr;
   arguments args;
};
void dispatch(backend& daemon, const request& r, responder respond, match* stream = nullptr);

/// RFC 9457. `detail` is the sentence for people.
response problem(int status, std::string_view title, std::string_view detail);
response problem(const base::error& e);

/// The embedded OpenAPI document, as text.
std::string_view openapi_document();

} // namespace warren::control
