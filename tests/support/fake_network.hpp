// An in-memory network under virtual time: nodes, paths with loss, delay, jitter, reordering,
// duplication, MTU and rate, NATs, moving addresses, a table of names; datagrams, and byte streams
// (fake_tcp.hpp). Everything random comes from one seed, so a run repeats exactly.
//
// One network owns its shards (fake_shard.hpp) and steps them in time order on the calling thread.
// Each step moves the clock to the next event, delivers what arrives then, and gives every shard
// that has something to do one turn.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace warren::support {

class fake_shard;

/// A deterministic generator (splitmix64); never for keys outside tests.
class seeded_random {
 public:
   explicit seeded_random(uint64_t seed) : state_(seed) {}
   uint64_t next();
   /// 0 <= result < bound; bound > 0.
   uint64_t below(uint64_t bound) { return next() % bound; }
   bool chance(double probability);
   void fill(void* buf, size_t len);

 private:
   uint64_t state_;
};

/// One direction between two nodes. Loss, duplication and reordering are probabilities per
/// datagram.
struct path_options {
   double loss = 0;
   double duplicate = 0;
   double reorder = 0; // delayed by reorder_ns beside the others; without it a path keeps order
   uint64_t delay_ns = 1'000'000;
   uint64_t jitter_ns = 0; // added, 0..jitter_ns
   uint64_t reorder_ns = 5'000'000;
   uint32_t mtu = 1500;            // of the outer IP packet; larger ones vanish
   uint64_t rate_bps = 0;          // 0 = unlimited
   uint64_t queue_ns = 50'000'000; // what waits longer than this for the rate is lost
   bool blocked = false;
};

struct node_options {
   uint32_t slots = 4096;
   uint32_t slabs = 32;
   uint32_t headroom = 256;
   uint32_t tailroom = 128;
   uint32_t tx_room = 0;        // datagrams per socket and 10 us; 0 = unlimited
   int64_t clock_offset_ns = 0; // of wall_ns()
};

/// An address translator in front of a node. A mapping per local endpoint, or per local and remote
/// endpoint when symmetric.
struct nat_options {
   wrn_addr public_address{};
   bool symmetric = false;
   bool filtered = true; // lets only answers in
};

/// One datagram as an observer of the wire sees it, after translation.
struct wire_view {
   uint64_t at;
   wrn_addr from;
   wrn_addr to;
   std::span<const uint8_t> data;
};

struct network_stats {
   uint64_t sent = 0;
   uint64_t delivered = 0; // duplicates included
   uint64_t duplicated = 0;
   uint64_t lost = 0; // by chance, blocked paths and full queues
   uint64_t too_big = 0;
   uint64_t unreachable = 0; // no such address, no listener, refused by a NAT
};

class fake_network {
 public:
   explicit fake_network(uint64_t seed);
   ~fake_network();
   fake_network(const fake_network&) = delete;
   fake_network& operator=(const fake_network&) = delete;

   /// Addresses as text; asserts that they are valid and not taken.
   fake_shard& add_node(const std::vector<std::string>& addresses,
                        const node_options& options = {});
   /// Both take effect for datagrams sent from now on. set_path() is one direction.
   void set_default_path(const path_options& options) { default_path_ = options; }
   void set_path(const fake_shard& from, const fake_shard& to, const path_options& options);
   void set_path_both(const fake_shard& a, const fake_shard& b, const path_options& options);
   /// The node leaves `from` and appears at `to`, as a phone does that changes its network. Sockets
   /// bound to "::" follow.
   void move_address(fake_shard& node, std::string_view from, std::string_view to);
   void set_nat(fake_shard& node, const nat_options& options);
   /// Forgets all mappings, as a restarted router does: the next datagram leaves from another port.
   void rebind_nat(fake_shard& node);

   void add_name(std::string name, const std::vector<std::string>& addresses);
   void set_resolver_delay(uint64_t ns) { resolver_delay_ns_ = ns; }
   void set_tap(std::function<void(const wire_view&)> tap) { tap_ = std::move(tap); }

   uint64_t now() const { return now_; }
   uint64_t seed() const { return seed_; }
   seeded_random& random() { return random_; }
   const network_stats& stats() const { return stats_; }

   /// Runs all shards up to now() + ns.
   void run_for(uint64_t ns);
   /// Until pred() holds, tested between steps; false when it does not within ns.
   bool run_until(const std::function<bool()>& pred, uint64_t ns);
   /// Runs fn outside of all shards at an absolute time.
   void at(uint64_t when, std::function<void()> fn);

 private:
   friend class fake_shard;
   friend class fake_udp;
   friend class fake_tcp_wire;
   struct event {
      uint64_t at;
      uint64_t order;
      std::function<void()> fn;
      /// For the heap functions of std, which keep the largest in front: the earliest is the
      /// largest.
      bool operator<(const event& other) const {
         return at != other.at ? at > other.at : order > other.order;
      }
   };
   struct path {
      std::optional<path_options> options;
      uint64_t busy_until = 0;   // of the rate
      uint64_t last_arrival = 0; // keeps the order
   };
   using endpoint_key = std::string;
   struct nat {
      nat_options options;
      uint16_t next_port = 1024;
      std::map<endpoint_key, uint16_t> by_local;
      struct mapping {
         wrn_addr local;
         std::set<endpoint_key> contacted;
      };
      std::map<uint16_t, mapping> by_port;
   };

   void transmit(fake_shard& from, wrn_addr source, const wrn_addr& to,
                 std::span<const uint8_t> data, uint8_t ecn);
   /// Where a datagram to `to` goes behind the NAT; false when it is not let in.
   static bool translate_in(const nat& n, const wrn_addr& from, wrn_addr& to);
   void arrive(uint32_t node, const wrn_addr& from, wrn_addr to, const std::vector<uint8_t>& data,
               uint8_t ecn);
   wrn_addr translate_out(nat& n, const wrn_addr& source, const wrn_addr& to);
   uint32_t node_at(const fake_shard& from, const wrn_addr& to) const;
   bool step(uint64_t limit);

   uint64_t seed_;
   seeded_random random_;
   uint64_t now_;
   uint64_t order_ = 0;
   uint64_t same_time_steps_ = 0;
   uint64_t resolver_delay_ns_ = 5'000'000;
   path_options default_path_;
   std::vector<event> events_; // a heap
   std::map<std::pair<uint32_t, uint32_t>, path> paths_;
   std::map<uint32_t, nat> nats_;
   std::map<std::string, std::vector<wrn_addr>, std::less<>> names_;
   std::function<void(const wire_view&)> tap_;
   network_stats stats_;
   std::vector<std::unique_ptr<fake_shard>> shards_;
};

} // namespace warren::support
