// import wg-quick, export wg-quick: to and from stock WireGuard. Works without a daemon.
#include "core/app/commands.hpp"
#include "core/base/address.hpp"
#include "core/base/encode.hpp"
#include "core/base/limits.hpp"
#include "core/config/wg_quick.hpp"
#include "core/crypto/key_file.hpp"
#include "core/trust/identity.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <fstream>

namespace warren::app {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

base::result<std::string> read_file(const fs::path& file) {
   std::ifstream in(file, std::ios::binary);
   if (!in) {
      const int e = errno;
      return base::fail_errno(base::errc_of_errno(e), "cannot read " + file.string(), e);
   }
   std::string text(base::limits::config_bytes_max + 1, '\0');
   in.read(text.data(), static_cast<std::streamsize>(text.size()));
   text.resize(static_cast<size_t>(in.gcount())); // one byte too many is refused by the parser
   return text;
}

/// Files that an import made; all go again unless it is completed.
class new_files {
 public:
   new_files() = default;
   ~new_files() {
      std::error_code ignored;
      for (const fs::path& f : written_)
         fs::remove(f, ignored);
   }
   new_files(const new_files&) = delete;
   new_files& operator=(const new_files&) = delete;
   base::result<void> write(const fs::path& file, std::string_view text) {
      auto ok = crypto::write_private_file(file, text, false);
      if (ok) written_.push_back(file);
      return ok;
   }
   void keep() { written_.clear(); }

 private:
   std::vector<fs::path> written_;
};

base::result<void> make_private_folder(const fs::path& folder) {
   std::error_code ec;
   const bool made = fs::create_directories(folder, ec);
   if (!ec && made) fs::permissions(folder, fs::perms::owner_all, ec);
   if (ec)
      return fail(base::errc_of_errno(ec.value()),
                  "cannot create " + folder.string() + ": " + ec.message());
   return {};
}

int import(const command_context& c, const std::string& file, const std::string& dir) {
   auto text = read_file(file);
   if (!text) return c.refuse(text.error());
   auto parsed = config::parse_wg_quick(*text, file);
   if (!parsed.ok()) return refuse_mistakes(c, parsed.errors);
   config::wg_quick& w = parsed.value;

   // Beside the daemon's other networks, or all in one folder.
   const std::string name = fs::path(file).stem().string();
   auto host = config::load_daemon(c.config, !c.config_given);
   if (!host.ok()) return refuse_mistakes(c, host.errors);
   const fs::path folder = dir.empty() ? fs::path(host.value.networks_dir) : fs::path(dir);
   const fs::path target = folder / (name + ".toml");
   const fs::path keys =
         dir.empty() ? fs::path(host.value.state_dir) / name / "keys" : folder / (name + ".keys");
   const std::string keys_in_file = dir.empty() ? "" : name + ".keys";
   const auto psk_file = [&](const std::string& peer) {
      return (dir.empty() ? keys : fs::path(keys_in_file)) / (peer + ".psk");
   };
   const std::string network = config::network_from_wg_quick(
         w, {keys_in_file, [&](const std::string& peer) { return psk_file(peer).string(); }});
   std::vector<fs::path> secrets{keys / trust::identity_file, keys / trust::tunnel_file};
   for (const auto& p : w.peers)
      if (p.psk) secrets.push_back(keys / (p.name + ".psk"));
   std::error_code ec;
   for (const fs::path& f : secrets)
      if (fs::exists(f, ec))
         return c.refuse(fail(errc::exists,
                              f.string() + " exists; nothing was imported, move it away first"));
   if (fs::exists(target, ec))
      return c.refuse(fail(errc::exists,
                           target.string() + " exists; nothing was imported, move it away first"));

   new_files made;
   for (const fs::path& f : {folder, keys})
      if (auto ok = make_private_folder(f); !ok) return c.refuse(ok.error());
   const auto write_secret = [&](const fs::path& f, std::span<const uint8_t> bytes) {
      return made.write(f, base::base64_encode(bytes) + "\n");
   };
   if (auto ok = write_secret(keys / trust::tunnel_file, w.private_key->bytes()); !ok)
      return c.refuse(ok.error());
   const auto identity = crypto::make_signing_key(system_random);
   if (auto ok = write_secret(keys / trust::identity_file, identity.seed.bytes()); !ok)
      return c.refuse(ok.error());
   for (const auto& p : w.peers)
      if (p.psk)
         if (auto ok = write_secret(keys / (p.name + ".psk"), *p.psk); !ok)
            return c.refuse(ok.error());
   // What the daemon would refuse is not left behind.
   plugin::registry plugins;
   scan_plugins(c, plugins);
   if (const auto n =
             config::parse_network(network, fs::absolute(target), host.value, schemas_of(plugins));
       !n.ok())
      return refuse_mistakes(c, n.errors);
   if (auto ok = made.write(target, network); !ok) return c.refuse(ok.error());
   made.keep();

   json::array warnings;
   for (const auto& warning : w.warnings)
      warnings.push_back(json::string(warning.format()));
   for (const auto& p : w.peers)
      if (std::any_of(p.allowed_ips.begin(), p.allowed_ips.end(),
                      [](const wrn_addr& a) { return a.prefix_len == 0; }))
         warnings.push_back(json::string(p.where.file + ":" + std::to_string(p.where.line) + ":" +
                                         std::to_string(p.where.column) +
                                         ": the default route of peer '" + p.name +
                                         "' is left out: it would take the tunnel's own packets"));
   for (const json::value& warning : warnings)
      c.err << "warren: warning: " << printable(warning.as_string()) << "\n";
   if (c.json) {
      c.print(json::object{{"schema", "warren.import/1"},
                           {"network", name},
                           {"file", target.string()},
                           {"keys", keys.string()},
                           {"peers", w.peers.size()},
                           {"warnings", std::move(warnings)}});
      return exit_ok;
   }
   c.out << "network  " << target.string() << ", " << w.peers.size()
         << (w.peers.size() == 1 ? " peer" : " peers") << "\nkeys     " << keys.string()
         << "\nnext     "
         << (dir.empty()
                   ? "'wg-quick down' the old interface, then 'warren up' or 'warren reload'\n"
                   : "look it over, then move both to the daemon's networks folder\n");
   return exit_ok;
}

struct export_options {
   std::string peer, endpoint;
};

/// The peer that the file is for: the one named, or the only stock one.
base::result<const config::peer*> pick_stock_peer(const config::network& n,
                                                  const std::string& name) {
   std::string stock;
   const config::peer* found = nullptr;
   size_t count = 0;
   for (const auto& p : n.peers) {
      if (p.name == name) {
         if (p.id)
            return fail(errc::invalid, "peer '" + name +
                                             "' is a Warren node; 'warren key show --peer' there "
                                             "and here is what it needs");
         return &p;
      }
      if (p.id) continue;
      found = &p;
      count++;
      stock += (stock.empty() ? "" : ", ") + p.name;
   }
   if (name.empty() && count == 1) return found;
   if (!name.empty())
      return fail(errc::not_found,
                  "no peer '" + name + "' in " + n.file +
                        (stock.empty() ? "" : "; stock WireGuard peers are " + stock));
   return fail(count == 0 ? errc::not_found : errc::invalid,
               count == 0
                     ? "no stock WireGuard peer in " + n.file + "; add a [[peer]] with 'tunnel_key'"
                     : "there are several stock peers: " + stock + "; name one with --peer");
}

int export_file(const command_context& c, const export_options& o) {
   const auto all = load_configuration(c);
   if (!all->loaded.ok()) return refuse_mistakes(c, all->loaded.errors);
   auto network = pick_network(c, all->loaded.value);
   if (!network) return c.refuse(network.error());
   const config::network& n = **network;
   auto peer = pick_stock_peer(n, o.peer);
   if (!peer) return c.refuse(peer.error());
   auto keys = trust::load(n.keys);
   if (!keys) return c.refuse(keys.error());

   config::wg_quick w;
   w.mtu = n.mtu;
   // The peer sees the network as we do: our prefix lengths, its own address.
   for (wrn_addr a : (*peer)->addresses) {
      for (const wrn_addr& own : n.addresses)
         if (base::contains(own, a)) a.prefix_len = own.prefix_len;
      w.addresses.push_back(a);
   }
   config::wg_quick_peer us;
   us.name = n.node_name;
   us.public_key = keys->tunnel.public_key;
   us.psk = (*peer)->psk;
   for (wrn_addr a : n.addresses) {
      a.prefix_len = base::address_bits(a);
      us.allowed_ips.push_back(a);
   }
   us.endpoint = o.endpoint;
   us.keepalive_s = o.endpoint.empty() ? 0 : 25; // it calls us, maybe from behind a NAT
   w.peers.push_back(std::move(us));
   const std::string text = config::format_wg_quick(w);
   if (!o.endpoint.empty())
      for (const auto& e : config::parse_wg_quick(text, "").errors)
         if (e.text.starts_with("Endpoint")) return c.refuse(fail(errc::invalid, e.text));
   if (c.json)
      c.print(json::object{{"schema", "warren.export/1"},
                           {"network", n.name},
                           {"peer", (*peer)->name},
                           {"text", text}});
   else
      c.out << text;
   if (o.endpoint.empty())
      c.err << "warren: the file has no Endpoint; with --endpoint HOST:PORT the peer can call this "
               "node\n";
   return exit_ok;
}

} // namespace

void add_wg_quick_commands(CLI::App& root, command_context& c) {
   struct import_options {
      std::string file, dir;
   };
   auto i = std::make_shared<import_options>();
   auto* imports =
         root.add_subcommand("import", "Make a network from another program's configuration");
   imports->require_subcommand(1, 1);
   auto* from =
         imports->add_subcommand("wg-quick", "Make a network file and keys from a wg-quick file");
   from->add_option("file", i->file,
                    "For example /etc/wireguard/wg0.conf; its name becomes the network's")
         ->required()
         ->type_name("FILE");
   from->add_option("-o,--output", i->dir,
                    "Put network file and keys here instead of the daemon's folders")
         ->type_name("DIR");
   from->callback([&c, i] { c.action = [&c, i] { return import(c, i->file, i->dir); }; });

   auto o = std::make_shared<export_options>();
   auto* exports = root.add_subcommand("export", "Write configuration for another program");
   exports->require_subcommand(1, 1);
   auto* to =
         exports->add_subcommand("wg-quick", "Print the wg-quick file of a stock WireGuard peer");
   to->add_option("--peer", o->peer, "Whose; omitted: the only stock peer's")->type_name("NAME");
   to->add_option("--endpoint", o->endpoint, "Where the peer reaches this node")
         ->type_name("HOST:PORT");
   to->callback([&c, o] { c.action = [&c, o] { return export_file(c, *o); }; });
}

} // namespace warren::app
