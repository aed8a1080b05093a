// Asking to be let in, and being asked: both sides of an invite.
#include "core/trust/party.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

constexpr size_t pending_max = 256;
constexpr size_t nonces_max = 4096;
constexpr uint64_t ask_interval_ms = 5000;

enum : int { answer_waiting = 0, answer_accepted = 1, answer_refused = 2 };

} // namespace

std::string_view to_string(invite_verdict v) {
   switch (v) {
   case invite_verdict::open:
      return "open";
   case invite_verdict::expired:
      return "expired";
   case invite_verdict::used_up:
      return "used up";
   case invite_verdict::revoked:
      return "revoked";
   case invite_verdict::tampered:
      return "tampered with";
   case invite_verdict::wrong_network:
      return "for another network";
   case invite_verdict::full:
      return "not served now: too many ask at once";
   }
   return "?";
}

invite_verdict verdict_of(const invite_state& i, uint64_t now_ms) {
   if (i.revoked) return invite_verdict::revoked;
   if (i.uses != 0 && i.used >= i.uses) return invite_verdict::used_up;
   if (i.expires_ms != 0 && now_ms >= i.expires_ms) return invite_verdict::expired;
   return invite_verdict::open;
}

// --- who asks
// --------------------------------------------------------------------------------------

/// To the admin who invited, or, for a new tunnel key, to who issued the certificate.
void party::ask() {
   const member* me = self();
   const bool joins = me == nullptr && state() == standing::waiting;
   if (!joins && !(me != nullptr && state_.next_tunnel)) return;
   if (host_.now_ms() < ask_at_) return;
   ask_at_ = host_.now_ms() + ask_interval_ms;
   const node_id admin = joins ? state_.invited->admin : me->issuer;
   if (!joins && admin == self_->signing.id) {
      // An admin renews its own.
      const auto made = change(me->cert.number, {});
      if (!made) host_.event("key.not_rotated", {{"why", made.error().text}});
      return;
   }
   if (!links_.contains(admin)) return;
   join_request request;
   request.admin = admin;
   const crypto::tunnel_key& tunnel = joins ? self_->tunnel : *state_.next_tunnel;
   request.tunnel_key = tunnel.public_key;
   if (joins) request.invite = state_.invited->id;
   if (ask_nonce_ == short_id{}) host_.random(ask_nonce_.data(), ask_nonce_.size());
   request.nonce = ask_nonce_;
   request.time_ms = host_.wall_ms();
   request.name = joins ? state_.invited->node_name : me->cert.name;
   request.version = "warren/1";
   const auto proof = crypto::prove_possession(tunnel, admin,
                                               proved_text(request, network(), self_->signing.id));
   if (!proof) return;
   request.proof = *proof;
   cbor::writer w;
   w.array(2).number(5).bytes(make_statement(self_->signing, network(), request).bytes);
   host_.send(admin, w.take());
}

void party::on_knock(invite_verdict verdict) {
   if (state() != standing::waiting || verdict == invite_verdict::open ||
       verdict == invite_verdict::full)
      return;
   state_.refused = true;
   state_.why = "the invite is " + std::string(to_string(verdict));
   unsaved_ = changed_ = true;
   host_.event("join.refused", {{"why", state_.why}});
}

void party::on_join_answer(const node_id& peer, cbor::reader& r) {
   const auto what = static_cast<int>(r.number(2));
   const std::string why = r.text(512);
   std::vector<std::span<const uint8_t>> statements;
   for (size_t n = r.array(512); n > 0 && r.ok(); n--)
      statements.push_back(r.bytes(1, statement_bytes_max));
   if (!r.done()) return;
   const member* me = self();
   const bool asked = (me == nullptr && state_.invited && peer == state_.invited->admin) ||
                      (me != nullptr && state_.next_tunnel && peer == me->issuer);
   if (!asked) return;
   if (what == answer_refused) {
      ask_at_ = host_.now_ms() + 60'000;
      if (me != nullptr) return host_.event("key.not_rotated", {{"why", why}});
      if (state() != standing::waiting) return;
      state_.refused = true;
      state_.why = why;
      unsaved_ = changed_ = true;
      return host_.event("join.refused", {{"why", why}});
   }
   for (const auto& bytes : statements)
      take(bytes, &peer);
   if (what == answer_accepted) ask_nonce_ = {};
   refresh();
   if (me == nullptr && self() != nullptr) {
      if (const auto it = links_.find(peer); it != links_.end()) {
         it->second.stranger = false;
         it->second.digest_at = host_.now_ms();
      }
      if (auto ok = save(); !ok) host_.event("trust.not_stored", {{"why", ok.error().text}});
      changed_ = true;
      host_.event("join.accepted", {{"name", self()->name}});
   }
}

// --- who is asked
// ----------------------------------------------------------------------------------

void party::answer(const node_id& to, int state, const std::string& why) {
   cbor::writer w;
   w.array(4).number(6).number(static_cast<uint64_t>(state)).text(why);
   std::vector<const statement*> with;
   if (state == answer_accepted) {
      // What makes a member: everything but the other members, whom the next digest brings.
      const member* he = now().find(to);
      for (const statement* s : ledger_.all()) {
         const bool frame =
               s->type() <= statement_type::revocation || s->type() == statement_type::head;
         const bool theirs =
               he != nullptr &&
               (s->id == he->statement_id || (self() != nullptr && s->id == self()->statement_id));
         bool seal = false;
         if (const auto* g = std::get_if<grant>(&s->content))
            seal = he != nullptr && g->epoch == now().epoch &&
                   std::any_of(g->seals.begin(), g->seals.end(),
                               [&](const auto& x) { return x.number == he->cert.number; });
         if ((frame || theirs || seal) && with.size() < 500) with.push_back(s);
      }
   }
   w.array(with.size());
   for (const statement* s : with)
      w.bytes(s->bytes);
   host_.send(to, w.take());
}

void party::refuse_request(const node_id& peer, const join_request& r, const std::string& why) {
   host_.event("join.refused", {{"id", crypto::format_node_id(peer)},
                                {"name", r.name},
                                {"from", links_.contains(peer) ? links_.at(peer).from : ""},
                                {"why", why}});
   answer(peer, answer_refused, why);
}

void party::on_join_request(const node_id& peer, std::span<const uint8_t> bytes) {
   const auto opened = open_statement(bytes, network());
   if (!opened || opened->type() != statement_type::join_request) {
      const std::string why = "the request is tampered with, or for another network";
      host_.event("join.refused", {{"id", crypto::format_node_id(peer)}, {"why", why}});
      return answer(peer, answer_refused, why);
   }
   const auto& r = std::get<join_request>(opened->content);
   if (opened->signer != peer)
      return refuse_request(peer, r, "the request is replayed: another node signed it");
   if (r.admin != self_->signing.id)
      return refuse_request(peer, r, "the request is replayed: it was made for another admin");
   if (!crypto::verify_possession(self_->signing, r.tunnel_key, proved_text(r, network(), peer),
                                  r.proof))
      return refuse_request(peer, r, "the tunnel key is not proved to be the asker's");
   if (own_rights(delegation::issue) == nullptr)
      return refuse_request(peer, r, "this node is not an admin of the network any more");
   const view& v = now();
   const member* known = v.find(peer);
   if (known != nullptr) {
      if (known->cert.tunnel_key == r.tunnel_key) return answer(peer, answer_accepted, "");
      if (known->issuer != self_->signing.id)
         return refuse_request(peer, r, "another admin has issued this member's certificate");
      const uint32_t number = known->cert.number;
      for (const member& m : v.members)
         if (m.cert.tunnel_key == r.tunnel_key)
            return refuse_request(peer, r, "the tunnel key belongs to another member");
      stored before = state_.copy();
      certificate next = known->cert;
      next.tunnel_key = r.tunnel_key;
      next.name = known->cert.name;
      next.serial = next_serial();
      next.not_before_s = v.now_ms / 1000;
      if (auto ok = settle({make_statement(self_->signing, network(), next)}, std::move(before));
          !ok)
         return refuse_request(peer, r, ok.error().text);
      host_.event("member.key_changed", {{"peer", next.name}, {"number", std::to_string(number)}});
      return answer(peer, answer_accepted, "");
   }
   const auto invite = state_.invites.find(r.invite);
   if (invite == state_.invites.end())
      return refuse_request(peer, r, "the invite is not known here; ask for a new one");
   const auto waiting = std::find_if(state_.pending.begin(), state_.pending.end(),
                                     [&](const auto& p) { return p.node == peer; });
   const bool answered =
         std::find(state_.nonces.begin(), state_.nonces.end(), r.nonce) != state_.nonces.end();
   if (answered && waiting == state_.pending.end())
      return refuse_request(peer, r, "the request is replayed: it was answered before");
   const auto verdict = verdict_of(invite->second, host_.wall_ms());
   // Who asked in time may be accepted later.
   if (verdict != invite_verdict::open &&
       !(verdict == invite_verdict::expired && waiting != state_.pending.end())) {
      std::erase_if(state_.pending, [&](const auto& p) { return p.node == peer; });
      unsaved_ = true;
      return refuse_request(peer, r, "the invite is " + std::string(to_string(verdict)));
   }
   if (waiting != state_.pending.end()) {
      waiting->request = r;
      unsaved_ = true;
   } else {
      if (state_.pending.size() >= pending_max)
         return refuse_request(peer, r, "too many requests wait already; try again later");
      stored before = state_.copy();
      state_.pending.push_back({peer, r, host_.wall_ms(),
                                links_.contains(peer) ? links_.at(peer).from : std::string()});
      if (!invite->second.auto_accept)
         if (auto ok = save(); !ok) {
            state_ = std::move(before);
            return refuse_request(peer, r, ok.error().text);
         }
      host_.event("member.requested", {{"name", r.name},
                                       {"id", crypto::format_node_id(peer)},
                                       {"from", state_.pending.back().from}});
   }
   if (invite->second.auto_accept) {
      const auto made = accept(peer, {});
      if (!made) {
         std::erase_if(state_.pending, [&](const auto& p) { return p.node == peer; });
         return refuse_request(peer, r, made.error().text);
      }
      return;
   }
   answer(peer, answer_waiting, "");
}

base::result<certificate> party::accept(const node_id& who, const member_terms& terms) {
   using base::errc;
   using base::fail;
   if (own_rights(delegation::issue) == nullptr) return no_right("accept members");
   const auto it = std::find_if(state_.pending.begin(), state_.pending.end(),
                                [&](const auto& p) { return p.node == who; });
   if (it == state_.pending.end())
      return fail(errc::not_found, "nobody with this id asks to be let in; 'warren member list' "
                                   "shows who does");
   const pending_request asked = *it;
   const auto invite = state_.invites.find(asked.request.invite);
   if (invite == state_.invites.end()) return fail(errc::not_found, "the invite is gone");
   const auto verdict = verdict_of(invite->second, host_.wall_ms());
   if (verdict == invite_verdict::used_up || verdict == invite_verdict::revoked)
      return fail(errc::state, "the invite is " + std::string(to_string(verdict)));
   for (const member& m : now().members)
      if (m.cert.tunnel_key == asked.request.tunnel_key)
         return fail(errc::exists, "the tunnel key belongs to member '" + m.name + "'");
   member_terms all = terms;
   if (!all.name) all.name = asked.request.name;
   if (!all.groups) all.groups = invite->second.groups;
   if (!all.roles) all.roles = invite->second.roles;
   if (!all.tags) all.tags = invite->second.tags;
   if (auto ok = check_terms(all, 0); !ok) {
      // A name that is taken is no reason to refuse who did not choose it.
      if (terms.name || !now().find_name(*all.name)) return ok.error();
      all.name.reset();
   }
   stored before = state_.copy();
   auto slot = allocate(who, false);
   if (!slot) {
      state_ = std::move(before);
      return slot.error();
   }
   if (!all.name) all.name = asked.request.name.substr(0, 50) + "-" + std::to_string(slot->number);
   certificate cert = fill(*slot, all, nullptr);
   cert.node = who;
   cert.tunnel_key = asked.request.tunnel_key;
   state_.invites.at(asked.request.invite).used++;
   std::erase_if(state_.pending, [&](const auto& p) { return p.node == who; });
   state_.nonces.push_back(asked.request.nonce);
   if (state_.nonces.size() > nonces_max) state_.nonces.pop_front();
   std::vector<statement> made{make_statement(self_->signing, network(), cert)};
   if (own_rights(delegation::govern) != nullptr) {
      // The box is to a member's number, which only the certificate before it makes known.
      recipients_[cert.number] = who;
      if (auto sealed = make_grant(now().epoch, {cert.number})) made.push_back(std::move(*sealed));
   }
   if (auto ok = settle(std::move(made), std::move(before)); !ok) return ok.error();
   host_.event("member.accepted", {{"peer", cert.name},
                                   {"id", crypto::format_node_id(who)},
                                   {"number", std::to_string(cert.number)}});
   answer(who, answer_accepted, "");
   // The others who hoped for the same place learn it now.
   const auto& used = state_.invites.at(asked.request.invite);
   if (used.uses != 0 && used.used >= used.uses)
      for (const auto& p : std::vector(state_.pending))
         if (p.request.invite == used.id) (void)reject(p.node, "the invite is used up");
   return cert;
}

base::result<void> party::reject(const node_id& who, std::string why) {
   const auto it = std::find_if(state_.pending.begin(), state_.pending.end(),
                                [&](const auto& p) { return p.node == who; });
   if (it == state_.pending.end())
      return base::fail(base::errc::not_found, "nobody with this id asks to be let in; 'warren "
                                               "member list' shows who does");
   stored before = state_.copy();
   const pending_request asked = *it;
   state_.nonces.push_back(asked.request.nonce);
   if (state_.nonces.size() > nonces_max) state_.nonces.pop_front();
   state_.pending.erase(it);
   if (auto ok = save(); !ok) {
      state_ = std::move(before);
      return ok.error();
   }
   if (why.empty()) why = "an admin rejected the request";
   host_.event("member.rejected",
               {{"name", asked.request.name}, {"id", crypto::format_node_id(who)}, {"why", why}});
   answer(who, answer_refused, why);
   return {};
}

} // namespace warren::trust
