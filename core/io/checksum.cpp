#include "core/io/checksum.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace warren::io {

namespace {

uint64_t load64(const uint8_t* p) {
   uint64_t v;
   std::memcpy(&v, p, sizeof v);
   return v;
}

/// Fixed sizes only: a memcpy() of 1..7 bytes costs more than all the rest of a packet.
template <class Word, bool Copy> uint64_t take(uint8_t*& to, const uint8_t*& from) {
   Word v;
   std::memcpy(&v, from, sizeof v);
   from += sizeof v;
   if constexpr (Copy) {
      std::memcpy(to, &v, sizeof v);
      to += sizeof v;
   }
   return v;
}

/// Adds both halves, so that the accumulator cannot overflow below 16 GiB.
uint64_t halves(uint64_t v) { return (v & 0xffffffff) + (v >> 32); }

/// Copy decides whether bytes are written as well; the compiler removes what is not needed.
template <bool Copy> uint64_t sum_words(uint8_t* to, const uint8_t* from, size_t len) {
   uint64_t a = 0, b = 0;
   while (len >= 32) {
      const uint64_t v0 = load64(from), v1 = load64(from + 8);
      const uint64_t v2 = load64(from + 16), v3 = load64(from + 24);
      if constexpr (Copy) {
         std::memcpy(to, from, 32);
         to += 32;
      }
      a += halves(v0) + halves(v1);
      b += halves(v2) + halves(v3);
      from += 32;
      len -= 32;
   }
   while (len >= 8) {
      const uint64_t v = load64(from);
      if constexpr (Copy) {
         std::memcpy(to, &v, 8);
         to += 8;
      }
      a += halves(v);
      from += 8;
      len -= 8;
   }
   if ((len & 4) != 0) b += take<uint32_t, Copy>(to, from);
   if ((len & 2) != 0) b += take<uint16_t, Copy>(to, from);
   if ((len & 1) != 0) {
      if constexpr (Copy) *to = *from;
      const uint8_t padded[2] = {*from, 0};
      uint16_t v;
      std::memcpy(&v, padded, sizeof v);
      b += v;
   }
   return halves(a + b);
}

#if defined(__x86_64__)

/// 128 bytes per step. Each 64-bit lane gathers the low and the high 32-bit halves apart: two
/// additions per vector, no carries to chase.
template <bool Copy>
__attribute__((target("avx2"))) uint64_t sum_vectors(uint8_t* to, const uint8_t* from, size_t len) {
   uint64_t sum = 0;
   if (len >= 128) {
      const __m256i low = _mm256_set1_epi64x(0xffffffff);
      __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
      do {
         const __m256i v0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
         const __m256i v1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32));
         const __m256i v2 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 64));
         const __m256i v3 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 96));
         if constexpr (Copy) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v0);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), v1);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 64), v2);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 96), v3);
            to += 128;
         }
         a = _mm256_add_epi64(
               a, _mm256_add_epi64(_mm256_and_si256(v0, low), _mm256_and_si256(v1, low)));
         b = _mm256_add_epi64(
               b, _mm256_add_epi64(_mm256_srli_epi64(v0, 32), _mm256_srli_epi64(v1, 32)));
         c = _mm256_add_epi64(
               c, _mm256_add_epi64(_mm256_and_si256(v2, low), _mm256_and_si256(v3, low)));
         d = _mm256_add_epi64(
               d, _mm256_add_epi64(_mm256_srli_epi64(v2, 32), _mm256_srli_epi64(v3, 32)));
         from += 128;
         len -= 128;
      } while (len >= 128);
      // In registers on purpose: with the lanes in an array gcc 12 loads it back as a vector after
      // its own vzeroupper, and the SSE code behind it then pays for the dirty upper halves, 145 ns
      // for the tail of a packet.
      const __m256i all = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
      const __m128i two =
            _mm_add_epi64(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
      sum = halves(static_cast<uint64_t>(_mm_cvtsi128_si64(two))) +
            halves(static_cast<uint64_t>(_mm_extract_epi64(two, 1)));
      _mm256_zeroupper();
   }
   return halves(sum + sum_words<Copy>(to, from, len));
}

bool has_avx2() {
   __builtin_cpu_init();
   return __builtin_cpu_supports("avx2") != 0;
}
const bool use_vectors = has_avx2();

#endif

} // namespace

uint64_t sum_bytes_portable(const uint8_t* data, size_t len) {
   return sum_words<false>(nullptr, data, len);
}

uint64_t copy_and_sum_portable(uint8_t* to, const uint8_t* from, size_t len) {
   return sum_words<true>(to, from, len);
}

uint64_t sum_bytes(const uint8_t* data, size_t len) {
#if defined(__x86_64__)
   if (len >= 128 && use_vectors) return sum_vectors<false>(nullptr, data, len);
#endif
   return sum_words<false>(nullptr, data, len);
}

uint64_t copy_and_sum(uint8_t* to, const uint8_t* from, size_t len) {
#if defined(__x86_64__)
   if (len >= 128 && use_vectors) return sum_vectors<true>(to, from, len);
#endif
   return sum_words<true>(to, from, len);
}

} // namespace warren::io
