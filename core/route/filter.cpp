#include "core/route/filter.hpp"

#include <cstring>

namespace warren::route {

namespace {

constexpr uint8_t flag_fin = 1, flag_syn = 2, flag_rst = 4, flag_ack = 16;
constexpr uint32_t fragment_timeout = ticks_of(30 * flow_second); // as Linux reassembles

size_t address_bytes(const inner_packet& p) { return p.family == 4 ? 4 : 16; }

bool is_error(const inner_packet& p) {
   if (!p.is_icmp() || p.payload.empty()) return false;
   const uint8_t type = p.payload[0];
   if (p.family == 6) return type >= 1 && type <= 4;
   return type == 3 || type == 4 || type == 11 || type == 12;
}

uint16_t load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }

/// RFC 8200 puts IPv6 packets together by addresses and identification, RFC 791 those of IPv4 by
/// the protocol, too.
flow_key fragment_key(const inner_packet& p) {
   flow_key key;
   std::memcpy(key.address.data(), p.source, address_bytes(p));
   std::memcpy(key.address.data() + 2, p.destination, address_bytes(p));
   key.ports = p.id;
   key.protocol = p.family == 4 ? p.protocol : 44;
   key.family = p.family;
   return key;
}

} // namespace

std::string_view to_string(filter_reason r) {
   switch (r) {
   case filter_reason::flow:
      return "flow";
   case filter_reason::related:
      return "related";
   case filter_reason::rule:
      return "rule";
   case filter_reason::standard:
      return "default";
   case filter_reason::fragment:
      return "fragment";
   case filter_reason::fragment_first_missing:
      return "fragment_first_missing";
   case filter_reason::fragment_tiny:
      return "fragment_tiny";
   case filter_reason::fragment_overlap:
      return "fragment_overlap";
   default:
      return "malformed";
   }
}

verdict filter::judge(std::span<const uint8_t> packet, uint64_t peer, uint64_t now) noexcept {
   verdict v;
   if (const auto p = parse_inner(packet)) v = judge_inner(*p, peer, ticks_of(now));
   (v.pass ? passed_ : dropped_)[static_cast<size_t>(v.why)]++;
   return v;
}

verdict filter::judge_inner(const inner_packet& p, uint64_t peer, uint32_t now) noexcept {
   if (p.later_fragment()) return later_fragment(p, now);
   verdict v;
   if (p.payload.size() < header_needed(p)) {
      v.why = p.fragment ? filter_reason::fragment_tiny : filter_reason::malformed;
   } else if (uint32_t rule = no_rule; is_error(p) && is_related(p, now, rule)) {
      v = {true, filter_reason::related, rule};
   } else {
      v = judge_flow(p, peer, now);
   }
   if (p.fragment) note_fragment(p, v, peer, now);
   return v;
}

verdict filter::later_fragment(const inner_packet& p, uint32_t now) noexcept {
   const flow_key key = fragment_key(p);
   const fragment_entry* set = fragments_of(key);
   for (size_t i = 0; i < fragment_ways; i++) {
      const fragment_entry& e = set[i];
      if (!e.used || now - e.seen > fragment_timeout || !(e.key == key)) continue;
      if (p.offset < e.first_end) return {false, filter_reason::fragment_overlap, e.rule};
      return {e.pass, filter_reason::fragment, e.rule};
   }
   return {false, filter_reason::fragment_first_missing, no_rule};
}

/// A peer has at most half of a set, so that none can push out the fragments of all others.
void filter::note_fragment(const inner_packet& p, const verdict& v, uint64_t peer,
                           uint32_t now) noexcept {
   const flow_key key = fragment_key(p);
   fragment_entry* set = fragments_of(key);
   fragment_entry *same = nullptr, *empty = nullptr, *own = nullptr, *oldest = nullptr;
   size_t held = 0;
   for (size_t i = 0; i < fragment_ways; i++) {
      fragment_entry& e = set[i];
      if (!e.used || now - e.seen > fragment_timeout) {
         empty = &e;
         continue;
      }
      if (e.key == key) same = &e;
      if (e.peer == peer) {
         held++;
         if (own == nullptr || now - e.seen > now - own->seen) own = &e;
      }
      if (oldest == nullptr || now - e.seen > now - oldest->seen) oldest = &e;
   }
   fragment_entry* place = same != nullptr             ? same
                           : held >= fragment_ways / 2 ? own
                           : empty != nullptr          ? empty
                                                       : oldest;
   *place = {key, peer, now, static_cast<uint32_t>(p.payload.size()), v.rule, true, v.pass};
}

filter::segment filter::segment_of(const inner_packet& p) noexcept {
   segment s;
   uint16_t from = 0, to = 0;
   bool ports = false;
   if (p.protocol == protocol_tcp || p.protocol == protocol_udp) {
      ports = p.payload.size() >= 4;
      if (ports) {
         from = load16(p.payload.data());
         to = load16(p.payload.data() + 2);
      }
      if (p.protocol == protocol_tcp && p.payload.size() >= 14) s.tcp_flags = p.payload[13];
   } else if (p.is_icmp() && p.payload.size() >= 8) {
      // Echo, and the timestamps of IPv4: a request begins a flow of its identifier, a reply never.
      const uint8_t type = p.payload[0];
      s.opens = p.family == 4 ? type == 8 || type == 13 : type == 128;
      s.answers = p.family == 4 ? type == 0 || type == 14 : type == 129;
      if (s.opens || s.answers) from = to = load16(p.payload.data() + 4);
   }
   s.question = {p.family, p.source, p.destination, p.protocol, ports, to};
   std::array<uint64_t, 2> a{}, b{};
   std::memcpy(a.data(), p.source, address_bytes(p));
   std::memcpy(b.data(), p.destination, address_bytes(p));
   s.lesser_sends = a != b ? a < b : from <= to;
   const auto& low = s.lesser_sends ? a : b;
   const auto& high = s.lesser_sends ? b : a;
   s.key.address = {low[0], low[1], high[0], high[1]};
   s.key.ports = s.lesser_sends ? static_cast<uint32_t>(from) << 16 | to
                                : static_cast<uint32_t>(to) << 16 | from;
   s.key.protocol = p.protocol;
   s.key.family = p.family;
   return s;
}

verdict filter::by_rules(const flow_question& q) const noexcept {
   const decision d = rules_->judge(q);
   return {d.accept, d.rule == no_rule ? filter_reason::standard : filter_reason::rule, d.rule};
}

/// The entry of a flow that the rules of now let pass.
flow_entry* filter::known(const flow_key& key, uint32_t now) noexcept {
   flow_entry* e = flows_.find(key, now);
   if (e == nullptr || e->epoch == epoch_) return e;
   const auto* low = reinterpret_cast<const uint8_t*>(e->key.address.data());
   const uint8_t* high = low + 16;
   const bool ports = key.protocol == protocol_tcp || key.protocol == protocol_udp;
   const uint32_t to = e->lesser_began ? key.ports & 0xffff : key.ports >> 16;
   const decision d =
         rules_->judge({key.family, e->lesser_began ? low : high, e->lesser_began ? high : low,
                        key.protocol, ports, static_cast<uint16_t>(to)});
   if (!d.accept) {
      flows_.erase(*e);
      return nullptr;
   }
   e->epoch = epoch_;
   e->rule = d.rule;
   return e;
}

verdict filter::judge_flow(const inner_packet& p, uint64_t peer, uint32_t now) noexcept {
   const segment s = segment_of(p);
   const bool untracked = !s.opens && !s.answers;
   if (flow_entry* e = untracked ? nullptr : known(s.key, now)) {
      const bool forward = s.lesser_sends == e->lesser_began;
      // A SYN against the direction of a flow wants to begin another one.
      const bool begins = (s.tcp_flags & (flag_syn | flag_ack | flag_rst)) == flag_syn;
      const bool belongs = forward ? s.opens : s.answers && !begins;
      if (!belongs) return by_rules(s.question);
      advance(*e, forward, s.tcp_flags);
      e->seen = now;
      return {true, filter_reason::flow, e->rule};
   }
   const verdict v = by_rules(s.question);
   if (!v.pass || !s.opens) return v;
   flow_entry& e = flows_.insert(s.key, peer, now);
   e.epoch = epoch_;
   e.rule = v.rule;
   e.lesser_began = s.lesser_sends;
   e.state = p.protocol == protocol_tcp ? flow_state::opening
             : p.is_icmp()              ? flow_state::echo
                                        : flow_state::datagrams;
   advance(e, true, s.tcp_flags);
   return v;
}

/// TCP as far as timeouts need it: sequence numbers are the ends' business.
void filter::advance(flow_entry& e, bool forward, uint8_t tcp_flags) noexcept {
   if (e.key.protocol != protocol_tcp) return;
   if ((tcp_flags & (flag_fin | flag_rst)) != 0) {
      e.state = flow_state::closing;
   } else if (e.state == flow_state::closing) {
      if (forward && (tcp_flags & (flag_syn | flag_ack)) == flag_syn) e.state = flow_state::opening;
   } else if (e.state == flow_state::opening) {
      if (!forward && (tcp_flags & flag_ack) != 0) e.state = flow_state::answered;
   } else if (e.state == flow_state::answered) {
      if (forward && (tcp_flags & (flag_syn | flag_ack)) == flag_ack)
         e.state = flow_state::established;
   }
}

/// Does the error quote a packet of a flow that passes, and go to who sent that packet?
bool filter::is_related(const inner_packet& error, uint32_t now, uint32_t& rule) noexcept {
   const auto quoted = parse_inner(error.payload.subspan(8), true);
   if (!quoted || quoted->family != error.family || quoted->later_fragment() ||
       std::memcmp(quoted->source, error.destination, address_bytes(error)) != 0)
      return false;
   const bool ports = quoted->protocol == protocol_tcp || quoted->protocol == protocol_udp;
   if (quoted->payload.size() < (ports ? 4 : quoted->is_icmp() ? 8 : 0)) return false;
   const segment s = segment_of(*quoted);
   if (!s.opens && !s.answers) return false;
   const flow_entry* e = known(s.key, now);
   if (e == nullptr) return false;
   rule = e->rule;
   return true;
}

} // namespace warren::route
