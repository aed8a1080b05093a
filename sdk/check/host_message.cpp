// warren.host.message/1 of the fake host: datagrams fare as the world's weather wills, bulk arrives
// while the link is up.
#include "sdk/check/host_mesh.hpp"

namespace warren::check {

namespace {

constexpr uint32_t bulk_waiting_max = 4;
constexpr size_t heard_max = 32;

wrn_status refusal(instance& me, wrn_handle peer) {
   const auto& all = me.part<members_part>().members;
   const auto it = all.find(peer);
   if (it == all.end()) return WRN_E_NOT_FOUND;
   return (it->second.flags & WRN_MEMBER_WARREN) == 0 ? WRN_E_UNREACHABLE : WRN_OK;
}

void check_bytes(const wrn_bytes& b, const char* function) {
   if (b.ptr == nullptr && b.len != 0)
      found(flaw_call, say(function, "() of ", b.len, " bytes at NULL"));
}

wrn_status WRN_CALL send(const wrn_host* host, wrn_handle peer, wrn_bytes message) {
   instance& me = instance::of(host, "message send", place::active);
   check_bytes(message, "message send");
   if (message.len > WRN_MESSAGE_MAX) return WRN_E_TOO_BIG;
   if (const wrn_status no = refusal(me, peer); no != WRN_OK) return no;
   if (me.fails("message send")) return WRN_E_LIMIT;
   auto& part = me.part<message_part>();
   part.sent++;
   part.bytes += message.len;
   me.home.record("message", me.number, peer, {message.ptr, message.len});
   instance* other = me.part<members_part>().members[peer].other;
   world& w = me.home;
   if (other == nullptr || w.dice.below(100) < w.weather.loss_percent) return WRN_OK;
   std::vector<uint8_t> bytes(message.ptr, message.ptr + message.len);
   for (int copies = w.dice.below(100) < w.weather.twice_percent ? 2 : 1; copies > 0; copies--)
      w.at(w.now + w.dice.between(w.weather.delay_min, w.weather.delay_max), [&me, other, bytes] {
         if (const wrn_handle from = member_of(*other, me); from != 0) say_to(*other, from, bytes);
      });
   return WRN_OK;
}

wrn_status WRN_CALL send_bulk(const wrn_host* host, wrn_handle peer, wrn_bytes message,
                              uint64_t tag) {
   instance& me = instance::of(host, "send_bulk", place::active);
   const auto* table = me.ext<wrn_message>(WRN_EXT_MESSAGE);
   check_bytes(message, "send_bulk");
   if (table == nullptr || table->on_bulk_sent == nullptr) {
      found(flaw_call, "send_bulk() by a plugin that has no on_bulk_sent");
      return WRN_E_STATE;
   }
   if (message.len > WRN_BULK_MAX) return WRN_E_TOO_BIG;
   if (const wrn_status no = refusal(me, peer); no != WRN_OK) return no;
   auto& part = me.part<message_part>();
   if (me.fails("send_bulk") || part.bulk_waiting[peer] >= bulk_waiting_max) return WRN_E_LIMIT;
   part.bulk_waiting[peer]++;
   me.home.record("bulk", me.number, peer, {message.ptr, message.len});
   instance* other = me.part<members_part>().members[peer].other;
   std::vector<uint8_t> bytes(message.ptr, message.ptr + message.len);
   me.home.at(me.home.now + 50 * ms, [&me, other, peer, tag, bytes, table, round = part.round] {
      auto& p = me.part<message_part>();
      if (p.round != round || !me.active()) return;
      p.bulk_waiting[peer]--;
      const wrn_handle from = other != nullptr && other->active() ? member_of(*other, me) : 0;
      const auto* theirs = from != 0 ? other->ext<wrn_message>(WRN_EXT_MESSAGE) : nullptr;
      const bool taken = theirs != nullptr && theirs->on_bulk != nullptr;
      if (taken) say_to(*other, from, bytes, true);
      me.enter("on_bulk_sent", [&] {
         table->on_bulk_sent(me.raw(), tag,
                             taken       ? WRN_OK
                             : from == 0 ? WRN_E_UNREACHABLE
                                         : WRN_E_UNSUPPORTED);
      });
   });
   return WRN_OK;
}

constexpr wrn_host_message functions{send, send_bulk};

void after_stop(instance& who) {
   auto& part = who.part<message_part>();
   part.round++;
   part.bulk_waiting.clear();
}

} // namespace

bool takes_messages(instance& who) {
   const auto* t = who.ext<wrn_message>(WRN_EXT_MESSAGE);
   return t != nullptr && t->on_message != nullptr;
}

void say_to(instance& who, wrn_handle from, std::span<const uint8_t> bytes, bool bulk) {
   if (!who.active()) return;
   const auto* t = who.ext<wrn_message>(WRN_EXT_MESSAGE);
   auto& heard = who.part<message_part>().heard;
   if (heard.size() < heard_max) heard.emplace_back(bytes.begin(), bytes.end());
   const std::vector<uint8_t> exact(
         bytes.begin(), bytes.end()); // its own memory: who reads beyond it is found by a sanitizer
   const wrn_bytes b{exact.data(), exact.size()};
   if (t == nullptr) return;
   if (bulk && t->on_bulk != nullptr)
      who.enter("on_bulk", [&] { t->on_bulk(who.raw(), from, b); });
   else if (!bulk && t->on_message != nullptr)
      who.enter("on_message", [&] { t->on_message(who.raw(), from, b); });
}

extern const host_table message_table{WRN_HOST_MESSAGE, &functions, after_stop};

} // namespace warren::check
