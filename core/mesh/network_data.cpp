// The way of a packet: from the TUN device to a link, and from a link to the TUN device. Nothing in
// here allocates, locks or logs per packet; what must be said is counted.
#include "core/mesh/network.hpp"

#include "core/base/address.hpp"
#include "core/mesh/icmp.hpp"
#include "core/mesh/path_mtu.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace {

constexpr uint8_t protocol_udp = 17;
constexpr uint64_t hello_pause = 1'000'000'000; // two greetings must not answer each other for ever

std::span<const uint8_t> data_of(const wrn_pkt& packet) {
   return {packet.buf + packet.off, packet.len};
}

} // namespace

void network::count_drop(peer* p, drop_reason why, uint64_t packets) {
   (p != nullptr ? p->drops : drops_)[static_cast<size_t>(why)] += packets;
}

void network::drop_all(peer* p, std::span<const wrn_pkt> packets, drop_reason why) {
   count_drop(p, why, packets.size());
   shard_.pool().free(packets);
}

void network::drop(plugin::instance&, uint64_t handle, std::span<const wrn_pkt> packets,
                   uint32_t reason) {
   drop_all(peers_.find(handle), packets,
            reason < WRN_DROP_COUNT_ ? static_cast<drop_reason>(reason) : drop_reason::other);
}

uint64_t network::owner_of(const route::ip_view& ip) {
   const route::flow_key key = route::flow_key::of(ip);
   uint64_t owner = flows_.find(key, epoch_);
   if (owner == 0) {
      owner = owners_.lookup(ip.family, ip.destination);
      if (owner != 0) flows_.put(key, epoch_, owner);
   }
   return owner;
}

/// Does the packet go from our socket to the peer's endpoint? Then the endpoint is routed into the
/// tunnel itself, and each turn of the loop would make the packet larger.
bool network::is_own_datagram(const peer& p, const route::ip_view& ip) const {
   for (const auto& l : p.links) {
      if (ip.destination_port != l->remote.port || ip.source_port != l->via->port) continue;
      if (ip.family == l->remote.family &&
          std::memcmp(ip.destination, l->remote.ip, ip.family == 4 ? 4 : 16) == 0)
         return true;
   }
   return false;
}

// --- from the interface ------------------------------------------------------------------------

void network::on_packets(io::tun_device&, std::span<wrn_pkt> packets) {
   // Runs of packets to one peer leave as one batch; segments of a superpacket share the look-up of
   // their first, and none is longer.
   size_t first = 0;
   uint32_t longest = 0;
   peer* current = nullptr;
   constexpr drop_reason goes = drop_reason::count_;
   drop_reason why = drop_reason::not_ip;
   const uint64_t now = filter_ ? shard_.now() : 0;
   const auto flush = [&](size_t end) {
      if (end == first) return;
      const auto run = packets.subspan(first, end - first);
      if (why == goes) {
         send_to(*current, run, longest);
      } else {
         if (why == drop_reason::no_owner) answer_unreachable(run, unreachable_reason::no_owner);
         if (why == drop_reason::acl) answer_unreachable(run, unreachable_reason::prohibited);
         drop_all(current, run, why);
      }
      first = end;
   };
   for (size_t i = 0; i < packets.size(); i++) {
      if (i != first && (packets[i].flags & WRN_PKT_RUN) != 0) continue;
      const auto ip = route::parse_ip(data_of(packets[i]));
      peer* owner = ip ? peers_.find(owner_of(*ip)) : nullptr;
      drop_reason reason = owner != nullptr ? goes
                           : ip             ? drop_reason::no_owner
                                            : drop_reason::not_ip;
      if (owner != nullptr && ((ip->protocol == protocol_udp && is_own_datagram(*owner, *ip)) ||
                               is_own_stream(*owner, *ip))) {
         owner = nullptr;
         reason = drop_reason::loop;
      }
      if (owner != nullptr && filter_ && !passes(*owner, data_of(packets[i]), now, false))
         reason = drop_reason::acl;
      if (reason == goes && is_syn(data_of(packets[i]), *ip)) clamp(*owner, packets[i], *ip);
      if (i == first || owner != current || reason != why) {
         flush(i);
         current = owner;
         why = reason;
         longest = 0;
      }
      longest = std::max(longest, packets[i].len);
   }
   flush(packets.size());
}

void network::answer_unreachable(std::span<const wrn_pkt> packets, unreachable_reason why) {
   if (packets.empty() || !icmp_budget_.take(shard_.now())) return;
   answer(make_unreachable(data_of(packets.front()), why));
}

/// To our own applications.
void network::answer(const std::optional<std::vector<uint8_t>>& icmp) {
   wrn_pkt packet{};
   if (!tun_ || !icmp ||
       shard_.pool().alloc({&packet, 1}, static_cast<uint32_t>(icmp->size())) != 1)
      return;
   std::memcpy(packet.buf + packet.off, icmp->data(), icmp->size());
   tun_->write({&packet, 1});
}

/// The longest of the packets has `longest` bytes.
void network::send_to(peer& p, std::span<wrn_pkt> packets, uint32_t longest) {
   link* l = usable_link(p);
   // A name that is being resolved is worth waiting for: the transport keeps a bounded number of
   // packets.
   if (l != nullptr && l->state != WRN_LINK_UP && l->remote.family == WRN_AF_NONE &&
       has_overlay_way(*l))
      take_overlay_path(*l);
   const bool nowhere = l != nullptr && l->state != WRN_LINK_UP &&
                        l->remote.family == WRN_AF_NONE && p.settings.endpoints.empty();
   if (l == nullptr && (!p.candidates.empty() || has_way(p)) && p.ask_at != 0)
      return wait_for_key(p, packets);
   if (l == nullptr || nowhere) {
      // Nobody knows where the peer is. It may come to us; until then applications shall hear about
      // it at once.
      tell_unreachable(p);
      want_maintenance();
      if (p.last_error.empty())
         p.last_error = !p.tunnel_key  ? "its tunnel key is not known yet"
                        : l == nullptr ? "no transport for it runs"
                                       : "no endpoint known";
      answer_unreachable(packets, unreachable_reason::no_link);
      drop_all(&p, packets, drop_reason::no_link);
      return;
   }
   const uint64_t now = shard_.now();
   if (now - p.last_traffic > 1'000'000'000) {
      p.last_traffic = now;
      if (p.settings.id) want_maintenance();
   }
   if (l->state != WRN_LINK_UP && !may_wait()) {
      drop_all(&p, packets, drop_reason::queue_full);
      l->via->table->connect(l->via->instance->get(), l->handle);
      return;
   }
   if (longest > l->mtu) return send_fitted(*l, packets);
   send_on(*l, packets);
}

/// Packets that wait for a session may hold half of the memory: the other half is for what moves,
/// the answer to their handshake included.
bool network::may_wait() const {
   const io::packet_pool& pool = shard_.pool();
   return pool.slots_in_use() <= pool.slots_free() && pool.slabs_in_use() <= pool.slabs_free();
}

void network::wait_for_key(peer& p, std::span<wrn_pkt> packets) {
   if (!may_wait()) return drop_all(&p, packets, drop_reason::queue_full);
   if (p.waiting.empty()) p.waiting_since = shard_.now();
   for (const wrn_pkt& packet : packets) {
      if (p.waiting.size() >= base::limits::key_queue_max) {
         drop_all(&p, {&p.waiting.front(), 1}, drop_reason::queue_full);
         p.waiting.pop_front();
      }
      p.waiting.push_back(packet);
   }
   want_maintenance();
}

void network::end_waiting(peer& p, bool send) {
   for (auto waiting = std::exchange(p.waiting, {}); wrn_pkt & packet : waiting) {
      if (send)
         send_to(p, {&packet, 1}, packet.len);
      else
         drop_all(&p, {&packet, 1}, drop_reason::expired);
   }
}

void network::send_on(link& l, std::span<wrn_pkt> packets) {
   if (l.queue.empty() && l.via->instance->active()) {
      const uint32_t room = l.via->table->room(l.via->instance->get(), l.handle);
      const size_t now = std::min<size_t>({packets.size(), room, WRN_BATCH_MAX});
      if (now > 0)
         l.via->table->tx(l.via->instance->get(), l.handle, packets.data(),
                          static_cast<uint32_t>(now));
      packets = packets.subspan(now);
   }
   if (!l.via->instance->active())
      return drop_all(l.owner, packets, drop_reason::no_link); // it failed just now
   for (wrn_pkt& packet : packets) {
      if (l.queue.size() >= base::limits::link_queue_max) {
         drop_all(l.owner, {&packet, 1}, drop_reason::queue_full);
         continue;
      }
      l.queue.push_back(packet);
   }
}

void network::flush_queue(link& l) {
   while (!l.queue.empty() && l.via->instance->active()) {
      const uint32_t room = l.via->table->room(l.via->instance->get(), l.handle);
      std::array<wrn_pkt, WRN_BATCH_MAX> batch;
      const size_t n = std::min<size_t>({l.queue.size(), room, batch.size()});
      if (n == 0) return;
      std::copy_n(l.queue.begin(), n, batch.begin());
      l.queue.erase(l.queue.begin(), l.queue.begin() + static_cast<long>(n));
      l.via->table->tx(l.via->instance->get(), l.handle, batch.data(), static_cast<uint32_t>(n));
   }
}

// --- from a link -------------------------------------------------------------------------------

bool network::source_belongs(peer& p, const route::ip_view& ip) {
   const size_t bytes = ip.family == 4 ? 4 : 16;
   if (p.source_epoch == epoch_ && p.source_family == ip.family &&
       std::memcmp(p.source.data(), ip.source, bytes) == 0)
      return true;
   if (owners_.lookup(ip.family, ip.source) != p.handle) return false;
   std::memcpy(p.source.data(), ip.source, bytes);
   p.source_family = ip.family;
   p.source_epoch = epoch_;
   return true;
}

void network::link_deliver(plugin::instance& from, uint64_t handle, std::span<wrn_pkt> packets) {
   link* l = link_of(from, handle);
   if (l == nullptr || !tun_) {
      drop_all(nullptr, packets, drop_reason::no_link);
      return;
   }
   peer& p = *l->owner;
   const uint64_t now = filter_ ? shard_.now() : 0;
   // Good packets move to the front, in order; the rest is dropped on the way.
   size_t kept = 0;
   for (wrn_pkt& packet : packets) {
      const auto bytes = data_of(packet);
      if (!bytes.empty() && bytes[0] >> 4 == 0) {
         if (keep_frame(p, packet)) continue;
         on_frame(*l, bytes);
         shard_.pool().free({&packet, 1});
         continue;
      }
      const auto ip = route::parse_ip(bytes);
      if (!ip) {
         drop_all(&p, {&packet, 1}, drop_reason::malformed);
      } else if (!source_belongs(p, *ip)) {
         drop_all(&p, {&packet, 1}, drop_reason::wrong_source);
      } else if (!pings_.empty() && take_ping_reply(p, bytes, *ip)) {
         shard_.pool().free({&packet, 1});
      } else if (filter_ && !passes(p, bytes, now, true)) {
         drop_all(&p, {&packet, 1}, drop_reason::acl);
      } else if (peer* to = has_guests_ ? guest_way(p, *ip) : nullptr) {
         if (is_syn(bytes, *ip)) clamp(p, packet, *ip);
         pass_on(*to, packet, ip->family);
      } else {
         if (is_syn(bytes, *ip)) clamp(p, packet, *ip);
         packets[kept++] = packet;
      }
   }
   if (kept == 0) return;
   p.last_traffic =
         shard_.now(); // applications' packets only: our own echoes must not keep themselves alive
   tun_->write(packets.first(kept));
}

/// Frames that lead to calls of plugins, or travel on, wait for run_later(): this is inside a call
/// of a transport.
bool network::keep_frame(peer& p, const wrn_pkt& packet) {
   if (packet.len < frame_header_bytes || !p.settings.id) return false;
   const auto type = static_cast<frame_type>(packet.buf[packet.off + 1]);
   // From quarantine only what is for the party.
   if (p.quarantine_until != 0 && (type == frame_type::overlay || type == frame_type::message)) {
      drop_all(&p, {&packet, 1}, drop_reason::auth);
      return true;
   }
   if (type == frame_type::overlay) {
      push_transit(p.handle, packet);
      return true;
   }
   if (type != frame_type::message && type != frame_type::bulk_segment &&
       type != frame_type::bulk_ack)
      return false;
   if (inbox_.size() >= base::limits::messages_max) {
      drop_all(&p, {&packet, 1}, drop_reason::queue_full);
   } else {
      inbox_.push_back({p.handle, packet});
      want_later();
   }
   return true;
}

// --- from and to the wire ----------------------------------------------------------------------

void network::on_datagrams(io::udp_socket& socket, std::span<wrn_pkt> datagrams) {
   transport* t = nullptr;
   for (const auto& each : transports_)
      if (each->bound && each->bound->socket.get() == &socket) t = each.get();
   if (t == nullptr || !t->instance->active()) {
      drop_all(nullptr, datagrams, drop_reason::no_link);
      return;
   }
   receive(*t, datagrams);
}

void network::receive(transport& t, std::span<wrn_pkt> datagrams) {
   size_t kept = 0;
   for (const wrn_pkt& datagram : datagrams) {
      if (trust::looks_like_key_datagram(data_of(datagram))) {
         on_key_datagram(t, datagram);
         shard_.pool().free({&datagram, 1});
      } else {
         datagrams[kept++] = datagram;
      }
   }
   if (kept > 0)
      t.udp->on_recv(t.instance->get(), t.sock, datagrams.data(), static_cast<uint32_t>(kept));
}

void network::on_writable(io::udp_socket& socket) {
   for (const auto& t : transports_)
      if (t->bound && t->bound->socket.get() == &socket && t->instance->active() &&
          t->udp->on_writable != nullptr)
         t->udp->on_writable(t->instance->get(), t->sock);
}

uint32_t network::udp_room(plugin::instance& from, uint64_t sock) {
   transport* t = transport_of(from);
   return t != nullptr && sock != 0 && t->sock == sock ? t->bound->socket->room() : 0;
}

void network::udp_send(plugin::instance& from, uint64_t sock, std::span<const wrn_pkt> packets) {
   transport* t = transport_of(from);
   if (t == nullptr || sock == 0 || t->sock != sock)
      return drop_all(nullptr, packets, drop_reason::no_link);
   std::vector<wrn_pkt> rest; // allocates only in a batch with overlay datagrams in it
   packets = take_overlay(*t, packets, rest);
   if (!packets.empty()) t->bound->socket->send(packets);
}

wrn_status network::udp_local(plugin::instance& from, uint64_t sock, wrn_addr& out) {
   transport* t = transport_of(from);
   if (t == nullptr || sock == 0 || t->sock != sock) return WRN_E_NOT_FOUND;
   out = t->bound->socket->local();
   return WRN_OK;
}

// --- mesh frames and pings -----------------------------------------------------------------------

bool network::send_frame(link& l, uint8_t type, std::span<const uint8_t> body) {
   wrn_pkt packet{};
   if (!l.via->instance->active() || l.via->table->room(l.via->instance->get(), l.handle) == 0)
      return false;
   if (shard_.pool().alloc({&packet, 1}, static_cast<uint32_t>(frame_header_bytes + body.size())) !=
       1)
      return false;
   write_frame(packet.buf + packet.off, static_cast<frame_type>(type), body);
   l.via->table->tx(l.via->instance->get(), l.handle, &packet, 1);
   return true;
}

void network::on_frame(link& l, std::span<const uint8_t> packet) {
   peer& p = *l.owner;
   const auto f = parse_frame(packet);
   // A stock peer never says these; whoever holds its key does not become a Warren node by sending
   // them.
   if (!f || !p.settings.id) {
      count_drop(&p, drop_reason::unknown_frame);
      return;
   }
   switch (f->type) {
   case frame_type::hello: {
      const auto h = parse_hello(f->body);
      if (!h) break;
      if (h->version_min > wire_version || h->version_max < wire_version) {
         p.last_error = "speaks wire versions " + std::to_string(h->version_min) + " to " +
                        std::to_string(h->version_max) + ", this node speaks " +
                        std::to_string(wire_version) + "; upgrade the older one";
         return;
      }
      p.hello_seen = true;
      // A peer that has started anew greets on a link that never went down here: it waits for ours.
      if (shard_.now() - l.hello_answered > hello_pause) {
         l.hello_answered = shard_.now();
         l.say_hello = true;
         later(l);
      }
      learn_secret(p, h->epoch, h->secret, true);
      news_of(p);
      if (p.echo_sent == 0) want_maintenance();
      return;
   }
   case frame_type::echo:
      if (f->body.size() != echo_bytes && f->body.size() != echo_instance_bytes) break;
      if (f->body.size() == echo_instance_bytes)
         watch_instance(p, get_le(f->body.data() + echo_bytes, 8));
      l.echo_token = get_le(f->body.data(), echo_bytes);
      later(l);
      return;
   case frame_type::echo_reply:
      if (f->body.size() != echo_bytes) break;
      if (get_le(f->body.data(), echo_bytes) == p.echo_token && p.echo_token != 0) {
         p.rtt_ns = shard_.now() - p.echo_sent;
         p.echo_token = 0;
         news_of(p);
      }
      return;
   default: // keep_frame() has taken those that we know
      break;
   }
   count_drop(&p, drop_reason::unknown_frame);
}

void network::ping(const std::string& target, size_t bytes, uint64_t timeout_ns,
                   std::function<void(base::result<ping_result>)> done) {
   using base::errc;
   if (!running_) return done(base::fail(errc::state, "network " + name_ + " is not running"));
   peer* p = find_peer(target);
   if (p == nullptr)
      return done(base::fail(errc::not_found, "no peer '" + target + "' in " + name_ +
                                                    "; 'warren peer list' shows who there is"));
   wrn_addr address{};
   if (auto given = base::parse_address(target)) {
      address = *given;
   } else {
      const auto& owned =
            p->settings.addresses.empty() ? p->settings.routes : p->settings.addresses;
      for (const wrn_addr& a : owned)
         if (address.family == WRN_AF_NONE && a.prefix_len == base::address_bits(a) &&
             own_address(a.family) != nullptr)
            address = a;
      if (address.family == WRN_AF_NONE)
         return done(base::fail(errc::invalid, "peer '" + target +
                                                     "' has no address of its own in the "
                                                     "configuration; ping an address behind it"));
   }
   const wrn_addr* source = own_address(address.family);
   if (source == nullptr)
      return done(base::fail(errc::invalid, "this node has no address of the family of " +
                                                  base::format_address(address)));
   if (pings_.size() >= 1024) return done(base::fail(errc::limit, "too many pings at once"));
   const link* l = usable_link(*p);
   const auto request =
         make_echo_request(*source, address, ping_identifier_, ++ping_sequence_,
                           std::min<size_t>(bytes, (l ? l->mtu : settings_.mtu) - 48));
   wrn_pkt packet{};
   if (shard_.pool().alloc({&packet, 1}, static_cast<uint32_t>(request.size())) != 1)
      return done(base::fail(errc::limit, "out of packet memory"));
   std::memcpy(packet.buf + packet.off, request.data(), request.size());
   const uint64_t now = shard_.now();
   pings_.push_back({p->handle, now, now + timeout_ns, ping_sequence_, address, request.size(),
                     std::move(done)});
   // Restarting the timer for the earliest deadline; there are few pings.
   uint64_t next = UINT64_MAX;
   for (const pending_ping& each : pings_)
      next = std::min(next, each.deadline);
   ping_timer_ = shard_.timer_set(ping_timer_, next, *this, 0);
   send_to(*p, {&packet, 1}, packet.len);
}

bool network::take_ping_reply(peer& p, std::span<const uint8_t> packet, const route::ip_view& ip) {
   const auto reply = parse_echo_reply(packet, ip);
   if (!reply || reply->identifier != ping_identifier_) return false;
   const auto it = std::find_if(pings_.begin(), pings_.end(), [&](const pending_ping& ping) {
      return ping.sequence == reply->sequence && ping.peer == p.handle &&
             std::memcmp(ping.address.ip, ip.source, ip.family == 4 ? 4 : 16) == 0;
   });
   if (it == pings_.end()) return false;
   pending_ping ping = std::move(*it);
   pings_.erase(it);
   p.rtt_ns = shard_.now() - ping.sent;
   const link* l = usable_link(p);
   ping.done(ping_result{p.rtt_ns / 1000, p.settings.name,
                         l != nullptr ? l->via->instance->desc().name : "",
                         l != nullptr ? l->remote : wrn_addr{}, ping.address, ping.bytes});
   return true;
}

} // namespace warren::mesh
