// Inner packets before the filter. Input: records of one byte (peer in the low bits, a pause in the
// high ones), one of length, then the packet. Checked: bounds hold, what is malformed is dropped,
// and the same packets give the same verdicts in a second filter.
#include "core/route/filter.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   using namespace warren;
   static const auto rules = [] {
      const auto parsed = route::parse_acl(
            R"({"acls": [{"action": "accept", "src": ["*"], "dst": ["*:1-1024"]},
                         {"action": "accept", "proto": "icmp", "src": ["10.0.0.0/8"], "dst": ["*:*"]}]})",
            "f");
      return *route::compile(parsed.value, {});
   }();
   route::filter first(64, {1, 2, 3, 4, 5}, 16), second(64, {1, 2, 3, 4, 5}, 16);
   first.set_rules(rules);
   second.set_rules(rules);
   uint64_t now = 0;
   while (size >= 2) {
      const uint64_t peer = data[0] & 3;
      now += static_cast<uint64_t>(data[0] >> 2) * 1'000'000'000;
      const size_t length = std::min<size_t>(data[1], size - 2);
      const std::span<const uint8_t> packet(data + 2, length);
      const auto v = first.judge(packet, peer, now);
      WRN_ASSERT(v.pass == second.judge(packet, peer, now).pass);
      WRN_ASSERT(!v.pass || v.why != route::filter_reason::malformed);
      WRN_ASSERT(route::parse_inner(packet).has_value() ||
                 v.why == route::filter_reason::malformed);
      WRN_ASSERT(first.flows() <= 64);
      data += 2 + length;
      size -= 2 + length;
   }
   return 0;
}
