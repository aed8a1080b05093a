// What an admin issues, and what an admin's node does by itself: renewing what ends soon, sealing
// the secret to who lacks it, saying now and then what there is.
#include "core/trust/party.hpp"

#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

namespace {

constexpr size_t invites_max = 1024;
constexpr uint32_t numbers_per_admin = 1u << 20;
constexpr uint64_t day_s = 86'400;
constexpr uint64_t delegation_days = 3650;

uint32_t last_offset(const wrn_addr& plan) { return (1u << (32 - plan.prefix_len)) - 2; }

} // namespace

base::result<std::unique_ptr<party>>
party::create(party_host& host, std::shared_ptr<const identity> self, const birth& wanted) {
   if (!is_name(wanted.network_name) || !is_name(wanted.node_name))
      return fail(errc::invalid, "names are DNS labels: a to z, 0 to 9 and '-', at most 63");
   const auto random = [&](void* out, size_t bytes) { host.random(out, bytes); };
   auto root = crypto::make_signing_key(random);
   auto next = crypto::make_signing_key(random);
   genesis g{wanted.network_name, commitment_of(next.id), wanted.plan, host.wall_ms(), {}};
   host.random(g.nonce.data(), g.nonce.size());
   const statement first = make_statement(root, {}, g);
   std::unique_ptr<party> made(new party(host, self, network_id_of(first.bytes)));
   party& p = *made;
   p.state_.member_days = wanted.member_days;
   const uint64_t now_s = host.wall_ms() / 1000;
   delegation d;
   d.admin = self->signing.id;
   d.serial = p.state_.delegation_serial = 1;
   d.pool = {{1, std::max(1u, last_offset(wanted.plan) / 2)}};
   d.numbers = {{1, numbers_per_admin - 1}};
   d.any_label = d.any_route = true;
   d.rights = delegation::issue | delegation::revoke_any | delegation::govern;
   d.not_before_s = now_s;
   d.not_after_s = now_s + delegation_days * day_s;
   d.members_max = UINT32_MAX;
   const statement second = make_statement(root, p.network(), d);
   p.state_.delegations.push_back(second.id);
   p.state_.root = std::move(root);
   p.state_.next_root = std::move(next);
   for (const statement* s : {&first, &second})
      if (const auto a = p.ledger_.admit(*s, host.wall_ms()); a.what != outcome::added)
         return fail(errc::internal, "the new network is not valid: " + a.why);
   auto slot = p.allocate(self->signing.id, false);
   if (!slot) return slot.error();
   certificate cert =
         p.fill(*slot, {wanted.node_name, {}, std::vector<std::string>{"admin"}, {}, {}}, nullptr);
   cert.node = self->signing.id;
   cert.tunnel_key = self->tunnel.public_key;
   p.recipients_[cert.number] = self->signing.id;
   network_secret secret;
   secret.epoch = 1;
   crypto::bytes32 value{};
   host.random(value.data(), value.size());
   secret.value = crypto::secret32(std::span<const uint8_t, 32>(value));
   const auto name = crypto::hash("warren/secret-name/1", {value});
   std::copy_n(name.begin(), secret.name.size(), secret.name.begin());
   p.state_.secrets.push_back(std::move(secret));
   p.state_.instances.push_back(p.instance_);
   p.state_.rotated_ms = host.wall_ms();
   std::vector<statement> rest{make_statement(self->signing, p.network(), cert)};
   if (auto sealed = p.make_grant(1, {cert.number})) rest.push_back(std::move(*sealed));
   if (auto ok = p.settle(std::move(rest), p.state_.copy()); !ok) return ok.error();
   if (auto ok = p.settle({p.make_head()}, p.state_.copy()); !ok) return ok.error();
   p.refresh();
   p.changed_ = true;
   host.event("network.created", {{"name", wanted.network_name}});
   return made;
}

const delegation* party::own_rights(uint32_t right) {
   const view& v = now();
   const auto it = v.admins.find(self_->signing.id);
   return it == v.admins.end() || (it->second.rights.rights & right) != right ? nullptr
                                                                              : &it->second.rights;
}

base::error party::no_right(std::string_view what) {
   std::string names;
   for (const auto& [who, a] : now().admins)
      if (const member* m = now().find(who)) names += (names.empty() ? "" : ", ") + m->name;
   return fail(errc::permission, "this node may not " + std::string(what) +
                                       "; the network's admins are " +
                                       (names.empty() ? "not known" : names));
}

/// An admin with a wrong clock must not sign: everybody would refuse it, or worse, believe it.
bool party::clock_is_right() {
   const view& v = now();
   return !v.newest_head || host_.wall_ms() < v.newest_head->time_ms + clock_leap_max_ms;
}

uint64_t party::next_serial() {
   return state_.serial = std::max(state_.serial + 1, host_.wall_ms());
}

/// By the clock, too: a root's node that was set back to a backup and is alone must not say a
/// second time what it does not remember, for a second delegation with one serial is refused.
uint64_t party::next_delegation_serial() {
   return state_.delegation_serial = std::max(state_.delegation_serial + 1, host_.wall_ms());
}

/// A number and an address that this admin has never given to anybody else.
base::result<party::issued_to> party::allocate(const crypto::bytes32& who, bool stock) {
   const delegation* d = own_rights(delegation::issue);
   if (d == nullptr) return no_right("issue certificates");
   const view& v = now();
   const auto next_in = [](const std::vector<range>& ranges,
                           uint32_t from) -> std::optional<uint32_t> {
      std::optional<uint32_t> best;
      for (const range& r : ranges)
         if (r.last >= from) {
            const uint32_t candidate = std::max(r.first, from);
            if (!best || candidate < *best) best = candidate;
         }
      return best;
   };
   const auto taken = [&](auto same) {
      return std::any_of(state_.issued.begin(), state_.issued.end(), same) ||
             std::any_of(v.members.begin(), v.members.end(), [&](const member& m) {
                return same(issued_to{m.cert.number, m.cert.offset, 0, {}, false});
             });
   };
   std::optional<uint32_t> number = next_in(d->numbers, state_.next_number);
   while (number && (v.revoked.contains(*number) ||
                     taken([&](const issued_to& i) { return i.number == *number; })))
      number = next_in(d->numbers, *number + 1);
   if (!number) return fail(errc::limit, "this admin has given out all of its member numbers");
   // Somebody who was a member before gets the address that was his.
   std::optional<uint32_t> offset;
   for (const issued_to& i : state_.issued)
      if (i.who == who && i.stock == stock && any_contains(d->pool, i.offset) &&
          std::none_of(v.members.begin(), v.members.end(),
                       [&](const member& m) { return m.cert.offset == i.offset; }))
         offset = i.offset;
   if (!offset) {
      offset = next_in(d->pool, std::max(1u, state_.next_offset));
      while (offset && taken([&](const issued_to& i) { return i.offset == *offset; }))
         offset = next_in(d->pool, *offset + 1);
      if (!offset && state_.root) {
         if (auto ok = grow_pool(); !ok) return ok.error();
         return allocate(who, stock);
      }
      if (!offset)
         return fail(errc::limit, "this admin's addresses are used up; the holder of the root can "
                                  "give more ('warren admin add'), or another admin can accept");
      state_.next_offset = *offset + 1;
   }
   state_.next_number = *number + 1;
   issued_to slot{*number, *offset, next_serial(), who, stock};
   state_.issued.push_back(slot);
   return slot;
}

certificate party::fill(const issued_to& slot, const member_terms& terms, const member* before) {
   certificate c = before != nullptr ? before->cert : certificate{};
   c.number = slot.number;
   c.offset = slot.offset;
   c.since = slot.since;
   c.serial = before != nullptr ? next_serial() : slot.since;
   if (terms.name) c.name = *terms.name;
   if (terms.groups) c.groups = *terms.groups;
   if (terms.roles) c.roles = *terms.roles;
   if (terms.tags) c.tags = *terms.tags;
   if (terms.routes) c.routes = *terms.routes;
   c.not_before_s = now().now_ms / 1000;
   c.not_after_s = c.not_before_s + state_.member_days * day_s;
   return c;
}

base::result<void> party::check_terms(const member_terms& terms, uint32_t number) {
   const view& v = now();
   const delegation* d = own_rights(delegation::issue);
   if (terms.name) {
      if (!is_name(*terms.name))
         return fail(errc::invalid, "a member's name is a DNS label: a to z, 0 to 9 and '-', at "
                                    "most 63, not at its ends '-'");
      const member* other = v.find_name(*terms.name);
      if (other != nullptr && other->cert.number != number)
         return fail(errc::exists, "there is a member '" + *terms.name + "' already");
   }
   const auto check = [&](const auto& wanted, const auto& granted,
                          std::string_view what) -> base::result<void> {
      if (!wanted) return {};
      if (wanted->size() > labels_max)
         return fail(errc::limit,
                     "more than " + std::to_string(labels_max) + " " + std::string(what) + "s");
      for (const std::string& w : *wanted) {
         if (!is_name(w))
            return fail(errc::invalid,
                        "a " + std::string(what) + " is a DNS label: a to z, 0 to 9 and '-'");
         if (d != nullptr && !d->any_label &&
             std::find(granted.begin(), granted.end(), w) == granted.end())
            return fail(errc::permission,
                        "this admin may not grant " + std::string(what) + " '" + w + "'");
      }
      return {};
   };
   static const std::vector<std::string> none;
   if (auto ok = check(terms.groups, d != nullptr ? d->groups : none, "group"); !ok) return ok;
   if (auto ok = check(terms.roles, d != nullptr ? d->roles : none, "role"); !ok) return ok;
   if (auto ok = check(terms.tags, d != nullptr ? d->tags : none, "tag"); !ok) return ok;
   if (terms.routes) {
      if (terms.routes->size() > routes_max) return fail(errc::limit, "too many routes");
      if (!terms.routes->empty() && d != nullptr && !d->any_route)
         return fail(errc::permission, "this admin may not certify routes");
      for (const wrn_addr& r : *terms.routes)
         if (r.family == WRN_AF_INET && base::contains(v.plan, r) &&
             r.prefix_len >= v.plan.prefix_len)
            return fail(errc::invalid,
                        base::format_prefix(r) + " lies inside the network's own addresses");
   }
   return {};
}

base::result<void> party::settle(std::vector<statement> made, stored before) {
   if (!clock_is_right()) {
      state_ = std::move(before);
      return fail(errc::state, "this node's clock is more than a year ahead of the network's last "
                               "head; set the clock, nothing is signed by it");
   }
   settling_ = &made;
   auto ok = save();
   settling_ = nullptr;
   if (!ok) {
      state_ = std::move(before);
      return ok;
   }
   for (const statement& s : made) {
      const admission a = ledger_.admit(s, host_.wall_ms());
      if (a.what == outcome::added)
         added(s, nullptr);
      else if (a.what != outcome::known && a.what != outcome::older)
         return fail(errc::internal, "this node's own " + std::string(name_of(s.type())) +
                                           " is not valid: " + a.why);
   }
   unsaved_ = false; // exactly this is stored
   refresh();
   if (change_at_ <= host_.now_ms()) changed_ = true;
   return {};
}

// --- verbs
// -----------------------------------------------------------------------------------------

base::result<invite_state> party::invite(const invite_terms& terms) {
   if (own_rights(delegation::issue) == nullptr) return no_right("invite");
   const member_terms as_terms{{}, terms.groups, terms.roles, terms.tags, {}};
   if (auto ok = check_terms(as_terms, 0); !ok) return ok.error();
   const uint64_t now_ms = host_.wall_ms();
   stored before = state_.copy();
   // What can never be used again makes room.
   if (state_.invites.size() >= invites_max)
      std::erase_if(state_.invites, [&](const auto& i) {
         return verdict_of(i.second, now_ms) != invite_verdict::open;
      });
   if (state_.invites.size() >= invites_max)
      return fail(errc::limit,
                  "there are " + std::to_string(invites_max) + " open invites; revoke some first");
   invite_state made;
   host_.random(made.id.data(), made.id.size());
   host_.random(made.secret.data(), made.secret.size());
   made.created_ms = now_ms;
   made.expires_ms = terms.lifetime_s == 0 ? 0 : now_ms + terms.lifetime_s * 1000;
   made.uses = terms.uses;
   made.auto_accept = terms.auto_accept;
   made.groups = terms.groups;
   made.roles = terms.roles;
   made.tags = terms.tags;
   state_.invites[made.id] = made;
   if (auto ok = save(); !ok) {
      state_ = std::move(before);
      return ok.error();
   }
   changed_ = true;
   return made;
}

base::result<void> party::name_token(const short_id& id, const crypto::bytes32& token_hash) {
   state_.invites.at(id).token = token_hash;
   changed_ = true;
   return save();
}

base::result<void> party::revoke_invite(const short_id& id) {
   const auto it = state_.invites.find(id);
   if (it == state_.invites.end())
      return fail(errc::not_found, "no such invite; 'warren invite list' shows them");
   stored before = state_.copy();
   it->second.revoked = true;
   if (auto ok = save(); !ok) {
      state_ = std::move(before);
      return ok.error();
   }
   changed_ = true;
   for (const auto& p : std::vector(state_.pending))
      if (p.request.invite == id) (void)reject(p.node, "the invite is revoked");
   return {};
}

base::result<certificate> party::change(uint32_t number, const member_terms& terms) {
   const member* found = now().find(number);
   if (found == nullptr)
      return fail(errc::not_found, "there is no member " + std::to_string(number));
   const member m = *found; // the view may change below
   if (m.issuer != self_->signing.id) {
      const member* issuer = now().find(m.issuer);
      return fail(errc::permission, "the certificate of '" + m.name + "' is by another admin" +
                                          (issuer != nullptr ? ", '" + issuer->name + "'" : "") +
                                          "; change it there");
   }
   if (own_rights(delegation::issue) == nullptr) return no_right("change members");
   if (auto ok = check_terms(terms, number); !ok) return ok.error();
   stored before = state_.copy();
   certificate c = fill({number, m.cert.offset, m.cert.since, {}, false}, terms, &m);
   // A new tunnel key of our own takes its place with the next certificate.
   if (m.cert.node == self_->signing.id && state_.next_tunnel)
      c.tunnel_key = state_.next_tunnel->public_key;
   if (auto ok = settle({make_statement(self_->signing, network(), c)}, std::move(before)); !ok)
      return ok.error();
   return c;
}

base::result<certificate> party::add_stock(const std::string& name,
                                           const crypto::bytes32& tunnel_key, uint32_t via,
                                           const member_terms& terms) {
   if (own_rights(delegation::issue) == nullptr) return no_right("add members");
   member_terms all = terms;
   all.name = name;
   if (auto ok = check_terms(all, 0); !ok) return ok.error();
   const member* gateway = now().find(via);
   if (gateway == nullptr || !gateway->cert.node)
      return fail(errc::not_found, "a stock client connects to a node of the network, and there is "
                                   "none with number " +
                                         std::to_string(via));
   for (const member& m : now().members)
      if (m.cert.tunnel_key == tunnel_key)
         return fail(errc::exists, "the tunnel key belongs to member '" + m.name + "'");
   stored before = state_.copy();
   auto slot = allocate(tunnel_key, true);
   if (!slot) {
      state_ = std::move(before);
      return slot.error();
   }
   certificate c = fill(*slot, all, nullptr);
   c.tunnel_key = tunnel_key;
   c.via = via;
   if (auto ok = settle({make_statement(self_->signing, network(), c)}, std::move(before)); !ok)
      return ok.error();
   return c;
}

} // namespace warren::trust
