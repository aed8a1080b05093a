#include "core/control/json.hpp"

#include "core/base/address.hpp"

#include <boost/json.hpp>
#include <ctime>

namespace warren::control {

namespace json = boost::json;

namespace {

json::array list(const std::vector<wrn_addr>& prefixes, bool interface) {
   json::array out;
   for (const wrn_addr& a : prefixes) {
      const bool whole = a.prefix_len == base::address_bits(a) && !interface;
      out.push_back(json::string(whole ? base::format_address(a) : base::format_prefix(a)));
   }
   return out;
}

json::array texts(const std::vector<std::string>& all) {
   json::array out;
   for (const std::string& text : all)
      out.push_back(json::string(text));
   return out;
}

json::object drops_of(const mesh::drop_counts& drops) {
   json::object out;
   for (const auto& [reason, packets] : drops)
      out[reason] = packets;
   return out;
}

json::value endpoint_or_null(const wrn_addr& a) {
   return a.family == WRN_AF_NONE ? json::value(nullptr)
                                  : json::value(json::string(base::format_endpoint(a)));
}

json::value text_or_null(const std::string& text) {
   return text.empty() ? json::value(nullptr) : json::value(json::string(text));
}

/// Bytes of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7); 0 when
/// there is none.
size_t sequence_length(std::string_view text) {
   const auto at = [&](size_t i) {
      return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
   };
   const auto follows = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
      return at(i) >= low && at(i) <= high;
   };
   const unsigned first = at(0);
   if (first < 0x80) return 1;
   if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
   if (first >= 0xe0 && first <= 0xef)
      return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3
                                                                                                : 0;
   if (first >= 0xf0 && first <= 0xf4)
      return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) &&
                         follows(3)
                   ? 4
                   : 0;
   return 0;
}

} // namespace

std::string to_text(const json::value& document) {
   std::string text = json::serialize(document);
   // JSON's own syntax is ASCII, so a foreign byte can only stand inside a string.
   for (size_t i = 0; i < text.size();) {
      const size_t n = sequence_length(std::string_view(text).substr(i));
      if (n == 0) text[i] = '?';
      i += n == 0 ? 1 : n;
   }
   return text;
}

json::value time_or_null(int64_t wall_ns) {
   if (wall_ns == 0) return nullptr;
   const std::time_t seconds = wall_ns / 1'000'000'000;
   std::tm utc{};
   gmtime_r(&seconds, &utc);
   char text[40];
   const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
   std::snprintf(text + n, sizeof text - n, ".%03dZ", static_cast<int>(wall_ns / 1'000'000 % 1000));
   return json::string(text);
}

json::value to_json(const mesh::peer_status& p) {
   return json::object{
         {"name", p.name},
         {"id",
          p.id ? json::value(json::string(crypto::format_node_id(*p.id))) : json::value(nullptr)},
         {"tunnel_key", p.tunnel_key
                              ? json::value(json::string(crypto::format_tunnel_key(*p.tunnel_key)))
                              : json::value(nullptr)},
         {"groups", texts(p.groups)},
         {"tags", texts(p.tags)},
         {"roles", texts(p.roles)},
         {"addresses", list(p.addresses, false)},
         {"routes", list(p.routes, true)},
         {"state", mesh::to_string(p.state)},
         {"path", p.endpoint.family == WRN_AF_NONE   ? json::value(nullptr)
                  : p.endpoint.family == WRN_AF_PATH ? json::value("relayed")
                                                     : json::value("direct")},
         {"via", text_or_null(p.via)},
         {"mtu", p.mtu == 0 ? json::value(nullptr) : json::value(p.mtu)},
         {"transport", text_or_null(p.transport)},
         {"endpoint", endpoint_or_null(p.endpoint)},
         {"latest_handshake", time_or_null(p.handshake_wall_ns)},
         {"latest_handshake_unix_ms", p.handshake_wall_ns == 0
                                            ? json::value(nullptr)
                                            : json::value(p.handshake_wall_ns / 1'000'000)},
         {"rtt_us", p.rtt_us == 0 ? json::value(nullptr) : json::value(p.rtt_us)},
         {"rx_bytes", p.rx_bytes},
         {"tx_bytes", p.tx_bytes},
         {"rx_packets", p.rx_packets},
         {"tx_packets", p.tx_packets},
         {"last_error", text_or_null(p.last_error)},
         {"drops", drops_of(p.drops)},
   };
}

json::value to_json(const mesh::network_status& s) {
   json::array peers, instances;
   for (const auto& p : s.peers)
      peers.push_back(to_json(p));
   for (const auto& i : s.instances) {
      json::object metrics;
      for (const auto& m : i.metrics)
         metrics[m.what->name] = m.value;
      instances.push_back(json::object{{"plugin", i.plugin},
                                       {"kind", i.kind},
                                       {"version", i.version},
                                       {"module", i.module},
                                       {"state", i.state},
                                       {"plaintext", i.plaintext},
                                       {"listen", endpoint_or_null(i.listen)},
                                       {"tx_dropped_packets", i.tx_dropped},
                                       {"rx_dropped_packets", i.rx_dropped},
                                       {"slow_calls", i.slow_calls},
                                       {"metrics", std::move(metrics)}});
   }
   json::object offloads;
   for (size_t i = 0; i < base::offload_count; i++)
      if (!s.offloads[i].empty()) offloads[base::offload_names[i]] = s.offloads[i];
   return json::object{{"schema", "warren.network/1"},
                       {"name", s.name},
                       {"node_name", s.node_name},
                       {"id", crypto::format_node_id(s.id)},
                       {"tunnel_key", crypto::format_tunnel_key(s.tunnel_key)},
                       {"interface", s.interface},
                       {"mtu", s.mtu},
                       {"up", s.up},
                       {"offloads", std::move(offloads)},
                       {"relay", s.relay},
                       {"since", time_or_null(static_cast<int64_t>(s.since_wall_ns))},
                       {"addresses", list(s.addresses, true)},
                       {"instances", std::move(instances)},
                       {"peers", std::move(peers)},
                       {"drops", drops_of(s.drops)}};
}

json::value to_json(const mesh::event& e) {
   json::object fields;
   for (const auto& [key, value] : e.fields)
      fields[key] = value;
   return json::object{{"schema", "warren.event/1"},
                       {"time", time_or_null(e.wall_ns)},
                       {"event", e.name},
                       {"network", e.network},
                       {"fields", std::move(fields)}};
}

json::value to_json(const mesh::ping_result& r) {
   return json::object{{"schema", "warren.ping/1"},
                       {"peer", r.peer},
                       {"address", base::format_address(r.address)},
                       {"rtt_us", r.rtt_us},
                       {"bytes", r.bytes},
                       {"path", r.endpoint.family == WRN_AF_PATH ? "relayed" : "direct"},
                       {"transport", r.transport},
                       {"endpoint", endpoint_or_null(r.endpoint)}};
}

json::value to_json(const mesh::explain_result& r) {
   const auto verdict = [](const mesh::rule_verdict& v) {
      return json::object{{"accept", v.accept},
                          {"rule", text_or_null(v.where)},
                          {"rule_name", text_or_null(v.name)}};
   };
   const auto port = [](const std::optional<uint16_t>& p) {
      return p ? json::value(*p) : json::value(nullptr);
   };
   json::value link = nullptr;
   if (!r.peer.empty())
      link = json::object{{"peer", r.peer},
                          {"state", mesh::to_string(r.state)},
                          {"transport", text_or_null(r.transport)},
                          {"endpoint", endpoint_or_null(r.endpoint)},
                          {"via", text_or_null(r.via)},
                          {"mtu", r.mtu == 0 ? json::value(nullptr) : json::value(r.mtu)}};
   return json::object{{"schema", "warren.explain/1"},
                       {"source", base::format_address(r.source)},
                       {"source_owner", text_or_null(r.source_owner)},
                       {"source_port", port(r.source_port)},
                       {"destination", base::format_address(r.destination)},
                       {"destination_owner", text_or_null(r.destination_owner)},
                       {"destination_port", port(r.destination_port)},
                       {"protocol", r.protocol},
                       {"forward", verdict(r.forward)},
                       {"backward", verdict(r.backward)},
                       {"link", std::move(link)}};
}

json::value to_json(const mesh::drop_report& r) {
   json::array drops;
   const auto address = [](const wrn_addr& a) {
      return a.family == WRN_AF_NONE ? json::value(nullptr)
                                     : json::value(json::string(base::format_address(a)));
   };
   for (const mesh::drop_record& d : r.drops)
      drops.push_back(json::object{{"time", time_or_null(d.wall_ns)},
                                   {"direction", d.incoming ? "in" : "out"},
                                   {"peer", d.peer},
                                   {"source", address(d.source)},
                                   {"source_port", d.source.port},
                                   {"destination", address(d.destination)},
                                   {"destination_port", d.destination.port},
                                   {"protocol", d.protocol},
                                   {"why", d.why},
                                   {"rule", text_or_null(d.where)}});
   return json::object{{"schema", "warren.drops/1"},
                       {"filtered", r.filtered},
                       {"flows", r.flows},
                       {"passed", drops_of(r.passed)},
                       {"dropped", drops_of(r.dropped)},
                       {"drops", std::move(drops)}};
}

json::value to_json(const daemon_info& i) {
   return json::object{{"schema", "warren.info/1"},
                       {"version", i.version},
                       {"pid", i.pid},
                       {"started", time_or_null(i.started_wall_ns)},
                       {"config", i.config_file},
                       {"log_level", base::log::to_string(i.log_level)}};
}

json::value to_json(const plugin_info& p) {
   json::array params;
   for (const wrn_param* q = p.desc != nullptr ? p.desc->params : nullptr;
        q != nullptr && q->name != nullptr; q++) {
      static constexpr const char* types[] = {"",       "bool", "int",      "float",
                                              "string", "enum", "duration", "strings"};
      params.push_back(json::object{
            {"name", q->name},
            {"type", types[q->type]},
            {"range", q->range == nullptr ? json::value(nullptr) : json::value(q->range)},
            {"default", q->deflt == nullptr ? json::value(nullptr) : json::value(q->deflt)},
            {"required", (q->flags & WRN_PF_REQUIRED) != 0},
            {"secret", (q->flags & WRN_PF_SECRET) != 0},
            {"help", q->help}});
   }
   json::array metrics;
   for (const wrn_metric* m = p.desc != nullptr ? p.desc->metrics : nullptr;
        m != nullptr && m->name != nullptr; m++)
      metrics.push_back(json::object{{"name", m->name},
                                     {"type", m->type == WRN_METRIC_GAUGE ? "gauge" : "counter"},
                                     {"help", m->help}});
   return json::object{{"name", p.name},
                       {"kind", p.kind},
                       {"id", p.id},
                       {"version", p.version},
                       {"license", p.license},
                       {"summary", p.summary},
                       {"module", p.module},
                       {"params", std::move(params)},
                       {"metrics", std::move(metrics)}};
}

} // namespace warren::control
