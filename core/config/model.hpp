// What warren.toml and a network's file say, as plain values. Filled by config/load.hpp, read by
// everybody; no behaviour. A value of these types is complete and valid: defaults are in, names are
// unique, addresses parsed, secrets read.
#pragma once

#include "core/base/log.hpp"
#include "core/base/offload.hpp"
#include "core/crypto/keys.hpp"
#include "warren/plugin.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace warren::config {

/// Where something stands in the operator's files; line and column count from 1, 0 = unknown.
struct location {
   std::string file;
   uint32_t line = 0;
   uint32_t column = 0;
   bool operator==(const location&) const { return true; } // moving a line changes nothing
};

/// The validated values of a plugin's own table, defaults filled in. What wrn_conf points to.
struct plugin_values {
   using value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;
   struct entry {
      value content;
      location where;
      bool operator==(const entry&) const = default;
   };
   std::map<std::string, entry, std::less<>> entries;
   location where;
   bool operator==(const plugin_values&) const = default;
};

/// One [[transport]], [[discovery]], [[routing]] or [[service]] table.
struct plugin_use {
   uint32_t kind = WRN_KIND_TRANSPORT;
   std::string plugin; // the one word, or an absolute path of a module
   std::optional<wrn_addr>
         listen; // transports; nothing = "auto": any address, a port the system chooses
   plugin_values values;
   location where;
};
bool operator==(const plugin_use& a, const plugin_use& b);

/// One [[peer]] table.
struct peer {
   std::string name;
   std::optional<crypto::bytes32> id; // Warren node
   std::optional<crypto::bytes32>
         tunnel_key; // stock WireGuard peer, or a pinned key of a Warren node
   std::optional<crypto::bytes32> psk;
   std::vector<wrn_addr> addresses;    // its own, /32 and /128
   std::vector<wrn_addr> routes;       // what else it owns
   std::vector<std::string> endpoints; // "wireguard://nas.example.net:51820", best first
   uint32_t keepalive_s = 0;           // 0 = never
   // From its certificate; empty for peers of the operator's files.
   uint32_t number = 0; // member number, 0 = none
   std::vector<std::string> groups, tags, roles;
   bool keep = false; // its link is kept without traffic
   location where;
};
bool operator==(const peer& a, const peer& b);

/// [acl]: who may reach what. The rules are text here; core/route knows what they mean.
struct acl_settings {
   std::string file; // empty: everything is accepted
   std::string text; // of the file, as it was read
   bool default_accept = false;
   bool operator==(const acl_settings&) const = default;
};

/// network.profile: rules for one of several networks on a node, where the file names none.
/// "strict": nothing passes but what rules (the network document's, too) allow; "internet_only":
/// only public addresses behind an exit, no members, no networks of theirs; "local_only": members
/// and what they own, nothing public. False for another word.
bool use_profile(std::string_view word, acl_settings& acl);
inline constexpr const char* profile_words = "\"strict\", \"internet_only\" or \"local_only\"";
/// What acl_settings::file is with "strict": the network document may take its place.
inline constexpr std::string_view strict_profile = "profile strict";

/// One file under networks/.
struct network {
   std::string name;      // of the file, without ".toml"
   std::string interface; // default: the name, cut to 15 bytes
   uint32_t mtu = 1420;
   std::string keys;                   // folder of identity.key and tunnel.key
   std::string node_name;              // default: the host's
   std::vector<wrn_addr> addresses;    // of the interface, with prefix length
   std::vector<std::string> endpoints; // where others reach this node, beside its own addresses
   bool allow_plaintext = false;
   base::offload_set offload{};        // that may be used
   bool relay = false;                 // passes on what members send each other through this node
   std::vector<plugin_use> transports; // in order of preference
   std::vector<plugin_use> plugins;    // the other kinds, as written
   std::vector<peer> peers;
   acl_settings acl;
   /// Of a network with certificates: its peers are its members, beside those of the file. Nothing:
   /// the peers of the file are all there are.
   std::optional<crypto::bytes32> id;
   std::vector<peer> guests; // stock clients of other members: for access rules, routes go by those
   std::vector<std::string> own_groups, own_tags, own_roles; // of this node's certificate
   bool accept_acl = true; // rules of the network document hold, where the file has none
   std::string file;
};

/// warren.toml.
struct daemon {
   base::log::level log_level = base::log::level::info;
   std::string log_file; // empty = stderr or the journal
   std::string socket = "/run/warren/warren.sock";
   std::string socket_group = "warren"; // ignored where there is no such group
   std::string state_dir = "/var/lib/warren";
   std::vector<std::string> plugin_dirs; // searched in order, before the installed ones
   bool plugins_pinned_only = false;
   /// SHA-256 of modules, by file name or absolute path.
   std::map<std::string, crypto::bytes32, std::less<>> plugin_pins;
   uint64_t plugin_watchdog_ns = 1'000'000'000; // 0 = off
   std::string networks_dir;                    // default: networks/ beside warren.toml
};

/// Everything the daemon runs from.
struct settings {
   daemon host;
   std::vector<network> networks;
};

} // namespace warren::config
