// Small values of the wrapper: descriptions, options, batches, addresses. No thread of their own.
#pragma once

#include "../plugin.h"

#include <array>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace warren::sdk {

/// What a plugin is; becomes wrn_plugin_desc. All texts are literals.
struct info {
   const char* id;   // "com.acme.plain": reverse DNS, the same for ever
   const char* name; // the word in TOML
   const char* vendor = "unknown";
   const char* version = "0.1.0";
   const char* license = "proprietary"; // SPDX
   const char* summary = "";            // one sentence
   uint64_t caps = WRN_CAP_DETERMINISTIC;
};

/// Thrown by configure(): the operator sees the text with file, line and column of the key.
class config_error : public std::runtime_error {
 public:
   config_error(std::string key, const std::string& text)
       : std::runtime_error(text), key_(std::move(key)) {}
   const std::string& key() const { return key_; }

 private:
   std::string key_;
};

/// One key of the plugin's own table, for `static constexpr std::array options`.
namespace option {
constexpr wrn_param boolean(const char* name, const char* deflt, const char* help) {
   return {name, WRN_P_BOOL, 0, nullptr, deflt, help};
}
constexpr wrn_param integer(const char* name, const char* range, const char* deflt,
                            const char* help) {
   return {name, WRN_P_INT, 0, range, deflt, help};
}
constexpr wrn_param number(const char* name, const char* deflt, const char* help) {
   return {name, WRN_P_FLOAT, 0, nullptr, deflt, help};
}
constexpr wrn_param text(const char* name, const char* deflt, const char* help) {
   return {name, WRN_P_STRING, 0, nullptr, deflt, help};
}
constexpr wrn_param choice(const char* name, const char* choices, const char* deflt,
                           const char* help) {
   return {name, WRN_P_ENUM, 0, choices, deflt, help};
}
constexpr wrn_param duration(const char* name, const char* range, const char* deflt,
                             const char* help) {
   return {name, WRN_P_DURATION, 0, range, deflt, help};
}
constexpr wrn_param texts(const char* name, const char* help) {
   return {name, WRN_P_STRINGS, 0, nullptr, "[]", help};
}
constexpr wrn_param required(wrn_param p) {
   return p.flags |= WRN_PF_REQUIRED, p.deflt = nullptr, p;
}
constexpr wrn_param secret(wrn_param p) { return p.flags |= WRN_PF_SECRET, p; }
} // namespace option

/// One number that the plugin keeps, for `static constexpr std::array metrics`.
namespace metric {
constexpr wrn_metric counter(const char* name, const char* help) {
   return {name, help, WRN_METRIC_COUNTER, 0};
}
constexpr wrn_metric gauge(const char* name, const char* help) {
   return {name, help, WRN_METRIC_GAUGE, 0};
}
} // namespace metric

/// Packets in order. Whoever is handed one by value of `batch&&` or in on_send/on_datagrams owns
/// the packets.
using batch = std::span<wrn_pkt>;

inline std::span<uint8_t> data(wrn_pkt& p) { return {p.buf + p.off, p.len}; }
inline std::span<const uint8_t> data(const wrn_pkt& p) { return {p.buf + p.off, p.len}; }
inline uint32_t headroom(const wrn_pkt& p) { return p.off; }
inline uint32_t tailroom(const wrn_pkt& p) { return p.cap - p.off - p.len; }

/// Makes room for a header in front of the data and returns it. The transport's limits say how much
/// there is at least.
inline uint8_t* push_front(wrn_pkt& p, uint32_t bytes) {
   p.off -= bytes;
   p.len += bytes;
   return p.buf + p.off;
}
/// Takes a header off; the caller has checked the length.
inline const uint8_t* pop_front(wrn_pkt& p, uint32_t bytes) {
   const uint8_t* header = p.buf + p.off;
   p.off += bytes;
   p.len -= bytes;
   return header;
}

inline bool same(const wrn_addr& a, const wrn_addr& b) {
   return a.family == b.family && a.port == b.port && a.scope_id == b.scope_id &&
          std::memcmp(a.ip, b.ip, sizeof a.ip) == 0;
}
inline bool known(const wrn_addr& a) { return a.family != WRN_AF_NONE; }

} // namespace warren::sdk
