// Byte streams of the fake host: ordered, late, in pieces of any size, with a window that fills up.
#pragma once

#include "sdk/check/instance.hpp"
#include "warren/host/stream.h"

#include <deque>

namespace warren::check {

/// One end of a stream. The other end is null once its owner has closed it.
struct stream_end {
   struct piece {
      wrn_time due;
      std::vector<uint8_t> bytes; // none = the end of this direction
   };
   instance* owner = nullptr;
   wrn_handle handle = 0; // 0 = stale
   std::weak_ptr<stream_end> other;
   wrn_addr local{}, remote{};
   bool connected = false, paused = false, shut = false;
   bool waits = false; // write() came short, one on_writable() is owed
   bool end_came = false, end_told = false;
   std::deque<piece> under_way; // to this end
   size_t bytes_under_way = 0;
   std::vector<uint8_t> unread;
};

struct stream_part {
   std::map<wrn_handle, std::shared_ptr<stream_end>> open;
   wrn_handle listener = 0;
   uint64_t made = 0;
   bool accept_paused = false;
   bool blocked = false;         // no write() takes anything until unblock_streams()
   size_t window = 128u * 1024u; // bytes that have left and were not read
};

bool lives_on_streams(instance& who);
/// Opens the instance's listener: on_listening() with a handle of its own.
void open_listener(instance& who);
/// There is room again.
void unblock_streams(instance& who);
/// Breaks off every stream of the instance, as a network does that is gone.
void reset_streams(instance& who);
/// Somebody calls the instance, says these bytes and ends.
void call_with(instance& who, std::vector<uint8_t> bytes);

} // namespace warren::check
