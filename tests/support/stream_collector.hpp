// The bare ends of streams in tests: they write down what io::shard tells them.
#pragma once

#include "core/io/seam.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace warren::support {

/// Collects what a stream says; may end the stream in a callback.
struct stream_collector final : io::tcp_stream_sink {
   std::unique_ptr<io::tcp_stream> stream;
   std::vector<uint8_t> got;
   std::optional<base::result<void>> outcome, closed;
   int ends = 0, writable = 0, after_end = 0;
   bool destroy_on_read = false;
   size_t largest = 0;

   void on_connected(io::tcp_stream&, const base::result<void>& o) override {
      after_end += outcome.has_value();
      outcome = o;
   }
   void on_read(io::tcp_stream&, std::span<const uint8_t> data) override {
      after_end += ends != 0 || closed.has_value() || data.empty();
      largest = std::max(largest, data.size());
      got.insert(got.end(), data.begin(), data.end());
      if (destroy_on_read) stream.reset();
   }
   void on_read_end(io::tcp_stream&) override {
      after_end += ends != 0 || closed.has_value();
      ends++;
   }
   void on_writable(io::tcp_stream&) override { writable++; }
   void on_closed(io::tcp_stream&, const base::result<void>& why) override {
      after_end += closed.has_value();
      closed = why;
   }
   size_t write(std::span<const uint8_t> data) {
      const wrn_bytes part{data.data(), data.size()};
      return stream->write({&part, 1});
   }
   size_t write(std::string_view text) {
      return write({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
   }
   std::string text() const { return {got.begin(), got.end()}; }
};

struct listener_collector final : io::tcp_listener_sink {
   std::unique_ptr<io::tcp_listener> listener;
   std::vector<std::unique_ptr<stream_collector>> accepted;
   std::vector<wrn_addr> from;
   void on_accepted(io::tcp_listener&, std::unique_ptr<io::tcp_stream> stream,
                    const wrn_addr& address) override {
      auto c = std::make_unique<stream_collector>();
      c->stream = std::move(stream);
      c->stream->set_sink(*c);
      accepted.push_back(std::move(c));
      from.push_back(address);
   }
};

} // namespace warren::support
