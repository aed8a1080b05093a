// Drives discoveries: peers come, go and stop answering.
#pragma once

#include "sdk/check/host_discovery.hpp"
#include "sdk/check/workload.hpp"

namespace warren::check {

class discovery_load final : public workload {
 public:
   discovery_load(world& w, std::vector<instance*> instances)
       : world_(w), all_(std::move(instances)) {}

   void begin() override;
   void work() override;
   void load() override;
   std::string alive() override;
   void any_call() override;
   void stale_calls() override;
   void end() override;

   wrn_handle add_peer(instance& who, const std::vector<std::string>& configured,
                       wrn_handle again = 0);
   void gone(instance& who, wrn_handle peer);
   void unreachable(instance& who, wrn_handle peer);

 private:
   const wrn_discovery& table(instance& who) { return *who.ext<wrn_discovery>(WRN_EXT_DISCOVERY); }
   std::string endpoint();
   wrn_handle any_peer(instance& who);

   world& world_;
   std::vector<instance*> all_;
};

} // namespace warren::check
