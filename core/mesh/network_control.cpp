// Requests of the control API that a plugin answers.
#include "core/mesh/network.hpp"

#include <algorithm>

namespace warren::mesh {

using base::errc;
using base::fail;

namespace {

constexpr uint64_t patience = 10'000'000'000;

}

void network::request(const plugin_request& what,
                      std::function<void(base::result<plugin_answer>)> done) {
   if (!running_) return done(fail(errc::state, "network " + name_ + " is not running"));
   const plugin::instance* found = nullptr;
   for (const auto& d : plugins_)
      if (what.plugin == d->desc().name) found = d.get();
   if (found == nullptr)
      return done(fail(errc::not_found, "no plugin '" + what.plugin + "' in " + name_ +
                                              "; 'warren status' shows which run"));
   const auto* table = found->ext<wrn_control>(WRN_EXT_CONTROL);
   if (table == nullptr)
      return done(fail(errc::unsupported, "plugin '" + what.plugin + "' answers no requests"));
   if (!found->active())
      return done(fail(errc::unavailable, "plugin '" + what.plugin + "' has failed"));
   if (requests_.size() >= base::limits::plugin_requests_max)
      return done(fail(errc::limit, "too many requests wait for plugins"));
   const uint64_t handle = next_handle_++;
   requests_.emplace(handle, pending_request{found, shard_.now() + patience, std::move(done)});
   want_maintenance();
   const auto text = [](const std::string& s) { return wrn_str{s.data(), s.size()}; };
   const wrn_request asked{text(what.method), text(what.path), text(what.body)};
   table->on_request(found->get(), handle, &asked);
}

wrn_status network::respond(plugin::instance& from, uint64_t handle, uint32_t status,
                            std::string_view json) {
   const auto it = requests_.find(handle);
   if (it == requests_.end() || it->second.from != &from) return WRN_E_NOT_FOUND;
   auto done = std::move(it->second.done);
   requests_.erase(it);
   const std::string who = std::string("plugin '") + from.desc().name + "'";
   if (json.size() > WRN_CONTROL_ANSWER_MAX) {
      done(fail(errc::internal, who + " gave an answer that is too large"));
      return WRN_E_TOO_BIG;
   }
   if (status < 200 || status > 599) {
      done(fail(errc::internal, who + " answered with status " + std::to_string(status)));
      return WRN_E_INVALID;
   }
   done(plugin_answer{status, std::string(json)});
   return WRN_OK;
}

void network::end_requests(const std::function<bool(const pending_request&)>& which,
                           const base::error& why) {
   std::vector<pending_request> ended;
   for (auto it = requests_.begin(); it != requests_.end();)
      if (which(it->second)) {
         ended.push_back(std::move(it->second));
         it = requests_.erase(it);
      } else {
         ++it;
      }
   for (pending_request& r : ended)
      r.done(why);
}

void network::forget_requests(const plugin::instance& d) {
   end_requests([&](const pending_request& r) { return r.from == &d; },
                fail(errc::unavailable, "the plugin was stopped"));
}

bool network::expire_requests() {
   const uint64_t now = shard_.now();
   end_requests([&](const pending_request& r) { return r.deadline <= now; },
                fail(errc::timeout, "the plugin did not answer within 10 seconds"));
   return !requests_.empty();
}

} // namespace warren::mesh
