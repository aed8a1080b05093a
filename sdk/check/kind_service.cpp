// Drives services: requests of the control API, and members to talk to.
#include "sdk/check/kind_mesh.hpp"

namespace warren::check {

namespace {

const char* missing(instance&) { return nullptr; } // everything is optional for a service

constexpr std::string_view paths[] = {"/",        "/say/hello",        "/notes", "/..",
                                      "/a/b/c/d", "/say/\xc3\xa4\"\\", "/%00",   "//"};
constexpr std::string_view bodies[] = {
      "{}", "[]", "null", "{\"text\":\"hello\"}", "[[[[[[[[1]]]]]]]]", "\"\\u0000\"", "-1e300"};

} // namespace

void service_load::own_work(instance& who) {
   ask_control(who, "GET", "/", "");
   ask_control(who, "POST", "/say/hello", "{}");
}

void service_load::load() {
   for (instance* who : all_)
      for (int i = 0; i < 30; i++)
         own_call(*who);
}

std::string service_load::alive() {
   for (instance* who : all_)
      if (!who->failure.empty()) return say("instance ", who->number, " gave up: ", who->failure);
   instance& who = *all_[0];
   auto& part = who.part<control_part>();
   part.open.clear();
   if (!ask_control(who, "GET", "/", "")) return "";
   for (int i = 0; i < 10 && !part.open.empty(); i++)
      world_.run_for(second);
   return part.open.empty() ? "" : "GET / is not answered within ten seconds";
}

bool service_load::own_call(instance& who) {
   chance& dice = world_.dice;
   const bool post = dice.one_in(2);
   std::string path(paths[dice.below(std::size(paths))]);
   if (dice.one_in(20)) path += std::string(dice.below(2000), 'x');
   return ask_control(who, post ? "POST" : "GET", path,
                      post ? bodies[dice.below(std::size(bodies))] : "");
}

extern const kind service_kind{
      WRN_KIND_SERVICE, "service", 2, missing,
      [](world& w, std::vector<instance*> all) -> std::unique_ptr<workload> {
         return std::make_unique<service_load>(w, std::move(all));
      }};

} // namespace warren::check
