// The words of the configuration that are not TOML's: endpoints and kinds of plugins.
#include "core/base/address.hpp"
#include "core/config/load.hpp"

#include <algorithm>

namespace warren::config {

std::string_view kind_name(uint32_t kind) {
   switch (kind) {
   case WRN_KIND_TRANSPORT:
      return "transport";
   case WRN_KIND_DISCOVERY:
      return "discovery";
   case WRN_KIND_ROUTING:
      return "routing";
   case WRN_KIND_SERVICE:
      return "service";
   default:
      return "unknown";
   }
}

base::result<std::string> endpoint_transport(const std::string& endpoint) {
   const auto bad = [&](std::string_view why) {
      return base::fail(base::errc::config, "endpoint \"" + endpoint + "\" " + std::string(why) +
                                                  "; expected transport://host:port, for example "
                                                  "\"wireguard://nas.example.net:51820\" or "
                                                  "\"wireguard://[2001:db8::1]:51820\"");
   };
   std::string_view text = endpoint;
   const size_t scheme = text.find("://");
   if (scheme == std::string_view::npos) return bad("names no transport");
   std::string word(text.substr(0, scheme));
   text.remove_prefix(scheme + 3);
   if (const size_t at = text.find('@'); at != std::string_view::npos) {
      if (auto id = crypto::parse_node_id(text.substr(0, at)); !id)
         return base::fail(base::errc::config, "endpoint \"" + endpoint + "\": " + id.error().text);
      text.remove_prefix(at + 1);
   }
   const size_t colon = text.rfind(':');
   if (colon == std::string_view::npos || colon == 0) return bad("lacks host or port");
   const std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
   const bool digits =
         !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
   if (!digits || std::stoi(std::string(port)) < 1 || std::stoi(std::string(port)) > 65535)
      return bad("has no port from 1 to 65535");
   if (host.front() == '[') {
      if (host.back() != ']' || !base::parse_address(host.substr(1, host.size() - 2)))
         return bad("has no IPv6 address in its brackets");
      return word;
   }
   const bool name =
         host.size() <= 253 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
         });
   if (!name) return bad("has no host name or address");
   return word;
}

} // namespace warren::config
