// A running instance: timers, clocks, handles, packets, secrets, its end. Nothing here knows a
// kind.
#include "sdk/check/host_base.hpp"
#include "sdk/check/properties.hpp"

namespace warren::check {

namespace {

constexpr uint64_t idle_fires_per_second = 100;

/// No instance of the rig turns its timers faster than this while the clock runs.
void require_calm(rig& r, wrn_time how_long, const char* when) {
   for (instance* i : r.all)
      i->part<timer_part>().fired = 0;
   r.home.run_for(how_long);
   for (instance* i : r.all) {
      const uint64_t fired = i->part<timer_part>().fired;
      require(fired <= idle_fires_per_second * (how_long / second),
              say(fired, " timers fired in ", how_long / second, " s of the clock ", when,
                  ", more than ", idle_fires_per_second, " per second"));
   }
}

} // namespace

void idle_timers(const subject& s) {
   rig r(s);
   require_calm(r, 60 * second, "before there was anything to do");
   r.load->begin();
   r.load->work();
   require_calm(r, 600 * second, "while nothing happened");
   r.load->load();
   if (r.all.size() > 1) r.all[1]->stop(); // nobody answers any more
   require_calm(r, 600 * second, "while nobody answered");
   r.load->end();
   require_calm(r, 60 * second, "after everything was closed");
   r.down();
}

void clock_jumps(const subject& s) {
   rig r(s);
   r.load->begin();
   require_alive(*r.load, "before the clock jumped");
   r.load->load();
   r.home.jump(10ull * 365 * 86400 * second);
   r.home.run_for(second);
   require_alive(*r.load, "after the clock jumped ten years ahead");
   {
      rig starting(s); // the same while timers are what keeps it going
      starting.home.weather.loss_percent = 100;
      starting.load->begin();
      starting.load->load();
      starting.home.run_for(2500 * ms);
      starting.home.jump(10ull * 365 * 86400 * second);
      starting.home.run_for(second);
      starting.home.weather = {};
      require_alive(*starting.load, "after the clock jumped ten years ahead while nobody answered");
      starting.down();
   }
   for (const int64_t days : {-1, -400, 1000, -20'000}) {
      r.home.wall_shift += days * 86400 * static_cast<int64_t>(second);
      r.load->work();
      require_alive(*r.load, say("after the wall clock jumped by ", days, " days"));
   }
   r.load->end();
   r.down();
}

void stale_handles(const subject& s) {
   rig r(s);
   r.load->begin();
   r.load->work();
   r.load->stale_calls(); // never were
   r.load->load();
   r.load->end();
   r.load->stale_calls();
   r.home.run_for(300 * second); // timers of what is closed
   r.load->stale_calls();
   for (instance* i : r.all) // what was not taken back is found by stop()
      require(r.home.pool.held(i->number) == 0,
              "packets given for a closed link are still held; drop them");
   r.down();
}

void gone(const subject& s) {
   ordinary_day(s);
   for (uint64_t round = 0; round < 20; round++) {
      rig r(s, {}, round);
      r.load->begin();
      r.load->work();
      r.load->load();
      r.home.run_for(r.home.dice.below(3) * ms);
      r.load->end();
      r.home.run_for(300 * second);
      r.down();
   }
}

/// Ends while everything is still on its way up and nobody answers.
void end_early(const subject& s, bool drains = false) {
   for (uint64_t round = 0; round < 6; round++) {
      rig r(s, {}, round);
      r.home.weather.loss_percent = 100;
      r.load->begin();
      r.load->load();
      r.home.run_for(round * 700 * ms);
      if (drains) r.first().drain(r.home.now + second);
      if (drains && round % 2 != 0) r.home.run_for(second);
      r.down();
   }
}

void left_behind(const subject& s) {
   ordinary_day(s);
   end_early(s);
   for (uint64_t round = 0; round < 20; round++) {
      rig r(s, {}, round);
      r.load->begin();
      r.load->work();
      r.load->load();
      r.home.run_for(r.home.dice.below(200) * ms);
      r.down(); // nothing was closed
   }
}

void packet_balance(const subject& s) {
   ordinary_day(s);
   end_early(s);
   rig r(s);
   r.load->begin();
   r.load->load(); // nobody is up yet
   r.home.run_for(10 * ms);
   r.load->load();
   r.home.run_for(30 * second);
   for (int i = 0; i < 3000; i++)
      r.load->any_call();
   r.load->stale_calls();
   r.home.run_for(600 * second);
   r.home.pool.inspect();
   r.down();
}

void packet_bounds(const subject& s) { packet_balance(s); }

void secrets(const subject& s) {
   ordinary_day(s);
   rig r(s);
   r.load->begin();
   for (int i = 0; i < 3000; i++)
      r.load->any_call();
   r.down();
}

void stop_under_load(const subject& s) {
   for (uint64_t round = 0; round < 40; round++) {
      rig r(s, {}, round);
      r.load->begin();
      if (round % 3 != 0) r.load->work();
      for (uint64_t n = r.home.dice.below(100); n > 0; n--)
         r.load->any_call();
      r.load->load();
      if (round % 2 != 0) r.home.run_for(r.home.dice.below(3000) * us);
      r.first().down();
      r.home.run_for(second); // datagrams, answers and timers that come too late
      r.down();
   }
}

void drain(const subject& s) {
   end_early(s, true);
   for (uint64_t round = 0; round < 10; round++) {
      rig r(s, {}, round);
      r.load->begin();
      r.load->work();
      r.load->load();
      const wrn_time deadline = r.home.now + (round % 2 == 0 ? 2 * second : 0);
      r.first().drain(deadline);
      if (round % 3 == 0) r.first().drain(deadline); // an impatient operator
      if (round % 2 == 0) r.load->work();            // the peers know nothing of it
      r.down();
   }
}

void determinism(const subject& s) {
   if ((s.desc->caps & WRN_CAP_DETERMINISTIC) == 0) skip("it does not claim WRN_CAP_DETERMINISTIC");
   const auto run = [&] {
      rig r(s);
      r.home.tracing = true;
      r.home.weather = {10, 5, 2 * ms, 20 * ms, 65535};
      r.load->begin();
      r.load->work();
      for (int i = 0; i < 2000; i++)
         r.load->any_call();
      r.load->load();
      r.home.run_for(300 * second);
      r.down();
      return std::move(r.home.trace);
   };
   const std::vector<trace_entry> once = run();
   // The second run finds another heap: what follows from addresses differs.
   std::vector<std::unique_ptr<char[]>> elsewhere;
   for (uint64_t x = 1; elsewhere.size() < 2000; x = mix(x))
      elsewhere.push_back(std::make_unique<char[]>(x % 3000 + 1));
   for (size_t i = 0; i < elsewhere.size(); i += 3)
      elsewhere[i].reset();
   const std::vector<trace_entry> again = run();
   bool other_bytes = false;
   for (size_t i = 0; i < once.size() && i < again.size(); i++) {
      const trace_entry &a = once[i], &b = again[i];
      const auto line = [](const trace_entry& t) {
         return say(t.what, " of instance ", t.who, " at ", t.at, " ns, to ", t.to, ", ", t.size,
                    " bytes");
      };
      require(a.at == b.at && std::string_view(a.what) == b.what && a.who == b.who &&
                    a.to == b.to && a.size == b.size,
              say("two runs with the same seed differ at event ", i, ": ", line(a), "; then ",
                  line(b)));
      other_bytes = other_bytes || a.content != b.content;
   }
   require(once.size() == again.size(),
           say("two runs with the same seed have ", once.size(), " and ", again.size(), " events"));
   if (other_bytes)
      note("same times, places and lengths, but other bytes: some library has dice of its own");
}

void random_calls(const subject& s) {
   for (uint64_t round = 0; round < 4; round++) {
      rig r(s, {}, round);
      if (round % 2 != 0) r.home.weather = {20, 10, 0, 50 * ms, 65535};
      r.load->begin();
      for (int i = 0; i < 25'000; i++)
         r.load->any_call();
      r.home.weather = {};
      if (r.first().active() && round < 2) {
         r.load->end();
         r.home.run_for(300 * second); // rate limits and bans run out
      }
      r.down();
   }
}

} // namespace warren::check
