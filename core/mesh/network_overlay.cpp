// Ways through other members: the tables that routing plugins publish, and the datagrams of links
// that travel as overlay frames because no direct path is known.
//
// A link over the overlay is an ordinary link of the transport whose remote address is a path of
// ours: the transport seals for the far end, so that a relay sees and can forge nothing. Overlay
// datagrams are moved by run_later() only, at top level: a transport's send may come from inside
// its own receive.
#include "core/mesh/network.hpp"

#include "core/base/address.hpp"
#include "core/base/log.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace warren::mesh {

namespace limits = base::limits;

namespace {

constexpr uint64_t direct_interval = 30'000'000'000;

uint32_t number_of(const crypto::bytes32& node_id) {
   return std::max(1u, crypto::short_name("warren overlay address 1", node_id));
}

/// Splitmix64's finaliser: spreads pairs of members over ways; nobody gains by choosing badly.
uint64_t mix(uint64_t x) {
   x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
   x = (x ^ x >> 27) * 0x94d049bb133111eb;
   return x ^ x >> 31;
}

} // namespace

uint16_t overlay_name_of(const plugin::instance& transport) {
   const std::string_view name = transport.desc().name;
   return static_cast<uint16_t>(crypto::short_name(
         "warren transport 1", {reinterpret_cast<const uint8_t*>(name.data()), name.size()}));
}

wrn_addr path_to(const peer& p) {
   wrn_addr path{};
   path.family = WRN_AF_PATH;
   put_le(path.ip, p.handle, 8);
   return path;
}

/// Without certificates, which bring member numbers, a hash names a node. Two members of one hash
/// have none: their direct links work, and the log says what does not.
void network::number_peers() {
   const bool certified = members_ && members_->own_number != 0;
   own_number_ = certified ? members_->own_number : number_of(identity_->signing.id);
   numbers_.clear();
   peers_.each([&](uint64_t handle, peer& p) {
      p.number = 0;
      if (!p.settings.id || p.quarantine_until != 0) return;
      const uint32_t number =
            certified && p.settings.number != 0 ? p.settings.number : number_of(*p.settings.id);
      const auto [it, fresh] = numbers_.emplace(number, handle);
      if (fresh && number != own_number_) {
         p.number = number;
         return;
      }
      if (peer* other = peers_.find(it->second)) other->number = 0;
      base::log::warn(
            "overlay_address_taken",
            {{"network", name_}, {"peer", p.settings.name}, {"number", uint64_t{number}}});
   });
}

bool network::is_direct(const link& l) const {
   return l.state == WRN_LINK_UP && l.via->instance->active() && l.remote.family != WRN_AF_PATH &&
          l.remote.family != WRN_AF_NONE;
}

wrn_status network::publish(plugin::instance& from, std::span<const wrn_route> routes) {
   if (routes.size() > limits::ways_max) return WRN_E_LIMIT;
   std::unordered_map<uint64_t, size_t> count;
   for (const wrn_route& r : routes) {
      if (peers_.find(r.destination) == nullptr || peers_.find(r.next_hop) == nullptr)
         return WRN_E_NOT_FOUND;
      if (r.weight < 1 || r.weight > 1000) return WRN_E_INVALID;
      if (++count[r.destination] > limits::ways_per_member_max) return WRN_E_LIMIT;
   }
   peers_.each([&](uint64_t, peer& p) {
      std::erase_if(p.ways, [&](const way& w) { return w.from == &from; });
   });
   for (const wrn_route& r : routes)
      peers_.find(r.destination)->ways.push_back({&from, r.next_hop, r.metric, r.weight});
   // Who waits for a place to send to has one now, perhaps.
   peers_.each([&](uint64_t, peer& p) {
      if (p.ways.empty()) return;
      if (!p.tunnel_key && p.ask_at != 0) p.ask_at = shard_.now();
      for (auto& l : p.links)
         if (l->state == WRN_LINK_CONNECTING && l->remote.family == WRN_AF_NONE)
            l->connecting_since = 0;
   });
   want_maintenance();
   return WRN_OK;
}

/// The neighbour that leads to `p`: itself when it is one, else one of its ways, shared among the
/// pairs of members by weight. Null: there is none. Never back to `except`.
link* network::next_hop(peer& p, uint32_t source, uint64_t except) const {
   for (const auto& l : p.links)
      if (is_direct(*l) && p.hello_seen) return l.get();
   link* best = nullptr;
   double best_score = 0;
   for (const way& w : p.ways) {
      peer* neighbor = peers_.find(w.next_hop);
      if (neighbor == nullptr || w.next_hop == except || w.next_hop == p.handle) continue;
      const auto l = std::find_if(neighbor->links.begin(), neighbor->links.end(),
                                  [&](const auto& each) { return is_direct(*each); });
      if (l == neighbor->links.end() || !neighbor->hello_seen) continue;
      // Weighted rendezvous: the same pair keeps its way while that is there.
      const uint64_t hash =
            mix(mix(uint64_t{source} << 32 | p.number) ^ uint64_t{neighbor->number} << 16);
      const double uniform = (static_cast<double>(hash >> 32) + 1) / 4294967297.0;
      const double score = w.weight / -std::log(uniform);
      if (best == nullptr || score > best_score) {
         best = l->get();
         best_score = score;
      }
   }
   return best;
}

bool network::has_way(peer& p) const {
   return p.number != 0 && own_number_ != 0 && !p.ways.empty() &&
          next_hop(p, own_number_, p.handle) != nullptr;
}

/// The overlay carries datagrams: a transport that lives on streams alone cannot use it.
bool network::has_overlay_way(const link& l) const {
   return l.via->udp != nullptr && has_way(*l.owner);
}

void network::take_overlay_path(link& l) {
   place(l, path_to(*l.owner));
   l.remote_proved = false;
   l.connecting_since = shard_.now();
   l.via->table->set_path(l.via->instance->get(), l.handle, &l.remote);
   l.owner->direct_asked = shard_.now();
}

/// Datagrams of a transport for paths of ours leave the batch and wait; the rest moves to the
/// front.
std::span<const wrn_pkt> network::take_overlay(transport& t, std::span<const wrn_pkt> packets,
                                               std::vector<wrn_pkt>& rest) {
   const bool any = std::any_of(packets.begin(), packets.end(),
                                [](const wrn_pkt& p) { return p.addr.family == WRN_AF_PATH; });
   if (!any) return packets;
   for (const wrn_pkt& packet : packets) {
      if (packet.addr.family != WRN_AF_PATH) {
         rest.push_back(packet);
         continue;
      }
      peer* p = peers_.find(get_le(packet.addr.ip, 8));
      if (p == nullptr || p->number == 0 || packet.off < frame_header_bytes) {
         drop_all(p, {&packet, 1}, drop_reason::no_way);
         continue;
      }
      wrn_pkt out = packet;
      out.off -= static_cast<uint32_t>(frame_header_bytes);
      out.len += static_cast<uint32_t>(frame_header_bytes);
      write_overlay_header(out.buf + out.off, limits::overlay_hops_max, packet.len, t.overlay_name,
                           own_number_, p->number);
      push_transit(0, out);
   }
   return rest;
}

void network::push_transit(uint64_t from, const wrn_pkt& packet) {
   if (transit_.size() >= limits::transit_max)
      return drop_all(peers_.find(from), {&packet, 1}, drop_reason::queue_full);
   transit_.push_back({from, packet});
   want_later();
}

void network::run_transit() {
   // What one turn queued is mostly one direction of one link: neighbouring packets of the same
   // next step leave together. First all that goes on: what arrives may change links, by a key
   // statement.
   moving_.swap(transit_);
   std::array<wrn_pkt, WRN_BATCH_MAX> batch;
   size_t filled = 0;
   link* onward = nullptr;
   const auto send = [&] {
      if (const std::span run(batch.data(), std::exchange(filled, 0)); !run.empty())
         send_on(*onward, run);
   };
   for (queued_frame& item : moving_) {
      const step next = next_step(item);
      if (next.arrived != nullptr) {
         arrived_.emplace_back(next.arrived, item.packet);
      } else if (next.onward != nullptr) {
         if (next.onward != onward || filled == batch.size()) send();
         onward = next.onward;
         batch[filled++] = item.packet;
      }
   }
   send();
   moving_.clear();
   transport* to = nullptr; // transports outlive the turn
   const auto hand_over = [&] {
      const std::span run(batch.data(), std::exchange(filled, 0));
      if (run.empty()) return;
      if (to->instance->active())
         receive(*to, run);
      else // it failed over a batch before this one
         drop_all(nullptr, run, drop_reason::no_link);
   };
   for (const auto& [t, packet] : arrived_) {
      if (t != to || filled == batch.size()) hand_over();
      to = t;
      batch[filled++] = packet;
   }
   hand_over();
   arrived_.clear();
}

/// Where a queued packet goes now, and the packet made ready for it; it is dropped when nowhere.
network::step network::next_step(queued_frame& item) {
   wrn_pkt& packet = item.packet;
   peer* from = peers_.find(item.peer);
   const auto drop = [&](drop_reason why) {
      drop_all(from, {&packet, 1}, why);
      return step{};
   };
   const auto f = parse_frame({packet.buf + packet.off, packet.len});
   if (!f) return drop(drop_reason::malformed);
   const auto member = [&](uint32_t number) -> peer* {
      const auto known = numbers_.find(number);
      peer* p = known != numbers_.end() ? peers_.find(known->second) : nullptr;
      return p != nullptr && p->number != 0 ? p : nullptr;
   };
   packet.flags = 0;
   if (f->destination == own_number_) { // the transport finds out who really sent it
      peer* source = member(f->source);
      const auto t = std::find_if(transports_.begin(), transports_.end(), [&](const auto& each) {
         return each->instance->active() && each->udp != nullptr &&
                each->overlay_name == f->transport;
      });
      if (source == nullptr || t == transports_.end() || f->body.empty())
         return drop(drop_reason::no_link);
      packet.off += static_cast<uint32_t>(frame_header_bytes);
      packet.len = static_cast<uint32_t>(f->body.size());
      packet.addr = path_to(*source);
      packet.local = 0;
      return {nullptr, t->get()};
   }
   peer* to = member(f->destination);
   const bool ours = item.peer == 0;
   if (to == nullptr || !(ours || (settings_.relay && f->hops > 1)))
      return drop(drop_reason::no_way);
   link* l = next_hop(*to, f->source, ours ? to->handle : item.peer);
   if (l == nullptr) return drop(drop_reason::no_way);
   packet.len = static_cast<uint32_t>(frame_header_bytes + f->body.size()); // without padding
   packet.buf[packet.off + 2] = static_cast<uint8_t>(f->hops - (ours ? 0 : 1));
   return {l, nullptr};
}

bool network::has_routing() const {
   return std::any_of(plugins_.begin(), plugins_.end(), [](const auto& d) {
      return d->active() && d->desc().kind == WRN_KIND_ROUTING;
   });
}

/// While a link runs over the overlay: asks for the peer's key where it may be reached directly. An
/// answer proves such a place.
void network::look_for_direct(peer& p) {
   const uint64_t now = shard_.now();
   if (p.candidates.empty() || now - p.direct_asked < direct_interval) return;
   p.direct_asked = now;
   ask_key(p);
}

void network::found_direct(peer& p, const transport& t, const wrn_addr& at) {
   if (at.family == WRN_AF_PATH) return;
   for (auto& l : p.links) {
      if (l->via != &t || l->remote.family != WRN_AF_PATH) continue;
      place(*l, at);
      l->via->table->set_path(l->via->instance->get(), l->handle, &at);
      emit("peer.moved", {{"peer", p.settings.name}, {"endpoint", base::format_endpoint(at)}});
      news_of(p);
      // The peer follows what it hears; until then its packets come the other way.
      send_echo(*l);
   }
}

} // namespace warren::mesh
