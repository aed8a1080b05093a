// warren.host.control/1 of the fake host: requests with ten seconds to answer each.
#include "sdk/check/host_mesh.hpp"

namespace warren::check {

namespace {

constexpr wrn_time patience = 10 * second;

/// Not a parser: what is no JSON at first and last sight.
bool looks_like_json(std::string_view text) {
   if (text.empty()) return false;
   const char first = text.front(), last = text.back();
   if (first == '{') return last == '}';
   if (first == '[') return last == ']';
   if (first == '"') return text.size() > 1 && last == '"';
   return text == "null" || text == "true" || text == "false" || first == '-' ||
          (first >= '0' && first <= '9');
}

wrn_status WRN_CALL respond(const wrn_host* host, wrn_handle request, uint32_t status,
                            wrn_str json) {
   instance& me = instance::of(host, "respond", place::active);
   auto& part = me.part<control_part>();
   if (part.open.erase(request) == 0) {
      part.late++;
      return WRN_E_NOT_FOUND;
   }
   part.answered++;
   part.last_status = status;
   me.home.record("respond", me.number, status,
                  {reinterpret_cast<const uint8_t*>(json.ptr), json.len});
   if (json.len > WRN_CONTROL_ANSWER_MAX) return WRN_E_TOO_BIG;
   if (status < 200 || status > 599 || !looks_like_json({json.ptr, json.len})) {
      found(flaw_call, say("respond(): status ", status, " with ", json.len, " bytes that are ",
                           looks_like_json({json.ptr, json.len}) ? "JSON" : "no JSON"));
      part.last_status = 500;
      return WRN_E_INVALID;
   }
   return WRN_OK;
}

constexpr wrn_host_control functions{respond};

void after_stop(instance& who) { who.part<control_part>().open.clear(); }

} // namespace

bool ask_control(instance& who, std::string_view method, std::string_view path,
                 std::string_view body) {
   const auto* t = who.active() ? who.ext<wrn_control>(WRN_EXT_CONTROL) : nullptr;
   if (t == nullptr || t->on_request == nullptr) return false;
   auto& part = who.part<control_part>();
   const wrn_handle request = 0xc0ull << 56 | ++part.made;
   part.open[request] = {who.home.now + patience};
   const wrn_request what{
         {method.data(), method.size()}, {path.data(), path.size()}, {body.data(), body.size()}};
   who.enter("on_request", [&] { t->on_request(who.raw(), request, &what); });
   return true;
}

extern const host_table control_table{WRN_HOST_CONTROL, &functions, after_stop};

} // namespace warren::check
