// Goal: wg-quick files are read as wg reads them or refused with a place, and what is made of them
// loads. Method: texts, exact messages, round trips.
#include "core/base/address.hpp"
#include "core/config/wg_quick.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace warren::config {
namespace {

const std::string key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const std::string secret = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

constexpr wrn_plugin_desc wireguard{
      "w", "wireguard", "v", "1", "MIT", "s", WRN_KIND_TRANSPORT, 0, 0, nullptr, nullptr, nullptr};
constexpr wrn_plugin_desc fixed{"s", "static", "v",     "1",     "MIT",  "s", WRN_KIND_DISCOVERY,
                                0,   0,        nullptr, nullptr, nullptr};

schemas known() {
   schemas s;
   s.all = [](uint32_t kind) {
      return std::vector{kind == WRN_KIND_TRANSPORT ? &wireguard : &fixed};
   };
   s.find = [](uint32_t kind, std::string_view) {
      return plugin_schema{kind == WRN_KIND_TRANSPORT ? &wireguard : &fixed, ""};
   };
   return s;
}

loaded<wg_quick> parse(std::string_view text) { return parse_wg_quick(text, "wg0.conf"); }

const std::string interface = "[Interface]\nPrivateKey = " + secret + "\n";

const std::string complete =
      "# made by hand\n" + interface +
      "ListenPort = 51820\nAddress = 10.0.0.1/24, fd20::1/64\nMTU = 1380\n"
      "\n[Peer]\n# nas\nPublicKey = " +
      key + "\nPresharedKey = " + secret +
      "\nAllowedIPs = 10.0.0.2/32, 192.168.1.0/24\nAllowedIPs = fd20::2/128\nEndpoint = "
      "nas.example.net:51820\nPersistentKeepalive = 25\n"
      "\n# Name = phone\n[Peer]\nPublicKey = " +
      secret + "\nAllowedIPs = 10.0.0.3\n";

void expect_error(std::string_view text, std::string_view place, std::string_view fragment) {
   const auto w = parse(text);
   EXPECT_TRUE(std::any_of(w.errors.begin(), w.errors.end(),
                           [&](const config_error& e) {
                              return e.format().starts_with("wg0.conf" + std::string(place)) &&
                                     e.text.find(fragment) != std::string::npos;
                           }))
         << text << "\nwanted " << place << " " << fragment << "\ngot "
         << (w.errors.empty() ? "no error" : w.errors[0].format());
}

struct wg_quick_files : ::testing::Test {
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
};

TEST_F(wg_quick_files, complete_file_is_read_completely) {
   const auto w = parse(complete);
   ASSERT_TRUE(w.ok()) << w.errors[0].format();
   EXPECT_EQ(w.value.listen_port, 51820);
   EXPECT_EQ(w.value.mtu, 1380u);
   ASSERT_EQ(w.value.addresses.size(), 2u);
   EXPECT_EQ(base::format_prefix(w.value.addresses[0]), "10.0.0.1/24");
   ASSERT_EQ(w.value.peers.size(), 2u);
   const wg_quick_peer& nas = w.value.peers[0];
   EXPECT_EQ(nas.name, "nas");
   EXPECT_EQ(crypto::format_tunnel_key(nas.public_key), key);
   EXPECT_TRUE(nas.psk.has_value());
   EXPECT_EQ(nas.allowed_ips.size(), 3u);
   EXPECT_EQ(nas.endpoint, "nas.example.net:51820");
   EXPECT_EQ(nas.keepalive_s, 25u);
   EXPECT_EQ(w.value.peers[1].name, "phone");
   EXPECT_EQ(base::format_prefix(w.value.peers[1].allowed_ips.at(0)), "10.0.0.3/32");
   EXPECT_TRUE(w.value.warnings.empty());
}

TEST_F(wg_quick_files, writing_and_reading_again_changes_nothing) {
   const auto first = parse(complete);
   ASSERT_TRUE(first.ok());
   const std::string text = format_wg_quick(first.value);
   const auto second = parse(text);
   ASSERT_TRUE(second.ok()) << second.errors[0].format();
   EXPECT_EQ(format_wg_quick(second.value), text);
   EXPECT_EQ(second.value.peers.at(0).name, "nas");
   EXPECT_TRUE(*second.value.private_key == *first.value.private_key);
}

TEST_F(wg_quick_files, case_spaces_and_comments_are_as_wg_takes_them) {
   const auto w = parse("[INTERFACE]\r\n  privatekey=" + secret +
                        "  # mine\r\n\taddress =10.0.0.1/24\r\n[peer]\r\nPUBLICKEY = " + key +
                        "\r\nAllowedIPs =\r\nPersistentKeepalive = off\r\n");
   ASSERT_TRUE(w.ok()) << w.errors[0].format();
   EXPECT_TRUE(w.value.private_key.has_value());
   EXPECT_TRUE(w.value.peers.at(0).allowed_ips.empty());
   EXPECT_EQ(w.value.peers.at(0).keepalive_s, 0u);
}

TEST_F(wg_quick_files, host_bits_of_allowed_ips_are_cleared) {
   const auto w = parse(interface + "[Peer]\nPublicKey = " + key + "\nAllowedIPs = 10.0.0.7/24\n");
   ASSERT_TRUE(w.ok());
   EXPECT_EQ(base::format_prefix(w.value.peers.at(0).allowed_ips.at(0)), "10.0.0.0/24");
}

TEST_F(wg_quick_files, preshared_key_of_zeros_is_none) {
   const auto w = parse(interface + "[Peer]\nPublicKey = " + key +
                        "\nPresharedKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
   ASSERT_TRUE(w.ok());
   EXPECT_FALSE(w.value.peers.at(0).psk.has_value());
}

TEST_F(wg_quick_files, keys_without_counterpart_are_warnings_with_a_place) {
   const auto w =
         parse(interface +
               "DNS = 1.1.1.1\nTable = off\nPostUp = rm -rf /\nSaveConfig = true\nfwmark = 0x5\n");
   ASSERT_TRUE(w.ok()) << w.errors[0].format();
   ASSERT_EQ(w.value.warnings.size(), 5u);
   EXPECT_EQ(w.value.warnings[0].format(),
             "wg0.conf:3:1: DNS is left out: set the resolver of this machine yourself");
   EXPECT_EQ(w.value.warnings[2].format(),
             "wg0.conf:5:1: PostUp is left out: Warren runs no commands");
}

TEST_F(wg_quick_files, mistakes_are_named_with_their_place_all_at_once) {
   expect_error("", "", "no [Interface]");
   expect_error("[Interface]\n", "", "no PrivateKey");
   expect_error("Address = 10.0.0.1\n", ":1:1", "before [Interface]");
   expect_error(interface + "[Interface]\n", ":3:1", "second [Interface]");
   expect_error(interface + "[Pear]\n", ":3:1", "expected [Interface] or [Peer]");
   expect_error(interface + "[Peer]\nEndpoint = a:1\n", ":3:1", "no PublicKey");
   expect_error(interface + "Adress = 10.0.0.1\n", ":3:1", "did you mean 'Address'?");
   expect_error(interface + "[Peer]\nAllowedIP = 10.0.0.1\n", ":4:1", "did you mean 'AllowedIPs'?");
   expect_error(interface + "PrivateKey = " + key + "\n", ":3:1", "given twice");
   expect_error(interface + "ListenPort = 65536\n", ":3:14", "from 0 to 65535");
   expect_error(interface + "MTU = 1200\n", ":3:7", "from 1280");
   expect_error(interface + "Address = 10.0.0.1/33\n", ":3:11", "0 to 32");
   expect_error(interface + "nonsense\n", ":3:1", "Key = value");
   expect_error(interface + "[Peer]\nPublicKey = " + key + "\nEndpoint = nas\n", ":5:12",
                "host:port");
   expect_error(interface + "[Peer]\nPublicKey = " + key + "\nEndpoint = a\"b:1\n", ":5:12",
                "host:port");
   expect_error(interface + "[Peer]\nPublicKey = " + key + "\nPersistentKeepalive = 70000\n",
                ":5:23", "65535");
   expect_error(interface + std::string("x\0y = 1\n", 8), ":3:1", "NUL");
   EXPECT_EQ(parse("[Interface]\nListenPort = x\nMTU = y\nFoo = z\n").errors.size(), 4u);
}

TEST_F(wg_quick_files, secrets_with_a_typing_error_are_not_repeated) {
   const auto w = parse("[Interface]\nPrivateKey = " + secret.substr(0, 40) + "\n");
   ASSERT_FALSE(w.ok());
   for (const auto& e : w.errors)
      EXPECT_EQ(e.text.find(secret.substr(0, 10)), std::string::npos) << e.text;
}

TEST_F(wg_quick_files, number_of_errors_is_bounded) {
   std::string text = interface;
   for (int i = 0; i < 1000; i++)
      text += "x\n";
   const auto w = parse(text);
   EXPECT_EQ(w.errors.size(), 51u);
   EXPECT_EQ(w.errors.back().text, "and 950 more");
}

TEST_F(wg_quick_files, comment_that_is_no_name_or_stands_elsewhere_names_nobody) {
   const auto w = parse(interface + "# home network\n[Peer]\n# my \"nas\"\nPublicKey = " + key +
                        "\n# tail\nAllowedIPs = 10.0.0.2\n[Peer]\nPublicKey = " + secret + "\n");
   ASSERT_TRUE(w.ok());
   EXPECT_EQ(w.value.peers.at(0).name, "");
   EXPECT_EQ(w.value.peers.at(1).name, "");
}

TEST_F(wg_quick_files, imported_network_loads_and_says_the_same) {
   auto w = parse(complete);
   ASSERT_TRUE(w.ok());
   for (auto& p : w.value.peers)
      p.psk.reset(); // would be read from a file
   const std::string text = network_from_wg_quick(w.value, {});
   const auto n = parse_network(text, "/etc/warren/networks/wg0.toml", {}, known());
   ASSERT_TRUE(n.ok()) << n.errors[0].format() << "\n" << text;
   EXPECT_EQ(n.value.mtu, 1380u);
   EXPECT_EQ(base::format_prefix(n.value.addresses.at(1)), "fd20::1/64");
   EXPECT_EQ(n.value.transports.at(0).listen->port, 51820);
   ASSERT_EQ(n.value.peers.size(), 2u);
   EXPECT_EQ(n.value.peers[0].name, "nas");
   EXPECT_EQ(n.value.peers[0].addresses.size(), 2u);
   EXPECT_EQ(base::format_prefix(n.value.peers[0].routes.at(0)), "192.168.1.0/24");
   EXPECT_EQ(n.value.peers[0].endpoints.at(0), "wireguard://nas.example.net:51820");
   EXPECT_EQ(n.value.peers[0].keepalive_s, 25u);
   EXPECT_FALSE(n.value.transports.at(0).plugin.empty());
}

TEST_F(wg_quick_files, imported_secrets_are_named_by_file) {
   auto w = parse(complete);
   const std::string text = network_from_wg_quick(
         w.value,
         {"wg0.keys", [](const std::string& peer) { return "wg0.keys/" + peer + ".psk"; }});
   EXPECT_NE(text.find("keys = \"wg0.keys\"\n"), std::string::npos);
   EXPECT_NE(text.find("psk_file = \"wg0.keys/nas.psk\"\n"), std::string::npos);
   EXPECT_EQ(text.find(secret + "\"\npsk"), std::string::npos);
   EXPECT_EQ(text.find("PrivateKey"), std::string::npos);
}

TEST_F(wg_quick_files, peers_get_names_that_are_theirs_alone) {
   std::string text = interface;
   for (const char* name : {"a", "a", "peer-1", ""})
      text += "[Peer]\n# " + std::string(name) + "\nPublicKey = " + key + "\n";
   auto w = parse(text);
   ASSERT_TRUE(w.ok());
   (void)network_from_wg_quick(w.value, {});
   std::vector<std::string> names;
   for (const auto& p : w.value.peers)
      names.push_back(p.name);
   EXPECT_EQ(names, (std::vector<std::string>{"a", "peer-2", "peer-1", "peer-3"}));
}

TEST_F(wg_quick_files, default_routes_become_a_comment) {
   auto w = parse(interface + "Address = 10.0.0.1/24\n[Peer]\nPublicKey = " + key +
                  "\nAllowedIPs = 0.0.0.0/0, ::/0, 10.0.0.0/24\n");
   ASSERT_TRUE(w.ok());
   const std::string text = network_from_wg_quick(w.value, {});
   EXPECT_NE(text.find("\nroutes = [\"10.0.0.0/24\"]\n# not imported, it would cut the tunnel off: "
                       "routes = [\"0.0.0.0/0\", \"::/0\"]\n"),
             std::string::npos)
         << text;
   EXPECT_TRUE(parse_network(text, "/n/wg0.toml", {}, known()).ok());
}

TEST_F(wg_quick_files, file_without_private_key_asks_for_it) {
   wg_quick w;
   EXPECT_TRUE(format_wg_quick(w).starts_with("[Interface]\n# PrivateKey = "));
}

} // namespace
} // namespace warren::config
