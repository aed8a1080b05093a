#include "core/mesh/access_rules.hpp"

namespace warren::mesh {

std::vector<config::config_error> mistakes_of_rules(std::string_view text,
                                                    const std::string& file) {
   std::vector<config::config_error> out;
   for (const route::acl_mistake& m : route::parse_acl(text, file).mistakes)
      if (!m.warning) out.push_back({{file, m.at.line, m.at.column}, m.text});
   return out;
}

route::member_view member_of(const peer_status& p) {
   route::member_view out;
   out.name = p.name;
   out.groups = p.groups;
   out.tags = p.tags;
   out.roles = p.roles;
   out.addresses = p.addresses;
   out.routes = p.routes;
   return out;
}

} // namespace warren::mesh
