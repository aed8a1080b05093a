// Input: a statement as bytes; or, after "!", a signer (1 root, 2 admin, 3 next root, 4 anybody), a
// type and a body that are signed first, so that what lies behind the signature is reached, too.
// What is opened is written again the same, unless it has fields that are ignored; what a ledger
// takes in leaves a view that holds together.
#include "tests/fuzz/trust/world.hpp"

#include <algorithm>

namespace {

using namespace warren;

std::vector<uint8_t> signed_statement(std::span<const uint8_t> in, const crypto::bytes32& network) {
   const crypto::signing_key signer = fuzz::key(static_cast<uint8_t>(1 + (in[0] + 3) % 4));
   const auto body = in.subspan(2);
   static constexpr char label[] = "warren/statement/1";
   std::vector<uint8_t> text(sizeof label + network.size() + 1 + body.size());
   auto at = std::copy(label, label + sizeof label, text.begin());
   at = std::copy(network.begin(), network.end(), at);
   *at++ = in[1];
   std::copy(body.begin(), body.end(), at);
   trust::cbor::writer w;
   w.array(4).number(in[1]).bytes(body).bytes(signer.id).bytes(crypto::sign(signer, text));
   return w.take();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = crypto::init().has_value();
   WRN_ASSERT(ready);
   static const fuzz::framework f = fuzz::make_framework();
   std::vector<uint8_t> bytes(data, data + size);
   if (size >= 3 && data[0] == '!') bytes = signed_statement({data + 1, size - 1}, f.network);
   const auto opened = trust::open_statement(bytes, f.network);
   if (!opened) {
      WRN_ASSERT(!opened.error().text.empty());
      return 0;
   }
   const auto again = trust::open_statement(
         trust::make_statement(fuzz::key(4), f.network, opened->content).bytes, f.network);
   WRN_ASSERT(opened->type() == trust::statement_type::genesis || again);
   trust::ledger l(f.network);
   l.admit(f.genesis, fuzz::wall);
   l.admit(f.delegation, fuzz::wall);
   const auto a = l.admit(bytes, fuzz::wall);
   WRN_ASSERT(a.what != trust::outcome::refused || !a.why.empty());
   for (const uint64_t at : {uint64_t{0}, fuzz::wall, fuzz::wall * 2, fuzz::wall}) {
      const trust::view& v = l.now(at);
      for (const trust::member& m : v.members)
         WRN_ASSERT(v.find(m.cert.number) != nullptr && !v.revoked.contains(m.cert.number));
   }
   WRN_ASSERT(l.all().size() == l.size());
   return 0;
}
