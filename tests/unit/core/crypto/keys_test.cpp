// Goal: the core's keys are the standards' keys. Method: vectors of RFC 7748 and RFC 8032, strict
// text forms.
#include "core/crypto/keys.hpp"

#include "core/crypto/digest.hpp"

#include <gtest/gtest.h>

namespace warren::crypto {
namespace {

bytes32 from_hex(std::string_view hex) {
   bytes32 out{};
   for (size_t i = 0; i < 32; i++)
      out[i] = static_cast<uint8_t>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
   return out;
}

struct keys : ::testing::Test {
   void SetUp() override { ASSERT_TRUE(init()); }
};

TEST_F(keys, x25519_gives_the_public_key_and_shared_secret_of_rfc_7748_section_6_1) {
   const auto alice = tunnel_key_from_secret(
         from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
   EXPECT_EQ(alice.public_key,
             from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
   bytes32 shared{};
   EXPECT_TRUE(x25519(alice.secret,
                      from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
                      shared));
   EXPECT_EQ(shared, from_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
}

TEST_F(keys, low_order_peer_is_refused) {
   const auto mine = tunnel_key_from_secret(
         from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
   bytes32 shared{};
   EXPECT_FALSE(x25519(mine.secret, bytes32{}, shared));
   bytes32 one{1};
   EXPECT_FALSE(x25519(mine.secret, one, shared));
}

TEST_F(keys, ed25519_gives_the_public_key_of_rfc_8032_test_1_and_verifies_only_the_message) {
   const auto seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
   const auto key = signing_key_from_seed(seed);
   EXPECT_EQ(key.id, from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
   const std::array<uint8_t, 2> message{1, 2}, other{1, 3};
   const auto signature = sign(key, message);
   EXPECT_TRUE(verify(key.id, message, signature));
   EXPECT_FALSE(verify(key.id, other, signature));
}

TEST_F(keys, node_ids_and_tunnel_keys_have_one_text_form) {
   const auto key = signing_key_from_seed(bytes32{7});
   const std::string text = format_node_id(key.id);
   EXPECT_TRUE(text.starts_with("key_"));
   EXPECT_EQ(*parse_node_id(text), key.id);
   EXPECT_FALSE(parse_node_id(text.substr(4)));
   EXPECT_FALSE(parse_node_id(text + "1"));
   EXPECT_FALSE(parse_node_id("key_"));
   const std::string base64 = format_tunnel_key(key.id);
   EXPECT_EQ(*parse_tunnel_key(base64), key.id);
   EXPECT_FALSE(parse_tunnel_key(base64.substr(1)));
}

TEST_F(keys, network_ids_have_one_text_form_that_no_node_id_has) {
   const bytes32 id{200, 1, 2};
   const std::string text = format_network_id(id);
   EXPECT_TRUE(text.starts_with("net_"));
   EXPECT_EQ(*parse_network_id(text), id);
   for (const std::string& bad : {text.substr(4), text + "1", "net_1" + text.substr(4),
                                  "key_" + text.substr(4), std::string("net_"), std::string()})
      EXPECT_FALSE(parse_network_id(bad)) << bad;
   EXPECT_FALSE(parse_node_id(text));
}

TEST_F(keys, hashes_depend_on_domain_and_on_where_parts_end) {
   const std::array<uint8_t, 2> ab{1, 2};
   const std::array<uint8_t, 1> a{1}, b{2};
   const bytes32 one = hash("x", {ab});
   EXPECT_EQ(one, hash("x", {ab}));
   EXPECT_NE(one, hash("y", {ab}));
   EXPECT_NE(one, hash("x", {a, b}));
   EXPECT_NE(one, hash("x", {ab, {}}));
   EXPECT_NE(hash("x", {}), hash("", {std::span<const uint8_t>()}));
   // Fixed for ever, since addresses are made of it; the value is Python's hashlib's.
   EXPECT_EQ(format_hex(one), "5d88a85eb0c1d68742e0f4f93fdf2dbd55f6617266a398440617191e35de72ab");
}

TEST_F(keys, moved_from_secret_is_wiped_and_comparison_sees_one_bit) {
   bytes32 bytes{};
   bytes[31] = 1;
   secret32 a{std::span<const uint8_t, 32>(bytes)};
   secret32 b = a.clone();
   EXPECT_TRUE(a == b);
   const secret32 c = std::move(a);
   EXPECT_TRUE(is_zero(a.bytes())); // NOLINT: the moved-from state is what is tested
   bytes[31] = 3;
   const secret32 other{std::span<const uint8_t, 32>(bytes)};
   EXPECT_FALSE(c == other);
}

} // namespace
} // namespace warren::crypto
