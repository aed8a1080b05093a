// What governs a network: admins and the root, removing members, the secret's epochs, heads, the
// network document; and what an admin's node does by itself.
#include "core/trust/party.hpp"

#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

namespace {

constexpr size_t renewals_at_once = 64;
constexpr uint64_t head_interval_ms = 6 * 3'600'000;
constexpr uint64_t others_grant_after_ms = 15'000; // first it is the issuer's business
constexpr uint32_t numbers_per_admin = 1u << 20;

uint32_t last_offset(const wrn_addr& plan) { return (1u << (32 - plan.prefix_len)) - 2; }

std::vector<uint32_t> numbers_of(const view& v) {
   std::vector<uint32_t> out;
   for (const member& m : v.members)
      if (m.cert.node) out.push_back(m.cert.number);
   return out;
}

/// What no delegation has, ascending.
std::vector<range> free_ranges(std::vector<range> taken, uint32_t first, uint32_t last) {
   std::sort(taken.begin(), taken.end(),
             [](const range& a, const range& b) { return a.first < b.first; });
   std::vector<range> out;
   uint32_t at = first;
   for (const range& t : taken) {
      if (t.first > at) out.push_back({at, t.first - 1});
      at = std::max(at, t.last + 1);
   }
   if (at <= last) out.push_back({at, last});
   return out;
}

void merge(std::vector<range>& ranges) {
   std::sort(ranges.begin(), ranges.end(),
             [](const range& a, const range& b) { return a.first < b.first; });
   std::vector<range> out;
   for (const range& r : ranges)
      if (!out.empty() && out.back().last + 1 == r.first)
         out.back().last = r.last;
      else
         out.push_back(r);
   ranges = std::move(out);
}

} // namespace

/// The root's node takes more of the plan for itself.
base::result<void> party::grow_pool() {
   const view& v = now();
   std::vector<range> taken;
   for (const auto& [who, a] : v.admins)
      taken.insert(taken.end(), a.rights.pool.begin(), a.rights.pool.end());
   const auto free = free_ranges(std::move(taken), 1, last_offset(v.plan));
   const auto own = v.admins.find(self_->signing.id);
   if (free.empty() || own == v.admins.end())
      return fail(errc::limit, "the network's " + std::to_string(last_offset(v.plan)) +
                                     " addresses (" + base::format_prefix(v.plan) +
                                     ") are all given out; addresses are not given twice, so a "
                                     "larger plan means a new network");
   delegation d = own->second.rights;
   d.serial = next_delegation_serial();
   const uint32_t part = std::max(1u, last_offset(v.plan) / 8);
   d.pool.push_back({free.front().first, std::min(free.front().last, free.front().first + part)});
   merge(d.pool);
   if (d.pool.size() > ranges_max) return fail(errc::limit, "too many pieces of address space");
   const statement s = make_statement(*state_.root, network(), d);
   state_.delegations.push_back(s.id);
   return settle({s}, state_.copy());
}

/// The newest secret sealed to these members, whose nodes are known or in recipients_.
std::optional<statement> party::make_grant(uint64_t epoch, const std::vector<uint32_t>& numbers) {
   grant g;
   g.epoch = epoch;
   g.time_ms = host_.wall_ms();
   const network_secret* secret = nullptr;
   for (const auto& s : state_.secrets)
      if (s.epoch == epoch && (epoch != now().epoch || s.name == now().secret)) secret = &s;
   if (secret == nullptr) return std::nullopt;
   g.secret = secret->name;
   for (const uint32_t number : numbers) {
      const member* m = now().find(number);
      const auto other = recipients_.find(number);
      if ((m == nullptr || !m->cert.node) && other == recipients_.end()) continue;
      const node_id& node = m != nullptr && m->cert.node ? *m->cert.node : other->second;
      const auto sealed = crypto::seal_to(node, secret->value.bytes());
      if (!sealed) continue; // a key of low order: its member gets no secret
      grant::seal each;
      each.number = number;
      std::copy(sealed->begin(), sealed->end(), each.box.begin());
      g.seals.push_back(each);
   }
   if (g.seals.empty()) return std::nullopt;
   return make_statement(self_->signing, network(), g);
}

base::result<void> party::bump_epoch(std::vector<statement>& out,
                                     const std::set<uint32_t>& without) {
   network_secret next;
   next.epoch = now().epoch + 1;
   crypto::bytes32 value{};
   host_.random(value.data(), value.size());
   next.value = crypto::secret32(std::span<const uint8_t, 32>(value));
   const auto name = crypto::hash("warren/secret-name/1", {value});
   std::copy_n(name.begin(), next.name.size(), next.name.begin());
   const uint64_t epoch = next.epoch;
   state_.secrets.push_back(std::move(next));
   if (state_.secrets.size() > 4) state_.secrets.erase(state_.secrets.begin());
   std::vector<uint32_t> numbers = numbers_of(now());
   std::erase_if(numbers, [&](uint32_t n) { return without.contains(n); });
   for (size_t i = 0; i < numbers.size(); i += grants_max) {
      const size_t n = std::min(grants_max, numbers.size() - i);
      if (auto sealed = make_grant(epoch, {numbers.begin() + static_cast<long>(i),
                                           numbers.begin() + static_cast<long>(i + n)}))
         out.push_back(std::move(*sealed));
   }
   return {};
}

statement party::make_head() {
   const view& v = now();
   head h;
   h.sequence = std::max(state_.head_sequence, v.newest_head ? v.newest_head->sequence : 0) + 1;
   state_.head_sequence = h.sequence;
   h.time_ms = std::max(host_.wall_ms(), v.newest_head ? v.newest_head->time_ms : 0);
   h.epoch = v.epoch;
   h.document_version = v.document ? v.document->version : 0;
   h.revoked = v.revoked.size();
   h.revoked_root = revoked_root(v.revoked);
   return make_statement(self_->signing, network(), h);
}

base::result<void> party::remove(uint32_t number, std::string why) {
   const member* found = now().find(number);
   if (found == nullptr)
      return fail(errc::not_found, "there is no member " + std::to_string(number));
   const member m = *found; // the view changes below
   const delegation* d = own_rights(delegation::issue);
   if (d == nullptr ||
       ((d->rights & delegation::revoke_any) == 0 && !any_contains(d->numbers, number)))
      return no_right("remove this member");
   if (m.cert.node == self_->signing.id)
      return fail(errc::invalid, "this node cannot remove itself; 'warren network leave' leaves");
   if (m.admin && !state_.root)
      return fail(errc::permission, "'" + m.name +
                                          "' is an admin: first the holder of the root "
                                          "removes that ('warren admin remove')");
   if (m.admin)
      if (auto ok = remove_admin(*m.cert.node); !ok) return ok;
   stored before = state_.copy();
   std::set<uint32_t> gone{number};
   for (const member& other : now().members)
      if (!other.cert.node && other.cert.via == number) gone.insert(other.cert.number);
   std::vector<statement> made;
   revocation r;
   r.numbers = {number};
   r.why = why.empty() ? "removed by an admin" : std::move(why);
   r.time_ms = host_.wall_ms();
   made.push_back(make_statement(self_->signing, network(), r));
   if (m.cert.node && own_rights(delegation::govern) != nullptr)
      if (auto ok = bump_epoch(made, gone); !ok) return ok;
   if (auto ok = settle(std::move(made), std::move(before)); !ok) return ok;
   if (own_rights(delegation::govern) != nullptr) return settle({make_head()}, state_.copy());
   return {};
}

base::result<delegation> party::add_admin(uint32_t number, const admin_terms& terms) {
   if (!state_.root)
      return fail(errc::permission, "only the holder of the network's root makes admins");
   const view& v = now();
   const member* found = v.find(number);
   if (found == nullptr || !found->cert.node)
      return fail(errc::not_found, "an admin is a node of the network");
   const member m = *found;
   if (m.admin) return fail(errc::exists, "'" + m.name + "' is an admin already");
   std::vector<range> taken;
   for (const auto& [who, a] : v.admins)
      taken.insert(taken.end(), a.rights.pool.begin(), a.rights.pool.end());
   const auto free = free_ranges(std::move(taken), 1, last_offset(v.plan));
   if (free.empty())
      return fail(errc::limit, "no addresses are left that another admin could give");
   const uint32_t part =
         std::max(1u, last_offset(v.plan) / std::max(2u, std::min(terms.share, 1024u)));
   const range& last = free.back();
   delegation d;
   d.admin = *m.cert.node;
   stored before = state_.copy();
   d.serial = next_delegation_serial();
   d.pool = {{last.last - std::min(part - 1, last.last - last.first), last.last}};
   std::vector<range> numbers;
   for (const statement* s : ledger_.all())
      if (const auto* other = std::get_if<delegation>(&s->content))
         numbers.insert(numbers.end(), other->numbers.begin(), other->numbers.end());
   const auto free_numbers = free_ranges(std::move(numbers), 1, UINT32_MAX - 1);
   if (free_numbers.empty()) return fail(errc::limit, "no member numbers are left");
   d.numbers = {{free_numbers.front().first,
                 std::min(free_numbers.front().last,
                          free_numbers.front().first + (numbers_per_admin - 1))}};
   d.any_label = terms.groups.empty() && terms.roles.empty() && terms.tags.empty();
   d.groups = terms.groups;
   d.roles = terms.roles;
   d.tags = terms.tags;
   d.any_route = d.any_label;
   d.rights = delegation::issue | delegation::govern;
   d.not_before_s = v.now_ms / 1000;
   d.not_after_s = d.not_before_s + terms.lifetime_s;
   d.members_max = d.pool[0].last - d.pool[0].first + 1;
   const statement s = make_statement(*state_.root, network(), d);
   state_.delegations.push_back(s.id);
   if (auto ok = settle({s}, std::move(before)); !ok) return ok.error();
   return d;
}

/// His members stay: their certificates are signed anew by this node, which takes over his part of
/// the plan.
base::result<void> party::remove_admin(const node_id& who) {
   if (!state_.root)
      return fail(errc::permission, "only the holder of the network's root removes admins");
   if (who == self_->signing.id)
      return fail(errc::invalid, "this node holds the root; it cannot remove itself");
   const view& v = now();
   const auto it = v.admins.find(who);
   const auto own = v.admins.find(self_->signing.id);
   if (it == v.admins.end() || own == v.admins.end())
      return fail(errc::not_found, "this node is no admin");
   stored before = state_.copy();
   revocation r;
   r.admin = who;
   r.admin_serial = it->second.rights.serial;
   r.why = "no admin any more";
   r.time_ms = host_.wall_ms();
   delegation d = own->second.rights;
   d.serial = next_delegation_serial();
   d.pool.insert(d.pool.end(), it->second.rights.pool.begin(), it->second.rights.pool.end());
   d.numbers.insert(d.numbers.end(), it->second.rights.numbers.begin(),
                    it->second.rights.numbers.end());
   merge(d.pool);
   merge(d.numbers);
   if (d.pool.size() > ranges_max || d.numbers.size() > ranges_max)
      return fail(errc::limit, "too many pieces of address space");
   std::vector<statement> made{make_statement(*state_.root, network(), r),
                               make_statement(*state_.root, network(), d)};
   state_.delegations.push_back(made.back().id);
   for (const member& m : v.members)
      if (m.issuer == who) {
         certificate c = m.cert;
         c.serial = next_serial();
         made.push_back(make_statement(self_->signing, network(), c));
         state_.issued.push_back(
               {c.number, c.offset, c.since, c.node ? *c.node : c.tunnel_key, !c.node.has_value()});
      }
   if (auto ok = bump_epoch(made, {}); !ok) return ok;
   if (auto ok = settle(std::move(made), std::move(before)); !ok) return ok;
   return settle({make_head()}, state_.copy());
}

base::result<network_document> party::push_document(std::string acl, std::string note) {
   if (own_rights(delegation::govern) == nullptr) return no_right("change the access rules");
   if (acl.size() > acl_bytes_max)
      return fail(errc::limit,
                  "access rules of more than " + std::to_string(acl_bytes_max) + " bytes");
   if (!cbor::is_utf8(acl) || !cbor::is_utf8(note) || note.size() > 256 ||
       std::any_of(note.begin(), note.end(), [](unsigned char c) { return c < ' ' || c == 127; }))
      return fail(errc::invalid,
                  "the rules and the note are UTF-8, the note one line of at most 256 bytes");
   const view& v = now();
   network_document d{v.document ? v.document->version + 1 : 1, host_.wall_ms(), std::move(acl),
                      std::move(note), v.document ? v.document_id : short_id{}};
   if (auto ok = settle({make_statement(self_->signing, network(), d)}, state_.copy()); !ok)
      return ok.error();
   if (auto ok = settle({make_head()}, state_.copy()); !ok) return ok.error();
   return d;
}

base::result<void> party::succeed() {
   if (!state_.root || !state_.next_root)
      return fail(errc::permission, "only the holder of the network's next root key can do this");
   const view& v = now();
   stored before = state_.copy();
   succession s;
   s.generation = v.generation + 1;
   const auto random = [&](void* out, size_t bytes) { host_.random(out, bytes); };
   crypto::signing_key root = std::move(*state_.next_root);
   crypto::signing_key next = crypto::make_signing_key(random);
   s.next_root = commitment_of(next.id);
   s.time_ms = host_.wall_ms();
   // Only what this node's root has made: a thief's delegations are not among them.
   for (const auto& [who, a] : v.admins)
      if (std::find(state_.delegations.begin(), state_.delegations.end(), a.statement_id) !=
          state_.delegations.end())
         s.kept.push_back(a.statement_id);
   std::vector<statement> made{make_statement(root, network(), s)};
   std::vector<uint32_t> revoked(v.revoked.begin(), v.revoked.end());
   for (size_t i = 0; i < revoked.size(); i += revoked_max) {
      revocation r;
      r.numbers.assign(revoked.begin() + static_cast<long>(i),
                       revoked.begin() +
                             static_cast<long>(std::min(i + revoked_max, revoked.size())));
      r.why = "revoked under the root before";
      r.time_ms = host_.wall_ms();
      made.push_back(make_statement(root, network(), r));
   }
   state_.root = std::move(root);
   state_.next_root = std::move(next);
   return settle(std::move(made), std::move(before));
}

// --- by itself
// -------------------------------------------------------------------------------------

void party::admin_duties() {
   const view& v = now();
   const delegation* d = own_rights(delegation::issue);
   if (d == nullptr || !clock_is_right()) return;
   const bool governs = (d->rights & delegation::govern) != 0;
   const uint64_t now_ms = host_.now_ms();
   std::vector<statement> made;
   stored before = state_.copy();
   if (governs) {
      std::vector<uint32_t> lacking, lacking_own;
      for (const member& m : v.members)
         if (m.cert.node && !v.granted.contains(m.cert.number)) {
            lacking.push_back(m.cert.number);
            if (m.issuer == self_->signing.id) lacking_own.push_back(m.cert.number);
         }
      if (lacking.empty()) granted_wait_ = 0;
      if (!lacking.empty() && granted_wait_ == 0) granted_wait_ = now_ms;
      const bool all = granted_wait_ != 0 && now_ms - granted_wait_ > others_grant_after_ms;
      auto& to = all ? lacking : lacking_own;
      if (to.size() > grants_max) to.resize(grants_max);
      const bool have =
            std::any_of(state_.secrets.begin(), state_.secrets.end(),
                        [&](const auto& s) { return s.epoch == v.epoch && s.name == v.secret; });
      if (!to.empty() && have)
         if (auto sealed = make_grant(v.epoch, to)) made.push_back(std::move(*sealed));
      if (!to.empty() && !have && all)
         (void)bump_epoch(made, {}); // whoever knew the secret is gone
   }
   std::vector<member> due; // copies: what follows looks at the clock again
   for (const member& m : v.members) {
      const uint64_t whole = m.cert.not_after_s - m.cert.not_before_s;
      if (m.issuer == self_->signing.id && due.size() < renewals_at_once &&
          v.now_ms / 1000 + whole / 3 >= m.cert.not_after_s)
         due.push_back(m);
   }
   for (const member& m : due)
      made.push_back(
            make_statement(self_->signing, network(),
                           fill({m.cert.number, m.cert.offset, m.cert.since, {}, false}, {}, &m)));
   for (const certificate& lost : std::exchange(reissue_, {})) {
      if (v.find(*lost.node) != nullptr) continue;
      const auto slot = allocate(*lost.node, false);
      if (!slot) continue;
      certificate c =
            fill(*slot, {lost.name, lost.groups, lost.roles, lost.tags, lost.routes}, nullptr);
      c.node = lost.node;
      c.tunnel_key = lost.tunnel_key;
      made.push_back(make_statement(self_->signing, network(), c));
   }
   if (!made.empty())
      if (auto ok = settle(std::move(made), std::move(before)); !ok)
         return host_.event("trust.not_stored", {{"why", ok.error().text}});
   const view& after = now();
   const bool stale = !after.newest_head ||
                      after.newest_head->time_ms + head_interval_ms < host_.wall_ms() ||
                      after.newest_head->epoch < after.epoch ||
                      after.newest_head->revoked < after.revoked.size();
   if (governs && stale) (void)settle({make_head()}, state_.copy());
}

} // namespace warren::trust
