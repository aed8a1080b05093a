// Small values of stream transports: a connection, its link, and messages cut from a stream.
#pragma once

#include "link_table.hpp"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

namespace warren::sdk {

/// One stream, dialled or accepted; a transport's own connection derives from it. Until claim()
/// nobody knows who is at the other end.
struct connection {
   wrn_handle stream = 0;
   wrn_handle link = 0; // whose it is; of a dialled one from the start
   wrn_addr remote{};
   bool dialled = false;
   bool connected = false;
   bool claimed = false;
   bool leaving = false;          // another one took its place: it only reads what still comes
   wrn_time connected_at = 0;     // 0 = not yet
   wrn_time deadline = 0;         // to be claimed, or to have left; 0 = none
   std::vector<uint8_t> unsent{}; // what the host did not take yet: at most one batch
   size_t unsent_at = 0;
   bool closed = false; // nothing can be sent any more
};

/// What the wrapper keeps of a link over streams; a transport's own link derives from it.
struct stream_link : link {
   wrn_addr dial_to{};      // where the core says that the peer listens; family 0 = not known
   wrn_handle current = 0;  // the stream that carries the link
   wrn_handle dialling = 0; // the stream that shall
   uint32_t attempts = 0;   // in a row that failed
   wrn_time dial_at = 0;    // the next attempt, 0 = none planned
   wrn_time wanted_until = 0;
   wrn_time keepalive_at = 0;
   bool wants_room = false;
   std::deque<wrn_pkt> staged{}; // waiting for a connection
};

/// Cuts a stream into messages: two bytes of length, big endian, then that many bytes. Keeps at
/// most one unfinished message.
class message_reader {
 public:
   static constexpr uint32_t header_bytes = 2;
   explicit message_reader(uint32_t bytes_max) : bytes_max_(bytes_max) {}

   /// Calls fn(message) for each complete one until fn returns false. False for a length beyond
   /// the maximum: the stream is of no use any more.
   template <class Fn> bool feed(std::span<const uint8_t> bytes, Fn&& fn) {
      while (!bytes.empty()) {
         if (kept_.empty() && bytes.size() >= header_bytes) { // the usual case: nothing is copied
            const uint32_t length = length_of(bytes.data());
            if (length > bytes_max_) return false;
            if (bytes.size() - header_bytes >= length) {
               const auto message = bytes.subspan(header_bytes, length);
               bytes = bytes.subspan(header_bytes + length);
               if (!fn(message)) return true;
               continue;
            }
         }
         const size_t wanted = kept_.size() < header_bytes
                                     ? header_bytes
                                     : size_t{header_bytes} + length_of(kept_.data());
         const size_t n = std::min(bytes.size(), wanted - kept_.size());
         kept_.insert(kept_.end(), bytes.data(), bytes.data() + n);
         bytes = bytes.subspan(n);
         if (kept_.size() < header_bytes) return true;
         const size_t length = length_of(kept_.data());
         if (length > bytes_max_) return false;
         if (kept_.size() < header_bytes + length) continue;
         const std::vector<uint8_t> whole = std::exchange(kept_, {});
         if (!fn(std::span<const uint8_t>(whole).subspan(header_bytes))) return true;
      }
      return true;
   }

   static void put_length(uint8_t* to, size_t length) {
      to[0] = static_cast<uint8_t>(length >> 8);
      to[1] = static_cast<uint8_t>(length);
   }

 private:
   static uint32_t length_of(const uint8_t* at) { return uint32_t{at[0]} << 8 | at[1]; }
   uint32_t bytes_max_;
   std::vector<uint8_t> kept_;
};

} // namespace warren::sdk
