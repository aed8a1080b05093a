// Goal: a tunnel key is believed only from the holder of the node id, for us alone. Method: real
// keys; every byte of the datagram is flipped once.
#include "core/trust/key_statement.hpp"

#include <gtest/gtest.h>
#include <random>

namespace warren::trust {
namespace {

identity make(uint64_t seed) {
   std::mt19937_64 engine(seed);
   const auto random = [&](void* buf, size_t len) {
      for (size_t i = 0; i < len; i++)
         static_cast<uint8_t*>(buf)[i] = static_cast<uint8_t>(engine());
   };
   return identity{crypto::make_signing_key(random), crypto::make_tunnel_key(random), 77};
}

struct key_statement : ::testing::Test {
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
   identity alice = make(1), bob = make(2), carol = make(3);
};

TEST_F(key_statement, receiver_learns_the_senders_tunnel_key) {
   key_message question;
   question.nonce.fill(9);
   const auto datagram = seal_key_message(alice, bob.signing.id, question);
   ASSERT_TRUE(datagram);
   EXPECT_EQ(datagram->size(), key_datagram_bytes);
   const auto got = open_key_message(bob, *datagram);
   ASSERT_TRUE(got) << got.error().text;
   EXPECT_EQ(got->kind, key_message_kind::question);
   EXPECT_EQ(got->sender, alice.signing.id);
   EXPECT_EQ(got->tunnel_key, alice.tunnel.public_key);
   EXPECT_EQ(got->sequence, 77u);
   EXPECT_EQ(got->nonce, question.nonce);
}

TEST_F(key_statement, another_node_can_neither_open_nor_recognise_it) {
   const auto datagram = seal_key_message(alice, bob.signing.id, {});
   EXPECT_FALSE(open_key_message(carol, *datagram));
   // The sender's id must not stand in the datagram for an observer to find.
   const auto& id = alice.signing.id;
   EXPECT_EQ(std::search(datagram->begin(), datagram->end(), id.begin(), id.end()),
             datagram->end());
}

TEST_F(key_statement, every_flipped_byte_and_every_other_length_is_refused) {
   const auto datagram = *seal_key_message(alice, bob.signing.id, {});
   for (size_t i = 0; i < datagram.size(); i++) {
      auto bad = datagram;
      bad[i] ^= 0x40;
      EXPECT_FALSE(open_key_message(bob, bad)) << i;
   }
   for (size_t n : {size_t{0}, size_t{48}, key_datagram_bytes - 1})
      EXPECT_FALSE(open_key_message(bob, std::span(datagram).first(n)));
}

TEST_F(key_statement, tunnel_key_of_somebody_else_cannot_be_claimed) {
   // carol knows alice's public tunnel key, but not its secret.
   identity thief;
   thief.signing = crypto::signing_key_from_seed(carol.signing.seed.bytes());
   thief.tunnel.public_key = alice.tunnel.public_key;
   thief.tunnel.secret = carol.tunnel.secret.clone();
   const auto datagram = seal_key_message(thief, bob.signing.id, {});
   ASSERT_TRUE(datagram);
   const auto got = open_key_message(bob, *datagram);
   ASSERT_FALSE(got);
   EXPECT_NE(got.error().text.find("proof"), std::string::npos);
}

TEST_F(key_statement, low_order_receiver_is_refused) {
   crypto::bytes32 zero{};
   EXPECT_FALSE(seal_key_message(alice, zero, {}));
}

} // namespace
} // namespace warren::trust
