// A transport whose timer does not return for a configured time: for the test that the watchdog
// names it.
#include <warren/sdk.hpp>

namespace {

namespace sdk = warren::sdk;

class hanging final : public sdk::transport<hanging> {
 public:
   static constexpr sdk::info about{.id = "org.warren.test.hanging",
                                    .name = "hanging",
                                    .vendor = "Warren",
                                    .license = "Apache-2.0",
                                    .summary = "Hangs a moment after it was started.",
                                    .caps = 0};
   static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, 0, 0, 0};
   static constexpr std::array options{
         sdk::option::duration("hang", "0s..1h", "\"1h\"", "How long the timer does not return.")};

   void configure(const sdk::config& c) { hang_ns_ = c.duration_ns("hang"); }
   void on_start() { warren().timer_set(timer_, warren().now() + 500'000'000); }
   void on_stop() { warren().timer_cancel(timer_); }
   void on_timer(wrn_handle, uint64_t) {
      const wrn_time begin = warren().stopwatch();
      while (warren().stopwatch() - begin < hang_ns_) {
      }
   }
   void on_open(link&) {}
   void on_send(link&, sdk::batch packets) { warren().drop(packets, WRN_DROP_OTHER); }
   void on_datagrams(sdk::batch packets) { warren().free(packets); }

 private:
   wrn_handle timer_ = 0;
   uint64_t hang_ns_ = 0;
};

} // namespace

WARREN_PLUGIN(hanging)
