// The bodies of documents: one pair of functions per type, keys ascending, every size bounded.
#include "core/trust/documents_body.hpp"
#include "core/base/address.hpp"

#include <algorithm>

namespace warren::trust {

namespace {

// --- parts ---------------------------------------------------------------------------------------

void put_prefix(cbor::writer& w, const wrn_addr& a) {
   std::vector<uint8_t> out{a.prefix_len};
   out.insert(out.end(), a.ip, a.ip + (a.family == WRN_AF_INET ? 4 : 16));
   w.bytes(out);
}

wrn_addr get_prefix(cbor::reader& r) {
   const auto in = r.bytes(5, 17);
   wrn_addr a{};
   if (in.size() != 5 && in.size() != 17) {
      r.fail("a prefix that is neither IPv4 nor IPv6");
      return a;
   }
   a.family = in.size() == 5 ? WRN_AF_INET : WRN_AF_INET6;
   a.prefix_len = in[0];
   std::copy(in.begin() + 1, in.end(), a.ip);
   if (a.prefix_len > base::address_bits(a) || !base::same_address(a, base::masked(a)))
      r.fail("a prefix with bits behind its length");
   return a;
}

void put_labels(cbor::writer& w, uint64_t key, const std::vector<std::string>& labels) {
   if (labels.empty()) return;
   w.number(key).array(labels.size());
   for (const auto& l : labels)
      w.text(l);
}

std::vector<std::string> get_labels(cbor::map_reader& m, cbor::reader& r, uint64_t key) {
   std::vector<std::string> out;
   if (!m.has(key)) return out;
   for (size_t n = r.array(labels_max); n > 0 && r.ok(); n--) {
      out.push_back(r.text(label_bytes_max));
      if (!is_name(out.back())) r.fail("a label with characters that have no place there");
   }
   if (out.empty()) r.fail("an empty list"); // left out instead: one encoding per value
   return out;
}

void put_ranges(cbor::writer& w, uint64_t key, const std::vector<range>& ranges) {
   w.number(key).array(2 * ranges.size());
   for (const range& each : ranges)
      w.number(each.first).number(each.last);
}

std::vector<range> get_ranges(cbor::map_reader& m, cbor::reader& r, uint64_t key) {
   std::vector<range> out;
   m.need(key);
   size_t n = r.array(2 * ranges_max);
   if (n % 2 != 0) r.fail("half a range");
   for (; n > 0 && r.ok(); n -= 2) {
      range each;
      each.first = static_cast<uint32_t>(r.number(UINT32_MAX));
      each.last = static_cast<uint32_t>(r.number(UINT32_MAX));
      if (each.last < each.first) r.fail("a range that ends before it begins");
      out.push_back(each);
   }
   return out;
}

size_t present(std::initializer_list<bool> optional) {
   return static_cast<size_t>(std::count(optional.begin(), optional.end(), true));
}

std::string line_of(cbor::reader& r, size_t max) {
   std::string text = r.text(max);
   if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }))
      r.fail("a text with control characters");
   return text;
}

// --- one pair of functions per document, keys ascending
// --------------------------------------------

void put(cbor::writer& w, const genesis& d) {
   w.map(5).number(1).text(d.name).number(2).bytes(d.next_root).number(3);
   put_prefix(w, d.plan);
   w.number(4).number(d.created_ms).number(5).bytes(d.nonce);
}

void get(cbor::reader& r, genesis& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.name = r.text(label_bytes_max);
   if (!is_name(d.name)) r.fail("a network name that is no label");
   m.need(2);
   d.next_root = r.fixed<32>();
   m.need(3);
   d.plan = get_prefix(r);
   if (r.ok() && (d.plan.family != WRN_AF_INET || d.plan.prefix_len < 8 || d.plan.prefix_len > 29))
      r.fail("an address plan that is no IPv4 prefix from /8 to /29");
   m.need(4);
   d.created_ms = r.number();
   m.need(5);
   d.nonce = r.fixed<16>();
   m.finish();
}

void put(cbor::writer& w, const succession& d) {
   w.map(4).number(1).number(d.generation).number(2).bytes(d.next_root).number(3).number(d.time_ms);
   w.number(4).array(d.kept.size());
   for (const auto& k : d.kept)
      w.bytes(k);
}

void get(cbor::reader& r, succession& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.generation = r.number(1 << 20);
   if (d.generation == 0) r.fail("a succession of generation 0");
   m.need(2);
   d.next_root = r.fixed<32>();
   m.need(3);
   d.time_ms = r.number();
   m.need(4);
   for (size_t n = r.array(kept_max); n > 0 && r.ok(); n--)
      d.kept.push_back(r.fixed<16>());
   m.finish();
}

void put(cbor::writer& w, const delegation& d) {
   w.map(8 + present({!d.groups.empty(), !d.roles.empty(), !d.tags.empty()}));
   w.number(1).bytes(d.admin).number(2).number(d.serial);
   put_ranges(w, 3, d.pool);
   put_ranges(w, 4, d.numbers);
   w.number(5).number((d.any_label ? 1u : 0u) | (d.any_route ? 2u : 0u));
   put_labels(w, 6, d.groups);
   put_labels(w, 7, d.roles);
   put_labels(w, 8, d.tags);
   w.number(9).number(d.rights);
   w.number(10).array(2).number(d.not_before_s).number(d.not_after_s);
   w.number(11).number(d.members_max);
}

void get(cbor::reader& r, delegation& d) {
   cbor::map_reader m(r, 24);
   m.need(1);
   d.admin = r.fixed<32>();
   m.need(2);
   d.serial = r.number();
   d.pool = get_ranges(m, r, 3);
   d.numbers = get_ranges(m, r, 4);
   m.need(5);
   const uint64_t any = r.number(3);
   d.any_label = (any & 1) != 0;
   d.any_route = (any & 2) != 0;
   d.groups = get_labels(m, r, 6);
   d.roles = get_labels(m, r, 7);
   d.tags = get_labels(m, r, 8);
   m.need(9);
   d.rights = static_cast<uint32_t>(r.number(7));
   m.need(10);
   if (r.array(2) != 2) r.fail("a validity without its end");
   d.not_before_s = r.number(UINT64_MAX / 1000); // in milliseconds it fits, too
   d.not_after_s = r.number(UINT64_MAX / 1000);
   m.need(11);
   d.members_max = static_cast<uint32_t>(r.number(UINT32_MAX));
   m.finish();
}

void put(cbor::writer& w, const certificate& d) {
   w.map(7 + present({d.node.has_value(), !d.routes.empty(), !d.groups.empty(), !d.roles.empty(),
                      !d.tags.empty(), d.via != 0}));
   if (d.node) w.number(1).bytes(*d.node);
   w.number(2).bytes(d.tunnel_key).number(3).number(d.number).number(4).text(d.name);
   w.number(5).number(d.offset);
   if (!d.routes.empty()) {
      w.number(6).array(d.routes.size());
      for (const auto& a : d.routes)
         put_prefix(w, a);
   }
   put_labels(w, 7, d.groups);
   put_labels(w, 8, d.roles);
   put_labels(w, 9, d.tags);
   w.number(10).array(2).number(d.not_before_s).number(d.not_after_s);
   w.number(11).number(d.serial);
   if (d.via != 0) w.number(12).number(d.via);
   w.number(13).number(d.since);
}

void get(cbor::reader& r, certificate& d) {
   cbor::map_reader m(r, 24);
   if (m.has(1)) d.node = r.fixed<32>();
   m.need(2);
   d.tunnel_key = r.fixed<32>();
   m.need(3);
   d.number = static_cast<uint32_t>(r.number(UINT32_MAX));
   if (d.number == 0) r.fail("member number 0");
   m.need(4);
   d.name = r.text(label_bytes_max);
   if (!is_name(d.name)) r.fail("a member's name that is no label");
   m.need(5);
   d.offset = static_cast<uint32_t>(r.number(UINT32_MAX));
   if (m.has(6)) {
      for (size_t n = r.array(routes_max); n > 0 && r.ok(); n--)
         d.routes.push_back(get_prefix(r));
      if (d.routes.empty()) r.fail("an empty list");
   }
   d.groups = get_labels(m, r, 7);
   d.roles = get_labels(m, r, 8);
   d.tags = get_labels(m, r, 9);
   m.need(10);
   if (r.array(2) != 2) r.fail("a validity without its end");
   d.not_before_s = r.number(UINT64_MAX / 1000);
   d.not_after_s = r.number(UINT64_MAX / 1000);
   m.need(11);
   d.serial = r.number();
   if (m.has(12)) {
      d.via = static_cast<uint32_t>(r.number(UINT32_MAX));
      if (d.via == 0) r.fail("an empty field");
   }
   m.need(13);
   d.since = r.number(d.serial);
   if (r.ok() && d.node.has_value() == (d.via != 0))
      r.fail("a stock client needs a node that it connects to, and a node needs none");
   m.finish();
}

void put(cbor::writer& w, const node_record& d) {
   w.map(4).number(1).number(d.sequence).number(2).array(d.endpoints.size());
   for (const auto& e : d.endpoints)
      w.text(e);
   w.number(3).bytes(d.instance).number(4).text(d.version);
}

void get(cbor::reader& r, node_record& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.sequence = r.number();
   m.need(2);
   for (size_t n = r.array(endpoints_max); n > 0 && r.ok(); n--)
      d.endpoints.push_back(line_of(r, 256));
   m.need(3);
   d.instance = r.fixed<8>();
   m.need(4);
   d.version = line_of(r, 64);
   m.finish();
}

void put(cbor::writer& w, const revocation& d) {
   w.map(2 + present({!d.numbers.empty(), d.admin.has_value()}));
   if (!d.numbers.empty()) {
      w.number(1).array(d.numbers.size());
      for (const uint32_t n : d.numbers)
         w.number(n);
   }
   if (d.admin) w.number(2).array(2).bytes(*d.admin).number(d.admin_serial);
   w.number(3).text(d.why).number(4).number(d.time_ms);
}

void get(cbor::reader& r, revocation& d) {
   cbor::map_reader m(r, 16);
   if (m.has(1))
      for (size_t n = r.array(revoked_max); n > 0 && r.ok(); n--) {
         const auto number = static_cast<uint32_t>(r.number(UINT32_MAX));
         if (!d.numbers.empty() && number <= d.numbers.back()) r.fail("numbers out of order");
         d.numbers.push_back(number);
      }
   if (m.has(2)) {
      if (r.array(2) != 2) r.fail("an admin without a serial");
      d.admin = r.fixed<32>();
      d.admin_serial = r.number();
   }
   if (r.ok() && d.numbers.empty() && !d.admin) r.fail("a revocation of nobody");
   m.need(3);
   d.why = line_of(r, 256);
   m.need(4);
   d.time_ms = r.number();
   m.finish();
}

void put(cbor::writer& w, const grant& d) {
   w.map(4).number(1).number(d.epoch).number(2).bytes(d.secret).number(3).number(d.time_ms);
   w.number(4).array(2 * d.seals.size());
   for (const auto& s : d.seals)
      w.number(s.number).bytes(s.box);
}

void get(cbor::reader& r, grant& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.epoch = r.number();
   m.need(2);
   d.secret = r.fixed<8>();
   m.need(3);
   d.time_ms = r.number();
   m.need(4);
   size_t n = r.array(2 * grants_max);
   if (n == 0 || n % 2 != 0) r.fail("half a sealed secret");
   for (; n > 0 && r.ok(); n -= 2) {
      grant::seal s;
      s.number = static_cast<uint32_t>(r.number(UINT32_MAX));
      if (!d.seals.empty() && s.number <= d.seals.back().number) r.fail("numbers out of order");
      s.box = r.fixed<32 + crypto::sealed_overhead>();
      d.seals.push_back(s);
   }
   m.finish();
}

void put(cbor::writer& w, const head& d) {
   w.map(6).number(1).number(d.sequence).number(2).number(d.time_ms).number(3).number(d.epoch);
   w.number(4).number(d.document_version).number(5).number(d.revoked);
   w.number(6).bytes(d.revoked_root);
}

void get(cbor::reader& r, head& d) {
   cbor::map_reader m(r, 16);
   for (const auto& [key, to] : {std::pair{1, &d.sequence},
                                 {2, &d.time_ms},
                                 {3, &d.epoch},
                                 {4, &d.document_version},
                                 {5, &d.revoked}}) {
      m.need(static_cast<uint64_t>(key));
      *to = r.number();
   }
   m.need(6);
   d.revoked_root = r.fixed<32>();
   m.finish();
}

void put(cbor::writer& w, const network_document& d) {
   w.map(5).number(1).number(d.version).number(2).number(d.time_ms).number(3).text(d.acl);
   w.number(4).text(d.note).number(5).bytes(d.parent);
}

void get(cbor::reader& r, network_document& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.version = r.number();
   m.need(2);
   d.time_ms = r.number();
   m.need(3);
   d.acl = r.text(acl_bytes_max);
   m.need(4);
   d.note = line_of(r, 256);
   m.need(5);
   d.parent = r.fixed<16>();
   m.finish();
}

void put(cbor::writer& w, const join_request& d) {
   w.map(8).number(1).bytes(d.admin).number(2).bytes(d.tunnel_key).number(3).bytes(d.proof);
   w.number(4).bytes(d.invite).number(5).bytes(d.nonce).number(6).number(d.time_ms);
   w.number(7).text(d.name).number(8).text(d.version);
}

void get(cbor::reader& r, join_request& d) {
   cbor::map_reader m(r, 16);
   m.need(1);
   d.admin = r.fixed<32>();
   m.need(2);
   d.tunnel_key = r.fixed<32>();
   m.need(3);
   d.proof = r.fixed<16>();
   m.need(4);
   d.invite = r.fixed<16>();
   m.need(5);
   d.nonce = r.fixed<16>();
   m.need(6);
   d.time_ms = r.number();
   m.need(7);
   d.name = r.text(label_bytes_max);
   if (!is_name(d.name)) r.fail("a name that is no label");
   m.need(8);
   d.version = line_of(r, 64);
   m.finish();
}

template <size_t I = 0> document read_as(statement_type type, cbor::reader& r) {
   if constexpr (I < std::variant_size_v<document>) {
      std::variant_alternative_t<I, document> made;
      if (type_of(document(made)) == type) {
         get(r, made);
         return made;
      }
      return read_as<I + 1>(type, r);
   } else {
      r.fail("a statement of an unknown type; it may come from a newer version");
      return genesis{};
   }
}

} // namespace

void put_body(cbor::writer& w, const document& d) {
   std::visit([&](const auto& each) { put(w, each); }, d);
}

document get_body(cbor::reader& r, statement_type type) { return read_as(type, r); }

} // namespace warren::trust
