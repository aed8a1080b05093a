// Superpackets to segments and back, and the checksum under both, on packets as a TUN device with
// MTU 1420 sees them.
#include "core/io/checksum.hpp"
#include "core/io/coalesce.hpp"
#include "core/io/packet_pool.hpp"
#include "core/io/split.hpp"
#include "tests/bench/micro/body.hpp"
#include "tests/support/inner_packet.hpp"

#include <array>

namespace warren::bench {

namespace {

constexpr uint32_t mtu = 1420;
constexpr uint32_t segments = 47; // of 1380 bytes each: the most that fit 64 KiB
constexpr uint32_t headroom = 128, tailroom = 64;

/// One superpacket to pool slots. The slots are given back outside of the figure, since whoever
/// sends them does that.
class split final : public body {
 public:
   explicit split(bool tcp) {
      support::packet_spec spec;
      spec.tcp = tcp;
      const uint32_t payload = mtu - (tcp ? 40 : 28);
      packet_ = support::make_packet(spec, support::random_payload(1, size_t{segments} * payload));
      header_ = support::make_partial(packet_, static_cast<uint16_t>(payload));
   }
   ~split() override { prepare(); }
   void prepare() override {
      pool_.free(std::span(out_).first(count_));
      count_ = 0;
   }
   void run() override {
      require(splitter_.begin(header_, packet_), "the superpacket is refused");
      while (!splitter_.done())
         count_ += splitter_.next(pool_, std::span(out_).subspan(count_), headroom, tailroom);
      require(count_ == segments, "not the segments that were expected");
   }
   uint32_t packets() const override { return segments; }

 private:
   io::packet_pool pool_{256, 1, headroom, tailroom};
   io::splitter splitter_;
   support::bytes packet_;
   io::virtio_header header_;
   std::array<wrn_pkt, WRN_BATCH_MAX> out_{};
   uint32_t count_ = 0;
};

/// A batch of one flow to one write. The packets lie in pool slots, as received ones do.
class coalesce final : public body {
 public:
   coalesce(bool tcp, uint32_t bytes, uint32_t count) : count_(count) {
      require(pool_.alloc(std::span(packets_).first(count_), bytes) == count_, "no slots");
      support::packet_spec spec;
      spec.tcp = tcp;
      const uint32_t payload = bytes - (tcp ? 40 : 28);
      for (uint32_t i = 0; i < count_; i++) {
         spec.id = static_cast<uint16_t>(i + 1);
         const auto p = support::make_packet(spec, support::random_payload(i, payload));
         std::copy(p.begin(), p.end(), packets_[i].buf + packets_[i].off);
         spec.sequence += payload;
      }
   }
   ~coalesce() override { pool_.free(std::span(packets_).first(count_)); }
   void prepare() override {
      for (uint32_t w = 0; w < writes_; w++)
         coalescer_.undo(w);
      writes_ = 0;
   }
   void run() override {
      writes_ = coalescer_.join(std::span(packets_).first(count_), {});
      require(writes_ == 1, "the packets were not joined to one");
      keep(coalescer_.pieces(0, pieces_.data()));
   }
   uint32_t packets() const override { return count_; }

 private:
   io::packet_pool pool_{256, 1, headroom, tailroom};
   io::coalescer coalescer_;
   std::array<wrn_pkt, WRN_BATCH_MAX> packets_{};
   std::array<iovec, io::coalescer::pieces_max> pieces_{};
   uint32_t count_;
   uint32_t writes_ = 0;
};

using sum_function = uint64_t (*)(const uint8_t*, size_t);
using copy_function = uint64_t (*)(uint8_t*, const uint8_t*, size_t);

/// 16 different places, so that the source is in the first-level cache but not in registers.
class checksum : public body {
 public:
   explicit checksum(size_t bytes)
       : bytes_(bytes), from_(support::random_payload(1, places * slot)), to_(places * slot) {}
   uint32_t packets() const override { return 1024; }

 protected:
   static constexpr size_t places = 16, slot = 1408;
   size_t bytes_;
   support::bytes from_, to_;
};

class sum final : public checksum {
 public:
   sum(sum_function function, size_t bytes) : checksum(bytes), function_(function) {}
   void run() override {
      uint64_t all = 0;
      for (uint32_t i = 0; i < packets(); i++)
         all += function_(&from_[i % places * slot], bytes_);
      keep(all);
   }

 private:
   sum_function function_;
};

class copy_and_sum final : public checksum {
 public:
   copy_and_sum(copy_function function, size_t bytes) : checksum(bytes), function_(function) {}
   void run() override {
      uint64_t all = 0;
      for (uint32_t i = 0; i < packets(); i++)
         all += function_(&to_[i % places * slot], &from_[i % places * slot], bytes_);
      keep(all);
   }

 private:
   copy_function function_;
};

} // namespace

void add_io(std::vector<entry>& to) {
   to.push_back({"split/tcp", [] { return std::make_unique<split>(true); }});
   to.push_back({"split/udp", [] { return std::make_unique<split>(false); }});
   to.push_back({"coalesce/tcp", [] { return std::make_unique<coalesce>(true, mtu, segments); }});
   // A datagram more would not fit: UDP's headers are shorter.
   to.push_back({"coalesce/udp", [] { return std::make_unique<coalesce>(false, mtu, segments); }});
   to.push_back({"coalesce/udp_200",
                 [] { return std::make_unique<coalesce>(false, 200, WRN_BATCH_MAX); }});
   // `best` is what the dispatch takes on this machine: AVX2 from 128 bytes on where there is AVX2.
   for (const size_t bytes : {size_t{1380}, size_t{64}}) {
      const std::string end = "/" + std::to_string(bytes);
      const auto add_sum = [&](const char* kind, sum_function f) {
         to.push_back({std::string("checksum/sum/") + kind + end,
                       [=] { return std::make_unique<sum>(f, bytes); }, true, 8});
      };
      const auto add_copy = [&](const char* kind, copy_function f) {
         to.push_back({std::string("checksum/copy_and_sum/") + kind + end,
                       [=] { return std::make_unique<copy_and_sum>(f, bytes); }, true, 8});
      };
      add_sum("best", io::sum_bytes);
      add_sum("portable", io::sum_bytes_portable);
      add_copy("best", io::copy_and_sum);
      add_copy("portable", io::copy_and_sum_portable);
   }
}

} // namespace warren::bench
