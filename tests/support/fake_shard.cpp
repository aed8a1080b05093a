#include "tests/support/fake_shard.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"
#include "tests/support/fake_tcp.hpp"

#include <algorithm>
#include <cstring>

namespace warren::support {

namespace {

constexpr size_t inbox_max =
      8192; // datagrams or packets that wait for the next turn, as in a kernel's queue
constexpr uint64_t tx_window_ns =
      10'000; // a socket with tx_room takes that many datagrams in each window
constexpr int64_t epoch_ns = 1'750'000'000'000'000'000; // wall clock of every run

bool is_any(const wrn_addr& a) {
   return std::all_of(std::begin(a.ip), std::end(a.ip), [](uint8_t b) { return b == 0; });
}

} // namespace

class fake_udp final : public io::udp_socket {
 public:
   fake_udp(fake_shard& owner, const wrn_addr& bind, io::udp_sink& sink)
       : owner_(owner), bind_(bind), sink_(sink) {
      owner_.sockets_.push_back(this);
   }
   ~fake_udp() override { std::erase(owner_.sockets_, this); }

   base::offload_set offloads() const override { return {}; }
   uint32_t room() override {
      if (owner_.options_.tx_room == 0) return WRN_BATCH_MAX * 8;
      refill();
      const uint32_t left = owner_.options_.tx_room - used_;
      if (left == 0) wants_writable_ = true;
      return left;
   }

   void send(std::span<const wrn_pkt> packets) override {
      refill();
      for (const wrn_pkt& p : packets) {
         if (owner_.options_.tx_room != 0 && used_ == owner_.options_.tx_room) {
            tx_dropped_++;
            continue;
         }
         used_++;
         const wrn_addr* const source = source_for(p);
         if (source == nullptr || p.len > 65507) {
            owner_.network_.stats_.unreachable++;
            continue;
         }
         wrn_addr from = *source;
         from.port = bind_.port;
         owner_.network_.transmit(owner_, from, p.addr, {p.buf + p.off, p.len}, p.ecn);
      }
      owner_.pool_.free(packets);
   }

   wrn_addr local() const override { return bind_; }
   uint64_t tx_dropped() const override { return tx_dropped_; }
   uint64_t rx_dropped() const override { return rx_dropped_; }

   bool accepts(const wrn_addr& to) const {
      if (to.port != bind_.port) return false;
      if (is_any(bind_)) return bind_.family == WRN_AF_INET6 || to.family == WRN_AF_INET;
      return base::same_address(bind_, to);
   }

   bool clashes(const wrn_addr& other) const {
      if (other.port != bind_.port) return false;
      return is_any(other) || is_any(bind_) || base::same_address(other, bind_);
   }

   void receive(const wrn_addr& from, uint32_t token, const std::vector<uint8_t>& data,
                uint8_t ecn) {
      if (inbox_.size() == inbox_max)
         rx_dropped_++;
      else
         inbox_.push_back(waiting{from, token, ecn, data});
   }

   uint64_t next_turn() const {
      if (!inbox_.empty()) return owner_.now();
      return wants_writable_ ? std::max(window_end_, owner_.now()) : UINT64_MAX;
   }

   /// One batch to the sink; false when nothing waits. The sink may destroy this socket.
   bool deliver() {
      if (inbox_.empty()) return false;
      wrn_pkt batch[WRN_BATCH_MAX];
      uint32_t count = 0;
      while (!inbox_.empty() && count < WRN_BATCH_MAX) {
         waiting& w = inbox_.front();
         wrn_pkt& p = batch[count];
         if (owner_.pool_.alloc({&p, 1}, static_cast<uint32_t>(w.data.size())) == 1) {
            std::copy(w.data.begin(), w.data.end(), p.buf + p.off);
            p.addr = w.from;
            p.local = w.token;
            p.ecn = w.ecn;
            if (count != 0 && batch[count - 1].len == p.len &&
                base::same_endpoint(batch[count - 1].addr, p.addr))
               p.flags |= WRN_PKT_RUN;
            count++;
         } else {
            rx_dropped_++;
         }
         inbox_.pop_front();
      }
      if (count != 0) sink_.on_datagrams(*this, {batch, count});
      return true;
   }

   bool take_writable() {
      return window_end_ <= owner_.now() && std::exchange(wants_writable_, false);
   }
   io::udp_sink& sink() { return sink_; }

 private:
   struct waiting {
      wrn_addr from;
      uint32_t token;
      uint8_t ecn;
      std::vector<uint8_t> data;
   };

   void refill() {
      if (owner_.now() < window_end_) return;
      window_end_ = owner_.now() + tx_window_ns;
      used_ = 0;
   }

   const wrn_addr* source_for(const wrn_pkt& p) const {
      if (p.addr.family == WRN_AF_NONE || p.addr.port == 0) return nullptr;
      if (is_any(bind_)) {
         if (bind_.family == WRN_AF_INET && p.addr.family != WRN_AF_INET) return nullptr;
         return owner_.source_for(p.local, p.addr.family);
      }
      return p.addr.family == bind_.family && owner_.owns(bind_) ? &bind_ : nullptr;
   }

   fake_shard& owner_;
   wrn_addr bind_;
   io::udp_sink& sink_;
   std::deque<waiting> inbox_;
   uint32_t used_ = 0; // of tx_room, in this window
   uint64_t window_end_ = 0;
   bool wants_writable_ = false;
   uint64_t tx_dropped_ = 0;
   uint64_t rx_dropped_ = 0;
};

fake_tun::fake_tun(fake_shard& owner, io::tun_options options, io::tun_sink& sink)
    : owner_(owner), options_(std::move(options)), sink_(sink) {
   owner_.tuns_.push_back(this);
}

fake_tun::~fake_tun() { std::erase(owner_.tuns_, this); }

void fake_tun::inject(std::span<const uint8_t> packet, bool run) {
   if (up_ && inbox_.size() < inbox_max)
      inbox_.push_back(waiting{{packet.begin(), packet.end()}, run});
}

void fake_tun::set_link(bool up) {
   if (up == up_) return;
   up_ = up;
   link_changes_.push_back(up);
}

void fake_tun::write(std::span<wrn_pkt> packets) {
   if (swallow) return swallow(packets);
   for (const wrn_pkt& p : packets) {
      const std::span<const uint8_t> bytes{p.buf + p.off, p.len};
      if (!up_ || p.len == 0)
         rx_dropped_++;
      else if (on_written)
         on_written(bytes);
      else
         written.emplace_back(bytes.begin(), bytes.end());
   }
   owner_.pool_.free(packets);
}

base::result<void> fake_tun::configure(const std::vector<wrn_addr>& addresses,
                                       const std::vector<wrn_addr>& routes, uint32_t mtu) {
   options_.addresses = addresses;
   options_.routes = routes;
   options_.mtu = mtu;
   return {};
}

bool fake_tun::deliver() {
   if (!link_changes_.empty()) {
      const bool up = link_changes_.front();
      link_changes_.pop_front();
      sink_.on_link(*this, up);
      return true;
   }
   if (inbox_.empty()) return false;
   wrn_pkt batch[WRN_BATCH_MAX];
   uint32_t count = 0;
   while (!inbox_.empty() && count < WRN_BATCH_MAX) {
      const waiting& w = inbox_.front();
      wrn_pkt& p = batch[count];
      if (owner_.pool_.alloc({&p, 1}, static_cast<uint32_t>(w.bytes.size()), options_.headroom,
                             options_.tailroom) == 1) {
         std::copy(w.bytes.begin(), w.bytes.end(), p.buf + p.off);
         if (w.run && count != 0) p.flags |= WRN_PKT_RUN;
         count++;
      }
      inbox_.pop_front();
   }
   if (count != 0) sink_.on_packets(*this, {batch, count});
   return true;
}

fake_shard::fake_shard(fake_network& network, uint32_t index, std::vector<wrn_addr> addresses,
                       const node_options& options)
    : network_(network), index_(index), addresses_(std::move(addresses)), options_(options),
      random_(network.seed() ^ (index + 1) * 0xd1342543de82ef95),
      pool_(options.slots, options.slabs, options.headroom, options.tailroom) {}

fake_shard::~fake_shard() {
   WRN_ASSERT(sockets() == 0 && tuns_.empty()); // destroy nodes before their network
}

fake_tun* fake_shard::tun(std::string_view name) const {
   for (fake_tun* const t : tuns_)
      if (name.empty() || t->name() == name) return t;
   return nullptr;
}

int64_t fake_shard::wall_ns() const {
   return epoch_ns + static_cast<int64_t>(network_.now()) + options_.clock_offset_ns;
}

uint64_t fake_shard::timer_set(uint64_t timer, uint64_t at, io::timer_sink& sink, uint64_t tag) {
   return timers_.set(timer, at, sink, tag);
}

void fake_shard::add_turn_sink(io::turn_sink& sink) { turn_sinks_.push_back(&sink); }

void fake_shard::remove_turn_sink(io::turn_sink& sink) {
   // Only cleared: turn() may be walking over the list.
   std::replace(turn_sinks_.begin(), turn_sinks_.end(), &sink,
                static_cast<io::turn_sink*>(nullptr));
}

base::result<std::unique_ptr<io::udp_socket>>
fake_shard::open_udp(const wrn_addr& bind, io::udp_sink& sink, base::offload_set) {
   wrn_addr local = bind;
   if (bind.family != WRN_AF_INET && bind.family != WRN_AF_INET6)
      return base::fail(base::errc::invalid, "cannot listen: no address family given");
   if (!is_any(bind) && !owns(bind))
      return base::fail(base::errc::unavailable, "cannot listen on " + base::format_endpoint(bind) +
                                                       ": this node has no such address");
   const auto taken = [&] {
      return std::any_of(sockets_.begin(), sockets_.end(),
                         [&](fake_udp* s) { return s->clashes(local); });
   };
   if (bind.port == 0) do
         local.port = next_port_++;
      while (taken());
   else if (taken())
      return base::fail(base::errc::in_use, "cannot listen on " + base::format_endpoint(bind) +
                                                  ": the port is in use; choose another one");
   return std::unique_ptr<io::udp_socket>(std::make_unique<fake_udp>(*this, local, sink));
}

base::result<std::unique_ptr<io::tun_device>> fake_shard::open_tun(const io::tun_options& options,
                                                                   io::tun_sink& sink) {
   for (const fake_tun* t : tuns_)
      if (t->name() == options.name)
         return base::fail(base::errc::exists, "cannot create interface " + options.name +
                                                     ": the name is taken; choose another one");
   return std::unique_ptr<io::tun_device>(std::make_unique<fake_tun>(*this, options, sink));
}

void fake_shard::resolve(std::string name, uint16_t port, std::weak_ptr<void> alive,
                         io::resolve_callback done) {
   network_.at(network_.now() + network_.resolver_delay_ns_, [this, name = std::move(name), port,
                                                              alive = std::move(alive),
                                                              done = std::move(done)] {
      posts_.push_back([this, name, port, alive, done] {
         const auto guard = alive.lock();
         if (guard == nullptr) return;
         std::vector<wrn_addr> addresses;
         if (const auto literal = base::parse_address(name); literal)
            addresses.push_back(*literal);
         else if (const auto found = network_.names_.find(name); found != network_.names_.end())
            addresses = found->second;
         if (addresses.empty()) {
            done(base::fail(base::errc::not_found, "no address for " + name));
            return;
         }
         for (wrn_addr& a : addresses)
            a.port = port;
         done(addresses);
      });
   });
}

bool fake_shard::post(std::function<void()> fn) {
   const std::lock_guard lock(posts_mutex_);
   if (posts_.size() >= base::limits::posts_max) return false;
   posts_.push_back(std::move(fn));
   return true;
}

uint64_t fake_shard::next_turn() {
   {
      const std::lock_guard lock(posts_mutex_);
      if (!posts_.empty()) return network_.now();
   }
   for (fake_tun* const t : tuns_)
      if (!t->inbox_.empty() || !t->link_changes_.empty()) return network_.now();
   uint64_t next = timers_.next();
   for (fake_udp* const s : sockets_)
      next = std::min(next, s->next_turn());
   for (const fake_tcp_listener* l : listeners_)
      if (l->has_event()) return network_.now();
   for (const fake_tcp* s : streams_)
      if (s->has_event()) return network_.now();
   return next;
}

void fake_shard::turn() {
   // Callbacks may open and destroy devices and sockets: walk over copies and test that each still
   // lives.
   const auto tuns = tuns_;
   for (fake_tun* const t : tuns)
      while (contains(tuns_, t) && t->deliver()) {
      }
   const auto sockets = sockets_;
   for (fake_udp* const s : sockets) {
      while (contains(sockets_, s) && s->deliver()) {
      }
      if (contains(sockets_, s) && s->take_writable()) s->sink().on_writable(*s);
   }
   turn_streams();
   timers_.run(network_.now());
   std::vector<std::function<void()>> posts;
   {
      const std::lock_guard lock(posts_mutex_);
      posts.swap(posts_);
   }
   for (auto& fn : posts)
      fn();
   for (size_t i = 0; i < turn_sinks_.size(); i++)
      if (turn_sinks_[i] != nullptr) turn_sinks_[i]->on_turn_end();
   std::erase(turn_sinks_, nullptr);
}

bool fake_shard::owns(const wrn_addr& address) const {
   return std::any_of(addresses_.begin(), addresses_.end(),
                      [&](const wrn_addr& a) { return base::same_address(a, address); });
}

uint32_t fake_shard::token_of(const wrn_addr& address) {
   for (size_t i = 0; i < tokens_.size(); i++)
      if (base::same_address(tokens_[i], address)) return static_cast<uint32_t>(i + 1);
   tokens_.push_back(address);
   return static_cast<uint32_t>(tokens_.size());
}

const wrn_addr* fake_shard::source_for(uint32_t token, uint8_t family) const {
   if (token != 0 && token <= tokens_.size() && owns(tokens_[token - 1]) &&
       tokens_[token - 1].family == family)
      return &tokens_[token - 1];
   for (const wrn_addr& a : addresses_)
      if (a.family == family) return &a;
   return nullptr;
}

bool fake_shard::receive(const wrn_addr& from, const wrn_addr& to, const std::vector<uint8_t>& data,
                         uint8_t ecn) {
   for (fake_udp* const s : sockets_) {
      if (!s->accepts(to)) continue;
      s->receive(from, token_of(to), data, ecn);
      return true;
   }
   return false;
}

} // namespace warren::support
