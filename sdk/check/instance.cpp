#include "sdk/check/instance.hpp"

#include <algorithm>
#include <cstring>
#include <sys/resource.h>
#include <time.h>

namespace warren::check {

namespace {

bool measuring = false;
// A callback holds up the whole strand: a tenth of a second is heard as a gap. Twice that is for
// slow machines.
constexpr int64_t cpu_ns_max = 200 * static_cast<int64_t>(ms),
                  blocked_ns_max = 5 * static_cast<int64_t>(ms);

int64_t clock_ns(clockid_t which) {
   timespec t{};
   ::clock_gettime(which, &t);
   return t.tv_sec * 1'000'000'000ll + t.tv_nsec;
}
long own_switches() {
   rusage r{};
   ::getrusage(RUSAGE_THREAD, &r);
   return r.ru_nvcsw;
}

} // namespace

void measure_calls(bool on) { measuring = on; }

instance::instance(world& w, uint32_t n, const settings& s)
    : home(w), number(n), set(s), address(world::address(n)),
      configured(complete_values(w.tested().desc->params)) {
   host_ = base_functions(*this);
   for (const auto& [name, v] : s.overrides)
      configured[name] = v;
   for (const wrn_param* p = w.tested().desc->params; p != nullptr && p->name != nullptr; p++) {
      if ((p->flags & WRN_PF_SECRET) == 0 || p->type != WRN_P_STRING ||
          s.overrides.contains(p->name))
         continue;
      const std::string secret = say("hush-", mix(n), "-hush");
      configured[p->name] = secret;
      secrets.emplace_back(secret.begin(), secret.end());
   }
}

instance::~instance() = default;

instance::scope::scope(instance& i, const char* what) : owner(i) {
   owner.depth_++;
   std::strncpy(page->call, what, sizeof page->call - 1);
   page->beat++;
   if (!measuring) return;
   switches = own_switches();
   wall_ns = clock_ns(CLOCK_MONOTONIC);
   cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
instance::scope::~scope() {
   if (measuring) {
      const int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns,
                    wall = clock_ns(CLOCK_MONOTONIC) - wall_ns;
      const bool control = owner.stage_ != stage::active &&
                           owner.stage_ != stage::stopping; // [main] may take its time
      if (cpu > cpu_ns_max * (control ? 10 : 1))
         fail(say(page->call, "() computed for ", cpu / 1'000'000,
                  " ms; the whole strand waits for it"));
      if (!control && wall > blocked_ns_max && own_switches() > switches)
         fail(say(page->call, "() blocked; it took ", wall / 1'000'000,
                  " ms, in which it computed for ", cpu / 1'000'000));
   }
   if (--owner.depth_ == 0) page->call[0] = '\0';
   page->beat++;
}

void instance::unwound(const char* what, const char* text) {
   fail(say("an exception left ", what, "() and would have unwound into the host: ", text,
            "; catch everything in each function that the host calls (the wrapper does)"));
}

instance& instance::of(const wrn_host* host, const char* function, place allowed) {
   instance& me = *static_cast<instance*>(host->data);
   const auto wrong = [&](const auto&... why) {
      found(flaw_call, say(function, "() was called ", why...));
   };
   if (allowed == place::any && me.stage_ != stage::creating) return me;
   if (std::this_thread::get_id() != me.home.strand)
      wrong("from a thread of the plugin's own; it belongs on the instance's strand");
   else if (me.stage_ == stage::creating)
      wrong("from create()");
   else if (me.stage_ == stage::stopped || me.stage_ == stage::destroying ||
            me.stage_ == stage::gone)
      wrong("after stop() had returned", me.depth_ != 0 ? say(", from ", page->call, "()") : "");
   else if (me.depth_ == 0)
      wrong("while no callback was under way");
   else if ((allowed == place::io || allowed == place::active) && me.stage_ != stage::active &&
            me.stage_ != stage::stopping)
      wrong("from ", page->call, "(), before start()");
   return me;
}

bool instance::fails(const char* function) {
   const uint32_t number_of_call = calls[function]++;
   return set.failing == function && number_of_call >= set.failing_from &&
          number_of_call < set.failing_to;
}

bool instance::create() {
   stage_ = stage::creating;
   plugin_ = enter("create",
                   [&] { return home.tested().factory->create(&host_, home.tested().desc->id); });
   stage_ = plugin_ != nullptr ? stage::created : stage::none;
   if (plugin_ == nullptr) return false;
   const wrn_plugin& p = *plugin_;
   require(p.init != nullptr && p.configure != nullptr && p.start != nullptr &&
                 p.drain != nullptr && p.stop != nullptr && p.destroy != nullptr &&
                 p.get_ext != nullptr && p.on_timer != nullptr,
           "the instance lacks a function that every plugin has; only on_event may be NULL");
   return true;
}

wrn_status instance::init() {
   wrn_error error{};
   const wrn_status status = enter("init", [&] { return plugin_->init(plugin_, &error); });
   if (status == WRN_OK) stage_ = stage::inactive;
   return status;
}

wrn_status instance::configure() {
   wrn_error error{};
   stage_ = stage::inactive;
   const auto* conf = reinterpret_cast<const wrn_conf*>(&configured);
   const wrn_status status =
         enter("configure", [&] { return plugin_->configure(plugin_, conf, &error); });
   const std::string_view text(error.text, strnlen(error.text, sizeof error.text));
   if (status != WRN_OK && failure.empty()) failure = text;
   if (holds_secret(*this, text))
      found(flaw_secret, "the text of an error in configure() holds a secret value");
   return status;
}

wrn_status instance::start() {
   wrn_error error{};
   stage_ = stage::active;
   const wrn_status status = enter("start", [&] { return plugin_->start(plugin_, &error); });
   if (status != WRN_OK) {
      if (failure.empty()) failure.assign(error.text, strnlen(error.text, sizeof error.text));
      stage_ = stage::stopped;
      check_left();
   }
   return status;
}

void instance::drain(wrn_time deadline) {
   enter("drain", [&] { plugin_->drain(plugin_, deadline); });
}

void instance::stop() {
   stage_ = stage::stopping;
   enter("stop", [&] { plugin_->stop(plugin_); });
   stage_ = stage::stopped;
   check_left();
}

/// Nobody owes anybody anything once stop() has returned.
void instance::check_left() {
   after_stop_base(*this);
   for (const host_table* t : host_tables())
      if (t->after_stop != nullptr) t->after_stop(*this);
   failure.clear();
}

void instance::destroy() {
   stage_ = stage::destroying;
   enter("destroy", [&] { plugin_->destroy(plugin_); });
   stage_ = stage::gone;
   plugin_ = nullptr;
}

void instance::up() {
   require(create(), "create() gave NULL for the id of its own description");
   const auto must = [&](const char* what, wrn_status status) {
      require(status == WRN_OK,
              say(what, "() refused with status ", status, failure.empty() ? "" : ": ", failure,
                  ", with a host that gives it all it needs"));
   };
   must("init", init());
   must("configure", configure());
   must("start", start());
}

void instance::down() {
   if (stage_ == stage::active) stop();
   if (plugin_ != nullptr) destroy();
}

void instance::event(uint32_t type) {
   if (plugin_->on_event == nullptr) return;
   struct {
      wrn_event head;
      uint64_t tail; // events may be longer than their head
   } e{{sizeof e, type, home.now}, 7};
   enter("on_event", [&] { plugin_->on_event(plugin_, &e.head); });
}

} // namespace warren::check
