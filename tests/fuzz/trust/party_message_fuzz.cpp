// Input: first byte, who says it to the admin of a small network: an even number a member, an odd
// one a stranger; the next its bits 1 and 2: whether the rest is a message as it is, or the list of
// changes (place, byte) to a real digest, listing or set of statements. Nothing that is said makes
// a member, ends one, or keeps the network from going on.
#include "tests/fuzz/trust/world.hpp"

namespace {

using namespace warren;

std::vector<uint8_t> real_message(support::party_node& n, unsigned which) {
   trust::cbor::writer w;
   if (which == 1) {
      std::vector<uint8_t> hashes;
      for (const uint64_t word : n->documents().digest())
         for (int i = 0; i < 8; i++)
            hashes.push_back(static_cast<uint8_t>(word >> (8 * i)));
      w.array(2).number(1).bytes(hashes);
   } else if (which == 2) {
      std::vector<uint8_t> ids;
      for (const auto& id : n->documents().ids_in(UINT32_MAX))
         ids.insert(ids.end(), id.begin(), id.end());
      w.array(3).number(2).number(UINT32_MAX).bytes(ids);
   } else {
      const auto all = n->documents().all();
      w.array(2).number(4).array(all.size());
      for (const trust::statement* s : all)
         w.bytes(s->bytes);
   }
   return w.take();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   static const bool ready = crypto::init().has_value();
   WRN_ASSERT(ready);
   if (size < 1) return 0;
   support::party_world world(5);
   support::party_node& host = world.add_creator();
   support::party_node& guest = world.add_member(host);
   support::party_node& stranger = world.add();
   host->on_link(stranger.id(), true, "fuzz");
   support::party_node& from = data[0] % 2 == 0 ? guest : stranger;
   const unsigned which = data[0] >> 1 & 3;
   std::vector<uint8_t> message(data + 1, data + size);
   if (which != 0) {
      message = real_message(guest, which);
      for (size_t i = 1; i + 2 < size; i += 3)
         message[(data[i] | data[i + 1] << 8) % message.size()] = data[i + 2];
   }
   host->on_message(from.id(), message);
   world.run_ms(300);
   WRN_ASSERT(host->now().members.size() == 2 && host->is_admin());
   WRN_ASSERT(guest->state() == trust::standing::member);
   return 0;
}
