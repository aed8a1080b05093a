// The part of the seam that is about byte streams: what core/plugin sees of TCP.
//
// Same rules as in seam.hpp: shard thread, no callback from inside a call. A sink may destroy the
// object that calls it, in every callback.
#pragma once

#include "core/base/error.hpp"
#include "warren/base.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace warren::io {

class tcp_stream;
class tcp_listener;

/// What a stream's user implements.
class tcp_stream_sink {
 public:
   virtual ~tcp_stream_sink() = default;
   /// The answer to connect_tcp(), exactly once. After an error the stream is good for nothing.
   virtual void on_connected(tcp_stream& stream, const base::result<void>& outcome) = 0;
   /// 1..limits::stream_read_bytes bytes, lent.
   virtual void on_read(tcp_stream& stream, std::span<const uint8_t> bytes) = 0;
   /// The other side has ended its direction.
   virtual void on_read_end(tcp_stream& stream) = 0;
   /// Once after a short write().
   virtual void on_writable(tcp_stream& stream) = 0;
   /// Nothing comes any more and nothing leaves. An error, or no error when both sides had ended.
   virtual void on_closed(tcp_stream& stream, const base::result<void>& why) = 0;
};

/// One connection. Destroying it closes both directions; what write() took still leaves.
class tcp_stream {
 public:
   virtual ~tcp_stream() = default;
   /// Who is told; for a stream from a listener before anything else.
   virtual void set_sink(tcp_stream_sink& sink) = 0;
   /// Bytes taken, from the front. Less than all arms one on_writable(), unless the stream is
   /// broken.
   virtual size_t write(std::span<const wrn_bytes> parts) = 0;
   virtual void pause_reading(bool paused) = 0;
   /// The other side reads the end after what was written.
   virtual void shutdown() = 0;
   virtual wrn_addr local() const = 0;
   virtual wrn_addr remote() const = 0;
};

class tcp_listener_sink {
 public:
   virtual ~tcp_listener_sink() = default;
   /// The callee sets the stream's sink, or drops the stream.
   virtual void on_accepted(tcp_listener& listener, std::unique_ptr<tcp_stream> stream,
                            const wrn_addr& from) = 0;
};

/// One listening port, IPv4 and IPv6.
class tcp_listener {
 public:
   virtual ~tcp_listener() = default;
   virtual void pause(bool paused) = 0;
   virtual wrn_addr local() const = 0;
};

} // namespace warren::io
