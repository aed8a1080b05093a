// The streams and listeners of one instance, and the table warren.host.stream/1 over them.
//
// Owned by the instance, shard thread. Listeners belong to the network, which opened them; streams
// are owned here, so that whatever a plugin leaves behind is closed with it. Contracts:
// sdk/include/warren/host/stream.h.
#pragma once

#include "core/base/handle_table.hpp"
#include "core/base/limits.hpp"
#include "core/io/tcp_seam.hpp"
#include "warren/host/stream.h"

#include <map>

namespace warren::plugin {

class instance;

class streams {
 public:
   explicit streams(instance& owner) : owner_(owner) {}

   /// From the network: a listener of this instance's transport, told to the plugin.
   void listening(io::tcp_listener& listener);
   void accepted(io::tcp_listener& listener, std::unique_ptr<io::tcp_stream> stream,
                 const wrn_addr& from);
   /// Closes everything without a callback; how many streams there were.
   size_t close_all();
   size_t size() const { return streams_.size(); }

   // The functions behind the table.
   wrn_status connect(const wrn_addr& to, uint64_t& stream);
   wrn_status write(uint64_t stream, std::span<const wrn_bytes> parts, size_t& taken);
   wrn_status pause_reading(uint64_t stream, bool paused);
   wrn_status pause_accepting(uint64_t listener, bool paused);
   wrn_status shutdown(uint64_t stream);
   wrn_status close(uint64_t stream);
   wrn_status local(uint64_t handle, wrn_addr& out) const;
   wrn_status remote(uint64_t stream, wrn_addr& out) const;

 private:
   struct entry final : io::tcp_stream_sink {
      streams* owner = nullptr;
      uint64_t handle = 0;
      std::unique_ptr<io::tcp_stream> stream;
      bool connected = false;
      bool shut = false;
      void on_connected(io::tcp_stream&, const base::result<void>& outcome) override;
      void on_read(io::tcp_stream&, std::span<const uint8_t> bytes) override;
      void on_read_end(io::tcp_stream&) override;
      void on_writable(io::tcp_stream&) override;
      void on_closed(io::tcp_stream&, const base::result<void>& why) override;
   };
   struct listener {
      io::tcp_listener* device = nullptr;
      bool paused = false; // by the plugin
   };

   const wrn_stream* table() const;
   std::unique_ptr<entry> erase(uint64_t handle);
   void pause_listeners_when_full();

   instance& owner_;
   base::handle_table<entry> streams_{base::limits::streams_per_plugin_max};
   std::map<uint64_t, listener> listeners_;
   uint64_t next_listener_ = 1; // below 2^32, where no stream's handle is, and never used twice
};

extern const wrn_host_stream stream_table;

} // namespace warren::plugin
