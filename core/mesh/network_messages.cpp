// What plugins say to their like on other members, and what they hear of members.
//
// A plugin's call may come from inside a transport's, and a transport's delivery is a call, too: so
// messages and news wait in both directions for network::run_later(), which runs at top level.
#include "core/base/address.hpp"
#include "core/config/load.hpp"
#include "core/mesh/network.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace limits = base::limits;

namespace {

constexpr size_t channel_bytes = 4;

uint32_t channel_of(const plugin::instance& i) {
   const std::string name = std::string(config::kind_name(i.desc().kind)) + " " + i.desc().id;
   return crypto::short_name("warren channel 1",
                             {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
}

/// Round trips within a quarter of each other cost the same: tables shall not follow noise.
bool notable(uint32_t before, uint32_t after) {
   if (before == WRN_COST_INFINITE || after == WRN_COST_INFINITE) return before != after;
   const uint32_t low = std::min(before, after), high = std::max(before, after);
   return high - low > low / 4 && high - low > 100;
}

/// Names an instance to the bulk channels, until forget_plugin().
uint64_t name_of(const plugin::instance& i) { return reinterpret_cast<uintptr_t>(&i); }

} // namespace

/// Bulk frames of one peer, as the bulk channel sees the network.
struct network::bulk_port final : bulk_sink {
   network& net;
   peer& p;
   bulk_port(network& n, peer& of) : net(n), p(of) {}

   bool send(frame_type type, std::span<const uint8_t> body) override {
      link* l = net.linked(p);
      return l != nullptr && net.send_frame(*l, static_cast<uint8_t>(type), body);
   }
   bool takes(uint32_t channel) override {
      if (channel == 0 && net.trust_.on_message) return true;
      if (p.quarantine_until != 0) return false;
      const auto* d = net.on_channel(channel);
      return d != nullptr && d->ext<wrn_message>(WRN_EXT_MESSAGE)->on_bulk != nullptr;
   }
   void on_message(uint32_t channel, std::span<const uint8_t> bytes) override {
      if (channel == 0 && net.trust_.on_message)
         return net.trust_.on_message(*p.settings.id, {bytes.begin(), bytes.end()});
      if (const auto* d = net.on_channel(channel))
         d->ext<wrn_message>(WRN_EXT_MESSAGE)
               ->on_bulk(d->get(), p.handle, {bytes.data(), bytes.size()});
   }
   void on_sent(uint64_t owner, uint64_t tag, wrn_status status) override {
      for (const auto& d : net.plugins_) {
         if (name_of(*d) != owner || !d->active()) continue;
         const auto* table = d->ext<wrn_message>(WRN_EXT_MESSAGE);
         if (table->on_bulk_sent != nullptr) table->on_bulk_sent(d->get(), tag, status);
         return;
      }
   }
};

const plugin::instance* network::on_channel(uint32_t channel) const {
   for (const auto& d : plugins_)
      if (d->active() && d->ext<wrn_message>(WRN_EXT_MESSAGE) != nullptr &&
          channel_of(*d) == channel)
         return d.get();
   return nullptr;
}

link* network::linked(peer& p) const {
   link* l = usable_link(p);
   return l != nullptr && l->state == WRN_LINK_UP && p.hello_seen ? l : nullptr;
}

wrn_status network::send_message(plugin::instance& from, uint64_t handle,
                                 std::span<const uint8_t> bytes) {
   peer* p = peers_.find(handle);
   if (p == nullptr) return WRN_E_NOT_FOUND;
   if (bytes.size() > WRN_MESSAGE_MAX) return WRN_E_TOO_BIG;
   if (linked(*p) == nullptr) return WRN_E_UNREACHABLE;
   if (outbox_.size() >= limits::messages_max) return WRN_E_LIMIT;
   const auto size = static_cast<uint32_t>(frame_header_bytes + channel_bytes + bytes.size());
   wrn_pkt packet{};
   if (shard_.pool().alloc({&packet, 1}, size) != 1) return WRN_E_LIMIT;
   uint8_t* out = packet.buf + packet.off;
   std::fill_n(out, frame_header_bytes, uint8_t{0});
   out[0] = 0x01;
   out[1] = static_cast<uint8_t>(frame_type::message);
   put_le(out + 4, channel_bytes + bytes.size(), 2);
   put_le(out + frame_header_bytes, channel_of(from), channel_bytes);
   std::copy(bytes.begin(), bytes.end(), out + frame_header_bytes + channel_bytes);
   outbox_.push_back({handle, packet});
   want_later();
   return WRN_OK;
}

wrn_status network::send_bulk(plugin::instance& from, uint64_t handle,
                              std::span<const uint8_t> bytes, uint64_t tag) {
   peer* p = peers_.find(handle);
   if (p == nullptr) return WRN_E_NOT_FOUND;
   if (bytes.size() > WRN_BULK_MAX) return WRN_E_TOO_BIG;
   if (linked(*p) == nullptr) return WRN_E_UNREACHABLE;
   size_t waiting = 0;
   peers_.each([&](uint64_t, const peer& each) {
      waiting += each.bulk ? each.bulk->bytes_waiting() : 0;
   });
   if (waiting + bytes.size() > limits::bulk_bytes_max) return WRN_E_LIMIT;
   if (!p->bulk) p->bulk = make_bulk();
   const wrn_status status =
         p->bulk->send(channel_of(from), bytes, name_of(from), tag, shard_.now());
   if (status == WRN_OK) want_bulk(shard_.now());
   return status;
}

std::unique_ptr<bulk_channel> network::make_bulk() {
   uint64_t random = 0;
   shard_.random(&random, sizeof random);
   return std::make_unique<bulk_channel>(random);
}

void network::end_bulk(peer& p, wrn_status why) {
   if (!p.bulk) return;
   bulk_port port(*this, p);
   p.bulk->fail(why, port);
}

void network::want_bulk(uint64_t at) {
   if (!running_ || (bulk_timer_ != 0 && bulk_at_ <= at)) return;
   bulk_at_ = at;
   bulk_timer_ = shard_.timer_set(bulk_timer_, at, *this, 0);
}

void network::run_bulk() {
   uint64_t next = 0;
   std::vector<uint64_t> busy; // a plugin's answer may change the table of peers
   peers_.each([&](uint64_t handle, const peer& p) {
      if (p.bulk && !p.bulk->idle()) busy.push_back(handle);
   });
   for (const uint64_t handle : busy) {
      peer* p = peers_.find(handle);
      if (p == nullptr || !p->bulk) continue;
      bulk_port port(*this, *p);
      const uint64_t at = p->bulk->poll(shard_.now(), port);
      if (at != 0) next = next == 0 ? at : std::min(next, at);
   }
   if (next != 0) want_bulk(next);
}

void network::run_messages() {
   // Out first: what comes in may lead to more, which is the next turn's.
   for (auto out = std::exchange(outbox_, {}); queued_frame & item : out) {
      peer* p = peers_.find(item.peer);
      link* l = p != nullptr ? linked(*p) : nullptr;
      if (l != nullptr)
         send_on(*l, {&item.packet, 1});
      else
         drop_all(p, {&item.packet, 1}, drop_reason::no_link);
   }
   bool bulk = false;
   for (auto in = std::exchange(inbox_, {}); const queued_frame& item : in) {
      peer* p = peers_.find(item.peer);
      const auto f = parse_frame({item.packet.buf + item.packet.off, item.packet.len});
      bool taken = false;
      if (p != nullptr && f && f->type == frame_type::message && f->body.size() >= channel_bytes) {
         if (const auto* d = on_channel(static_cast<uint32_t>(get_le(f->body.data(), 4)))) {
            const auto bytes = f->body.subspan(channel_bytes);
            d->ext<wrn_message>(WRN_EXT_MESSAGE)
                  ->on_message(d->get(), item.peer, {bytes.data(), bytes.size()});
            taken = true;
         }
      } else if (p != nullptr && f) {
         if (!p->bulk) p->bulk = make_bulk();
         bulk_port port(*this, *p);
         if (f->type == frame_type::bulk_segment)
            p->bulk->on_segment(f->body, shard_.now(), port);
         else
            p->bulk->on_ack(f->body, shard_.now(), port);
         bulk = taken = true;
      }
      if (!taken) count_drop(peers_.find(item.peer), drop_reason::unknown_frame);
      shard_.pool().free({&item.packet, 1});
   }
   if (bulk) run_bulk();
}

void network::clear_frames(std::vector<queued_frame>& queue) {
   for (const queued_frame& item : std::exchange(queue, {}))
      drop_all(peers_.find(item.peer), {&item.packet, 1}, drop_reason::expired);
}

// --- members -------------------------------------------------------------------------------------

uint32_t network::members(std::span<uint64_t> out) const {
   uint32_t n = 0;
   peers_.each([&](uint64_t handle, const peer& p) {
      if (p.quarantine_until != 0) return;
      if (n < out.size()) out[n] = handle;
      n++;
   });
   return n;
}

uint64_t network::member_by_id(const wrn_key& id) const {
   uint64_t found = 0;
   peers_.each([&](uint64_t handle, const peer& p) {
      if (p.quarantine_until == 0 && p.settings.id && *p.settings.id == std::to_array(id.bytes))
         found = handle;
   });
   return found;
}

wrn_status network::member_info(uint64_t handle, wrn_member& out) const {
   const peer* p = peers_.find(handle);
   if (p == nullptr) return WRN_E_NOT_FOUND;
   wrn_member m{};
   if (p->settings.id)
      std::copy(p->settings.id->begin(), p->settings.id->end(), m.node_id.bytes);
   else
      m.flags |= WRN_MEMBER_STOCK;
   if (p->tunnel_key) std::copy(p->tunnel_key->begin(), p->tunnel_key->end(), m.tunnel_key.bytes);
   for (const auto& l : p->links) {
      if (l->state != WRN_LINK_UP) continue;
      m.flags |= WRN_MEMBER_UP | (p->hello_seen ? uint32_t{WRN_MEMBER_WARREN} : 0u);
      if (l->remote.family != WRN_AF_PATH) m.flags |= WRN_MEMBER_DIRECT;
   }
   m.rtt_us = static_cast<uint32_t>(p->rtt_ns / 1000);
   m.name = {p->settings.name.data(), p->settings.name.size()};
   const uint32_t size = std::min<uint32_t>(out.size, sizeof m);
   m.size = size;
   std::memcpy(&out, &m, size);
   return WRN_OK;
}

/// What plugins shall know of the peer has perhaps changed.
void network::news_of(peer& p) {
   if (!std::exchange(p.news, true)) news_.push_back(p.handle);
   want_later();
}

void network::tell_member(const peer& p, const plugin::instance& d, uint32_t change) const {
   if (!d.active()) return;
   if (const auto* table = d.ext<wrn_members>(WRN_EXT_MEMBERS))
      table->on_member(d.get(), p.handle, change);
}

void network::tell_neighbor(const peer& p, const plugin::instance& d) const {
   if (!d.active()) return;
   if (const auto* table = d.ext<wrn_routing>(WRN_EXT_ROUTING))
      table->on_neighbor(d.get(), p.handle, p.cost_told);
}

/// Everything a plugin that has just started missed.
void network::introduce(const peer& p, const plugin::instance& d) const {
   if (p.quarantine_until != 0) return; // plugins see members only
   tell_discovery(p, d);
   tell_member(p, d, WRN_MEMBER_JOINED);
   if (p.linked_told) tell_member(p, d, WRN_MEMBER_LINKED);
   if (p.cost_told != WRN_COST_INFINITE) tell_neighbor(p, d);
}

void network::run_news() {
   for (const uint64_t handle : std::exchange(news_, {})) {
      peer* p = peers_.find(handle);
      if (p == nullptr) continue;
      p->news = false;
      const bool now_linked = linked(*p) != nullptr;
      if (now_linked != p->linked_told) {
         p->linked_told = now_linked;
         if (!now_linked) end_bulk(*p, WRN_E_UNREACHABLE);
         if (trust_.on_link && p->settings.id) {
            const link* l = usable_link(*p);
            trust_.on_link(*p->settings.id, now_linked,
                           l != nullptr ? base::format_endpoint(l->remote) : "");
         }
         if (p->quarantine_until != 0) continue;
         for (const auto& d : plugins_)
            tell_member(*p, *d, now_linked ? WRN_MEMBER_LINKED : WRN_MEMBER_UNLINKED);
      }
      if (p->quarantine_until != 0) continue;
      const uint32_t cost = neighbor_cost(*p);
      if (!notable(p->cost_told, cost)) continue;
      p->cost_told = cost;
      for (const auto& d : plugins_)
         tell_neighbor(*p, *d);
   }
}

/// In microseconds, WRN_COST_INFINITE for who is no neighbour.
uint32_t network::neighbor_cost(const peer& p) const {
   constexpr uint32_t unmeasured_us = 10'000;
   if (!p.hello_seen) return WRN_COST_INFINITE;
   for (const auto& l : p.links)
      if (is_direct(*l))
         return p.rtt_ns == 0 ? unmeasured_us
                              : static_cast<uint32_t>(std::clamp<uint64_t>(p.rtt_ns / 1000, 1,
                                                                           WRN_COST_INFINITE - 1));
   return WRN_COST_INFINITE;
}

/// All that is left of a plugin which stops.
void network::forget_plugin(const plugin::instance& d) {
   peers_.each([&](uint64_t, peer& p) {
      std::erase_if(p.candidates, [&](const candidate& c) { return c.from == &d; });
      std::erase_if(p.ways, [&](const way& w) { return w.from == &d; });
      if (p.bulk) p.bulk->forget(name_of(d));
   });
   forget_requests(d);
}

} // namespace warren::mesh
