// Taking documents in. What they mean together is in ledger_view.cpp.
#include "core/trust/ledger.hpp"

#include "core/base/address.hpp"
#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

// Bounds of what one ledger holds: what a network of the size that we serve needs, several times.
constexpr size_t delegations_max = 256;
constexpr size_t certificates_max = 32768;
constexpr size_t revocations_max = 16384; // statements
constexpr size_t grants_kept_max = 8192;  // statements
constexpr size_t documents_kept = 16;
// An admin who leaps further ahead wants to use the numbers up.
constexpr uint64_t leap_max = 1 << 20;

uint64_t digest_word(const short_id& id) {
   uint64_t word = 0;
   for (size_t i = 0; i < 8; i++)
      word |= uint64_t{id[i + 8]} << (8 * i);
   return word | 1; // never nothing
}

admission refuse(outcome what, std::string why) { return {what, std::move(why), {}, {}, false}; }

} // namespace

crypto::bytes32 revoked_root(const std::set<uint32_t>& numbers) {
   std::vector<uint8_t> bytes;
   for (const uint32_t n : numbers)
      for (int i = 0; i < 4; i++)
         bytes.push_back(static_cast<uint8_t>(n >> (8 * i)));
   return crypto::hash("warren/revoked/1", {bytes});
}

const member* view::find(const node_id& node) const {
   const auto it = std::find_if(members.begin(), members.end(),
                                [&](const member& m) { return m.cert.node == node; });
   return it == members.end() ? nullptr : &*it;
}

const member* view::find(uint32_t number) const {
   const auto it = std::lower_bound(members.begin(), members.end(), number,
                                    [](const member& m, uint32_t n) { return m.cert.number < n; });
   return it == members.end() || it->cert.number != number ? nullptr : &*it;
}

const member* view::find_name(std::string_view wanted) const {
   const auto it = std::find_if(members.begin(), members.end(),
                                [&](const member& m) { return m.name == wanted; });
   return it == members.end() ? nullptr : &*it;
}

admission ledger::admit(std::span<const uint8_t> bytes, uint64_t wall_ms) {
   auto opened = open_statement(bytes, network_);
   if (!opened) return refuse(outcome::refused, opened.error().text);
   return admit(std::move(*opened), wall_ms);
}

admission ledger::admit(statement s, uint64_t wall_ms) {
   admission a;
   if (by_id_.contains(s.id))
      a = refuse(outcome::known, "");
   else
      a = judge(s, wall_ms);
   a.type = s.type();
   a.id = s.id;
   if (a.what != outcome::added) return a;
   note(s);
   insert(std::move(s));
   return a;
}

/// What the view gains or must be made anew for. Joining a thousand members is a thousand
/// admissions: each must cost the same.
void ledger::note(const statement& s) {
   switch (s.type()) {
   case statement_type::certificate:
   case statement_type::node_record:
      members_dirty_ = true;
      return;
   case statement_type::revocation: {
      const auto& r = std::get<revocation>(s.content);
      view_.revoked.insert(r.numbers.begin(), r.numbers.end());
      members_dirty_ = true;
      frame_dirty_ |= r.admin.has_value();
      return;
   }
   case statement_type::grant: {
      const auto& g = std::get<grant>(s.content);
      if (g.epoch == view_.epoch && g.secret == view_.secret)
         for (const auto& each : g.seals)
            view_.granted.insert(each.number);
      else
         frame_dirty_ = true;
      return;
   }
   case statement_type::head:
      floor_ms_ = std::max(floor_ms_, std::get<head>(s.content).time_ms);
      frame_dirty_ = true;
      return;
   default:
      frame_dirty_ = true;
   }
}

/// May the signer say this, and is it newer than what is here?
admission ledger::judge(const statement& s, uint64_t wall_ms) {
   const view& v = frame(wall_ms);
   const auto& admin = v.admins.find(s.signer);
   const delegation* rights = admin == v.admins.end() ? nullptr : &admin->second.rights;
   const auto count = [&](statement_type t) { return by_type_[static_cast<size_t>(t)].size(); };
   const auto too_new = [&](uint64_t time_ms) { return time_ms > v.now_ms + clock_skew_ms; };
   const admission added{outcome::added, "", {}, {}, false};

   if (s.type() == statement_type::genesis) {
      if (network_id_of(s.bytes) != network_)
         return refuse(outcome::refused, "the genesis of another network");
      return added;
   }
   if (by_type_[static_cast<size_t>(statement_type::genesis)].empty())
      return refuse(outcome::waits, "the genesis is not known yet");

   if (const auto* d = std::get_if<succession>(&s.content)) {
      if (d->generation <= v.generation)
         return refuse(outcome::older, "a succession of an earlier generation");
      if (d->generation > v.generation + 1)
         return refuse(outcome::waits, "the succession before it is not known yet");
      if (commitment_of(s.signer) != committed_)
         return refuse(outcome::refused, "a succession by a key that the root did not commit to");
      return added;
   }
   if (const auto* d = std::get_if<delegation>(&s.content)) {
      if (s.signer != v.root) {
         // Of a root before: only what the succession kept, and that names it by its id.
         if (!kept_.contains(s.id))
            return refuse(outcome::refused, "a delegation that is not the root's");
      }
      if (count(statement_type::delegation) >= delegations_max)
         return refuse(outcome::refused, "more delegations than a network may have");
      if (d->not_after_s <= d->not_before_s)
         return refuse(outcome::refused, "a delegation that ends before it begins");
      for (const auto& [id, other] : chained_)
         if (other->admin == d->admin && other->serial == d->serial) {
            auto a = refuse(outcome::refused, "a second delegation with one serial");
            a.equivocation = true;
            return a;
         }
      return added;
   }
   if (const auto* d = std::get_if<certificate>(&s.content)) {
      if (too_new(d->not_before_s * 1000))
         return refuse(outcome::refused, "a certificate from the future");
      if (count(statement_type::certificate) >= certificates_max)
         return refuse(outcome::refused, "more certificates than a network may have");
      return judge_certificate(s, *d);
   }
   if (const auto* d = std::get_if<revocation>(&s.content)) {
      if (!may_revoke(v, s, *d)) return refuse(outcome::waits, "its signer may not revoke this");
      const bool new_number = std::any_of(d->numbers.begin(), d->numbers.end(),
                                          [&](uint32_t n) { return !v.revoked.contains(n); });
      bool new_admin = d->admin.has_value();
      for (const auto& id : by_type_[size_t(statement_type::revocation)]) {
         const auto& other = std::get<revocation>(by_id_.at(id).content);
         if (d->admin && other.admin == d->admin && other.admin_serial >= d->admin_serial &&
             by_id_.at(id).signer == s.signer)
            new_admin = false;
      }
      if (!new_number && !new_admin) return refuse(outcome::older, "already revoked");
      if (count(statement_type::revocation) >= revocations_max)
         return refuse(outcome::refused, "more revocations than a network may have");
      return added;
   }
   if (const auto* d = std::get_if<node_record>(&s.content)) {
      if (!nodes_.contains(s.signer))
         return refuse(outcome::waits, "a record of a node without a certificate");
      if (too_new(d->sequence)) return refuse(outcome::refused, "a record from the future");
      if (const auto it = records_.find(s.signer); it != records_.end()) {
         const auto& have = std::get<node_record>(by_id_.at(it->second).content);
         if (have.sequence == d->sequence) {
            auto a = refuse(outcome::refused, "two records with one sequence number");
            a.equivocation = true;
            return a;
         }
         if (have.sequence > d->sequence) return refuse(outcome::older, "an older record");
      }
      return added;
   }
   if (s.type() == statement_type::join_request)
      return refuse(outcome::refused, "a join request is for one admin");

   // What is left is for admins who govern.
   if (rights == nullptr || (rights->rights & delegation::govern) == 0)
      return refuse(outcome::waits, "its signer does not govern this network");
   if (const auto* d = std::get_if<grant>(&s.content)) {
      if (d->epoch > v.epoch + leap_max) return refuse(outcome::refused, "an epoch far ahead");
      if (d->epoch + 1 < v.epoch) return refuse(outcome::older, "a secret of an earlier epoch");
      if (d->epoch == v.epoch && d->secret == v.secret &&
          std::all_of(d->seals.begin(), d->seals.end(),
                      [&](const grant::seal& each) { return v.granted.contains(each.number); }))
         return refuse(outcome::older, "already granted");
      if (too_new(d->time_ms)) return refuse(outcome::refused, "a secret from the future");
      if (count(statement_type::grant) >= grants_kept_max)
         return refuse(outcome::refused, "more sealed secrets than a network may have");
      return added;
   }
   if (const auto* d = std::get_if<head>(&s.content)) {
      if (too_new(d->time_ms)) return refuse(outcome::refused, "a head from the future");
      if (v.newest_head && d->sequence > v.newest_head->sequence + leap_max)
         return refuse(outcome::refused, "a head far ahead");
      if (const auto it = heads_.find(s.signer); it != heads_.end()) {
         const auto& have = std::get<head>(by_id_.at(it->second).content);
         if (have.sequence == d->sequence) {
            auto a = refuse(outcome::refused, "two heads with one sequence number");
            a.equivocation = true;
            return a;
         }
         if (have.sequence > d->sequence) {
            // Said later than the newer one: its signer went back to an old state.
            auto a = refuse(outcome::older, "a head that goes back");
            a.equivocation = d->time_ms > have.time_ms;
            return a;
         }
      }
      return added;
   }
   const auto& d = std::get<network_document>(s.content);
   if (too_new(d.time_ms)) return refuse(outcome::refused, "a network document from the future");
   if (v.document && d.version > v.document->version + leap_max)
      return refuse(outcome::refused, "a network document far ahead");
   if (v.document && d.version + documents_kept <= v.document->version)
      return refuse(outcome::older, "an old network document");
   return added;
}

admission ledger::judge_certificate(const statement& s, const certificate& c) {
   const view& v = view_;
   const auto admin = v.admins.find(s.signer);
   if (admin == v.admins.end() || (admin->second.rights.rights & delegation::issue) == 0)
      return refuse(outcome::waits, "its issuer is no admin of this network");
   const delegation& d = admin->second.rights;
   if (v.revoked.contains(c.number)) return refuse(outcome::older, "its member is revoked");
   if (!any_contains(d.numbers, c.number))
      return refuse(outcome::refused, "a member number outside of the issuer's delegation");
   if (!any_contains(d.pool, c.offset))
      return refuse(outcome::refused, "an address outside of the issuer's delegation");
   const uint32_t addresses = 1u << (32 - v.plan.prefix_len);
   if (c.offset == 0 || c.offset >= addresses - 1)
      return refuse(outcome::refused, "an address that is the network's own or its broadcast");
   const auto allowed = [&](const std::vector<std::string>& wanted,
                            const std::vector<std::string>& granted) {
      return d.any_label || std::all_of(wanted.begin(), wanted.end(), [&](const std::string& w) {
                return std::find(granted.begin(), granted.end(), w) != granted.end();
             });
   };
   if (!allowed(c.groups, d.groups) || !allowed(c.roles, d.roles) || !allowed(c.tags, d.tags))
      return refuse(outcome::refused, "a group, role or tag that its issuer may not grant");
   if (!c.routes.empty() && !d.any_route)
      return refuse(outcome::refused, "a route that its issuer may not grant");
   for (const wrn_addr& r : c.routes)
      if (r.family == v.plan.family && base::contains(v.plan, r) &&
          r.prefix_len >= v.plan.prefix_len)
         return refuse(outcome::refused, "a route inside the network's own addresses");
   if (c.not_after_s <= c.not_before_s)
      return refuse(outcome::refused, "a certificate that ends before it begins");
   if (crypto::is_zero(c.tunnel_key)) return refuse(outcome::refused, "no tunnel key");
   if (const auto it = certificates_.find({c.number, s.signer}); it != certificates_.end()) {
      const auto& have = std::get<certificate>(by_id_.at(it->second).content);
      // A number belongs to one member for ever: a later certificate may change everything but him.
      // An issuer who forgot whom he gave it (a restored backup) has given it twice: the first
      // keeps it.
      if (have.node != c.node || (!c.node && have.tunnel_key != c.tunnel_key)) {
         const bool first = std::pair(c.since, s.id) < std::pair(have.since, it->second);
         auto a = first ? admission{outcome::added, "", {}, {}, false}
                        : refuse(outcome::refused, "a member number that is another member's");
         a.equivocation = true;
         return a;
      }
      if (have.serial >= c.serial) return refuse(outcome::older, "an older certificate");
   }
   if (serials_.contains({s.signer, c.serial})) {
      auto a = refuse(outcome::refused, "two certificates with one serial");
      a.equivocation = true;
      return a;
   }
   return {outcome::added, "", {}, {}, false};
}

/// The root may all; an admin his own numbers, or any with the right. Sticky: what an admin has
/// revoked stays so after his delegation has ended.
bool ledger::may_revoke(const view& v, const statement& s, const revocation& r) const {
   if (s.signer == v.root) return true;
   if (r.admin) return false;
   return std::all_of(r.numbers.begin(), r.numbers.end(), [&](uint32_t n) {
      return std::any_of(chained_.begin(), chained_.end(), [&](const auto& d) {
         return d.second->admin == s.signer && ((d.second->rights & delegation::revoke_any) != 0 ||
                                                ((d.second->rights & delegation::issue) != 0 &&
                                                 any_contains(d.second->numbers, n)));
      });
   });
}

void ledger::insert(statement s) {
   const short_id id = s.id;
   if (const auto* c = std::get_if<certificate>(&s.content)) {
      auto& slot = certificates_[{c->number, s.signer}];
      const short_id old = std::exchange(slot, id);
      if (const auto it = by_id_.find(old); it != by_id_.end())
         serials_.erase({s.signer, std::get<certificate>(it->second.content).serial});
      serials_.insert({s.signer, c->serial});
      if (c->node) nodes_.insert(*c->node);
      drop(statement_type::certificate, old);
   } else if (s.type() == statement_type::node_record || s.type() == statement_type::head) {
      auto& slot = (s.type() == statement_type::head ? heads_ : records_)[s.signer];
      const short_id old = std::exchange(slot, id);
      drop(s.type(), old);
   }
   digest_[bucket_of(id)] += digest_word(id);
   by_type_[size_t(s.type())].insert(id);
   by_id_.emplace(id, std::move(s));
}

void ledger::erase(const short_id& id) {
   const auto it = by_id_.find(id);
   if (it == by_id_.end()) return;
   const statement& s = it->second;
   if (const auto* c = std::get_if<certificate>(&s.content)) {
      if (const auto at = certificates_.find({c->number, s.signer});
          at != certificates_.end() && at->second == id)
         certificates_.erase(at);
      serials_.erase({s.signer, c->serial});
   } else if (s.type() == statement_type::node_record) {
      records_.erase(s.signer);
   } else if (s.type() == statement_type::head) {
      heads_.erase(s.signer);
   } else if (s.type() == statement_type::delegation) {
      chained_.erase(id);
   }
   drop(s.type(), id);
}

void ledger::drop(statement_type type, const short_id& id) {
   const short_id gone = id; // it may be a part of what goes
   by_type_[size_t(type)].erase(gone);
   if (by_id_.erase(gone) != 0) digest_[bucket_of(gone)] -= digest_word(gone);
}

void ledger::forget(const short_id& id) {
   erase(id);
   frame_dirty_ = true;
}

std::vector<const statement*> ledger::up_to(statement_type last) const {
   std::vector<const statement*> out;
   for (size_t type = 0; type < statement_types && type <= size_t(last); type++) {
      for (const auto& id : by_type_[type])
         out.push_back(&by_id_.at(id));
      if (type == size_t(statement_type::succession)) // they build on each other
         std::sort(out.end() - static_cast<long>(by_type_[type].size()), out.end(),
                   [](const statement* x, const statement* y) {
                      return std::get<succession>(x->content).generation <
                             std::get<succession>(y->content).generation;
                   });
   }
   return out;
}

const statement* ledger::find(const short_id& id) const {
   const auto it = by_id_.find(id);
   return it == by_id_.end() ? nullptr : &it->second;
}

std::vector<const statement*> ledger::documents() const {
   std::vector<const statement*> out;
   for (const auto& id : by_type_[size_t(statement_type::network_document)])
      out.push_back(&by_id_.at(id));
   std::sort(out.begin(), out.end(), [](const statement* a, const statement* b) {
      const auto& x = std::get<network_document>(a->content);
      const auto& y = std::get<network_document>(b->content);
      return std::tie(x.version, x.time_ms, a->id) > std::tie(y.version, y.time_ms, b->id);
   });
   return out;
}

std::vector<short_id> ledger::ids_in(uint32_t bucket_mask) const {
   std::vector<short_id> out;
   for (const auto& [id, s] : by_id_)
      if ((bucket_mask >> bucket_of(id) & 1) != 0) out.push_back(id);
   return out;
}

} // namespace warren::trust
