#pragma once
// The WireGuard protocol for one own key and any number of peers, without sockets, clocks or
// threads: bytes and time go in, bytes and deadlines come out. One engine belongs to one thread at
// a time; engines share nothing. Contracts that hold for every call: `now` never goes back, ids of
// removed peers are harmless (the call does nothing), and packet calls do not allocate memory.
#include "plugins/transport/wireguard/aead.hpp"
#include "plugins/transport/wireguard/cookie.hpp"
#include "plugins/transport/wireguard/rate_limiter.hpp"
#include "plugins/transport/wireguard/timer_heap.hpp"
#include "plugins/transport/wireguard/timing.hpp"
#include "plugins/transport/wireguard/types.hpp"
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace warren::wireguard {

struct keypair;
struct peer;
struct session_keys;

inline constexpr size_t seal_headroom = 16;            // before the inner packet
inline constexpr size_t seal_tailroom = 15 + tag_size; // after it: padding and tag
inline constexpr size_t data_overhead = 32;            // header and tag
inline constexpr size_t handshake_message_size_max = 148;

struct peer_config {
   key32 public_key{};
   key32 psk{}; // all zero = none
   uint16_t persistent_keepalive_s = 0;
   endpoint remote{}; // family 0 = not known, the peer has to come to us
   uint64_t tag = 0;  // the caller's, see engine::tag()
};

// To be sealed in place: seal_headroom bytes before `data` and seal_tailroom after its end are
// overwritten. After seal() `data` and `len` are the whole message.
struct frame {
   uint8_t* data;
   uint32_t len;
};

enum class receive_result : uint8_t {
   data,      // `plain` is an inner IP packet, exactly as long as its header says, or a mesh frame
              // (first nibble 0), handed on with its padding
   keepalive, // authentic and empty
   control,   // a handshake message or cookie reply that was accepted
   cookie_sent,     // under load: the sender was asked to prove its address
   malformed,       // wrong type or length, or an inner packet that is neither IP nor a mesh frame
   unknown_index,   // for no session or handshake of ours
   bad_mac,         // mac1 wrong: the sender does not know our public key
   bad_auth,        // decryption failed, or a cookie reply for a message we did not send
   replay,          // authentic, but seen already or older than the window
   rate_limited,    // too many initiations from this peer, or this source under load
   stranger,        // an authentic initiation of a key we do not know and were not told to accept
   stale_timestamp, // a replayed initiation
   expired,         // the session is over: too old or too many messages
   disabled,        // no identity set, or the peer is one that we never talk to
};
inline constexpr size_t receive_result_count = 14;

struct datagram {
   uint8_t* data; // in; opened in place
   uint32_t len;
   endpoint from;
   // out
   peer_id peer = no_peer; // set when the message is authentic
   uint8_t* plain = nullptr;
   uint32_t plain_len = 0;
   receive_result result = receive_result::malformed;
};

enum class lost_reason : uint8_t {
   handshake_timeout, // nobody answered any of 18 tries
   keys_erased,       // no new session for 540 s
   identity_changed,  // set_identity() dropped the session
};

enum class peer_error : uint8_t {
   none,
   no_endpoint, // wanted a session, but no address is known
   handshake_timeout,
   own_key,           // the peer is ourselves; disabled
   low_order_key,     // not a usable public key; disabled
   response_rejected, // a response to our initiation did not decrypt: most likely the PSKs differ
};

// Called from inside engine calls. Must not call the engine, except as stated.
class engine_events {
 public:
   virtual ~engine_events() = default;
   // Handshake, cookie and keepalive messages; copy the bytes. `peer` is no_peer for cookie
   // replies.
   virtual void send(peer_id peer, const endpoint& to, std::span<const uint8_t> message) = 0;
   // A session can carry data from now on; comes after every handshake, so also after each rekey.
   // May call seal(), ready() and the const queries.
   virtual void session_ready(peer_id peer) = 0;
   // Drop what is staged; want_session() starts all over. After handshake_timeout an older session
   // may still be ready(). That a session reaches its 180 s is no event of its own: seal() returns
   // 0 then.
   virtual void session_lost(peer_id peer, lost_reason reason) = 0;
   // The address (or only its `local`) that packets for the peer go to from now on.
   virtual void endpoint_changed(peer_id peer, const endpoint& remote) = 0;
   // An initiation whose sender proved that it holds this static key, which is not in the table.
   // May call add_peer() and return its id, or return no_peer. An initiation recorded earlier may
   // come again here: its time stamp can only be compared for peers in the table.
   virtual peer_id unknown_peer(const key32& public_key, const endpoint& from) = 0;
};

struct peer_stats {
   uint64_t tx_bytes = 0; // whole WireGuard messages of every type, without UDP and IP headers
   uint64_t rx_bytes = 0;
   uint64_t tx_packets = 0;
   uint64_t rx_packets = 0;
   uint64_t handshakes = 0;
   uint64_t last_handshake_ns = 0; // monotonic; 0 = never
   int64_t last_handshake_wall_ns = 0;
   endpoint remote{};
   bool up = false; // could seal at the time of the last call that brought a `now`
   peer_error last_error = peer_error::none;
};

struct engine_counters {
   std::array<uint64_t, receive_result_count> received{}; // by receive_result
   uint64_t initiations_sent = 0;
   uint64_t responses_sent = 0;
   uint64_t cookies_sent = 0;
   uint64_t keepalives_sent = 0;
};

class engine {
 public:
   struct identity {
      key32 public_key{};
      dh_function dh;
   };

   // `aead` must not be null. Until set_identity() the engine is silent and drops everything.
   engine(engine_events& events, random_source random, std::unique_ptr<aead_backend> aead,
          const timing& times = {});
   ~engine();
   engine(const engine&) = delete;
   engine& operator=(const engine&) = delete;

   // Also swaps the key of a running engine: every session and handshake is dropped. A peer that
   // has this key is disabled, one that had the old key works again. `wall_ns` is the wall clock
   // for TAI64N; receive() and on_time() keep it current.
   void set_identity(identity own, uint64_t now, int64_t wall_ns);
   void set_mtu(uint32_t inner_mtu) noexcept; // padding never goes beyond it; 0 = no limit

   // no_peer when the key is in the table already. Our own key and low-order points are accepted,
   // but nothing is ever sent to them. With a persistent keepalive the next on_time() initiates.
   peer_id add_peer(const peer_config& config);
   void remove_peer(peer_id id) noexcept;
   void set_psk(peer_id id, const key32& psk) noexcept; // counts from the next handshake message on
   void set_keepalive(peer_id id, uint16_t seconds, uint64_t now) noexcept;
   // Call want_session() afterwards if traffic waits: a running handshake then tries the new
   // address at once.
   void set_endpoint(peer_id id, const endpoint& remote) noexcept;

   // A session exists that may seal.
   bool ready(peer_id id, uint64_t now) const noexcept;
   // Traffic is waiting: sends an initiation now, or as soon as the timers allow one. Cheap to
   // repeat.
   void want_session(peer_id id, uint64_t now) noexcept;
   // Seals in order up to batch_max inner packets and returns how many: 0 when not ready(), fewer
   // than given when the nonces run out. What was sealed counts as sent. A rekey that falls due is
   // started from here. An empty frame becomes a keepalive.
   size_t seal(peer_id id, std::span<frame> frames, uint64_t now) noexcept;
   // Handles messages in order; runs of data messages of one session are opened as one batch.
   void receive(std::span<datagram> datagrams, uint64_t now, int64_t wall_ns) noexcept;

   // When on_time() wants to be called; never = not at all. May be earlier than there is something
   // to do, because packets only postpone deadlines lazily.
   uint64_t next_deadline() const noexcept { return timers_.next(); }
   // Fires what is due, at most a bounded number of peers per call: next_deadline() then lies in
   // the past.
   void on_time(uint64_t now, int64_t wall_ns) noexcept;

   peer_stats stats(peer_id id) const noexcept;
   endpoint remote(peer_id id) const noexcept;
   uint64_t tag(peer_id id) const noexcept;
   peer_id find_peer(const key32& public_key) const noexcept;
   size_t peer_count() const noexcept { return by_key_.size(); }
   size_t index_count() const noexcept {
      return by_index_.size();
   } // sessions and handshakes that exist
   bool under_load(uint64_t now) const noexcept { return now < loaded_until_; }
   const engine_counters& counters() const noexcept { return counters_; }

 private:
   struct index_entry {
      peer* owner;
      keypair* session; // null: the index of the handshake that we started
   };

   // engine.cpp
   peer* find(peer_id id) const noexcept;
   uint32_t new_index(peer& p, keypair* session);
   void note_time(uint64_t now, int64_t wall_ns) noexcept;
   void prepare_peer(peer& p);
   void drop_handshake(peer& p) noexcept;
   void drop_session(std::unique_ptr<keypair>& slot) noexcept;
   bool drop_all_sessions(peer& p) noexcept;
   void set_remote(peer& p, const endpoint& from) noexcept;
   // engine_handshake.cpp
   void initiate(peer& p, uint64_t now) noexcept;
   receive_result receive_control(datagram& d, uint64_t now, int64_t wall_ns) noexcept;
   receive_result receive_initiation(datagram& d, uint64_t now) noexcept;
   receive_result receive_response(datagram& d, uint64_t now, int64_t wall_ns) noexcept;
   receive_result receive_cookie(datagram& d, uint64_t now) noexcept;
   bool admit(const datagram& d, uint32_t sender_index, uint64_t now, receive_result& why) noexcept;
   std::unique_ptr<keypair> make_keypair(peer& p, const session_keys& keys, uint32_t local_index,
                                         uint32_t remote_index, bool initiator, uint64_t now);
   void handshake_done(peer& p, uint64_t now, int64_t wall_ns) noexcept;
   uint64_t handshake_timeout() noexcept;
   // engine_data.cpp
   bool may_seal(const keypair* k, uint64_t now) const noexcept;
   void send_keepalive(peer& p, uint64_t now) noexcept;
   size_t receive_data(std::span<datagram> run, uint64_t now, int64_t wall_ns) noexcept;
   receive_result accept_data(peer& p, keypair& k, datagram& d, const aead_job& job) noexcept;
   void promote_next(peer& p, uint64_t now, int64_t wall_ns) noexcept;
   // engine_timers.cpp
   void request_handshake(peer& p, uint64_t now) noexcept;
   uint64_t earliest_deadline(const peer& p) const noexcept;
   void arm(peer& p, uint64_t deadline) noexcept;
   void fire(peer& p, uint64_t now) noexcept;
   void on_sent(peer& p, size_t bytes, size_t packets, uint64_t now) noexcept;
   void on_data_sent(peer& p, uint64_t now) noexcept;
   void on_received(peer& p, size_t bytes, size_t packets, uint64_t now) noexcept;
   void on_data_received(peer& p, size_t packets, uint64_t now) noexcept;
   uint64_t random_below(uint64_t bound) noexcept;

   engine_events& events_;
   random_source random_;
   std::unique_ptr<aead_backend> aead_; // before the peers: keys must not outlive it
   timing times_;
   identity own_;
   bool has_identity_ = false;
   uint32_t mtu_ = 0;
   uint64_t now_ = 0;
   int64_t wall_offset_ = 0; // wall clock minus monotonic clock
   std::vector<std::unique_ptr<peer>> peers_;
   std::vector<peer_id> free_ids_;
   std::map<key32, peer_id> by_key_; // ordered, so that chosen keys cannot degrade it
   std::unordered_map<uint32_t, index_entry> by_index_; // our own random numbers
   timer_heap timers_;
   cookie_checker cookies_;
   rate_limiter limiter_;
   uint64_t load_level_ = 0; // theoretical arrival time of the load meter
   uint64_t loaded_until_ = 0;
   engine_counters counters_;
};

} // namespace warren::wireguard
