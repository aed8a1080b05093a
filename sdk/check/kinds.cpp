// The kinds of plugins that the kit can drive. A new one: a file kind_<name>.cpp with its workload,
// and a line in each list here.
#include "sdk/check/workload.hpp"

namespace warren::check {

extern const kind transport_kind, discovery_kind, routing_kind, service_kind;

const kind* find_kind(uint32_t id) {
   static constexpr const kind* all[] = {&transport_kind, &discovery_kind, &routing_kind,
                                         &service_kind};
   for (const kind* k : all)
      if (k->id == id) return k;
   return nullptr;
}

bool any_common_call(world& w, instance& who) {
   switch (w.dice.below(12)) {
   case 0:
      who.event(static_cast<uint32_t>(w.dice.one_in(3) ? WRN_EV_IDENTITY_CHANGED
                                                       : WRN_EV_NETWORK_CHANGED));
      return true;
   case 1:
      who.event(static_cast<uint32_t>(1000 + w.dice.below(9))); // of a newer host
      return true;
   case 2:
      who.ext<void>("com.example.unheard-of/1");
      return true;
   case 3:
   case 4:
      w.run_for(w.dice.below(20) * ms);
      return true;
   case 5:
      w.run_for(w.dice.one_in(10) ? w.dice.below(300) * second : second);
      return true;
   default:
      return false;
   }
}

} // namespace warren::check
