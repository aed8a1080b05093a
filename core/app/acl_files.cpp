#include "core/app/acl_files.hpp"

#include "core/base/address.hpp"

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

/// A document about as many members as a network has.
constexpr size_t document_bytes_max = 64 << 20;

base::result<std::string> read_text(const std::string& path, size_t bytes_max) {
   std::error_code ec;
   const auto size = std::filesystem::file_size(path, ec);
   if (ec)
      return fail(base::errc_of_errno(ec.value()), "cannot read " + path + ": " + ec.message());
   if (size > bytes_max)
      return fail(errc::limit, path + " has more than " + std::to_string(bytes_max) + " bytes");
   std::ifstream in(path, std::ios::binary);
   std::ostringstream text;
   text << in.rdbuf();
   if (!in) return fail(errc::permission, "cannot read " + path);
   return text.str();
}

std::vector<std::string> texts_of(const json::value& object, std::string_view key) {
   std::vector<std::string> out;
   for (const json::value& v : list_of(object, key))
      if (v.is_string()) out.emplace_back(v.as_string());
   return out;
}

base::result<std::vector<wrn_addr>> addresses_of(const json::value& object, std::string_view key,
                                                 bool own) {
   std::vector<wrn_addr> out;
   for (const std::string& text : texts_of(object, key)) {
      auto a = base::parse_prefix(text, true);
      if (!a) return fail(errc::invalid, "the members: " + a.error().text);
      if (own) a->prefix_len = base::address_bits(*a); // of an interface
      out.push_back(base::masked(*a));
   }
   return out;
}

} // namespace

base::result<std::vector<route::member_view>> members_of(const json::value& document) {
   std::vector<route::member_view> out;
   const bool network = text_of(document, "schema") == "warren.network/1";
   if (network) {
      out.emplace_back();
      out[0].name = text_of(document, "node_name");
      out[0].self = true;
      if (flag_of(document, "relay")) out[0].roles = {"relay"};
      auto own = addresses_of(document, "addresses", true);
      if (!own) return own.error();
      out[0].addresses = std::move(*own);
   }
   const json::array& list = list_of(document, network ? "peers" : "members");
   for (const json::value& v : list) {
      route::member_view m;
      m.name = text_of(v, "name");
      m.groups = texts_of(v, "groups");
      m.tags = texts_of(v, "tags");
      m.roles = texts_of(v, "roles");
      auto own = addresses_of(v, "addresses", true), routes = addresses_of(v, "routes", false);
      if (!own) return own.error();
      if (!routes) return routes.error();
      m.addresses = std::move(*own);
      m.routes = std::move(*routes);
      if (m.name.empty()) return fail(errc::invalid, "the members: one has no name");
      m.handle = out.size() + 1;
      out.push_back(std::move(m));
   }
   if (out.empty())
      return fail(errc::invalid, "the members: expected {\"members\": [{\"name\": …}]} or what "
                                 "'warren status --json' prints");
   return out;
}

base::result<std::vector<route::member_view>> load_members(const command_context& c,
                                                           const std::string& file) {
   if (!file.empty()) {
      const auto text = read_text(file, document_bytes_max);
      if (!text) return text.error();
      json::error_code ec;
      const json::value document = json::parse(*text, ec);
      if (ec) return fail(errc::invalid, file + " is not JSON: " + ec.message());
      return members_of(document);
   }
   auto daemon = c.connect();
   if (!daemon) return daemon.error();
   auto network = c.pick_network(**daemon);
   if (!network) return network.error();
   auto answer = (*daemon)->request("GET", network_path(*network), nullptr, answer_timeout);
   if (!answer) return answer.error();
   return members_of(*answer);
}

std::optional<rule_file> load_rules(const command_context& c, const std::string& file, int& code) {
   rule_file out;
   std::string text;
   if (file.empty()) {
      const auto all = load_configuration(c);
      if (!all->loaded.ok()) {
         code = refuse_mistakes(c, all->loaded.errors);
         return std::nullopt;
      }
      const auto network = pick_network(c, all->loaded.value);
      if (!network) {
         code = c.refuse(network.error());
         return std::nullopt;
      }
      out.path = (*network)->acl.file;
      text = (*network)->acl.text;
      out.default_accept = (*network)->acl.default_accept;
      if (out.path.empty()) {
         code = c.refuse(fail(errc::invalid, "network '" + (*network)->name +
                                                   "' has no [acl]; name a file with rules"));
         return std::nullopt;
      }
   } else {
      out.path = file;
      auto read = read_text(file, route::hujson_bytes_max);
      if (!read) {
         code = c.refuse(read.error());
         return std::nullopt;
      }
      text = std::move(*read);
   }
   out.parsed = route::parse_acl(text, out.path);
   return out;
}

void print_mistakes(const command_context& c, const std::string& file,
                    const std::vector<route::acl_mistake>& mistakes) {
   for (const route::acl_mistake& m : mistakes)
      c.err << printable(route::format_mistake(file, m.at, (m.warning ? "warning: " : "") + m.text))
            << "\n";
}

} // namespace warren::app
