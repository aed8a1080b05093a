// Reliable messages to one peer inside its link: cut into segments, acknowledged, sent again,
// delivered whole, once and in order.
//
// Sans I/O: frames leave through a sink, time comes as an argument. One message is under way in
// each direction, the next ones wait. Lost segments are found by the acknowledgements' bitmap and
// by a timer; the window halves on a timeout and grows by one per acknowledged segment. Shard
// thread; sink functions are called from within.
//
//   segment  u32 channel, u32 epoch of the sender, u32 transfer, u32 total bytes, u32 index, data
//            (1100 bytes but the last)
//   ack      u32 transfer, u32 epoch of the receiver, u32 next index missing, u32 status, u64 which
//            of the 64 after that are there
//
// Each side chooses its epoch when it starts: another one means that it has forgotten what was.
#pragma once

#include "core/mesh/frame.hpp"
#include "warren/host/message.h"

#include <deque>
#include <vector>

namespace warren::mesh {

inline constexpr size_t bulk_segment_header = 20, bulk_segment_bytes = 1100, bulk_ack_bytes = 24;

class bulk_sink {
 public:
   virtual ~bulk_sink() = default;
   /// False: no room now; tried again later.
   virtual bool send(frame_type type, std::span<const uint8_t> body) = 0;
   virtual bool takes(uint32_t channel) = 0;
   virtual void on_message(uint32_t channel, std::span<const uint8_t> bytes) = 0;
   virtual void on_sent(uint64_t owner, uint64_t tag, wrn_status status) = 0;
};

class bulk_channel {
 public:
   static constexpr size_t waiting_max = 4; // messages to one peer, the one under way included
   static constexpr uint64_t patience = 15'000'000'000; // without any progress

   /// `random` starts the transfer numbers and is the epoch.
   explicit bulk_channel(uint64_t random)
       : next_transfer_(static_cast<uint32_t>(random)),
         epoch_(static_cast<uint32_t>(random >> 32)) {}

   /// Copies the bytes; WRN_E_LIMIT when waiting_max wait. `owner` and `tag` come back by
   /// on_sent().
   wrn_status send(uint32_t channel, std::span<const uint8_t> bytes, uint64_t owner, uint64_t tag,
                   uint64_t now);
   void on_segment(std::span<const uint8_t> body, uint64_t now, bulk_sink& sink);
   void on_ack(std::span<const uint8_t> body, uint64_t now, bulk_sink& sink);
   /// Sends what may leave; returns when to call again, 0 = when something happens.
   uint64_t poll(uint64_t now, bulk_sink& sink);
   /// Ends all that waits.
   void fail(wrn_status status, bulk_sink& sink);
   /// Forgets what `owner` sent, without on_sent().
   void forget(uint64_t owner);
   bool idle() const { return out_.empty() && !in_.active && !ack_due_; }
   size_t bytes_waiting() const { return bytes_waiting_; }

 private:
   struct segment {
      uint64_t sent = 0; // 0 = not yet, or lost
      uint32_t tries = 0;
      bool acked = false;
   };
   struct outgoing {
      uint32_t channel = 0, transfer = 0;
      uint64_t owner = 0, tag = 0;
      std::vector<uint8_t> bytes;
      std::vector<segment> segments; // empty until it is this message's turn
      size_t first = 0, in_flight = 0;
      uint64_t progress = 0;
      std::optional<uint32_t> epoch;
      bool silent = false; // its owner has gone
   };
   struct incoming {
      bool active = false;
      uint32_t channel = 0, transfer = 0;
      std::vector<uint8_t> bytes;
      std::vector<bool> there;
      size_t next = 0; // first missing
      uint64_t heard = 0;
   };

   void finish(wrn_status status, bulk_sink& sink);
   void count_flight(outgoing& out);
   uint64_t timeout() const;

   uint32_t next_transfer_, epoch_;
   std::deque<outgoing> out_;
   size_t bytes_waiting_ = 0;
   size_t window_ = 8;
   uint64_t rtt_ = 0; // smoothed, 0 = not measured
   incoming in_;
   std::optional<uint32_t> sender_epoch_, last_done_;
   bool ack_due_ = false;
   uint32_t ack_transfer_ = 0, ack_status_ = 0;
};

} // namespace warren::mesh
