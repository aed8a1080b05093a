// Learning the tunnel key of a peer that the operator named by node id alone;
// core/trust/key_statement.hpp has the datagrams.
#include "core/mesh/network.hpp"

#include "core/base/address.hpp"
#include "core/base/log.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t ask_interval_max = 60 * second;
// A member that says a new key with each message must not fill the log.
constexpr uint64_t change_window = 10 * second;
constexpr uint32_t changes_max = 5; // in a window

} // namespace

void network::send_raw(transport& t, const wrn_addr& to, uint32_t local,
                       std::span<const uint8_t> bytes) {
   wrn_pkt packet{};
   if (!t.bound || !t.bound->socket || t.bound->socket->room() == 0 ||
       shard_.pool().alloc({&packet, 1}, static_cast<uint32_t>(bytes.size())) != 1)
      return;
   std::memcpy(packet.buf + packet.off, bytes.data(), bytes.size());
   packet.addr = to;
   packet.local = local;
   std::vector<wrn_pkt> rest;
   if (const auto direct = take_overlay(t, {&packet, 1}, rest); !direct.empty())
      t.bound->socket->send(direct);
}

/// Asks at every place the peer may be, and plans the next try: 1, 2, 4 … 60 s, then every minute.
void network::ask_key(peer& p) {
   const uint64_t now = shard_.now();
   // Who waits to be let in knocks on: its place in quarantine lasts only seconds.
   const bool waits = members_ && members_->waits && p.settings.id == members_->waits->admin;
   const uint64_t wait =
         waits ? 2 * second : std::min(ask_interval_max, second << std::min(p.asked, 6u));
   p.asked++;
   p.ask_at = p.tunnel_key && !waits ? 0 : now + wait;
   trust::key_message question;
   question.kind = trust::key_message_kind::question;
   shard_.random(p.ask_nonce.data(), p.ask_nonce.size());
   question.nonce = p.ask_nonce;
   say_entitlement(p, question);
   auto datagram = trust::seal_key_message(*identity_, *p.settings.id, question);
   if (!datagram) {
      p.last_error = datagram.error().text;
      return;
   }
   for (auto& t : transports_) {
      if (!t->instance->active()) continue;
      for (const candidate& c : p.candidates)
         if (c.transport == t->instance->desc().name) send_raw(*t, c.addr, 0, *datagram);
      for (const auto& l : p.links)
         if (l->via == t.get() && l->remote_proved && l->remote.family != WRN_AF_PATH)
            send_raw(*t, l->remote, 0, *datagram);
      if (!p.tunnel_key && has_way(p)) send_raw(*t, path_to(p), 0, *datagram);
   }
   want_maintenance();
}

void network::on_key_datagram(transport& t, const wrn_pkt& datagram) {
   // Opening costs a curve operation: strangers' junk is bounded by the budget, and costs them as
   // many packets.
   if (!key_budget_.take(shard_.now())) {
      count_drop(nullptr, drop_reason::rate);
      return;
   }
   const auto message =
         trust::open_key_message(*identity_, {datagram.buf + datagram.off, datagram.len});
   if (!message) {
      count_drop(nullptr, drop_reason::auth);
      return;
   }
   peer* sender = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      if (p.settings.id == message->sender) sender = &p;
   });
   // A real node, but none of ours: it gets no answer, unless it knows what a member knows.
   if (sender == nullptr || sender->quarantine_until != 0) return on_knock(t, datagram, *message);
   if (message->kind == trust::key_message_kind::answer && message->nonce != sender->ask_nonce) {
      count_drop(sender, drop_reason::replay);
      return;
   }
   if (message->kind == trust::key_message_kind::answer) {
      shard_.random(sender->ask_nonce.data(), sender->ask_nonce.size()); // once is enough
      found_direct(*sender, t, datagram.addr);
      const trust::node_id id = message->sender;
      on_knock_answer(*sender, *message); // may change what is configured
      sender = nullptr;
      peers_.each([&](uint64_t, peer& p) {
         if (p.settings.id == id) sender = &p;
      });
      if (sender == nullptr || message->verdict != 0) return;
   }
   learn_key(*sender, *message);
   mind_joiner(*sender, *message);
   learn_secret(*sender, message->epoch, message->secret,
                message->kind == trust::key_message_kind::answer);
   if (message->kind != trust::key_message_kind::question) return;
   trust::key_message answer;
   answer.kind = trust::key_message_kind::answer;
   answer.nonce = message->nonce;
   say_entitlement(*sender, answer);
   if (const auto sealed = trust::seal_key_message(*identity_, message->sender, answer))
      send_raw(t, datagram.addr, datagram.local, *sealed);
}

void network::learn_key(peer& p, const trust::key_message& message) {
   if (!wants_key(p)) return; // pinned by the operator
   // An old question may be replayed: only a later key replaces a known one.
   if (p.tunnel_key && message.sequence <= p.tunnel_key_sequence) return;
   const uint64_t now = shard_.now();
   if (p.tunnel_key != message.tunnel_key) {
      if (now - p.key_window > change_window) {
         p.key_window = now;
         p.key_changes = 0;
      }
      if (++p.key_changes > changes_max) return count_drop(&p, drop_reason::rate);
   }
   p.tunnel_key_sequence = message.sequence;
   p.ask_at = 0;
   p.asked = 0;
   if (p.tunnel_key == message.tunnel_key) return;
   const bool taken = [&] {
      bool found = false;
      peers_.each([&](uint64_t, const peer& other) {
         found |= &other != &p && other.tunnel_key == message.tunnel_key;
      });
      return found;
   }();
   if (taken) {
      p.last_error = "claims the tunnel key of another peer";
      base::log::warn("tunnel_key_taken", {{"network", name_}, {"peer", p.settings.name}});
      return;
   }
   close_links(p);
   p.tunnel_key = message.tunnel_key;
   p.last_error.clear();
   emit("peer.key_learned",
        {{"peer", p.settings.name}, {"tunnel_key", crypto::format_tunnel_key(message.tunnel_key)}});
   open_links(p);
   if (p.settings.keep) want_maintenance(0);
   end_waiting(p, true);
}

} // namespace warren::mesh
