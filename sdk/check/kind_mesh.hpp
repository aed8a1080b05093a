// What routings and services share: members that come and go, messages of friends and of others.
#pragma once

#include "sdk/check/host_mesh.hpp"
#include "sdk/check/workload.hpp"

namespace warren::check {

class mesh_load : public workload {
 public:
   mesh_load(world& w, std::vector<instance*> instances) : world_(w), all_(std::move(instances)) {}

   void begin() override;
   void work() override;
   void any_call() override;
   void stale_calls() override;
   void end() override;

   /// A message as a hostile member would write it.
   void hostile_message(instance& who, wrn_handle from);

 protected:
   /// Members that are not neighbours have no direct link; by default all are.
   virtual bool neighbors(const instance&, const instance&) const { return true; }
   /// After a link came or went, on both sides.
   virtual void linked(instance&, wrn_handle, bool) {}
   /// A call of the kind's own; false when it was not time for one.
   virtual bool own_call(instance&) { return false; }
   virtual void own_work(instance&) {}
   void link(instance& a, instance& b, bool up);
   wrn_handle any_member(instance& who);

   world& world_;
   std::vector<instance*> all_;
};

class routing_load final : public mesh_load {
 public:
   using mesh_load::mesh_load;
   void load() override;
   std::string alive() override;
   /// Does `who` publish a way to `to`, and one that begins with `by`?
   bool has_way(instance& who, instance& to, instance* by = nullptr);
   void set_link(instance& a, instance& b, bool up) { link(a, b, up); }

 protected:
   bool neighbors(const instance& a, const instance& b) const override {
      return a.number + 1 == b.number || b.number + 1 == a.number;
   }
   void linked(instance& who, wrn_handle peer, bool up) override;
   bool own_call(instance& who) override;
};

class service_load final : public mesh_load {
 public:
   using mesh_load::mesh_load;
   void load() override;
   std::string alive() override;

 protected:
   bool own_call(instance& who) override;
   void own_work(instance& who) override;
};

} // namespace warren::check
