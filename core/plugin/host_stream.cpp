#include "core/plugin/host_stream.hpp"

#include "core/plugin/instance.hpp"

#include <algorithm>

namespace warren::plugin {

namespace limits = base::limits;

namespace {

wrn_status status_of(const base::result<void>& outcome) {
   if (outcome) return WRN_OK;
   switch (outcome.error().code) {
   case base::errc::timeout:
      return WRN_E_TIMEOUT;
   case base::errc::unavailable:
   case base::errc::unsupported:
   case base::errc::permission:
      return WRN_E_UNREACHABLE;
   case base::errc::limit:
      return WRN_E_LIMIT;
   default:
      return WRN_E_CLOSED;
   }
}

bool is_destination(const wrn_addr& a) {
   const bool known = a.family == WRN_AF_INET || a.family == WRN_AF_INET6;
   return known && a.port != 0 &&
          std::any_of(std::begin(a.ip), std::end(a.ip), [](uint8_t b) { return b != 0; });
}

} // namespace

const wrn_stream* streams::table() const { return owner_.ext<wrn_stream>(WRN_EXT_STREAM); }

// --- from the network ---------------------------------------------------------------------------

void streams::listening(io::tcp_listener& device) {
   if (!owner_.active() || listeners_.size() >= limits::listeners_per_plugin_max) return;
   const uint64_t handle = next_listener_++;
   listeners_[handle] = {&device, false};
   pause_listeners_when_full();
   table()->on_listening(owner_.get(), handle);
}

void streams::accepted(io::tcp_listener& device, std::unique_ptr<io::tcp_stream> stream,
                       const wrn_addr& from) {
   const auto it = std::find_if(listeners_.begin(), listeners_.end(),
                                [&](const auto& l) { return l.second.device == &device; });
   if (!owner_.active() || it == listeners_.end()) return; // the stream closes
   auto made = std::make_unique<entry>();
   entry& e = *made;
   e.owner = this;
   e.connected = true;
   e.stream = std::move(stream);
   e.stream->set_sink(e);
   e.handle = streams_.insert(std::move(made));
   if (e.handle == 0) return;
   pause_listeners_when_full();
   table()->on_accept(owner_.get(), it->first, e.handle, &from);
}

size_t streams::close_all() {
   std::vector<uint64_t> handles;
   streams_.each([&](uint64_t handle, entry&) { handles.push_back(handle); });
   listeners_.clear();
   for (const uint64_t handle : handles)
      erase(handle);
   return handles.size();
}

std::unique_ptr<streams::entry> streams::erase(uint64_t handle) {
   auto gone = streams_.erase(handle);
   pause_listeners_when_full();
   return gone;
}

void streams::pause_listeners_when_full() {
   const bool full = streams_.size() >= limits::streams_per_plugin_max;
   for (const auto& [handle, l] : listeners_)
      l.device->pause(full || l.paused);
}

// --- from the plugin ----------------------------------------------------------------------------

wrn_status streams::connect(const wrn_addr& to, uint64_t& handle) {
   if (!is_destination(to)) return WRN_E_INVALID;
   if (streams_.size() >= limits::streams_per_plugin_max) return WRN_E_LIMIT;
   auto made = std::make_unique<entry>();
   entry& e = *made;
   e.owner = this;
   auto opened = owner_.shard().connect_tcp(to, e);
   if (!opened) return status_of(opened.error());
   e.stream = std::move(*opened);
   handle = e.handle = streams_.insert(std::move(made));
   pause_listeners_when_full();
   return WRN_OK;
}

wrn_status streams::write(uint64_t handle, std::span<const wrn_bytes> parts, size_t& taken) {
   taken = 0;
   entry* e = streams_.find(handle);
   if (e == nullptr) return WRN_E_NOT_FOUND;
   if (!e->connected) return WRN_E_AGAIN;
   if (e->shut) return WRN_E_CLOSED;
   if (parts.size() > WRN_STREAM_PARTS_MAX) return WRN_E_INVALID;
   taken = e->stream->write(parts);
   return WRN_OK;
}

wrn_status streams::pause_reading(uint64_t handle, bool paused) {
   entry* e = streams_.find(handle);
   if (e == nullptr) return WRN_E_NOT_FOUND;
   e->stream->pause_reading(paused);
   return WRN_OK;
}

wrn_status streams::pause_accepting(uint64_t handle, bool paused) {
   const auto it = listeners_.find(handle);
   if (it == listeners_.end()) return WRN_E_NOT_FOUND;
   it->second.paused = paused;
   pause_listeners_when_full();
   return WRN_OK;
}

wrn_status streams::shutdown(uint64_t handle) {
   entry* e = streams_.find(handle);
   if (e == nullptr) return WRN_E_NOT_FOUND;
   if (!e->connected) return WRN_E_AGAIN;
   e->shut = true;
   e->stream->shutdown();
   return WRN_OK;
}

wrn_status streams::close(uint64_t handle) {
   return erase(handle) != nullptr ? WRN_OK : WRN_E_NOT_FOUND;
}

wrn_status streams::local(uint64_t handle, wrn_addr& out) const {
   if (const auto it = listeners_.find(handle); it != listeners_.end())
      out = it->second.device->local();
   else if (const entry* e = streams_.find(handle); e != nullptr)
      out = e->stream->local();
   else
      return WRN_E_NOT_FOUND;
   return WRN_OK;
}

wrn_status streams::remote(uint64_t handle, wrn_addr& out) const {
   const entry* e = streams_.find(handle);
   if (e == nullptr) return WRN_E_NOT_FOUND;
   out = e->stream->remote();
   return WRN_OK;
}

// --- from the stream ----------------------------------------------------------------------------
// An instance that failed hears nothing any more; its streams go with the first thing that happens
// to them. A callback may close the stream, and then the entry is gone.

void streams::entry::on_connected(io::tcp_stream&, const base::result<void>& outcome) {
   streams& all = *owner;
   const uint64_t mine = handle;
   std::unique_ptr<entry> gone;
   if (!outcome || !all.owner_.active()) gone = all.erase(mine);
   connected = true;
   if (all.owner_.active()) all.table()->on_connected(all.owner_.get(), mine, status_of(outcome));
}

void streams::entry::on_read(io::tcp_stream&, std::span<const uint8_t> bytes) {
   if (owner->owner_.active())
      owner->table()->on_read(owner->owner_.get(), handle, {bytes.data(), bytes.size()});
   else
      owner->erase(handle);
}

void streams::entry::on_read_end(io::tcp_stream&) {
   if (owner->owner_.active())
      owner->table()->on_read_end(owner->owner_.get(), handle);
   else
      owner->erase(handle);
}

void streams::entry::on_writable(io::tcp_stream&) {
   if (owner->owner_.active())
      owner->table()->on_writable(owner->owner_.get(), handle);
   else
      owner->erase(handle);
}

void streams::entry::on_closed(io::tcp_stream&, const base::result<void>& why) {
   streams& all = *owner;
   const uint64_t mine = handle;
   const auto gone = all.erase(mine);
   if (all.owner_.active()) all.table()->on_closed(all.owner_.get(), mine, status_of(why));
}

// --- the table ----------------------------------------------------------------------------------

namespace {

instance& self(const wrn_host* host) { return *static_cast<instance*>(host->data); }

/// Runs fn(streams) for a host that is active.
template <class Fn> wrn_status with(const wrn_host* host, const char* function, Fn&& fn) {
   instance& me = self(host);
   if constexpr (guarded) me.guard(function, true);
   if (!me.active()) return WRN_E_STATE;
   const wrn_status status = fn(me.open_streams());
   if (status == WRN_E_NOT_FOUND) me.stale_handle();
   return status;
}

} // namespace

const wrn_host_stream stream_table{
      [](const wrn_host* host, const wrn_addr* to, wrn_handle* stream) {
         return with(host, "stream.connect", [&](streams& s) { return s.connect(*to, *stream); });
      },
      [](const wrn_host* host, wrn_handle stream, const wrn_bytes* parts, uint32_t n,
         size_t* taken) {
         *taken = 0;
         return with(host, "stream.write", [&](streams& s) {
            return s.write(stream, {parts, n}, *taken);
         });
      },
      [](const wrn_host* host, wrn_handle stream) {
         return with(host, "stream.read_pause",
                     [&](streams& s) { return s.pause_reading(stream, true); });
      },
      [](const wrn_host* host, wrn_handle stream) {
         return with(host, "stream.read_resume",
                     [&](streams& s) { return s.pause_reading(stream, false); });
      },
      [](const wrn_host* host, wrn_handle listener) {
         return with(host, "stream.accept_pause",
                     [&](streams& s) { return s.pause_accepting(listener, true); });
      },
      [](const wrn_host* host, wrn_handle listener) {
         return with(host, "stream.accept_resume",
                     [&](streams& s) { return s.pause_accepting(listener, false); });
      },
      [](const wrn_host* host, wrn_handle stream) {
         return with(host, "stream.shutdown", [&](streams& s) { return s.shutdown(stream); });
      },
      // Also of an instance that failed and tidies up in stop().
      [](const wrn_host* host, wrn_handle stream) {
         return self(host).open_streams().close(stream);
      },
      [](const wrn_host* host, wrn_handle handle, wrn_addr* out) {
         return with(host, "stream.local", [&](streams& s) { return s.local(handle, *out); });
      },
      [](const wrn_host* host, wrn_handle stream, wrn_addr* out) {
         return with(host, "stream.remote", [&](streams& s) { return s.remote(stream, *out); });
      }};

} // namespace warren::plugin
