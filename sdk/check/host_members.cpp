// warren.host.members/1 of the fake host.
#include "sdk/check/host_identity.hpp"
#include "sdk/check/host_mesh.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

void tell(instance& who, wrn_handle peer, uint32_t change) {
   if (!who.active()) return;
   if (const auto* t = who.ext<wrn_members>(WRN_EXT_MEMBERS);
       t != nullptr && t->on_member != nullptr)
      who.enter("on_member", [&] { t->on_member(who.raw(), peer, change); });
}

uint32_t WRN_CALL list(const wrn_host* host, wrn_handle* out, uint32_t n) {
   instance& me = instance::of(host, "members list", place::active);
   const auto& all = me.part<members_part>().members;
   if (out == nullptr && n != 0) found(flaw_call, "members list(): out is NULL and n is not 0");
   uint32_t i = 0;
   for (const auto& [handle, m] : all)
      if (out != nullptr && i < n) out[i++] = handle;
   return static_cast<uint32_t>(all.size());
}

wrn_status WRN_CALL info(const wrn_host* host, wrn_handle peer, wrn_member* out) {
   instance& me = instance::of(host, "members info", place::active);
   const auto& all = me.part<members_part>().members;
   const auto it = all.find(peer);
   if (it == all.end()) return WRN_E_NOT_FOUND;
   const auto& m = it->second;
   const wrn_member full{sizeof full,
                         m.flags,
                         m.node_id,
                         m.tunnel_key,
                         m.rtt_us,
                         0,
                         {m.name.data(), m.name.size()}};
   const uint32_t size = out->size;
   if (size < sizeof(uint32_t) || size > 4096) {
      found(flaw_call, say("members info(): size is ", size, "; the caller sets it"));
      return WRN_E_INVALID;
   }
   std::memcpy(out, &full, std::min<size_t>(size, sizeof full));
   out->size = size;
   return WRN_OK;
}

wrn_handle WRN_CALL by_node_id(const wrn_host* host, const wrn_key* id) {
   instance& me = instance::of(host, "members by_node_id", place::active);
   for (const auto& [handle, m] : me.part<members_part>().members)
      if ((m.flags & WRN_MEMBER_STOCK) == 0 && std::memcmp(&m.node_id, id, sizeof *id) == 0)
         return handle;
   return 0;
}

constexpr wrn_host_members functions{list, info, by_node_id};

void after_stop(instance& who) { who.part<members_part>().members.clear(); }

} // namespace

wrn_handle join(instance& who, instance* other) {
   auto& part = who.part<members_part>();
   const wrn_handle peer = 0x3eull << 56 | ++part.made;
   members_part::member m;
   m.other = other;
   m.name = say("member", part.made);
   if (other != nullptr) {
      m.node_id = node_id_of(*other);
      m.tunnel_key = tunnel_key_of(*other);
   } else if (who.home.dice.one_in(2)) {
      m.flags = WRN_MEMBER_STOCK;
      who.home.dice.fill(m.tunnel_key.bytes, 32);
   } else {
      who.home.dice.fill(m.node_id.bytes, 32);
   }
   part.members[peer] = m;
   tell(who, peer, WRN_MEMBER_JOINED);
   return peer;
}

void set_linked(instance& who, wrn_handle peer, bool linked) {
   auto& all = who.part<members_part>().members;
   const auto it = all.find(peer);
   if (it == all.end() || ((it->second.flags & WRN_MEMBER_WARREN) != 0) == linked) return;
   constexpr uint32_t bits = WRN_MEMBER_UP | WRN_MEMBER_DIRECT | WRN_MEMBER_WARREN;
   it->second.flags = linked ? it->second.flags | bits : it->second.flags & ~bits;
   tell(who, peer, linked ? WRN_MEMBER_LINKED : WRN_MEMBER_UNLINKED);
}

void leave(instance& who, wrn_handle peer) {
   set_linked(who, peer, false);
   tell(who, peer, WRN_MEMBER_LEFT);
   who.part<members_part>().members.erase(peer);
}

wrn_handle member_of(instance& who, const instance& other) {
   for (const auto& [handle, m] : who.part<members_part>().members)
      if (m.other == &other) return handle;
   return 0;
}

extern const host_table members_table{WRN_HOST_MEMBERS, &functions, after_stop};

} // namespace warren::check
