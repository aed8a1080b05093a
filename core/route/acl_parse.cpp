// From HuJSON to rules: all mistakes of a text at once.
#include "core/route/acl_parse.hpp"

#include "core/base/address.hpp"
#include "core/route/rule_set.hpp"

#include <algorithm>
#include <charconv>

namespace warren::route {

namespace {

using json = hujson::kind;

class reader {
 public:
   explicit reader(acl_parsed& out) : out_(out), rules_(out.value) {}

   void run(const hujson& root) {
      if (root.type != json::object)
         return fail(root.at, "expected an object with \"acls\", \"groups\" and so on");
      check_keys(root, {"groups", "tagOwners", "hosts", "acls", "tests"});
      // Names first: rules may stand above what they use.
      each_member(root.find("groups"), "groups", [&](const hujson& v) { read_group(v); });
      each_member(root.find("hosts"), "hosts", [&](const hujson& v) { read_host(v); });
      for (const auto& [key, count] :
           {std::pair("groups", rules_.groups.size()), std::pair("hosts", rules_.hosts.size())})
         if (count > acl_groups_max) // each name is searched among them
            return fail(root.find(key)->at,
                        "more than " + std::to_string(acl_groups_max) + " " + key);
      each_member(root.find("tagOwners"), "tagOwners", [&](const hujson& v) { read_owner(v); });
      each_item(root.find("acls"), "\"acls\"", [&](const hujson& v) { read_rule(v); });
      each_item(root.find("tests"), "\"tests\"", [&](const hujson& v) { read_test(v); });
      if (rules_.rules.size() > acl_rules_max)
         fail(root.find("acls")->at, "more than " + std::to_string(acl_rules_max) + " rules");
   }

 private:
   void fail(const position& at, std::string text) {
      out_.mistakes.push_back({at, false, std::move(text)});
   }
   mistake_sink sink() {
      return [this](const position& at, std::string text) { fail(at, std::move(text)); };
   }

   void check_keys(const hujson& object, std::initializer_list<std::string_view> known) {
      for (const hujson& item : object.items)
         if (std::find(known.begin(), known.end(), item.key) == known.end()) {
            std::string all;
            for (const std::string_view k : known)
               all += (all.empty() ? "" : ", ") + std::string(k);
            fail(item.key_at,
                 "unknown key \"" + item.key.substr(0, acl_name_bytes_max) + "\"; expected " + all);
         }
   }
   template <class Fn> void each_member(const hujson* object, std::string_view name, Fn fn) {
      if (object == nullptr) return;
      if (object->type != json::object)
         return fail(object->at, "\"" + std::string(name) + "\" is not an object");
      for (const hujson& item : object->items)
         fn(item);
   }
   template <class Fn> void each_item(const hujson* list, const std::string& name, Fn fn) {
      if (list == nullptr) return;
      if (list->type != json::array) return fail(list->at, name + " is not a list");
      for (const hujson& item : list->items)
         fn(item);
   }
   template <class Fn> void each_string(const hujson* list, const std::string& name, Fn fn) {
      each_item(list, name, [&](const hujson& item) {
         if (item.type != json::string)
            fail(item.at, "expected a string in " + name);
         else
            fn(item);
      });
   }
   /// The name behind `prefix`, or nothing after a mistake was told.
   std::optional<std::string> name_of(const hujson& item, std::string_view prefix) {
      const std::string name =
            item.key.starts_with(prefix) ? item.key.substr(prefix.size()) : std::string();
      if (is_acl_name(name) && item.key.size() <= acl_name_bytes_max) return name;
      fail(item.key_at, prefix.empty()
                              ? std::string("this is no name")
                              : "expected a key such as \"" + std::string(prefix) + "NAME\"");
      return std::nullopt;
   }

   void read_group(const hujson& item) {
      const auto name = name_of(item, "group:");
      if (!name) return;
      acl::group group{*name, {}, item.key_at};
      each_string(&item, "group \"" + item.key + "\"", [&](const hujson& v) {
         if (!is_acl_name(v.text) || v.text.find(':') != std::string::npos)
            fail(v.at, "a group has member names, where \"*\" stands for any characters; groups "
                       "of groups and tags do not exist");
         else
            group.members.push_back({v.text, v.at});
      });
      rules_.groups.push_back(std::move(group));
   }

   void read_host(const hujson& item) {
      const auto name = name_of(item, "");
      if (!name) return;
      if (name->find_first_of(":/*[]") != std::string::npos || read_prefix(*name))
         return fail(item.key_at, "a host is a name without ':', '/', '*' and brackets, and no "
                                  "address");
      const auto prefix =
            item.type == json::string ? read_prefix(item.text) : std::optional<wrn_addr>();
      if (!prefix) return fail(item.at, "expected an address or a prefix such as \"10.0.0.0/8\"");
      rules_.hosts.push_back({*name, *prefix, item.key_at});
   }

   void read_owner(const hujson& item) {
      const auto name = name_of(item, "tag:");
      if (!name) return;
      acl::tag_owner owner{*name, {}, item.key_at};
      each_string(&item, "the owners of \"" + item.key + "\"", [&](const hujson& v) {
         if (auto s = read_selector(v.text, v.at, selector_place::owner, rules_, sink()))
            owner.owners.push_back(std::move(*s));
      });
      rules_.tag_owners.push_back(std::move(owner));
   }

   std::optional<int> read_protocol(const hujson* value, int otherwise) {
      if (value == nullptr) return otherwise;
      const bool good = value->type == json::string || value->type == json::number;
      const auto protocol = good ? parse_protocol(value->text) : std::nullopt;
      if (!protocol)
         fail(value->at, "\"proto\" is \"tcp\", \"udp\", \"icmp\" or a number from 0 to 255");
      return protocol;
   }

   void read_targets(const hujson* list, const std::string& name, int protocol,
                     std::vector<acl_target>& out) {
      each_string(list, name, [&](const hujson& v) {
         auto target = read_target(v.text, v.at, rules_, sink());
         if (!target) return;
         const bool ports = protocol == protocol_any || protocol == 6 || protocol == 17;
         if (!target->ports.empty() && !ports)
            return fail(v.at, "\"" + format_protocol(protocol) + "\" has no ports; write \"*\"");
         out.push_back(std::move(*target));
      });
   }

   void read_rule(const hujson& v) {
      if (v.type != json::object) return fail(v.at, "a rule is an object");
      check_keys(v, {"action", "proto", "src", "dst", "name"});
      acl_rule rule;
      rule.at = v.at;
      const size_t before = out_.mistakes.size();
      const hujson* action = v.find("action");
      if (action == nullptr || action->type != json::string ||
          (action->text != "accept" && action->text != "deny"))
         fail(action == nullptr ? v.at : action->at, "\"action\" is \"accept\" or \"deny\"");
      else
         rule.accept = action->text == "accept";
      if (const auto protocol = read_protocol(v.find("proto"), protocol_any))
         rule.protocol = *protocol;
      if (const hujson* name = v.find("name")) {
         if (name->type != json::string || name->text.size() > acl_name_bytes_max)
            fail(name->at, "\"name\" is a string of at most " + std::to_string(acl_name_bytes_max) +
                                 " bytes");
         rule.name = name->text.substr(0, acl_name_bytes_max);
      }
      each_string(v.find("src"), "\"src\"", [&](const hujson& s) {
         if (auto who = read_selector(s.text, s.at, selector_place::source, rules_, sink()))
            rule.sources.push_back(std::move(*who));
      });
      read_targets(v.find("dst"), "\"dst\"", rule.protocol, rule.targets);
      for (const char* key : {"src", "dst"})
         if (const hujson* list = v.find(key); list == nullptr)
            fail(v.at, "the rule has no \"" + std::string(key) + "\"");
         else if (list->type == json::array && list->items.empty())
            fail(list->at, "\"" + std::string(key) + "\" is empty, so the rule matches nothing");
      if (out_.mistakes.size() == before) rules_.rules.push_back(std::move(rule));
   }

   void read_test(const hujson& v) {
      if (v.type != json::object) return fail(v.at, "a test is an object");
      check_keys(v, {"src", "proto", "accept", "deny"});
      acl_test test;
      test.at = v.at;
      const size_t before = out_.mistakes.size();
      const hujson* source = v.find("src");
      if (source == nullptr || source->type != json::string) {
         fail(v.at, "a test has a \"src\": a member, a group, a tag or an address");
      } else if (auto who = read_selector(source->text, source->at, selector_place::source, rules_,
                                          sink())) {
         test.source = std::move(*who);
      }
      if (const auto protocol = read_protocol(v.find("proto"), 6)) test.protocol = *protocol;
      read_targets(v.find("accept"), "\"accept\"", test.protocol, test.accept);
      read_targets(v.find("deny"), "\"deny\"", test.protocol, test.deny);
      if (out_.mistakes.size() != before) return;
      if (test.accept.empty() && test.deny.empty())
         return fail(v.at, "the test asks nothing; give it \"accept\" or \"deny\"");
      rules_.tests.push_back(std::move(test));
   }

   acl_parsed& out_;
   acl& rules_;
};

/// The position at the front of a message of parse_hujson().
position position_of(std::string_view message, std::string_view file) {
   position at;
   message.remove_prefix(std::min(message.size(), file.size() + 1));
   const auto read = [&](uint32_t& into) {
      const auto [end, ec] = std::from_chars(message.data(), message.data() + message.size(), into);
      (void)ec;
      message.remove_prefix(
            std::min(message.size(), static_cast<size_t>(end - message.data()) + 1));
   };
   read(at.line);
   read(at.column);
   return at;
}

} // namespace

bool acl_parsed::ok() const {
   return std::all_of(mistakes.begin(), mistakes.end(),
                      [](const acl_mistake& m) { return m.warning; });
}

acl_parsed parse_acl(std::string_view text, std::string file) {
   acl_parsed out;
   out.value.file = std::move(file);
   const auto root = parse_hujson(text, out.value.file);
   if (!root) {
      const std::string& message = root.error().text;
      const position at = position_of(message, out.value.file);
      const size_t skip = format_mistake(out.value.file, at, "").size();
      out.mistakes.push_back({at, false, message.substr(std::min(skip, message.size()))});
      return out;
   }
   reader(out).run(*root);
   // Bounds that only the compiled form knows; they do not depend on the members.
   if (out.mistakes.empty())
      if (const auto compiled = compile(out.value, {}); !compiled)
         out.mistakes.push_back({root->at, false, compiled.error().text});
   std::stable_sort(out.mistakes.begin(), out.mistakes.end(),
                    [](const acl_mistake& a, const acl_mistake& b) {
                       return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
                    });
   if (out.mistakes.size() > acl_mistakes_max) {
      const size_t left_out = out.mistakes.size() - acl_mistakes_max;
      out.mistakes.resize(acl_mistakes_max);
      out.mistakes.push_back({out.mistakes.back().at, false,
                              std::to_string(left_out) + " more mistakes are left out"});
   }
   return out;
}

} // namespace warren::route
