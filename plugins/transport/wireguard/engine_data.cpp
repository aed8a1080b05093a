// Data messages of the engine: sealing, opening in batches, and what an authentic packet changes.
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/messages.hpp"
#include "plugins/transport/wireguard/peer.hpp"
#include <algorithm>
#include <cstring>

namespace warren::wireguard {

namespace {

constexpr uint32_t malformed_inner = UINT32_MAX;

// How many bytes of an opened packet are the inner packet, the rest being padding. Whether its
// source address belongs to the peer is not checked here.
uint32_t inner_length(const uint8_t* plain, uint32_t size) noexcept {
   uint32_t total = malformed_inner;
   switch (plain[0] >> 4) {
   case 0:
      return size; // a mesh frame knows its own length
   case 4:
      if (size >= 20) {
         const uint32_t header = (plain[0] & 15) * 4u;
         total = load_be16(plain + 2);
         if (header < 20 || total < header) return malformed_inner;
      }
      break;
   case 6:
      if (size >= 40) total = 40u + load_be16(plain + 4);
      break;
   default:
      break;
   }
   return total <= size ? total : malformed_inner;
}

// To a multiple of 16, so that lengths say less, but not beyond the MTU.
uint32_t padded_length(uint32_t len, uint32_t mtu) noexcept {
   const uint32_t padded = (len + 15) & ~uint32_t{15};
   if (mtu == 0 || padded <= mtu) return padded;
   return std::max(len, mtu);
}

} // namespace

bool engine::may_seal(const keypair* k, uint64_t now) const noexcept {
   return k != nullptr && now - k->created < times_.reject_after_time &&
          k->send_counter < times_.reject_after_messages;
}

size_t engine::seal(peer_id id, std::span<frame> frames, uint64_t now) noexcept {
   peer* const p = find(id);
   if (p == nullptr || !may_seal(p->current.get(), now)) return 0;
   keypair& k = *p->current;
   const size_t count = std::min<uint64_t>(
         {frames.size(), batch_max, times_.reject_after_messages - k.send_counter});
   if (count == 0) return 0;
   std::array<aead_job, batch_max> jobs;
   bool any_data = false;
   for (size_t i = 0; i < count; i++) {
      const frame& f = frames[i];
      const uint32_t padded = padded_length(f.len, mtu_);
      std::memset(f.data + f.len, 0, padded - f.len);
      jobs[i] = {f.data, padded, k.send_counter + i, false};
      any_data = any_data || f.len != 0;
   }
   k.send->seal({jobs.data(), count});
   k.send_counter += count;
   size_t bytes = 0;
   size_t sealed = 0;
   for (; sealed < count && jobs[sealed].ok; sealed++) {
      const aead_job& job = jobs[sealed];
      data_header::write(job.data - data_header::size, k.remote_index, job.counter);
      frames[sealed] = {job.data - data_header::size, job.len + uint32_t{data_overhead}};
      bytes += frames[sealed].len;
   }
   if (sealed < count)
      k.send_counter = times_.reject_after_messages; // a broken library seals no more
   on_sent(*p, bytes, sealed, now);
   if (any_data) on_data_sent(*p, now);
   if (k.send_counter > times_.rekey_after_messages ||
       (k.initiator && now - k.created >= times_.rekey_after_time))
      request_handshake(*p, now);
   return sealed;
}

void engine::send_keepalive(peer& p, uint64_t now) noexcept {
   std::array<uint8_t, seal_headroom + seal_tailroom> buffer;
   frame f{buffer.data() + seal_headroom, 0};
   if (!p.remote || seal(p.id, {&f, 1}, now) == 0) return;
   counters_.keepalives_sent++;
   events_.send(p.id, p.remote, {f.data, f.len});
}

void engine::receive(std::span<datagram> datagrams, uint64_t now, int64_t wall_ns) noexcept {
   note_time(now, wall_ns);
   for (datagram& d : datagrams) {
      d.peer = no_peer;
      d.plain = nullptr;
      d.plain_len = 0;
      d.result = receive_result::malformed;
   }
   for (size_t at = 0; at < datagrams.size();) {
      size_t handled = 1;
      datagram& d = datagrams[at];
      if (!has_identity_)
         d.result = receive_result::disabled;
      else if (data_header::is_data({d.data, d.len}))
         handled = receive_data(datagrams.subspan(at), now, wall_ns);
      else
         d.result = receive_control(d, now, wall_ns);
      at += handled;
   }
   for (const datagram& d : datagrams)
      counters_.received[static_cast<size_t>(d.result)]++;
}

// Opens the data messages at the front of `rest` that are for the same session as the first;
// returns how many.
size_t engine::receive_data(std::span<datagram> rest, uint64_t now, int64_t wall_ns) noexcept {
   const uint32_t index = data_header::receiver(rest[0].data);
   std::array<aead_job, batch_max> jobs;
   size_t count = 0;
   for (const datagram& d : rest.first(std::min(rest.size(), batch_max))) {
      if (!data_header::is_data({d.data, d.len}) || data_header::receiver(d.data) != index) break;
      jobs[count++] = {d.data + data_header::size, d.len - uint32_t{data_overhead},
                       data_header::counter(d.data), false};
   }
   const std::span<datagram> run = rest.first(count);
   const auto found = by_index_.find(index);
   if (found == by_index_.end() || found->second.session == nullptr) {
      for (datagram& d : run)
         d.result = receive_result::unknown_index;
      return count;
   }
   peer& p = *found->second.owner;
   keypair& k = *found->second.session;
   if (now - k.created >= times_.reject_after_time) {
      for (datagram& d : run)
         d.result = receive_result::expired;
      return count;
   }

   k.receive->open({jobs.data(), count});
   size_t bytes = 0;
   size_t packets = 0;
   size_t data_packets = 0;
   const endpoint* newest_source = nullptr;
   for (size_t i = 0; i < count; i++) {
      datagram& d = run[i];
      d.result = accept_data(p, k, d, jobs[i]);
      if (d.peer == no_peer) continue;
      bytes += d.len;
      packets++;
      if (d.result != receive_result::keepalive) data_packets++;
      newest_source = &d.from;
   }
   if (packets == 0) return count;
   set_remote(p, *newest_source);
   on_received(p, bytes, packets, now);
   if (data_packets != 0) on_data_received(p, data_packets, now);
   if (p.next.get() == &k) promote_next(p, now, wall_ns);
   if (p.current.get() == &k && k.initiator && !k.renewed_on_receive &&
       now - k.created >= times_.rekey_on_receive_after()) {
      k.renewed_on_receive = true;
      request_handshake(p, now);
   }
   return count;
}

receive_result engine::accept_data(peer& p, keypair& k, datagram& d, const aead_job& job) noexcept {
   if (!job.ok) return receive_result::bad_auth;
   if (job.counter >= times_.reject_after_messages) return receive_result::expired;
   if (!k.replay.accept(job.counter, times_.reject_after_messages)) return receive_result::replay;
   d.peer = p.id;
   if (job.len == 0) return receive_result::keepalive;
   const uint32_t length = inner_length(job.data, job.len);
   if (length == malformed_inner) return receive_result::malformed;
   d.plain = job.data;
   d.plain_len = length;
   return receive_result::data;
}

// The initiator has shown that it holds the keys, so the responder may use them too.
void engine::promote_next(peer& p, uint64_t now, int64_t wall_ns) noexcept {
   drop_session(p.previous);
   p.previous = std::move(p.current);
   p.current = std::move(p.next);
   handshake_done(p, now, wall_ns);
}

} // namespace warren::wireguard
