// A live session under any input. The input is a list of commands: seal inner bytes and deliver
// them whole, changed or cut short; deliver raw bytes; repeat an old message; let time pass. Inner
// bytes are the attacker's too: a peer with valid keys may send any plaintext.
#include "pair.hpp"

using namespace warren::wireguard;
using namespace warren::wireguard::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   side a(1);
   side b(2);
   a.know(b);
   b.know(a);
   connect(a, b);
   std::vector<bytes> sent;
   size_t at = 0;
   const auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
   for (int commands = 0; at < size && commands < 64; commands++) {
      const uint8_t command = next();
      const size_t length = std::min<size_t>(next() * (command & 0x80 ? 8 : 1), size - at);
      const bytes content(data + at, data + at + length);
      switch (command % 5) {
      case 0:
      case 1: {
         bytes buffer(seal_headroom + length + seal_tailroom);
         std::copy(content.begin(), content.end(), buffer.begin() + seal_headroom);
         frame f{buffer.data() + seal_headroom, static_cast<uint32_t>(length)};
         a.wg->set_mtu(command & 0x40 ? 100 : 0);
         if (a.wg->seal(0, {&f, 1}, a.now) == 0) break;
         require(f.data == buffer.data() && f.len <= buffer.size());
         bytes message(f.data, f.data + f.len);
         if (command % 5 == 1) {
            bytes bad = message;
            bad[next() % bad.size()] ^= static_cast<uint8_t>(next() | 1);
            if (command & 0x20) bad.resize(next() % bad.size());
            const auto result = b.deliver(bad, address(9));
            require(result != receive_result::data && result != receive_result::keepalive);
            require(b.wg->remote(0) == a.at); // no roaming
         }
         const auto result = b.deliver(message, a.at);
         require(result != receive_result::bad_auth && result != receive_result::replay);
         sent.push_back(std::move(message));
         break;
      }
      case 2:
         b.deliver(content, a.at);
         break;
      case 3:
         if (sent.empty()) break;
         require(b.deliver(sent[next() % sent.size()], address(9)) != receive_result::data);
         break;
      default:
         a.now = b.now = a.now + uint64_t{length} * 1'000'000'000;
         for (int i = 0; i < 50 && a.wg->next_deadline() <= a.now; i++)
            a.wg->on_time(a.now, a.wall());
         for (int i = 0; i < 50 && b.wg->next_deadline() <= b.now; i++)
            b.wg->on_time(b.now, b.wall());
         require(a.wg->next_deadline() > a.now && b.wg->next_deadline() > b.now);
         for (; !a.out.empty(); a.out.pop_front())
            b.deliver(a.out.front(), a.at);
         for (; !b.out.empty(); b.out.pop_front())
            a.deliver(b.out.front(), b.at);
         for (; !a.out.empty(); a.out.pop_front())
            b.deliver(a.out.front(), a.at);
      }
      at += std::min(length, size - std::min(at, size));
   }
   return 0;
}
