// Goal: openapi.json and the program say the same. Method: paths and methods in both directions,
// request keys, and real answers held against their schemas: required fields present, no
// undocumented field, types as documented.
#include "core/control/json.hpp"
#include "core/control/routes.hpp"
#include "tests/unit/core/control/fake_backend.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <set>

namespace warren::control {
namespace {

namespace json = boost::json;

constexpr wrn_param params[] = {
      {"aead", WRN_P_ENUM, 0, "auto|openssl", "\"auto\"", "Which."},
      {"name", WRN_P_STRING, WRN_PF_REQUIRED, nullptr, nullptr, "Needed."},
      {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr wrn_plugin_desc desc{"id", "w", "v",    "1",     "MIT",  "s", WRN_KIND_TRANSPORT,
                               0,    0,   params, nullptr, nullptr};

const json::value& document() {
   static const json::value parsed = json::parse(openapi_document());
   return parsed;
}

std::string lower(std::string_view text) {
   std::string out(text);
   std::transform(out.begin(), out.end(), out.begin(),
                  [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
   return out;
}

const json::value& resolve(const json::value& schema) {
   if (const json::value* ref = schema.as_object().if_contains("$ref")) {
      const std::string name(ref->as_string());
      return document().at("components").at("schemas").at(name.substr(name.rfind('/') + 1));
   }
   return schema;
}

bool has_type(const json::value& value, std::string_view type) {
   return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
          (type == "string" && value.is_string()) ||
          (type == "integer" && (value.is_int64() || value.is_uint64())) ||
          (type == "boolean" && value.is_bool()) || (type == "null" && value.is_null());
}

/// Every difference between a value and its schema. Stricter than JSON Schema: fields that are not
/// documented are differences, too.
void compare(const json::value& value, const json::value& raw, const std::string& where,
             std::vector<std::string>& differences) {
   const json::object& schema = resolve(raw).as_object();
   if (const json::value* type = schema.if_contains("type")) {
      const bool good =
            type->is_string()
                  ? has_type(value, type->as_string())
                  : std::any_of(type->as_array().begin(), type->as_array().end(),
                                [&](const auto& t) { return has_type(value, t.as_string()); });
      if (!good) differences.push_back(where + " has another type: " + json::serialize(value));
   }
   if (const json::value* only = schema.if_contains("const"); only != nullptr && *only != value)
      differences.push_back(where + " is not " + json::serialize(*only));
   if (const json::value* choice = schema.if_contains("enum"))
      if (std::find(choice->as_array().begin(), choice->as_array().end(), value) ==
          choice->as_array().end())
         differences.push_back(where + " is none of " + json::serialize(*choice));
   if (value.is_array() && schema.contains("items"))
      for (size_t i = 0; i < value.as_array().size(); i++)
         compare(value.as_array()[i], schema.at("items"), where + "[" + std::to_string(i) + "]",
                 differences);
   if (!value.is_object() ||
       (!schema.contains("properties") && !schema.contains("additionalProperties")))
      return;
   if (const json::value* required = schema.if_contains("required"))
      for (const auto& key : required->as_array())
         if (!value.as_object().contains(key.as_string()))
            differences.push_back(where + "." + std::string(key.as_string()) + " is missing");
   for (const auto& item : value.as_object()) {
      const std::string name = where + "." + std::string(item.key());
      const json::value* properties = schema.if_contains("properties");
      const json::value* known =
            properties != nullptr ? properties->as_object().if_contains(item.key()) : nullptr;
      if (known == nullptr) known = schema.if_contains("additionalProperties");
      if (known == nullptr)
         differences.push_back(name + " is not documented");
      else
         compare(item.value(), *known, name, differences);
   }
}

std::vector<std::string> differences(const json::value& value, const json::value& schema) {
   std::vector<std::string> found;
   compare(value, schema, "body", found);
   return found;
}

fake_backend full_backend() {
   fake_backend daemon;
   daemon.plugin_list.push_back({"w", "transport", "id", "1", "MIT", "s", "/x.so", &desc});
   return daemon;
}

/// A request that the route takes.
std::string good_body(const route& r) {
   if (r.pattern.ends_with("/ping")) return R"({"target":"nas"})";
   if (r.pattern.ends_with("/level")) return R"({"level":"warn"})";
   if (r.method == "POST" && r.pattern == "/v1/networks") return R"({"name":"acme"})";
   if (r.pattern.ends_with("/join")) return R"({"link":"warren://join/a.b.c"})";
   if (r.method == "POST" && r.pattern.ends_with("/members")) return R"({"wireguard":"phone"})";
   if (r.method == "POST" && r.pattern.ends_with("/admins")) return R"({"member":"nas"})";
   if (r.method == "PATCH") return R"({"name":"nas"})";
   if (r.pattern.ends_with("/import")) return R"({"text":"AAAA"})";
   if (r.method == "PUT" && r.pattern.ends_with("/acl")) return R"({"text":"{}"})";
   if (r.pattern.ends_with("/rollback")) return R"({"version":1})";
   return "";
}

std::string good_target(const route& r) {
   std::string target(r.pattern);
   if (const size_t at = target.find("{network}"); at != std::string::npos)
      target.replace(at, 9, "acme");
   if (r.pattern.ends_with("/explain")) target += "?src=laptop&dst=nas&dport=22";
   return target;
}

TEST(openapi, every_route_is_documented_with_its_summary) {
   for (const route& r : routes()) {
      const json::value* path =
            document().at("paths").as_object().if_contains(json::string_view(r.pattern));
      ASSERT_NE(path, nullptr) << r.pattern;
      const json::value* operation = path->as_object().if_contains(lower(r.method));
      ASSERT_NE(operation, nullptr) << r.method << " " << r.pattern;
      EXPECT_EQ(operation->at("summary"), json::string_view(r.summary));
   }
}

TEST(openapi, every_documented_path_and_method_is_routed) {
   size_t count = 0;
   for (const auto& path : document().at("paths").as_object())
      for (const auto& operation : path.value().as_object()) {
         count++;
         EXPECT_TRUE(std::any_of(routes().begin(), routes().end(),
                                 [&](const route& r) {
                                    return r.pattern == std::string_view(path.key()) &&
                                           lower(r.method) == std::string_view(operation.key());
                                 }))
               << operation.key() << " " << path.key();
      }
   EXPECT_EQ(count, routes().size());
}

TEST(openapi, parameters_and_body_keys_are_those_of_the_routes) {
   for (const route& r : routes()) {
      const json::object& operation =
            document().at("paths").at(json::string_view(r.pattern)).at(lower(r.method)).as_object();
      std::set<std::string> query, path, body;
      if (const json::value* list = operation.if_contains("parameters"))
         for (const auto& p : list->as_array())
            (p.at("in") == "query" ? query : path).insert(std::string(p.at("name").as_string()));
      if (const json::value* request = operation.if_contains("requestBody")) {
         if (const auto& schema =
                   resolve(request->at("content").at("application/json").at("schema")).as_object();
             const json::value* properties = schema.if_contains("properties"))
            for (const auto& p : properties->as_object())
               body.insert(std::string(p.key()));
         else
            body.insert("*"); // any object
      }
      EXPECT_EQ(query, std::set<std::string>(r.query_keys.begin(), r.query_keys.end()))
            << r.pattern;
      EXPECT_EQ(body, std::set<std::string>(r.body_keys.begin(), r.body_keys.end())) << r.pattern;
      EXPECT_EQ(path.size(),
                static_cast<size_t>(std::count(r.pattern.begin(), r.pattern.end(), '{')))
            << r.pattern;
   }
}

TEST(openapi, answers_are_as_documented_field_by_field) {
   for (const route& r : routes()) {
      if (r.stream) continue;
      fake_backend daemon = full_backend();
      response answer;
      dispatch(daemon, {r.method, good_target(r), good_body(r)},
               [&](response a) { answer = std::move(a); });
      ASSERT_EQ(answer.status, 200) << r.pattern << answer.body;
      const json::value& schema = document()
                                        .at("paths")
                                        .at(json::string_view(r.pattern))
                                        .at(lower(r.method))
                                        .at("responses")
                                        .at("200")
                                        .at("content")
                                        .at("application/json")
                                        .at("schema");
      EXPECT_EQ(differences(answer.body, schema), std::vector<std::string>{}) << r.pattern;
   }
}

TEST(openapi, events_are_as_documented) {
   const json::value& schema = document()
                                     .at("paths")
                                     .at("/v1/events")
                                     .at("get")
                                     .at("responses")
                                     .at("200")
                                     .at("content")
                                     .at("application/x-ndjson")
                                     .at("schema");
   EXPECT_EQ(differences(to_json(mesh::event{1, "peer.up", "acme", {{"peer", "nas"}}}), schema),
             std::vector<std::string>{});
   EXPECT_EQ(differences(to_json(mesh::event{}), schema), std::vector<std::string>{});
}

TEST(openapi, problems_are_as_documented) {
   const json::value& schema = document().at("components").at("schemas").at("Problem");
   EXPECT_EQ(differences(problem(404, "not found", "x").body, schema), std::vector<std::string>{});
   EXPECT_EQ(differences(problem(base::fail(base::errc::io, "x")).body, schema),
             std::vector<std::string>{});
}

TEST(openapi, every_schema_is_used) {
   const std::string text(openapi_document());
   for (const auto& schema : document().at("components").at("schemas").as_object())
      EXPECT_NE(text.find("\"#/components/schemas/" + std::string(schema.key()) + "\""),
                std::string::npos)
            << schema.key();
}

TEST(openapi, the_comparison_itself_notices_differences) {
   const json::value& schema = document().at("components").at("schemas").at("Stop");
   EXPECT_EQ(differences(json::parse(R"({"schema":"warren.stop/1"})"), schema).size(), 1u);
   EXPECT_EQ(differences(json::parse(R"({"schema":"warren.stop/1","stopping":1})"), schema).size(),
             1u);
   EXPECT_EQ(
         differences(json::parse(R"({"schema":"warren.stop/1","stopping":true,"more":1})"), schema)
               .size(),
         1u);
   EXPECT_EQ(differences(json::parse(R"({"schema":"other/1","stopping":true})"), schema).size(),
             1u);
}

} // namespace
} // namespace warren::control
