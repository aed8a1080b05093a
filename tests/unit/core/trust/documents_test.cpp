// Goal: only what has exactly one meaning becomes a document.
//
// Method: bytes that are wrong in one way each; every document out and in again; a bit flipped at
// every place of a statement.
#include "core/trust/documents.hpp"

#include "core/base/address.hpp"

#include <gtest/gtest.h>

namespace warren::trust {
namespace {

using bytes = std::vector<uint8_t>;

crypto::signing_key key(uint8_t n) {
   crypto::bytes32 seed{};
   seed.fill(n);
   return crypto::signing_key_from_seed(seed);
}

std::vector<document> one_of_each() {
   genesis g{"acme", {}, *base::parse_prefix("10.1.0.0/16"), 1, {2}};
   succession s{1, {3}, 4, {short_id{5}, short_id{6}}};
   delegation d;
   d.admin = key(2).id;
   d.serial = 7;
   d.pool = {{1, 9}, {20, 30}};
   d.numbers = {{1, UINT32_MAX}};
   d.groups = {"a", "b"};
   d.tags = {"c"};
   d.any_route = true;
   d.rights = delegation::issue | delegation::govern;
   d.not_after_s = 10;
   d.members_max = 4;
   revocation r{{1, 5, UINT32_MAX}, key(3).id, 9, "gone", 11};
   certificate c;
   c.node = key(4).id;
   c.tunnel_key = {1};
   c.number = 1;
   c.name = "n";
   c.offset = 2;
   c.routes = {*base::parse_prefix("192.168.0.0/16"), *base::parse_prefix("fd00::/8")};
   c.roles = {"admin"};
   c.not_after_s = 5;
   c.serial = 9;
   c.since = 8;
   grant gr{3, {1, 2}, 4, {{1, {}}, {300, {}}}};
   head h{1, 2, 3, 4, 5, {6}};
   network_document n{1, 2, "{ // \xc3\xa4\n}", "why", {3}};
   node_record rec{1, {"wireguard://192.0.2.1:1"}, {2}, "warren/1"};
   join_request j;
   j.admin = key(2).id;
   j.name = "n";
   j.version = "v";
   return {g, s, d, r, c, gr, h, n, rec, j};
}

/// A statement around any body, with a right signature.
bytes around(uint64_t type, const bytes& body, const crypto::bytes32& network) {
   static constexpr char label[] = "warren/statement/1";
   bytes text(label, label + sizeof label);
   for (const uint8_t b : network)
      text.push_back(b);
   text.push_back(static_cast<uint8_t>(type));
   for (const uint8_t b : body)
      text.push_back(b);
   cbor::writer w;
   w.array(4).number(type).bytes(body).bytes(key(1).id).bytes(crypto::sign(key(1), text));
   return w.take();
}

class DocumentsTest : public ::testing::Test {
 protected:
   void SetUp() override { ASSERT_TRUE(crypto::init()); }
   const crypto::bytes32 network{9};
   /// What a head's body with these bytes comes to.
   std::string head_says(const bytes& body) {
      const auto opened = open_statement(around(7, body, network), network);
      return opened ? "" : opened.error().text;
   }
   static bytes head_body() {
      cbor::writer w;
      w.map(6);
      for (unsigned k = 1; k <= 5; k++)
         w.number(k).number(k);
      w.number(6).bytes(crypto::bytes32{});
      return w.take();
   }
};

TEST_F(DocumentsTest, every_document_comes_back_as_it_was) {
   for (const document& d : one_of_each()) {
      const statement made = make_statement(key(1), network, d);
      const auto& named = made.type() == statement_type::genesis ? crypto::bytes32{} : network;
      const statement as_named = make_statement(key(1), named, d);
      const auto opened = open_statement(as_named.bytes, network);
      ASSERT_TRUE(opened) << name_of(made.type()) << ": " << opened.error().text;
      EXPECT_EQ(opened->type(), made.type());
      EXPECT_EQ(opened->signer, key(1).id);
      EXPECT_EQ(opened->id, as_named.id);
      // Written again it is the same bytes: nothing was lost.
      EXPECT_EQ(make_statement(key(1), named, opened->content).bytes, as_named.bytes)
            << name_of(made.type());
   }
}

TEST_F(DocumentsTest, a_changed_bit_anywhere_is_refused) {
   for (const document& d : one_of_each()) {
      const crypto::bytes32 zero{};
      const auto& named = type_of(d) == statement_type::genesis ? zero : network;
      bytes all = make_statement(key(1), named, d).bytes;
      for (size_t i = 0; i < all.size(); i++) {
         all[i] ^= static_cast<uint8_t>(1u << (i % 8));
         EXPECT_FALSE(open_statement(all, network)) << name_of(type_of(d)) << " byte " << i;
         all[i] ^= static_cast<uint8_t>(1u << (i % 8));
      }
      for (size_t n = 0; n < all.size(); n++)
         EXPECT_FALSE(open_statement({all.data(), n}, network));
      all.push_back(0);
      EXPECT_FALSE(open_statement(all, network)) << "trailing byte";
   }
}

TEST_F(DocumentsTest, a_statement_of_another_network_or_type_is_refused) {
   for (const document& d : one_of_each()) {
      if (type_of(d) == statement_type::genesis) continue;
      const statement made = make_statement(key(1), network, d);
      EXPECT_FALSE(open_statement(made.bytes, crypto::bytes32{8}));
      // The same body and signature under every other type: the second byte.
      for (uint8_t t = 0; t < 24; t++) {
         bytes other = made.bytes;
         other[1] = t;
         EXPECT_EQ(open_statement(other, network).has_value(),
                   t == static_cast<uint8_t>(made.type()));
      }
   }
   // Even rightly signed, a body of one type is none of another.
   const auto body_of = [](const statement& s) {
      cbor::reader r(s.bytes);
      r.array(4);
      r.number();
      const auto b = r.bytes(1, statement_bytes_max);
      return bytes(b.begin(), b.end());
   };
   for (const document& d : one_of_each())
      for (uint64_t t = 2; t <= 10; t++)
         if (t != static_cast<uint64_t>(type_of(d))) {
            EXPECT_FALSE(open_statement(
                  around(t, body_of(make_statement(key(1), network, d)), network), network))
                  << name_of(type_of(d)) << " as " << t;
         }
}

TEST_F(DocumentsTest, hostile_cbor_is_refused_though_it_is_signed) {
   const bytes good = head_body();
   ASSERT_EQ(head_says(good), "");
   const auto with = [&](size_t at, bytes what, size_t instead_of) {
      bytes b = good;
      b.erase(b.begin() + static_cast<long>(at), b.begin() + static_cast<long>(at + instead_of));
      b.insert(b.begin() + static_cast<long>(at), what.begin(), what.end());
      return head_says(b);
   };
   EXPECT_NE(with(1, {0x18, 0x01}, 1), "") << "a longer form of a key";
   EXPECT_NE(with(2, {0x19, 0x00, 0x01}, 1), "") << "a longer form of a number";
   EXPECT_NE(with(2, {0x1b, 0, 0, 0, 0, 0, 0, 0, 1}, 1), "") << "eight bytes for one";
   EXPECT_NE(with(0, {0xb8, 0x06}, 1), "") << "a longer form of a count";
   EXPECT_NE(with(0, {0xbf}, 1), "") << "an indefinite table";
   EXPECT_NE(with(3, {0x01}, 1), "") << "a key twice";
   EXPECT_NE(with(3, {0x03}, 1), "") << "keys out of order";
   EXPECT_NE(with(2, {0x20}, 1), "") << "a negative number";
   EXPECT_NE(with(2, {0xf5}, 1), "") << "true";
   EXPECT_NE(with(2, {0xf9, 0x3c, 0x00}, 1), "") << "a float";
   EXPECT_NE(with(2, {0xc1, 0x01}, 1), "") << "a tag";
   EXPECT_NE(with(0, {0xba, 0xff, 0xff, 0xff, 0xff}, 1), "") << "2^32 pairs";
   EXPECT_NE(with(0, {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1), "");
   EXPECT_NE(with(12, {0x5a, 0xff, 0xff, 0xff, 0xff}, 2), "") << "2^32 bytes";
   EXPECT_NE(with(12, {0x5f}, 2), "") << "bytes in pieces";
   EXPECT_NE(with(good.size(), {0x00}, 0), "") << "something behind the end";
   EXPECT_NE(head_says({}), "");
   EXPECT_NE(open_statement(bytes(statement_bytes_max + 1, 0x80), network).error().text, "");
}

TEST_F(DocumentsTest, unknown_fields_are_errors_below_128_and_ignored_from_there) {
   const auto plus = [&](std::initializer_list<bytes> more) {
      bytes b = head_body();
      b[0] = static_cast<uint8_t>(0xa6 + more.size());
      for (const bytes& each : more)
         b.insert(b.end(), each.begin(), each.end());
      return head_says(b);
   };
   EXPECT_NE(plus({{0x07, 0x00}}).find("unknown field 7"), std::string::npos);
   EXPECT_NE(plus({{0x18, 0x7f, 0x00}}).find("unknown field 127"), std::string::npos);
   EXPECT_EQ(plus({{0x18, 0x80, 0x00}}), "");
   EXPECT_EQ(plus({{0x18, 0x80, 0x82, 0x61, 'a', 0xa1, 0x01, 0x41, 0x00}, {0x18, 0x81, 0x00}}), "");
   EXPECT_NE(plus({{0x18, 0x81, 0x00}, {0x18, 0x80, 0x00}}), "") << "out of order";
   EXPECT_NE(plus({{0x18, 0x80, 0x00}, {0x18, 0x80, 0x00}}), "") << "twice";
   EXPECT_EQ(plus({{0x18, 0x80, 0x81, 0x81, 0x81, 0x81, 0x00}}), "");
   EXPECT_NE(plus({{0x18, 0x80, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00}}), "") << "too deep";
   bytes deep(4000, 0x81);
   deep.insert(deep.begin(), {0x18, 0x80});
   EXPECT_NE(plus({deep}), "") << "much too deep";
   EXPECT_NE(plus({{0x18, 0x80, 0x9a, 0xff, 0xff, 0xff, 0xff}}), "") << "2^32 items ignored";
   EXPECT_NE(plus({{0x18, 0x80, 0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0}}), "") << "2^63 pairs ignored";
   EXPECT_NE(plus({{0x18, 0x80, 0x61, 0xff}}), "") << "wrong UTF-8, ignored or not";
   EXPECT_NE(plus({{0x18, 0x80, 0x18, 0x01}}), "") << "a longer form, ignored or not";
}

TEST_F(DocumentsTest, texts_are_utf8_labels_are_labels_and_lists_have_bounds) {
   const auto opens = [&](const document& d) {
      return open_statement(make_statement(key(1), network, d).bytes, network).has_value();
   };
   auto all = one_of_each();
   for (const char* wrong : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
      auto n = std::get<network_document>(all[7]);
      n.acl = wrong;
      EXPECT_FALSE(opens(n)) << wrong;
   }
   auto n = std::get<network_document>(all[7]);
   n.acl.assign(acl_bytes_max, 'x');
   EXPECT_TRUE(opens(n));
   n.acl += 'x';
   EXPECT_FALSE(opens(n));
   auto c = std::get<certificate>(all[4]);
   for (const char* wrong : {"", "A", "a b", "-a", "a-", "a\n", "\xc3\xa4"}) {
      c.name = wrong;
      EXPECT_FALSE(opens(c)) << wrong;
   }
   c.name.assign(label_bytes_max, 'a');
   EXPECT_TRUE(opens(c));
   c.name += 'a';
   EXPECT_FALSE(opens(c));
   c.name = "a";
   c.groups.assign(labels_max, "g");
   EXPECT_TRUE(opens(c));
   c.groups.push_back("g");
   EXPECT_FALSE(opens(c));
   c.groups.clear();
   c.via = 3;
   EXPECT_FALSE(opens(c)) << "a node with a gateway";
   c.via = 0;
   c.since = c.serial + 1;
   EXPECT_FALSE(opens(c));
   auto r = std::get<revocation>(all[3]);
   r.numbers = {5, 5};
   EXPECT_FALSE(opens(r));
   r.numbers.clear();
   r.admin.reset();
   EXPECT_FALSE(opens(r)) << "of nobody";
   auto d = std::get<delegation>(all[2]);
   d.pool = {{9, 1}};
   EXPECT_FALSE(opens(d));
   d.pool.assign(ranges_max + 1, {1, 1});
   EXPECT_FALSE(opens(d));
   auto g = std::get<grant>(all[5]);
   g.seals.clear();
   EXPECT_FALSE(opens(g));
}

TEST_F(DocumentsTest, times_that_overflow_are_refused) {
   auto d = std::get<delegation>(one_of_each()[2]);
   d.not_after_s = UINT64_MAX / 1000 + 1;
   EXPECT_FALSE(open_statement(make_statement(key(1), network, d).bytes, network));
}

} // namespace
} // namespace warren::trust
