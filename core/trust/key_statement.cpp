#include "core/trust/key_statement.hpp"

#include "core/crypto/digest.hpp"

#include <algorithm>
#include <cstring>

namespace warren::trust {

namespace {

constexpr size_t plaintext_bytes = key_datagram_bytes - crypto::sealed_overhead;
constexpr size_t signed_bytes = 192;
constexpr size_t proof_at = 256; // behind the signature
constexpr uint8_t version = 2;
// The trailing NUL of the literal separates the label from what is signed.
constexpr char label[] = "warren/tunnel-key/2";

using plaintext = std::array<uint8_t, plaintext_bytes>;

std::vector<uint8_t> to_be_signed(std::span<const uint8_t> text) {
   std::vector<uint8_t> out(sizeof label + signed_bytes);
   std::memcpy(out.data(), label, sizeof label);
   std::memcpy(out.data() + sizeof label, text.data(), signed_bytes);
   return out;
}

} // namespace

std::array<uint8_t, 16> knock_tag(const crypto::secret32& key, const key_message& message,
                                  const crypto::bytes32& sender, const crypto::bytes32& receiver,
                                  const crypto::bytes32& tunnel_key) {
   const auto whole =
         crypto::keyed_hash(key, "warren/knock/1", {message.nonce, sender, receiver, tunnel_key});
   std::array<uint8_t, 16> tag{};
   std::copy_n(whole.begin(), tag.size(), tag.begin());
   return tag;
}

bool looks_like_key_datagram(std::span<const uint8_t> datagram) {
   if (datagram.size() != key_datagram_bytes) return false;
   // WireGuard data of this size begins 04 00 00 00; a sealed box does so once in 2^32.
   return !(datagram[0] >= 1 && datagram[0] <= 4 && datagram[1] == 0 && datagram[2] == 0 &&
            datagram[3] == 0);
}

base::result<std::vector<uint8_t>> seal_key_message(const identity& self,
                                                    const crypto::bytes32& receiver,
                                                    const key_message& message) {
   plaintext text{};
   text[0] = version;
   text[1] = static_cast<uint8_t>(message.kind);
   for (size_t i = 0; i < 8; i++)
      text[8 + i] = static_cast<uint8_t>(self.tunnel_since_ms >> (8 * i));
   text[2] = static_cast<uint8_t>(message.by);
   text[3] = message.verdict;
   text[4] = message.fresh ? 1 : 0;
   for (size_t i = 0; i < 8; i++)
      text[128 + i] = static_cast<uint8_t>(message.epoch >> (8 * i));
   std::copy(message.secret.begin(), message.secret.end(), text.begin() + 136);
   std::copy(message.invite.begin(), message.invite.end(), text.begin() + 144);
   std::copy(message.tag.begin(), message.tag.end(), text.begin() + 160);
   std::copy(message.network.begin(), message.network.end(), text.begin() + 176);
   std::copy(message.nonce.begin(), message.nonce.end(), text.begin() + 16);
   std::copy(self.signing.id.begin(), self.signing.id.end(), text.begin() + 32);
   std::copy(receiver.begin(), receiver.end(), text.begin() + 64);
   std::copy(self.tunnel.public_key.begin(), self.tunnel.public_key.end(), text.begin() + 96);
   const auto signature = crypto::sign(self.signing, to_be_signed(text));
   std::copy(signature.begin(), signature.end(), text.begin() + signed_bytes);
   const auto proof =
         crypto::prove_possession(self.tunnel, receiver, std::span(text).first(proof_at));
   if (!proof) return proof.error();
   std::copy(proof->begin(), proof->end(), text.begin() + proof_at);
   return crypto::seal_to(receiver, text);
}

base::result<key_message> open_key_message(const identity& self,
                                           std::span<const uint8_t> datagram) {
   using base::errc;
   if (!looks_like_key_datagram(datagram)) return base::fail(errc::invalid, "not a key message");
   auto opened = crypto::open_sealed(self.signing, datagram);
   if (!opened) return opened.error();
   const std::vector<uint8_t>& text = *opened;
   if (text[0] != version || (text[1] != 1 && text[1] != 2))
      return base::fail(errc::unsupported, "key message of another version");
   if (!std::equal(self.signing.id.begin(), self.signing.id.end(), text.begin() + 64))
      return base::fail(errc::invalid, "key message for another node");
   key_message message;
   message.kind = static_cast<key_message_kind>(text[1]);
   for (size_t i = 0; i < 8; i++)
      message.sequence |= static_cast<uint64_t>(text[8 + i]) << (8 * i);
   if (text[2] > 2) return base::fail(errc::unsupported, "key message with another entitlement");
   message.by = static_cast<entitlement>(text[2]);
   message.verdict = text[3];
   message.fresh = text[4] == 1;
   for (size_t i = 0; i < 8; i++)
      message.epoch |= static_cast<uint64_t>(text[128 + i]) << (8 * i);
   std::copy_n(text.begin() + 136, 8, message.secret.begin());
   std::copy_n(text.begin() + 144, 16, message.invite.begin());
   std::copy_n(text.begin() + 160, 16, message.tag.begin());
   std::copy_n(text.begin() + 176, 16, message.network.begin());
   std::copy_n(text.begin() + 16, 16, message.nonce.begin());
   std::copy_n(text.begin() + 32, 32, message.sender.begin());
   std::copy_n(text.begin() + 96, 32, message.tunnel_key.begin());
   std::array<uint8_t, 64> signature{};
   std::copy_n(text.begin() + signed_bytes, 64, signature.begin());
   if (!crypto::verify(message.sender, to_be_signed(text), signature))
      return base::fail(errc::invalid, "key message with a wrong signature");
   crypto::possession_proof proof{};
   std::copy_n(text.begin() + proof_at, proof.size(), proof.begin());
   if (!crypto::verify_possession(self.signing, message.tunnel_key, std::span(text).first(proof_at),
                                  proof))
      return base::fail(errc::invalid, "key message without proof of its tunnel key");
   return message;
}

} // namespace warren::trust
