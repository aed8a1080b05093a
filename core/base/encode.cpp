#include "core/base/encode.hpp"

#include <algorithm>

namespace warren::base {

namespace {

constexpr std::string_view alphabet58 =
      "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view alphabet64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string base58_encode(std::span<const uint8_t> bytes) {
   // Repeated division of the big-endian number; quadratic, for keys of 32 bytes.
   std::vector<uint8_t> digits;
   for (const uint8_t byte : bytes) {
      uint32_t carry = byte;
      for (uint8_t& digit : digits) {
         carry += static_cast<uint32_t>(digit) << 8;
         digit = static_cast<uint8_t>(carry % 58);
         carry /= 58;
      }
      for (; carry != 0; carry /= 58)
         digits.push_back(static_cast<uint8_t>(carry % 58));
   }
   std::string text;
   for (const uint8_t byte : bytes) {
      if (byte != 0) break;
      text += '1';
   }
   for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit)
      text += alphabet58[*digit];
   return text;
}

bool base58_decode(std::string_view text, std::span<uint8_t> out) {
   if (text.size() > out.size() * 2) return false;
   std::vector<uint8_t> bytes(out.size(), 0);
   for (const char c : text) {
      const size_t value = alphabet58.find(c);
      if (value == std::string_view::npos) return false;
      auto carry = static_cast<uint32_t>(value);
      for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
         carry += static_cast<uint32_t>(*byte) * 58;
         *byte = static_cast<uint8_t>(carry);
         carry >>= 8;
      }
      if (carry != 0) return false;
   }
   if (base58_encode(bytes) != text) return false; // another number of leading '1's
   std::copy(bytes.begin(), bytes.end(), out.begin());
   return true;
}

std::string base64_encode(std::span<const uint8_t> bytes) {
   std::string text;
   text.reserve((bytes.size() + 2) / 3 * 4);
   for (size_t i = 0; i < bytes.size(); i += 3) {
      const size_t left = bytes.size() - i;
      uint32_t word = static_cast<uint32_t>(bytes[i]) << 16;
      if (left > 1) word |= static_cast<uint32_t>(bytes[i + 1]) << 8;
      if (left > 2) word |= bytes[i + 2];
      text += alphabet64[word >> 18];
      text += alphabet64[word >> 12 & 63];
      text += left > 1 ? alphabet64[word >> 6 & 63] : '=';
      text += left > 2 ? alphabet64[word & 63] : '=';
   }
   return text;
}

bool base64_decode(std::string_view text, std::span<uint8_t> out) {
   if (text.size() != (out.size() + 2) / 3 * 4) return false;
   size_t written = 0;
   for (size_t i = 0; i < text.size(); i += 4) {
      const size_t left = std::min<size_t>(out.size() - written, 3);
      uint32_t word = 0;
      for (size_t j = 0; j < 4; j++) {
         if (j > left) {
            if (text[i + j] != '=') return false;
            word <<= 6;
            continue;
         }
         const size_t value = alphabet64.find(text[i + j]);
         if (value == std::string_view::npos) return false;
         word = word << 6 | static_cast<uint32_t>(value);
      }
      const uint32_t unused = left == 1 ? word & 0xffff : left == 2 ? word & 0xff : 0;
      if (unused != 0) return false;
      for (size_t j = 0; j < left; j++)
         out[written++] = static_cast<uint8_t>(word >> (16 - 8 * j));
   }
   return true;
}

std::string base64url_encode(std::span<const uint8_t> bytes) {
   std::string text = base64_encode(bytes);
   while (!text.empty() && text.back() == '=')
      text.pop_back();
   std::replace(text.begin(), text.end(), '+', '-');
   std::replace(text.begin(), text.end(), '/', '_');
   return text;
}

std::optional<std::vector<uint8_t>> base64url_decode(std::string_view text) {
   if (text.find_first_of("+/=") != std::string_view::npos) return std::nullopt;
   std::string padded(text);
   std::replace(padded.begin(), padded.end(), '-', '+');
   std::replace(padded.begin(), padded.end(), '_', '/');
   padded.append((4 - padded.size() % 4) % 4, '=');
   std::vector<uint8_t> out(text.size() * 3 / 4);
   if (!base64_decode(padded, out)) return std::nullopt;
   return out;
}

std::string hex_encode(std::span<const uint8_t> bytes) {
   static constexpr std::string_view digits = "0123456789abcdef";
   std::string text;
   for (const uint8_t byte : bytes) {
      text += digits[byte >> 4];
      text += digits[byte & 15];
   }
   return text;
}

} // namespace warren::base
