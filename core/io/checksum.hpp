// The Internet checksum (RFC 1071). Pure functions, any thread.
//
// Sums are over 16-bit words as they lie in memory, so that no byte is ever swapped: a folded sum
// is stored with memcpy. Partial sums may be added as long as every part but the last has an even
// length. Eight bytes per step, or 128 with AVX2, chosen once at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace warren::io {

/// Folds a partial sum to 16 bits; not complemented.
inline uint16_t fold(uint64_t sum) {
   sum = (sum & 0xffffffff) + (sum >> 32);
   sum = (sum & 0xffffffff) + (sum >> 32);
   sum = (sum & 0xffff) + (sum >> 16);
   sum = (sum & 0xffff) + (sum >> 16);
   return static_cast<uint16_t>(sum);
}

/// The partial sum of `len` bytes, at most 2^33; add freely and fold() at the end.
uint64_t sum_bytes(const uint8_t* data, size_t len);
/// Copies and sums in one pass; the ranges do not overlap.
uint64_t copy_and_sum(uint8_t* to, const uint8_t* from, size_t len);

/// The same without vector instructions, for tests and for machines that have none.
uint64_t sum_bytes_portable(const uint8_t* data, size_t len);
uint64_t copy_and_sum_portable(uint8_t* to, const uint8_t* from, size_t len);

/// What a big-endian 16-bit value adds to a sum.
inline uint64_t sum_of(uint16_t value) { return static_cast<uint16_t>(__builtin_bswap16(value)); }

/// Pseudo-headers. Addresses in network order, length of the transport header and its payload.
inline uint64_t pseudo_sum4(const uint8_t* source_and_destination, uint8_t protocol,
                            uint32_t length) {
   return sum_bytes(source_and_destination, 8) + sum_of(protocol) +
          sum_of(static_cast<uint16_t>(length));
}
inline uint64_t pseudo_sum6(const uint8_t* source, const uint8_t* destination, uint8_t protocol,
                            uint32_t length) {
   return sum_bytes(source, 16) + sum_bytes(destination, 16) + sum_of(protocol) +
          sum_of(static_cast<uint16_t>(length >> 16)) + sum_of(static_cast<uint16_t>(length));
}

/// The checksum field after a 16-bit word of the data changed from `before` to `after` (all as in
/// memory; RFC 1624, equation 3).
inline uint16_t updated(uint16_t field, uint16_t before, uint16_t after) {
   return static_cast<uint16_t>(~fold(static_cast<uint64_t>(static_cast<uint16_t>(~field)) +
                                      static_cast<uint16_t>(~before) + after));
}

/// Big-endian fields at any alignment.
inline uint16_t load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t load32(const uint8_t* p) {
   return static_cast<uint32_t>(load16(p)) << 16 | load16(p + 2);
}
inline void store16(uint8_t* p, uint16_t v) {
   p[0] = static_cast<uint8_t>(v >> 8);
   p[1] = static_cast<uint8_t>(v);
}
inline void store32(uint8_t* p, uint32_t v) {
   store16(p, static_cast<uint16_t>(v >> 16));
   store16(p + 2, static_cast<uint16_t>(v));
}
/// A folded sum as it lies in memory.
inline uint16_t load_sum(const uint8_t* p) {
   uint16_t v;
   std::memcpy(&v, p, sizeof v);
   return v;
}
inline void store_sum(uint8_t* p, uint16_t v) { std::memcpy(p, &v, sizeof v); }

} // namespace warren::io
