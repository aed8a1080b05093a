// key generate, key show: the node's own keys. Works without a daemon.
#include "core/app/commands.hpp"
#include "core/base/address.hpp"
#include "core/trust/identity.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <sys/random.h>
#include <unistd.h>

namespace warren::app {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

/// The folder named, or that of the network's file.
struct key_folder {
   fs::path path;
   std::unique_ptr<configuration> all;       // holds what `network` points to
   const config::network* network = nullptr; // when there is a file
};

base::result<key_folder> find_folder(const command_context& c, const std::string& dir,
                                     bool network_wanted) {
   key_folder found;
   found.path = dir;
   if (!dir.empty() && !network_wanted) return found;
   found.all = load_configuration(c);
   auto network = pick_network(c, found.all->loaded.value);
   if (network) {
      found.network = *network;
      if (dir.empty()) found.path = (*network)->keys;
      return found;
   }
   if (!dir.empty()) return found; // then the network's file only adds to it
   if (!found.all->loaded.ok())
      return fail(errc::config, found.all->loaded.errors.front().format() +
                                      "; or name a folder: 'warren key generate DIR'");
   if (!c.network.empty()) { // its file may be written after its keys
      found.path = fs::path(found.all->loaded.value.host.state_dir) / c.network / "keys";
      return found;
   }
   return fail(network.error().code,
               network.error().text + "; or name a folder: 'warren key generate DIR'");
}

void print_keys(const command_context& c, const fs::path& folder, const trust::identity& keys) {
   const std::string id = crypto::format_node_id(keys.signing.id),
                     tunnel = crypto::format_tunnel_key(keys.tunnel.public_key);
   if (c.json)
      c.print(json::object{{"schema", "warren.keys/1"},
                           {"folder", folder.string()},
                           {"id", id},
                           {"tunnel_key", tunnel}});
   else
      c.out << "node id     " << id << "\ntunnel key  " << tunnel << "\nfolder      "
            << folder.string() << "\n";
}

int generate(const command_context& c, const std::string& dir) {
   auto folder = find_folder(c, dir, false);
   if (!folder) return c.refuse(folder.error());
   auto made = trust::generate(folder->path, system_random);
   if (!made) return c.refuse(made.error());
   print_keys(c, folder->path, *made);
   return exit_ok;
}

/// A table that another node's network file can take as it is.
void print_peer(const command_context& c, const trust::identity& keys,
                const config::network* network) {
   char host[256] = {};
   ::gethostname(host, sizeof host - 1);
   const std::string name = network != nullptr ? network->node_name : host;
   std::string addresses, endpoint;
   for (const wrn_addr& a : network != nullptr ? network->addresses : std::vector<wrn_addr>{}) {
      if (!addresses.empty()) addresses += ", ";
      addresses += "\"" + base::format_address(a) + "\"";
   }
   if (network != nullptr)
      for (const auto& use : network->transports)
         if (endpoint.empty() && use.listen && use.listen->port != 0 &&
             !use.plugin.starts_with('/'))
            endpoint = use.plugin + "://HOST:" + std::to_string(use.listen->port);
   c.out << "[[peer]]\nname = \"" << name << "\"\nid = \""
         << crypto::format_node_id(keys.signing.id) << "\"\n";
   c.out << (addresses.empty() ? "# addresses = [\"10.20.0.1\"]  # of its interface\n"
                               : "addresses = [" + addresses + "]\n");
   c.out << "# endpoints = [\"" << (endpoint.empty() ? "wireguard://HOST:51820" : endpoint)
         << "\"]  # where it can be reached, if it can\n";
}

int show(const command_context& c, const std::string& dir, bool peer) {
   auto folder = find_folder(c, dir, peer);
   if (!folder) return c.refuse(folder.error());
   auto keys = trust::load(folder->path);
   if (!keys) return c.refuse(keys.error());
   if (peer && !c.json)
      print_peer(c, *keys, folder->network);
   else
      print_keys(c, folder->path, *keys);
   return exit_ok;
}

} // namespace

void system_random(void* out, size_t size) {
   auto* bytes = static_cast<uint8_t*>(out);
   while (size != 0) {
      const ssize_t n = ::getrandom(bytes, size, 0);
      if (n < 0 && errno == EINTR) continue;
      WRN_ASSERT(n > 0);
      bytes += n;
      size -= static_cast<size_t>(n);
   }
}

void add_key_commands(CLI::App& root, command_context& c) {
   struct key_options {
      std::string dir;
      bool peer = false;
   };
   auto o = std::make_shared<key_options>();
   auto* key = root.add_subcommand("key", "The node's keys");
   key->require_subcommand(1, 1);
   auto* make = key->add_subcommand(
         "generate", "Make identity and tunnel key; existing ones are never overwritten");
   make->add_option("dir", o->dir, "Folder; omitted: the network's")->type_name("DIR");
   make->callback([&c, o] { c.action = [&c, o] { return generate(c, o->dir); }; });
   auto* look = key->add_subcommand("show", "Print node id and tunnel key (public)");
   look->add_option("dir", o->dir, "Folder; omitted: the network's")->type_name("DIR");
   look->add_flag("--peer", o->peer, "Print a [[peer]] table for the other nodes' files");
   look->callback([&c, o] { c.action = [&c, o] { return show(c, o->dir, o->peer); }; });
   add_key_rotate_command(*key, c);
}

} // namespace warren::app
