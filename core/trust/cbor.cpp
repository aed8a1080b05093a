#include "core/trust/cbor.hpp"

#include <algorithm>
#include <cbor.h>

namespace warren::trust::cbor {

namespace {

size_t header_bytes(uint64_t value) {
   return value < 24            ? 1
          : value <= UINT8_MAX  ? 2
          : value <= UINT16_MAX ? 3
          : value <= UINT32_MAX ? 5
                                : 9;
}

} // namespace

// --- writing -----------------------------------------------------------------------------------

writer& writer::number(uint64_t value) {
   uint8_t header[9];
   out_.insert(out_.end(), header, header + cbor_encode_uint(value, header, sizeof header));
   return *this;
}

writer& writer::bytes(std::span<const uint8_t> value) {
   uint8_t header[9];
   out_.insert(out_.end(), header,
               header + cbor_encode_bytestring_start(value.size(), header, sizeof header));
   out_.insert(out_.end(), value.begin(), value.end());
   return *this;
}

writer& writer::text(std::string_view value) {
   uint8_t header[9];
   out_.insert(out_.end(), header,
               header + cbor_encode_string_start(value.size(), header, sizeof header));
   out_.insert(out_.end(), value.begin(), value.end());
   return *this;
}

writer& writer::array(size_t count) {
   uint8_t header[9];
   out_.insert(out_.end(), header, header + cbor_encode_array_start(count, header, sizeof header));
   return *this;
}

writer& writer::map(size_t pairs) {
   uint8_t header[9];
   out_.insert(out_.end(), header, header + cbor_encode_map_start(pairs, header, sizeof header));
   return *this;
}

// --- reading -----------------------------------------------------------------------------------

void reader::fail(std::string_view why) {
   if (why_.empty()) why_ = why;
   rest_ = {};
}

base::error reader::error() const {
   return base::fail(base::errc::invalid, why_.empty() ? "bytes after the end" : why_);
}

reader::item reader::next() {
   // libcbor reports what it found by callbacks; those left out do nothing, and the item stays
   // none.
   item found;
   cbor_callbacks on = cbor_empty_callbacks;
   const auto put = [](void* context, kind what, uint64_t value) {
      auto& out = *static_cast<item*>(context);
      out.what = what;
      out.value = value;
   };
   static constexpr auto put_number = put;
   on.uint8 = [](void* c, uint8_t v) { put_number(c, kind::number, v); };
   on.uint16 = [](void* c, uint16_t v) { put_number(c, kind::number, v); };
   on.uint32 = [](void* c, uint32_t v) { put_number(c, kind::number, v); };
   on.uint64 = [](void* c, uint64_t v) { put_number(c, kind::number, v); };
   on.array_start = [](void* c, size_t n) { put_number(c, kind::array, n); };
   on.map_start = [](void* c, size_t n) { put_number(c, kind::map, n); };
   on.byte_string = [](void* c, cbor_data data, size_t n) {
      *static_cast<item*>(c) = {kind::bytes, n, {data, n}};
   };
   on.string = [](void* c, cbor_data data, size_t n) {
      *static_cast<item*>(c) = {kind::text, n, {data, n}};
   };
   if (!ok()) return {};
   if (rest_.empty()) {
      fail("ends too early");
      return {};
   }
   const cbor_decoder_result r = cbor_stream_decode(rest_.data(), rest_.size(), &on, &found);
   if (r.status == CBOR_DECODER_NEDATA) {
      fail("ends too early");
      return {};
   }
   if (r.status != CBOR_DECODER_FINISHED || found.what == kind::none || r.read > rest_.size()) {
      fail("an item of a kind that has no place here");
      return {};
   }
   if (r.read != header_bytes(found.value) + found.content.size()) {
      fail("a number in a longer form than needed");
      return {};
   }
   rest_ = rest_.subspan(r.read);
   return found;
}

reader::item reader::expect(kind what, std::string_view name) {
   item found = next();
   if (ok() && found.what != what) fail("expected " + std::string(name));
   return ok() ? found : item{};
}

uint64_t reader::number(uint64_t max) {
   const item found = expect(kind::number, "a number");
   if (found.value > max) {
      fail("a number beyond its range");
      return 0;
   }
   return found.value;
}

std::span<const uint8_t> reader::bytes(size_t min, size_t max) {
   const item found = expect(kind::bytes, "bytes");
   if (ok() && (found.content.size() < min || found.content.size() > max))
      fail("bytes of a wrong length");
   return ok() ? found.content : std::span<const uint8_t>();
}

std::string reader::text(size_t max) {
   const item found = expect(kind::text, "a text");
   std::string out(found.content.begin(), found.content.end());
   if (ok() && out.size() > max) fail("a text that is too long");
   if (ok() && !is_utf8(out)) fail("a text that is not UTF-8");
   return ok() ? out : std::string();
}

size_t reader::array(size_t max) {
   const item found = expect(kind::array, "a list");
   if (found.value > max) fail("a list that is too long");
   return ok() ? static_cast<size_t>(found.value) : 0;
}

size_t reader::map(size_t max_pairs) {
   const item found = expect(kind::map, "a table");
   if (found.value > max_pairs) fail("a table that is too large");
   return ok() ? static_cast<size_t>(found.value) : 0;
}

void reader::skip(unsigned depth) {
   const item found = next();
   // Ignored is not unchecked; and twice 2^63 pairs would be none.
   if (found.what == kind::text &&
       !is_utf8({reinterpret_cast<const char*>(found.content.data()), found.content.size()}))
      return fail("a text that is not UTF-8");
   if (found.what == kind::map && found.value > rest_.size()) return fail("ends too early");
   uint64_t items = found.what == kind::array ? found.value
                    : found.what == kind::map ? 2 * found.value
                                              : 0;
   if (found.value > rest_.size() && items != 0) return fail("ends too early");
   if (items != 0 && depth == 0) return fail("nested too deeply");
   for (; items > 0 && ok(); items--)
      skip(depth - 1);
}

void map_reader::advance() {
   there_ = r_.ok() && left_ > 0;
   if (!there_) return;
   left_--;
   key_ = r_.number();
   if (r_.ok() && !first_ && key_ <= last_) r_.fail("keys that are repeated or out of order");
   first_ = false;
   last_ = key_;
   there_ = r_.ok();
}

bool map_reader::has(uint64_t key) {
   // The value of the pair before was read by the caller; the key after it is read only now.
   if (!there_ && left_ > 0) advance();
   if (!there_ || !r_.ok() || key_ != key) return false;
   there_ = false;
   return true;
}

void map_reader::need(uint64_t key) {
   if (!has(key)) r_.fail("field " + std::to_string(key) + " is missing");
}

void map_reader::finish() {
   while (r_.ok()) {
      if (!there_) advance();
      if (!there_) return;
      if (key_ < first_optional_key)
         return r_.fail("unknown field " + std::to_string(key_) +
                        "; it may come from a newer version");
      r_.skip();
      there_ = false;
   }
}

bool is_utf8(std::string_view text) {
   for (size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const size_t more = byte < 0x80       ? 0
                          : byte >> 5 == 6  ? 1
                          : byte >> 4 == 14 ? 2
                          : byte >> 3 == 30 ? 3
                                            : 4;
      if (more == 4 || i + more >= text.size()) return false;
      uint32_t point = more == 0 ? byte : byte & (0x3f >> more);
      for (size_t k = 1; k <= more; k++) {
         const auto next = static_cast<unsigned char>(text[i + k]);
         if (next >> 6 != 2) return false;
         point = point << 6 | (next & 0x3f);
      }
      static constexpr uint32_t least[] = {0, 0x80, 0x800, 0x10000};
      if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
         return false;
      i += more + 1;
   }
   return true;
}

} // namespace warren::trust::cbor
