// Byte streams over the fake network: what the kernels on both ends of a TCP connection do, as far
// as a program can tell. Bytes keep their order and arrive once; loss costs time, a blocked path
// stalls and ends in a timeout; a full window makes the writer wait; ends travel half by half, and
// whoever writes to a closed end is reset.
//
// A fake_tcp_wire is one connection with its two ends; it lives as long as one end or something
// under way refers to it. fake_tcp is the program's side of one end.
#pragma once

#include "tests/support/fake_shard.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace warren::support {

class fake_tcp;

class fake_tcp_wire : public std::enable_shared_from_this<fake_tcp_wire> {
 public:
   /// What a receiver's kernel keeps for a program that does not read.
   static constexpr size_t window_bytes = 128 << 10;

   struct end {
      fake_shard* shard = nullptr;
      wrn_addr local{}, remote{};
      fake_tcp* user = nullptr;   // null: not there yet, or closed by the program
      std::deque<uint8_t> unsent; // written, not on the wire
      std::deque<uint8_t> unread;
      size_t in_flight = 0; // sent by this end and not yet read by the other program
      uint64_t last_arrival = 0;
      uint64_t stalled_since = 0;
      bool connected = false;
      bool end_written = false, end_sent = false, end_arrived = false;
      bool retrying = false;
      std::optional<base::error> error;
   };

   explicit fake_tcp_wire(fake_network& network) : network_(network) {}
   end ends[2];

   void call(uint64_t pause_ns); // from end 0; again after `pause_ns` without an answer
   void pump(unsigned side);
   void consumed(unsigned side, size_t bytes); // that end's program read so much
   void reset_other(unsigned side);
   void user_gone(unsigned side);

 private:
   uint64_t passes(unsigned from, size_t bytes, bool& blocked);
   void answer_call();
   void later(uint64_t when, std::function<void()> fn);
   void stall(unsigned side);

   fake_network& network_;
   fake_shard* target_ = nullptr;
};

class fake_tcp final : public io::tcp_stream {
 public:
   fake_tcp(std::shared_ptr<fake_tcp_wire> wire, unsigned side, io::tcp_stream_sink* sink);
   ~fake_tcp() override;
   void set_sink(io::tcp_stream_sink& sink) override { sink_ = &sink; }
   size_t write(std::span<const wrn_bytes> parts) override;
   void pause_reading(bool paused) override { paused_ = paused; }
   void shutdown() override;
   wrn_addr local() const override { return mine().local; }
   wrn_addr remote() const override { return mine().remote; }

   bool has_event() const;
   /// Tells one thing; false when there is nothing. The sink may destroy this object.
   bool tell();

 private:
   fake_tcp_wire::end& mine() const { return wire_->ends[side_]; }
   bool may_write_more() const;

   std::shared_ptr<fake_tcp_wire> wire_;
   unsigned side_;
   io::tcp_stream_sink* sink_;
   bool paused_ = false;
   bool wants_writable_ = false;
   bool told_connected_;
   bool told_end_ = false;
   bool closed_ = false;
};

class fake_tcp_listener final : public io::tcp_listener {
 public:
   fake_tcp_listener(fake_shard& owner, const wrn_addr& bind, io::tcp_listener_sink& sink);
   ~fake_tcp_listener() override;
   void pause(bool paused) override { paused_ = paused; }
   wrn_addr local() const override { return bind_; }

   bool accepts(const wrn_addr& to) const;
   bool clashes(const wrn_addr& other) const;
   bool has_room() const;
   void add(std::unique_ptr<fake_tcp> stream) { waiting_.push_back(std::move(stream)); }
   bool has_event() const { return !paused_ && !waiting_.empty(); }
   /// Hands over one caller. The sink may destroy this object.
   void tell();

 private:
   fake_shard& owner_;
   wrn_addr bind_;
   io::tcp_listener_sink& sink_;
   std::deque<std::unique_ptr<fake_tcp>> waiting_;
   bool paused_ = false;
};

} // namespace warren::support
