#pragma once
// The two MACs at the end of every handshake message, and the cookies behind the second one. mac1
// proves that the sender knows the receiver's public key, mac2 that it can receive at the address
// it sends from. Both sides belong to an engine and run on its thread.
#include "plugins/transport/wireguard/blake2s.hpp"
#include "plugins/transport/wireguard/timing.hpp"
#include "plugins/transport/wireguard/types.hpp"
#include <span>

namespace warren::wireguard {

struct cookie_message;

using mac16 = std::array<uint8_t, 16>;
inline constexpr size_t macs_size = 32; // mac1 and mac2, the last bytes of a handshake message
inline constexpr size_t cookie_reply_size = 64; // see messages.hpp

// The receiving side, one per engine.
class cookie_checker {
 public:
   explicit cookie_checker(uint64_t lifetime = timing{}.cookie_lifetime) : lifetime_(lifetime) {}
   ~cookie_checker();
   cookie_checker(const cookie_checker&) = delete;
   cookie_checker& operator=(const cookie_checker&) = delete;

   void set_public_key(const key32& own_public);

   // `message` is a whole handshake message, at least macs_size long.
   bool mac1_ok(std::span<const uint8_t> message) noexcept;
   bool mac2_ok(std::span<const uint8_t> message, const endpoint& from, uint64_t now,
                const random_source& random) noexcept;
   // Answers `message` with a cookie for its source.
   void make_reply(std::span<const uint8_t> message, uint32_t sender_index, const endpoint& from,
                   uint64_t now, const random_source& random,
                   std::span<uint8_t, cookie_reply_size> reply) noexcept;

 private:
   mac16 cookie_for(const endpoint& from, uint64_t now, const random_source& random) noexcept;

   keyed_mac mac1_;
   key32 cookie_key_{};
   key32 secret_{};
   uint64_t secret_until_ = 0; // 0 = no secret yet
   uint64_t lifetime_;
};

// The sending side, one per peer.
class cookie_jar {
 public:
   ~cookie_jar();
   void set_public_key(const key32& peer_public);
   // Fills in the last macs_size bytes; mac2 stays zero without a fresh cookie. Remembers mac1,
   // because a cookie reply is bound to it.
   void add_macs(std::span<uint8_t> message, uint64_t now, uint64_t lifetime) noexcept;
   // Takes the cookie out of a reply to the last message; false when it does not decrypt. Each
   // message is good for one reply.
   bool consume_reply(const cookie_message& reply, uint64_t now) noexcept;
   bool has_cookie(uint64_t now, uint64_t lifetime) const noexcept {
      return has_cookie_ && now - received_at_ < lifetime;
   }

 private:
   key32 mac1_key_{};
   key32 cookie_key_{};
   mac16 last_mac1_{};
   mac16 cookie_{};
   uint64_t received_at_ = 0;
   bool awaits_reply_ = false;
   bool has_cookie_ = false;
};

} // namespace warren::wireguard
