// The C++20 wrapper around the plugin ABI: include this, derive from sdk::transport,
// sdk::stream_transport, sdk::discovery, sdk::routing or sdk::service, end with WARREN_PLUGIN.
// Header-only; exceptions stop at the boundary. See docs/plugin-guide.md.
#pragma once

#include "cpp/discovery.hpp"
#include "cpp/module.hpp"
#include "cpp/routing.hpp"
#include "cpp/service.hpp"
#include "cpp/stream_transport.hpp"
#include "cpp/transport.hpp"
