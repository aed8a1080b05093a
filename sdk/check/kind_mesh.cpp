#include "sdk/check/kind_mesh.hpp"

#include <algorithm>

namespace warren::check {

namespace {

constexpr size_t members_max = 20;

} // namespace

wrn_handle mesh_load::any_member(instance& who) {
   const auto& all = who.part<members_part>().members;
   if (all.empty()) return 0;
   auto it = all.begin();
   std::advance(it, static_cast<long>(world_.dice.below(all.size())));
   return it->first;
}

void mesh_load::link(instance& a, instance& b, bool up) {
   for (const auto& [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      const wrn_handle peer = member_of(*from, *to);
      if (peer == 0) continue;
      set_linked(*from, peer, up);
      linked(*from, peer, up);
   }
}

void mesh_load::begin() {
   for (instance* who : all_) {
      for (instance* other : all_)
         if (who != other && who->active()) join(*who, other);
      join(*who, nullptr);
   }
   for (instance* a : all_)
      for (instance* b : all_)
         if (a->number < b->number && neighbors(*a, *b)) link(*a, *b, true);
}

void mesh_load::work() {
   for (int turn = 0; turn < 4; turn++) {
      for (instance* who : all_)
         if (who->active()) own_work(*who);
      world_.run_for(250 * ms);
   }
}

void mesh_load::hostile_message(instance& who, wrn_handle from) {
   chance& dice = world_.dice;
   const auto& heard = who.part<message_part>().heard;
   std::vector<uint8_t> bytes;
   if (!heard.empty() && !dice.one_in(4)) bytes = heard[dice.below(heard.size())];
   if (bytes.empty() || dice.one_in(4)) {
      bytes.resize(dice.one_in(10) ? WRN_MESSAGE_MAX : dice.below(300));
      dice.fill(bytes.data(), bytes.size());
   }
   if (!bytes.empty() && dice.one_in(3)) bytes.resize(dice.below(bytes.size()));
   if (!bytes.empty()) bytes[dice.below(bytes.size())] ^= static_cast<uint8_t>(1 << dice.below(8));
   bytes.resize(std::min<size_t>(bytes.size(), WRN_MESSAGE_MAX));
   say_to(who, from, bytes, dice.one_in(8));
}

void mesh_load::any_call() {
   instance& who = *all_[0];
   if (!who.active() || any_common_call(world_, who)) return;
   chance& dice = world_.dice;
   auto& all = who.part<members_part>().members;
   const wrn_handle peer = any_member(who);
   if (dice.one_in(2) && own_call(who)) return;
   switch (dice.below(6)) {
   case 0:
      if (all.size() < members_max) join(who, nullptr);
      return;
   case 1:
      if (peer != 0 && all[peer].other == nullptr) {
         linked(who, peer, false);
         leave(who, peer);
      }
      return;
   case 2:
      if (peer != 0 && (all[peer].flags & WRN_MEMBER_STOCK) == 0 && all[peer].other == nullptr) {
         const bool up = dice.one_in(2);
         set_linked(who, peer, up);
         linked(who, peer, up);
      }
      return;
   case 3:
      if (const auto* t = who.ext<wrn_message>(WRN_EXT_MESSAGE);
          t != nullptr && t->on_bulk_sent != nullptr && dice.one_in(10))
         who.enter("on_bulk_sent",
                   [&] { t->on_bulk_sent(who.raw(), dice.next() | 1ull << 63, WRN_E_TIMEOUT); });
      return;
   default:
      if (peer != 0 && (all[peer].flags & WRN_MEMBER_STOCK) == 0) hostile_message(who, peer);
   }
}

/// The host names nobody who is gone, so there is nothing stale to be said; what the plugin itself
/// does with such handles is refused by the tables.
void mesh_load::stale_calls() { world_.run_for(second); }

void mesh_load::end() {
   for (instance* who : all_) {
      if (!who->active()) continue;
      std::vector<wrn_handle> handles;
      for (const auto& [peer, m] : who->part<members_part>().members)
         handles.push_back(peer);
      for (const wrn_handle peer : handles) {
         if ((who->part<members_part>().members[peer].flags & WRN_MEMBER_WARREN) != 0)
            linked(*who, peer, false);
         leave(*who, peer);
      }
   }
}

} // namespace warren::check
