#pragma once
// Two engines joined back to back for fuzzing: what one sends is queued for the other.
// Deterministic random numbers, a clock that the target moves. Invariants abort, so that the fuzzer
// sees them.
#include "plugins/transport/wireguard/engine.hpp"
#include <cstdlib>
#include <cstring>
#include <deque>
#include <sodium.h>
#include <vector>

namespace warren::wireguard::fuzz {

using bytes = std::vector<uint8_t>;

inline void require(bool condition) {
   if (!condition) std::abort();
}

inline endpoint address(uint8_t host) {
   endpoint e;
   e.family = 4;
   e.port = 51820;
   e.ip = {10, 0, 0, host};
   return e;
}

struct side final : engine_events {
   explicit side(uint8_t number) : at(address(number)) {
      secret.fill(number);
      crypto_scalarmult_curve25519_base(open.data(), secret.data());
      wg = std::make_unique<engine>(
            *this,
            [this](void* data, size_t size) {
               for (size_t i = 0; i < size; i++) {
                  state = state * 6364136223846793005 + 1;
                  static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(state >> 56);
               }
            },
            find_aead("libsodium"));
      wg->set_identity({open,
                        [this](const uint8_t* peer, uint8_t* shared) {
                           return crypto_scalarmult_curve25519(shared, secret.data(), peer) == 0;
                        }},
                       now, wall());
   }
   void know(const side& other) {
      peer_config c;
      c.public_key = other.open;
      c.remote = other.at;
      require(wg->add_peer(c) == 0);
   }
   int64_t wall() const { return static_cast<int64_t>(now) + 1'700'000'000'000'000'000; }

   // What comes out must lie inside what went in, and only authentic data may come out.
   receive_result deliver(bytes message, const endpoint& from) {
      datagram d{message.data(), static_cast<uint32_t>(message.size()), from};
      wg->receive({&d, 1}, now, wall());
      if (d.plain != nullptr) {
         require(d.result == receive_result::data && d.peer != no_peer);
         require(d.plain >= message.data() &&
                 d.plain + d.plain_len <= message.data() + message.size());
         volatile uint8_t sum = 0;
         for (uint32_t i = 0; i < d.plain_len; i++)
            sum = static_cast<uint8_t>(sum + d.plain[i]);
      }
      return d.result;
   }

   void send(peer_id, const endpoint&, std::span<const uint8_t> m) override {
      out.emplace_back(m.begin(), m.end());
   }
   void session_ready(peer_id) override {}
   void session_lost(peer_id, lost_reason) override {}
   void endpoint_changed(peer_id, const endpoint&) override {}
   peer_id unknown_peer(const key32&, const endpoint&) override { return no_peer; }

   endpoint at;
   key32 secret{};
   key32 open{};
   uint64_t state = 88172645463325252;
   uint64_t now = 1'000'000'000;
   std::unique_ptr<engine> wg;
   std::deque<bytes> out;
};

// a has initiated and both are ready.
inline void connect(side& a, side& b) {
   a.wg->want_session(0, a.now);
   for (int round = 0; round < 4; round++) {
      for (; !a.out.empty(); a.out.pop_front())
         b.deliver(a.out.front(), a.at);
      for (; !b.out.empty(); b.out.pop_front())
         a.deliver(b.out.front(), b.at);
   }
   require(a.wg->ready(0, a.now) && b.wg->ready(0, b.now));
}

} // namespace warren::wireguard::fuzz
