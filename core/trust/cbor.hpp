// Deterministic CBOR (RFC 8949 section 4.2.1), as much of it as signed documents need: unsigned
// integers, byte strings, UTF-8 texts, arrays, and maps whose keys are ascending unsigned integers.
//
// One value has one encoding: the reader refuses longer forms than needed, indefinite lengths,
// unordered or repeated keys, and everything after the end. It pulls item by item, as the
// document's type expects them, so depth is bounded by the type and nothing is allocated for what
// the input claims. libcbor (its streaming decoder) stays inside this folder. Values; any thread.
#pragma once

#include "core/crypto/keys.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace warren::trust::cbor {

/// Keys from here on may be ignored by who does not know them; unknown ones below are an error.
inline constexpr uint64_t first_optional_key = 128;

class writer {
 public:
   writer& number(uint64_t value);
   writer& bytes(std::span<const uint8_t> value);
   writer& text(std::string_view value);
   /// `count` items, for a map pairs, follow.
   writer& array(size_t count);
   writer& map(size_t pairs);
   std::vector<uint8_t> take() { return std::move(out_); }

 private:
   std::vector<uint8_t> out_;
};

/// Reads in order; the first mistake makes all that follows empty, so that callers test once.
class reader {
 public:
   explicit reader(std::span<const uint8_t> input) : rest_(input) {}

   uint64_t number(uint64_t max = UINT64_MAX);
   /// A view into the input.
   std::span<const uint8_t> bytes(size_t min, size_t max);
   template <size_t N> std::array<uint8_t, N> fixed() {
      std::array<uint8_t, N> out{};
      const auto in = bytes(N, N);
      std::copy(in.begin(), in.end(), out.begin());
      return out;
   }
   std::string text(size_t max);
   size_t array(size_t max);
   size_t map(size_t max_pairs);
   /// Over one item of any kind that is allowed here, at most `depth` deep.
   void skip(unsigned depth = 4);

   void fail(std::string_view why);
   bool ok() const { return why_.empty(); }
   /// ok() and nothing left.
   bool done() const { return ok() && rest_.empty(); }
   base::error error() const;

 private:
   enum class kind : uint8_t { none, number, bytes, text, array, map };
   struct item {
      kind what = kind::none;
      uint64_t value = 0; // or count
      std::span<const uint8_t> content;
   };
   item next();
   item expect(kind what, std::string_view name);

   std::span<const uint8_t> rest_;
   std::string why_;
};

/// Walks the pairs of a map: ask for the keys in ascending order, then finish().
class map_reader {
 public:
   map_reader(reader& r, size_t max_pairs) : r_(r), left_(r.map(max_pairs)) { advance(); }
   /// The next pair has this key; its value is to be read now.
   bool has(uint64_t key);
   /// The same; its absence is a mistake.
   void need(uint64_t key);
   void finish();

 private:
   void advance();
   reader& r_;
   size_t left_;
   uint64_t key_ = 0, last_ = 0;
   bool there_ = false, first_ = true;
};

bool is_utf8(std::string_view text);

} // namespace warren::trust::cbor
