#include "core/base/address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace warren::base {

namespace {

template <class Int> bool parse_number(std::string_view text, Int& out) {
   const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
   return ec == std::errc{} && end == text.data() + text.size() && !text.empty();
}

error bad(std::string_view what, std::string_view text, std::string_view expected) {
   return fail(errc::invalid, "'" + std::string(text) + "' is not " + std::string(what) +
                                    "; expected " + std::string(expected));
}

} // namespace

result<wrn_addr> parse_address(std::string_view text) {
   wrn_addr out{};
   std::string_view host = text;
   if (const size_t percent = text.find('%'); percent != std::string_view::npos) {
      host = text.substr(0, percent);
      if (!parse_number(text.substr(percent + 1), out.scope_id) || host.find(':') == host.npos)
         return bad("an address", text, "a number after '%', the interface's index");
   }
   char buffer[INET6_ADDRSTRLEN + 1] = {};
   if (host.empty() || host.size() >= sizeof buffer)
      return bad("an address", text, "192.0.2.1 or 2001:db8::1");
   std::memcpy(buffer, host.data(), host.size());
   if (inet_pton(AF_INET, buffer, out.ip) == 1) {
      out.family = WRN_AF_INET;
      out.prefix_len = 32;
   } else if (inet_pton(AF_INET6, buffer, out.ip) == 1) {
      out.family = WRN_AF_INET6;
      out.prefix_len = 128;
   } else {
      return bad("an address", text, "192.0.2.1 or 2001:db8::1");
   }
   return out;
}

result<wrn_addr> parse_prefix(std::string_view text, bool host_bits) {
   const size_t slash = text.find('/');
   auto address = parse_address(text.substr(0, slash));
   if (!address || address->scope_id != 0)
      return bad("a prefix", text, "192.0.2.0/24 or 2001:db8::/32");
   if (slash != std::string_view::npos) {
      unsigned bits = 0;
      if (!parse_number(text.substr(slash + 1), bits) || bits > address_bits(*address))
         return bad("a prefix", text,
                    address->family == WRN_AF_INET ? "a length from 0 to 32"
                                                   : "a length from 0 to 128");
      address->prefix_len = static_cast<uint8_t>(bits);
   }
   if (!host_bits && !same_address(masked(*address), *address))
      return bad("a prefix", text, format_prefix(masked(*address)) + " (host bits are set)");
   return address;
}

result<wrn_addr> parse_endpoint(std::string_view text) {
   const char* const expected = "192.0.2.1:51820 or [2001:db8::1]:51820";
   const size_t colon = text.rfind(':');
   if (colon == std::string_view::npos) return bad("an endpoint", text, expected);
   std::string_view host = text.substr(0, colon);
   const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
   if (bracketed) host = host.substr(1, host.size() - 2);
   auto address = parse_address(host);
   if (!address || (address->family == WRN_AF_INET6) != bracketed)
      return bad("an endpoint", text, expected);
   if (!parse_number(text.substr(colon + 1), address->port))
      return bad("an endpoint", text, expected);
   return address;
}

std::string format_address(const wrn_addr& address) {
   if (address.family != WRN_AF_INET && address.family != WRN_AF_INET6) return "none";
   char buffer[INET6_ADDRSTRLEN] = {};
   inet_ntop(address.family == WRN_AF_INET ? AF_INET : AF_INET6, address.ip, buffer, sizeof buffer);
   std::string text = buffer;
   if (address.scope_id != 0) text += "%" + std::to_string(address.scope_id);
   return text;
}

std::string format_prefix(const wrn_addr& prefix) {
   return format_address(prefix) + "/" + std::to_string(prefix.prefix_len);
}

std::string format_endpoint(const wrn_addr& endpoint) {
   if (endpoint.family == WRN_AF_NONE) return "none";
   if (endpoint.family == WRN_AF_PATH) return "through the mesh";
   const std::string host = format_address(endpoint);
   const std::string port = std::to_string(endpoint.port);
   return endpoint.family == WRN_AF_INET ? host + ":" + port : "[" + host + "]:" + port;
}

bool same_address(const wrn_addr& a, const wrn_addr& b) {
   return a.family == b.family && std::memcmp(a.ip, b.ip, sizeof a.ip) == 0;
}

bool same_endpoint(const wrn_addr& a, const wrn_addr& b) {
   return same_address(a, b) && a.port == b.port && a.scope_id == b.scope_id;
}

wrn_addr masked(const wrn_addr& prefix) {
   wrn_addr out = prefix;
   for (unsigned i = 0; i < sizeof out.ip; i++) {
      const int keep = static_cast<int>(prefix.prefix_len) - static_cast<int>(i) * 8;
      if (keep <= 0)
         out.ip[i] = 0;
      else if (keep < 8)
         out.ip[i] &= static_cast<uint8_t>(0xff00u >> keep);
   }
   return out;
}

bool contains(const wrn_addr& prefix, const wrn_addr& address) {
   wrn_addr candidate = address;
   candidate.prefix_len = prefix.prefix_len;
   return prefix.family == address.family && same_address(masked(candidate), masked(prefix));
}

} // namespace warren::base
