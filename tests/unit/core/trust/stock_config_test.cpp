// Goal: a stock client's file is what wg-quick takes, complete, and no name or endpoint can add a
// line to it. Method: exact text, and hostile values.
#include "core/trust/stock_config.hpp"

#include "core/base/address.hpp"
#include "core/config/wg_quick.hpp"

#include <gtest/gtest.h>

namespace warren::trust {
namespace {

struct stock_configs : ::testing::Test {
   crypto::secret32 secret;
   stock_client client;

   void SetUp() override {
      ASSERT_TRUE(crypto::init());
      crypto::bytes32 bytes{};
      bytes.fill(8);
      secret = crypto::secret32(bytes);
      client.network_name = "acme";
      client.gateway_name = "nas";
      client.private_key = &secret;
      client.address = base::parse_address("10.0.3.7").value();
      client.address6 = base::parse_address("fd01::7").value();
      client.mtu = 1280;
      client.gateway_key.fill(9);
      client.gateway_endpoint = "vpn.example.net:51820";
      client.plan = parse_plan("10.0.3.0/24").value();
      client.prefix6 = base::parse_prefix("fd01::/64").value();
   }
};

TEST_F(stock_configs, the_file_is_complete) {
   client.dns = {base::parse_address("10.0.3.1").value(), base::parse_address("fd01::1").value()};
   client.routes = {base::parse_prefix("192.168.7.9/24", true).value()};
   const auto text = stock_config(client);
   ASSERT_TRUE(text) << text.error().text;
   EXPECT_EQ(*text, "# acme\n"
                    "[Interface]\n"
                    "PrivateKey = CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=\n"
                    "Address = 10.0.3.7/32, fd01::7/128\n"
                    "DNS = 10.0.3.1, fd01::1\n"
                    "MTU = 1280\n"
                    "\n"
                    "[Peer]\n"
                    "# nas\n"
                    "PublicKey = CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n"
                    "AllowedIPs = 10.0.3.0/24, fd01::/64, 192.168.7.0/24\n"
                    "Endpoint = vpn.example.net:51820\n"
                    "PersistentKeepalive = 25\n");
   EXPECT_TRUE(config::parse_wg_quick(*text, "wg0.conf").ok());
}

TEST_F(stock_configs, without_a_secret_a_comment_asks_for_it) {
   client.private_key = nullptr;
   const auto text = stock_config(client);
   ASSERT_TRUE(text);
   EXPECT_NE(text->find("# PrivateKey = the private key of this device"), std::string::npos);
   EXPECT_EQ(text->find("\nPrivateKey"), std::string::npos);
}

TEST_F(stock_configs, names_cannot_add_lines) {
   client.network_name = "acme\n[Interface]\nPostUp = reboot";
   client.gateway_name = "nas\nEndpoint = 192.0.2.66:1";
   const auto text = stock_config(client);
   ASSERT_TRUE(text);
   EXPECT_EQ(text->find("PostUp"), std::string::npos);
   EXPECT_EQ(text->find("192.0.2.66"), std::string::npos);
   EXPECT_TRUE(text->starts_with("# acme-interface-postup-reboot\n[Interface]\n")) << *text;
}

TEST_F(stock_configs, endpoints_are_host_and_port_and_nothing_else) {
   for (const char* good :
        {"192.0.2.1:51820", "[2001:db8::1]:51820", "nas:1", "a.b-c.example:65535"}) {
      client.gateway_endpoint = good;
      EXPECT_TRUE(stock_config(client)) << good;
   }
   for (const char* bad : {"", "nas", "nas:", ":51820", "nas:0", "nas:65536",
                           "nas:1\nPostUp = reboot", "nas\n:51820", "nas #:51820", "nas:51820 ",
                           "key_x@nas:51820", "wireguard://nas:51820", "[::1\n]:1", "nas:1#"}) {
      client.gateway_endpoint = bad;
      const auto text = stock_config(client);
      ASSERT_FALSE(text) << bad;
      EXPECT_EQ(text.error().code, base::errc::invalid);
   }
}

} // namespace
} // namespace warren::trust
