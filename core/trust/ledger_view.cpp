// What the documents of a ledger mean together, and which of them need not be kept.
//
// Every rule below is a function of the set and of the time, never of the order of arrival: where
// two documents cannot both hold, the one of the earlier delegation wins, then the lower number.
#include "core/trust/ledger.hpp"

#include "core/base/address.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

constexpr size_t documents_kept = 16;
// How long a certificate is remembered after its end, so that its member may come back renewed.
constexpr uint64_t expired_kept_s = 400ull * 86'400;

bool overlap(const std::vector<range>& a, const std::vector<range>& b) {
   return std::any_of(a.begin(), a.end(), [&](const range& x) {
      return std::any_of(b.begin(), b.end(), [&](const range& y) { return x.overlaps(y); });
   });
}

} // namespace

const view& ledger::frame(uint64_t wall_ms) {
   const uint64_t now_ms = std::max(wall_ms, floor_ms_);
   // A view holds until something is admitted, or the next validity begins or ends, or the clock
   // goes back behind the moment that it was made for.
   if (!frame_dirty_ && now_ms < next_ms_ && now_ms >= seen_ms_) {
      view_.now_ms = now_ms;
      return view_;
   }
   view v;
   v.network = network_;
   v.now_ms = seen_ms_ = now_ms;
   next_ms_ = UINT64_MAX;
   frame_dirty_ = false;
   members_dirty_ = true;
   if (!by_type_[size_t(statement_type::genesis)].empty()) {
      evaluate_roots(v);
      evaluate_admins(v);
      evaluate_revocations(v);
      evaluate_rest(v);
   }
   view_ = std::move(v);
   return view_;
}

const view& ledger::now(uint64_t wall_ms) {
   frame(wall_ms);
   if (std::exchange(members_dirty_, false)) {
      version_++;
      evaluate_members(view_);
      view_.behind = view_.newest_head && view_.newest_head->revoked > view_.revoked.size();
      prune();
   }
   return view_;
}

void ledger::evaluate_roots(view& v) {
   const statement& first = by_id_.at(*by_type_[size_t(statement_type::genesis)].begin());
   const auto& g = std::get<genesis>(first.content);
   v.name = g.name;
   v.plan = g.plan;
   v.root = first.signer;
   committed_ = g.next_root;
   kept_.clear();
   for (bool found = true; found;) {
      found = false;
      const statement* best = nullptr;
      for (const auto& id : by_type_[size_t(statement_type::succession)]) {
         const statement& s = by_id_.at(id);
         if (std::get<succession>(s.content).generation == v.generation + 1 &&
             commitment_of(s.signer) == committed_ && (best == nullptr || s.id < best->id))
            best = &s;
      }
      if (best == nullptr) break;
      found = true;
      v.generation++;
      v.root = best->signer;
      const auto& next = std::get<succession>(best->content);
      committed_ = next.next_root;
      kept_ = {next.kept.begin(), next.kept.end()};
   }
}

void ledger::evaluate_admins(view& v) {
   chained_.clear();
   for (const auto& id : by_type_[size_t(statement_type::delegation)]) {
      const statement& s = by_id_.at(id);
      if (s.signer == v.root || kept_.contains(id)) chained_[id] = &std::get<delegation>(s.content);
   }
   std::map<node_id, uint64_t> ended; // by serial
   for (const auto& id : by_type_[size_t(statement_type::revocation)]) {
      const statement& s = by_id_.at(id);
      const auto& r = std::get<revocation>(s.content);
      if (r.admin && s.signer == v.root)
         ended[*r.admin] = std::max(ended[*r.admin], r.admin_serial + 1);
   }
   std::map<node_id, std::pair<short_id, const delegation*>> newest;
   for (const auto& [id, d] : chained_) {
      if (const auto e = ended.find(d->admin); e != ended.end() && d->serial < e->second) continue;
      auto& slot = newest[d->admin];
      if (slot.second == nullptr || d->serial > slot.second->serial) slot = {id, d};
   }
   std::vector<std::pair<short_id, const delegation*>> order;
   for (const auto& [who, d] : newest) {
      const uint64_t begin = d.second->not_before_s * 1000, end = d.second->not_after_s * 1000;
      if (v.now_ms + clock_skew_ms < begin) {
         next_ms_ = std::min(next_ms_, begin - clock_skew_ms);
      } else if (v.now_ms < end) {
         next_ms_ = std::min(next_ms_, end);
         order.push_back(d);
      }
   }
   std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return std::tie(a.second->serial, a.first) < std::tie(b.second->serial, b.first);
   });
   for (const auto& [id, d] : order) {
      const bool taken = std::any_of(v.admins.begin(), v.admins.end(), [&](const auto& other) {
         return overlap(other.second.rights.pool, d->pool) ||
                overlap(other.second.rights.numbers, d->numbers);
      });
      if (!taken) v.admins[d->admin] = {*d, id, 0};
   }
}

void ledger::evaluate_revocations(view& v) {
   for (const auto& id : by_type_[size_t(statement_type::revocation)]) {
      const statement& s = by_id_.at(id);
      const auto& r = std::get<revocation>(s.content);
      if (may_revoke(v, s, r)) v.revoked.insert(r.numbers.begin(), r.numbers.end());
   }
}

void ledger::evaluate_members(view& v) {
   struct candidate {
      const statement* said;
      const certificate* cert;
      view::admin* issuer;
   };
   v.members.clear();
   for (auto& [who, a] : v.admins)
      a.issued = 0;
   std::vector<candidate> order;
   for (const auto& [k, id] : certificates_) {
      const statement& s = by_id_.at(id);
      const auto& c = std::get<certificate>(s.content);
      const auto admin = v.admins.find(s.signer);
      if (admin == v.admins.end() || v.revoked.contains(c.number)) continue;
      const delegation& d = admin->second.rights;
      // Judged when it came, but the delegation may have become another one since.
      if ((d.rights & delegation::issue) == 0 || !any_contains(d.numbers, c.number) ||
          !any_contains(d.pool, c.offset))
         continue;
      const auto allowed = [&](const std::vector<std::string>& wanted,
                               const std::vector<std::string>& granted) {
         return d.any_label || std::all_of(wanted.begin(), wanted.end(), [&](const auto& w) {
                   return std::find(granted.begin(), granted.end(), w) != granted.end();
                });
      };
      if (!allowed(c.groups, d.groups) || !allowed(c.roles, d.roles) || !allowed(c.tags, d.tags) ||
          (!c.routes.empty() && !d.any_route))
         continue;
      const uint64_t begin = c.not_before_s * 1000, end = c.not_after_s * 1000;
      if (v.now_ms + clock_skew_ms < begin) {
         next_ms_ = std::min(next_ms_, begin - clock_skew_ms);
         continue;
      }
      if (v.now_ms >= end) continue;
      next_ms_ = std::min(next_ms_, end);
      order.push_back({&s, &c, &admin->second});
   }
   std::sort(order.begin(), order.end(), [](const candidate& a, const candidate& b) {
      return std::pair(a.issuer->rights.serial, a.cert->number) <
             std::pair(b.issuer->rights.serial, b.cert->number);
   });
   std::set<crypto::bytes32> keys;
   std::set<node_id> nodes;
   std::set<uint32_t> offsets, node_numbers;
   std::set<std::string> names;
   std::set<std::pair<std::array<uint8_t, 16>, uint8_t>> routes;
   for (const candidate& each : order) {
      const certificate& c = *each.cert;
      if (each.issuer->issued >= each.issuer->rights.members_max) continue;
      // A tunnel key belongs to one member, and so does everything else that names him.
      if (keys.contains(c.tunnel_key) || offsets.contains(c.offset) ||
          (c.node && nodes.contains(*c.node)))
         continue;
      keys.insert(c.tunnel_key);
      offsets.insert(c.offset);
      if (c.node) {
         nodes.insert(*c.node);
         node_numbers.insert(c.number);
      }
      each.issuer->issued++;
      member m;
      m.cert = c;
      m.issuer = each.said->signer;
      m.statement_id = each.said->id;
      m.address = address_at(v.plan, c.offset);
      m.name = c.name;
      if (!names.insert(m.name).second) {
         const std::string number = "-" + std::to_string(c.number);
         m.name = m.name.substr(0, label_bytes_max - number.size()) + number;
         if (!names.insert(m.name).second) {
            m.name = "member" + number;
            names.insert(m.name); // nobody else has this number
         }
      }
      std::erase_if(m.cert.routes, [&](const wrn_addr& r) {
         return !routes.insert({std::to_array(r.ip),
                                static_cast<uint8_t>(r.prefix_len |
                                                     (r.family == WRN_AF_INET6 ? 0x80 : 0))})
                       .second;
      });
      m.admin = c.node && v.admins.contains(*c.node);
      if (c.node)
         if (const auto record = records_.find(*c.node); record != records_.end())
            m.record = std::get<node_record>(by_id_.at(record->second).content);
      v.members.push_back(std::move(m));
   }
   std::erase_if(v.members, [&](const member& m) {
      return !m.cert.node && !node_numbers.contains(m.cert.via);
   });
   std::sort(v.members.begin(), v.members.end(),
             [](const member& a, const member& b) { return a.cert.number < b.cert.number; });
}

void ledger::evaluate_rest(view& v) {
   const auto governs = [&](const node_id& who) {
      const auto admin = v.admins.find(who);
      return admin != v.admins.end() && (admin->second.rights.rights & delegation::govern) != 0;
   };
   for (const auto& id : by_type_[size_t(statement_type::grant)]) {
      const statement& s = by_id_.at(id);
      const auto& g = std::get<grant>(s.content);
      if (governs(s.signer) && std::tie(g.epoch, g.secret) > std::tie(v.epoch, v.secret)) {
         v.epoch = g.epoch;
         v.secret = g.secret;
      }
   }
   for (const auto& id : by_type_[size_t(statement_type::grant)]) {
      const statement& s = by_id_.at(id);
      const auto& g = std::get<grant>(s.content);
      if (governs(s.signer) && g.epoch == v.epoch && g.secret == v.secret)
         for (const auto& each : g.seals)
            v.granted.insert(each.number);
   }
   for (const auto& [who, id] : heads_) {
      const auto& h = std::get<head>(by_id_.at(id).content);
      if (governs(who) &&
          (!v.newest_head || std::tie(h.sequence, h.time_ms) >
                                   std::tie(v.newest_head->sequence, v.newest_head->time_ms))) {
         v.newest_head = h;
         v.head_by = who;
      }
   }
   for (const statement* s : documents())
      if (!v.document && governs(s->signer)) {
         v.document = std::get<network_document>(s->content);
         v.document_by = s->signer;
         v.document_id = s->id;
      }
}

/// Drops what no rule needs any more, and so nothing that the view was made of.
void ledger::prune() {
   std::vector<short_id> gone;
   const view& v = view_;
   // By the network's own time and not by the clock: one that is years ahead for a minute would
   // cost this node all certificates, its own included, and nobody listens to who has none.
   const uint64_t agreed_s = floor_ms_ / 1000;
   for (const auto& [k, id] : certificates_) {
      const auto& c = std::get<certificate>(by_id_.at(id).content);
      if (v.revoked.contains(c.number) ||
          (agreed_s > expired_kept_s && c.not_after_s < agreed_s - expired_kept_s))
         gone.push_back(id);
   }
   std::set<node_id> nodes;
   for (const auto& [k, id] : certificates_) {
      const auto& c = std::get<certificate>(by_id_.at(id).content);
      if (c.node && !v.revoked.contains(c.number)) nodes.insert(*c.node);
   }
   for (const auto& [who, id] : records_)
      if (!nodes.contains(who)) gone.push_back(id);
   for (const auto& id : by_type_[size_t(statement_type::grant)]) {
      const auto& g = std::get<grant>(by_id_.at(id).content);
      if (g.epoch + 1 < v.epoch) gone.push_back(id);
   }
   const auto kept = documents();
   for (size_t i = documents_kept; i < kept.size(); i++)
      gone.push_back(kept[i]->id);
   // What a root signed that was succeeded, and did not keep.
   for (const auto& id : by_type_[size_t(statement_type::delegation)])
      if (!chained_.contains(id)) gone.push_back(id);
   for (const short_id& id : gone)
      erase(id);
}

} // namespace warren::trust
