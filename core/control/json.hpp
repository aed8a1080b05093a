// Snapshots to JSON: the shapes of the /v1 API and of `--json`. Names are stable, units are in the
// names, and every document names its schema.
#pragma once

#include "core/control/backend.hpp"

#include <boost/json/value.hpp>
#include <string>

namespace warren::control {

boost::json::value to_json(const mesh::network_status& s); // warren.network/1
boost::json::value to_json(const mesh::peer_status& p);
boost::json::value to_json(const mesh::event& e);          // warren.event/1
boost::json::value to_json(const mesh::ping_result& r);    // warren.ping/1
boost::json::value to_json(const mesh::explain_result& r); // warren.explain/1
boost::json::value to_json(const mesh::drop_report& r);    // warren.drops/1
boost::json::value to_json(const daemon_info& i);          // warren.info/1
boost::json::value to_json(const plugin_info& p);

/// The text of a document: always valid UTF-8, since names, plugins' texts and echoed input need
/// not be.
std::string to_text(const boost::json::value& document);

/// RFC 3339 in UTC with milliseconds; null for 0.
boost::json::value time_or_null(int64_t wall_ns);

} // namespace warren::control
