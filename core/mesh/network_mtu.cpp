// What a link carries, and what becomes of inner packets that are larger: answered by ICMP, or cut
// where IPv4 allows it. The ends of TCP connections are told before they send such packets
// (docs/decisions/0010-path-mtu.md). Only packets that do not fit, and SYNs, come by here.
#include "core/mesh/icmp.hpp"
#include "core/mesh/network.hpp"
#include "core/mesh/path_mtu.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace limits = base::limits;

/// The one way to move a link: what it carries depends on where it runs.
void network::place(link& l, const wrn_addr& at) {
   l.remote = at;
   l.mtu = mtu_of(l);
}

/// Relayed: the outer link's, less a frame header and what the transport adds, in the steps in
/// which transports pad. Where that is less than the least, the outer link carries a longer frame:
/// every link does up to 1328 bytes, fragmenting by itself where it must.
uint32_t network::mtu_of(const link& l) const {
   if (l.remote.family != WRN_AF_PATH) return settings_.mtu;
   constexpr uint32_t padding = 16;
   const uint64_t added = uint64_t{frame_header_bytes} + l.via->limits.overhead;
   const uint64_t room = settings_.mtu - std::min<uint64_t>(added, settings_.mtu);
   return std::max(static_cast<uint32_t>(room) / padding * padding, limits::relayed_mtu_min);
}

/// The network's MTU has changed.
void network::renew_mtu() {
   peers_.each([&](uint64_t, peer& p) {
      for (auto& l : p.links) {
         l->mtu = mtu_of(*l);
         const wrn_link_params params = params_of(p, l->remote);
         if (l->via->instance->active())
            l->via->table->update(l->via->instance->get(), l->handle, &params);
      }
   });
}

/// send_on() for packets some of which are too large for the link; order is kept.
void network::send_fitted(link& l, std::span<wrn_pkt> packets) {
   const uint32_t mtu = l.mtu;
   std::array<wrn_pkt, WRN_BATCH_MAX> batch;
   size_t filled = 0;
   const auto send = [&] {
      if (const std::span run(batch.data(), std::exchange(filled, 0)); !run.empty())
         send_on(l, run);
   };
   const auto add = [&](const wrn_pkt& packet) {
      if (filled == batch.size()) send();
      batch[filled++] = packet;
   };
   std::array<wrn_pkt, limits::fragments_per_packet_max> later;
   for (wrn_pkt& packet : packets) {
      if (packet.len <= mtu) {
         add(packet);
         continue;
      }
      const uint32_t pieces = cut(*l.owner, packet, mtu, later);
      if (pieces == 0) continue;
      add(packet);
      std::for_each_n(later.begin(), pieces - 1, add);
   }
   send();
}

/// Makes `packet` the first of so many pieces that fit and puts the others into `later`. 0: it was
/// dropped, and answered if it may not be cut.
uint32_t network::cut(peer& p, wrn_pkt& packet, uint32_t mtu, std::span<wrn_pkt> later) {
   const std::span<uint8_t> bytes(packet.buf + packet.off, packet.len);
   if (const auto ip = route::parse_ip(bytes); ip && ip->total_bytes <= mtu) {
      packet.len = ip->total_bytes; // what follows the packet is none of it
      return 1;
   }
   const auto drop = [&](drop_reason why) {
      drop_all(&p, {&packet, 1}, why);
      return 0u;
   };
   const auto plan = plan_cut(bytes, mtu);
   if (!plan) {
      if (icmp_budget_.take(shard_.now())) answer(make_too_big(bytes, mtu));
      return drop(drop_reason::too_big);
   }
   later = later.first(plan->count - 1);
   // All or nothing: a part of them would fill the receiver's memory for nothing.
   const uint32_t got = shard_.pool().alloc(later, plan->bytes(1)); // the last may be shorter
   if (got < later.size()) {
      shard_.pool().free(later.first(got));
      return drop(drop_reason::queue_full);
   }
   for (uint32_t i = 1; i < plan->count; i++) {
      wrn_pkt& piece = later[i - 1];
      piece.len = plan->bytes(i);
      piece.ecn = packet.ecn;
      piece.qos = packet.qos;
      write_fragment(bytes, *plan, i, {piece.buf + piece.off, piece.len});
   }
   keep_first_fragment(bytes, *plan);
   packet.len = plan->bytes(0);
   packet.flags = 0;
   return plan->count;
}

/// The packet opens a TCP connection to or from `p`: nobody shall send larger segments than the
/// link carries. A link that is not there yet is taken for a direct one.
void network::clamp(peer& p, const wrn_pkt& packet, const route::ip_view& ip) const {
   const link* l = usable_link(p);
   uint32_t mtu = l != nullptr ? l->mtu : settings_.mtu;
   if (!is_member(ip.family, ip.source) || !is_member(ip.family, ip.destination))
      mtu = std::min(mtu, limits::relayed_mtu_min);
   lower_mss({packet.buf + packet.off, packet.len}, ip, mtu);
}

/// A member's own address, ours too: ICMP about its packets goes by links of ours only, so it
/// arrives. What lies behind a member may never hear of it.
bool network::is_member(uint8_t family, const uint8_t* ip) const {
   const auto same = [&](const wrn_addr& a) {
      return a.family == family && std::memcmp(a.ip, ip, family == 4 ? 4 : 16) == 0;
   };
   if (std::any_of(settings_.addresses.begin(), settings_.addresses.end(), same)) return true;
   const peer* owner = peers_.find(owners_.lookup(family, ip));
   return owner != nullptr &&
          std::any_of(owner->settings.addresses.begin(), owner->settings.addresses.end(), same);
}

} // namespace warren::mesh
