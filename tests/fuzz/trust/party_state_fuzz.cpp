// Input: what is stored of a party; or, after "!", its payload, to which the checksum is made; or,
// after "?", changes (place, byte) to the payload of a real one. It is refused, or the party runs
// and what it stores then is taken again.
#include "core/crypto/digest.hpp"
#include "tests/fuzz/trust/world.hpp"

namespace {

using namespace warren;

std::vector<uint8_t> around(std::span<const uint8_t> payload, const crypto::bytes32& network) {
   trust::cbor::writer w;
   w.array(4).text("warren-state/1").bytes(network);
   w.bytes(crypto::hash("warren/state/1", {payload})).bytes(payload);
   return w.take();
}

std::vector<uint8_t> payload_of(std::span<const uint8_t> state) {
   trust::cbor::reader r(state);
   r.array(4);
   r.text(32);
   r.fixed<32>();
   r.fixed<32>();
   const auto in = r.bytes(1, 1 << 20);
   return {in.begin(), in.end()};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = crypto::init().has_value();
   WRN_ASSERT(ready);
   support::party_world world(5);
   support::party_node& host = world.add_creator();
   WRN_ASSERT(host->invite({}).has_value());
   std::vector<uint8_t> state(data, data + size);
   const auto network = host->network();
   if (size > 1 && data[0] == '!') state = around({data + 1, size - 1}, network);
   if (size > 0 && data[0] == '?') {
      auto payload = payload_of(host.disk);
      for (size_t i = 1; i + 2 < size; i += 3)
         payload[(data[i] | data[i + 1] << 8) % payload.size()] = data[i + 2];
      state = around(payload, network);
   }
   auto restored = trust::party::restore(host, host.identity, state);
   if (!restored) {
      WRN_ASSERT(size != 1 || data[0] != '?'); // a real one, unchanged
      WRN_ASSERT(!restored.error().text.empty());
      return 0;
   }
   host.party = std::move(*restored);
   world.run_ms(1500);
   WRN_ASSERT(host.restart().has_value());
   world.run_ms(200);
   return 0;
}
