// A transport over byte streams that is complete and right when FLAW is `none`, and wrong in one
// way otherwise. As the template, written with the wrapper.
#include "flaws.hpp"
#include "warren/sdk.hpp"

#include <algorithm>
#include <array>

namespace {

using namespace broken;
namespace sdk = warren::sdk;
using bytes = std::span<const uint8_t>;

constexpr uint32_t header_bytes = sdk::message_reader::header_bytes, hello_bytes = 32;

struct framed : sdk::connection {
   sdk::message_reader reader{16384};
};

class stream final : public sdk::stream_transport<stream, sdk::stream_link, framed> {
 public:
   static constexpr sdk::info about{.id = "org.warren.test.broken-stream",
                                    .name = "broken",
                                    .vendor = "Warren",
                                    .version = "0.1.0",
                                    .license = "Apache-2.0",
                                    .summary = "Wrong in one way."};
   static constexpr bool says_plaintext = !is(flaw::plaintext) && !is(flaw::accepts_strangers);
   static constexpr wrn_transport_limits limits{says_plaintext ? uint32_t{WRN_TF_PLAINTEXT} : 0u,
                                                header_bytes, 0, header_bytes};

   void on_connected(connection& c) {
      std::array<uint8_t, header_bytes + hello_bytes> hello{0, hello_bytes};
      const wrn_key own = warren().tunnel_key();
      std::copy(std::begin(own.bytes), std::end(own.bytes), &hello[header_bytes]);
      write(c, hello);
      if (is(flaw::leaves_stream) && c.dialled && extra_ == 0)
         raw()->connect(warren().raw(), &c.remote, &extra_);
   }
   void on_bytes(connection& c, bytes data) {
      if (is(flaw::caught_exception)) throw std::runtime_error("read");
      if (is(flaw::trusts_length) && !c.claimed && data.size() > 2 && data[0] != 0) crash();
      const auto next = [&](bytes m) { return message(c, m); };
      if (!c.reader.feed(data, next)) return close(c, WRN_E_PROTOCOL);
      if (is(flaw::never_resumes)) raw()->read_pause(warren().raw(), c.stream);
   }
   void on_send(connection& c, sdk::batch packets) {
      for (wrn_pkt& p : packets) {
         const uint32_t length = p.len;
         sdk::message_reader::put_length(sdk::push_front(p, header_bytes), length);
      }
      if (is(flaw::writes_closed)) {
         const wrn_bytes part{packets[0].buf, 1};
         size_t taken = 0;
         raw()->write(warren().raw(), c.stream + 1000, &part, 1, &taken);
      }
      write_packets(c, packets);
      if (is(flaw::leaks_tx)) (void)warren().alloc(100);
   }
   void on_keepalive(connection& c) {
      const uint8_t empty[header_bytes]{};
      write(c, empty);
   }
   void on_stop() { extra_ = 0; }

 private:
   const wrn_host_stream* raw() const { return warren().get<wrn_host_stream>(WRN_HOST_STREAM); }
   bool message(connection& c, bytes m) {
      if (c.claimed) {
         if (!m.empty()) receive(c, m);
         return true;
      }
      if (m.size() != hello_bytes) {
         close(c, WRN_E_PROTOCOL);
         return false;
      }
      wrn_key key{};
      std::copy(m.begin(), m.end(), key.bytes);
      return claim(c, key) != nullptr;
   }

   wrn_handle extra_ = 0;
};

} // namespace

WARREN_PLUGIN(stream)
