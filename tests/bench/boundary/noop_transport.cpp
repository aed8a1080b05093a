// The transport that does nothing: what it is sent comes back at once, through a header's worth of
// headroom. Built as a module, so that the benchmark crosses the boundary as every plugin does.
#include <warren/sdk.hpp>

namespace {

namespace sdk = warren::sdk;

class noop final : public sdk::transport<noop> {
 public:
   static constexpr sdk::info about{.id = "org.warren.bench.noop",
                                    .name = "noop",
                                    .vendor = "Warren",
                                    .license = "Apache-2.0",
                                    .summary = "Hands everything back."};
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, 16, 0, 16};

   void on_open(link& l) { set_state(l, WRN_LINK_UP); }
   void on_send(link& l, sdk::batch packets) {
      for (wrn_pkt& p : packets) {
         *sdk::push_front(p, 16) = 4;
         if (*sdk::pop_front(p, 16) != 4) warren().fail(WRN_E_INTERNAL, "not what was written");
      }
      deliver(l, packets);
   }
   void on_datagrams(sdk::batch packets) { warren().free(packets); }
};

} // namespace

WARREN_PLUGIN(noop)
