// The commented examples behind `warren config example`. A test loads what they print, so they
// cannot drift from the loader.
#include "core/config/load.hpp"

namespace warren::config {

namespace {

void append_plugin(std::string& out, const wrn_plugin_desc& desc) {
   const std::string table = std::string(kind_name(desc.kind)) + "." + desc.name;
   out += "# " + std::string(desc.name) + ": " + desc.summary + "\n";
   out += "[" + table + "]\n";
   for (const wrn_param* p = desc.params; p != nullptr && p->name != nullptr; p++) {
      out += std::string("# ") + p->help;
      if (p->range != nullptr) out += std::string(" (") + p->range + ")";
      out += "\n";
      out += std::string(p->deflt == nullptr ? "# " : "") + p->name + " = " +
             (p->deflt == nullptr ? "…" : p->deflt) + "\n";
   }
}

} // namespace

std::string example_daemon() {
   return R"(# warren.toml: the daemon. Every key is optional; the values here are the defaults.

state_dir = "/var/lib/warren"      # keys and state, one folder per network, mode 0700
networks_dir = "networks"          # one file per network; relative to this file

[log]
level = "info"                     # trace, debug, info, warn, error; 'warren log-level' changes it while running
file = ""                          # empty: stderr, or the journal under systemd

[control]
socket = "/run/warren/warren.sock" # where 'warren' commands talk to the daemon
group = "warren"                   # whose members may, besides root

[plugins]
dirs = []                          # searched before the installed folders
watchdog = "1s"                    # a plugin that does not return for this long is logged, for ten times this long: abort; "0s": off
pinned_only = false                # true: only modules with a digest below are loaded

[plugins.sha256]                   # what modules have to be, as 'sha256sum' prints it; by file name or absolute path
# "acme.so" = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)";
}

std::string example_network(const schemas& plugins) {
   std::string out = R"(# networks/NAME.toml: one network. The file's name is the network's name.

[network]
interface = "example0"             # default: the network's name
mtu = 1420                         # of the interface; 1280 to 65455
# id = "net_…"                     # of a network with certificates, written by 'warren network create' and 'join';
#                                  # without it the [[peer]] tables below are everybody there is
# accept = ["acl"]                 # what the network's document may set here; [acl] below goes first
# keys = "/var/lib/warren/NAME/keys" # folder of identity.key and tunnel.key, made by 'warren key generate'
# profile = "strict"               # "strict", "internet_only" or "local_only": rules where [acl] names none
allow_plaintext = false            # true: transports without encryption may be used
offload = ["tso", "uso", "gso", "gro"] # that may be used (TUN: TCP, UDP; sockets: send, receive); [] rules out a kernel's bugs

[node]
name = "laptop"                    # default: the host's name
addresses = ["10.20.0.1/24", "fd20::1/64"] # of the interface; the prefix length makes the route
# endpoints = ["wireguard://vpn.example.net:51820"] # where members reach this node, beside its own addresses
roles = []                         # ["relay"]: pass on what members without a direct path send each other

# [acl]                              # who may reach what; without it everything is accepted
# file = "NAME.hujson"               # the rules, relative to this file; 'warren acl check FILE' looks at them
# default = "deny"                   # what no rule matches: "deny" or "accept"

[[transport]]                      # in order of preference
plugin = "wireguard"               # the one word
listen = "[::]:51820"              # "auto": a port the system chooses

)";
   for (const wrn_plugin_desc* desc : plugins.all(WRN_KIND_TRANSPORT))
      append_plugin(out, *desc);
   out += R"(
[[discovery]]
plugin = "static"

)";
   for (const wrn_plugin_desc* desc : plugins.all(WRN_KIND_DISCOVERY))
      append_plugin(out, *desc);
   for (const uint32_t kind : {WRN_KIND_ROUTING, WRN_KIND_SERVICE})
      for (const wrn_plugin_desc* desc : plugins.all(kind)) {
         out += "\n[[" + std::string(kind_name(kind)) + "]]\nplugin = \"" + desc->name + "\"\n\n";
         append_plugin(out, *desc);
      }
   out += R"(
[[peer]]                           # a Warren node, known by its node id
name = "nas"
id = "key_6ASf5EcmmEHTgDJ4X4ZT5vT6iHVJBXPg5AN5YoTCpGWt"
addresses = ["10.20.0.2", "fd20::2"]
routes = ["192.168.1.0/24"]        # what else is reached through it
endpoints = ["wireguard://nas.example.net:51820"] # best first; none: it has to call us
keepalive = "25s"                  # keep the path open through NAT; "0s": never

[[peer]]                           # a stock WireGuard peer, known by its public key
name = "phone"
tunnel_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
# psk_file = "phone.psk"           # or psk = "…"; as 'wg genpsk' prints
addresses = ["10.20.0.3"]
)";
   return out;
}

} // namespace warren::config
