// What discovery, routing and service plugins share in C++: members, messages, statements, requests
// of the control API. Each hook that the plugin has becomes a table; the others do not exist for
// the host.
//
//    void on_member(wrn_handle peer, uint32_t change)                   host/members.h
//    void on_message(wrn_handle peer, std::span<const uint8_t> bytes)   host/message.h
//    void on_bulk(wrn_handle peer, std::span<const uint8_t> bytes)
//    void on_bulk_sent(uint64_t tag, wrn_status status)
//    void on_request(wrn_handle request, const sdk::request&)           ext/control.h
#pragma once

#include "../ext/control.h"
#include "../host/members.h"
#include "../host/message.h"
#include "../host/sign.h"
#include "plugin_base.hpp"

#include <algorithm>

namespace warren::sdk {

/// A request of the control API; valid during on_request().
struct request {
   std::string_view method, path, body;
};

using signature = std::array<uint8_t, WRN_SIGNATURE_BYTES>;

inline std::string_view text_of(const wrn_str& s) { return {s.ptr, s.len}; }
inline std::string_view text_of(std::span<const uint8_t> b) {
   return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::span<const uint8_t> bytes_of(std::string_view s) {
   return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

/// Bytes of the UTF-8 character (RFC 3629) that the text begins with, 0 when it begins with none.
inline size_t utf8_length(std::string_view text) {
   const auto byte = [&](size_t i) {
      return static_cast<unsigned char>(i < text.size() ? text[i] : 0);
   };
   const auto later = [&](size_t i) { return byte(i) >> 6 == 2; };
   const unsigned first = byte(0), second = byte(1);
   if (first < 0x80) return text.empty() ? 0 : 1;
   if (first >= 0xc2 && first <= 0xdf) return later(1) ? 2 : 0;
   if (first >> 4 == 0xe) {
      const bool good = later(1) && later(2) && !(first == 0xe0 && second < 0xa0) &&
                        !(first == 0xed && second > 0x9f);
      return good ? 3 : 0;
   }
   const bool good = first >= 0xf0 && first <= 0xf4 && later(1) && later(2) && later(3) &&
                     !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second > 0x8f);
   return good ? 4 : 0;
}

/// Any bytes as a JSON string, in its quotes; what is no UTF-8 becomes U+FFFD.
inline std::string json_text(std::string_view text) {
   constexpr const char* hex = "0123456789abcdef";
   std::string out = "\"";
   while (!text.empty()) {
      const size_t length = utf8_length(text);
      const auto byte = static_cast<unsigned char>(text.front());
      if (length == 0)
         out += "\\ufffd";
      else if (byte == '"' || byte == '\\')
         out += {'\\', text.front()};
      else if (byte < ' ' || byte == 127)
         out += std::string("\\u00") + hex[byte >> 4] + hex[byte & 15];
      else
         out += text.substr(0, length);
      text.remove_prefix(std::max<size_t>(1, length));
   }
   return out + '"';
}

template <class Self> class mesh_plugin : public plugin_base<Self> {
 public:
   const void* find_ext(std::string_view id) const { return find_mesh_ext(id); }
   void stop_thunk() { static_cast<Self*>(this)->on_stop(); }

 protected:
   const host& warren() const { return plugin_base<Self>::warren(); }

   /// All members, without this node.
   std::vector<wrn_handle> members() const {
      std::vector<wrn_handle> all(member_table()->list(warren().raw(), nullptr, 0));
      const uint32_t n =
            member_table()->list(warren().raw(), all.data(), static_cast<uint32_t>(all.size()));
      all.resize(std::min<size_t>(all.size(), n));
      return all;
   }
   /// Nothing for a peer that has gone. The name is valid until the callback returns.
   std::optional<wrn_member> member_info(wrn_handle peer) const {
      wrn_member m{};
      m.size = sizeof m;
      if (member_table()->info(warren().raw(), peer, &m) != WRN_OK) return std::nullopt;
      return m;
   }
   wrn_handle member_by_id(const wrn_key& node_id) const {
      return member_table()->by_node_id(warren().raw(), &node_id);
   }

   wrn_status send(wrn_handle peer, std::span<const uint8_t> bytes) const {
      return table<wrn_host_message>(WRN_HOST_MESSAGE)
            ->send(warren().raw(), peer, {bytes.data(), bytes.size()});
   }
   wrn_status send_bulk(wrn_handle peer, std::span<const uint8_t> bytes, uint64_t tag) const {
      return table<wrn_host_message>(WRN_HOST_MESSAGE)
            ->send_bulk(warren().raw(), peer, {bytes.data(), bytes.size()}, tag);
   }

   /// Signs as this node; nothing for a statement that is too large.
   std::optional<signature> sign(std::string_view type, std::span<const uint8_t> statement) const {
      signature made{};
      if (table<wrn_host_sign>(WRN_HOST_SIGN)
                ->sign(warren().raw(), {type.data(), type.size()},
                       {statement.data(), statement.size()}, made.data()) != WRN_OK)
         return std::nullopt;
      return made;
   }
   bool verify(const wrn_key& node_id, std::string_view type, std::span<const uint8_t> statement,
               std::span<const uint8_t, WRN_SIGNATURE_BYTES> made) const {
      return table<wrn_host_sign>(WRN_HOST_SIGN)
                   ->verify(warren().raw(), &node_id, {type.data(), type.size()},
                            {statement.data(), statement.size()}, made.data()) == WRN_OK;
   }

   /// Answers a request, once. `json` is the whole body.
   void respond(wrn_handle request, std::string_view json, uint32_t status = 200) const {
      table<wrn_host_control>(WRN_HOST_CONTROL)
            ->respond(warren().raw(), request, status, {json.data(), json.size()});
   }
   void refuse(wrn_handle request, uint32_t status, std::string_view why) const {
      respond(request, "{\"detail\":" + json_text(why) + "}", status);
   }

   const void* find_mesh_ext(std::string_view id) const {
      using base = plugin_base<Self>;
      if constexpr (requires(Self & s) { s.on_member(wrn_handle{}, uint32_t{}); }) {
         static const wrn_members table{[](const wrn_plugin* p, wrn_handle peer, uint32_t change) {
            base::guarded(p, [&](Self& s) { s.on_member(peer, change); });
         }};
         if (id == WRN_EXT_MEMBERS) return &table;
      }
      if constexpr (requires(Self & s, std::span<const uint8_t> b) {
                       s.on_message(wrn_handle{}, b);
                    }) {
         if (id == WRN_EXT_MESSAGE) return &message_hooks();
      }
      if constexpr (requires(Self & s, const request& r) { s.on_request(wrn_handle{}, r); }) {
         static const wrn_control table{
               [](const wrn_plugin* p, wrn_handle handle, const wrn_request* r) {
                  base::guarded(p, [&](Self& s) {
                     s.on_request(handle,
                                  request{text_of(r->method), text_of(r->path), text_of(r->body)});
                  });
               }};
         if (id == WRN_EXT_CONTROL) return &table;
      }
      return nullptr;
   }

 private:
   template <class Table> const Table* table(const char* id) const {
      return warren().template get<Table>(id);
   }
   const wrn_host_members* member_table() const {
      return table<wrn_host_members>(WRN_HOST_MEMBERS);
   }

   static const wrn_message& message_hooks() {
      using base = plugin_base<Self>;
      static const wrn_message hooks = [] {
         wrn_message h{};
         h.on_message = [](const wrn_plugin* p, wrn_handle peer, wrn_bytes b) {
            base::guarded(
                  p, [&](Self& s) { s.on_message(peer, std::span<const uint8_t>(b.ptr, b.len)); });
         };
         if constexpr (requires(Self & s, std::span<const uint8_t> b) {
                          s.on_bulk(wrn_handle{}, b);
                       })
            h.on_bulk = [](const wrn_plugin* p, wrn_handle peer, wrn_bytes b) {
               base::guarded(
                     p, [&](Self& s) { s.on_bulk(peer, std::span<const uint8_t>(b.ptr, b.len)); });
            };
         if constexpr (requires(Self & s) { s.on_bulk_sent(uint64_t{}, wrn_status{}); })
            h.on_bulk_sent = [](const wrn_plugin* p, uint64_t tag, wrn_status status) {
               base::guarded(p, [&](Self& s) { s.on_bulk_sent(tag, status); });
            };
         return h;
      }();
      return hooks;
   }
};

} // namespace warren::sdk
