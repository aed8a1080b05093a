// Documents over links: a digest says what is here, a listing what differs, and then travels what
// is missing. News goes at once to a few, who pass it on.
//
//   1 digest      [1, hashes]       of 32 buckets of statement ids, 8 bytes each
//   2 listing     [2, mask, ids]    what is here in the buckets that differ
//   3 want        [3, ids]
//   4 statements  [4, [bytes …]]    in the order of their dependencies
//   5 join        [5, statement]    a join request; core/trust/party_join.cpp
//   6 join answer [6, state, why, [bytes …]]
//   7 copied      [7]               to a member whose keys are used by two processes, to each in
//   turn
#include "core/trust/party.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

constexpr size_t message_bytes_max = 384 << 10; // below what the mesh carries as one message
constexpr size_t statements_max = 4096;         // in a message
constexpr size_t ids_max = 16384;               // in a message
constexpr size_t fanout = 8;                    // news goes to so many at once
constexpr size_t news_max = 4096;
constexpr size_t ends_told = 32; // revocations, to a stranger
constexpr size_t unwanted_max = 4096;
constexpr uint64_t unwanted_ms = 600'000;
// Of documents to one neighbour: a full set for a new member at once, then a trickle.
constexpr uint64_t budget_max = 8 << 20, budget_per_s = 512 << 10;
// From one neighbour: each costs a signature. A full set for a new member, then a trickle; what is
// beyond comes again with a later digest.
constexpr uint64_t checks_max = 32768, checks_per_s = 512;

} // namespace

bool party::is_listed(const node_id& peer) {
   return self() != nullptr && now().find(peer) != nullptr;
}

void party::on_link(const node_id& peer, bool up, const std::string& from) {
   if (!up) {
      links_.erase(peer);
      return;
   }
   linked& l = links_[peer];
   l.from = from;
   l.since_ms = host_.now_ms();
   l.budget = budget_max;
   l.refilled = host_.now_ms();
   l.checks = std::max(l.checks, checks_max / 8); // links that flap bring no more
   l.digest_at = host_.now_ms();
   l.stranger = !is_listed(peer);
   if (state() == standing::waiting) {
      ask_at_ = 0;
      ask();
      return;
   }
   const member* me = self();
   if (me == nullptr) return;
   // Who does not know this node yet learns why it may be here.
   std::vector<short_id> introduction;
   std::vector<std::pair<uint64_t, short_id>> ends; // of members, by time
   for (const statement* s : ledger_.up_to(statement_type::revocation)) {
      // A delegation that takes over an ended one's pool overlaps it until the end is known, and
      // then counts for nothing: its admin's members, the reader among them, would be none.
      const auto* r = std::get_if<revocation>(&s->content);
      if (s->type() <= statement_type::delegation || (r != nullptr && r->admin))
         introduction.push_back(s->id);
      else if (r != nullptr)
         ends.push_back({r->time_ms, s->id});
   }
   // A stranger who knows a secret of before may have been removed while it was away.
   std::sort(ends.rbegin(), ends.rend());
   for (size_t i = 0; l.stranger && i < ends.size() && i < ends_told; i++)
      introduction.push_back(ends[i].second);
   introduction.push_back(me->statement_id);
   // And who was away until its certificate ended gets the renewed one: it listens to nothing else.
   if (const member* he = now().find(peer)) introduction.push_back(he->statement_id);
   send_statements(peer, l, introduction);
   send_digest(peer, l);
}

void party::on_message(const node_id& peer, std::span<const uint8_t> message) {
   const auto it = links_.find(peer);
   if (it == links_.end()) return;
   linked& l = it->second;
   cbor::reader r(message);
   const size_t items = r.array(4);
   const uint64_t type = r.number(7);
   static constexpr size_t expected[] = {0, 2, 3, 2, 2, 2, 4, 1};
   if (!r.ok() || items != expected[type]) return;
   // A stranger may show a certificate and ask to be let in, nothing else.
   const bool listed = is_listed(peer);
   if (type == 1 && listed)
      on_digest(peer, l, r);
   else if (type == 2 && listed)
      on_listing(peer, l, r);
   else if (type == 3 && listed)
      on_want(peer, l, r);
   else if (type == 4 && (listed || message.size() <= 16384))
      on_statements(peer, r);
   else if (type == 5) {
      const auto bytes = r.bytes(1, 2048);
      if (r.done()) on_join_request(peer, bytes);
   } else if (type == 6)
      on_join_answer(peer, r);
   else if (type == 7 && listed)
      note_clone(self_->signing.id, "'" + now().find(peer)->name + "' hears two processes");
   if (change_pending_ && host_.now_ms() >= change_at_) {
      change_pending_ = false;
      changed_ = true;
   }
}

void party::tell_clone(const node_id& peer) {
   cbor::writer w;
   w.array(1).number(7);
   host_.send(peer, w.take());
}

void party::send_digest(const node_id& to, linked& l) {
   (void)l;
   const auto digest = ledger_.digest();
   std::vector<uint8_t> bytes;
   for (const uint64_t word : digest)
      for (int i = 0; i < 8; i++)
         bytes.push_back(static_cast<uint8_t>(word >> (8 * i)));
   cbor::writer w;
   w.array(2).number(1).bytes(bytes);
   host_.send(to, w.take());
}

void party::on_digest(const node_id& peer, linked&, cbor::reader& r) {
   const auto theirs = r.bytes(8 * ledger::buckets, 8 * ledger::buckets);
   if (!r.done()) return;
   const auto mine = ledger_.digest();
   uint32_t mask = 0;
   for (size_t b = 0; b < ledger::buckets; b++) {
      uint64_t word = 0;
      for (size_t i = 8; i-- > 0;)
         word = word << 8 | theirs[8 * b + i];
      if (word != mine[b]) mask |= 1u << b;
   }
   if (mask == 0) return;
   std::vector<uint8_t> ids;
   for (const auto& id : ledger_.ids_in(mask))
      ids.insert(ids.end(), id.begin(), id.end());
   cbor::writer w;
   w.array(3).number(2).number(mask).bytes(ids);
   host_.send(peer, w.take());
}

void party::on_listing(const node_id& peer, linked& l, cbor::reader& r) {
   const auto mask = static_cast<uint32_t>(r.number(UINT32_MAX));
   const auto bytes = r.bytes(0, ids_max * sizeof(short_id));
   if (!r.done() || bytes.size() % sizeof(short_id) != 0) return;
   std::set<short_id> theirs;
   std::vector<uint8_t> wanted;
   const uint64_t now_ms = host_.now_ms();
   for (size_t at = 0; at < bytes.size(); at += sizeof(short_id)) {
      short_id id{};
      std::copy_n(bytes.begin() + static_cast<long>(at), id.size(), id.begin());
      theirs.insert(id);
      const auto refused = unwanted_.find(id);
      if (ledger_.find(id) == nullptr && (refused == unwanted_.end() || refused->second < now_ms))
         wanted.insert(wanted.end(), id.begin(), id.end());
   }
   std::vector<short_id> missing;
   for (const auto& id : ledger_.ids_in(mask))
      if (!theirs.contains(id)) missing.push_back(id);
   send_statements(peer, l, missing);
   if (wanted.empty()) return;
   cbor::writer w;
   w.array(2).number(3).bytes(wanted);
   host_.send(peer, w.take());
}

void party::on_want(const node_id& peer, linked& l, cbor::reader& r) {
   const auto bytes = r.bytes(0, ids_max * sizeof(short_id));
   if (!r.done() || bytes.size() % sizeof(short_id) != 0) return;
   std::vector<short_id> ids(bytes.size() / sizeof(short_id));
   for (size_t i = 0; i < ids.size(); i++)
      std::copy_n(bytes.begin() + static_cast<long>(i * sizeof(short_id)), sizeof(short_id),
                  ids[i].begin());
   send_statements(peer, l, ids);
}

void party::send_statements(const node_id& to, linked& l, std::span<const short_id> ids) {
   const uint64_t now_ms = host_.now_ms();
   l.budget = std::min(budget_max, l.budget + (now_ms - l.refilled) * budget_per_s / 1000);
   l.refilled = now_ms;
   std::vector<const statement*> chosen;
   for (const auto& id : ids)
      if (const statement* s = ledger_.find(id)) chosen.push_back(s);
   std::stable_sort(chosen.begin(), chosen.end(), [](const statement* a, const statement* b) {
      const auto* x = std::get_if<succession>(&a->content);
      const auto* y = std::get_if<succession>(&b->content);
      return x != nullptr && y != nullptr ? x->generation < y->generation : a->type() < b->type();
   });
   for (size_t first = 0; first < chosen.size();) {
      size_t bytes = 0, last = first;
      while (last < chosen.size() && last - first < statements_max &&
             (last == first || bytes + chosen[last]->bytes.size() < message_bytes_max))
         bytes += chosen[last++]->bytes.size() + 5;
      if (bytes > l.budget) return; // the next digest says it again
      l.budget -= bytes;
      cbor::writer w;
      w.array(2).number(4).array(last - first);
      for (; first < last; first++)
         w.bytes(chosen[first]->bytes);
      if (!host_.send(to, w.take())) return;
   }
}

void party::on_statements(const node_id& peer, cbor::reader& r) {
   size_t n = r.array(statements_max);
   bool waits = false;
   const auto from = links_.find(peer);
   for (; n > 0 && r.ok(); n--) {
      const auto bytes = r.bytes(1, statement_bytes_max);
      if (!r.ok()) break;
      if (from != links_.end() && from->second.checks == 0) break;
      if (from != links_.end()) from->second.checks--;
      waits |= take(bytes, &peer).what == outcome::waits;
   }
   if (const auto it = links_.find(peer); it != links_.end()) {
      if (it->second.stranger && is_listed(peer)) {
         it->second.stranger = false;
         it->second.digest_at = host_.now_ms();
      }
      // What authorises it may be on its way: compare again soon.
      if (waits) it->second.digest_at = std::min(it->second.digest_at, host_.now_ms() + 1000);
   }
   refresh();
}

/// The way of every document from outside into the ledger.
admission party::take(std::span<const uint8_t> bytes, const node_id* from) {
   auto opened = open_statement(bytes, network());
   if (!opened) {
      host_.event("trust.refused",
                  {{"from", from != nullptr ? crypto::format_node_id(*from) : "import"},
                   {"why", opened.error().text}});
      return {outcome::refused, opened.error().text, {}, {}, false};
   }
   // Two owners of one number that this admin gave out twice: the one who loses it gets another.
   std::optional<certificate> displaced;
   if (const auto* c = std::get_if<certificate>(&opened->content);
       c != nullptr && opened->signer == self_->signing.id)
      for (const member& m : now().members)
         if (m.cert.number == c->number && m.issuer == opened->signer && m.cert.node != c->node)
            displaced = m.cert;
   const statement s = *opened;
   const admission a = ledger_.admit(std::move(*opened), host_.wall_ms());
   if (a.what == outcome::added) {
      added(s, from);
      if (displaced && displaced->node) reissue_.push_back(*displaced);
   }
   if (a.what == outcome::refused || a.what == outcome::older) {
      if (unwanted_.size() >= unwanted_max) unwanted_.clear();
      unwanted_[s.id] = host_.now_ms() + unwanted_ms;
   }
   if (a.what == outcome::refused || a.equivocation) {
      const member* m = now().find(s.signer);
      host_.event(a.equivocation ? "trust.rollback" : "trust.refused",
                  {{"what", std::string(name_of(s.type()))},
                   {"signer", m != nullptr ? m->name : crypto::format_node_id(s.signer)},
                   {"why", a.why.empty() ? "two documents under one number" : a.why}});
   }
   return a;
}

/// Something new is in the ledger, from a peer or our own.
void party::added(const statement& s, const node_id* from) {
   unsaved_ = true;
   if (!change_pending_) change_at_ = 0;
   change_pending_ = true;
   const bool own = s.signer == self_->signing.id;
   // Known from others after a restored backup, as with certificates below.
   if (const auto* d = std::get_if<delegation>(&s.content);
       d != nullptr && state_.root && s.signer == state_.root->id)
      state_.delegation_serial = std::max(state_.delegation_serial, d->serial);
   if (s.type() == statement_type::revocation) {
      change_at_ = std::max(change_at_, host_.now_ms() + 200);
      const auto& r = std::get<revocation>(s.content);
      for (const uint32_t n : r.numbers)
         host_.event("member.removed", {{"number", std::to_string(n)}, {"why", r.why}});
   }
   if (const auto* r = std::get_if<node_record>(&s.content)) {
      if (own && from != nullptr) watch_own_record(s);
      if (!own) watch_record(s.signer, *r);
   }
   if (const auto* h = std::get_if<head>(&s.content);
       h != nullptr && own && from != nullptr && h->sequence > state_.head_sequence) {
      state_.head_sequence = h->sequence;
      host_.event("trust.restored",
                  {{"why", "this admin's state is older than what the others know; "
                           "it was brought up to date from them"}});
   }
   if (const auto* d = std::get_if<network_document>(&s.content))
      host_.event("acl.changed", {{"version", std::to_string(d->version)}, {"note", d->note}});
   if (const auto* c = std::get_if<certificate>(&s.content)) {
      if (own) {
         // Known from others after a restored backup: not to be given again.
         state_.serial = std::max(state_.serial, c->serial);
         state_.next_number = std::max(state_.next_number, c->number + 1);
         state_.next_offset = std::max(state_.next_offset, c->offset + 1);
         const auto& who = c->node ? *c->node : c->tunnel_key;
         if (std::none_of(state_.issued.begin(), state_.issued.end(), [&](const issued_to& i) {
                return i.number == c->number && i.who == who;
             }))
            state_.issued.push_back({c->number, c->offset, c->since, who, !c->node.has_value()});
      }
      if (c->serial == c->since)
         host_.event("member.joined", {{"peer", c->name}, {"number", std::to_string(c->number)}});
   }
   say(s, from);
}

void party::say(const statement& s, const node_id* except) {
   if (news_.size() < news_max) news_.push_back({s.id, except != nullptr ? *except : node_id{}});
}

void party::flush_news() {
   if (news_.empty()) return;
   const auto all = std::exchange(news_, {});
   std::vector<node_id> to;
   for (const auto& [node, l] : links_)
      if (!l.stranger) to.push_back(node);
   // A few at random, who pass it on; all of them where there are few.
   for (size_t i = 0; i < to.size() && i < fanout; i++) {
      uint32_t pick = 0;
      host_.random(&pick, sizeof pick);
      std::swap(to[i], to[i + pick % (to.size() - i)]);
   }
   if (to.size() > fanout) to.resize(fanout);
   for (const node_id& node : to) {
      std::vector<short_id> ids;
      for (const auto& n : all)
         if (n.from != node) ids.push_back(n.id);
      if (!ids.empty()) send_statements(node, links_.at(node), ids);
   }
}

void party::give_checks() {
   const uint64_t now_ms = host_.now_ms(), more = (now_ms - checks_given_) * checks_per_s / 1000;
   if (more == 0) return;
   checks_given_ = now_ms;
   for (auto& [node, l] : links_)
      l.checks = std::min(checks_max, l.checks + more);
}

base::result<size_t> party::import(std::span<const std::vector<uint8_t>> statements) {
   size_t fresh = 0;
   for (const auto& bytes : statements)
      fresh += take(bytes, nullptr).what == outcome::added;
   refresh();
   if (auto ok = save(); !ok) return ok.error();
   return fresh;
}

} // namespace warren::trust
