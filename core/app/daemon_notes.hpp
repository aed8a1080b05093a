// What the daemon says: to systemd where it stands, to the operator what a reload changed. Control
// thread.
#pragma once

#include "core/config/model.hpp"

#include <string>
#include <string_view>

namespace warren::app {

/// Tells systemd (Type=notify) where we are; nothing without $NOTIFY_SOCKET. See sd_notify(3).
void notify_systemd(std::string_view state);

/// One sentence on what became different.
std::string describe_change(const config::network& before, const config::network& after);

} // namespace warren::app
