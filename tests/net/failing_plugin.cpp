// A transport that claims a link, waits, and fails: for the test that nobody else notices.
#include <warren/sdk.hpp>

namespace {

namespace sdk = warren::sdk;

class failing final : public sdk::transport<failing> {
 public:
   static constexpr sdk::info about{.id = "org.warren.test.failing",
                                    .name = "failing",
                                    .vendor = "Warren",
                                    .license = "Apache-2.0",
                                    .summary = "Fails a moment after it was started."};
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, 0, 0, 0};

   void on_start() { warren().timer_set(timer_, warren().now() + 500'000'000); }
   void on_stop() { warren().timer_cancel(timer_); }
   void on_timer(wrn_handle, uint64_t) { throw std::runtime_error("it was told to break"); }
   void on_open(link& l) { set_state(l, WRN_LINK_UP); }
   void on_send(link&, sdk::batch packets) { warren().drop(packets, WRN_DROP_OTHER); }
   void on_datagrams(sdk::batch packets) { warren().free(packets); }

 private:
   wrn_handle timer_ = 0;
};

} // namespace

WARREN_PLUGIN(failing)
