#include "core/config/wg_quick.hpp"

#include "core/base/address.hpp"
#include "core/base/encode.hpp"
#include "core/base/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <sodium.h>

namespace warren::config {

namespace limits = base::limits;

namespace {

constexpr bool is_space(char c) {
   return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

std::string_view trimmed(std::string_view text) {
   while (!text.empty() && is_space(text.front()))
      text.remove_prefix(1);
   while (!text.empty() && is_space(text.back()))
      text.remove_suffix(1);
   return text;
}

std::string lower(std::string_view text) {
   std::string out(text);
   for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
   return out;
}

/// What a peer may be called in a network file.
bool is_peer_name(std::string_view text) {
   return !text.empty() && text.size() <= limits::name_max &&
          std::all_of(text.begin(), text.end(), [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
          });
}

/// "# nas", "# Name = nas", "# name: nas"; empty when the comment is something else.
std::string name_in_comment(std::string_view comment) {
   std::string_view text = trimmed(comment.substr(1));
   if (lower(text.substr(0, 4)) == "name") {
      const std::string_view rest = trimmed(text.substr(4));
      if (!rest.empty() && (rest.front() == '=' || rest.front() == ':'))
         text = trimmed(rest.substr(1));
   }
   return is_peer_name(text) ? std::string(text) : std::string();
}

struct unsupported_key {
   std::string_view name, instead;
};
constexpr unsupported_key interface_unsupported[] = {
      {"DNS", "set the resolver of this machine yourself"},
      {"Table", "Warren adds routes to the main table"},
      {"FwMark", "Warren marks no packets"},
      {"PreUp", "Warren runs no commands"},
      {"PostUp", "Warren runs no commands"},
      {"PreDown", "Warren runs no commands"},
      {"PostDown", "Warren runs no commands"},
      {"SaveConfig", "Warren never writes its configuration"},
};
constexpr std::string_view interface_keys[] = {"PrivateKey", "ListenPort", "Address", "MTU"};
constexpr std::string_view peer_keys[] = {"PublicKey", "PresharedKey", "AllowedIPs", "Endpoint",
                                          "PersistentKeepalive"};

class reader {
 public:
   explicit reader(const std::filesystem::path& file) : file_(file.string()) {}

   loaded<wg_quick> read(std::string_view text) {
      if (text.size() > limits::config_bytes_max) {
         fail(0, "the file has more than " + std::to_string(limits::config_bytes_max) + " bytes");
         return take();
      }
      while (!text.empty()) {
         line_++;
         const std::string_view line = text.substr(0, text.find('\n'));
         text.remove_prefix(std::min(text.size(), line.size() + 1));
         read_line(line);
      }
      end_section();
      if (!interface_seen_) fail(0, "there is no [Interface]; is this a wg-quick file?");
      if (interface_seen_ && !out_.value.private_key) fail(0, "[Interface] has no PrivateKey");
      return take();
   }

 private:
   enum class section { none, interface, peer, unknown };

   loaded<wg_quick> take() {
      if (left_out_ != 0)
         out_.errors.push_back({{file_, 0, 0}, "and " + std::to_string(left_out_) + " more"});
      return std::move(out_);
   }
   void fail(size_t column, std::string text, uint32_t line = 0) {
      if (out_.errors.size() >= limits::config_errors_max)
         left_out_++;
      else
         out_.errors.push_back({{file_,
                                 line != 0     ? line
                                 : column == 0 ? 0
                                               : line_,
                                 static_cast<uint32_t>(column)},
                                std::move(text)});
   }

   void read_line(std::string_view line) {
      const size_t hash = line.find('#');
      const std::string_view content = trimmed(line.substr(0, hash));
      if (content.empty()) {
         if (hash != std::string_view::npos) comment(line.substr(hash));
         return;
      }
      const size_t column = static_cast<size_t>(content.data() - line.data()) + 1;
      if (content.find('\0') != std::string_view::npos)
         return fail(column, "a NUL byte is in this line; is this a text file?");
      if (content.front() == '[') return begin_section(content, column);
      last_comment_.clear();
      const size_t equals = content.find('=');
      if (equals == std::string_view::npos) return fail(column, "expected Key = value");
      const std::string_view key = trimmed(content.substr(0, equals)),
                             value = trimmed(content.substr(equals + 1));
      const size_t value_column =
            value.empty() ? column : static_cast<size_t>(value.data() - line.data()) + 1;
      fresh_section_ = false;
      if (section_ == section::interface) return interface_key(key, value, column, value_column);
      if (section_ == section::peer) return peer_key(key, value, column, value_column);
      if (section_ == section::none)
         fail(column, "'" + std::string(key) + "' stands before [Interface]");
   }

   void comment(std::string_view text) {
      const std::string name = name_in_comment(text);
      if (section_ == section::peer && fresh_section_ && peer_.name.empty())
         peer_.name = name;
      else
         last_comment_ = name;
   }

   void begin_section(std::string_view content, size_t column) {
      end_section();
      const std::string name = lower(content);
      section_ = name == "[interface]" ? section::interface : name == "[peer]" ? section::peer : section::unknown;
      seen_.clear();
      fresh_section_ = true;
      if (section_ == section::unknown)
         fail(column,
              "'" + std::string(content) + "' is not a section; expected [Interface] or [Peer]");
      if (section_ == section::interface) {
         if (interface_seen_) fail(column, "a second [Interface]");
         interface_seen_ = true;
      }
      if (section_ == section::peer) {
         peer_ = {};
         peer_.name = last_comment_;
         peer_.where = {file_, line_, static_cast<uint32_t>(column)};
         if (out_.value.peers.size() == limits::peers_max)
            fail(column, "more than " + std::to_string(limits::peers_max) + " peers");
      }
      last_comment_.clear();
   }

   void end_section() {
      if (section_ != section::peer) return;
      section_ = section::none;
      if (!seen_.contains("publickey")) fail(1, "[Peer] has no PublicKey", peer_.where.line);
      if (out_.value.peers.size() < limits::peers_max) out_.value.peers.push_back(std::move(peer_));
   }

   template <class List>
   void unknown(std::string_view key, const List& known, size_t column, std::string_view where) {
      std::vector<std::string> names(std::begin(known), std::end(known));
      if (section_ == section::interface)
         for (const auto& u : interface_unsupported)
            names.emplace_back(u.name);
      const std::string like = nearest(key, names);
      std::string text = "unknown key '" + std::string(key) + "' in " + std::string(where);
      if (!like.empty()) text += "; did you mean '" + like + "'?";
      fail(column, std::move(text));
   }

   /// False for a key given twice that can be given once.
   bool once(std::string_view key, size_t column) {
      if (seen_.insert(lower(key)).second) return true;
      fail(column, "'" + std::string(key) + "' is given twice");
      return false;
   }

   std::optional<uint32_t> number(std::string_view key, std::string_view value, uint32_t min,
                                  uint32_t max, size_t column) {
      uint32_t n = 0;
      const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), n);
      if (ec == std::errc{} && end == value.data() + value.size() && n >= min && n <= max) return n;
      fail(column, std::string(key) + " is '" + std::string(value) + "'; expected a number from " +
                         std::to_string(min) + " to " + std::to_string(max));
      return std::nullopt;
   }

   /// The text itself is never repeated: it may be a secret with a typing error.
   std::optional<crypto::bytes32> key_bytes(std::string_view key, std::string_view value,
                                            size_t column) {
      crypto::bytes32 bytes{};
      if (base::base64_decode(value, bytes)) return bytes;
      fail(column, std::string(key) + " is not a WireGuard key; expected 44 base64 characters");
      return std::nullopt;
   }

   void prefixes(std::string_view value, bool keep_host_bits, std::vector<wrn_addr>& out,
                 size_t column) {
      while (!value.empty()) {
         const std::string_view item = value.substr(0, value.find(','));
         if (auto prefix = base::parse_prefix(trimmed(item), true))
            out.push_back(keep_host_bits ? *prefix : base::masked(*prefix));
         else
            fail(column, prefix.error().text);
         if (out.size() > limits::prefixes_max)
            return fail(column, "more than " + std::to_string(limits::prefixes_max) + " prefixes");
         value.remove_prefix(std::min(value.size(), item.size() + 1));
      }
   }

   void interface_key(std::string_view key, std::string_view value, size_t column,
                      size_t value_column) {
      const std::string name = lower(key);
      wg_quick& w = out_.value;
      for (const auto& u : interface_unsupported)
         if (lower(u.name) == name) {
            if (w.warnings.size() < limits::config_errors_max)
               w.warnings.push_back(
                     {{file_, line_, static_cast<uint32_t>(column)},
                      std::string(u.name) + " is left out: " + std::string(u.instead)});
            return;
         }
      if (name == "address") return prefixes(value, true, w.addresses, value_column);
      if (name != "privatekey" && name != "listenport" && name != "mtu")
         return unknown(key, interface_keys, column, "[Interface]");
      if (!once(key, column)) return;
      if (name == "privatekey") {
         if (auto bytes = key_bytes(key, value, value_column)) {
            w.private_key.emplace(std::span<const uint8_t, 32>(*bytes));
            sodium_memzero(bytes->data(), bytes->size());
         }
      } else if (name == "listenport") {
         w.listen_port =
               static_cast<uint16_t>(number(key, value, 0, 65535, value_column).value_or(0));
      } else {
         w.mtu = number(key, value, 1280, 65455, value_column).value_or(0);
      }
   }

   void peer_key(std::string_view key, std::string_view value, size_t column, size_t value_column) {
      const std::string name = lower(key);
      if (name == "allowedips") return prefixes(value, false, peer_.allowed_ips, value_column);
      if (std::none_of(std::begin(peer_keys), std::end(peer_keys),
                       [&](std::string_view k) { return lower(k) == name; }))
         return unknown(key, peer_keys, column, "[Peer]");
      if (!once(key, column)) return;
      if (name == "publickey") {
         if (auto bytes = key_bytes(key, value, value_column)) peer_.public_key = *bytes;
      } else if (name == "presharedkey") {
         peer_.psk = key_bytes(key, value, value_column);
         if (peer_.psk && crypto::is_zero(*peer_.psk))
            peer_.psk.reset(); // WireGuard's word for none
      } else if (name == "endpoint") {
         if (is_endpoint(value))
            peer_.endpoint = value;
         else
            fail(value_column,
                 "Endpoint is '" + std::string(value) + "'; expected host:port or [address]:port");
      } else if (value == "off") {
         peer_.keepalive_s = 0;
      } else {
         peer_.keepalive_s = number(key, value, 0, 65535, value_column).value_or(0);
      }
   }

   static bool is_endpoint(std::string_view text) {
      const size_t colon = text.rfind(':');
      if (colon == std::string_view::npos || colon == 0) return false;
      const std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
      uint16_t n = 0;
      const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), n);
      if (ec != std::errc{} || end != port.data() + port.size() || n == 0) return false;
      if (host.front() == '[') return base::parse_endpoint(text).has_value();
      return host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_';
             });
   }

   std::string file_;
   loaded<wg_quick> out_;
   section section_ = section::none;
   bool interface_seen_ = false;
   bool fresh_section_ = false; // no key of it was read yet
   uint32_t line_ = 0;
   std::set<std::string> seen_; // keys of the section
   std::string last_comment_;   // a name that may belong to the section that follows
   wg_quick_peer peer_;
   size_t left_out_ = 0;
};

std::string joined(const std::vector<wrn_addr>& prefixes) {
   std::string out;
   for (const wrn_addr& p : prefixes)
      out += (out.empty() ? "" : ", ") + base::format_prefix(p);
   return out;
}

std::string toml_list(const std::vector<std::string>& texts) {
   std::string out;
   for (const std::string& t : texts)
      out += (out.empty() ? "\"" : ", \"") + t + "\"";
   return "[" + out + "]";
}

/// Every peer gets a name, and none twice.
void name_peers(std::vector<wg_quick_peer>& peers) {
   std::set<std::string> taken;
   for (wg_quick_peer& p : peers)
      if (!p.name.empty() && !taken.insert(p.name).second) p.name.clear();
   size_t number = 0;
   for (wg_quick_peer& p : peers)
      while (p.name.empty())
         if (std::string name = "peer-" + std::to_string(++number); taken.insert(name).second)
            p.name = std::move(name);
}

} // namespace

loaded<wg_quick> parse_wg_quick(std::string_view text, const std::filesystem::path& file) {
   return reader(file).read(text);
}

std::string format_wg_quick(const wg_quick& content) {
   std::string out = "[Interface]\n";
   if (content.private_key)
      out += "PrivateKey = " + base::base64_encode(content.private_key->bytes()) + "\n";
   else
      out += "# PrivateKey = the private key of this device, as 'wg genkey' printed it\n";
   if (content.listen_port != 0)
      out += "ListenPort = " + std::to_string(content.listen_port) + "\n";
   if (!content.addresses.empty()) out += "Address = " + joined(content.addresses) + "\n";
   for (size_t i = 0; i < content.dns.size(); i++)
      out += (i == 0 ? "DNS = " : ", ") + base::format_address(content.dns[i]) +
             (i + 1 == content.dns.size() ? "\n" : "");
   if (content.mtu != 0) out += "MTU = " + std::to_string(content.mtu) + "\n";
   for (const wg_quick_peer& p : content.peers) {
      out += "\n[Peer]\n";
      if (!p.name.empty()) out += "# " + p.name + "\n";
      out += "PublicKey = " + crypto::format_tunnel_key(p.public_key) + "\n";
      if (p.psk) out += "PresharedKey = " + base::base64_encode(*p.psk) + "\n";
      if (!p.allowed_ips.empty()) out += "AllowedIPs = " + joined(p.allowed_ips) + "\n";
      if (!p.endpoint.empty()) out += "Endpoint = " + p.endpoint + "\n";
      if (p.keepalive_s != 0)
         out += "PersistentKeepalive = " + std::to_string(p.keepalive_s) + "\n";
   }
   return out;
}

std::string network_from_wg_quick(wg_quick& content, const import_places& places) {
   name_peers(content.peers);
   std::string out = "# Imported from a wg-quick file.\n\n[network]\n";
   if (content.mtu != 0) out += "mtu = " + std::to_string(content.mtu) + "\n";
   if (!places.keys.empty()) out += "keys = \"" + places.keys + "\"\n";
   std::vector<std::string> addresses;
   for (const wrn_addr& a : content.addresses)
      addresses.push_back(base::format_prefix(a));
   out += "\n[node]\naddresses = " + toml_list(addresses) +
          "\n\n[[transport]]\nplugin = \"wireguard\"\n";
   if (content.listen_port != 0)
      out += "listen = \"[::]:" + std::to_string(content.listen_port) + "\"\n";
   for (const wg_quick_peer& p : content.peers) {
      out += "\n[[peer]]\nname = \"" + p.name + "\"\ntunnel_key = \"" +
             crypto::format_tunnel_key(p.public_key) + "\"\n";
      if (p.psk) out += "psk_file = \"" + places.psk_file(p.name) + "\"\n";
      std::set<std::string> own, routes, defaults; // wg takes a prefix twice, Warren does not
      for (const wrn_addr& a : p.allowed_ips) {
         if (a.prefix_len == 0)
            defaults.insert(base::format_prefix(a));
         else if (a.prefix_len == base::address_bits(a))
            own.insert(base::format_address(a));
         else
            routes.insert(base::format_prefix(a));
      }
      if (!own.empty()) out += "addresses = " + toml_list({own.begin(), own.end()}) + "\n";
      if (!routes.empty()) out += "routes = " + toml_list({routes.begin(), routes.end()}) + "\n";
      if (!defaults.empty())
         out += "# not imported, it would cut the tunnel off: routes = " +
                toml_list({defaults.begin(), defaults.end()}) + "\n";
      if (!p.endpoint.empty()) out += "endpoints = [\"wireguard://" + p.endpoint + "\"]\n";
      if (p.keepalive_s != 0) out += "keepalive = \"" + std::to_string(p.keepalive_s) + "s\"\n";
   }
   return out;
}

} // namespace warren::config
