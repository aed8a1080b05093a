#include "sdk/check/property.hpp"

namespace warren::check {

rig::rig(const subject& s, const settings& first_settings, uint64_t seed_offset)
    : what(*find_kind(s.desc->kind)), home(s, s.seed + seed_offset) {
   for (uint32_t i = 0; i < what.instances; i++)
      all.push_back(&home.add(i == 0 ? first_settings : settings{}));
   for (instance* each : all)
      each->up();
   const char* lacks = what.missing(first());
   require(lacks == nullptr, say("the instance lacks ", lacks != nullptr ? lacks : "", ", which a ",
                                 what.name, " has"));
   load = what.make(home, all);
}

void rig::down() {
   for (instance* each : all)
      each->down();
}

void require_alive(workload& load, const std::string& after) {
   const std::string trouble = load.alive();
   require(trouble.empty(), after + ": " + trouble);
}

void ordinary_day(const subject& s, bool must_achieve) {
   rig r(s);
   const auto look = [&](const char* after) {
      const std::string trouble = r.load->alive();
      require(trouble.empty() || !must_achieve, after + (": " + trouble));
   };
   r.load->begin();
   look("on an ordinary day");
   r.load->work();
   for (const uint32_t type :
        {uint32_t{WRN_EV_NETWORK_CHANGED}, 77u, uint32_t{WRN_EV_IDENTITY_CHANGED}})
      r.first().event(type);
   r.home.run_for(10 * second);
   look("after a change of the network");
   for (int i = 0; i < 20; i++)
      r.load->work();
   r.home.run_for(200 * second);
   r.load->work();
   r.load->end();
   r.home.run_for(10 * second);
   r.down();
}

} // namespace warren::check
