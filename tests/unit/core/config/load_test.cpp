// Goal: good files load completely, bad ones are refused with place, expectation and next step, all
// errors at once. Method: texts and the exact messages.
#include "core/base/address.hpp"
#include "core/config/load.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace warren::config {
namespace {

constexpr wrn_param wireguard_params[] = {
      {"aead", WRN_P_ENUM, 0, "auto|openssl", "\"auto\"", "Which library seals."},
      {"burst", WRN_P_INT, 0, "1..64", "8", "How many."},
      {"grace", WRN_P_DURATION, 0, "1s..1h", "\"5s\"", "How long."},
      {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr wrn_param quic_params[] = {
      {"alpn", WRN_P_STRING, WRN_PF_REQUIRED, nullptr, nullptr, "The protocol name."},
      {nullptr, 0, 0, nullptr, nullptr, nullptr}};
constexpr wrn_plugin_desc wireguard{
      "w", "wireguard",      "v",     "1",    "MIT", "s", WRN_KIND_TRANSPORT, 0,
      0,   wireguard_params, nullptr, nullptr};
constexpr wrn_plugin_desc quic{"q", "quic", "v",         "1",     "MIT",  "s", WRN_KIND_TRANSPORT,
                               0,   0,      quic_params, nullptr, nullptr};
constexpr wrn_plugin_desc foreign{"f", "foreign", "v",     "1",     "MIT",  "s", WRN_KIND_TRANSPORT,
                                  0,   0,         nullptr, nullptr, nullptr};
constexpr wrn_plugin_desc fixed{"s", "static", "v",     "1",     "MIT",  "s", WRN_KIND_DISCOVERY,
                                0,   0,        nullptr, nullptr, nullptr};

schemas known() {
   schemas s;
   s.all = [](uint32_t kind) -> std::vector<const wrn_plugin_desc*> {
      if (kind == WRN_KIND_TRANSPORT) return {&wireguard, &quic};
      if (kind == WRN_KIND_DISCOVERY) return {&fixed};
      return {};
   };
   s.find = [all = s.all](uint32_t kind, std::string_view word) {
      for (const auto* d : all(kind))
         if (word == d->name) return plugin_schema{d, ""};
      if (word == "/opt/foreign.so") return plugin_schema{&foreign, ""}; // in no plugin folder
      return plugin_schema{nullptr, "no plugin '" + std::string(word) + "'"};
   };
   return s;
}

loaded<network> parse(std::string_view text) {
   return parse_network(text, "/etc/warren/networks/acme.toml", {}, known());
}

std::vector<std::string> errors_of(std::string_view text) {
   std::vector<std::string> out;
   for (const auto& e : parse(text).errors)
      out.push_back(e.format());
   return out;
}

void expect_error(std::string_view text, std::string_view position, std::string_view fragment) {
   const auto errors = errors_of(text);
   bool found = false;
   for (const auto& e : errors)
      found |= e.find(position) != std::string::npos && e.find(fragment) != std::string::npos;
   EXPECT_TRUE(found) << text << "\nwanted " << position << " … " << fragment << "\ngot "
                      << (errors.empty() ? "no error" : errors.front());
}

const std::string key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

struct load : ::testing::Test {
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
};

TEST_F(load, empty_file_is_a_network_with_defaults) {
   const auto n = parse("");
   ASSERT_TRUE(n.ok()) << n.errors.front().format();
   EXPECT_EQ(n.value.name, "acme");
   EXPECT_EQ(n.value.interface, "acme");
   EXPECT_EQ(n.value.mtu, 1420u);
   EXPECT_EQ(n.value.keys, "/var/lib/warren/acme/keys");
   ASSERT_EQ(n.value.transports.size(), 1u);
   EXPECT_EQ(n.value.transports[0].plugin, "wireguard");
   EXPECT_FALSE(n.value.transports[0].listen.has_value());
   EXPECT_EQ(std::get<std::string>(n.value.transports[0].values.entries.at("aead").content),
             "auto");
   EXPECT_EQ(std::get<int64_t>(n.value.transports[0].values.entries.at("grace").content),
             5'000'000'000);
   EXPECT_EQ(n.value.plugins.at(0).plugin, "static");
}

TEST_F(load, complete_file_is_read_completely) {
   const auto n = parse("[network]\ninterface = \"w0\"\nmtu = 1380\n[node]\nname = "
                        "\"laptop\"\naddresses = [\"10.0.0.1/24\"]\n"
                        "[[transport]]\nplugin = \"wireguard\"\nlisten = "
                        "\"[::]:51820\"\n[transport.wireguard]\nburst = 9\n"
                        "[[peer]]\nname = \"nas\"\ntunnel_key = \"" +
                        key +
                        "\"\naddresses = [\"10.0.0.2\"]\nroutes = [\"192.168.1.0/24\"]\n"
                        "endpoints = [\"wireguard://nas.example.net:51820\", "
                        "\"quic://[2001:db8::1]:443\"]\nkeepalive = \"25s\"\n");
   ASSERT_TRUE(n.ok()) << n.errors.front().format();
   EXPECT_EQ(n.value.interface, "w0");
   EXPECT_EQ(base::format_prefix(n.value.addresses.at(0)), "10.0.0.1/24");
   EXPECT_EQ(n.value.transports.at(0).listen->port, 51820);
   EXPECT_EQ(std::get<int64_t>(n.value.transports[0].values.entries.at("burst").content), 9);
   const peer& p = n.value.peers.at(0);
   EXPECT_EQ(p.keepalive_s, 25u);
   EXPECT_EQ(p.endpoints.size(), 2u);
   EXPECT_EQ(base::format_prefix(p.routes.at(0)), "192.168.1.0/24");
}

TEST_F(load, unknown_key_is_named_with_its_place_and_the_nearest_valid_one) {
   expect_error("[network]\nintreface = \"x\"\n", "acme.toml:2:1", "did you mean 'interface'?");
   expect_error("[[peer]]\nname = \"a\"\nendpoint = []\n", "acme.toml:3:1",
                "did you mean 'endpoints'?");
   expect_error("[netwrok]\n", ":1:", "did you mean 'network'?");
   expect_error("[[transport]]\nplugin = \"wireguard\"\n[transport.wireguard]\naed = \"auto\"\n",
                ":4:1", "did you mean 'aead'?");
   expect_error("[node]\nqqqqqqqqqqqq = 1\n", ":2:1", "known are addresses, endpoints, name");
}

TEST_F(load, wrong_types_and_ranges_say_what_was_expected) {
   expect_error("[network]\nmtu = \"big\"\n", ":2:7",
                "'mtu' in [network] is a string; expected an integer from 1280 to 65455");
   expect_error("[network]\nmtu = 1279\n", ":2:7", "is 1279; expected an integer from 1280");
   expect_error("[network]\noffload = true\n", ":2:11", "expected an array of strings");
   expect_error("[network]\noffload = [\"tso\", \"lro\"]\n", ":2:19", "expected \"tso\", \"uso\"");
   expect_error("[network]\nallow_plaintext = 1\n", ":2:19", "expected true or false");
   expect_error("network = 5\n", ":1:11", "expected a table, written [network]");
   expect_error("peer = {}\n", ":1:8", "each written [[peer]]");
   expect_error("[[peer]]\nname=\"a\"\nkeepalive = 25\n", ":3:13",
                "a duration in quotes such as \"25s\"");
   expect_error("[[peer]]\nname=\"a\"\nkeepalive = \"25x\"\n", ":3:13",
                "expected a duration such as");
   expect_error("[[transport]]\nplugin = \"wireguard\"\n[transport.wireguard]\nburst = 65\n",
                ":4:9", "expected an integer from 1 to 64");
   expect_error("[[transport]]\nplugin = \"wireguard\"\n[transport.wireguard]\naead = \"rot13\"\n",
                ":4:1", "expected one of auto, openssl");
   expect_error("[[transport]]\nplugin = \"wireguard\"\n[transport.wireguard]\ngrace = \"2h\"\n",
                ":4:9", "expected from 1s to 3600s");
   expect_error("[node]\naddresses = [1]\n", ":2:14", "expected a string");
}

TEST_F(load, tables_of_plugins_that_are_not_selected_are_validated_and_unused) {
   const auto n = parse("[[transport]]\nplugin = \"wireguard\"\n[transport.quic]\nalpn = \"x\"\n");
   EXPECT_TRUE(n.ok()) << n.errors.front().format();
   expect_error("[[transport]]\nplugin = \"wireguard\"\n[transport.quic]\nalnp = \"x\"\n", ":4:1",
                "did you mean 'alpn'?");
   expect_error("[[transport]]\nplugin = \"quic\"\n", ":2:1",
                "missing key 'alpn' in [transport.quic]: The protocol name.");
}

TEST_F(load, all_errors_of_a_file_come_at_once_in_order) {
   const auto errors = errors_of("[network]\nmtu = 1\nfoo = 2\n[node]\nname = 3\n[[peer]]\n");
   ASSERT_EQ(errors.size(), 5u);
   for (size_t i = 0; i < 3; i++)
      EXPECT_NE(errors[i].find(":" + std::to_string(i == 2 ? 5 : i + 2) + ":"), std::string::npos)
            << errors[i];
}

TEST_F(load, syntax_error_has_its_place) {
   expect_error("[network]\nmtu = = 3\n", "acme.toml:2:", "not valid TOML");
}

TEST_F(load, character_beyond_ascii_is_refused_outside_of_quotes_only) {
   expect_error("[network]\nm\xc3\xbc = 3\n", "acme.toml:2:2", "beyond ASCII");
   expect_error("a = 'x'\n\xc3", ":2:1", "beyond ASCII");
   expect_error("a = \"\"\"x\n\"y\\\"\"\"\"\n\xc3", ":3:1", "beyond ASCII");
   EXPECT_TRUE(parse("# gr\xc3\xbc\n[network]\nkeys = \"/schl\xc3\xbcssel\"\n").ok());
   EXPECT_TRUE(parse("\xef\xbb\xbf[network]\nmtu = 1400\n").ok());
   EXPECT_TRUE(parse("[network]\nkeys = '''\n/schl\xc3\xbcssel'''\n").ok());
}

TEST_F(load, peers_must_be_distinct_and_complete) {
   const std::string head =
         "[[peer]]\nname = \"a\"\ntunnel_key = \"" + key + "\"\naddresses = [\"10.0.0.2\"]\n";
   expect_error(head + head, ":5:", "name 'a' is already that of the peer in line 1");
   expect_error(head + head, ":5:", "tunnel key");
   expect_error(head + head, ":5:", "10.0.0.2/32 is already that of");
   expect_error("[[peer]]\nname = \"a\"\n", ":1:", "needs 'id'");
   expect_error("[[peer]]\nname = \"a\"\ntunnel_key = \"short\"\n", ":3:", "44 base64 characters");
   expect_error("[[peer]]\nname = \"a\"\nid = \"key_zzz\"\n", ":3:", "is not a node id");
   expect_error("[node]\naddresses=[\"10.0.0.2/24\"]\n" + head, ":3:", "this node's own address");
   expect_error(head + "routes = [\"10.1.0.1/16\"]\n", ":5:", "host bits are set");
   expect_error("[[peer]]\nname = \"a b\"\n", ":2:", "expected letters, digits");
}

TEST_F(load, endpoints_may_name_a_transport_of_this_network_that_was_named_by_its_path) {
   const std::string peer = "[[peer]]\nname = \"a\"\ntunnel_key = \"" + key +
                            "\"\nendpoints = [\"foreign://192.0.2.1:1\"]\n";
   EXPECT_TRUE(errors_of("[[transport]]\nplugin = \"/opt/foreign.so\"\n" + peer).empty());
   expect_error(peer, ":4:14", "no plugin 'foreign'");
}

TEST_F(load, endpoints_are_checked) {
   for (const char* bad :
        {"nas:51820", "wireguard://", "wireguard://nas", "wireguard://nas:0",
         "wireguard://nas:65536", "wireguard://nas:x", "carrier://nas:1", "wireguard://[::1:1",
         "wireguard://na s:1", "wireguard://key_bad@nas:1", "wireguard://:1"})
      expect_error("[[peer]]\nname=\"a\"\ntunnel_key = \"" + key + "\"\nendpoints = [\"" + bad +
                         "\"]\n",
                   ":4:14", "endpoint");
}

TEST_F(load, unknown_plugin_says_what_there_is) {
   expect_error("[[transport]]\nplugin = \"wiregard\"\n", ":2:1", "no plugin 'wiregard'");
}

TEST_F(load, two_transports_on_one_port_are_refused) {
   expect_error("[[transport]]\nplugin = \"wireguard\"\nlisten = \"[::]:1\"\n[[transport]]\nplugin "
                "= \"wireguard\"\nlisten = \"0.0.0.0:1\"\n",
                ":5:", "port 1 is already");
}

TEST_F(load, secret_file_that_others_can_read_is_refused) {
   char dir[] = "/tmp/warren-config-XXXXXX";
   ASSERT_NE(mkdtemp(dir), nullptr);
   const std::filesystem::path folder = dir;
   std::ofstream(folder / "p.psk") << key << "\n";
   const std::string text =
         "[[peer]]\nname=\"a\"\ntunnel_key = \"" + key + "\"\npsk_file = \"p.psk\"\n";
   std::filesystem::permissions(folder / "p.psk", std::filesystem::perms(0644));
   auto n = parse_network(text, folder / "n.toml", {}, known());
   ASSERT_FALSE(n.ok());
   EXPECT_NE(n.errors.front().text.find("chmod 600"), std::string::npos);
   std::filesystem::permissions(folder / "p.psk", std::filesystem::perms(0600));
   n = parse_network(text, folder / "n.toml", {}, known());
   ASSERT_TRUE(n.ok()) << n.errors.front().format();
   EXPECT_TRUE(n.value.peers.at(0).psk.has_value());
   std::filesystem::remove_all(folder);
}

TEST_F(load, access_rules_are_read_beside_the_file_and_their_mistakes_are_ours) {
   char dir[] = "/tmp/warren-config-XXXXXX";
   ASSERT_NE(mkdtemp(dir), nullptr);
   const std::filesystem::path folder = dir;
   schemas plugins = known();
   plugins.rules = [](std::string_view text, const std::string& file) {
      std::vector<config_error> out;
      if (text == "bad") out.push_back({{file, 3, 4}, "nonsense"});
      return out;
   };
   const auto read = [&](const std::string& table) {
      return parse_network("[acl]\n" + table, folder / "n.toml", {}, plugins);
   };
   std::ofstream(folder / "a.hujson") << "good";
   auto n = read("file = \"a.hujson\"\n");
   ASSERT_TRUE(n.ok()) << n.errors.front().format();
   EXPECT_EQ(n.value.acl, (acl_settings{folder / "a.hujson", "good", false}));
   EXPECT_TRUE(read("file = \"a.hujson\"\ndefault = \"accept\"\n").value.acl.default_accept);
   const auto refused = [&](const std::string& table) {
      const auto loaded = read(table);
      return loaded.ok() ? "" : loaded.errors.front().format();
   };
   EXPECT_NE(refused("file = \"a.hujson\"\ndefault = \"drop\"\n").find("n.toml:3:1: 'default'"),
             std::string::npos);
   EXPECT_NE(refused("file = \"b.hujson\"\n").find("n.toml:2:1: "), std::string::npos);
   EXPECT_NE(refused("default = \"deny\"\n").find("missing key 'file'"), std::string::npos);
   std::ofstream(folder / "a.hujson") << "bad";
   EXPECT_EQ(refused("file = \"a.hujson\"\n"), (folder / "a.hujson").string() + ":3:4: nonsense");
   EXPECT_EQ(parse("").value.acl, acl_settings{});
   std::filesystem::remove_all(folder);
}

TEST_F(load, examples_load_without_an_error) {
   auto n = parse(example_network(known()));
   // quic's required key has no default, so its example line is a comment; everything else must be
   // right.
   for (const auto& e : n.errors)
      EXPECT_NE(e.text.find("missing key 'alpn'"), std::string::npos) << e.format();
   char dir[] = "/tmp/warren-config-XXXXXX";
   ASSERT_NE(mkdtemp(dir), nullptr);
   const std::filesystem::path file = std::filesystem::path(dir) / "warren.toml";
   std::ofstream(file) << example_daemon();
   const auto d = load_daemon(file, false);
   EXPECT_TRUE(d.ok()) << d.errors.front().format();
   EXPECT_EQ(d.value.socket, "/run/warren/warren.sock");
   std::filesystem::remove_all(dir);
}

TEST_F(load, pins_of_modules_are_digests_of_file_names_or_absolute_paths) {
   char dir[] = "/tmp/warren-pins-XXXXXX";
   ASSERT_NE(mkdtemp(dir), nullptr);
   const std::filesystem::path file = std::filesystem::path(dir) / "warren.toml";
   const std::string digest(64, 'a');
   const auto load_text = [&](const std::string& text) {
      std::ofstream(file) << "[plugins]\nwatchdog = \"250ms\"\npinned_only = true\n" << text;
      return load_daemon(file, false);
   };
   const auto good = load_text("[plugins.sha256]\n\"acme.so\" = \"" + digest +
                               "\"\n\"/opt/acme/acme.so\" = \"" + std::string(64, 'B') + "\"\n");
   ASSERT_TRUE(good.ok()) << good.errors.front().format();
   EXPECT_TRUE(good.value.plugins_pinned_only);
   EXPECT_EQ(good.value.plugin_watchdog_ns, 250'000'000u);
   ASSERT_EQ(good.value.plugin_pins.size(), 2u);
   EXPECT_EQ(good.value.plugin_pins.at("acme.so")[0], 0xaa);
   EXPECT_EQ(good.value.plugin_pins.at("/opt/acme/acme.so")[31], 0xbb);
   for (const std::string& bad :
        {"\"acme.so\" = \"" + digest.substr(1) + "\"", "\"acme.so\" = \"" + digest + "0\"",
         "\"acme.so\" = \"g" + digest.substr(1) + "\"", std::string("\"acme.so\" = 5"),
         "\"acme\" = \"" + digest + "\"", "\"lib/acme.so\" = \"" + digest + "\"",
         "\"/opt/../acme.so\" = \"" + digest + "\"", "acme.so = \"" + digest + "\""}) {
      const auto d = load_text("[plugins.sha256]\n" + bad + "\n");
      ASSERT_FALSE(d.ok()) << bad;
      EXPECT_EQ(d.errors.front().where.line, 5u) << d.errors.front().format();
   }
   std::filesystem::remove_all(dir);
}

TEST_F(load, durations_have_units_and_do_not_overflow) {
   int64_t ns = 0;
   EXPECT_TRUE(parse_duration("250ms", ns));
   EXPECT_EQ(ns, 250'000'000);
   EXPECT_TRUE(parse_duration("1d", ns));
   for (const char* bad : {"", "5", "s", "-5s", "5 s", "5S", "9999999999999d", "1.5s"})
      EXPECT_FALSE(parse_duration(bad, ns)) << bad;
}

TEST_F(load, nearest_key_is_near) {
   EXPECT_EQ(nearest("lisetn", {"listen", "plugin"}), "listen");
   EXPECT_EQ(nearest("zebra", {"listen", "plugin"}), "");
}

TEST_F(load, a_profile_is_rules_and_an_unknown_one_is_named) {
   const auto strict = parse("[network]\nprofile = \"strict\"\n");
   ASSERT_TRUE(strict.ok());
   EXPECT_EQ(strict.value.acl.file, strict_profile);
   EXPECT_FALSE(strict.value.acl.default_accept);
   const auto outward = parse("[network]\nprofile = \"internet_only\"\n");
   ASSERT_TRUE(outward.ok());
   EXPECT_NE(outward.value.acl.text.find("autogroup:internet"), std::string::npos);
   EXPECT_FALSE(parse("[network]\nprofile = \"open\"\n").ok());
}

} // namespace
} // namespace warren::config
