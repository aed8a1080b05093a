#include "tests/support/fake_network.hpp"

#include "core/base/address.hpp"
#include "tests/support/fake_shard.hpp"

#include <algorithm>
#include <cstring>

namespace warren::support {

namespace {

constexpr uint64_t start_ns =
      1'000'000'000; // so that "now minus something" does not wrap in young code
constexpr uint64_t same_time_steps_max = 100'000;
constexpr uint32_t nobody = UINT32_MAX;

std::string key_of(const wrn_addr& endpoint) { return base::format_endpoint(endpoint); }

wrn_addr parse(std::string_view text) {
   auto address = base::parse_address(text);
   WRN_ASSERT(address.has_value());
   return *address;
}

} // namespace

uint64_t seeded_random::next() {
   state_ += 0x9e3779b97f4a7c15;
   uint64_t z = state_;
   z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
   z = (z ^ z >> 27) * 0x94d049bb133111eb;
   return z ^ z >> 31;
}

bool seeded_random::chance(double probability) {
   if (probability <= 0)
      return false; // costs no draw, so that switching a fault off keeps the rest of the run
   return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
}

void seeded_random::fill(void* buf, size_t len) {
   auto* out = static_cast<uint8_t*>(buf);
   for (size_t i = 0; i < len; i += 8) {
      const uint64_t word = next();
      std::memcpy(out + i, &word, std::min<size_t>(8, len - i));
   }
}

fake_network::fake_network(uint64_t seed) : seed_(seed), random_(seed), now_(start_ns) {}

fake_network::~fake_network() = default;

fake_shard& fake_network::add_node(const std::vector<std::string>& addresses,
                                   const node_options& options) {
   std::vector<wrn_addr> parsed;
   for (const auto& text : addresses) {
      parsed.push_back(parse(text));
      for (const auto& shard : shards_)
         WRN_ASSERT(!shard->owns(parsed.back()));
   }
   const auto index = static_cast<uint32_t>(shards_.size());
   shards_.push_back(std::make_unique<fake_shard>(*this, index, std::move(parsed), options));
   return *shards_.back();
}

void fake_network::set_path(const fake_shard& from, const fake_shard& to,
                            const path_options& options) {
   paths_[{from.index(), to.index()}].options = options;
}

void fake_network::set_path_both(const fake_shard& a, const fake_shard& b,
                                 const path_options& options) {
   set_path(a, b, options);
   set_path(b, a, options);
}

void fake_network::move_address(fake_shard& node, std::string_view from, std::string_view to) {
   const wrn_addr gone = parse(from);
   for (wrn_addr& address : node.addresses_)
      if (base::same_address(address, gone)) {
         address = parse(to);
         return;
      }
   WRN_ASSERT(!"the node has no such address");
}

void fake_network::set_nat(fake_shard& node, const nat_options& options) {
   nats_[node.index()] = nat{.options = options, .next_port = 1024, .by_local = {}, .by_port = {}};
}

void fake_network::rebind_nat(fake_shard& node) {
   const auto found = nats_.find(node.index());
   WRN_ASSERT(found != nats_.end());
   found->second.by_local.clear();
   found->second.by_port.clear();
}

void fake_network::add_name(std::string name, const std::vector<std::string>& addresses) {
   std::vector<wrn_addr> parsed;
   for (const auto& text : addresses)
      parsed.push_back(parse(text));
   names_[std::move(name)] = std::move(parsed);
}

void fake_network::at(uint64_t when, std::function<void()> fn) {
   events_.push_back(event{std::max(when, now_), order_++, std::move(fn)});
   std::push_heap(events_.begin(), events_.end());
}

wrn_addr fake_network::translate_out(nat& n, const wrn_addr& source, const wrn_addr& to) {
   const std::string key = key_of(source) + (n.options.symmetric ? ">" + key_of(to) : "");
   auto found = n.by_local.find(key);
   if (found == n.by_local.end()) {
      while (n.by_port.count(n.next_port) != 0)
         n.next_port++;
      found = n.by_local.emplace(key, n.next_port++).first;
      n.by_port[found->second].local = source;
   }
   n.by_port[found->second].contacted.insert(key_of(to));
   wrn_addr out = n.options.public_address;
   out.port = found->second;
   return out;
}

/// Who answers at that address. A node behind a NAT is known by its public one; its own address
/// only inside the same NAT.
uint32_t fake_network::node_at(const fake_shard& from, const wrn_addr& to) const {
   const auto mine = nats_.find(from.index());
   for (const auto& [index, n] : nats_) {
      if (!base::same_address(n.options.public_address, to)) continue;
      if (n.by_port.count(to.port) != 0) return index;
   }
   for (const auto& shard : shards_) {
      if (!shard->owns(to)) continue;
      const auto theirs = nats_.find(shard->index());
      if (theirs == nats_.end() || shard.get() == &from) return shard->index();
      if (mine != nats_.end() && base::same_address(mine->second.options.public_address,
                                                    theirs->second.options.public_address))
         return shard->index();
   }
   return nobody;
}

void fake_network::transmit(fake_shard& from, wrn_addr source, const wrn_addr& to,
                            std::span<const uint8_t> data, uint8_t ecn) {
   stats_.sent++;
   const uint32_t target = node_at(from, to);
   const bool inside = target != nobody && shards_[target]->owns(to);
   if (const auto found = nats_.find(from.index());
       found != nats_.end() && !(inside && (nats_.count(target) != 0)) &&
       found->second.options.public_address.family == to.family)
      source = translate_out(found->second, source, to);
   if (tap_) tap_(wire_view{now_, source, to, data});
   if (target == nobody) {
      stats_.unreachable++;
      return;
   }
   path& p = paths_[{from.index(), target}];
   const path_options options = p.options.value_or(default_path_);
   const uint64_t bytes = data.size() + (to.family == WRN_AF_INET ? 28u : 48u);
   if (options.blocked || random_.chance(options.loss)) {
      stats_.lost++;
      return;
   }
   if (bytes > options.mtu) {
      stats_.too_big++;
      return;
   }
   uint64_t leaves = now_;
   if (options.rate_bps != 0) {
      leaves = std::max(now_, p.busy_until);
      if (leaves - now_ > options.queue_ns) {
         stats_.lost++;
         return;
      }
      leaves += bytes * 8 * 1'000'000'000 / options.rate_bps;
      p.busy_until = leaves;
   }
   const unsigned copies = random_.chance(options.duplicate) ? 2 : 1;
   stats_.duplicated += copies - 1;
   for (unsigned copy = 0; copy < copies; copy++) {
      uint64_t arrival = leaves + options.delay_ns;
      if (options.jitter_ns != 0) arrival += random_.below(options.jitter_ns + 1);
      if (random_.chance(options.reorder))
         arrival += options.reorder_ns;
      else
         p.last_arrival = arrival = std::max(arrival, p.last_arrival);
      at(arrival, [this, target, source, to, bytes_now = std::vector(data.begin(), data.end()),
                   ecn] { arrive(target, source, to, bytes_now, ecn); });
   }
}

bool fake_network::translate_in(const nat& n, const wrn_addr& from, wrn_addr& to) {
   const auto found = n.by_port.find(to.port);
   if (found == n.by_port.end()) return false;
   if (n.options.filtered && found->second.contacted.count(key_of(from)) == 0) return false;
   to = found->second.local;
   return true;
}

void fake_network::arrive(uint32_t node, const wrn_addr& from, wrn_addr to,
                          const std::vector<uint8_t>& data, uint8_t ecn) {
   fake_shard& shard = *shards_[node];
   if (!shard.owns(to)) {
      const auto found = nats_.find(node);
      if (found == nats_.end() || !translate_in(found->second, from, to)) {
         stats_.unreachable++;
         return;
      }
   }
   if (!shard.owns(to) || !shard.receive(from, to, data, ecn)) {
      stats_.unreachable++;
      return;
   }
   stats_.delivered++;
}

bool fake_network::step(uint64_t limit) {
   uint64_t next = events_.empty() ? UINT64_MAX : events_.front().at;
   for (const auto& shard : shards_)
      next = std::min(next, shard->next_turn());
   if (next > limit) return false;
   // Somebody who re-arms for "now" in every turn would stop the clock for ever: that is a bug of
   // the code under test.
   same_time_steps_ = next <= now_ ? same_time_steps_ + 1 : 0;
   WRN_ASSERT(same_time_steps_ < same_time_steps_max);
   now_ = std::max(now_, next);
   while (!events_.empty() && events_.front().at <= now_) {
      std::pop_heap(events_.begin(), events_.end());
      const auto fn = std::move(events_.back().fn);
      events_.pop_back();
      fn();
   }
   for (size_t i = 0; i < shards_.size(); i++)
      if (shards_[i]->next_turn() <= now_) shards_[i]->turn();
   return true;
}

void fake_network::run_for(uint64_t ns) {
   const uint64_t limit = now_ + ns;
   while (step(limit)) {
   }
   now_ = limit;
}

bool fake_network::run_until(const std::function<bool()>& pred, uint64_t ns) {
   const uint64_t limit = now_ + ns;
   while (!pred()) {
      if (!step(limit)) {
         now_ = limit;
         return pred();
      }
   }
   return true;
}

} // namespace warren::support
