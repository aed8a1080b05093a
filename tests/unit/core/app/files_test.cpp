// Goal: commands that work on files alone: keys, configuration, plugins, wg-quick. Method: a folder
// of their own, no daemon.
#include "core/app/paths.hpp"
#include "tests/unit/core/app/command_line.hpp"

#include <algorithm>
#include <sys/stat.h>

namespace warren::app {
namespace {

namespace fs = std::filesystem;
using files = command_line;

mode_t mode_of(const fs::path& p) {
   struct stat info {};
   return ::stat(p.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

const char* const wg_quick_file =
      "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\nAddress = "
      "10.0.0.1/24\nListenPort = 51820\nDNS = 1.1.1.1\n"
      "[Peer]\n# phone\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nPresharedKey = "
      "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
      "AllowedIPs = 10.0.0.2/32\n";

TEST_F(files, keys_are_made_private_shown_and_never_overwritten) {
   const fs::path keys = folder / "k";
   EXPECT_EQ(run({"key", "generate", keys.string()}), exit_ok) << err;
   EXPECT_TRUE(out.starts_with("node id     key_")) << out;
   const std::string made = out;
   EXPECT_EQ(mode_of(keys), 0700u);
   EXPECT_EQ(mode_of(keys / "identity.key"), 0600u);
   EXPECT_EQ(run({"key", "show", keys.string()}), exit_ok);
   EXPECT_EQ(out, made);
   EXPECT_EQ(run({"key", "generate", keys.string()}), exit_in_use);
   EXPECT_EQ(run({"key", "show", keys.string()}), exit_ok);
   EXPECT_EQ(out, made);
   EXPECT_EQ(run({"key", "show", keys.string(), "--json"}), exit_ok);
   EXPECT_EQ(json::parse(out).at("schema"), "warren.keys/1");
}

TEST_F(files, keys_that_others_can_read_are_code_4_and_missing_ones_5) {
   EXPECT_EQ(run({"key", "show", (folder / "none").string()}), exit_not_found);
   EXPECT_EQ(run({"key", "generate", (folder / "k").string()}), exit_ok);
   fs::permissions(folder / "k/tunnel.key", fs::perms::others_read, fs::perm_options::add);
   EXPECT_EQ(run({"key", "show", (folder / "k").string()}), exit_permission);
   EXPECT_NE(err.find("chmod 600"), std::string::npos);
}

TEST_F(files, keys_of_a_network_are_where_its_file_says_or_will_say) {
   write("networks/acme.toml", "[network]\nkeys = \"../mine\"\n");
   EXPECT_EQ(run_here({"key", "generate"}), exit_ok) << err;
   EXPECT_TRUE(fs::exists(folder / "mine/identity.key"));
   EXPECT_EQ(run_here({"key", "generate", "-n", "other"}), exit_ok) << err; // before its file
   EXPECT_TRUE(fs::exists(folder / "state/other/keys/identity.key"));
}

TEST_F(files, key_as_a_peer_table_can_be_pasted_into_another_nodes_file) {
   write("networks/acme.toml",
         "[node]\nname = \"laptop\"\naddresses = [\"10.0.0.1/24\"]\n[[transport]]\nplugin = "
         "\"wireguard\"\nlisten = \"[::]:51820\"\n");
   ASSERT_EQ(run_here({"key", "generate"}), exit_ok) << err;
   ASSERT_EQ(run_here({"key", "show", "--peer"}), exit_ok) << err;
   EXPECT_NE(out.find("name = \"laptop\"\n"), std::string::npos) << out;
   EXPECT_NE(out.find("addresses = [\"10.0.0.1\"]\n"), std::string::npos) << out;
   EXPECT_NE(out.find("wireguard://HOST:51820"), std::string::npos) << out;
   write("networks/other.toml", out);
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
}

TEST_F(files, config_check_names_every_mistake_with_its_place) {
   write("networks/acme.toml", "[network]\nmtuu = 5\nmtu = 1\n");
   EXPECT_EQ(run_here({"config", "check"}), exit_usage);
   EXPECT_NE(err.find("acme.toml:2:1: unknown key 'mtuu'"), std::string::npos) << err;
   EXPECT_NE(err.find("acme.toml:3:7: "), std::string::npos) << err;
   EXPECT_TRUE(err.ends_with("warren: 2 mistakes in the configuration\n")) << err;
   EXPECT_EQ(run_here({"config", "check", "--json"}), exit_usage);
   const auto d = json::parse(out);
   EXPECT_EQ(d.at("ok"), false);
   EXPECT_EQ(d.at("errors").at(1).at("line"), 3);
   write("networks/acme.toml", "");
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   EXPECT_NE(out.find("no mistakes; networks: acme"), std::string::npos);
}

TEST_F(files, examples_load) {
   ASSERT_EQ(run({"config", "example"}), exit_ok);
   const std::string text = out;
   EXPECT_NE(text.find("aead"), std::string::npos); // keys of the plugins that are installed
   write("networks/example.toml", text);
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   ASSERT_EQ(run({"config", "example", "daemon"}), exit_ok);
   write("warren.toml", out);
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   EXPECT_EQ(run({"config", "example", "both"}), exit_usage);
}

TEST_F(files, config_show_fills_in_defaults_hides_secrets_and_loads_again) {
   write("networks/acme.toml",
         "[[peer]]\nname = \"phone\"\ntunnel_key = "
         "\"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\"\npsk = "
         "\"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\"\nkeepalive = \"25s\"\n");
   ASSERT_EQ(run_here({"config", "show"}), exit_ok) << err;
   EXPECT_EQ(out.find("yAnz5TF"), std::string::npos);
   EXPECT_NE(out.find("psk = \"(hidden)\"\n"), std::string::npos) << out;
   EXPECT_NE(out.find("mtu = 1420\n"), std::string::npos);
   EXPECT_NE(out.find("keepalive = \"25s\"\n"), std::string::npos);
   std::string network = out.substr(out.rfind("\n# ") + 1);
   network.replace(network.find("psk ="), 5, "# p =");
   write("networks/acme.toml", network);
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   ASSERT_EQ(run_here({"config", "show", "--json", "-n", "acme"}), exit_ok);
   EXPECT_EQ(json::parse(out).at("networks").at("acme").at("network").at("mtu"), 1420);
   EXPECT_EQ(run_here({"config", "show", "-n", "none"}), exit_not_found);
}

TEST_F(files, plugins_are_listed_and_described_with_their_keys) {
   ASSERT_EQ(run_here({"plugin", "list", "--json"}), exit_ok);
   const auto d = json::parse(out);
   EXPECT_EQ(d.at("schema"), "warren.plugins/1");
   std::vector<std::string> names;
   for (const auto& p : d.at("plugins").as_array())
      names.emplace_back(p.at("name").as_string());
   EXPECT_NE(std::find(names.begin(), names.end(), "wireguard"), names.end());
   ASSERT_EQ(run_here({"plugin", "describe", "wireguard"}), exit_ok);
   EXPECT_NE(out.find("[transport.wireguard]\n"), std::string::npos) << out;
   EXPECT_NE(out.find("handshake_initiations_total"), std::string::npos) << out;
   ASSERT_EQ(run_here({"plugin", "describe", "wireguard", "--format", "toml"}), exit_ok);
   EXPECT_NE(out.find("\n[[transport]]\nplugin = \"wireguard\"\n\n[transport.wireguard]\n"),
             std::string::npos)
         << out;
   EXPECT_NE(out.find("\naead = \"auto\"\n"), std::string::npos) << out;
   ASSERT_EQ(run_here({"plugin", "describe", "wireguard", "--format", "markdown"}), exit_ok);
   EXPECT_TRUE(out.starts_with("# wireguard (transport)\n\n")) << out;
   EXPECT_NE(out.find("| `aead` | enum | `auto\\|ipsec-mb"), std::string::npos) << out;
   EXPECT_NE(out.find("| `keepalives_total` | counter | Keepalives sent. |\n"), std::string::npos);
   ASSERT_EQ(run_here({"plugin", "describe", "wireguard", "--format", "json"}), exit_ok);
   EXPECT_EQ(json::parse(out).at("metrics").as_array().size(), 4u);
   const std::string as_json = out;
   ASSERT_EQ(run_here({"plugin", "describe", "wireguard", "--json"}), exit_ok);
   EXPECT_EQ(out, as_json);
   EXPECT_EQ(run_here({"plugin", "describe", "wireguard", "--format", "xml"}), exit_usage);
   EXPECT_EQ(run_here({"plugin", "describe", "nope"}), exit_not_found);
   EXPECT_NE(err.find("wireguard"), std::string::npos);
}

TEST_F(files, plugin_folders_of_the_configuration_come_first_and_none_twice) {
   config::daemon host;
   host.plugin_dirs = {"/a", "/b", "/a"};
   ::setenv("WARREN_PLUGIN_DIR", "/c", 1);
   const auto path = plugin_search_path(host);
   ::unsetenv("WARREN_PLUGIN_DIR");
   ASSERT_GE(path.size(), 5u);
   EXPECT_EQ(path[0], "/a");
   EXPECT_EQ(path[1], "/b");
   EXPECT_EQ(path[2], "/c");
   EXPECT_EQ(path[3].filename(), "plugins");
   EXPECT_NE(std::find(path.begin(), path.end(), "/usr/local/lib/warren/plugins"), path.end());
   EXPECT_EQ(std::count(path.begin(), path.end(), "/a"), 1);
}

TEST_F(files, wg_quick_file_becomes_a_network_with_private_keys) {
   write("wg0.conf", wg_quick_file);
   ASSERT_EQ(run_here({"import", "wg-quick", (folder / "wg0.conf").string()}), exit_ok) << err;
   EXPECT_NE(err.find("wg0.conf:5:1: DNS is left out"), std::string::npos) << err;
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   const fs::path keys = folder / "state/wg0/keys";
   EXPECT_EQ(mode_of(keys), 0700u);
   for (const char* name : {"identity.key", "tunnel.key", "phone.psk"})
      EXPECT_EQ(mode_of(keys / name), 0600u) << name;
   EXPECT_EQ(read("state/wg0/keys/tunnel.key"), "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n");
   EXPECT_EQ(read("networks/wg0.toml").find("yAnz5TF"), std::string::npos);
   EXPECT_EQ(run_here({"key", "show", "--json"}), exit_ok) << err;
   EXPECT_EQ(json::parse(out).at("tunnel_key"),
             "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="); // RFC-style check: 'wg pubkey' of the
                                                              // private key
}

TEST_F(files, import_overwrites_nothing_and_leaves_nothing_half_done) {
   write("wg0.conf", wg_quick_file);
   write("networks/wg0.toml", "# precious\n");
   EXPECT_EQ(run_here({"import", "wg-quick", (folder / "wg0.conf").string()}), exit_in_use);
   EXPECT_EQ(read("networks/wg0.toml"), "# precious\n");
   EXPECT_FALSE(fs::exists(folder / "state/wg0/keys/tunnel.key"));
   // The second peer has the address of the first: the daemon would refuse it.
   write("wg1.conf",
         std::string(wg_quick_file) +
               "[Peer]\nPublicKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\nAllowedIPs = "
               "10.0.0.2/32\n");
   EXPECT_EQ(run_here({"import", "wg-quick", (folder / "wg1.conf").string()}), exit_usage);
   EXPECT_FALSE(fs::exists(folder / "networks/wg1.toml"));
   EXPECT_FALSE(fs::exists(folder / "state/wg1/keys/tunnel.key"));
   EXPECT_EQ(run_here({"import", "wg-quick", (folder / "none.conf").string()}), exit_not_found);
   write("wg2.conf", "[Interface]\n");
   EXPECT_EQ(run_here({"import", "wg-quick", (folder / "wg2.conf").string()}), exit_usage);
   EXPECT_NE(err.find("no PrivateKey"), std::string::npos);
}

TEST_F(files, import_into_a_folder_keeps_everything_together) {
   write("wg0.conf", wg_quick_file);
   ASSERT_EQ(run_here({"import", "wg-quick", (folder / "wg0.conf").string(), "-o",
                       (folder / "out").string(), "--json"}),
             exit_ok)
         << err;
   EXPECT_EQ(json::parse(out).at("schema"), "warren.import/1");
   EXPECT_TRUE(fs::exists(folder / "out/wg0.keys/tunnel.key"));
   // It can be moved as it is.
   fs::rename(folder / "out/wg0.toml", folder / "networks/wg0.toml");
   fs::rename(folder / "out/wg0.keys", folder / "networks/wg0.keys");
   EXPECT_EQ(run_here({"config", "check"}), exit_ok) << err;
   EXPECT_EQ(run_here({"key", "show"}), exit_ok) << err;
}

TEST_F(files, exported_file_is_the_other_side_of_the_imported_one) {
   write("wg0.conf", wg_quick_file);
   ASSERT_EQ(run_here({"import", "wg-quick", (folder / "wg0.conf").string()}), exit_ok) << err;
   ASSERT_EQ(run_here({"export", "wg-quick", "--endpoint", "me.example.org:51820"}), exit_ok)
         << err;
   for (const char* line :
        {"Address = 10.0.0.2/24\n", "PublicKey = HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\n",
         "AllowedIPs = 10.0.0.1/32\n",
         "PresharedKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
         "Endpoint = me.example.org:51820\n"})
      EXPECT_NE(out.find(line), std::string::npos) << line << out;
   EXPECT_EQ(run_here({"export", "wg-quick", "--endpoint", "nonsense"}), exit_usage);
   EXPECT_EQ(run_here({"export", "wg-quick", "--peer", "nobody"}), exit_not_found);
   EXPECT_NE(err.find("phone"), std::string::npos);
}

} // namespace
} // namespace warren::app
