// Routings and services: ways that come and go, requests that are answered, messages that members
// with bad intentions write.
#include "sdk/check/kind_mesh.hpp"
#include "sdk/check/properties.hpp"

namespace warren::check {

void hostile_messages(const subject& s) {
   rig r(s);
   if (!takes_messages(r.first())) skip("it takes no messages");
   auto& load = static_cast<mesh_load&>(*r.load);
   load.begin();
   require_alive(load, "before hostile messages");
   for (int i = 0; i < 20'000; i++) {
      load.hostile_message(r.first(), member_of(r.first(), *r.all[1]));
      if (i % 200 == 0) r.home.run_for(100 * ms);
   }
   r.home.run_for(600 * second); // what lies had told is forgotten
   require_alive(load, "after hostile messages");
   r.down();
}

void ways(const subject& s) {
   rig r(s);
   auto& load = static_cast<routing_load&>(*r.load);
   load.begin();
   require_alive(load, "in a line of three");
   for (int round = 0; round < 3; round++) {
      load.set_link(*r.all[1], *r.all[2], false);
      for (int i = 0; i < 600 && load.has_way(r.first(), *r.all[2]); i++)
         r.home.run_for(second);
      require(!load.has_way(r.first(), *r.all[2]),
              "ten minutes after its last link went, a way to a member is still published");
      require_alive(load, "after the link came back");
   }
   for (instance* i : r.all)
      require(i->part<route_part>().refused < 100,
              say(i->part<route_part>().refused, " tables were refused by publish()"));
   r.down();
}

void relays_said(const subject& s) {
   rig r(s);
   auto& load = static_cast<routing_load&>(*r.load);
   r.all[1]->part<route_part>().relays = false;
   load.begin();
   r.home.run_for(300 * second);
   require(!load.has_way(r.first(), *r.all[2]),
           "a way is promised through a member whose relays() is 0");
   r.all[1]->part<route_part>().relays = true;
   require_alive(load, "after the member in the middle relays");
   r.down();
}

void answers(const subject& s) {
   rig r(s);
   r.load->begin();
   auto& part = r.first().part<control_part>();
   if (!ask_control(r.first(), "GET", "/", "")) skip("it answers no requests of the control API");
   for (int i = 0; i < 500; i++) {
      ask_control(r.first(), i % 2 == 0 ? "GET" : "POST", i % 3 == 0 ? "/" : say("/thing/", i),
                  i % 2 == 0 ? "" : "{\"n\":1}");
      r.home.run_for(50 * ms);
   }
   r.home.run_for(10 * second);
   require(part.open.empty(), say(part.open.size(), " of ", part.made,
                                  " requests were not answered within ten seconds"));
   require(part.late == 0,
           say(part.late, " answers were for a request that had been answered before"));
   r.down();
}

} // namespace warren::check
