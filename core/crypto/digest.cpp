#include "core/crypto/digest.hpp"

#include <cerrno>
#include <sodium.h>
#include <unistd.h>

namespace warren::crypto {

base::result<bytes32> sha256_of_file(int fd) {
   crypto_hash_sha256_state state;
   crypto_hash_sha256_init(&state);
   std::vector<uint8_t> block(64 * 1024);
   for (off_t at = 0;;) {
      const ssize_t n = ::pread(fd, block.data(), block.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return base::fail_errno(base::errc::unavailable, "cannot read it", errno);
      if (n == 0) break;
      crypto_hash_sha256_update(&state, block.data(), static_cast<size_t>(n));
      at += n;
   }
   bytes32 digest{};
   crypto_hash_sha256_final(&state, digest.data());
   return digest;
}

bytes32 hash(std::string_view domain, std::initializer_list<std::span<const uint8_t>> parts) {
   crypto_generichash_state state;
   bytes32 digest{};
   crypto_generichash_init(&state, nullptr, 0, digest.size());
   const auto add = [&state](const uint8_t* bytes, size_t size) {
      std::array<uint8_t, 8> length{};
      for (size_t i = 0; i < length.size(); i++)
         length[i] = static_cast<uint8_t>(static_cast<uint64_t>(size) >> (8 * i));
      crypto_generichash_update(&state, length.data(), length.size());
      crypto_generichash_update(&state, bytes, size);
   };
   add(reinterpret_cast<const uint8_t*>(domain.data()), domain.size());
   for (const auto part : parts)
      add(part.data(), part.size());
   crypto_generichash_final(&state, digest.data(), digest.size());
   return digest;
}

std::string format_hex(const bytes32& bytes) {
   static constexpr char digits[] = "0123456789abcdef";
   std::string text;
   for (const uint8_t b : bytes) {
      text += digits[b >> 4];
      text += digits[b & 15];
   }
   return text;
}

std::optional<bytes32> parse_hex(std::string_view text) {
   bytes32 bytes{};
   if (text.size() != 2 * bytes.size()) return std::nullopt;
   for (size_t i = 0; i < text.size(); i++) {
      const char c = text[i];
      const int value = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0) return std::nullopt;
      bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] << 4 | value);
   }
   return bytes;
}

} // namespace warren::crypto
