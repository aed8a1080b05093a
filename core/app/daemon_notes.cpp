#include "core/app/daemon_notes.hpp"

#include <algorithm>
#include <cstdlib>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace warren::app {

void notify_systemd(std::string_view state) {
   const char* path = std::getenv("NOTIFY_SOCKET");
   if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
   sockaddr_un address{};
   address.sun_family = AF_UNIX;
   const std::string_view name(path);
   if (name.size() >= sizeof address.sun_path) return;
   std::copy(name.begin(), name.end(), address.sun_path);
   if (name[0] == '@') address.sun_path[0] = '\0';
   const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
   if (fd < 0) return;
   (void)::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size()));
   ::close(fd);
}

std::string describe_change(const config::network& before, const config::network& after) {
   const auto has = [](const std::vector<config::peer>& list, const config::peer& p) {
      return std::find(list.begin(), list.end(), p) != list.end();
   };
   size_t added = 0, removed = 0, changed = 0;
   for (const auto& p : after.peers) {
      if (has(before.peers, p)) continue;
      const bool known = std::any_of(before.peers.begin(), before.peers.end(),
                                     [&](const auto& q) { return q.name == p.name; });
      (known ? changed : added)++;
   }
   for (const auto& p : before.peers)
      removed += std::none_of(after.peers.begin(), after.peers.end(),
                              [&](const auto& q) { return q.name == p.name; })
                       ? 1
                       : 0;
   std::string text;
   const auto say = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
   if (added != 0) say(std::to_string(added) + " peers added");
   if (removed != 0) say(std::to_string(removed) + " peers removed");
   if (changed != 0) say(std::to_string(changed) + " peers changed");
   for (const auto* list : {&after.transports, &after.plugins})
      for (const auto& use : *list) {
         const auto& old = list == &after.transports ? before.transports : before.plugins;
         if (std::find(old.begin(), old.end(), use) == old.end())
            say("'" + use.plugin + "' restarted");
      }
   if (before.interface != after.interface || before.mtu != after.mtu ||
       before.offload != after.offload)
      say("interface changed");
   if (!(before.acl == after.acl)) say("access rules changed");
   return text.empty() ? "nothing restarted" : text;
}

} // namespace warren::app
