// A service that is complete and right when FLAW is `none`, and wrong in one way otherwise.
#include "flaws.hpp"
#include "warren/sdk.hpp"

namespace {

using namespace broken;
namespace sdk = warren::sdk;

class service final : public sdk::service<service> {
 public:
   static constexpr sdk::info about{.id = "org.warren.test.broken-service",
                                    .name = "broken",
                                    .vendor = "Warren",
                                    .version = "0.1.0",
                                    .license = "Apache-2.0",
                                    .summary = "Wrong in one way."};

   void on_member(wrn_handle peer, uint32_t change) {
      throw_if(flaw::throws_on_member);
      if (change == WRN_MEMBER_LINKED) send(peer, sdk::bytes_of("hello"));
   }
   void on_message(wrn_handle, std::span<const uint8_t> bytes) {
      if (is(flaw::trusts_length) && bytes.size() == 4) crash();
      heard_ += bytes.size();
   }
   void on_request(wrn_handle request, const sdk::request& r) {
      throw_if(flaw::throws_on_request);
      if (is(flaw::never_answers) && r.path.size() > 8) return;
      if (is(flaw::no_json)) return respond(request, "hello");
      respond(request, "{\"heard\":" + std::to_string(heard_) + "}");
      if (is(flaw::answers_twice)) respond(request, "{}");
   }

 private:
   uint64_t heard_ = 0;
};

} // namespace

WARREN_PLUGIN(service)
