// Which segmentation offloads of the kernel are used: many packets per system call instead of one.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace warren::base {

enum class offload : unsigned char {
   tso, // TUN device: TCP superpackets both ways
   uso, // TUN device: UDP superpackets both ways (Linux 6.2)
   gso, // UDP socket: one send for many datagrams (UDP_SEGMENT, Linux 4.18)
   gro, // UDP socket: one receive for many datagrams (UDP_GRO, Linux 5.0)
};

inline constexpr size_t offload_count = 4;
inline constexpr std::array<std::string_view, offload_count> offload_names{"tso", "uso", "gso",
                                                                           "gro"};

/// All of them by default.
class offload_set {
 public:
   static constexpr offload_set none() { return offload_set(0); }
   constexpr offload_set() = default;

   constexpr bool has(offload o) const { return (bits_ >> static_cast<unsigned>(o) & 1) != 0; }
   constexpr offload_set with(offload o, bool on = true) const {
      const unsigned bit = 1u << static_cast<unsigned>(o);
      return offload_set(on ? bits_ | bit : bits_ & ~bit);
   }
   constexpr bool any() const { return bits_ != 0; }
   friend constexpr offload_set operator&(offload_set a, offload_set b) {
      return offload_set(a.bits_ & b.bits_);
   }
   friend constexpr offload_set operator|(offload_set a, offload_set b) {
      return offload_set(a.bits_ | b.bits_);
   }
   friend constexpr bool operator==(offload_set, offload_set) = default;

 private:
   constexpr explicit offload_set(unsigned bits) : bits_(bits) {}
   unsigned bits_ = (1u << offload_count) - 1;
};

/// What the self-test at start found.
enum class offload_verdict : unsigned char {
   works,
   untested,    // the machine does not allow the test; what the kernel offers is used
   unsupported, // the kernel does not offer it
   broken,      // packets came out wrong
};

using offload_report = std::array<offload_verdict, offload_count>; // by offload

inline offload_set usable(const offload_report& report) {
   offload_set set;
   for (size_t i = 0; i < offload_count; i++)
      if (report[i] == offload_verdict::unsupported || report[i] == offload_verdict::broken)
         set = set.with(static_cast<offload>(i), false);
   return set;
}

} // namespace warren::base
