// Sealing and opening in batches, as the engine calls it: up to 128 packets in slots of the pool,
// in place, counters going on. Each backend of this build that works here.
#include "core/io/packet_pool.hpp"
#include "plugins/transport/wireguard/aead.hpp"
#include "tests/bench/micro/body.hpp"

#include <array>
#include <cstring>

namespace warren::bench {

namespace {

namespace wg = wireguard;

class aead : public body {
 public:
   aead(const std::string& backend, uint32_t bytes) : backend_(wg::find_aead(backend)) {
      require(backend_ != nullptr, "the backend does not work");
      key_ = backend_->make_key(std::array<uint8_t, 32>{1, 2, 3});
      require(pool_.alloc(slots_, bytes) == slots_.size(), "no slots");
      for (size_t i = 0; i < jobs_.size(); i++) {
         uint8_t* const data = slots_[i].buf + slots_[i].off;
         std::memset(data, static_cast<int>(i), bytes);
         jobs_[i] = {data, bytes, i, false};
      }
   }
   ~aead() override { pool_.free(slots_); }
   uint32_t packets() const override { return wg::batch_max; }

 protected:
   void check() const { require(jobs_.front().ok && jobs_.back().ok, "a packet was refused"); }
   io::packet_pool pool_{256, 1, 128, 64};
   std::array<wrn_pkt, wg::batch_max> slots_{};
   std::array<wg::aead_job, wg::batch_max> jobs_{};
   std::unique_ptr<wg::aead_backend> backend_;
   std::unique_ptr<wg::aead_key> key_;
};

class seal final : public aead {
 public:
   using aead::aead;
   void prepare() override {
      for (wg::aead_job& job : jobs_)
         job.counter += jobs_.size();
   }
   void run() override {
      key_->seal(jobs_);
      check();
   }
};

/// Opening destroys the ciphertext, so each round gets a new one, sealed by the same key.
class open final : public aead {
 public:
   using aead::aead;
   void prepare() override { key_->seal(jobs_); }
   void run() override {
      key_->open(jobs_);
      check();
   }
};

} // namespace

void add_aead(std::vector<entry>& to) {
   for (const auto& backend : wg::aead_backends()) {
      const std::string name(backend->name());
      for (const uint32_t bytes : {1420u, 64u}) {
         const std::string end = "/" + name + "/" + std::to_string(bytes);
         to.push_back({"seal" + end, [=] { return std::make_unique<seal>(name, bytes); }, true, 8});
         to.push_back({"open" + end, [=] { return std::make_unique<open>(name, bytes); }, true, 8});
      }
   }
}

} // namespace warren::bench
