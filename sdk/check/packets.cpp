#include "sdk/check/packets.hpp"

#include "sdk/check/report.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

constexpr uint32_t guard_bytes = 64;
constexpr uint8_t guard_fill = 0xc5, poison = 0xd7;
constexpr uint64_t salt = 0x5a17000000000000; // a cookie that a plugin makes up is not one of ours
constexpr size_t given_back_max = 256;

bool all_are(const uint8_t* at, size_t n, uint8_t value) {
   return std::all_of(at, at + n, [&](uint8_t b) { return b == value; });
}

} // namespace

wrn_pkt packets::make(owner who, std::span<const uint8_t> data, uint32_t headroom,
                      uint32_t tailroom) {
   block b;
   b.cap = headroom + static_cast<uint32_t>(data.size()) + tailroom;
   b.headroom = headroom;
   b.tailroom = tailroom;
   b.who = who;
   b.memory = std::make_unique<uint8_t[]>(b.cap + 2 * guard_bytes);
   std::memset(b.memory.get(), guard_fill, b.cap + 2 * guard_bytes);
   wrn_pkt p{};
   p.buf = b.memory.get() + guard_bytes;
   p.cap = b.cap;
   p.off = headroom;
   p.len = static_cast<uint32_t>(data.size());
   p.cookie = salt + next_cookie_++;
   std::copy(data.begin(), data.end(), p.buf + p.off);
   live_.emplace(p.cookie, std::move(b));
   return p;
}

void packets::check_bounds(const block& b) const {
   const uint8_t* at = b.memory.get();
   if (!all_are(at, guard_bytes, guard_fill))
      found(flaw_bounds, say("bytes were written before buf: this packet had ", b.headroom,
                             " bytes of headroom, which is what was declared"));
   if (!all_are(at + guard_bytes + b.cap, guard_bytes, guard_fill))
      found(flaw_bounds, say("bytes were written behind buf + cap: this packet had ", b.tailroom,
                             " bytes of tailroom, which is what was declared"));
}

void packets::check_poison(const block& b) const {
   if (!all_are(b.memory.get(), b.cap + 2 * guard_bytes, poison))
      found(flaw_packet,
            say("a packet was written to after it had been given back by ", b.taken_by, "()"));
}

bool packets::take(owner who, const wrn_pkt& packet, const char* how, std::vector<uint8_t>* data) {
   const auto it = live_.find(packet.cookie);
   if (it == live_.end()) {
      if (packet.cookie > salt && packet.cookie < salt + next_cookie_)
         found(flaw_packet, say(how, "(): this packet was given back before"));
      else
         found(flaw_packet, say(how, "(): this packet is not one that the host made; cookie is "
                                     "copied with the descriptor and never changed"));
      return false;
   }
   block& b = it->second;
   if (b.who != who) {
      found(flaw_packet, say(how, "(): this packet belongs to somebody else"));
      return false;
   }
   if (packet.buf != b.memory.get() + guard_bytes || packet.cap != b.cap)
      found(flaw_packet, say(how, "(): buf or cap of the descriptor was changed"));
   const bool inside = packet.off <= b.cap && packet.len <= b.cap - packet.off;
   if (!inside)
      found(flaw_bounds,
            say(how, "(): off ", packet.off, " + len ", packet.len, " is beyond cap ", b.cap));
   if (data != nullptr && inside) {
      const uint8_t* at = b.memory.get() + guard_bytes + packet.off;
      data->assign(at, at + packet.len);
   }
   check_bounds(b);
   std::memset(b.memory.get(), poison, b.cap + 2 * guard_bytes);
   b.taken_by = how;
   given_back_.push_back(std::move(b));
   live_.erase(it);
   if (given_back_.size() > given_back_max) {
      check_poison(given_back_.front());
      given_back_.pop_front();
   }
   return true;
}

size_t packets::held(owner who) const {
   return static_cast<size_t>(std::count_if(
         live_.begin(), live_.end(), [&](const auto& entry) { return entry.second.who == who; }));
}

void packets::inspect() {
   for (const auto& [cookie, b] : live_)
      check_bounds(b);
   for (const block& b : given_back_)
      check_poison(b);
}

} // namespace warren::check
