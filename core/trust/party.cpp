// A party's life: making one, what it says of itself, and what its documents mean for it.
#include "core/trust/party.hpp"

#include "core/base/encode.hpp"
#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

namespace {

constexpr uint64_t record_interval_ms = 2000; // a node that moves much must not flood the others
constexpr size_t partners_all = 12;           // up to so many members everybody is a partner
constexpr size_t secrets_kept = 4;
constexpr size_t instances_kept = 16;

} // namespace

std::string_view to_string(standing s) {
   switch (s) {
   case standing::waiting:
      return "waiting";
   case standing::refused:
      return "refused";
   case standing::member:
      return "member";
   case standing::removed:
      return "removed";
   case standing::expired:
      return "expired";
   }
   return "?";
}

crypto::bytes32 psk_of_pair(const crypto::secret32& secret, const crypto::bytes32& network,
                            const node_id& a, const node_id& b) {
   return crypto::keyed_hash(secret, "warren/psk/1", {network, std::min(a, b), std::max(a, b)});
}

crypto::bytes32 psk_of_invite(const invite_secret& secret, const crypto::bytes32& network,
                              const node_id& a, const node_id& b) {
   const crypto::secret32 key(crypto::hash("warren/invite-key/1", {secret}));
   return crypto::keyed_hash(key, "warren/invite-psk/1", {network, std::min(a, b), std::max(a, b)});
}

party::party(party_host& host, std::shared_ptr<const identity> self, const crypto::bytes32& network)
    : host_(host), self_(std::move(self)), ledger_(network) {
   host_.random(instance_.data(), instance_.size());
   started_ms_ = host_.now_ms();
}

base::result<std::unique_ptr<party>>
party::join(party_host& host, std::shared_ptr<const identity> self, const invitation& with) {
   if (with.admin == self->signing.id)
      return fail(errc::invalid, "this invite was made by this very node; send it to another one");
   std::unique_ptr<party> made(new party(host, std::move(self), with.network));
   made->state_.invited = with;
   made->state_.instances.push_back(made->instance_);
   if (auto ok = made->save(); !ok) return ok.error();
   return made;
}

base::result<std::unique_ptr<party>> party::restore(party_host& host,
                                                    std::shared_ptr<const identity> self,
                                                    std::span<const uint8_t> state) {
   cbor::reader r(state); // the network's id comes first
   crypto::bytes32 network{};
   if (r.array(64) < 3) r.fail("not a stored network");
   r.text(32);
   network = r.fixed<32>();
   if (!r.ok()) return fail(errc::invalid, "the stored state is damaged: " + r.error().text);
   std::unique_ptr<party> made(new party(host, std::move(self), network));
   if (auto ok = made->load(state); !ok) return ok.error();
   made->state_.instances.push_back(made->instance_);
   if (made->state_.instances.size() > instances_kept)
      made->state_.instances.erase(made->state_.instances.begin());
   made->unsaved_ = true;
   made->changed_ = true;
   return made;
}

const member* party::self() { return now().find(self_->signing.id); }

bool party::is_admin() { return now().admins.contains(self_->signing.id); }

standing party::state() {
   if (self() != nullptr) return standing::member;
   if (state_.removed) return standing::removed;
   if (state_.refused) return standing::refused;
   if (!state_.own_numbers.empty()) return standing::expired;
   return state_.invited ? standing::waiting : standing::expired;
}

std::vector<network_secret> party::secrets() const {
   std::vector<network_secret> out;
   for (const auto& s : state_.secrets)
      out.push_back({s.epoch, s.name, s.value.clone()});
   return out;
}

std::vector<node_id> party::partners() {
   std::vector<node_id> all;
   for (const member& m : now().members)
      if (m.cert.node) all.push_back(*m.cert.node);
   std::sort(all.begin(), all.end());
   const auto self = std::find(all.begin(), all.end(), self_->signing.id);
   if (self == all.end()) return {};
   std::vector<node_id> out;
   if (all.size() <= partners_all) {
      std::copy_if(all.begin(), all.end(), std::back_inserter(out),
                   [&](const node_id& n) { return n != self_->signing.id; });
      return out;
   }
   // Neighbours at distances 1, 2, 4 … on the ring of ids: connected, and few steps across.
   const size_t at = static_cast<size_t>(self - all.begin());
   for (size_t distance = 1; distance < all.size(); distance *= 2)
      out.push_back(all[(at + distance) % all.size()]);
   return out;
}

// --- of itself
// -------------------------------------------------------------------------------------

void party::on_endpoints(std::vector<std::string> own) {
   if (own.size() > endpoints_max) own.resize(endpoints_max);
   if (own == endpoints_) return;
   endpoints_ = std::move(own);
   record_due_ = true;
}

/// Says where this node is; `force`: even when nothing has changed, because somebody else says so.
void party::publish_record(bool force) {
   if (self() == nullptr || (!record_due_ && !force)) return;
   if (published_at_ != 0 && host_.now_ms() < published_at_ + record_interval_ms) return;
   if (!clock_is_right()) return;
   published_at_ = host_.now_ms();
   record_due_ = false;
   state_.record_sequence = std::max(state_.record_sequence + 1, host_.wall_ms());
   const statement s =
         make_statement(self_->signing, network(),
                        node_record{state_.record_sequence, endpoints_, instance_, "warren/1"});
   if (ledger_.admit(s, host_.wall_ms()).what == outcome::added) added(s, nullptr);
}

/// A record of this node that this process has not made: of a process before it, or of a copy of
/// its keys that runs elsewhere.
void party::watch_own_record(const statement& s) {
   const auto& r = std::get<node_record>(s.content);
   if (r.instance == instance_) return;
   const bool newer = r.sequence > state_.record_sequence;
   state_.record_sequence = std::max(state_.record_sequence, r.sequence);
   record_due_ = true; // what this process says shall be the last word
   // A former start of this node is in its own list; a copy made since is not.
   const bool former = std::find(state_.instances.begin(), state_.instances.end(), r.instance) !=
                       state_.instances.end();
   if (!newer || (former && published_at_ == 0)) return;
   foreign_records_++;
   if (foreign_records_ == 2 || (foreign_records_ == 1 && !former))
      note_clone(self_->signing.id, "a record that this process did not make");
}

/// Once per node: on its own side, and on the others'.
void party::note_clone(const node_id& node, const std::string& why) {
   if (!cloned_.insert(node).second) return;
   const bool own = node == self_->signing.id;
   const member* m = now().find(node);
   host_.event("member.cloned",
               {{"peer", own            ? "self"
                         : m != nullptr ? m->name
                                        : "?"},
                {"id", crypto::format_node_id(node)},
                {"why", why + (own ? "; if this disk was copied, have an admin run 'warren member "
                                     "remove' for this member, and join again"
                                   : "; 'warren member remove' ends both")}});
}

void party::on_clone(const node_id& peer) {
   if (now().find(peer) == nullptr) return;
   note_clone(peer, "two processes speak with this member's keys in turn");
   tell_clone(peer);
}

/// A node that goes back to an earlier instance runs twice.
void party::watch_record(const node_id& node, const node_record& r) {
   auto& seen = seen_instances_[node];
   if (!seen.empty() && seen.back() == r.instance) return;
   const bool returned = std::find(seen.begin(), seen.end(), r.instance) != seen.end();
   seen.push_back(r.instance);
   if (seen.size() > instances_kept) seen.pop_front();
   if (returned) note_clone(node, "records of two processes come in turn");
}

void party::open_grant(const statement& s) {
   const member* me = self();
   const auto& g = std::get<grant>(s.content);
   if (me == nullptr) return;
   for (const auto& have : state_.secrets)
      if (have.epoch == g.epoch && have.name == g.secret) return;
   for (const auto& seal : g.seals) {
      if (seal.number != me->cert.number) continue;
      const auto opened = crypto::open_sealed(self_->signing, seal.box);
      if (!opened || opened->size() != 32) return;
      network_secret made{g.epoch, g.secret,
                          crypto::secret32(std::span<const uint8_t, 32>(opened->data(), 32))};
      const auto name = crypto::hash("warren/secret-name/1", {*opened});
      if (!std::equal(g.secret.begin(), g.secret.end(), name.begin())) return;
      state_.secrets.push_back(std::move(made));
      std::sort(state_.secrets.begin(), state_.secrets.end(),
                [](const network_secret& a, const network_secret& b) {
                   return std::tie(a.epoch, a.name) < std::tie(b.epoch, b.name);
                });
      if (state_.secrets.size() > secrets_kept) state_.secrets.erase(state_.secrets.begin());
      unsaved_ = change_pending_ = true;
      return;
   }
}

// --- the tunnel key
// --------------------------------------------------------------------------------

base::result<void> party::rotate() {
   const member* me = self();
   if (me == nullptr) return fail(errc::state, "this node is no member of the network");
   if (!state_.next_tunnel) {
      stored before = state_.copy();
      state_.next_tunnel =
            crypto::make_tunnel_key([this](void* out, size_t bytes) { host_.random(out, bytes); });
      if (auto ok = save(); !ok) {
         state_ = std::move(before);
         return ok.error();
      }
   }
   ask_at_ = 0;
   ask();
   return {};
}

void party::rotate_every(uint64_t seconds) {
   state_.rotate_every_s = seconds;
   if (state_.rotated_ms == 0) state_.rotated_ms = host_.wall_ms();
   unsaved_ = true;
}

void party::rotate_if_due() {
   if (state_.rotate_every_s == 0 || state_.next_tunnel || self() == nullptr) return;
   if (host_.wall_ms() < state_.rotated_ms + state_.rotate_every_s * 1000) return;
   (void)rotate();
}

void party::use(std::shared_ptr<const identity> self) {
   self_ = std::move(self);
   if (!state_.next_tunnel || state_.next_tunnel->public_key != self_->tunnel.public_key) return;
   state_.next_tunnel.reset();
   state_.rotated_ms = host_.wall_ms();
   unsaved_ = true;
}

std::optional<crypto::tunnel_key> party::take_new_tunnel_key() {
   return std::exchange(new_tunnel_, std::nullopt);
}

/// After documents have changed: what follows for this node.
void party::refresh() {
   const member* found = self();
   if (found == nullptr) {
      const bool was = std::any_of(state_.secrets.begin(), state_.secrets.end(),
                                   [](const auto&) { return true; });
      if (was && !state_.removed) {
         // A member once; by a revocation, or because its certificate has ended.
         const view& v = now();
         bool revoked = false;
         for (const auto& own : state_.own_numbers)
            revoked |= v.revoked.contains(own);
         if (revoked) {
            state_.removed = true;
            state_.why = "an admin has removed this node from the network";
            unsaved_ = true;
            host_.event("network.removed", {{"why", state_.why}});
         }
      }
      return;
   }
   const member me = *found; // the view may change below
   if (std::find(state_.own_numbers.begin(), state_.own_numbers.end(), me.cert.number) ==
       state_.own_numbers.end()) {
      state_.own_numbers.push_back(me.cert.number);
      record_due_ = unsaved_ = true;
   }
   if (state_.refused || state_.removed) {
      state_.refused = state_.removed = false;
      state_.why.clear();
   }
   // Kept until use() says that its file is written: a crash between must not lose it.
   if (state_.next_tunnel && me.cert.tunnel_key == state_.next_tunnel->public_key)
      new_tunnel_ = {state_.next_tunnel->public_key, state_.next_tunnel->secret.clone()};
   // A state that is older than the key's file (a restored backup, a crash between the two): the
   // certificate shall name the key that is in use.
   if (!state_.next_tunnel && me.cert.tunnel_key != self_->tunnel.public_key) {
      state_.next_tunnel = {self_->tunnel.public_key, self_->tunnel.secret.clone()};
      ask_at_ = 0;
      unsaved_ = true;
   }
   const view& v = now();
   const auto have = [&](const network_secret& s) {
      return s.epoch == v.epoch && s.name == v.secret;
   };
   if (v.granted.contains(me.cert.number) &&
       std::none_of(state_.secrets.begin(), state_.secrets.end(), have))
      for (const statement* s : documents().all())
         if (s->type() == statement_type::grant) open_grant(*s);
}

void party::store() {
   if (unsaved_) (void)save();
}

void party::tick() {
   const uint64_t now_ms = host_.now_ms();
   flush_news();
   give_checks();
   for (auto& [node, l] : links_)
      if (l.digest_at != 0 && now_ms >= l.digest_at && is_listed(node)) {
         // Now and then again: what a full queue lost, and what a hostile neighbour withheld.
         uint32_t jitter = 0;
         host_.random(&jitter, sizeof jitter);
         l.digest_at = now_ms + 8'000 + jitter % 8'000;
         send_digest(node, l);
         if (cloned_.contains(node)) tell_clone(node);
      }
   if (state_.invited && state_.invited->tampered && state() == standing::waiting &&
       now_ms >= started_ms_ + 4000)
      on_knock(invite_verdict::tampered); // nobody contradicted what the signature says
   ask();
   publish_record(false);
   rotate_if_due();
   if (now_ms >= duties_at_) {
      duties_at_ = now_ms + 1000;
      admin_duties();
   }
   // A certificate begins or ends without any document's coming.
   (void)now();
   if (ledger_.version() != version_ && !change_pending_) {
      change_pending_ = true;
      change_at_ = now_ms;
      refresh();
   }
   if (change_pending_ && now_ms >= change_at_) {
      change_pending_ = false;
      changed_ = true;
      version_ = ledger_.version();
   }
   if (unsaved_ && now_ms >= save_at_) {
      save_at_ = now_ms + 50;
      if (auto ok = save(); !ok) {
         save_at_ = now_ms + 5000;
         host_.event("trust.not_stored", {{"why", ok.error().text}});
      }
   }
}

} // namespace warren::trust
