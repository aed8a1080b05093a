// The control API over a unix socket: HTTP/1.1, mode 0660, bounded connections and requests.
// Control thread.
#pragma once

#include "core/control/backend.hpp"

#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace warren::control {

class server {
 public:
   /// Listens at `path`; a socket that nobody answers on is replaced, a live one is errc::in_use.
   /// `group`, if it exists, may connect besides root. Everything runs on `context`, which must
   /// outlive the server.
   static base::result<std::unique_ptr<server>> create(boost::asio::io_context& context,
                                                       const std::string& path,
                                                       const std::string& group, backend& daemon);
   ~server();
   /// Closes every connection and removes the socket; idempotent.
   void stop();

   struct impl;

 private:
   explicit server(std::shared_ptr<impl> i) : impl_(std::move(i)) {}
   std::shared_ptr<impl> impl_;
};

} // namespace warren::control
