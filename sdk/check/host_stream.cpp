// warren.host.stream/1 of the fake host.
#include "sdk/check/host_stream.hpp"

#include <algorithm>

namespace warren::check {

namespace {

using end_ptr = std::shared_ptr<stream_end>;

constexpr wrn_handle stream_tag = 0x57, listener_tag = 0x4c;
constexpr size_t streams_max = 1024, read_max = 64 * 1024;
constexpr wrn_time patience = 30 * second, again = 100 * ms;

const wrn_stream& callbacks(instance& who) { return *who.ext<wrn_stream>(WRN_EXT_STREAM); }

wrn_time delay(world& w) { return w.dice.between(w.weather.delay_min, w.weather.delay_max); }

end_ptr make_end(instance& who, const wrn_addr& local, const wrn_addr& remote) {
   auto& part = who.part<stream_part>();
   auto made = std::make_shared<stream_end>();
   made->owner = &who;
   made->local = local;
   made->remote = remote;
   made->handle = stream_tag << 56 | uint64_t{who.number} << 32 | ++part.made;
   part.open[made->handle] = made;
   return made;
}

void forget(stream_end& e) {
   if (e.owner != nullptr) e.owner->part<stream_part>().open.erase(e.handle);
   e.handle = 0;
}

void tell_closed(const end_ptr& e, wrn_status status) {
   const wrn_handle handle = e->handle;
   if (handle == 0) return;
   forget(*e);
   instance& who = *e->owner;
   if (!who.active()) return;
   const auto& table = callbacks(who);
   who.enter("on_closed", [&] { table.on_closed(who.raw(), handle, status); });
}

void tell_writable(const end_ptr& e) {
   if (e->handle == 0 || !e->waits) return;
   instance& who = *e->owner;
   if (!who.active() || who.part<stream_part>().blocked) return;
   e->waits = false;
   const auto& table = callbacks(who);
   who.enter("on_writable", [&] { table.on_writable(who.raw(), e->handle); });
}

/// As much as the dice want: one byte, all, or up to the middle of something.
size_t mouthful(world& w, size_t there) {
   const size_t most = std::min(there, read_max);
   if (w.dice.one_in(8)) return 1;
   return w.dice.one_in(2) ? most : static_cast<size_t>(w.dice.between(1, most));
}

void hand_over(const end_ptr& e) {
   instance& who = *e->owner;
   bool took = false;
   while (e->handle != 0 && e->connected && !e->paused && !e->unread.empty() && who.active()) {
      const auto n = static_cast<long>(mouthful(who.home, e->unread.size()));
      const std::vector<uint8_t> bytes(e->unread.begin(), e->unread.begin() + n);
      e->unread.erase(e->unread.begin(), e->unread.begin() + n);
      const auto& table = callbacks(who);
      who.enter("on_read", [&] {
         table.on_read(who.raw(), e->handle, {bytes.data(), bytes.size()});
      });
      took = true;
   }
   if (const end_ptr other = e->other.lock(); took && other != nullptr)
      who.home.at(who.home.now + delay(who.home), [other] { tell_writable(other); });
   if (e->handle == 0 || e->paused || !e->unread.empty() || !who.active() || !e->end_came) return;
   if (!e->end_told) {
      e->end_told = true;
      const auto& table = callbacks(who);
      who.enter("on_read_end", [&] { table.on_read_end(who.raw(), e->handle); });
   }
   if (e->shut) tell_closed(e, WRN_OK);
}

void arrive(const end_ptr& e) {
   if (e->handle == 0) return;
   world& w = e->owner->home;
   if (w.weather.loss_percent == 100) {
      w.at(w.now + again, [e] { arrive(e); });
      return;
   }
   while (!e->under_way.empty() && e->under_way.front().due <= w.now) {
      const auto piece = std::move(e->under_way.front());
      e->under_way.pop_front();
      e->bytes_under_way -= piece.bytes.size();
      e->unread.insert(e->unread.end(), piece.bytes.begin(), piece.bytes.end());
      e->end_came = e->end_came || piece.bytes.empty();
   }
   hand_over(e);
}

/// Sends bytes to that end, or with none the end of the direction.
void dispatch(world& w, const end_ptr& to, std::vector<uint8_t> bytes) {
   wrn_time due = w.now + delay(w);
   if (!to->under_way.empty()) due = std::max(due, to->under_way.back().due);
   to->bytes_under_way += bytes.size();
   to->under_way.push_back({due, std::move(bytes)});
   w.at(due, [to] { arrive(to); });
}

void break_off(world& w, const end_ptr& e) {
   w.at(w.now + delay(w), [e] { tell_closed(e, WRN_E_CLOSED); });
}

/// The owner has let go of it.
void let_go(stream_end& e) {
   world& w = e.owner->home;
   const end_ptr other = e.other.lock();
   if (other != nullptr && other->handle != 0) {
      if (!e.unread.empty())
         break_off(w, other);
      else if (!e.shut)
         dispatch(w, other, {});
   }
   forget(e);
}

void answer(const end_ptr& e, wrn_time until) {
   if (e->handle == 0) return;
   instance& who = *e->owner;
   world& w = who.home;
   instance* to = w.at_address(e->remote);
   const bool listens = to != nullptr && to->active() && to->part<stream_part>().listener != 0;
   const bool silent = w.weather.loss_percent == 100;
   if (w.now < until && (silent || (listens && to->part<stream_part>().accept_paused))) {
      w.at(w.now + again, [e, until] { answer(e, until); });
      return;
   }
   const wrn_handle handle = e->handle;
   const wrn_status status = silent ? WRN_E_TIMEOUT : listens ? WRN_OK : WRN_E_UNREACHABLE;
   if (!who.active() || status != WRN_OK) forget(*e);
   if (!who.active()) return;
   const auto& table = callbacks(who);
   if (status == WRN_OK) {
      const end_ptr accepted = make_end(*to, to->address, e->local);
      accepted->connected = e->connected = true;
      accepted->other = e;
      e->other = accepted;
      const wrn_handle theirs = accepted->handle;
      const auto& other = callbacks(*to);
      to->enter("on_accept", [&] {
         other.on_accept(to->raw(), to->part<stream_part>().listener, theirs, &accepted->remote);
      });
      if (e->handle == 0) return;
   }
   who.enter("on_connected", [&] { table.on_connected(who.raw(), handle, status); });
}

// --- the table ----------------------------------------------------------------------------------

/// The open stream behind a handle; null with what to answer in `status`.
end_ptr find(instance& me, const char* function, wrn_handle handle, wrn_status& status) {
   status = me.active() ? WRN_E_NOT_FOUND : WRN_E_STATE;
   const auto& part = me.part<stream_part>();
   const auto it = part.open.find(handle);
   if (it != part.open.end()) return me.active() ? it->second : nullptr;
   if (me.active() && handle != part.listener)
      found(flaw_stray, say("stream ", function, "(): ", handle,
                            " is no open stream of this instance; it was closed or never was"));
   return nullptr;
}

wrn_status WRN_CALL connect(const wrn_host* host, const wrn_addr* to, wrn_handle* stream) {
   instance& me = instance::of(host, "stream connect", place::active);
   if (!me.active()) return WRN_E_STATE;
   const bool known = to->family == WRN_AF_INET || to->family == WRN_AF_INET6;
   if (!known || to->port == 0) return WRN_E_INVALID;
   auto& part = me.part<stream_part>();
   if (me.fails("stream connect") || part.open.size() >= streams_max) return WRN_E_LIMIT;
   wrn_addr local = me.address;
   local.port = static_cast<uint16_t>(40'000 + part.made % 20'000);
   const end_ptr made = make_end(me, local, *to);
   me.home.record("connect", me.number, uint64_t{to->port} << 32 | uint64_t{to->ip[3]}, {});
   me.home.at(me.home.now + delay(me.home),
              [made, until = me.home.now + patience] { answer(made, until); });
   *stream = made->handle;
   return WRN_OK;
}

size_t room_of(instance& me, const stream_end& e) {
   const auto& part = me.part<stream_part>();
   const end_ptr other = e.other.lock();
   if (part.blocked) return 0;
   const size_t used = other == nullptr ? 0 : other->bytes_under_way + other->unread.size();
   return used >= part.window ? 0 : part.window - used;
}

wrn_status WRN_CALL write(const wrn_host* host, wrn_handle stream, const wrn_bytes* parts,
                          uint32_t n, size_t* taken) {
   instance& me = instance::of(host, "stream write", place::active);
   *taken = 0;
   wrn_status status = WRN_OK;
   const end_ptr e = find(me, "write", stream, status);
   if (e == nullptr) return status;
   if (!e->connected) return WRN_E_AGAIN;
   if (e->shut) return WRN_E_CLOSED;
   if (n > WRN_STREAM_PARTS_MAX) {
      found(flaw_call, say("stream write() of ", n, " parts; no call passes more than ",
                           WRN_STREAM_PARTS_MAX));
      return WRN_E_INVALID;
   }
   std::vector<uint8_t> bytes;
   for (uint32_t i = 0; i < n; i++)
      bytes.insert(bytes.end(), parts[i].ptr, parts[i].ptr + parts[i].len);
   const size_t all = bytes.size();
   bytes.resize(std::min(all, room_of(me, *e)));
   if (bytes.size() < all) e->waits = true;
   *taken = bytes.size();
   if (bytes.empty()) return WRN_OK;
   me.home.record("write", me.number, uint64_t{e->remote.port} << 32, bytes);
   if (me.home.wire_tap) me.home.wire_tap({&me, e->local, e->remote, bytes});
   const end_ptr other = e->other.lock();
   if (other == nullptr || other->handle == 0)
      break_off(me.home, e); // nobody reads there any more
   else
      dispatch(me.home, other, std::move(bytes));
   return WRN_OK;
}

wrn_status set_paused(instance& me, const char* function, wrn_handle stream, bool paused) {
   wrn_status status = WRN_OK;
   const end_ptr e = find(me, function, stream, status);
   if (e == nullptr) return status;
   e->paused = paused;
   if (!paused) me.home.at(me.home.now, [e] { hand_over(e); });
   return WRN_OK;
}
wrn_status WRN_CALL read_pause(const wrn_host* host, wrn_handle stream) {
   return set_paused(instance::of(host, "stream read_pause", place::active), "read_pause", stream,
                     true);
}
wrn_status WRN_CALL read_resume(const wrn_host* host, wrn_handle stream) {
   return set_paused(instance::of(host, "stream read_resume", place::active), "read_resume", stream,
                     false);
}

wrn_status pause_accepting(instance& me, wrn_handle listener, bool paused) {
   auto& part = me.part<stream_part>();
   if (!me.active()) return WRN_E_STATE;
   if (listener == 0 || listener != part.listener) return WRN_E_NOT_FOUND;
   part.accept_paused = paused;
   return WRN_OK;
}
wrn_status WRN_CALL accept_pause(const wrn_host* host, wrn_handle listener) {
   return pause_accepting(instance::of(host, "accept_pause", place::active), listener, true);
}
wrn_status WRN_CALL accept_resume(const wrn_host* host, wrn_handle listener) {
   return pause_accepting(instance::of(host, "accept_resume", place::active), listener, false);
}

wrn_status WRN_CALL shutdown(const wrn_host* host, wrn_handle stream) {
   instance& me = instance::of(host, "stream shutdown", place::active);
   wrn_status status = WRN_OK;
   const end_ptr e = find(me, "shutdown", stream, status);
   if (e == nullptr) return status;
   if (!e->connected) return WRN_E_AGAIN;
   if (e->shut) return WRN_OK;
   e->shut = true;
   if (const end_ptr other = e->other.lock(); other != nullptr && other->handle != 0)
      dispatch(me.home, other, {});
   if (e->end_told) me.home.at(me.home.now, [e] { tell_closed(e, WRN_OK); });
   return WRN_OK;
}

wrn_status WRN_CALL close(const wrn_host* host, wrn_handle stream) {
   instance& me = instance::of(host, "stream close", place::active);
   const auto& part = me.part<stream_part>();
   const auto it = part.open.find(stream);
   // Closing what has just closed itself is the simplest way to be sure.
   if (it == part.open.end()) return WRN_E_NOT_FOUND;
   const end_ptr e = it->second;
   let_go(*e);
   return WRN_OK;
}

wrn_status WRN_CALL local(const wrn_host* host, wrn_handle handle, wrn_addr* out) {
   instance& me = instance::of(host, "stream local", place::active);
   if (me.fails("stream local")) return WRN_E_NOT_FOUND;
   wrn_status status = WRN_OK;
   const end_ptr e = find(me, "local", handle, status);
   if (e == nullptr && (!me.active() || handle != me.part<stream_part>().listener)) return status;
   *out = e != nullptr ? e->local : me.address;
   return WRN_OK;
}

wrn_status WRN_CALL remote(const wrn_host* host, wrn_handle stream, wrn_addr* out) {
   instance& me = instance::of(host, "stream remote", place::active);
   wrn_status status = WRN_OK;
   const end_ptr e = find(me, "remote", stream, status);
   if (e == nullptr) return status;
   *out = e->remote;
   return WRN_OK;
}

constexpr wrn_host_stream functions{connect,       write,    read_pause, read_resume, accept_pause,
                                    accept_resume, shutdown, close,      local,       remote};

void after_stop(instance& who) {
   auto& part = who.part<stream_part>();
   if (!part.open.empty())
      found(flaw_handle, say("stop() left ", part.open.size(), " stream(s) open; close them"));
   part.listener = 0;
   part.accept_paused = part.blocked = false;
   while (!part.open.empty()) {
      const end_ptr e = part.open.begin()->second;
      let_go(*e);
   }
}

} // namespace

bool lives_on_streams(instance& who) { return who.ext<wrn_stream>(WRN_EXT_STREAM) != nullptr; }

void open_listener(instance& who) {
   auto& part = who.part<stream_part>();
   part.listener = listener_tag << 56 | uint64_t{who.number} << 32 | ++part.made;
   const auto& table = callbacks(who);
   who.enter("on_listening", [&] { table.on_listening(who.raw(), part.listener); });
}

void unblock_streams(instance& who) {
   auto& part = who.part<stream_part>();
   part.blocked = false;
   const auto all = part.open;
   for (const auto& [handle, e] : all)
      tell_writable(e);
}

void reset_streams(instance& who) {
   const auto all = who.part<stream_part>().open;
   for (const auto& [handle, e] : all) {
      if (!e->connected) continue;
      if (const end_ptr other = e->other.lock(); other != nullptr) break_off(who.home, other);
      tell_closed(e, WRN_E_CLOSED);
   }
}

void call_with(instance& who, std::vector<uint8_t> bytes) {
   auto& part = who.part<stream_part>();
   if (!who.active() || part.listener == 0 || part.accept_paused) return;
   const end_ptr e = make_end(who, who.address, world::address(240, 40'000));
   e->connected = true;
   const auto& table = callbacks(who);
   who.enter("on_accept",
             [&] { table.on_accept(who.raw(), part.listener, e->handle, &e->remote); });
   if (e->handle == 0) return;
   if (!bytes.empty()) dispatch(who.home, e, std::move(bytes));
   dispatch(who.home, e, {});
}

extern const host_table stream_table{WRN_HOST_STREAM, &functions, after_stop};

} // namespace warren::check
