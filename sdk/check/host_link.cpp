// warren.host.link/1 of the fake host.
#include "sdk/check/host_link.hpp"

namespace warren::check {

namespace {

/// The link, or null when it is closed or was never there, which is a flaw.
open_link* find(instance& me, wrn_handle link, const char* function) {
   auto& part = me.part<link_part>();
   const auto it = part.links.find(link);
   if (it != part.links.end()) return &it->second;
   part.strays++;
   found(flaw_stray, say(function, "() about link ", link,
                         part.closed.contains(link) ? ", which was closed" : ", which never was"));
   return nullptr;
}

wrn_status WRN_CALL incoming(const wrn_host* host, const wrn_key* key, const wrn_addr* from,
                             wrn_handle* link, wrn_link_params* params) {
   instance& me = instance::of(host, "incoming", place::active);
   auto& part = me.part<link_part>();
   if (from == nullptr || from->family == WRN_AF_NONE)
      found(flaw_call, "incoming() without the address of who calls");
   const open_link* known =
         me.fails("incoming") || !part.on_incoming ? nullptr : part.on_incoming(*key);
   if (known == nullptr) {
      part.incoming_refused++;
      return WRN_E_NOT_FOUND;
   }
   *link = new_link(me, *known);
   *params = known->params;
   params->remote = *from;
   return WRN_OK;
}

void WRN_CALL state(const wrn_host* host, wrn_handle link, uint32_t state, wrn_status why) {
   instance& me = instance::of(host, "link state", place::active);
   if (state < WRN_LINK_CONNECTING || state > WRN_LINK_DOWN)
      found(flaw_call, say("link state(): ", state, " is no state"));
   me.home.record("state", me.number, state, {});
   if (open_link* l = find(me, link, "link state")) l->state = state;
   (void)why;
}

void WRN_CALL moved(const wrn_host* host, wrn_handle link, const wrn_addr* remote) {
   instance& me = instance::of(host, "link moved", place::active);
   if (remote == nullptr || remote->family == WRN_AF_NONE)
      found(flaw_call, "link moved() to nowhere");
   if (open_link* l = find(me, link, "link moved"); l != nullptr && remote != nullptr)
      l->params.remote = *remote;
}

void WRN_CALL deliver(const wrn_host* host, wrn_handle link, wrn_pkt* pkts, uint32_t n) {
   instance& me = instance::of(host, "deliver", place::active);
   open_link* l = find(me, link, "deliver");
   auto& part = me.part<link_part>();
   if (n > WRN_BATCH_MAX)
      found(flaw_call,
            say("deliver() of ", n, " packets; no call passes more than ", WRN_BATCH_MAX));
   for (uint32_t i = 0; i < n; i++) {
      std::vector<uint8_t> packet;
      if (!me.home.pool.take(me.number, pkts[i], "deliver", &packet) || l == nullptr) continue;
      l->delivered++;
      me.home.record("deliver", me.number, link, packet);
      if (part.on_deliver) part.on_deliver(link, std::move(packet));
   }
}

void WRN_CALL writable(const wrn_host* host, wrn_handle link) {
   if (open_link* l =
             find(instance::of(host, "link writable", place::active), link, "link writable"))
      l->writable++;
}

constexpr wrn_host_link functions{incoming, state, moved, deliver, writable};

void after_stop(instance& who) {
   auto& part = who.part<link_part>();
   for (const auto& [handle, l] : part.links)
      part.closed.insert(handle);
   part.links.clear();
}

} // namespace

wrn_handle new_link(instance& who, const open_link& l) {
   auto& part = who.part<link_part>();
   const wrn_handle handle = 0x6cull << 56 | ++part.made;
   part.links[handle] = l;
   part.links[handle].state = 0;
   return handle;
}

extern const host_table link_table{WRN_HOST_LINK, &functions, after_stop};

} // namespace warren::check
