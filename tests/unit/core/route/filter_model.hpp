// The plainest possible reading of docs/acl.md: rules as lists, flows in a map without bounds.
// Shares no code with core/route; it judges what a packet was made of, not its bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace warren::route::model {

using bytes = std::vector<uint8_t>;

struct who {
   std::string name;
   bytes v4, v6;
   std::vector<std::string> groups, tags, roles;
};

/// What a packet is made of.
struct packet {
   bytes source, destination;
   uint8_t protocol = 6;
   uint16_t source_port = 0, destination_port = 0;
   uint8_t flags = 0;              // of TCP
   uint8_t type = 0;               // of ICMP
   uint16_t identifier = 0;        // of ICMP
   std::vector<uint8_t> extension; // IPv6: types of the headers before the payload
   int options = 0;                // IPv4: words
   bool fragment = false;
   uint32_t offset = 0, id = 0;
   size_t payload = 24; // bytes, header and all
   std::vector<packet> quoted;

   bool v6() const { return source.size() == 16; }
   bool icmp() const { return protocol == (v6() ? 58 : 1); }
   bool ports() const { return protocol == 6 || protocol == 17; }
};

struct selector {
   std::string text; // as in the file
   bytes prefix;     // of an address, with its length
   int length = 0;
};

struct rule {
   bool accept = true;
   std::string protocol; // "", "tcp", "icmp", "47"
   std::vector<selector> sources;
   std::vector<std::pair<selector, std::vector<std::pair<int, int>>>> targets;
};

struct rules {
   std::vector<who> members;
   std::map<std::string, std::vector<std::string>> groups; // names only
   std::vector<rule> list;
   bool standard = false;

   const who* owner(const bytes& address) const {
      for (const who& m : members)
         if (m.v4 == address || m.v6 == address) return &m;
      return nullptr;
   }
   static bool inside(const bytes& address, const selector& s) {
      if (s.prefix.size() != address.size()) return false;
      for (int bit = 0; bit < s.length; bit++) {
         const auto at = static_cast<size_t>(bit / 8);
         if (((address[at] ^ s.prefix[at]) >> (7 - bit % 8) & 1) != 0) return false;
      }
      return true;
   }
   static bool has(const std::vector<std::string>& list, const std::string& what) {
      return std::find(list.begin(), list.end(), what) != list.end();
   }
   bool means(const selector& s, const bytes& address, const bytes& other) const {
      if (s.text == "*") return true;
      if (!s.prefix.empty()) return inside(address, s);
      const who* m = owner(address);
      // The only public addresses of this world begin with 9.
      if (s.text == "autogroup:internet") return m == nullptr && address[0] == 9;
      if (m == nullptr) return false;
      if (s.text == "autogroup:self") return owner(other) == m;
      if (s.text == "autogroup:members") return true;
      if (s.text == "autogroup:admins") return has(m->roles, "admin");
      if (s.text == "autogroup:tagged") return !m->tags.empty();
      const std::string rest = s.text.substr(s.text.find(':') + 1);
      if (s.text.starts_with("group:"))
         return has(m->groups, rest) || has(groups.at(rest), m->name);
      if (s.text.starts_with("tag:")) return has(m->tags, rest);
      if (s.text.starts_with("role:")) return has(m->roles, rest);
      return m->name == s.text;
   }
   /// -1: the default.
   int deciding(const packet& p) const {
      for (size_t i = 0; i < list.size(); i++) {
         const rule& r = list[i];
         const bool icmp = r.protocol == "icmp" && (p.protocol == 1 || p.protocol == 58);
         const std::string number = p.protocol == 6    ? "tcp"
                                    : p.protocol == 17 ? "udp"
                                                       : std::to_string(p.protocol);
         if (!r.protocol.empty() && !icmp && r.protocol != number) continue;
         bool from = false, to = false;
         for (const selector& s : r.sources)
            from = from || means(s, p.source, p.destination);
         for (const auto& [s, ports] : r.targets) {
            bool port = ports.empty();
            for (const auto& [first, last] : ports)
               port = port ||
                      (p.ports() && first <= p.destination_port && p.destination_port <= last);
            to = to || (port && means(s, p.destination, p.source));
         }
         if (from && to) return static_cast<int>(i);
      }
      return -1;
   }
   bool accepts(const packet& p) const {
      const int i = deciding(p);
      return i < 0 ? standard : list[static_cast<size_t>(i)].accept;
   }
};

class filter {
 public:
   rules now;

   bool passes(const packet& p, double time) {
      time_ = time;
      if (p.extension.size() > 8) return false;
      const size_t header = p.protocol == 6 ? 14 : p.protocol == 17 || p.icmp() ? 8 : 0;
      const auto key = std::tuple(p.source, p.destination, p.id, p.v6() ? 0 : p.protocol);
      if (p.fragment && p.offset != 0) {
         const auto it = firsts_.find(key);
         return it != firsts_.end() && time - it->second.time <= 30 && p.offset >= it->second.end &&
                it->second.pass;
      }
      const bool pass =
            p.payload >= header && ((is_error(p) && is_about_a_flow(p)) || passes_whole(p));
      if (p.fragment) firsts_[key] = {pass, time, p.payload};
      return pass;
   }

 private:
   enum class state { opening, answered, established, closing, other };
   struct flow {
      packet began;
      state now = state::other;
      double seen = 0;
   };
   struct first {
      bool pass;
      double time;
      size_t end;
   };
   using end = std::pair<bytes, uint16_t>;
   using flow_key = std::tuple<end, end, uint8_t>;

   static bool is_error(const packet& p) {
      if (!p.icmp()) return false;
      return p.v6() ? p.type >= 1 && p.type <= 4
                    : p.type == 3 || p.type == 4 || p.type == 11 || p.type == 12;
   }
   static bool is_request(const packet& p) {
      return p.v6() ? p.type == 128 : p.type == 8 || p.type == 13;
   }
   static bool is_reply(const packet& p) {
      return p.v6() ? p.type == 129 : p.type == 0 || p.type == 14;
   }
   static flow_key key_of(const packet& p) {
      const bool id = p.icmp();
      end a{p.source, id ? p.identifier : p.ports() ? p.source_port : 0};
      end b{p.destination, id ? p.identifier : p.ports() ? p.destination_port : 0};
      if (b < a) std::swap(a, b);
      return {a, b, p.protocol};
   }
   flow* find(const packet& p) {
      const auto it = flows_.find(key_of(p));
      if (it == flows_.end()) return nullptr;
      flow& f = it->second;
      const double patience = p.icmp()                      ? 30
                              : p.protocol != 6             ? 120
                              : f.now == state::established ? 7200
                                                            : 60;
      if (time_ - f.seen <= patience && now.accepts(f.began)) return &f;
      flows_.erase(it);
      return nullptr;
   }
   bool is_about_a_flow(const packet& p) {
      if (p.quoted.empty()) return false;
      const packet& q = p.quoted.front();
      if (q.source.size() != p.source.size() || q.source != p.destination) return false;
      if (q.extension.size() > 8 || (q.fragment && q.offset != 0)) return false;
      if (q.icmp() && !is_request(q) && !is_reply(q)) return false;
      if (q.payload < (q.icmp() ? 8u : q.ports() ? 4u : 0u)) return false;
      return find(q) != nullptr;
   }
   bool passes_whole(const packet& p) {
      const bool request = !p.icmp() || is_request(p), reply = !p.icmp() || is_reply(p);
      flow* f = request || reply ? find(p) : nullptr;
      const bool syn = p.protocol == 6 && (p.flags & 2) != 0 && (p.flags & 20) == 0;
      if (f != nullptr) {
         const bool forward = f->began.source == p.source && f->began.source_port == p.source_port;
         if (forward ? !request : !reply || syn) return now.accepts(p);
         step(*f, p, forward);
         f->seen = time_;
         return true;
      }
      if (!now.accepts(p)) return false;
      if (request) {
         flow& fresh = flows_[key_of(p)];
         fresh = {p, p.protocol == 6 ? state::opening : state::other, time_};
         step(fresh, p, true);
      }
      return true;
   }
   static void step(flow& f, const packet& p, bool forward) {
      if (p.protocol != 6) return;
      const bool syn = (p.flags & 2) != 0, ack = (p.flags & 16) != 0;
      if ((p.flags & 5) != 0)
         f.now = state::closing;
      else if (f.now == state::closing && forward && syn && !ack)
         f.now = state::opening;
      else if (f.now == state::opening && !forward && ack)
         f.now = state::answered;
      else if (f.now == state::answered && forward && ack && !syn)
         f.now = state::established;
   }

   double time_ = 0;
   std::map<flow_key, flow> flows_;
   std::map<std::tuple<bytes, bytes, uint32_t, uint8_t>, first> firsts_;
};

/// The bytes of what it is made of.
inline bytes build(const packet& p) {
   bytes payload(p.payload);
   bytes header(24);
   const auto put = [&](size_t at, uint16_t value) {
      header[at] = static_cast<uint8_t>(value >> 8);
      header[at + 1] = static_cast<uint8_t>(value);
   };
   if (p.ports()) {
      put(0, p.source_port);
      put(2, p.destination_port);
      if (p.protocol == 6) header[13] = p.flags;
   } else if (p.icmp()) {
      header[0] = p.type;
      put(4, p.identifier);
   }
   if (p.fragment && p.offset != 0) std::fill(header.begin(), header.end(), 0xaa);
   std::copy_n(header.begin(), std::min(header.size(), payload.size()), payload.begin());
   if (!p.quoted.empty() && payload.size() >= 8) {
      payload.resize(8);
      bytes q = build(p.quoted.front());
      payload.insert(payload.end(), q.begin(), q.end());
   }
   bytes out;
   if (!p.v6()) {
      out.resize(20 + static_cast<size_t>(p.options) * 4, 1);
      out[0] = static_cast<uint8_t>(0x40 | out.size() / 4);
      const size_t total = out.size() + payload.size();
      out[2] = static_cast<uint8_t>(total >> 8);
      out[3] = static_cast<uint8_t>(total);
      out[4] = static_cast<uint8_t>(p.id >> 8);
      out[5] = static_cast<uint8_t>(p.id);
      // A first fragment has more behind it; of the later ones nobody needs to know.
      const auto word =
            static_cast<uint16_t>(p.fragment ? p.offset / 8 | (p.offset == 0 ? 0x2000 : 0) : 0);
      out[6] = static_cast<uint8_t>(word >> 8);
      out[7] = static_cast<uint8_t>(word);
      out[9] = p.protocol;
      std::copy(p.source.begin(), p.source.end(), out.begin() + 12);
      std::copy(p.destination.begin(), p.destination.end(), out.begin() + 16);
   } else {
      std::vector<uint8_t> chain = p.extension;
      bytes headers;
      for (size_t i = 0; i < chain.size(); i++) {
         bytes h(chain[i] == 44 ? 8 : chain[i] == 51 ? 12 : 16, 0);
         h[0] = i + 1 < chain.size() ? chain[i + 1] : p.protocol;
         h[1] = chain[i] == 44 ? 0 : 1;
         if (chain[i] == 44 && p.fragment) {
            const auto word = static_cast<uint16_t>(p.offset | (p.offset == 0 ? 1 : 0));
            h[2] = static_cast<uint8_t>(word >> 8);
            h[3] = static_cast<uint8_t>(word);
            h[6] = static_cast<uint8_t>(p.id >> 8);
            h[7] = static_cast<uint8_t>(p.id);
         }
         headers.insert(headers.end(), h.begin(), h.end());
      }
      payload.insert(payload.begin(), headers.begin(), headers.end());
      out.resize(40);
      out[0] = 0x60;
      out[4] = static_cast<uint8_t>(payload.size() >> 8);
      out[5] = static_cast<uint8_t>(payload.size());
      out[6] = chain.empty() ? p.protocol : chain[0];
      std::copy(p.source.begin(), p.source.end(), out.begin() + 8);
      std::copy(p.destination.begin(), p.destination.end(), out.begin() + 24);
   }
   out.insert(out.end(), payload.begin(), payload.end());
   return out;
}

} // namespace warren::route::model
