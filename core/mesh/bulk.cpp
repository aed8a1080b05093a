#include "core/mesh/bulk.hpp"

#include <utility>

namespace warren::mesh {

namespace {

constexpr size_t window_max = 64; // what the bitmap of an acknowledgement can tell apart
constexpr size_t burst_max = 16;  // segments per poll, so that a message does not crowd a link
constexpr uint64_t ms = 1'000'000;
constexpr uint64_t timeout_min = 200 * ms, timeout_start = 500 * ms, timeout_max = 3000 * ms;
constexpr uint64_t retry_when_full = 5 * ms;

enum ack_status : uint32_t { ack_going_on = 0, ack_done = 1, ack_refused = 2 };

size_t segments_of(size_t bytes) {
   return bytes == 0 ? 1 : (bytes + bulk_segment_bytes - 1) / bulk_segment_bytes;
}

} // namespace

wrn_status bulk_channel::send(uint32_t channel, std::span<const uint8_t> bytes, uint64_t owner,
                              uint64_t tag, uint64_t now) {
   if (bytes.size() > WRN_BULK_MAX) return WRN_E_TOO_BIG;
   if (out_.size() >= waiting_max) return WRN_E_LIMIT;
   outgoing& out = out_.emplace_back();
   out.channel = channel;
   out.transfer = next_transfer_++;
   out.owner = owner;
   out.tag = tag;
   out.bytes.assign(bytes.begin(), bytes.end());
   out.progress = now;
   bytes_waiting_ += bytes.size();
   return WRN_OK;
}

void bulk_channel::finish(wrn_status status, bulk_sink& sink) {
   const outgoing done = std::move(out_.front());
   out_.pop_front();
   bytes_waiting_ -= done.bytes.size();
   if (!done.silent) sink.on_sent(done.owner, done.tag, status);
}

void bulk_channel::fail(wrn_status status, bulk_sink& sink) {
   for (size_t n = out_.size(); n > 0; n--) // not what on_sent() may add
      finish(status, sink);
   in_ = {};
   ack_due_ = false;
}

void bulk_channel::forget(uint64_t owner) {
   for (outgoing& out : out_)
      if (out.owner == owner) out.silent = true;
   while (!out_.empty() && out_.back().silent && out_.back().segments.empty()) {
      bytes_waiting_ -= out_.back().bytes.size();
      out_.pop_back();
   }
}

uint64_t bulk_channel::timeout() const {
   return rtt_ == 0 ? timeout_start : std::clamp(3 * rtt_, timeout_min, timeout_max);
}

void bulk_channel::count_flight(outgoing& out) {
   while (out.first < out.segments.size() && out.segments[out.first].acked)
      out.first++;
   out.in_flight = 0;
   for (size_t i = out.first; i < std::min(out.segments.size(), out.first + window_max); i++)
      out.in_flight += !out.segments[i].acked && out.segments[i].sent != 0 ? 1 : 0;
}

uint64_t bulk_channel::poll(uint64_t now, bulk_sink& sink) {
   uint64_t next = 0;
   const auto at = [&](uint64_t when) { next = next == 0 ? when : std::min(next, when); };
   if (ack_due_) {
      std::array<uint8_t, bulk_ack_bytes> body{};
      put_le(&body[0], ack_transfer_, 4);
      put_le(&body[4], epoch_, 4);
      put_le(&body[12], ack_status_, 4);
      if (in_.active && ack_status_ == ack_going_on) {
         uint64_t bits = 0;
         for (size_t i = 0; i < 64 && in_.next + 1 + i < in_.there.size(); i++)
            bits |= uint64_t{in_.there[in_.next + 1 + i]} << i;
         put_le(&body[8], in_.next, 4);
         put_le(&body[16], bits, 8);
      }
      if (sink.send(frame_type::bulk_ack, body))
         ack_due_ = false;
      else
         at(now + retry_when_full);
   }
   if (in_.active) {
      if (now - in_.heard > 2 * patience)
         in_ = {};
      else
         at(in_.heard + 2 * patience + 1);
   }
   while (!out_.empty() && now - out_.front().progress > patience && !out_.front().segments.empty())
      finish(WRN_E_TIMEOUT, sink);
   if (out_.empty()) return next;

   outgoing& out = out_.front();
   if (out.segments.empty()) {
      out.segments.resize(segments_of(out.bytes.size()));
      out.progress = now;
   }
   bool timed_out = false;
   const size_t end = std::min(out.segments.size(), out.first + window_max);
   for (size_t i = out.first; i < end; i++) {
      segment& s = out.segments[i];
      if (s.acked || s.sent == 0) continue;
      const uint64_t wait = std::min(timeout_max, timeout() << std::min(s.tries - 1, 4u));
      if (now - s.sent >= wait) {
         s.sent = 0;
         timed_out = true;
      } else {
         at(s.sent + wait);
      }
   }
   if (timed_out) window_ = std::max<size_t>(2, window_ / 2);
   count_flight(out);
   size_t burst = 0;
   for (size_t i = out.first; i < end && out.in_flight < window_; i++) {
      segment& s = out.segments[i];
      if (s.acked || s.sent != 0) continue;
      std::array<uint8_t, bulk_segment_header + bulk_segment_bytes> body;
      const size_t from = i * bulk_segment_bytes;
      const size_t n = std::min(bulk_segment_bytes, out.bytes.size() - from);
      put_le(&body[0], out.channel, 4);
      put_le(&body[4], epoch_, 4);
      put_le(&body[8], out.transfer, 4);
      put_le(&body[12], out.bytes.size(), 4);
      put_le(&body[16], i, 4);
      std::copy_n(out.bytes.begin() + static_cast<long>(from), n,
                  body.begin() + bulk_segment_header);
      if (++burst > burst_max ||
          !sink.send(frame_type::bulk_segment, std::span(body).first(bulk_segment_header + n))) {
         at(now + retry_when_full);
         break;
      }
      s.sent = now;
      s.tries++;
      out.in_flight++;
      at(now + std::min(timeout_max, timeout() << std::min(s.tries - 1, 4u)));
   }
   at(out.progress + patience + 1);
   return next;
}

void bulk_channel::on_ack(std::span<const uint8_t> body, uint64_t now, bulk_sink& sink) {
   if (body.size() < bulk_ack_bytes || out_.empty()) return;
   outgoing& out = out_.front();
   const auto epoch = static_cast<uint32_t>(get_le(&body[4], 4));
   const size_t missing = get_le(&body[8], 4);
   if (get_le(&body[0], 4) != out.transfer || out.segments.empty() || missing > out.segments.size())
      return;
   switch (get_le(&body[12], 4)) {
   case ack_done:
      return finish(WRN_OK, sink);
   case ack_refused:
      return finish(WRN_E_UNSUPPORTED, sink);
   case ack_going_on:
      break;
   default:
      return;
   }
   if (out.epoch && *out.epoch != epoch) { // it started anew: everything again
      for (segment& s : out.segments)
         s = {};
      out.first = 0;
   }
   out.epoch = epoch;
   const uint64_t bits = get_le(&body[16], 8);
   size_t newly = 0, highest = 0;
   for (size_t i = 0; i < std::min(out.segments.size(), missing + 65); i++) {
      if (i == missing || (i > missing && (bits >> (i - missing - 1) & 1) == 0)) continue;
      highest = i;
      segment& s = out.segments[i];
      if (s.acked || s.tries == 0) continue; // nobody can have what was not sent
      s.acked = true;
      newly++;
      if (s.tries == 1) {
         const uint64_t sample = std::max<uint64_t>(1, now - s.sent);
         rtt_ = rtt_ == 0 ? sample : (7 * rtt_ + sample) / 8;
      }
   }
   // Three later ones are there and this one is not, a round trip after it left: lost.
   for (size_t i = out.first; i + 3 <= highest; i++)
      if (segment& s = out.segments[i]; !s.acked && s.sent != 0 && now - s.sent > rtt_) s.sent = 0;
   if (newly == 0) return;
   out.progress = now;
   window_ = std::min(window_max, window_ + newly);
   count_flight(out);
}

void bulk_channel::on_segment(std::span<const uint8_t> body, uint64_t now, bulk_sink& sink) {
   if (body.size() < bulk_segment_header) return;
   const auto channel = static_cast<uint32_t>(get_le(&body[0], 4));
   const auto epoch = static_cast<uint32_t>(get_le(&body[4], 4));
   const auto transfer = static_cast<uint32_t>(get_le(&body[8], 4));
   const size_t total = get_le(&body[12], 4), index = get_le(&body[16], 4);
   const auto data = body.subspan(bulk_segment_header);
   const size_t from = index * bulk_segment_bytes;
   if (total > WRN_BULK_MAX || index >= segments_of(total) ||
       data.size() != std::min(bulk_segment_bytes, total - from))
      return;
   const auto answer = [&](uint32_t status) {
      ack_due_ = true;
      ack_transfer_ = transfer;
      ack_status_ = status;
   };
   if (sender_epoch_ != epoch) { // it started anew, and counts from elsewhere
      sender_epoch_ = epoch;
      last_done_.reset();
      in_ = {};
   }
   // What is done is asked for again when the acknowledgement got lost; older than that is late.
   if (last_done_ == transfer) return answer(ack_done);
   if (last_done_ && static_cast<int32_t>(transfer - *last_done_) < 0) return;
   if (!in_.active || in_.transfer != transfer || in_.channel != channel ||
       in_.bytes.size() != total) {
      // Messages come one after the other, so another transfer ends the one before; a segment of an
      // older one is late.
      if (in_.active && static_cast<int32_t>(transfer - in_.transfer) < 0) return;
      if (!sink.takes(channel)) return answer(ack_refused);
      in_ = {true,
             channel,
             transfer,
             std::vector<uint8_t>(total),
             std::vector<bool>(segments_of(total)),
             0,
             now};
   }
   in_.heard = now;
   if (!in_.there[index]) {
      in_.there[index] = true;
      std::copy(data.begin(), data.end(), in_.bytes.begin() + static_cast<long>(from));
      while (in_.next < in_.there.size() && in_.there[in_.next])
         in_.next++;
   }
   if (in_.next < in_.there.size()) return answer(ack_going_on);
   last_done_ = transfer;
   answer(ack_done);
   const auto done = std::exchange(in_, {});
   sink.on_message(channel, done.bytes);
}

} // namespace warren::mesh
