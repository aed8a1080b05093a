// warren.host.udp/1 of the fake host.
#include "sdk/check/host_udp.hpp"

#include <algorithm>

namespace warren::check {

namespace {

constexpr wrn_handle socket_tag = 0x50;
constexpr uint32_t local_token = 0x4c4f4341;

uint32_t room_left(instance& me) {
   auto& u = me.part<udp_part>();
   if (u.turn != me.home.now) {
      u.turn = me.home.now;
      u.sent_in_turn = 0;
   }
   return u.blocked || u.sent_in_turn >= u.room_max ? 0 : u.room_max - u.sent_in_turn;
}

void owe_writable(instance& me) {
   auto& u = me.part<udp_part>();
   if (u.waits) return;
   u.waits = true;
   if (!u.blocked) me.home.at(me.home.now + ms, [&me] { unblock(me); });
}

uint32_t WRN_CALL room(const wrn_host* host, wrn_handle sock) {
   instance& me = instance::of(host, "udp room", place::active);
   if (sock != me.part<udp_part>().sock || sock == 0) {
      found(flaw_stray, say("udp room(): ", sock, " is no socket of this instance"));
      return 0;
   }
   const uint32_t left = me.fails("room") ? 0 : room_left(me);
   if (left == 0) owe_writable(me);
   return left;
}

void WRN_CALL send(const wrn_host* host, wrn_handle sock, const wrn_pkt* pkts, uint32_t n) {
   instance& me = instance::of(host, "udp send", place::active);
   auto& u = me.part<udp_part>();
   if (sock != u.sock || sock == 0)
      found(flaw_stray, say("udp send(): ", sock, " is no socket of this instance"));
   if (n > WRN_BATCH_MAX)
      found(flaw_call,
            say("udp send() of ", n, " packets; no call passes more than ", WRN_BATCH_MAX));
   for (uint32_t i = 0; i < n; i++) {
      datagram d{&me, me.address, pkts[i].addr, {}};
      const uint32_t local = pkts[i].local;
      if (!me.home.pool.take(me.number, pkts[i], "udp send", &d.bytes) || sock != u.sock) continue;
      if (d.to.family != WRN_AF_INET && d.to.family != WRN_AF_INET6 && d.to.family != WRN_AF_PATH) {
         found(flaw_call, say("udp send(): a packet has an address of family ", int{d.to.family},
                              " to go to"));
         continue;
      }
      if (local != 0 && local != local_token)
         found(flaw_call, say("udp send(): the local token ", local,
                              " did not come with any datagram; copy it or leave it 0"));
      if (d.bytes.empty()) found(flaw_call, "udp send(): a datagram without a byte");
      me.home.record("send", me.number, uint64_t{d.to.port} << 32 | uint64_t{d.to.ip[3]}, d.bytes);
      if (room_left(me) == 0) continue; // dropped and counted, as the real one does
      u.sent_in_turn++;
      me.home.send(me, 0, std::move(d));
   }
}

wrn_status WRN_CALL local(const wrn_host* host, wrn_handle sock, wrn_addr* out) {
   instance& me = instance::of(host, "udp local", place::active);
   if (me.fails("local") || sock != me.part<udp_part>().sock) return WRN_E_NOT_FOUND;
   *out = me.address;
   return WRN_OK;
}

constexpr wrn_host_udp functions{room, send, local};

void after_stop(instance& who) {
   auto& u = who.part<udp_part>();
   u.sock = 0;
   u.waits = u.blocked = false;
   u.inbox.clear();
}

} // namespace

void bind_socket(instance& who) {
   const wrn_handle sock =
         socket_tag << 56 | uint64_t{who.number} << 32 | ++who.part<udp_part>().opened;
   who.part<udp_part>().sock = sock;
   const auto* table = who.ext<wrn_udp>(WRN_EXT_UDP);
   who.enter("on_bound", [&] { table->on_bound(who.raw(), sock); });
}

void receive(instance& who, std::span<const datagram> datagrams) {
   if (!who.active()) return;
   const auto* table = who.ext<wrn_udp>(WRN_EXT_UDP);
   std::vector<wrn_pkt> batch;
   for (const datagram& d : datagrams) {
      batch.push_back(who.home.pool.make(who.number, d.bytes, 0, 0));
      batch.back().addr = d.source;
      batch.back().local = local_token;
   }
   who.enter("on_recv", [&] {
      table->on_recv(who.raw(), who.part<udp_part>().sock, batch.data(),
                     static_cast<uint32_t>(batch.size()));
   });
}

void receive_inbox(instance& who) {
   auto& u = who.part<udp_part>();
   std::vector<datagram> all = std::move(u.inbox);
   u.inbox.clear();
   if (u.sock == 0) return;
   for (size_t at = 0; at < all.size();) {
      const size_t n = std::min<size_t>(all.size() - at, u.batch_max);
      receive(who, std::span(all).subspan(at, n));
      at += n;
   }
}

void unblock(instance& who) {
   auto& u = who.part<udp_part>();
   u.blocked = false;
   if (!u.waits || !who.active()) return;
   u.waits = false;
   const auto* table = who.ext<wrn_udp>(WRN_EXT_UDP);
   if (table->on_writable != nullptr)
      who.enter("on_writable", [&] { table->on_writable(who.raw(), u.sock); });
}

extern const host_table udp_table{WRN_HOST_UDP, &functions, after_stop};

} // namespace warren::check
