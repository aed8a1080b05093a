#include "tests/support/fake_tcp.hpp"

#include "core/base/address.hpp"
#include "core/base/limits.hpp"

#include <algorithm>

namespace warren::support {

namespace limits = base::limits;

namespace {

constexpr size_t segment_bytes = 1400;
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t repeat_ns = 200'000'000; // of a lost segment
constexpr uint64_t unacknowledged_ns = uint64_t{limits::stream_unacknowledged_ms_max} * 1'000'000;

bool is_any(const wrn_addr& a) {
   return std::all_of(std::begin(a.ip), std::end(a.ip), [](uint8_t b) { return b == 0; });
}

} // namespace

// --- the wire ----------------------------------------------------------------------------------

void fake_tcp_wire::later(uint64_t when, std::function<void()> fn) {
   network_.at(when, [keep = shared_from_this(), fn = std::move(fn)] { fn(); });
}

/// When something sent now by that end arrives, in order; `blocked` when it cannot get through.
uint64_t fake_tcp_wire::passes(unsigned from, size_t bytes, bool& blocked) {
   end& e = ends[from];
   const end& other = ends[1 - from];
   fake_network::path& p = network_.paths_[{e.shard->index(), other.shard->index()}];
   const path_options options = p.options.value_or(network_.default_path_);
   const bool target_there = other.shard->owns(other.local);
   blocked = options.blocked || !e.shard->owns(e.local) || !target_there;
   if (blocked) return 0;
   uint64_t leaves = network_.now_;
   if (options.rate_bps != 0) {
      leaves = std::max(leaves, p.busy_until) + bytes * 8 * second / options.rate_bps;
      p.busy_until = leaves;
   }
   while (network_.random_.chance(options.loss))
      leaves += repeat_ns;
   uint64_t arrival = leaves + options.delay_ns;
   if (options.jitter_ns != 0) arrival += network_.random_.below(options.jitter_ns + 1);
   return e.last_arrival = std::max(arrival, e.last_arrival);
}

void fake_tcp_wire::call(uint64_t pause_ns) {
   end& caller = ends[0];
   if (caller.user == nullptr || caller.connected || caller.error) return;
   const uint32_t node = network_.node_at(*caller.shard, caller.remote);
   target_ = node < network_.shards_.size() ? network_.shards_[node].get() : nullptr;
   bool blocked = target_ == nullptr || !target_->owns(caller.remote);
   if (!blocked) {
      ends[1].shard = target_;
      ends[1].local = caller.remote;
      ends[1].remote = caller.local;
      if (const auto nat = network_.nats_.find(caller.shard->index()); nat != network_.nats_.end())
         ends[1].remote = network_.translate_out(nat->second, caller.local, caller.remote);
      const uint64_t arrival = passes(0, 60, blocked);
      if (!blocked) later(arrival, [this] { answer_call(); });
   }
   later(network_.now_ + pause_ns, [this, pause_ns] {
      if (ends[0].user == nullptr || ends[0].connected || ends[0].error) return;
      if (pause_ns >= second << limits::stream_connect_repeats_max)
         ends[0].error = base::fail(base::errc::timeout, "stream: no answer");
      else
         call(pause_ns * 2);
   });
}

/// The call arrived at the other node.
void fake_tcp_wire::answer_call() {
   end &caller = ends[0], &called = ends[1];
   if (caller.user == nullptr || caller.connected || called.user != nullptr) return;
   fake_tcp_listener* listener = nullptr;
   for (fake_tcp_listener* const l : called.shard->listeners_)
      if (l->accepts(called.local)) listener = l;
   if (listener != nullptr && !listener->has_room()) return; // no answer: it calls again
   bool blocked = false;
   const uint64_t arrival = passes(1, 60, blocked);
   if (blocked) return;
   if (listener == nullptr) {
      later(arrival, [this] {
         if (!ends[0].connected)
            ends[0].error = base::fail(base::errc::unavailable, "stream: refused");
      });
      return;
   }
   called.connected = true;
   listener->add(std::make_unique<fake_tcp>(shared_from_this(), 1, nullptr));
   later(arrival, [this] { ends[0].connected = true; });
}

void fake_tcp_wire::stall(unsigned side) {
   end& e = ends[side];
   if (e.stalled_since == 0) e.stalled_since = network_.now_;
   if (network_.now_ - e.stalled_since >= unacknowledged_ns) {
      e.error = base::fail(base::errc::timeout, "stream: not acknowledged");
      e.unsent.clear();
      return;
   }
   if (e.retrying) return;
   e.retrying = true;
   later(network_.now_ + repeat_ns, [this, side] {
      ends[side].retrying = false;
      pump(side);
   });
}

void fake_tcp_wire::pump(unsigned side) {
   end &e = ends[side], &other = ends[1 - side];
   if (!e.connected || e.error) return;
   while (!e.unsent.empty() && e.in_flight < window_bytes) {
      const size_t n = std::min({e.unsent.size(), segment_bytes, window_bytes - e.in_flight});
      bool blocked = false;
      const uint64_t arrival = passes(side, n + 40, blocked);
      if (blocked) return stall(side);
      e.stalled_since = 0;
      const auto last = e.unsent.begin() + static_cast<std::ptrdiff_t>(n);
      const std::vector<uint8_t> bytes(e.unsent.begin(), last);
      e.unsent.erase(e.unsent.begin(), last);
      e.in_flight += n;
      if (network_.tap_) network_.tap_({network_.now_, e.local, e.remote, bytes});
      later(arrival, [this, side, bytes] {
         end& to = ends[1 - side];
         if (to.error) return;
         if (to.user == nullptr) return reset_other(1 - side);
         to.unread.insert(to.unread.end(), bytes.begin(), bytes.end());
         to.shard->stream_bytes_most_ = std::max(to.shard->stream_bytes_most_, to.unread.size());
      });
   }
   if (!e.unsent.empty() || !e.end_written || e.end_sent) return;
   bool blocked = false;
   const uint64_t arrival = passes(side, 40, blocked);
   if (blocked) return stall(side);
   e.end_sent = true;
   later(arrival, [&other] { other.end_arrived = true; });
}

void fake_tcp_wire::consumed(unsigned side, size_t bytes) {
   bool blocked = false;
   const uint64_t arrival = passes(side, 40, blocked);
   // A lost acknowledgement is repeated with whatever comes next: only time is lost.
   later(blocked ? network_.now_ + repeat_ns : arrival, [this, side, bytes] {
      end& writer = ends[1 - side];
      writer.in_flight -= std::min(bytes, writer.in_flight);
      pump(1 - side);
   });
}

/// `side` has nobody who reads: the other end learns it.
void fake_tcp_wire::reset_other(unsigned side) {
   end& e = ends[side];
   e.unsent.clear();
   e.unread.clear();
   bool blocked = false;
   const uint64_t arrival = passes(side, 40, blocked);
   if (blocked) return; // it is reset when it writes again, or times out
   later(arrival, [this, side] {
      end& other = ends[1 - side];
      if (!other.error) other.error = base::fail(base::errc::io, "stream: reset by the other side");
      other.unsent.clear();
   });
}

void fake_tcp_wire::user_gone(unsigned side) {
   end& e = ends[side];
   e.user = nullptr;
   if (!e.connected || e.error || ends[1 - side].shard == nullptr) return;
   if (!e.unread.empty()) return reset_other(side);
   e.end_written = true;
   pump(side);
}

// --- the program's side -------------------------------------------------------------------------

fake_tcp::fake_tcp(std::shared_ptr<fake_tcp_wire> wire, unsigned side, io::tcp_stream_sink* sink)
    : wire_(std::move(wire)), side_(side), sink_(sink), told_connected_(side == 1) {
   mine().user = this;
   mine().shard->streams_.push_back(this);
}

fake_tcp::~fake_tcp() {
   std::erase(mine().shard->streams_, this);
   wire_->user_gone(side_);
}

bool fake_tcp::may_write_more() const {
   return mine().unsent.size() <= limits::stream_unsent_bytes / 2;
}

size_t fake_tcp::write(std::span<const wrn_bytes> parts) {
   auto& e = mine();
   if (!e.connected || !told_connected_ || e.error || e.end_written) return 0;
   size_t taken = 0;
   for (const wrn_bytes& part : parts) {
      const size_t n = std::min(part.len, limits::stream_unsent_bytes - e.unsent.size());
      e.unsent.insert(e.unsent.end(), part.ptr, part.ptr + n);
      taken += n;
      wants_writable_ |= n < part.len;
   }
   size_t& most = e.shard->stream_bytes_most_;
   most = std::max(most, e.unsent.size());
   wire_->pump(side_);
   return taken;
}

void fake_tcp::shutdown() {
   if (!mine().connected || mine().end_written) return;
   mine().end_written = true;
   wants_writable_ = false;
   wire_->pump(side_);
}

bool fake_tcp::has_event() const {
   if (sink_ == nullptr || closed_) return false;
   const auto& e = mine();
   if (!told_connected_) return e.connected || e.error;
   if (e.error) return true;
   if (!paused_ && !e.unread.empty()) return true;
   if (!paused_ && e.end_arrived && !told_end_) return true;
   if (told_end_ && e.end_written) return true;
   return wants_writable_ && may_write_more();
}

bool fake_tcp::tell() {
   if (!has_event()) return false;
   auto& e = mine();
   if (!told_connected_) {
      told_connected_ = true;
      closed_ = e.error.has_value();
      if (e.error)
         sink_->on_connected(*this, *e.error);
      else
         sink_->on_connected(*this, {});
   } else if (!paused_ && !e.unread.empty()) {
      const size_t n = std::min(e.unread.size(), limits::stream_read_bytes);
      const auto last = e.unread.begin() + static_cast<std::ptrdiff_t>(n);
      const std::vector<uint8_t> bytes(e.unread.begin(), last);
      e.unread.erase(e.unread.begin(), last);
      wire_->consumed(side_, n);
      sink_->on_read(*this, bytes);
   } else if (e.error) {
      closed_ = true;
      sink_->on_closed(*this, *e.error);
   } else if (!paused_ && e.end_arrived && !told_end_) {
      told_end_ = true;
      sink_->on_read_end(*this);
   } else if (told_end_ && e.end_written) {
      closed_ = true;
      sink_->on_closed(*this, {});
   } else {
      wants_writable_ = false;
      sink_->on_writable(*this);
   }
   return true;
}

fake_tcp_listener::fake_tcp_listener(fake_shard& owner, const wrn_addr& bind,
                                     io::tcp_listener_sink& sink)
    : owner_(owner), bind_(bind), sink_(sink) {
   owner_.listeners_.push_back(this);
}

fake_tcp_listener::~fake_tcp_listener() { std::erase(owner_.listeners_, this); }

bool fake_tcp_listener::accepts(const wrn_addr& to) const {
   if (to.port != bind_.port) return false;
   if (is_any(bind_)) return bind_.family == WRN_AF_INET6 || to.family == WRN_AF_INET;
   return base::same_address(bind_, to);
}

bool fake_tcp_listener::clashes(const wrn_addr& other) const {
   if (other.port != bind_.port) return false;
   return is_any(other) || is_any(bind_) || base::same_address(other, bind_);
}

bool fake_tcp_listener::has_room() const {
   return waiting_.size() < static_cast<size_t>(limits::stream_backlog_max);
}

void fake_tcp_listener::tell() {
   auto stream = std::move(waiting_.front());
   waiting_.pop_front();
   const wrn_addr from = stream->remote();
   sink_.on_accepted(*this, std::move(stream), from);
}

// --- io::shard ----------------------------------------------------------------------------------

base::result<std::unique_ptr<io::tcp_listener>>
fake_shard::listen_tcp(const wrn_addr& bind, io::tcp_listener_sink& sink) {
   if (bind.family != WRN_AF_INET && bind.family != WRN_AF_INET6)
      return base::fail(base::errc::invalid, "cannot listen: no address family given");
   const std::string where = "cannot listen on TCP " + base::format_endpoint(bind);
   if (!is_any(bind) && !owns(bind))
      return base::fail(base::errc::unavailable, where + ": this node has no such address");
   wrn_addr local = bind;
   const auto taken = [&] {
      return std::any_of(listeners_.begin(), listeners_.end(),
                         [&](const fake_tcp_listener* l) { return l->clashes(local); });
   };
   if (bind.port == 0) do
         local.port = next_port_++;
      while (taken());
   else if (taken())
      return base::fail(base::errc::in_use, where + ": the port is in use; choose another one");
   return std::unique_ptr<io::tcp_listener>(
         std::make_unique<fake_tcp_listener>(*this, local, sink));
}

base::result<std::unique_ptr<io::tcp_stream>> fake_shard::connect_tcp(const wrn_addr& to,
                                                                      io::tcp_stream_sink& sink) {
   auto wire = std::make_shared<fake_tcp_wire>(network_);
   auto& caller = wire->ends[0];
   caller.shard = this;
   caller.remote = to;
   const wrn_addr* const source = source_for(0, to.family);
   if (source != nullptr) caller.local = *source;
   caller.local.port = next_port_++;
   auto stream = std::make_unique<fake_tcp>(wire, 0, &sink);
   if (source == nullptr)
      caller.error = base::fail(base::errc::unavailable, "stream: no way there");
   else
      wire->call(second);
   return std::unique_ptr<io::tcp_stream>(std::move(stream));
}

void fake_shard::turn_streams() {
   const auto listeners = listeners_;
   for (fake_tcp_listener* const l : listeners)
      for (uint32_t i = 0; i < limits::stream_accepts_per_turn_max; i++)
         if (contains(listeners_, l) && l->has_event()) l->tell();
   const auto streams = streams_;
   for (fake_tcp* const s : streams)
      while (contains(streams_, s) && s->tell()) {
      }
}

} // namespace warren::support
