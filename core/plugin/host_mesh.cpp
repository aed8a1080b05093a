// The host tables about the mesh: members, messages, ways, requests, statements. The network does
// the work; what a plugin hands over is checked here.
#include "core/plugin/host_tables.hpp"
#include "core/plugin/instance.hpp"

#include <algorithm>

namespace warren::plugin {

/// A friend of instance: the functions behind the tables.
struct mesh_tables {
   static instance& self(const wrn_host* host) { return *static_cast<instance*>(host->data); }
   static void guard([[maybe_unused]] const wrn_host* host, [[maybe_unused]] const char* function,
                     [[maybe_unused]] bool started_only) {
      if constexpr (guarded) self(host).guard(function, started_only);
   }
   static bool whole(wrn_bytes b) { return b.ptr != nullptr || b.len == 0; }

   // --- host/members.h --------------------------------------------------------------------------
   static uint32_t WRN_CALL list(const wrn_host* host, wrn_handle* out, uint32_t n) {
      guard(host, "list", true);
      instance& me = self(host);
      return me.active() ? me.port_->members({out, out != nullptr ? n : 0}) : 0;
   }
   static wrn_status WRN_CALL info(const wrn_host* host, wrn_handle peer, wrn_member* out) {
      guard(host, "info", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (out == nullptr || out->size < sizeof out->size) return WRN_E_INVALID;
      return me.port_->member_info(peer, *out);
   }
   static wrn_handle WRN_CALL by_node_id(const wrn_host* host, const wrn_key* node_id) {
      guard(host, "by_node_id", true);
      instance& me = self(host);
      return me.active() && node_id != nullptr ? me.port_->member_by_id(*node_id) : 0;
   }

   // --- host/message.h --------------------------------------------------------------------------
   static wrn_status WRN_CALL send(const wrn_host* host, wrn_handle peer, wrn_bytes message) {
      guard(host, "send", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (!whole(message)) return WRN_E_INVALID;
      return me.port_->send_message(me, peer, {message.ptr, message.len});
   }
   static wrn_status WRN_CALL send_bulk(const wrn_host* host, wrn_handle peer, wrn_bytes message,
                                        uint64_t tag) {
      guard(host, "send_bulk", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (!whole(message)) return WRN_E_INVALID;
      return me.port_->send_bulk(me, peer, {message.ptr, message.len}, tag);
   }

   // --- ext/routing.h ---------------------------------------------------------------------------
   static wrn_status WRN_CALL publish(const wrn_host* host, const wrn_route* routes, uint32_t n) {
      guard(host, "publish", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (routes == nullptr && n != 0) return WRN_E_INVALID;
      return me.port_->publish(me, {routes, n});
   }
   static uint32_t WRN_CALL relays(const wrn_host* host) {
      guard(host, "relays", true);
      instance& me = self(host);
      return me.active() && me.port_->relays() ? 1 : 0;
   }

   // --- ext/control.h ---------------------------------------------------------------------------
   static wrn_status WRN_CALL respond(const wrn_host* host, wrn_handle request, uint32_t status,
                                      wrn_str json) {
      guard(host, "respond", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      if (json.ptr == nullptr && json.len != 0) return WRN_E_INVALID;
      return me.port_->respond(me, request, status, {json.ptr, json.len});
   }

   // --- host/sign.h -----------------------------------------------------------------------------
   /// What is signed: see the header. Nothing for a type that could be taken for another text.
   static base::result<std::vector<uint8_t>> statement(const wrn_host* host, wrn_str type,
                                                       wrn_bytes bytes) {
      const bool printable =
            type.ptr != nullptr && type.len >= 1 && type.len <= 64 &&
            std::all_of(type.ptr, type.ptr + type.len, [](char c) { return c > ' ' && c < 127; });
      if (!printable || !whole(bytes)) return base::fail(base::errc::invalid, "type");
      if (bytes.len > WRN_STATEMENT_MAX) return base::fail(base::errc::limit, "size");
      std::vector<uint8_t> out;
      for (const std::string_view part :
           {std::string_view("warren plugin statement 1"), std::string_view(self(host).desc().id),
            std::string_view(type.ptr, type.len)}) {
         out.insert(out.end(), part.begin(), part.end());
         out.push_back(0);
      }
      out.insert(out.end(), bytes.ptr, bytes.ptr + bytes.len);
      return out;
   }
   static wrn_status status_of(const base::error& e) {
      return e.code == base::errc::limit ? WRN_E_TOO_BIG : WRN_E_INVALID;
   }
   static wrn_status WRN_CALL sign(const wrn_host* host, wrn_str type, wrn_bytes bytes,
                                   uint8_t* signature) {
      guard(host, "sign", true);
      instance& me = self(host);
      if (!me.active()) return WRN_E_STATE;
      const auto all = statement(host, type, bytes);
      if (!all) return status_of(all.error());
      const auto made = crypto::sign(me.port_->identity().signing, *all);
      std::copy(made.begin(), made.end(), signature);
      return WRN_OK;
   }
   static wrn_status WRN_CALL verify(const wrn_host* host, const wrn_key* node_id, wrn_str type,
                                     wrn_bytes bytes, const uint8_t* signature) {
      guard(host, "verify", true);
      const auto all = statement(host, type, bytes);
      if (!all) return status_of(all.error());
      return crypto::verify(std::to_array(node_id->bytes), *all,
                            std::span<const uint8_t, 64>(signature, 64))
                   ? WRN_OK
                   : WRN_E_AUTH;
   }
};

namespace {

using t = mesh_tables;
constexpr wrn_host_members members_table{t::list, t::info, t::by_node_id};
constexpr wrn_host_message message_table{t::send, t::send_bulk};
constexpr wrn_host_route route_table{t::publish, t::relays};
constexpr wrn_host_control control_table{t::respond};
constexpr wrn_host_sign sign_table{t::sign, t::verify};

} // namespace

const void* find_mesh_table(std::string_view id) {
   if (id == WRN_HOST_MEMBERS) return &members_table;
   if (id == WRN_HOST_MESSAGE) return &message_table;
   if (id == WRN_HOST_ROUTE) return &route_table;
   if (id == WRN_HOST_CONTROL) return &control_table;
   if (id == WRN_HOST_SIGN) return &sign_table;
   return nullptr;
}

} // namespace warren::plugin
