// Who may reach what: the access rules of a network, what they drop, and why.
//
// Judged twice: where a packet leaves, so that an application hears of it at once, and where it
// arrives, because the receiver cannot rely on the sender's rules.
#include "core/base/address.hpp"
#include "core/base/log.hpp"
#include "core/mesh/network.hpp"

#include <algorithm>
#include <cstring>

namespace warren::mesh {

using base::errc;
using base::fail;

namespace {

route::flow_secrets secrets_from(io::shard& shard) {
   route::flow_secrets words;
   shard.random(words.data(), sizeof words);
   return words;
}

wrn_addr address_at(uint8_t family, const uint8_t* ip) {
   wrn_addr a{};
   a.family = family == 4 ? WRN_AF_INET : WRN_AF_INET6;
   a.prefix_len = base::address_bits(a);
   std::memcpy(a.ip, ip, family == 4 ? 4 : 16);
   return a;
}

/// The address of an interface as one of its own.
wrn_addr bare(wrn_addr a) {
   a.prefix_len = base::address_bits(a);
   return a;
}

drop_counts counts_of(const route::filter::counters& counters) {
   drop_counts out;
   for (size_t i = 0; i < counters.size(); i++)
      if (counters[i] != 0)
         out.emplace_back(to_string(static_cast<route::filter_reason>(i)), counters[i]);
   return out;
}

/// No peer has such a handle.
uint64_t guest_handle(size_t index) { return uint64_t{1} << 63 | (index + 1); }

} // namespace

base::result<std::shared_ptr<const route::acl>>
network::read_rules(const config::network& wanted) const {
   if (wanted.acl.file.empty() || settings_.acl == wanted.acl)
      return std::shared_ptr<const route::acl>();
   auto parsed = route::parse_acl(wanted.acl.text, wanted.acl.file);
   for (const route::acl_mistake& m : parsed.mistakes)
      if (!m.warning)
         return fail(errc::config, route::format_mistake(wanted.acl.file, m.at, m.text));
   return std::shared_ptr<const route::acl>(std::make_shared<route::acl>(std::move(parsed.value)));
}

void network::set_acl(std::shared_ptr<const route::acl> rules, bool default_accept) {
   acl_ = std::move(rules);
   acl_default_accept_ = default_accept;
   if (running_) renew_rules();
}

std::vector<route::member_view> network::member_views() const {
   std::vector<route::member_view> all(1);
   all[0].name = settings_.node_name;
   all[0].self = true;
   all[0].groups = settings_.own_groups;
   all[0].tags = settings_.own_tags;
   all[0].roles = settings_.own_roles;
   if (settings_.relay && !settings_.id) all[0].roles = {"relay"};
   for (const wrn_addr& a : settings_.addresses)
      all[0].addresses.push_back(bare(a));
   peers_.each([&](uint64_t handle, const peer& p) {
      all.push_back({handle, p.settings.name, p.settings.groups, p.settings.tags, p.settings.roles,
                     p.settings.addresses, p.settings.routes, false});
   });
   for (size_t i = 0; i < settings_.guests.size(); i++) {
      const config::peer& g = settings_.guests[i];
      all.push_back(
            {guest_handle(i), g.name, g.groups, g.tags, g.roles, g.addresses, g.routes, false});
   }
   return all;
}

/// After a change of rules or members; flows that run are judged again.
void network::renew_rules() {
   guests_.clear();
   for (size_t i = 0; i < settings_.guests.size(); i++)
      for (const wrn_addr& a : settings_.guests[i].addresses) {
         std::array<uint8_t, 17> key{a.family};
         std::copy_n(a.ip, a.family == WRN_AF_INET ? 4 : 16, key.begin() + 1);
         guests_[key] = guest_handle(i);
      }
   if (!acl_) {
      filter_.reset();
      return;
   }
   auto compiled = route::compile(*acl_, member_views(), acl_default_accept_);
   WRN_ASSERT(compiled.has_value()); // parse_acl() has looked at the bounds
   if (!filter_)
      filter_ =
            std::make_unique<route::filter>(base::limits::tracked_flows_max, secrets_from(shard_));
   filter_->set_rules(std::move(*compiled));
}

/// A stock client behind another member is a member of its own, although its packets come and go by
/// that one's link.
uint64_t network::member_behind(const peer& p, std::span<const uint8_t> packet,
                                bool incoming) const {
   const auto ip = route::parse_ip(packet);
   if (!ip) return p.handle;
   std::array<uint8_t, 17> key{ip->family};
   std::copy_n(incoming ? ip->source : ip->destination, ip->family == 4 ? 4 : 16, key.begin() + 1);
   const auto it = guests_.find(key);
   return it == guests_.end() ? p.handle : it->second;
}

bool network::passes(const peer& p, std::span<const uint8_t> packet, uint64_t now, bool incoming) {
   const uint64_t member = guests_.empty() ? p.handle : member_behind(p, packet, incoming);
   const route::verdict v = filter_->judge(packet, member, now);
   if (!v.pass && note_budget_.take(now)) note_drop(p, packet, v, incoming);
   return v.pass;
}

void network::note_drop(const peer& p, std::span<const uint8_t> packet, const route::verdict& v,
                        bool incoming) {
   drop_note note;
   note.rule = v.rule;
   note.what.wall_ns = shard_.wall_ns();
   note.what.incoming = incoming;
   note.what.peer = p.settings.name;
   note.what.why = to_string(v.why);
   if (v.why == route::filter_reason::rule) note.rules = filter_->shared_rules();
   if (const auto ip = route::parse_inner(packet)) {
      note.what.source = address_at(ip->family, ip->source);
      note.what.destination = address_at(ip->family, ip->destination);
      note.what.protocol = ip->protocol;
      const bool ports = ip->protocol == route::protocol_tcp || ip->protocol == route::protocol_udp;
      if (ports && !ip->later_fragment() && ip->payload.size() >= 4) {
         const uint8_t* at = ip->payload.data();
         note.what.source.port = static_cast<uint16_t>(at[0] << 8 | at[1]);
         note.what.destination.port = static_cast<uint16_t>(at[2] << 8 | at[3]);
      }
   }
   if (drop_notes_.size() < base::limits::drop_notes_max)
      drop_notes_.push_back(std::move(note));
   else
      drop_notes_[next_drop_note_] = std::move(note);
   next_drop_note_ = (next_drop_note_ + 1) % base::limits::drop_notes_max;
}

drop_report network::recent_drops() const {
   drop_report out;
   const size_t oldest = drop_notes_.size() < base::limits::drop_notes_max ? 0 : next_drop_note_;
   for (size_t i = 0; i < drop_notes_.size(); i++) {
      const drop_note& note = drop_notes_[(oldest + i) % drop_notes_.size()];
      out.drops.push_back(note.what);
      const bool standard = note.what.why == "default";
      out.drops.back().where = note.rules ? note.rules->where(note.rule)
                               : standard ? "default"
                                          : "";
   }
   if (!filter_) return out;
   out.filtered = true;
   out.flows = filter_->flows();
   out.passed = counts_of(filter_->passed());
   out.dropped = counts_of(filter_->dropped());
   return out;
}

/// Those of a member by name, or the address itself; `owner` becomes the member's name.
std::vector<wrn_addr> network::addresses_of(const std::string& who, std::string& owner) const {
   if (const auto address = base::parse_address(who)) {
      for (const wrn_addr& own : settings_.addresses)
         if (base::same_address(own, *address)) owner = settings_.node_name;
      if (const peer* p = peers_.find(owners_.lookup(address->family, address->ip));
          p != nullptr && owner.empty())
         owner = p->settings.name;
      return {bare(*address)};
   }
   for (const route::member_view& m : member_views())
      if (m.name == who) {
         owner = who;
         return route::own_addresses(m);
      }
   return {};
}

rule_verdict network::ask_rules(const wrn_addr& from, const wrn_addr& to, int protocol,
                                std::optional<uint16_t> port) const {
   if (!filter_) return {};
   const route::rule_set& rules = filter_->rules();
   const auto d = rules.judge(route::question_of(from, to, static_cast<uint8_t>(protocol), port));
   const bool named = d.rule != route::no_rule && d.rule < acl_->rules.size();
   return {d.accept, rules.where(d.rule), named ? acl_->rules[d.rule].name : ""};
}

base::result<explain_result> network::explain(const explain_request& request) const {
   if (!running_) return fail(errc::state, "network " + name_ + " is not running");
   const auto protocol = route::parse_protocol(request.protocol);
   if (!protocol)
      return fail(errc::invalid,
                  "'" + request.protocol + "' is no protocol; expected tcp, udp, icmp or a number");
   explain_result out;
   const auto from = addresses_of(request.source, out.source_owner);
   const auto to = addresses_of(request.destination, out.destination_owner);
   for (const auto& [list, who] : {std::pair(&from, &request.source), {&to, &request.destination}})
      if (list->empty())
         return fail(errc::not_found, "no member '" + *who + "' with an address in " + name_ +
                                            "; 'warren peer list' shows who there is");
   for (const wrn_addr& a : from)
      for (const wrn_addr& b : to)
         if (a.family == b.family && out.source.family == WRN_AF_NONE) {
            out.source = a;
            out.destination = b;
         }
   if (out.source.family == WRN_AF_NONE)
      return fail(errc::invalid, "'" + request.source + "' and '" + request.destination +
                                       "' have no address of the same family");
   const bool v4 = out.source.family == WRN_AF_INET;
   const int number = *protocol == route::protocol_icmp_both ? (v4 ? 1 : 58) : *protocol;
   const bool ports = number == route::protocol_tcp || number == route::protocol_udp;
   out.protocol = request.protocol;
   if (ports) {
      out.source_port = request.source_port;
      out.destination_port = request.destination_port;
   }
   out.forward = ask_rules(out.source, out.destination, number, out.destination_port);
   out.backward = ask_rules(out.destination, out.source, number, out.source_port);
   const std::string& self = settings_.node_name;
   const std::string& far = out.destination_owner.empty() || out.destination_owner == self
                                  ? out.source_owner
                                  : out.destination_owner;
   if (far.empty() || far == self) return out;
   for (const peer_status& p : status().peers) {
      if (p.name != far) continue;
      out.peer = p.name;
      out.state = p.state;
      out.transport = p.transport;
      out.endpoint = p.endpoint;
      out.via = p.via;
      out.mtu = p.mtu;
   }
   return out;
}

} // namespace warren::mesh
