// The command line's side of the control API: one request, one answer, over the daemon's unix
// socket. Blocking, any one thread.
#pragma once

#include "core/base/error.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace warren::control {

/// What commands need of a daemon; tests put one without sockets in its place.
class api {
 public:
   virtual ~api() = default;
   /// The body of a successful answer. Errors: unavailable only when no daemon is there; the
   /// daemon's own come back with its code and sentence, except that its "unavailable" is `state`
   /// here. A null `body` sends none.
   virtual base::result<boost::json::value> request(std::string_view method, std::string_view path,
                                                    const boost::json::value& body,
                                                    std::chrono::milliseconds timeout) = 0;
   /// Calls on_event for each line of the event stream until it ends or on_event returns false.
   /// Blocks for ever with `follow`.
   virtual base::result<void>
   events(bool follow, const std::function<bool(const boost::json::value&)>& on_event) = 0;
};

class client final : public api {
 public:
   /// Connects; unavailable and permission say what to do.
   static base::result<std::unique_ptr<api>> connect(const std::string& socket);
   ~client() override;

   base::result<boost::json::value> request(std::string_view method, std::string_view path,
                                            const boost::json::value& body,
                                            std::chrono::milliseconds timeout) override;
   base::result<void>
   events(bool follow, const std::function<bool(const boost::json::value&)>& on_event) override;

 private:
   struct impl;
   explicit client(std::unique_ptr<impl> i);
   std::unique_ptr<impl> impl_;
};

/// The error that a problem document (RFC 9457) carries.
base::error error_of_problem(unsigned status, const boost::json::value& body);

/// One path segment, %XX-encoded.
std::string encode_segment(std::string_view text);

} // namespace warren::control
