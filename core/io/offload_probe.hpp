// Do the kernel's segmentation offloads do what they say? Asked once, before anything is carried.
#pragma once

#include "core/base/offload.hpp"

namespace warren::io {

/// Sends known packets through a TUN device and UDP sockets of a network namespace that is made for
/// it, in a child process, with our own splitter and coalescer on our side, and compares what comes
/// out. Blocks for some milliseconds, two seconds at most; `untested` where the machine allows no
/// namespace or the child does not answer. Call it before there are threads.
base::offload_report probe_offloads();

} // namespace warren::io
