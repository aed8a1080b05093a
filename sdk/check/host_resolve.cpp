// warren.host.resolve/1 of the fake host. Names answer after a while, with addresses made from the
// name; a name with "fail" in it does not resolve, one with "many" has forty addresses, of which
// the host passes on sixteen.
#include "sdk/check/host_resolve.hpp"

#include <algorithm>
#include <arpa/inet.h>

namespace warren::check {

namespace {

std::vector<wrn_addr> answer_for(const std::string& name, uint16_t port) {
   wrn_addr literal{};
   literal.port = port;
   if (::inet_pton(AF_INET, name.c_str(), literal.ip) == 1)
      literal.family = WRN_AF_INET;
   else if (::inet_pton(AF_INET6, name.c_str(), literal.ip) == 1)
      literal.family = WRN_AF_INET6;
   literal.prefix_len = literal.family == WRN_AF_INET ? 32 : 128;
   if (literal.family != WRN_AF_NONE) return {literal};
   uint64_t x = 0;
   for (const char c : name)
      x = mix(x ^ static_cast<uint8_t>(c));
   const size_t n = name.find("fail") != std::string::npos   ? 0
                    : name.find("many") != std::string::npos ? addresses_max
                                                             : 1 + x % 3;
   std::vector<wrn_addr> all;
   for (size_t i = 0; i < n; i++)
      all.push_back(world::address(static_cast<uint32_t>(1000 + x % 5000 + i), port));
   return all;
}

wrn_status WRN_CALL resolve(const wrn_host* host, wrn_str name, uint16_t port, uint64_t tag) {
   instance& me = instance::of(host, "resolve", place::active);
   auto& part = me.part<resolve_part>();
   const auto* table = me.ext<wrn_resolve>(WRN_EXT_RESOLVE);
   if (table == nullptr || table->on_resolved == nullptr) {
      found(flaw_call, "resolve() by a plugin that has no " WRN_EXT_RESOLVE " to be answered with");
      return WRN_E_STATE;
   }
   if (name.ptr == nullptr || name.len == 0 || name.len > 253)
      found(flaw_call, say("resolve() of a name of ", name.len, " bytes"));
   part.asked++;
   if (me.fails("resolve")) return WRN_E_LIMIT;
   if (part.under_way >= part.limit) {
      part.refused++;
      return WRN_E_LIMIT;
   }
   part.under_way++;
   part.most = std::max(part.most, part.under_way);
   const std::vector<wrn_addr> addresses =
         part.all_fail ? std::vector<wrn_addr>{} : answer_for({name.ptr, name.len}, port);
   me.home.record("resolve", me.number, port,
                  {reinterpret_cast<const uint8_t*>(name.ptr), name.len});
   me.home.at(me.home.now + part.delay, [&me, table, tag, addresses, round = part.round] {
      auto& p = me.part<resolve_part>();
      if (p.round != round) return; // the instance was stopped meanwhile
      p.under_way--;
      if (!me.active()) return;
      me.enter("on_resolved", [&] {
         table->on_resolved(me.raw(), tag, addresses.empty() ? WRN_E_NOT_FOUND : WRN_OK,
                            addresses.empty() ? nullptr : addresses.data(),
                            static_cast<uint32_t>(addresses.size()));
      });
   });
   return WRN_OK;
}

constexpr wrn_host_resolve functions{resolve};

void after_stop(instance& who) {
   auto& part = who.part<resolve_part>();
   part.round++;
   part.under_way = 0;
}

} // namespace

extern const host_table resolve_table{WRN_HOST_RESOLVE, &functions, after_stop};

} // namespace warren::check
