#include "sdk/check/check.hpp"

#include "sdk/check/runner.hpp"

#include <algorithm>

namespace warren::check {

namespace {

bool applies(const property& p, uint32_t kind_id) {
   return p.kinds == every_kind || (p.kinds & only(kind_id)) != 0;
}

} // namespace

std::vector<property_info> list() {
   std::vector<property_info> all;
   for (const property& p : properties()) {
      std::string kinds = p.kinds == every_kind ? "every" : "";
      for (uint32_t id = 1; id < 32 && p.kinds != every_kind; id++)
         if (const kind* k = find_kind(id); k != nullptr && applies(p, id))
            kinds += (kinds.empty() ? "" : ", ") + std::string(k->name);
      all.push_back({p.name, p.holds, kinds});
   }
   return all;
}

bool run(const request& what, const std::function<void(const verdict&)>& on_verdict) {
   const auto wanted = [&](const property& p) {
      return what.only.empty() ||
             std::find(what.only.begin(), what.only.end(), p.name) != what.only.end();
   };
   bool good = true;
   const auto report = [&](const property& p, const std::string& plugin, const run_result& r) {
      verdict v{p.name, p.holds, plugin, result::ok, r.text, ""};
      if (r.result == outcome::failed) v.outcome = result::failed;
      if (r.result == outcome::skipped) v.outcome = result::skipped;
      if (v.outcome == result::failed) {
         good = false;
         v.reproduce =
               say("warren plugin check ", what.path, " --only ", p.name, " --seed ", what.seed);
      }
      on_verdict(v);
   };
   // Whether it loads has to be known in any case, and what is in it.
   bool loads = false;
   for (const property& p : properties()) {
      if (!p.before_load) continue;
      const bool is_loads = std::string_view(p.name) == "loads";
      if (!is_loads && !wanted(p)) continue;
      const run_result r = run_property(p, what, 0);
      if (is_loads) loads = r.result == outcome::ok;
      if (wanted(p) ||
          (is_loads && !loads &&
           std::any_of(properties().begin(), properties().end(),
                       [&](const property& q) { return !q.before_load && wanted(q); })))
         report(p, "", r);
   }
   const uint32_t count = loads ? page->plugin_count : 1;
   std::vector<std::pair<std::string, uint32_t>> plugins;
   for (uint32_t i = 0; i < count; i++)
      plugins.emplace_back(loads ? page->plugins[i].name : "", loads ? page->plugins[i].kind : 0);
   for (const property& p : properties()) {
      if (p.before_load || !wanted(p)) continue;
      for (uint32_t i = 0; i < (p.of_module ? 1 : count); i++) {
         const auto& [name, kind_id] = plugins[i];
         if (!loads)
            report(p, "", {outcome::skipped, "the module does not load"});
         else if (!applies(p, kind_id) && !what.only.empty())
            report(p, name, {outcome::skipped, "it is about another kind of plugin"});
         else if (applies(p, kind_id) || p.of_module)
            report(p, p.of_module ? "" : name, run_property(p, what, i));
      }
   }
   return good;
}

} // namespace warren::check
