// From what the documents say to what a network is configured with: its members as peers, and its
// own addresses. Pure; control thread.
#pragma once

#include "core/config/model.hpp"
#include "core/trust/party.hpp"

namespace warren::mesh {

/// `settings` as the operator's file has them become those that apply() gets. Members take the
/// place of peers of the file with the same key; stock clients of other nodes are routes of those
/// nodes.
void add_members(config::network& settings, trust::party& party);

} // namespace warren::mesh
