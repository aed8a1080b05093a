// From create() to destroy(), in every order that is legal, with every host call failing. Nothing
// here knows a kind.
#include "sdk/check/properties.hpp"

#include <algorithm>
#include <string_view>

namespace warren::check {

namespace {

/// Creates, initialises, configures and starts; false when the plugin said no, which a host that
/// fails it has to take.
bool try_up(instance& i) {
   if (!i.create()) return false;
   return i.init() == WRN_OK && i.configure() == WRN_OK && i.start() == WRN_OK;
}

std::string printed(const value& v) {
   if (const auto* b = std::get_if<bool>(&v)) return *b ? "true" : "false";
   if (const auto* n = std::get_if<int64_t>(&v)) return say(*n);
   if (const auto* d = std::get_if<double>(&v)) return say(*d);
   if (const auto* t = std::get_if<std::string>(&v)) return say('"', t->substr(0, 40), '"');
   return say(std::get<std::vector<std::string>>(v).size(), " texts");
}

} // namespace

void config_values(const subject& s) {
   if (s.desc->params == nullptr || s.desc->params->name == nullptr) skip("it has no keys");
   for (const wrn_param* p = s.desc->params; p->name != nullptr; p++)
      for (const value& v : samples_of(*p)) {
         settings given;
         given.overrides[p->name] = v;
         world w(s, s.seed);
         instance& i = w.add(given);
         require(i.create(), "create() gave NULL");
         require(i.init() == WRN_OK, "init() failed");
         const wrn_status status = i.configure();
         if (status != WRN_OK) {
            require(!i.failure.empty(),
                    say("key '", p->name, "' = ", printed(v), " is refused with status ", status,
                        " and without a text for the operator"));
            // What a table cannot say may be refused; a number within its own range cannot be meant
            // by that.
            require(p->type == WRN_P_STRING || p->type == WRN_P_STRINGS || p->type == WRN_P_ENUM,
                    say("key '", p->name, "' = ", printed(v), " lies in its declared range \"",
                        p->range != nullptr ? p->range : "any", "\" and is refused: ", i.failure));
            i.destroy();
            continue;
         }
         i.destroy();
         rig r(s, given);
         r.load->begin();
         r.load->work();
         require(r.first().failure.empty(), say("with key '", p->name, "' = ", printed(v),
                                                " the instance gave up: ", r.first().failure));
         r.down();
      }
}

void lifecycle(const subject& s) {
   const kind& what = *find_kind(s.desc->kind);
   for (int twice = 0; twice < 2; twice++) {
      world w(s, s.seed);
      std::vector<std::unique_ptr<workload>> loads; // listen to the world to its end
      const auto ok = [](const char* verb, wrn_status status) {
         require(status == WRN_OK, say(verb, "() refused with status ", status));
      };
      // How far a life goes: created, initialised, configured once, configured again.
      for (int far = 0; far < 4; far++) {
         instance& i = w.add();
         require(i.create(), "create() gave NULL");
         if (far > 0) ok("init", i.init());
         if (far > 1) ok("configure", i.configure());
         if (far > 2) ok("a second configure", i.configure());
         i.destroy();
      }
      for (const bool drains : {false, true})
         for (const bool works : {false, true}) {
            instance& i = w.add();
            i.up();
            workload& load = *loads.emplace_back(what.make(w, {&i}));
            if (works) load.begin();
            if (works) load.load();
            if (drains) i.drain(w.now + second);
            i.stop();
            w.run_for(second); // what was under way comes too late
            i.destroy();
            w.run_for(second);
         }
   }
}

void restart(const subject& s) {
   rig r(s);
   r.load->begin();
   require_alive(*r.load, "before anything was stopped");
   for (const bool configured_again : {false, true}) {
      for (instance* i : r.all)
         i->stop();
      r.home.run_for(10 * second);
      for (instance* i : r.all) {
         if (configured_again)
            require(i->configure() == WRN_OK, "a stopped instance refuses configure()");
         require(i->start() == WRN_OK, "a stopped instance refuses start()");
      }
      r.load->begin();
      r.home.weather.loss_percent = 100; // so that nothing but timers gets it going
      r.load->load();
      r.home.run_for(20 * second);
      r.home.weather = {};
      r.home.run_for(20 * second);
      require_alive(*r.load, configured_again ? "after stop(), configure() and start()"
                                              : "after stop() and start()");
   }
   r.down();
}

void several_instances(const subject& s) {
   auto one = std::make_unique<rig>(s), other = std::make_unique<rig>(s, settings{}, 1),
        third = std::make_unique<rig>(s, settings{}, 2);
   for (rig* r : {one.get(), other.get(), third.get()})
      r->load->begin();
   for (rig* r : {one.get(), other.get()})
      require_alive(*r->load, "with six instances at once");
   one->load->work();
   one->down();
   require_alive(*other->load, "after other instances were destroyed");
   third->down();
   rig fresh(s);
   fresh.load->begin();
   other->load->work();
   require_alive(*fresh.load, "for an instance created beside older ones");
   require_alive(*other->load, "after another instance was created");
   other->down();
   fresh.down();
}

void ordinary(const subject& s) { ordinary_day(s, true); }

void absent_tables(const subject& s) {
   settings none;
   const auto needed = [&](const char* id) {
      for (const char* const* need = s.desc->needs; need != nullptr && *need != nullptr; need++)
         if (std::string_view(*need) == id) return true;
      return false;
   };
   for (const host_table* t : host_tables()) {
      if (needed(t->id)) continue;
      none.absent.emplace_back(t->id);
      settings without;
      without.absent = {t->id};
      rig r(s, without);
      r.load->begin();
      require_alive(*r.load,
                    say("without the host table ", t->id, ", which `needs` does not name"));
      r.down();
   }
   if (none.absent.empty()) skip("it needs every table that there is");
   rig r(s, none);
   r.load->begin();
   require_alive(*r.load, "without any host table that `needs` does not name");
   r.load->work();
   r.load->end();
   r.down();
}

void failing_calls(const subject& s) {
   const kind& what = *find_kind(s.desc->kind);
   const auto live = [&](const settings& set, bool must_recover) {
      world w(s, s.seed);
      std::vector<instance*> all;
      for (uint32_t i = 0; i < what.instances; i++)
         all.push_back(&w.add(i == 0 ? set : settings{}));
      bool up = true;
      for (instance* i : all)
         up = try_up(*i) && up;
      if (up) {
         auto load = what.make(w, all);
         load->begin();
         for (int i = 0; i < 3 && all[0]->active(); i++)
            load->work();
         w.run_for(20 * second);
         if (must_recover && all[0]->active())
            require_alive(*load, say("after one failed call of ", set.failing, "(), number ",
                                     set.failing_from + 1));
         if (all[0]->active()) load->load();
      }
      for (instance* i : all)
         i->down();
      return all[0]->calls;
   };
   const auto calls = live({}, false);
   if (calls.empty()) skip("it makes no host call that can fail");
   static constexpr std::string_view repeatable[] = {"timer_set", "pkt_alloc", "room", "resolve"};
   for (const auto& [function, count] : calls) {
      settings set;
      set.failing = function;
      set.failing_to = UINT32_MAX;
      live(set, false);
      const bool recovers = std::find(std::begin(repeatable), std::end(repeatable), function) !=
                            std::end(repeatable);
      for (uint32_t k = 0; k < std::min(count, 40u); k += k < 8 ? 1 : 4) {
         set.failing_from = k;
         set.failing_to = k + 1;
         live(set, recovers);
      }
   }
}

void host_calls(const subject& s) {
   ordinary_day(s);
   world w(s, s.seed);
   for (int far = 0; far < 3; far++) { // a life that ends early calls nobody, either
      instance& i = w.add();
      require(i.create(), "create() gave NULL");
      if (far > 0) i.init();
      if (far > 1) i.configure();
      i.destroy();
   }
}

void exceptions(const subject& s) {
   ordinary_day(s);
   rig r(s);
   r.load->begin();
   for (int i = 0; i < 5000; i++)
      r.load->any_call();
   r.first().drain(r.home.now + second);
   r.load->stale_calls();
   r.down();
}

} // namespace warren::check
