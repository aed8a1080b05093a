#include "core/config/model.hpp"

#include "core/base/address.hpp"

#include <algorithm>

namespace warren::config {

namespace {

bool same_prefixes(const std::vector<wrn_addr>& a, const std::vector<wrn_addr>& b) {
   return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                     [](const wrn_addr& x, const wrn_addr& y) {
                        return base::same_address(x, y) && x.prefix_len == y.prefix_len;
                     });
}

} // namespace

bool use_profile(std::string_view word, acl_settings& acl) {
   static constexpr std::pair<std::string_view, std::string_view> profiles[] = {
         {"strict", "{}"},
         {"internet_only",
          R"({"acls": [{"action": "accept", "src": ["*"], "dst": ["autogroup:internet:*"]}]})"},
         {"local_only", R"({"acls": [
   {"action": "deny", "src": ["*"], "dst": ["autogroup:internet:*"]},
   {"action": "accept", "src": ["*"], "dst": ["*:*"]}]})"}};
   for (const auto& [name, text] : profiles) {
      if (name != word) continue;
      acl.file = "profile " + std::string(name);
      acl.text = text;
      acl.default_accept = false;
      return true;
   }
   return false;
}

bool operator==(const plugin_use& a, const plugin_use& b) {
   const bool listen = a.listen.has_value() == b.listen.has_value() &&
                       (!a.listen || base::same_endpoint(*a.listen, *b.listen));
   return a.kind == b.kind && a.plugin == b.plugin && listen && a.values == b.values;
}

bool operator==(const peer& a, const peer& b) {
   return a.name == b.name && a.id == b.id && a.tunnel_key == b.tunnel_key && a.psk == b.psk &&
          same_prefixes(a.addresses, b.addresses) && same_prefixes(a.routes, b.routes) &&
          a.endpoints == b.endpoints && a.keepalive_s == b.keepalive_s && a.number == b.number &&
          a.groups == b.groups && a.tags == b.tags && a.roles == b.roles && a.keep == b.keep;
}

} // namespace warren::config
