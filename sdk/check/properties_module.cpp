// The file and what the module says about itself.
#include "core/plugin/module.hpp"
#include "sdk/check/elf.hpp"
#include "sdk/check/properties.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

constexpr std::string_view entry_symbol = "wrn_entry_0";

/// What a deterministic plugin has no use for, since it all comes from the host.
constexpr std::string_view forbidden[] = {
      "clock_gettime",
      "gettimeofday",
      "time",
      "ftime",
      "timespec_get",
      "clock",
      "times",
      "nanosleep",
      "clock_nanosleep",
      "usleep",
      "sleep",
      "getrandom",
      "getentropy",
      "rand",
      "rand_r",
      "srand",
      "random",
      "srandom",
      "drand48",
      "lrand48",
      "arc4random",
      "arc4random_buf",
      "arc4random_uniform",
      "RAND_bytes",
      "RAND_priv_bytes",
      "randombytes_buf",
      "randombytes_random",
      "randombytes_uniform",
      "socket",
      "bind",
      "connect",
      "listen",
      "accept",
      "accept4",
      "sendto",
      "recvfrom",
      "sendmsg",
      "recvmsg",
      "sendmmsg",
      "recvmmsg",
      "getaddrinfo",
      "gethostbyname",
      "pthread_create",
      "thrd_create",
      "fork",
      "vfork",
      "clone",
      "posix_spawn",
      "system",
      "popen",
      "timer_create",
      "timerfd_create",
      "setitimer",
      "alarm",
      "exit",
      "_exit",
      "chdir",
      "setenv",
      "putenv",
      "signal",
      "sigaction",
      "_ZNSt6chrono3_V212steady_clock3nowEv",
      "_ZNSt6chrono3_V212system_clock3nowEv",
      "_ZNSt13random_device7_M_initERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
      "_ZNSt13random_device9_M_getvalEv"};

std::string joined(const std::vector<std::string>& names) {
   std::string out;
   for (size_t i = 0; i < names.size() && i < 8; i++)
      out += (i == 0 ? "" : ", ") + names[i];
   return names.size() > 8 ? say(out, " and ", names.size() - 8, " more") : out;
}

void check_text(const char* text, const char* what) {
   require(text != nullptr && *text != '\0', say("the description has no ", what));
}

} // namespace

void elf(const subject& s) {
   const auto symbols = read_elf(s.path);
   require(symbols.problem.empty(), s.path + ": " + symbols.problem);
}

void exports(const subject& s) {
   auto symbols = read_elf(s.path);
   require(symbols.problem.empty(), s.path + ": " + symbols.problem);
   auto& all = symbols.exported;
   const auto at = std::find(all.begin(), all.end(), entry_symbol);
   require(at != all.end(),
           say("it does not export ", entry_symbol,
               "; write WRN_EXPORT extern const wrn_entry wrn_entry_0, with C linkage"));
   all.erase(at);
   require(all.empty(),
           say("it also exports ", joined(all),
               "; build it with warren_add_plugin() or the version script plugin.map"));
}

void loads(const subject& s) {
   const auto loaded = plugin::module::load(s.path);
   require(loaded.has_value(), loaded.has_value() ? "" : loaded.error().text);
   page->plugin_count = 0;
   for (const wrn_plugin_desc* d : (*loaded)->plugins()) {
      if (page->plugin_count == std::size(page->plugins)) break;
      auto& out = page->plugins[page->plugin_count++];
      std::strncpy(out.name, d->name, sizeof out.name - 1);
      std::strncpy(out.version, d->version, sizeof out.version - 1);
      out.kind = d->kind;
      out.caps = d->caps;
   }
}

void entry(const subject& s) {
   const wrn_factory& f = *s.factory;
   const uint32_t count = f.count();
   for (int i = 0; i < 20; i++)
      require(count == f.count(), "count() of the factory changes from call to call");
   std::vector<std::string> ids;
   for (uint32_t i = 0; i < count; i++) {
      const wrn_plugin_desc* d = f.desc(i);
      require(d != nullptr, say("count() is ", count, ", and desc(", i, ") is NULL"));
      require(d == f.desc(i),
              say("desc(", i, ") is another one at the second call; it is lent until deinit()"));
      require(std::find(ids.begin(), ids.end(), d->id) == ids.end(),
              say("two plugins have the id ", d->id));
      ids.emplace_back(d->id);
   }
   for (const uint32_t beyond : {count, count + 1, UINT32_MAX})
      require(f.desc(beyond) == nullptr,
              say("count() is ", count, ", and desc(", beyond, ") is not NULL"));
   static const wrn_host nobody{}; // create() makes no host calls
   for (const char* id : {"com.example.nobody", "", "org.warren", "%s"})
      require(f.create(&nobody, id) == nullptr,
              say("create() made an instance for the unknown id \"", id, "\""));
}

void description(const subject& s) {
   const wrn_plugin_desc& d = *s.desc;
   check_text(d.id, "id");
   check_text(d.name, "name");
   check_text(d.vendor, "vendor");
   check_text(d.version, "version");
   check_text(d.license, "license (an SPDX expression)");
   check_text(d.summary, "summary");
   const std::string_view id = d.id, summary = d.summary;
   require(std::count(id.begin(), id.end(), '.') >= 2 && id.find(' ') == id.npos,
           say("the id \"", id, "\" is no reverse DNS name such as com.acme.wire"));
   require(summary.find('\n') == summary.npos && summary.size() <= 200,
           "the summary is not one sentence");
   require(d.kind >= WRN_KIND_TRANSPORT && d.kind <= WRN_KIND_SERVICE,
           say("it is of kind ", d.kind, ", which this ABI does not have"));
   require((d.caps & ~uint64_t{WRN_CAP_DETERMINISTIC}) == 0,
           say("caps has bits that this ABI does not have: ", d.caps));
   for (const char* const* need = d.needs; need != nullptr && *need != nullptr; need++) {
      const auto& tables = host_tables();
      require(std::any_of(tables.begin(), tables.end(),
                          [&](const host_table* t) { return std::strcmp(t->id, *need) == 0; }) ||
                    is_table_to_come(*need),
              say("it needs the host table ", *need, ", which this ABI does not have"));
   }
   std::vector<std::string> names;
   for (const wrn_param* p = d.params; p != nullptr && p->name != nullptr; p++) {
      const std::string name = p->name;
      require(!name.empty() && std::all_of(name.begin(), name.end(),
                                           [](char c) {
                                              return (c >= 'a' && c <= 'z') ||
                                                     (c >= '0' && c <= '9') || c == '_';
                                           }),
              say("the key \"", name, "\" is not snake_case"));
      require(std::find(names.begin(), names.end(), name) == names.end(),
              say("the key '", name, "' is declared twice"));
      names.push_back(name);
      require(p->type >= WRN_P_BOOL && p->type <= WRN_P_STRINGS,
              say("the key '", name, "' has no type"));
      require(p->help != nullptr && *p->help != '\0', say("the key '", name, "' has no help text"));
      require((p->flags & ~uint32_t{WRN_PF_REQUIRED | WRN_PF_SECRET}) == 0,
              say("the key '", name, "' has flags that this ABI does not have"));
      require((p->flags & WRN_PF_REQUIRED) == 0 || p->deflt == nullptr,
              say("the key '", name, "' is required and has a default"));
      const std::string wrong = range_problem(*p);
      require(wrong.empty(), say("the key '", name, "': ", wrong));
   }
}

void defaults(const subject& s) {
   if (s.desc->params == nullptr || s.desc->params->name == nullptr) skip("it has no keys");
   for (const wrn_param* p = s.desc->params; p->name != nullptr; p++) {
      std::string problem;
      const auto v = default_of(*p, problem);
      if (problem.empty() && v) problem = misfit(*p, *v);
      require(problem.empty(), say("the key '", p->name, "': ", problem));
   }
}

void imports(const subject& s) {
   if ((s.desc->caps & WRN_CAP_DETERMINISTIC) == 0) skip("it does not claim WRN_CAP_DETERMINISTIC");
   std::vector<std::string> seen;
   for (const std::string& name : read_elf(s.path).imported)
      if (std::find(std::begin(forbidden), std::end(forbidden), name) != std::end(forbidden))
         seen.push_back(name);
   require(seen.empty(), say("it claims WRN_CAP_DETERMINISTIC and imports ", joined(seen),
                             "; the host has clock, dice, timers, sockets and names"));
}

} // namespace warren::check
