// Networks with certificates: strangers who knock, quarantine links, and the preshared keys of
// members' links.
//
// Who is in the table came through trust::party. Who is not gets a link only if he knows the
// network's secret (a member whose certificate has not reached us) or an open invite's, and on it
// nothing but messages to the party: no address is his, nothing is passed on, plugins do not see
// him, and it ends with the seconds. A preshared key is derived from the newest secret that both
// ends have.
#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"
#include "core/mesh/network.hpp"

#include <algorithm>

namespace warren::mesh {

namespace limits = base::limits;

namespace {

constexpr uint32_t trust_channel = 0; // of bulk messages; plugins' are hashes

auto order(const trust::network_secret& s) { return std::tie(s.epoch, s.name); }

crypto::secret32 knock_key(const trust::invite_secret& secret, const crypto::bytes32& token) {
   return crypto::secret32(crypto::hash("warren/knock-key/1", {secret, token}));
}

std::array<uint8_t, 16> short_network(const crypto::bytes32& id) {
   std::array<uint8_t, 16> out{};
   std::copy_n(id.begin(), out.size(), out.begin());
   return out;
}

} // namespace

/// The newest secret that this node and the peer have; our newest while it has not said.
const trust::network_secret* network::shared_secret(const peer& p) const {
   if (!members_ || members_->secrets.empty()) return nullptr;
   const trust::network_secret& newest = members_->secrets.back();
   if (p.secret_epoch == 0 || std::tie(p.secret_epoch, p.secret) >= order(newest)) return &newest;
   for (const auto& s : members_->secrets)
      if (std::tie(p.secret_epoch, p.secret) == order(s)) return &s;
   return &newest;
}

std::optional<crypto::bytes32> network::psk_of(const peer& p) const {
   if (p.settings.psk || !members_ || !p.settings.id) return p.settings.psk;
   if (p.quarantine_psk) return p.quarantine_psk;
   const trust::node_id &self = identity_->signing.id, &other = *p.settings.id;
   if (members_->waits)
      return trust::psk_of_invite(members_->waits->secret, members_->network, self, other);
   const auto* secret = shared_secret(p);
   if (secret == nullptr) return std::nullopt;
   return trust::psk_of_pair(secret->value, members_->network, self, other);
}

/// What of ours a key message to this peer says.
void network::say_entitlement(const peer& p, trust::key_message& message) const {
   if (!members_) return;
   message.network = short_network(members_->network);
   const trust::node_id &self = identity_->signing.id, &other = *p.settings.id;
   const auto& tunnel = identity_->tunnel.public_key;
   if (members_->waits) {
      message.by = trust::entitlement::invite;
      message.invite = members_->waits->invite;
      message.tag = trust::knock_tag(knock_key(members_->waits->secret, members_->waits->token),
                                     message, self, other, tunnel);
   } else if (const auto* secret = shared_secret(p)) {
      message.by = trust::entitlement::secret;
      message.epoch = members_->secrets.back().epoch;
      message.secret = members_->secrets.back().name;
      message.tag = trust::knock_tag(secret->value, message, self, other, tunnel);
   }
}

/// A member that still knocks with its invite has not heard that it was accepted; one that names
/// the network's secret has.
void network::mind_joiner(peer& p, const trust::key_message& message) {
   if (!members_ || message.kind != trust::key_message_kind::question) return;
   if (message.by != trust::entitlement::invite) {
      if (message.by == trust::entitlement::secret && p.quarantine_psk) {
         p.quarantine_psk.reset();
         renew_psk(p);
      }
      return;
   }
   const auto invite = members_->invites.find(message.invite);
   if (invite == members_->invites.end() ||
       trust::knock_tag(knock_key(invite->second.secret, invite->second.token), message,
                        message.sender, identity_->signing.id, message.tunnel_key) != message.tag)
      return;
   p.quarantine_psk = trust::psk_of_invite(invite->second.secret, members_->network,
                                           identity_->signing.id, message.sender);
   renew_psk(p);
}

/// A real node that is not in the table: does it know something that entitles it?
void network::on_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message) {
   if (!members_ || message.kind != trust::key_message_kind::question)
      return count_drop(nullptr, drop_reason::auth);
   const trust::node_id& self = identity_->signing.id;
   std::optional<crypto::bytes32> psk;
   if (message.by == trust::entitlement::invite) {
      const bool ours = message.network == short_network(members_->network);
      const auto invite = members_->invites.find(message.invite);
      if (invite == members_->invites.end()) {
         count_drop(nullptr, drop_reason::auth);
         if (knock_notes_.take(shard_.now()))
            emit("invite.refused", {{"from", base::format_endpoint(datagram.addr)},
                                    {"id", crypto::format_node_id(message.sender)},
                                    {"why", "the invite is not known here"}});
         return;
      }
      const auto tag = trust::knock_tag(knock_key(invite->second.secret, invite->second.token),
                                        message, message.sender, self, message.tunnel_key);
      auto verdict =
            trust::verdict_of(invite->second, static_cast<uint64_t>(shard_.wall_ns()) / 1'000'000);
      if (!ours)
         verdict = trust::invite_verdict::wrong_network;
      else if (tag != message.tag)
         verdict = trust::invite_verdict::tampered;
      if (verdict != trust::invite_verdict::open)
         return refuse_knock(t, datagram, message, verdict);
      psk = trust::psk_of_invite(invite->second.secret, members_->network, self, message.sender);
   } else if (message.by == trust::entitlement::secret) {
      for (const auto& s : members_->secrets) {
         const auto tag =
               trust::knock_tag(s.value, message, message.sender, self, message.tunnel_key);
         if (tag == message.tag)
            psk = trust::psk_of_pair(s.value, members_->network, self, message.sender);
      }
   }
   if (!psk) return count_drop(nullptr, drop_reason::auth);
   size_t strangers = 0;
   bool taken = false;
   peer* known = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      strangers += p.quarantine_until != 0;
      if (p.settings.id == message.sender)
         known = &p;
      else
         taken |= p.tunnel_key == message.tunnel_key;
   });
   if (known != nullptr && known->quarantine_psk == psk &&
       known->tunnel_key == message.tunnel_key) {
      known->quarantine_until = shard_.now() + limits::quarantine_ns;
      return answer_knock(t, datagram, message, trust::invite_verdict::open, false);
   }
   if (known != nullptr) remove_peer(*known); // with another invite, or another tunnel key
   // A tunnel key belongs to one member: nobody else gets a link with it.
   if (taken) return count_drop(nullptr, drop_reason::auth);
   if (strangers >= limits::quarantine_max)
      return refuse_knock(t, datagram, message, trust::invite_verdict::full);
   config::peer settings;
   settings.name = "stranger";
   settings.id = message.sender;
   settings.tunnel_key = message.tunnel_key;
   auto made = std::make_unique<peer>();
   made->settings = settings;
   made->tunnel_key = settings.tunnel_key;
   made->quarantine_until = shard_.now() + limits::quarantine_ns;
   made->quarantine_psk = psk;
   const uint64_t handle = peers_.insert(std::move(made));
   if (handle == 0) return; // the table is full
   peer& p = *peers_.find(handle);
   p.handle = handle;
   open_links(p);
   answer_knock(t, datagram, message, trust::invite_verdict::open, true);
   want_maintenance();
}

void network::answer_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message,
                           trust::invite_verdict verdict, bool fresh) {
   trust::key_message answer;
   answer.kind = trust::key_message_kind::answer;
   answer.nonce = message.nonce;
   answer.verdict = static_cast<uint8_t>(verdict);
   answer.fresh = fresh;
   if (verdict == trust::invite_verdict::open && !members_->secrets.empty() &&
       message.by == trust::entitlement::secret) {
      answer.epoch = members_->secrets.back().epoch;
      answer.secret = members_->secrets.back().name;
   }
   if (const auto sealed = trust::seal_key_message(*identity_, message.sender, answer))
      send_raw(t, datagram.addr, datagram.local, *sealed);
}

void network::refuse_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message,
                           trust::invite_verdict verdict) {
   count_drop(nullptr, drop_reason::auth);
   if (knock_notes_.take(shard_.now()))
      emit("invite.refused", {{"from", base::format_endpoint(datagram.addr)},
                              {"id", crypto::format_node_id(message.sender)},
                              {"why", "the invite is " + std::string(trust::to_string(verdict))}});
   answer_knock(t, datagram, message, verdict, false);
}

/// To our question, after its nonce was checked.
void network::on_knock_answer(peer& p, const trust::key_message& message) {
   if (!members_) return;
   if (members_->waits && p.settings.id == members_->waits->admin) {
      if (trust_.on_knock && message.verdict <= static_cast<uint8_t>(trust::invite_verdict::full))
         trust_.on_knock(static_cast<trust::invite_verdict>(message.verdict));
   }
   // The other side has forgotten us: a session from before does not work there.
   if (message.fresh && linked(p) != nullptr) {
      close_links(p);
      open_links(p);
   }
}

/// The peer has said which secret is its newest.
void network::learn_secret(peer& p, uint64_t epoch, const std::array<uint8_t, 8>& name,
                           bool surely_now) {
   // A question may be one of long ago, sent again by somebody else: it only raises what is known.
   if (!members_ || epoch == 0 || (!surely_now && epoch < p.secret_epoch)) return;
   p.secret_epoch = epoch;
   p.secret = name;
   if (p.quarantine_until == 0) p.quarantine_psk.reset(); // it has become a member and knows it
   later_psks_.push_back(p.handle); // a hello comes inside a call of the transport
   want_later();
}

void network::renew_psk(peer& p) {
   const auto psk = psk_of(p);
   if (psk == p.psk_told) return;
   p.psk_told = psk;
   bool waiting = false;
   for (auto& l : p.links) {
      waiting |= l->state == WRN_LINK_CONNECTING;
      const wrn_link_params params = params_of(p, l->remote);
      if (l->via->instance->active())
         l->via->table->update(l->via->instance->get(), l->handle, &params);
   }
   // A handshake under way with the other key fails only after seconds.
   if (waiting) {
      close_links(p);
      open_links(p);
      if (link* l = usable_link(p)) l->via->table->connect(l->via->instance->get(), l->handle);
   }
}

void network::renew_psks() {
   std::vector<uint64_t> handles;
   peers_.each([&](uint64_t handle, const peer&) { handles.push_back(handle); });
   for (const uint64_t handle : handles)
      if (peer* p = peers_.find(handle)) {
         renew_psk(*p);
         for (auto& l : p->links)
            if (l->state == WRN_LINK_UP && p->settings.id) {
               l->say_hello = true; // with the newest secret
               later(*l);
            }
      }
}

hello network::own_hello() const {
   hello h;
   if (members_ && !members_->secrets.empty()) {
      h.epoch = members_->secrets.back().epoch;
      h.secret = members_->secrets.back().name;
   }
   return h;
}

/// Strangers whose time is over, or all.
void network::end_quarantine(bool all) {
   std::vector<peer*> gone;
   const uint64_t now = shard_.now();
   peers_.each([&](uint64_t, peer& p) {
      if (p.quarantine_until != 0 && (all || p.quarantine_until <= now)) gone.push_back(&p);
   });
   for (peer* p : gone)
      remove_peer(*p);
}

/// A peer that starts anew comes with another number; one that comes back to the number before runs
/// twice: a session's former keys still open what the other process sends.
void network::watch_instance(peer& p, uint64_t instance) {
   if (!members_ || p.quarantine_until != 0 || instance == p.instance) return;
   const bool returned = instance == p.instance_before && instance != 0;
   p.instance_before = std::exchange(p.instance, instance);
   if (returned && trust_.on_clone && knock_notes_.take(shard_.now()))
      trust_.on_clone(*p.settings.id);
}

/// A stock client knows one node, and that one passes its packets on, both ways: to whom this
/// packet goes, or null when it is for this node or its networks.
peer* network::guest_way(const peer& from, const route::ip_view& ip) {
   peer* to = peers_.find(owner_of(ip));
   return to != nullptr && to != &from && (!from.settings.id || !to->settings.id) ? to : nullptr;
}

/// This is inside a call of a transport: the packet leaves in the next turn.
void network::pass_on(peer& to, const wrn_pkt& packet, uint8_t family) {
   uint8_t* ip = packet.buf + packet.off;
   uint8_t& hops = ip[family == 4 ? 8 : 7];
   if (hops <= 1) return drop_all(&to, {&packet, 1}, drop_reason::expired);
   if (passing_.size() >= limits::transit_max)
      return drop_all(&to, {&packet, 1}, drop_reason::queue_full);
   hops--;
   if (family == 4) { // RFC 1624: the sum of the header changes by as much
      uint32_t sum = (static_cast<uint32_t>(ip[10]) << 8 | ip[11]) + 0x100;
      sum = (sum & 0xffff) + (sum >> 16);
      ip[10] = static_cast<uint8_t>(sum >> 8);
      ip[11] = static_cast<uint8_t>(sum);
   }
   passing_.push_back({to.handle, packet});
   want_later();
}

void network::run_passing() {
   for (auto passing = std::exchange(passing_, {}); queued_frame & item : passing) {
      item.packet.flags = 0; // alone, whatever it came with
      if (peer* to = peers_.find(item.peer))
         send_to(*to, {&item.packet, 1}, item.packet.len);
      else
         drop_all(nullptr, {&item.packet, 1}, drop_reason::no_owner);
   }
}

std::vector<std::pair<std::string, wrn_addr>> network::listening() const {
   std::vector<std::pair<std::string, wrn_addr>> out;
   for (const auto& t : transports_)
      if (t->bound) out.emplace_back(t->instance->desc().name, t->bound->local());
   return out;
}

bool network::send_trust(const trust::node_id& to, std::span<const uint8_t> message) {
   peer* found = nullptr;
   peers_.each([&](uint64_t, peer& p) {
      if (p.settings.id == to) found = &p;
   });
   if (found == nullptr || linked(*found) == nullptr) return false;
   if (!found->bulk) found->bulk = make_bulk();
   if (found->bulk->send(trust_channel, message, 0, 0, shard_.now()) != WRN_OK) return false;
   want_bulk(shard_.now());
   return true;
}

} // namespace warren::mesh
