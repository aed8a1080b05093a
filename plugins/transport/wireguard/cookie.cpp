#include "plugins/transport/wireguard/cookie.hpp"
#include "plugins/transport/wireguard/messages.hpp"
#include <cstring>
#include <sodium.h>
#include <string_view>

namespace warren::wireguard {

namespace {

key32 labelled_key(std::string_view label, const key32& public_key) noexcept {
   return blake2s({{reinterpret_cast<const uint8_t*>(label.data()), label.size()}, public_key});
}
key32 mac1_key_of(const key32& public_key) noexcept { return labelled_key("mac1----", public_key); }
key32 cookie_key_of(const key32& public_key) noexcept {
   return labelled_key("cookie--", public_key);
}

bytes_view before_mac1(bytes_view message) noexcept {
   return message.first(message.size() - macs_size);
}
bytes_view before_mac2(bytes_view message) noexcept {
   return message.first(message.size() - macs_size / 2);
}

} // namespace

cookie_checker::~cookie_checker() { sodium_memzero(secret_.data(), secret_.size()); }

void cookie_checker::set_public_key(const key32& own_public) {
   mac1_.set_key(mac1_key_of(own_public));
   cookie_key_ = cookie_key_of(own_public);
}

bool cookie_checker::mac1_ok(bytes_view message) noexcept {
   const mac16 right = mac1_(before_mac1(message));
   return sodium_memcmp(right.data(), message.data() + message.size() - macs_size, right.size()) ==
          0;
}

bool cookie_checker::mac2_ok(bytes_view message, const endpoint& from, uint64_t now,
                             const random_source& random) noexcept {
   const mac16 cookie = cookie_for(from, now, random);
   mac16 right;
   blake2s_mac(cookie, {before_mac2(message)}, right);
   return sodium_memcmp(right.data(), message.data() + message.size() - right.size(),
                        right.size()) == 0;
}

void cookie_checker::make_reply(bytes_view message, uint32_t sender_index, const endpoint& from,
                                uint64_t now, const random_source& random,
                                std::span<uint8_t, cookie_reply_size> reply) noexcept {
   cookie_message out;
   out.receiver = sender_index;
   random(out.nonce.data(), out.nonce.size());
   const mac16 cookie = cookie_for(from, now, random);
   crypto_aead_xchacha20poly1305_ietf_encrypt(out.sealed_cookie.data(), nullptr, cookie.data(),
                                              cookie.size(),
                                              message.data() + message.size() - macs_size, 16,
                                              nullptr, out.nonce.data(), cookie_key_.data());
   out.write(reply);
}

// The port counts: behind one NAT address there may be somebody else.
mac16 cookie_checker::cookie_for(const endpoint& from, uint64_t now,
                                 const random_source& random) noexcept {
   if (now >= secret_until_) {
      random(secret_.data(), secret_.size());
      secret_until_ = now + lifetime_;
   }
   const uint8_t port[2] = {static_cast<uint8_t>(from.port >> 8), static_cast<uint8_t>(from.port)};
   mac16 cookie;
   blake2s_mac(secret_, {{from.ip.data(), from.family == 4 ? size_t{4} : size_t{16}}, port},
               cookie);
   return cookie;
}

cookie_jar::~cookie_jar() { sodium_memzero(cookie_.data(), cookie_.size()); }

void cookie_jar::set_public_key(const key32& peer_public) {
   mac1_key_ = mac1_key_of(peer_public);
   cookie_key_ = cookie_key_of(peer_public);
}

void cookie_jar::add_macs(std::span<uint8_t> message, uint64_t now, uint64_t lifetime) noexcept {
   blake2s_mac(mac1_key_, {before_mac1(message)}, last_mac1_);
   std::memcpy(message.data() + message.size() - macs_size, last_mac1_.data(), last_mac1_.size());
   awaits_reply_ = true;
   const std::span<uint8_t> mac2 = message.last(macs_size / 2);
   if (has_cookie(now, lifetime))
      blake2s_mac(cookie_, {before_mac2(message)}, mac2);
   else
      std::memset(mac2.data(), 0, mac2.size());
}

bool cookie_jar::consume_reply(const cookie_message& reply, uint64_t now) noexcept {
   if (!awaits_reply_) return false;
   mac16 cookie;
   if (crypto_aead_xchacha20poly1305_ietf_decrypt(
             cookie.data(), nullptr, nullptr, reply.sealed_cookie.data(),
             reply.sealed_cookie.size(), last_mac1_.data(), last_mac1_.size(), reply.nonce.data(),
             cookie_key_.data()) != 0)
      return false;
   cookie_ = cookie;
   received_at_ = now;
   has_cookie_ = true;
   awaits_reply_ = false;
   return true;
}

} // namespace warren::wireguard
