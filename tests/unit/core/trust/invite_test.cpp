// Goal: an invite says what its inviter wrote, or it is refused with a sentence that names what is
// wrong; a changed one can still be reported. Method: tokens built by hand for every known trick
// with JSON Web Tokens, signed with the right key where the signature is not the trick.
#include "core/trust/invite.hpp"

#include "core/base/encode.hpp"

#include <gtest/gtest.h>

namespace warren::trust {
namespace {

using base::errc;

constexpr std::string_view good_header = R"({"alg":"EdDSA","typ":"JWT"})";

std::span<const uint8_t> bytes_of(std::string_view text) {
   return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string base64url(std::string_view text) { return base::base64url_encode(bytes_of(text)); }

struct invites : ::testing::Test {
   crypto::signing_key key, stranger;
   invite content;

   void SetUp() override {
      ASSERT_TRUE(crypto::init());
      crypto::bytes32 seed{};
      seed.fill(1);
      key = crypto::signing_key_from_seed(seed);
      seed.fill(2);
      stranger = crypto::signing_key_from_seed(seed);
      content.issuer = key.id;
      content.network.fill(7);
      content.network_name = "acme";
      content.id.fill(3);
      content.secret.fill(4);
      content.endpoints = {"wireguard://192.0.2.1:51820"};
      content.issued_s = 1'767'323'045;
   }
   std::string good() { return encode_invite(content, key).value(); }
   /// Signed by the inviter, whatever it says.
   std::string token(std::string_view header, std::string_view claims) {
      const std::string text = base64url(header) + "." + base64url(claims);
      return text + "." + base::base64url_encode(crypto::sign(key, bytes_of(text)));
   }
   /// The claims of a good invite with one replaced; an empty value leaves it out, and a new key
   /// is added.
   std::string claims(std::string_view name = "", std::string_view value = "") {
      const std::pair<std::string, std::string> all[] = {
            {"iss", "\"" + crypto::format_node_id(key.id) + "\""},
            {"net", "\"" + crypto::format_network_id(content.network) + "\""},
            {"name", "\"acme\""},
            {"jti", "\"" + base::base64url_encode(content.id) + "\""},
            {"sec", "\"" + base::base64url_encode(content.secret) + "\""},
            {"ep", "[\"wireguard://192.0.2.1:51820\"]"},
            {"iat", "1767323045"}};
      std::string out;
      bool found = false;
      for (const auto& [k, v] : all) {
         const bool replaced = k == name;
         found = found || replaced;
         if (replaced && value.empty()) continue;
         out += (out.empty() ? "{\"" : ",\"") + k + "\":" + (replaced ? std::string(value) : v);
      }
      if (!found && !name.empty()) out += ",\"" + std::string(name) + "\":" + std::string(value);
      return out + "}";
   }
   void expect_error(std::string_view text, std::string_view fragment) {
      const auto parsed = parse_invite(text);
      ASSERT_FALSE(parsed) << text;
      EXPECT_EQ(parsed.error().code, errc::invalid);
      EXPECT_NE(parsed.error().text.find(fragment), std::string::npos) << parsed.error().text;
   }
   void expect_claim(std::string_view name, std::string_view value, bool good_one) {
      const auto parsed = parse_invite(token(good_header, claims(name, value)));
      EXPECT_EQ(parsed.has_value(), good_one) << name << " " << value;
      if (parsed) {
         EXPECT_TRUE(parsed->signature_ok);
      } else {
         EXPECT_NE(parsed.error().text.find("'" + std::string(name) + "'"), std::string::npos)
               << parsed.error().text;
      }
   }
};

TEST_F(invites, everything_that_was_written_is_read) {
   content.endpoints.push_back("quic://[2001:db8::1]:443");
   content.expires_s = 1'800'000'000;
   content.uses = 5;
   content.auto_accept = true;
   content.groups = {"friends", "gamers"};
   content.roles = {"relay"};
   content.plan = "10.100.0.0/16";
   const auto parsed = parse_invite(good());
   ASSERT_TRUE(parsed) << parsed.error().text;
   EXPECT_TRUE(parsed->signature_ok);
   EXPECT_EQ(parsed->why, "");
   const invite& got = parsed->value;
   EXPECT_EQ(got.issuer, key.id);
   EXPECT_EQ(got.network, content.network);
   EXPECT_EQ(got.network_name, "acme");
   EXPECT_EQ(got.id, content.id);
   EXPECT_EQ(got.secret, content.secret);
   EXPECT_EQ(got.endpoints, content.endpoints);
   EXPECT_EQ(got.issued_s, content.issued_s);
   EXPECT_EQ(got.expires_s, content.expires_s);
   EXPECT_EQ(got.uses, content.uses);
   EXPECT_TRUE(got.auto_accept);
   EXPECT_EQ(got.groups, content.groups);
   EXPECT_EQ(got.roles, content.roles);
   EXPECT_EQ(got.plan, content.plan);
}

TEST_F(invites, the_header_is_the_one_of_rfc_8037_and_what_is_absent_stays_absent) {
   const std::string text = good();
   EXPECT_EQ(text.substr(0, text.find('.')), base64url(good_header));
   const auto parsed = parse_invite(text);
   ASSERT_TRUE(parsed);
   EXPECT_FALSE(parsed->value.expires_s || parsed->value.uses || parsed->value.auto_accept);
   EXPECT_EQ(text, token(good_header, claims())); // so the tests below test what they say
   EXPECT_LT(invite_link(text).size(), 650u);     // a QR code that a phone can read
}

TEST_F(invites, the_text_is_the_one_that_another_implementation_of_ed25519_signed) {
   EXPECT_EQ(good(), // by OpenSSL, over claims written by hand
             "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJrZXlfQUtuTDROTmYzREdXWkpTNmNQa25"
             "CdUVHblZzVjRBNG01dGdlYkxIYVJTWjkiLCJuZXQiOiJuZXRfVVM1MTdHNTk2NWF5ZGtaNDZIUzM4UUx"
             "pN1VRaVNvanVyZmJRZktDRUxGeCIsIm5hbWUiOiJhY21lIiwianRpIjoiQXdNREF3TURBd01EQXdNREF"
             "3TURBdyIsInNlYyI6IkJBUUVCQVFFQkFRRUJBUUVCQVFFQkEiLCJlcCI6WyJ3aXJlZ3VhcmQ6Ly8xOTI"
             "uMC4yLjE6NTE4MjAiXSwiaWF0IjoxNzY3MzIzMDQ1fQ.uKO5APqzxqkD4AGBCxjwfFITLCK6Fu5CCxNY"
             "-NeIMSkjduqR-DpXNCT9-YsB73YupcFjgssKdX6dLkGy83anCQ");
}

TEST_F(invites, links_and_white_space_around_are_taken) {
   const std::string text = good();
   for (const std::string& form :
        {text, "warren://join/" + text, "  " + text + "\r\n", "\n\twarren://join/" + text + " "}) {
      const auto parsed = parse_invite(form);
      ASSERT_TRUE(parsed) << form;
      EXPECT_TRUE(parsed->signature_ok);
      EXPECT_EQ(parsed->token, text);
   }
   EXPECT_EQ(invite_link(text), "warren://join/" + text);
   expect_error("warren://join/", "empty");
   expect_error("WARREN://JOIN/" + text, "base64url");
   expect_error("warren://join/warren://join/" + text, "base64url");
   expect_error("https://evil.example/" + text, "three parts");
   expect_error(text.substr(0, 40) + "\n" + text.substr(40), "base64url");
}

TEST_F(invites, texts_that_are_no_token_are_refused) {
   expect_error("", "empty");
   expect_error("   \n", "empty");
   expect_error("hello", "three parts");
   expect_error("a.b", "three parts");
   expect_error("a.b.c.d", "three parts");
   expect_error("..", "header is not a JSON object");
   expect_error(std::string(5000, 'a'), "more than 4096 bytes");
   expect_error(std::string_view("\0.\0.\0", 5), "base64url");
}

TEST_F(invites, a_token_signed_by_somebody_else_is_tampered_and_can_be_reported) {
   const std::string text = base64url(good_header) + "." + base64url(claims());
   const auto forged =
         parse_invite(text + "." + base::base64url_encode(crypto::sign(stranger, bytes_of(text))));
   ASSERT_TRUE(forged);
   EXPECT_FALSE(forged->signature_ok);
   EXPECT_NE(forged->why.find("this invite was changed on its way (its signature does not fit)"),
             std::string::npos);
   EXPECT_EQ(forged->value.id, content.id);
   EXPECT_EQ(forged->value.issuer, key.id);
   EXPECT_EQ(forged->value.endpoints, content.endpoints);
}

TEST_F(invites, every_changed_character_shows) {
   const std::string text = good();
   for (size_t i = 0; i < text.size(); i++) {
      std::string changed = text;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      const auto parsed = parse_invite(changed);
      EXPECT_FALSE(parsed && parsed->signature_ok) << i;
   }
}

TEST_F(invites, changed_claims_are_tampered_even_when_they_are_illegal) {
   const std::string text = good();
   const size_t first = text.find('.'), second = text.rfind('.');
   const auto with = [&](const std::string& other) {
      return parse_invite(text.substr(0, first + 1) + base64url(other) + text.substr(second));
   };
   for (const std::string& other :
        {claims("uses", "1000000"), claims("name", "\"<script>\""), claims("ep", "[]"),
         claims("sec", "5"), claims("exp", "\"never\"")}) {
      const auto parsed = with(other);
      ASSERT_TRUE(parsed) << other;
      EXPECT_FALSE(parsed->signature_ok);
      EXPECT_EQ(parsed->value.id, content.id);
   }
   EXPECT_FALSE(with(claims("jti", "\"\""))); // nobody to tell, nothing to tell of
   EXPECT_FALSE(with(claims("iss", "\"key_1\"")));
}

TEST_F(invites, only_eddsa_counts) {
   for (const char* alg : {"none", "None", "NONE", "nOnE", "HS256", "HS512", "RS256", "ES256",
                           "ES256K", "PS256", "Ed25519", "eddsa", "EDDSA", "EdDSA ", ""}) {
      expect_error(token(R"({"alg":")" + std::string(alg) + R"(","typ":"JWT"})", claims()),
                   "not signed with EdDSA");
   }
   for (const char* header : {R"({"typ":"JWT"})", R"({"alg":null,"typ":"JWT"})",
                              R"({"alg":["EdDSA"],"typ":"JWT"})", R"({"Alg":"EdDSA","typ":"JWT"})"})
      expect_error(token(header, claims()), "not signed with EdDSA");
   // The oldest trick: no algorithm and no signature.
   const std::string none = base64url(R"({"alg":"none","typ":"JWT"})") + "." + base64url(claims());
   expect_error(none + ".", "not signed with EdDSA");
   expect_error(none, "three parts");
}

TEST_F(invites, headers_that_bring_keys_or_rules_are_refused) {
   for (const char* member :
        {R"("jwk":{"kty":"OKP","crv":"Ed25519","x":"AAAA"})", R"("jku":"https://evil.example/k")",
         R"("x5u":"https://evil.example/c")", R"("x5c":["AA"])", R"("kid":"../../dev/null")",
         R"("crit":["exp"])"})
      expect_error(token(R"({"alg":"EdDSA","typ":"JWT",)" + std::string(member) + "}", claims()),
                   "brings a key or rules of its own");
   for (const char* header :
        {R"({"alg":"EdDSA"})", R"({"alg":"EdDSA","typ":"jwt"})", R"({"alg":"EdDSA","typ":5})",
         R"({"alg":"EdDSA","typ":"JWT","cty":"JWT"})",
         R"({"alg":"EdDSA","typ":"JWT","zip":"DEF"})"})
      expect_error(token(header, claims()), "header is not that of a Warren invite");
}

TEST_F(invites, repeated_keys_are_refused_however_they_are_written) {
   expect_error(token(R"({"alg":"none","typ":"JWT","alg":"EdDSA"})", claims()),
                "says something twice");
   expect_error(token(R"({"alg":"EdDSA","\u0061lg":"EdDSA","typ":"JWT"})", claims()),
                "says something twice");
   const std::string once = claims();
   const auto twice = [&](std::string_view member) {
      return once.substr(0, once.size() - 1) + "," + std::string(member) + "}";
   };
   for (const char* member : {R"("iat":1767323045)", R"("name":"evil")", R"("n\u0061me":"evil")",
                              R"("x":1,"x":2)", R"("x":{"a":1,"a":2})", R"("x":[{"a":1,"a":2}])"})
      expect_error(token(good_header, twice(member)), "says something twice");
   // Colons and quotes inside strings are not members.
   EXPECT_TRUE(parse_invite(token(good_header, twice(R"("x":":\":\\","y":{"a:b":[1,":"]})"))));
}

TEST_F(invites, base64url_is_canonical_and_without_padding) {
   const std::string text = good();
   const size_t first = text.find('.'), second = text.rfind('.');
   expect_error(text + "=", "incomplete");
   expect_error(text + "A", "incomplete");
   expect_error(text.substr(0, text.size() - 1), "incomplete");
   expect_error(text.substr(0, second + 1), "incomplete");
   expect_error(text.substr(0, first) + "=" + text.substr(first), "base64url");
   expect_error(text.substr(0, second) + "==" + text.substr(second), "base64url");
   // The last character of 64 bytes carries four bits that must be zero.
   std::string other = text;
   const std::string_view alphabet =
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
   other.back() = alphabet[alphabet.find(other.back()) + 1];
   expect_error(other, "incomplete");
   for (const char odd : {'+', '/', '%', '\0', '\n'}) {
      std::string with = text;
      with[first + 5] = odd;
      EXPECT_FALSE(parse_invite(with));
   }
}

TEST_F(invites, content_that_is_no_flat_json_object_is_refused) {
   for (const char* odd : {"", "[]", "5", "null", "\"x\"", "{", "{}x", "\xff", "{\"a\":\"\xff\"}",
                           "{'a':1}", "{\"a\":1,}", "[[[[[[[[[]]]]]]]]]", "{\"a\":[[[[[[1]]]]]]}"})
      expect_error(token(good_header, odd), "not a JSON object");
   expect_error(token("[]", claims()), "not a JSON object");
   expect_error(token(good_header, "{}"), "lacks 'iss'");
}

TEST_F(invites, claims_must_be_there_and_of_their_type_and_range) {
   for (const char* needed : {"iss", "net", "name", "jti", "sec", "ep", "iat"}) {
      expect_error(token(good_header, claims(needed, "")), "lacks '" + std::string(needed) + "'");
      for (const char* odd : {"null", "5.5", "{}", "true", "[5]", "\"\"", "[]", "-1", "[\"\"]"})
         expect_claim(needed, odd, false);
   }
   expect_claim("iss", "\"key_1111\"", false);
   expect_claim("net", "\"key_1111\"", false);
   expect_claim("name", "\"Acme\"", false);
   expect_claim("name", "\"../acme\"", false);
   expect_claim("name", R"("\u001b[2J")", false);
   expect_claim("jti", "\"AAAA\"", false);
   expect_claim("sec", "\"AAAAAAAAAAAAAAAAAAAAAA==\"", false);
   expect_claim("exp", "1767323046", true);
   expect_claim("exp", "1767323045", false); // not after it was issued
   expect_claim("exp", "1e9", false);
   expect_claim("exp", "9223372036854775807", false);
   expect_claim("exp", "18446744073709551615", false);
   expect_claim("uses", "1", true);
   expect_claim("uses", "0", false);
   expect_claim("uses", "1000001", false);
   expect_claim("uses", "\"1\"", false);
   expect_claim("auto", "true", true);
   expect_claim("auto", "1", false);
   expect_claim("grp", "[\"friends\"]", true);
   expect_claim("grp", "[\"Friends\"]", false);
   expect_claim("grp", "\"friends\"", false);
   expect_claim("role", "[\"relay\",5]", false);
   expect_claim("plan", "\"10.0.3.0/24\"", true);
   expect_claim("plan", "\"goconnect\"", false); // a word is not a plan that two can agree on
   expect_claim("plan", "\"8.8.8.0/24\"", false);
   expect_claim("from-a-newer-version", "[1]", true);
}

TEST_F(invites, endpoints_are_few_and_plain) {
   const auto list = [](size_t n, std::string_view one = "wireguard://192.0.2.1:51820") {
      std::string out;
      for (size_t i = 0; i < n; i++)
         out += (out.empty() ? "[\"" : ",\"") + std::string(one) + "\"";
      return out + "]";
   };
   expect_claim("ep", list(8), true);
   expect_claim("ep", list(9), false);
   expect_claim("ep", list(1, "wireguard://nas.example.net:1"), true);
   expect_claim("ep", list(1, "quic://[2001:db8::1]:443"), true);
   for (const char* bad :
        {"192.0.2.1:51820", "wireguard://192.0.2.1", "wireguard://192.0.2.1:0", "wireguard://:1",
         "wireguard://a b:1", "wireguard://a\\n:1", "://a:1", "WIRE GUARD://a:1", "../x://a:1",
         "wireguard://[fe80::1%3]:1", "wireguard://a/../b:1"})
      expect_claim("ep", list(1, bad), false);
}

TEST_F(invites, what_nobody_would_take_is_not_written) {
   content.network_name = "Not a name";
   EXPECT_EQ(encode_invite(content, key).error().code, errc::invalid);
   content.network_name = "acme";
   content.endpoints.clear();
   EXPECT_EQ(encode_invite(content, key).error().code, errc::invalid);
   content.endpoints = {"wireguard://192.0.2.1:51820"};
   content.groups.assign(invite_list_max, std::string(63, 'g'));
   const auto large = encode_invite(content, key);
   ASSERT_FALSE(large);
   EXPECT_EQ(large.error().code, errc::limit);
}

TEST_F(invites, the_issuer_is_who_signs) {
   content.issuer = stranger.id;
   EXPECT_EQ(parse_invite(good())->value.issuer, key.id);
}

TEST_F(invites, tokens_have_short_public_names) {
   const std::string text = good();
   EXPECT_EQ(token_hash(text), token_hash(parse_invite(invite_link(text))->token));
   content.id.fill(9);
   EXPECT_NE(token_hash(text), token_hash(good()));
   EXPECT_EQ(format_invite_id(content.id), "CQkJCQkJCQkJCQkJCQkJCQ");
}

} // namespace
} // namespace warren::trust
