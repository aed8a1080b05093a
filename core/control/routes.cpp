#include "core/control/routes.hpp"

#include "core/base/limits.hpp"
#include "core/control/json.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

namespace warren::control {

namespace json = boost::json;

namespace {

using handler_arguments = const arguments&;

/// %XX decoding; nothing for a broken escape or a NUL.
std::optional<std::string> decode(std::string_view text) {
   const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
   };
   std::string out;
   for (size_t i = 0; i < text.size(); i++) {
      char c = text[i];
      if (c == '%') {
         if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
            return std::nullopt;
         c = static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
         i += 2;
      }
      if (static_cast<unsigned char>(c) < ' ' || c == 127) return std::nullopt;
      out += c;
   }
   return out;
}

/// "/v1/networks/{network}" against "/v1/networks/acme". "{path}" takes all that is left.
bool match_path(std::string_view pattern, std::string_view path,
                std::map<std::string, std::string, std::less<>>& found) {
   while (true) {
      const size_t a = pattern.find('/', 1), b = path.find('/', 1);
      const std::string_view want = pattern.substr(0, a), have = path.substr(0, b);
      if (want == "/{path}") {
         auto value = decode(path);
         if (!value) return false;
         found.emplace("path", std::move(*value));
         return true;
      }
      if (want.size() > 2 && want[1] == '{') {
         auto value = decode(have.substr(1));
         if (!value || value->empty()) return false;
         found.emplace(want.substr(2, want.size() - 3), std::move(*value));
      } else if (want != have) {
         return false;
      }
      if (a == std::string_view::npos || b == std::string_view::npos) return a == b;
      pattern.remove_prefix(a);
      path.remove_prefix(b);
   }
}

base::error bad(std::string text) { return base::fail(base::errc::invalid, std::move(text)); }

base::result<std::string> string_in(const json::object& body, std::string_view key) {
   const json::value* v = body.if_contains(key);
   if (v == nullptr || !v->is_string())
      return bad("'" + std::string(key) + "' is missing or not a string");
   return std::string(v->as_string());
}

base::result<int64_t> integer_in(const json::object& body, std::string_view key, int64_t min,
                                 int64_t max, int64_t otherwise) {
   const json::value* v = body.if_contains(key);
   if (v == nullptr) return otherwise;
   if (!v->is_int64() || v->as_int64() < min || v->as_int64() > max)
      return bad("'" + std::string(key) + "' is not an integer from " + std::to_string(min) +
                 " to " + std::to_string(max));
   return v->as_int64();
}

/// Wraps a reply of the backend into a response.
template <class T, class Fn> reply<T> answer(responder respond, Fn to_body) {
   return [respond = std::move(respond), to_body](base::result<T> r) {
      if (r)
         respond({200, to_body(*r)});
      else
         respond(problem(r.error()));
   };
}

void get_networks(backend& daemon, handler_arguments, responder respond) {
   json::array names;
   for (const auto& n : daemon.networks())
      names.push_back(json::string(n));
   respond({200, json::object{{"schema", "warren.networks/1"}, {"networks", std::move(names)}}});
}

void get_network(backend& daemon, handler_arguments a, responder respond) {
   daemon.status(a.path.at("network"),
                 answer<mesh::network_status>(std::move(respond),
                                              [](const auto& s) { return to_json(s); }));
}

void get_peers(backend& daemon, handler_arguments a, responder respond) {
   daemon.status(a.path.at("network"),
                 answer<mesh::network_status>(std::move(respond), [](const auto& s) -> json::value {
                    json::array peers;
                    for (const auto& p : s.peers)
                       peers.push_back(to_json(p));
                    return json::object{{"schema", "warren.peers/1"},
                                        {"network", s.name},
                                        {"peers", std::move(peers)}};
                 }));
}

void post_ping(backend& daemon, handler_arguments a, responder respond) {
   const auto target = string_in(a.body, "target");
   const auto bytes = integer_in(a.body, "bytes", 0, 65000, 56);
   const auto timeout_ms = integer_in(a.body, "timeout_ms", 1, 60'000, 2000);
   if (!target) return respond(problem(target.error()));
   const bool printable = std::none_of(target->begin(), target->end(),
                                       [](unsigned char c) { return c < ' ' || c == 127; });
   if (target->empty() || target->size() > 128 || !printable)
      return respond(problem(
            bad("'target' is not a name, a key or an address; expected 1 to 128 printable bytes")));
   if (!bytes) return respond(problem(bytes.error()));
   if (!timeout_ms) return respond(problem(timeout_ms.error()));
   daemon.ping(
         a.path.at("network"), *target, static_cast<size_t>(*bytes),
         static_cast<uint64_t>(*timeout_ms) * 1'000'000,
         answer<mesh::ping_result>(std::move(respond), [](const auto& r) { return to_json(r); }));
}

void post_reload(backend& daemon, handler_arguments, responder respond) {
   daemon.reload(
         answer<reload_report>(std::move(respond), [](const reload_report& r) -> json::value {
            json::array changes;
            for (const auto& c : r.changes)
               changes.push_back(json::string(c));
            return json::object{{"schema", "warren.reload/1"}, {"changes", std::move(changes)}};
         }));
}

void put_log_level(backend& daemon, handler_arguments a, responder respond) {
   const auto text = string_in(a.body, "level");
   if (!text) return respond(problem(text.error()));
   const auto level = base::log::parse_level(*text);
   if (!level) return respond(problem(level.error()));
   if (const auto ok = daemon.set_log_level(*level); !ok) return respond(problem(ok.error()));
   respond({200, json::object{{"schema", "warren.log_level/1"}, {"level", *text}}});
}

void get_routes(backend& daemon, handler_arguments a, responder respond) {
   daemon.status(a.path.at("network"),
                 answer<mesh::network_status>(std::move(respond), [](const auto& s) -> json::value {
                    json::array ways;
                    for (const auto& w : s.ways)
                       ways.push_back(json::object{{"destination", w.destination},
                                                   {"next_hop", w.next_hop},
                                                   {"metric", w.metric},
                                                   {"weight", w.weight},
                                                   {"plugin", w.plugin},
                                                   {"used", w.used}});
                    return json::object{{"schema", "warren.routes/1"},
                                        {"network", s.name},
                                        {"relay", s.relay},
                                        {"routes", std::move(ways)}};
                 }));
}

/// A key of the query, or nothing; an error when it is given and no port.
base::result<std::optional<uint16_t>> port_in(const arguments& a, std::string_view key) {
   const auto it = a.query.find(key);
   if (it == a.query.end()) return std::optional<uint16_t>();
   uint16_t port = 0;
   const std::string& text = it->second;
   const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
   if (ec != std::errc() || end != text.data() + text.size())
      return bad("'" + std::string(key) + "' is no port; expected 0 to 65535");
   return std::optional<uint16_t>(port);
}

void get_explain(backend& daemon, handler_arguments a, responder respond) {
   mesh::explain_request what;
   for (const auto& [key, into] :
        {std::pair("src", &what.source), {"dst", &what.destination}, {"proto", &what.protocol}}) {
      const auto it = a.query.find(key);
      if (it != a.query.end()) *into = it->second;
      if (into->empty() || into->size() > 253)
         return respond(
               problem(bad("'" + std::string(key) + "' is missing or longer than 253 bytes")));
   }
   const auto source = port_in(a, "sport"), destination = port_in(a, "dport");
   if (!source) return respond(problem(source.error()));
   if (!destination) return respond(problem(destination.error()));
   what.source_port = *source;
   what.destination_port = *destination;
   daemon.explain(a.path.at("network"), std::move(what),
                  answer<mesh::explain_result>(std::move(respond),
                                               [](const auto& r) { return to_json(r); }));
}

void get_drops(backend& daemon, handler_arguments a, responder respond) {
   daemon.drops(
         a.path.at("network"),
         answer<mesh::drop_report>(std::move(respond), [](const auto& r) { return to_json(r); }));
}

void ask_plugin(std::string_view method, backend& daemon, handler_arguments a, responder respond) {
   mesh::plugin_request what{a.path.at("plugin"), std::string(method), a.path.at("path"),
                             method == "GET" ? "" : json::serialize(a.body)};
   const auto done = [respond = std::move(respond)](base::result<mesh::plugin_answer> r) {
      if (!r) return respond(problem(r.error()));
      json::parse_options options;
      options.max_depth = 16;
      json::error_code ec;
      json::value body = json::parse(r->json, ec, {}, options);
      if (ec) return respond(problem(500, "internal", "the plugin's answer is not JSON"));
      if (r->status < 400) return respond({static_cast<int>(r->status), std::move(body)});
      const json::value* detail =
            body.is_object() ? body.as_object().if_contains("detail") : nullptr;
      respond(problem(static_cast<int>(r->status), "refused by the plugin",
                      detail != nullptr && detail->is_string()
                            ? std::string_view(detail->as_string())
                            : "the plugin gave no reason"));
   };
   daemon.ask_plugin(a.path.at("network"), std::move(what), done);
}

void get_plugins(backend& daemon, handler_arguments, responder respond) {
   json::array plugins, refused;
   for (const auto& p : daemon.plugins())
      plugins.push_back(to_json(p));
   for (const auto& [module, why] : daemon.refused_plugins())
      refused.push_back(json::object{{"module", module}, {"why", why}});
   respond({200, json::object{{"schema", "warren.plugins/1"},
                              {"plugins", std::move(plugins)},
                              {"refused", std::move(refused)}}});
}

std::vector<route> daemon_routes() {
   return {
         {"GET",
          "/v1/info",
          "The daemon: version, process, configuration file, log level",
          {},
          {},
          false,
          [](backend& d, handler_arguments, responder r) {
             r({200, to_json(d.info())});
          }},
         {"GET", "/v1/networks", "Names of the running networks", {}, {}, false, get_networks},
         {"GET",
          "/v1/networks/{network}",
          "A network with its plugins, peers and drops",
          {},
          {},
          false,
          get_network},
         {"GET",
          "/v1/networks/{network}/peers",
          "The peers of a network",
          {},
          {},
          false,
          get_peers},
         {"POST",
          "/v1/networks/{network}/ping",
          "One echo over the mesh to a peer or an address behind it",
          {},
          {"target", "bytes", "timeout_ms"},
          false,
          post_ping},
         {"GET",
          "/v1/networks/{network}/routes",
          "Ways to members through others, from the routing plugins",
          {},
          {},
          false,
          get_routes},
         {"GET",
          "/v1/networks/{network}/explain",
          "Whether a flow would pass the access rules, and which way it would go",
          {"src", "dst", "proto", "sport", "dport"},
          {},
          false,
          get_explain},
         {"GET",
          "/v1/networks/{network}/drops",
          "Packets that the access rules dropped lately",
          {},
          {},
          false,
          get_drops},
         {"GET",
          "/v1/networks/{network}/plugins/{plugin}/{path}",
          "Ask a plugin of the network; path may hold slashes",
          {},
          {},
          false,
          [](backend& d, handler_arguments a, responder r) {
             ask_plugin("GET", d, a, std::move(r));
          }},
         {"POST",
          "/v1/networks/{network}/plugins/{plugin}/{path}",
          "Hand a JSON object to a plugin of the network",
          {},
          {"*"},
          false,
          [](backend& d, handler_arguments a, responder r) {
             ask_plugin("POST", d, a, std::move(r));
          }},
         {"POST",
          "/v1/reload",
          "Read the configuration again and apply what changed",
          {},
          {},
          false,
          post_reload},
         {"PUT",
          "/v1/log/level",
          "Change the log level until the next start or reload",
          {},
          {"level"},
          false,
          put_log_level},
         {"POST",
          "/v1/stop",
          "Stop the daemon in order",
          {},
          {},
          false,
          [](backend& d, handler_arguments, responder r) {
             d.stop();
             r({200, json::object{{"schema", "warren.stop/1"}, {"stopping", true}}});
          }},
         {"GET",
          "/v1/plugins",
          "Loaded plugins with their keys, and modules that were refused",
          {},
          {},
          false,
          get_plugins},
         {"GET",
          "/v1/events",
          "Recent events, one JSON document per line; follow=1 keeps the stream open",
          {"follow"},
          {},
          true,
          {}},
         {"GET",
          "/v1/openapi.json",
          "This API as an OpenAPI document",
          {},
          {},
          false,
          [](backend&, handler_arguments, responder r) {
             r({200, json::parse(openapi_document())});
          }},
   };
}

} // namespace

const std::vector<route>& routes() {
   static const std::vector<route> table = [] {
      std::vector<route> all = daemon_routes();
      add_membership_routes(all);
      return all;
   }();
   return table;
}

response problem(int status, std::string_view title, std::string_view detail) {
   return {status, json::object{{"type", "about:blank"},
                                {"title", title},
                                {"status", status},
                                {"detail", detail}}};
}

response problem(const base::error& e) {
   using base::errc;
   const auto status = [&] {
      switch (e.code) {
      case errc::invalid:
         return 400;
      case errc::config:
         return 422;
      case errc::permission:
         return 403;
      case errc::not_found:
         return 404;
      case errc::exists:
      case errc::in_use:
      case errc::state:
         return 409;
      case errc::limit:
      case errc::unavailable:
         return 503;
      case errc::timeout:
         return 504;
      default:
         return 500;
      }
   }();
   return problem(status, base::to_string(e.code), e.text);
}

size_t body_bytes_max(std::string_view method, std::string_view target) {
   const std::string_view path = target.substr(0, target.find('?'));
   std::map<std::string, std::string, std::less<>> ignored;
   for (const route& r : routes())
      if (r.method == method && !path.empty() && match_path(r.pattern, path, ignored))
         return r.body_bytes_max;
   return base::limits::control_request_bytes_max;
}

void dispatch(backend& daemon, const request& r, responder respond, match* stream) {
   if (r.target.empty() || r.target[0] != '/' || r.target.size() > 1024)
      return respond(problem(400, "bad request", "the target is not a path"));
   const size_t question = r.target.find('?');
   const std::string_view path = r.target.substr(0, question);
   const route* found = nullptr;
   std::string allow;
   arguments args;
   for (const route& candidate : routes()) {
      args.path.clear();
      if (!match_path(candidate.pattern, path, args.path)) continue;
      if (candidate.method != r.method) {
         allow += (allow.empty() ? "" : ", ") + std::string(candidate.method);
         continue;
      }
      found = &candidate;
      break;
   }
   if (found == nullptr) {
      if (allow.empty())
         return respond(problem(404, "not found", "no such path; see /v1/openapi.json"));
      response refused = problem(405, "method not allowed",
                                 "this path knows " + allow + "; see /v1/openapi.json");
      refused.allow = std::move(allow);
      return respond(std::move(refused));
   }
   std::string_view query =
         question == std::string_view::npos ? std::string_view{} : r.target.substr(question + 1);
   while (!query.empty()) {
      const std::string_view pair = query.substr(0, query.find('&'));
      query.remove_prefix(std::min(query.size(), pair.size() + 1));
      const size_t equals = pair.find('=');
      const auto key = decode(pair.substr(0, equals));
      const auto value =
            decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
      if (!key || !value ||
          std::find(found->query_keys.begin(), found->query_keys.end(), *key) ==
                found->query_keys.end())
         return respond(
               problem(400, "bad request",
                       "unknown or broken query key in '" + std::string(pair.substr(0, 64)) + "'"));
      if (!args.query.emplace(*key, *value).second)
         return respond(problem(400, "bad request", "query key '" + *key + "' is given twice"));
   }
   if (!r.body.empty()) {
      if (found->body_keys.empty())
         return respond(problem(400, "bad request", "this request takes no body"));
      json::parse_options options;
      options.max_depth = 8;
      json::error_code ec;
      json::value body = json::parse(r.body, ec, {}, options);
      if (ec || !body.is_object())
         return respond(problem(400, "bad request", "the body is not a JSON object"));
      const bool any_key = found->body_keys.front() == "*"; // a plugin judges
      for (const auto& item : body.as_object())
         if (!any_key && std::find(found->body_keys.begin(), found->body_keys.end(),
                                   std::string_view(item.key())) == found->body_keys.end())
            return respond(problem(400, "bad request",
                                   "unknown key '" + std::string(item.key()).substr(0, 64) +
                                         "' in the body"));
      args.body = std::move(body.as_object());
   }
   if (found->stream) {
      if (const auto follow = args.query.find("follow");
          follow != args.query.end() && follow->second != "0" && follow->second != "1")
         return respond(problem(400, "bad request", "'follow' is 0 or 1"));
      if (stream == nullptr) return respond(problem(400, "bad request", "this path is a stream"));
      *stream = {found, std::move(args)};
      return;
   }
   found->handle(daemon, args, std::move(respond));
}

} // namespace warren::control
