// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s. In the comments: C chaining key, H hash, E ephemeral, S
// static, i initiator, r responder.
#include "plugins/transport/wireguard/handshake.hpp"
#include "plugins/transport/wireguard/blake2s.hpp"
#include <sodium.h>
#include <string_view>

namespace warren::wireguard {

namespace {

bytes_view text(std::string_view s) noexcept {
   return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

void wipe_key(key32& key) noexcept { sodium_memzero(key.data(), key.size()); }

struct wiped_key : key32 {
   wiped_key() : key32{} {}
   ~wiped_key() { wipe_key(*this); }
};

struct start_values {
   key32 chaining_key = blake2s({text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")});
   key32 hash = blake2s({chaining_key, text("WireGuard v1 zx2c4 Jason@zx2c4.com")});
};

const start_values& start() noexcept {
   static const start_values values;
   return values;
}

// The two running values of the Noise protocol, and the operations on them.
struct noise {
   key32& chaining_key;
   key32& hash;

   void begin(const key32& responder_public) noexcept {
      chaining_key = start().chaining_key;
      hash = blake2s({start().hash, responder_public});
   }
   void mix_hash(bytes_view data) noexcept { hash = blake2s({hash, data}); }
   void mix_key(bytes_view input) noexcept { kdf1(chaining_key, input, chaining_key); }
   void mix_key(bytes_view input, key32& key) noexcept {
      kdf2(chaining_key, input, chaining_key, key);
   }

   // H := HASH(H || E); C := KDF1(C, E)
   void mix_ephemeral(const key32& ephemeral) noexcept {
      mix_hash(ephemeral);
      mix_key(ephemeral);
   }
   // Every key seals one message, so the nonce is always zero; H is the associated data.
   void seal(const key32& key, bytes_view plain, std::span<uint8_t> out) noexcept {
      static constexpr uint8_t nonce[12] = {};
      crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(),
                                                hash.data(), hash.size(), nullptr, nonce,
                                                key.data());
      mix_hash(out);
   }
   bool open(const key32& key, bytes_view sealed, uint8_t* out) noexcept {
      static constexpr uint8_t nonce[12] = {};
      if (crypto_aead_chacha20poly1305_ietf_decrypt(out, nullptr, nullptr, sealed.data(),
                                                    sealed.size(), hash.data(), hash.size(), nonce,
                                                    key.data()) != 0)
         return false;
      mix_hash(sealed);
      return true;
   }
   // (C, tau, k) := KDF3(C, psk); H := HASH(H || tau)
   void mix_psk(const key32& psk, key32& key) noexcept {
      wiped_key tau;
      kdf3(chaining_key, psk, chaining_key, tau, key);
      mix_hash(tau);
   }
};

// False when `their_public` is a low-order point.
bool dh(const key32& own_private, const key32& their_public, key32& shared) noexcept {
   return crypto_scalarmult_curve25519(shared.data(), own_private.data(), their_public.data()) == 0;
}

void make_ephemeral(const random_source& random, key32& private_key, key32& public_key) noexcept {
   random(private_key.data(), private_key.size());
   crypto_scalarmult_curve25519_base(public_key.data(), private_key.data());
}

} // namespace

timestamp tai64n(int64_t wall_ns) noexcept {
   const auto whole = static_cast<uint64_t>(wall_ns < 0 ? 0 : wall_ns);
   const uint64_t seconds = 0x400000000000000aull + whole / 1'000'000'000;
   // Whitening the nanoseconds within their second keeps the order, because a second starts a new
   // step.
   const uint64_t nanos = whole % 1'000'000'000 & ~static_cast<uint64_t>(timestamp_step_ns - 1);
   timestamp out;
   for (size_t i = 0; i < 8; i++)
      out[i] = static_cast<uint8_t>(seconds >> (56 - 8 * i));
   for (size_t i = 0; i < 4; i++)
      out[8 + i] = static_cast<uint8_t>(nanos >> (24 - 8 * i));
   return out;
}

session_keys::~session_keys() {
   wipe_key(send);
   wipe_key(receive);
}

void initiator_state::wipe() noexcept {
   wipe_key(chaining_key);
   wipe_key(hash);
   wipe_key(ephemeral_private);
}

received_initiation::~received_initiation() {
   wipe_key(chaining_key);
   wipe_key(hash);
}

bool create_initiation(const key32& own_public, const key32& peer_public,
                       const key32& static_static, const timestamp& now, uint32_t sender,
                       const random_source& random, initiator_state& state,
                       initiation_message& out) noexcept {
   noise n{state.chaining_key, state.hash};
   wiped_key key;
   wiped_key shared;
   n.begin(peer_public);
   out.sender = sender;
   make_ephemeral(random, state.ephemeral_private, out.ephemeral);
   n.mix_ephemeral(out.ephemeral);
   if (!dh(state.ephemeral_private, peer_public, shared)) { // Ei, Sr
      state.wipe();
      return false;
   }
   n.mix_key(shared, key);
   n.seal(key, own_public, out.sealed_static);
   n.mix_key(static_static, key); // Si, Sr
   n.seal(key, now, out.sealed_timestamp);
   return true;
}

bool open_initiation_static(const key32& own_public, const dh_function& own_dh,
                            const initiation_message& in, received_initiation& out) noexcept {
   noise n{out.chaining_key, out.hash};
   wiped_key key;
   wiped_key shared;
   out.sender = in.sender;
   out.ephemeral = in.ephemeral;
   n.begin(own_public);
   n.mix_ephemeral(in.ephemeral);
   if (!own_dh(in.ephemeral.data(), shared.data())) return false; // Ei, Sr
   n.mix_key(shared, key);
   return n.open(key, in.sealed_static, out.static_public.data());
}

bool open_initiation_timestamp(const key32& static_static, const initiation_message& in,
                               received_initiation& state) noexcept {
   noise n{state.chaining_key, state.hash};
   wiped_key key;
   n.mix_key(static_static, key); // Si, Sr
   return n.open(key, in.sealed_timestamp, state.sent_at.data());
}

bool create_response(const received_initiation& initiation, const key32& psk, uint32_t sender,
                     const random_source& random, response_message& out,
                     session_keys& keys) noexcept {
   received_initiation state = initiation;
   noise n{state.chaining_key, state.hash};
   wiped_key ephemeral_private;
   wiped_key shared;
   wiped_key key;
   out.sender = sender;
   out.receiver = initiation.sender;
   make_ephemeral(random, ephemeral_private, out.ephemeral);
   n.mix_ephemeral(out.ephemeral);
   if (!dh(ephemeral_private, state.ephemeral, shared)) return false; // Er, Ei
   n.mix_key(shared);
   if (!dh(ephemeral_private, state.static_public, shared)) return false; // Er, Si
   n.mix_key(shared);
   n.mix_psk(psk, key);
   n.seal(key, {}, out.sealed_nothing);
   kdf2(state.chaining_key, {}, keys.receive, keys.send);
   return true;
}

bool consume_response(const initiator_state& state, const dh_function& own_dh, const key32& psk,
                      const response_message& in, session_keys& keys) noexcept {
   initiator_state copy = state;
   noise n{copy.chaining_key, copy.hash};
   wiped_key shared;
   wiped_key key;
   uint8_t nothing = 0;
   n.mix_ephemeral(in.ephemeral);
   if (!dh(copy.ephemeral_private, in.ephemeral, shared)) return false; // Ei, Er
   n.mix_key(shared);
   if (!own_dh(in.ephemeral.data(), shared.data())) return false; // Si, Er
   n.mix_key(shared);
   n.mix_psk(psk, key);
   if (!n.open(key, in.sealed_nothing, &nothing)) return false;
   kdf2(copy.chaining_key, {}, keys.send, keys.receive);
   return true;
}

} // namespace warren::wireguard
