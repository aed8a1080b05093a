#include "core/io/udp_group.hpp"

#include "core/base/error.hpp"

#include <cstring>

namespace warren::io {

namespace {

constexpr uint32_t open_runs_max =
      8; // destinations collected side by side; beyond it the oldest run is closed

bool same_way(const wrn_pkt& a, const wrn_pkt& b) {
   return a.local == b.local && a.ecn == b.ecn && a.addr.family == b.addr.family &&
          a.addr.port == b.addr.port && a.addr.scope_id == b.addr.scope_id &&
          std::memcmp(a.addr.ip, b.addr.ip, sizeof a.addr.ip) == 0;
}

/// Same remote address: such datagrams keep their order even when token or ECN differ.
bool same_destination(const wrn_pkt& a, const wrn_pkt& b) {
   return a.addr.family == b.addr.family && a.addr.port == b.addr.port &&
          std::memcmp(a.addr.ip, b.addr.ip, sizeof a.addr.ip) == 0;
}

} // namespace

void plan_udp_runs(std::span<const wrn_pkt> packets, bool gso, udp_plan& plan) {
   WRN_ASSERT(packets.size() <= WRN_BATCH_MAX);
   uint8_t open[open_runs_max]; // the last run of each destination, indices into plan.runs
   uint32_t open_count = 0, oldest = 0;
   plan.count = 0;
   for (uint32_t i = 0; i < packets.size(); i++) {
      const wrn_pkt& p = packets[i];
      plan.next[i] = udp_plan::end;
      uint32_t slot = open_count;
      if (gso) {
         for (slot = 0; slot < open_count; slot++)
            if (same_destination(packets[plan.runs[open[slot]].first], p)) break;
         if (slot < open_count) {
            udp_run& run = plan.runs[open[slot]];
            // A datagram shorter than the segment closed the run; bytes tells, since all others are
            // full.
            const bool closed = run.bytes != run.count * run.segment;
            if (!closed && same_way(packets[run.first], p) && p.len != 0 && p.len <= run.segment &&
                run.count < gso_segments_max && run.bytes + p.len <= gso_bytes_max) {
               plan.next[run.last] = static_cast<uint8_t>(i);
               run.last = static_cast<uint8_t>(i);
               run.count++;
               run.bytes += p.len;
               continue;
            }
         }
      }
      const auto index = static_cast<uint8_t>(plan.count++);
      plan.runs[index] = udp_run{.first = static_cast<uint8_t>(i),
                                 .last = static_cast<uint8_t>(i),
                                 .count = 1,
                                 .segment = p.len,
                                 .bytes = p.len};
      if (!gso) continue;
      if (slot == open_count) { // a destination not seen so far, or no longer
         if (open_count < open_runs_max) {
            open_count++;
         } else {
            slot = oldest;
            oldest = (oldest + 1) % open_runs_max;
         }
      }
      open[slot] = index;
   }
}

} // namespace warren::io
