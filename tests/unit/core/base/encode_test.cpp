// Goal: text forms are exact and strict, so that one key has one spelling. Method: known vectors,
// random round trips, mutated texts.
#include "core/base/encode.hpp"

#include <gtest/gtest.h>
#include <random>

namespace warren::base {
namespace {

std::span<const uint8_t> bytes_of(std::string_view s) {
   return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

TEST(encode, base64_gives_the_vectors_of_rfc_4648) {
   const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
   for (const auto& [plain, text] : vectors) {
      EXPECT_EQ(base64_encode(bytes_of(plain)), text);
      std::vector<uint8_t> out(std::string_view(plain).size());
      ASSERT_TRUE(base64_decode(text, out)) << text;
      EXPECT_EQ(std::string(out.begin(), out.end()), plain);
   }
}

TEST(encode, base64_refuses_second_spellings) {
   std::array<uint8_t, 1> one{};
   EXPECT_TRUE(base64_decode("Zg==", one));
   EXPECT_FALSE(base64_decode("Zh==", one)); // unused bits set
   EXPECT_FALSE(base64_decode("Zg=", one));
   EXPECT_FALSE(base64_decode("Zg=A", one));
   EXPECT_FALSE(base64_decode("Z===", one));
   EXPECT_FALSE(base64_decode("Zg==\n", one));
   EXPECT_FALSE(base64_decode("Zm8=", one));
}

TEST(encode, base58_gives_known_vectors) {
   EXPECT_EQ(base58_encode(bytes_of("hello world")), "StV1DL6CwTryKyV");
   const std::array<uint8_t, 4> zeros{0, 0, 0, 1};
   EXPECT_EQ(base58_encode(zeros), "1112");
}

TEST(encode, base58_round_trips_and_refuses_what_is_not_the_one_spelling) {
   std::mt19937_64 random(1);
   for (int i = 0; i < 2000; i++) {
      std::array<uint8_t, 32> key{}, back{};
      for (auto& b : key)
         b = static_cast<uint8_t>(random());
      for (size_t zero = 0; zero < static_cast<size_t>(i % 5); zero++)
         key[zero] = 0;
      const std::string text = base58_encode(key);
      ASSERT_TRUE(base58_decode(text, back));
      ASSERT_EQ(key, back);
      EXPECT_FALSE(base58_decode("1" + text, back));
      EXPECT_FALSE(base58_decode(text + "0", back)); // 0 is not in the alphabet
      EXPECT_FALSE(base58_decode(text.substr(1), back) && base58_encode(back) == text);
   }
   std::array<uint8_t, 32> out{};
   EXPECT_FALSE(base58_decode(std::string(44, 'z'), out)); // above 2^256
   EXPECT_FALSE(base58_decode(std::string(100000, '1'), out));
}

TEST(encode, base64url_is_that_of_rfc_7515_and_has_one_spelling) {
   const std::array<uint8_t, 6> bytes{3, 236, 255, 224, 193, 5};
   EXPECT_EQ(base64url_encode(std::span(bytes).first(5)), "A-z_4ME"); // RFC 7515 appendix C
   for (size_t n = 0; n <= bytes.size(); n++) {
      const auto part = std::span(bytes).first(n);
      const auto back = base64url_decode(base64url_encode(part));
      ASSERT_TRUE(back);
      EXPECT_TRUE(std::equal(back->begin(), back->end(), part.begin(), part.end()));
   }
   for (const char* bad : {"A", "A-z_4MF", "A-z_4ME=", "A+z_4ME", "A/z_4ME", "A-z_ 4ME", "A-z_4M\n",
                           "AAAAA", "AB", "=", "===="})
      EXPECT_FALSE(base64url_decode(bad)) << bad;
}

} // namespace
} // namespace warren::base
