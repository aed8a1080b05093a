// A stream transport in C++: derive, say what you are, and handle three calls. The wrapper keeps
// the link table and the connections, dials with back-off, accepts, chooses when both sides dialled
// at once, keeps packets while there is no connection, and tells the core about room and states.
//
//    struct reel final : sdk::stream_transport<reel> {
//       static constexpr sdk::info about{.id = "com.acme.reel", .name = "reel"};
//       static constexpr wrn_transport_limits limits{WRN_TF_PLAINTEXT, 2, 0, 2};
//       void on_connected(connection& c);                    // write(c, …) a hello
//       void on_bytes(connection& c, std::span<const uint8_t> bytes); // claim(c, key), then
//                                                            // receive(c, packet)
//       void on_send(connection& c, sdk::batch packets);     // frame, and write_packets(c,
//       packets)
//    };
//    WARREN_PLUGIN(reel)
//
// A connection belongs to nobody until claim() names the tunnel key that its other end has proved
// (or, for a transport in plain text, says to have). Unclaimed ones are closed after ten seconds.
//
// Optional: `stream_transport<reel, my_link, my_connection>` for state per link and per connection
// (my_link derives from sdk::stream_link, my_connection from sdk::connection), on_open(link&),
// on_close(link&), on_update(link&), on_keepalive(connection&), configure(), on_start(), on_stop(),
// on_event().
#pragma once

#include "../host/stream.h"
#include "stream_values.hpp"

#include <algorithm>
#include <map>

namespace warren::sdk {

template <class Self, std::derived_from<stream_link> Link = stream_link,
          std::derived_from<sdk::connection> Connection = sdk::connection>
class stream_transport : public link_table<Self, Link> {
   using base = link_table<Self, Link>;

 public:
   using link = Link;
   using connection = Connection;
   using base::warren;
   static constexpr const char* needs[] = {WRN_HOST_CONF, WRN_HOST_STREAM, WRN_HOST_LINK,
                                           WRN_HOST_IDENTITY, nullptr};

   void on_open(link&) {}
   void on_keepalive(connection&) {}

   const void* find_ext(std::string_view id) const {
      static_assert(
            requires(Self & s, Connection & c) { s.on_connected(c); },
            "a stream transport has 'void on_connected(connection&)'");
      static_assert(
            requires(Self & s, Connection & c, std::span<const uint8_t> b) { s.on_bytes(c, b); },
            "a stream transport has 'void on_bytes(connection&, std::span<const uint8_t>)'");
      static_assert(
            requires(Self & s, Connection & c, batch b) { s.on_send(c, b); },
            "a stream transport has 'void on_send(connection&, warren::sdk::batch)'");
      return id == WRN_EXT_STREAM ? &stream_table() : base::find_ext(id);
   }

   // --- from the core, through link_table -------------------------------------------------------
   wrn_status link_opened(link& l) {
      if (!by_key_.emplace(key_of(l.params.tunnel_key), l.handle).second) return WRN_E_EXISTS;
      l.dial_to = l.params.remote;
      const wrn_status status = base::link_opened(l);
      if (status != WRN_OK) by_key_.erase(key_of(l.params.tunnel_key));
      if (status == WRN_OK && l.params.keepalive_s != 0) dial_soon(l);
      return status;
   }
   void link_closed(link& l) {
      base::link_closed(l);
      by_key_.erase(key_of(l.params.tunnel_key));
      drop_staged(l, WRN_DROP_NO_LINK);
      std::vector<Connection*> mine;
      for (auto& [handle, c] : connections_)
         if (c.link == l.handle) mine.push_back(&c);
      for (Connection* c : mine)
         end(*c);
   }
   void link_path(link& l, const wrn_addr& remote) {
      l.dial_to = remote;
      if (l.current != 0) return; // a connection that works stays
      l.stats.remote = remote;
      const bool wants = l.dialling != 0 || l.dial_at != 0 || !l.staged.empty();
      if (Connection* c = find_connection(l.dialling)) end(*c);
      l.dialling = 0;
      if (wants || l.params.keepalive_s != 0) dial(l);
   }
   void link_connect(link& l) {
      want(l);
      if (l.current == 0 && l.dial_at == 0) dial(l);
   }
   uint32_t link_room(link& l) {
      const Connection* c = find_connection(l.current);
      uint32_t room = 0;
      if (c == nullptr)
         room = staged_max - static_cast<uint32_t>(std::min<size_t>(l.staged.size(), staged_max));
      else if (c->unsent.empty())
         room = WRN_BATCH_MAX;
      l.wants_room |= room == 0;
      return room;
   }
   void link_tx(link& l, batch packets) {
      want(l);
      if (Connection* c = find_connection(l.current)) {
         if (c->unsent.empty()) return self().on_send(*c, packets);
         return warren().drop(packets, WRN_DROP_QUEUE_FULL, l.params.peer);
      }
      const size_t fits = std::min<size_t>(packets.size(), staged_max - l.staged.size());
      l.staged.insert(l.staged.end(), packets.begin(),
                      packets.begin() + static_cast<std::ptrdiff_t>(fits));
      warren().drop(packets.subspan(fits), WRN_DROP_QUEUE_FULL, l.params.peer);
      if (l.dial_at == 0) dial(l);
   }

   void stop_thunk() {
      self().on_stop();
      for (auto& [handle, l] : this->links())
         drop_staged(l, WRN_DROP_NO_LINK);
      while (!connections_.empty())
         end(connections_.begin()->second);
      ended_.clear();
      warren().free(received_);
      received_.clear();
      warren().timer_cancel(timer_);
      this->links().clear();
      by_key_.clear();
   }
   void event_thunk(const wrn_event& e) {
      if (e.type == WRN_EV_IDENTITY_CHANGED) restart();
      self().on_event(e);
   }
   void timer_thunk(wrn_handle timer, uint64_t tag) {
      if (timer != timer_) return self().on_timer(timer, tag);
      timer_ = 0;
      run_due();
   }

 protected:
   /// Writes bytes to the other end; what the host does not take now follows by itself. Small
   /// things: a hello, a keepalive.
   void write(connection& c, std::span<const uint8_t> bytes) {
      const wrn_bytes part{bytes.data(), bytes.size()};
      write_parts(c, {&part, 1});
   }
   /// Writes framed packets and counts them. Takes the packets.
   void write_packets(connection& c, batch packets) {
      std::array<wrn_bytes, WRN_BATCH_MAX> parts;
      size_t bytes = 0;
      for (size_t i = 0; i < packets.size(); i++) {
         parts[i] = {packets[i].buf + packets[i].off, packets[i].len};
         bytes += packets[i].len;
      }
      write_parts(c, {parts.data(), packets.size()});
      if (Link* l = this->find(c.link)) {
         l->stats.tx_packets += packets.size();
         l->stats.tx_bytes += bytes;
      }
      warren().free(packets);
   }
   /// Hands an inner packet of the peer to the core, in batches. False while nobody claimed c.
   bool receive(connection& c, std::span<const uint8_t> packet) {
      Link* l = c.claimed ? this->find(c.link) : nullptr;
      if (l == nullptr) return false;
      l->stats.rx_packets++;
      l->stats.rx_bytes += packet.size();
      l->stats.last_heard = warren().now();
      auto p = warren().alloc(static_cast<uint32_t>(packet.size()));
      if (!p) return true; // the pool is empty: lost, as on a wire
      std::copy(packet.begin(), packet.end(), p->buf + p->off);
      received_.push_back(*p);
      if (received_.size() == WRN_BATCH_MAX) flush_received(c);
      return true;
   }
   /// The other end of c is the peer with that key. Null when it is a stranger, or not who was
   /// dialled: c is closed then.
   Link* claim(connection& c, const wrn_key& key) {
      if (c.claimed) return this->find(c.link);
      const auto it = by_key_.find(key_of(key));
      Link* l = it != by_key_.end() ? this->find(it->second) : this->incoming(key, c.remote);
      const wrn_key own = warren().tunnel_key();
      if (l == nullptr || (c.dialled && c.link != l->handle) || key_of(own) == key_of(key)) {
         close(c, WRN_E_AUTH);
         return nullptr;
      }
      c.claimed = true;
      c.link = l->handle;
      c.deadline = 0;
      if (l->dialling == c.stream) l->dialling = 0;
      Connection* other = find_connection(l->current);
      if (other != nullptr && !takes_over(c, *other, key_of(own) < key_of(key))) {
         leave(c);
         return l;
      }
      l->current = c.stream;
      if (other != nullptr) leave(*other);
      if (Connection* dialled = find_connection(l->dialling); dialled && !dialled->connected) {
         l->dialling = 0;
         end(*dialled);
      }
      l->attempts = 0;
      l->dial_at = 0;
      l->stats.handshake_wall_ns = warren().wall_ns();
      l->stats.last_heard = warren().now();
      this->moved(*l, c.remote);
      l->stats.remote = c.remote;
      this->set_state(*l, WRN_LINK_UP);
      plan_keepalive(*l);
      std::vector<wrn_pkt> staged(l->staged.begin(), l->staged.end());
      l->staged.clear();
      if (!staged.empty()) self().on_send(c, staged);
      made_room(*l);
      return l;
   }
   /// Gives a connection up: what came over it makes no sense, or it is not who it should be.
   void close(connection& c, wrn_status why) {
      const wrn_handle stream = c.stream, handle = c.link;
      end(c);
      if (Link* l = this->find(handle)) lost(*l, stream, why);
   }
   /// All connections end, and those that are wanted begin again.
   void restart() {
      std::vector<Connection*> all;
      for (auto& [handle, c] : connections_)
         all.push_back(&c);
      for (Connection* c : all)
         close(*c, WRN_E_CLOSED);
   }

 private:
   static constexpr uint32_t staged_max = 64;  // packets per link without a connection
   static constexpr size_t strangers_max = 64; // accepted and not claimed; the oldest goes first
   static constexpr wrn_time second = 1'000'000'000;
   static constexpr wrn_time patience = 10 * second; // to connect and be claimed, or to leave
   static constexpr wrn_time interest = 90 * second; // after its last packet a link is redialled
   static constexpr wrn_time back_off_max = 30 * second;

   using key_bytes = std::array<uint8_t, 32>;
   static key_bytes key_of(const wrn_key& k) { return std::to_array(k.bytes); }
   Self& self() { return *static_cast<Self*>(this); }
   const wrn_host_stream* host_stream() const {
      if (stream_ == nullptr) stream_ = warren().template get<wrn_host_stream>(WRN_HOST_STREAM);
      return stream_;
   }
   Connection* find_connection(wrn_handle stream) {
      const auto it = connections_.find(stream);
      return it == connections_.end() ? nullptr : &it->second;
   }

   // --- dialling ---------------------------------------------------------------------------------
   void want(Link& l) { l.wanted_until = warren().now() + interest; }
   bool wanted(const Link& l) const {
      return l.params.keepalive_s != 0 || warren().now() < l.wanted_until;
   }
   /// A random part of `ns`, so that two ends do not always act at the same moment.
   wrn_time jitter(wrn_time ns) const {
      uint64_t word = 0;
      warren().random(&word, sizeof word);
      return word % ns;
   }
   void dial_soon(Link& l) {
      const wrn_time step = std::min(second << std::min(l.attempts, 5u), back_off_max);
      l.dial_at = warren().now() + (l.attempts == 0 ? 0 : step / 2) + jitter(step);
      arm(l.dial_at);
   }
   void dial(Link& l) {
      l.dial_at = 0;
      if (l.current != 0 || l.dialling != 0) return;
      if (!known(l.dial_to)) {
         drop_staged(l, WRN_DROP_NO_LINK);
         return this->set_state(l, WRN_LINK_DOWN, WRN_E_UNREACHABLE);
      }
      wrn_handle stream = 0;
      this->set_state(l, WRN_LINK_CONNECTING);
      const wrn_status status = host_stream()->connect(warren().raw(), &l.dial_to, &stream);
      if (status != WRN_OK) return dial_failed(l, status);
      Connection& c = add(stream, l.dial_to);
      c.dialled = true;
      c.link = l.handle;
      l.dialling = stream;
   }
   void dial_failed(Link& l, wrn_status why) {
      l.dialling = 0;
      l.attempts++;
      drop_staged(l, WRN_DROP_EXPIRED);
      made_room(l);
      if (l.current != 0) return;
      if (wanted(l))
         dial_soon(l);
      else
         this->set_state(l, WRN_LINK_DOWN, why);
   }
   /// The link's connection, or its attempt at one, is gone.
   void lost(Link& l, wrn_handle stream, wrn_status why) {
      if (l.dialling == stream) return dial_failed(l, why == WRN_OK ? WRN_E_CLOSED : why);
      if (l.current != stream) return;
      l.current = 0;
      l.keepalive_at = 0;
      this->set_state(l, WRN_LINK_DOWN, why == WRN_OK ? WRN_E_CLOSED : why);
      made_room(l);
      if (l.dialling == 0 && known(l.dial_to) && wanted(l)) dial_soon(l);
   }

   // --- connections
   // --------------------------------------------------------------------------------
   Connection& add(wrn_handle stream, const wrn_addr& remote) {
      Connection& c = connections_.try_emplace(stream).first->second;
      c.stream = stream;
      c.remote = remote;
      c.deadline = warren().now() + patience;
      arm(c.deadline);
      return c;
   }
   /// Closes the stream. The object lives until the next callback: its own may be under way.
   void end(Connection& c) {
      c.closed = true;
      host_stream()->close(warren().raw(), c.stream);
      ended_.push_back(connections_.extract(c.stream));
   }
   /// Both sides call this with the same two: the newer takes over, but of two that were dialled
   /// at once from both ends the one of the smaller key wins, wherever it was claimed first.
   bool takes_over(const Connection& c, const Connection& other, bool own_key_smaller) const {
      if (c.dialled == other.dialled) return true;
      if (warren().now() - other.connected_at > patience) return true;
      return c.dialled == own_key_smaller;
   }
   void leave(Connection& c) {
      c.leaving = true;
      c.deadline = warren().now() + patience;
      arm(c.deadline);
      if (c.unsent.empty()) host_stream()->shutdown(warren().raw(), c.stream);
   }
   void write_parts(Connection& c, std::span<const wrn_bytes> parts) {
      if (c.closed) return;
      size_t taken = 0;
      if (c.unsent.empty())
         host_stream()->write(warren().raw(), c.stream, parts.data(),
                              static_cast<uint32_t>(parts.size()), &taken);
      for (const wrn_bytes& part : parts) {
         const size_t skip = std::min(taken, part.len);
         taken -= skip;
         c.unsent.insert(c.unsent.end(), part.ptr + skip, part.ptr + part.len);
      }
   }
   void drain(Connection& c) {
      const wrn_bytes rest{c.unsent.data() + c.unsent_at, c.unsent.size() - c.unsent_at};
      size_t taken = 0;
      host_stream()->write(warren().raw(), c.stream, &rest, 1, &taken);
      c.unsent_at += taken;
      if (taken < rest.len) return;
      c.unsent.clear();
      c.unsent_at = 0;
      if (c.leaving) host_stream()->shutdown(warren().raw(), c.stream);
      if (Link* l = this->find(c.link); l != nullptr && l->current == c.stream) made_room(*l);
   }
   void made_room(Link& l) {
      if (l.wants_room && link_room(l) != 0) {
         l.wants_room = false;
         this->tell_writable(l);
      }
   }
   void drop_staged(Link& l, uint32_t reason) {
      for (wrn_pkt& p : l.staged)
         warren().drop({&p, 1}, reason, l.params.peer);
      l.staged.clear();
   }
   void flush_received(Connection& c) {
      if (received_.empty()) return;
      if (Link* l = this->find(c.link))
         this->deliver(*l, received_);
      else
         warren().free(received_);
      received_.clear();
   }

   // --- time
   // -----------------------------------------------------------------------------------------
   void arm(wrn_time at) {
      if (timer_ != 0 && timer_at_ <= at) return;
      timer_at_ = at;
      warren().timer_set(timer_, at);
   }
   void plan_keepalive(Link& l) {
      l.keepalive_at = 0; // an update may have ended them
      if (l.params.keepalive_s == 0) return;
      l.keepalive_at = warren().now() + l.params.keepalive_s * second;
      arm(l.keepalive_at);
   }
   void run_due() {
      ended_.clear();
      const wrn_time now = warren().now();
      std::vector<Connection*> late;
      for (auto& [handle, c] : connections_)
         if (c.deadline != 0 && c.deadline <= now) late.push_back(&c);
      for (Connection* c : late)
         close(*c, WRN_E_TIMEOUT);
      for (auto& [handle, l] : this->links()) {
         if (l.dial_at != 0 && l.dial_at <= now) dial(l);
         if (l.keepalive_at == 0 || l.keepalive_at > now) continue;
         if (Connection* c = find_connection(l.current); c != nullptr && c->unsent.empty())
            self().on_keepalive(*c);
         plan_keepalive(l);
      }
      wrn_time next = UINT64_MAX;
      const auto earlier = [&](wrn_time at) {
         if (at != 0) next = std::min(next, at);
      };
      for (const auto& [handle, c] : connections_)
         earlier(c.deadline);
      for (const auto& [handle, l] : this->links()) {
         earlier(l.dial_at);
         earlier(l.keepalive_at);
      }
      if (next != UINT64_MAX) arm(next);
   }

   // --- from the host
   // ----------------------------------------------------------------------------------
   void accept(wrn_handle stream, const wrn_addr& from) {
      Connection* oldest = nullptr;
      size_t strangers = 0;
      for (auto& [handle, c] : connections_) {
         if (c.dialled || c.claimed) continue;
         strangers++;
         if (oldest == nullptr || c.connected_at < oldest->connected_at) oldest = &c;
      }
      if (strangers >= strangers_max) end(*oldest);
      connected(add(stream, from));
   }
   void connected(Connection& c) {
      c.connected = true;
      c.connected_at = warren().now();
      self().on_connected(c);
   }
   void gone(Connection& c, wrn_status why) {
      const wrn_handle stream = c.stream, handle = c.link;
      end(c);
      if (Link* l = this->find(handle)) lost(*l, stream, why);
   }

   template <class Fn>
   static void with_connection(const wrn_plugin* p, wrn_handle stream, Fn&& fn) noexcept {
      base::guarded(p, [&](Self& s) {
         s.ended_.clear();
         if (Connection* c = s.find_connection(stream)) fn(s, *c);
      });
   }
   static const wrn_stream& stream_table() {
      static const wrn_stream table{
            [](const wrn_plugin*, wrn_handle) {},
            [](const wrn_plugin* p, wrn_handle, wrn_handle stream, const wrn_addr* from) {
               base::guarded(p, [&](Self& s) { s.accept(stream, *from); });
            },
            [](const wrn_plugin* p, wrn_handle stream, wrn_status status) {
               with_connection(p, stream, [&](Self& s, Connection& c) {
                  if (status == WRN_OK)
                     s.connected(c);
                  else
                     s.gone(c, status);
               });
            },
            [](const wrn_plugin* p, wrn_handle stream, wrn_bytes bytes) {
               with_connection(p, stream, [&](Self& s, Connection& c) {
                  s.on_bytes(c, {bytes.ptr, bytes.len});
                  s.flush_received(c);
               });
            },
            // The other side says nothing any more: it leaves this connection, or ends.
            [](const wrn_plugin* p, wrn_handle stream) {
               with_connection(p, stream, [](Self& s, Connection& c) {
                  const wrn_handle link = c.link;
                  if (!c.leaving) s.leave(c);
                  if (Link* l = s.find(link)) s.lost(*l, c.stream, WRN_OK);
               });
            },
            [](const wrn_plugin* p, wrn_handle stream) {
               with_connection(p, stream, [](Self& s, Connection& c) { s.drain(c); });
            },
            [](const wrn_plugin* p, wrn_handle stream, wrn_status status) {
               with_connection(p, stream, [&](Self& s, Connection& c) { s.gone(c, status); });
            }};
      return table;
   }

   std::map<wrn_handle, Connection> connections_;
   std::vector<typename std::map<wrn_handle, Connection>::node_type> ended_;
   std::map<key_bytes, wrn_handle> by_key_;
   std::vector<wrn_pkt> received_; // of one on_bytes()
   wrn_handle timer_ = 0;
   wrn_time timer_at_ = 0;
   mutable const wrn_host_stream* stream_ = nullptr;

   friend Self;
};

} // namespace warren::sdk
