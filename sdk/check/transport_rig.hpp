// Two transports that are up and know each other, for the properties of transports.
#pragma once

#include "sdk/check/host_stream.hpp"
#include "sdk/check/host_udp.hpp"
#include "sdk/check/kind_transport.hpp"
#include "sdk/check/property.hpp"

namespace warren::check {

struct transport_rig : rig {
   explicit transport_rig(const subject& s, bool up = true)
       : rig(s), links(static_cast<transport_load&>(*load)) {
      if (!up) return;
      load->begin();
      require(links.settle(), "two instances do not come up: no packet arrives within 30 s of the "
                              "clock, although both sides send");
   }
   transport_load& links;
   /// For a property that is about datagrams.
   void only_datagrams() {
      if (lives_on_streams(a())) skip("it lives on streams, and this is about datagrams");
   }
   instance& a() { return *all[0]; }
   instance& b() { return *all[1]; }
   wrn_handle ab() { return links.link_of(a(), b()); }
   wrn_handle ba() { return links.link_of(b(), a()); }
   const wrn_transport& table(instance& who) { return links.table(who); }
   void set_path(instance& who, wrn_handle link, const wrn_addr& to) {
      const auto& t = table(who);
      const wrn_status status =
            who.enter("set_path", [&] { return t.set_path(who.raw(), link, &to); });
      require(status == WRN_OK, say("set_path() of a live link gave ", status));
   }
   /// What `who` sends from now on.
   void overhear(instance& who, std::function<void(const datagram&)> hear) {
      home.wire_tap = [&who, hear = std::move(hear)](const datagram& d) {
         if (d.from == &who) hear(d);
      };
   }
};

} // namespace warren::check
