// Handshake messages of any content. The input is a mode byte and bytes: mode 0 delivers them as
// they are; the others take a true initiation, response or cookie reply, change it by (position,
// value) pairs, and put the MACs right so that the decoders behind them are reached. No changed
// message may be accepted, and none may end a handshake in flight.
#include "pair.hpp"
#include "plugins/transport/wireguard/cookie.hpp"

using namespace warren::wireguard;
using namespace warren::wireguard::fuzz;

namespace {

bytes changed(bytes message, std::span<const uint8_t> edits) {
   for (size_t i = 0; i + 1 < edits.size(); i += 2)
      message[edits[i] % message.size()] ^= edits[i + 1];
   return message;
}

void put_mac1_right(bytes& message, const key32& receiver) {
   cookie_jar jar;
   jar.set_public_key(receiver);
   jar.add_macs(message, 0, 1);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   if (size == 0) return 0;
   const std::span<const uint8_t> rest(data + 1, size - 1);
   side a(1);
   side b(2);
   a.know(b);
   b.know(a);
   if (data[0] % 4 == 0) {
      b.deliver(bytes(rest.begin(), rest.end()), a.at);
      connect(a, b);
      return 0;
   }
   a.wg->want_session(0, a.now);
   const bytes initiation = a.out.front();
   if (data[0] % 4 == 1) {
      bytes bad = changed(initiation, rest);
      put_mac1_right(bad, b.open);
      const receive_result result = b.deliver(bad, a.at);
      // The sender index is not authenticated until the response; everything else is.
      const bool same = std::equal(bad.begin() + 8, bad.begin() + 116, initiation.begin() + 8) &&
                        std::equal(bad.begin(), bad.begin() + 4, initiation.begin());
      require((result == receive_result::control) == same);
      if (!same) connect(a, b);
      return 0;
   }
   if (data[0] % 4 == 2) {
      require(b.deliver(initiation, a.at) == receive_result::control);
      const bytes response = b.out.front();
      bytes bad = changed(response, rest);
      put_mac1_right(bad, a.open);
      const receive_result result = a.deliver(bad, b.at);
      const bool same = std::equal(bad.begin() + 8, bad.begin() + 60, response.begin() + 8) &&
                        std::equal(bad.begin(), bad.begin() + 4, response.begin());
      require((result == receive_result::control) == same);
      if (!same) require(a.deliver(response, b.at) == receive_result::control);
      require(a.wg->ready(0, a.now));
      return 0;
   }
   cookie_checker checker;
   checker.set_public_key(b.open);
   bytes reply(64);
   uint32_t index = 0;
   std::memcpy(&index, &initiation[4], 4); // the fuzzers run on little-endian machines
   checker.make_reply(
         initiation, index, a.at, a.now, [](void* out, size_t n) { std::memset(out, 9, n); },
         std::span<uint8_t, 64>(reply));
   const bytes bad = changed(reply, rest);
   require((a.deliver(bad, b.at) == receive_result::control) == (bad == reply));
   return 0;
}
