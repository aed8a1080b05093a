#include "sdk/check/kind_transport.hpp"

#include "sdk/check/host_identity.hpp"
#include "sdk/check/host_stream.hpp"
#include "sdk/check/host_udp.hpp"

#include <algorithm>
#include <cstring>

namespace warren::check {

namespace {

constexpr size_t links_max = 12, overheard_max = 64;
constexpr std::string_view marker = "Warren knows this text, and so does whoever listens.";

const char* missing(instance& who) {
   const auto* t = who.ext<wrn_transport>(WRN_EXT_TRANSPORT);
   const auto* u = who.ext<wrn_udp>(WRN_EXT_UDP);
   if (t == nullptr) return WRN_EXT_TRANSPORT;
   const auto* s = who.ext<wrn_stream>(WRN_EXT_STREAM);
   if (u == nullptr && s == nullptr) return WRN_EXT_UDP " or " WRN_EXT_STREAM;
   if (s != nullptr &&
       (s->on_listening == nullptr || s->on_accept == nullptr || s->on_connected == nullptr ||
        s->on_read == nullptr || s->on_read_end == nullptr || s->on_writable == nullptr ||
        s->on_closed == nullptr))
      return "a function of " WRN_EXT_STREAM;
   if (u != nullptr && (u->on_bound == nullptr || u->on_recv == nullptr))
      return "on_bound or on_recv of " WRN_EXT_UDP;
   return t->limits != nullptr && t->open != nullptr && t->update != nullptr &&
                      t->close != nullptr && t->set_path != nullptr && t->connect != nullptr &&
                      t->room != nullptr && t->tx != nullptr && t->stats != nullptr
                ? nullptr
                : "a function of " WRN_EXT_TRANSPORT;
}

void put_be16(uint8_t* at, uint32_t v) {
   at[0] = static_cast<uint8_t>(v >> 8);
   at[1] = static_cast<uint8_t>(v);
}

/// Handles, because links end while one walks over them.
std::vector<wrn_handle> links_of(instance& who) {
   std::vector<wrn_handle> links;
   for (const auto& [handle, l] : who.part<link_part>().links)
      links.push_back(handle);
   return links;
}

} // namespace

std::span<const uint8_t> plain_marker() {
   return {reinterpret_cast<const uint8_t*>(marker.data()), marker.size()};
}

transport_load::transport_load(world& w, std::vector<instance*> instances)
    : world_(w), all_(std::move(instances)) {
   psk.assign(32, 0);
   chance(w.tested().seed ^ 0x95c).fill(psk.data(), psk.size());
}

/// Number, size and nothing else say what a packet looks like, so that it can be told intact when
/// it arrives. The shape follows from the number: IPv4, IPv6 or a mesh frame, the three that a
/// transport may be given.
std::vector<uint8_t> transport_load::packet(uint64_t number, uint32_t size) const {
   const auto what = number % 5 == 3 ? shape::ipv6 : number % 5 == 4 ? shape::mesh : shape::ipv4;
   const uint32_t header = what == shape::ipv6 ? 40 : what == shape::mesh ? 16 : 20;
   std::vector<uint8_t> p(std::max(size, header));
   uint8_t* number_at = p.data() + 8;
   if (what == shape::ipv4) {
      p[0] = 0x45;
      put_be16(&p[2], static_cast<uint32_t>(p.size()));
      p[8] = 64;
      p[9] = 253;
      number_at = p.data() + 12;
   } else if (what == shape::ipv6) {
      p[0] = 0x60;
      put_be16(&p[4], static_cast<uint32_t>(p.size() - 40));
      p[6] = 253;
      p[7] = 64;
   } else {
      p[0] = 0x01;
      p[1] = 2;
      p[4] = static_cast<uint8_t>(p.size() - 16);
      p[5] = static_cast<uint8_t>((p.size() - 16) >> 8);
   }
   std::memcpy(number_at, &number, sizeof number);
   uint64_t x = number;
   for (size_t i = header; i < p.size(); i++)
      p[i] = static_cast<uint8_t>(x = mix(x));
   if (p.size() >= header + marker.size())
      std::copy(marker.begin(), marker.end(), p.begin() + header);
   return p;
}

void transport_load::delivered(instance& to, const std::vector<uint8_t>& bytes) {
   uint64_t number = UINT64_MAX;
   const uint8_t first = bytes.empty() ? 0xff : bytes[0] >> 4;
   const size_t at = first == 4 ? 12 : 8;
   if ((first == 4 || first == 6 || first == 0) && bytes.size() >= at + sizeof number)
      std::memcpy(&number, bytes.data() + at, sizeof number);
   if (number < first_number || number - first_number >= ledger.size()) {
      foreign++;
      return;
   }
   sent_packet& s = ledger[number - first_number];
   std::vector<uint8_t> want = packet(number, s.size);
   const std::vector<uint8_t> got(
         bytes.begin(), bytes.begin() + static_cast<long>(std::min(bytes.size(), want.size())));
   if (want[0] == 0x01 && bytes.size() >= want.size() && got == want) {
      // a mesh frame may arrive with its padding: its own length decides
   } else if (bytes != want) {
      foreign++;
      return;
   }
   if (s.from == &to) foreign++;
   if (s.arrived++ != 0) twice++;
}

wrn_transport_limits transport_load::limits(instance& who) {
   wrn_transport_limits out{};
   const auto& t = table(who);
   who.enter("limits", [&] { t.limits(who.raw(), &out); });
   return out;
}

open_link transport_load::link_to(instance* other, const wrn_key* key) {
   open_link l;
   l.other = other;
   l.params.peer = 0x90ull << 56 | (other != nullptr ? other->number : 99);
   if (other != nullptr) {
      l.params.tunnel_key = tunnel_key_of(*other);
      l.params.remote = other->address;
   } else if (key != nullptr) {
      l.params.tunnel_key = *key;
   } else {
      world_.dice.fill(l.params.tunnel_key.bytes, 32);
   }
   if (!psk.empty()) std::copy(psk.begin(), psk.end(), l.params.psk.bytes);
   l.params.mtu = mtu;
   return l;
}

void transport_load::listen(instance& who) {
   who.part<link_part>().on_deliver = [this, &who](wrn_handle, const std::vector<uint8_t>& bytes) {
      delivered(who, bytes);
   };
}

wrn_handle transport_load::open(instance& who, const open_link& l) {
   const wrn_handle handle = new_link(who, l);
   const auto& t = table(who);
   if (std::find(who.secrets.begin(), who.secrets.end(), psk) == who.secrets.end())
      who.secrets.push_back(psk);
   const wrn_status status =
         who.enter("open", [&] { return t.open(who.raw(), handle, &l.params); });
   if (status == WRN_OK) return handle;
   who.part<link_part>().links.erase(handle);
   who.part<link_part>().closed.insert(handle);
   return 0;
}

void transport_load::close(instance& who, wrn_handle link) {
   const auto& t = table(who);
   who.enter("close", [&] { t.close(who.raw(), link); });
   who.part<link_part>().links.erase(link);
   who.part<link_part>().closed.insert(link);
}

wrn_handle transport_load::link_of(instance& who, const instance& other) {
   for (const auto& [handle, l] : who.part<link_part>().links)
      if (l.other == &other) return handle;
   return 0;
}

uint32_t transport_load::room(instance& who, wrn_handle link) {
   const auto& t = table(who);
   return who.enter("room", [&] { return t.room(who.raw(), link); });
}

void transport_load::give(instance& who, wrn_handle link, uint32_t n, uint32_t size) {
   const auto& t = table(who);
   const wrn_transport_limits need = limits(who);
   require(need.headroom <= 1024 && need.tailroom <= 1024,
           say("limits() wants ", need.headroom, " bytes of headroom and ", need.tailroom,
               " of tailroom"));
   std::vector<wrn_pkt> batch;
   for (uint32_t i = 0; i < n; i++) {
      const uint32_t bytes =
            size != 0 ? size
                      : static_cast<uint32_t>(world_.dice.one_in(3) ? mtu
                                                                    : world_.dice.between(40, mtu));
      const std::vector<uint8_t> data = packet(first_number + ledger.size(), bytes);
      ledger.push_back({&who, static_cast<uint32_t>(data.size())});
      batch.push_back(world_.pool.make(who.number, data, need.headroom, need.tailroom));
      batch.back().qos = static_cast<uint8_t>(world_.dice.below(8));
      batch.back().flags = i != 0 && world_.dice.one_in(2) ? WRN_PKT_RUN : 0;
   }
   if (n != 0) who.enter("tx", [&] { t.tx(who.raw(), link, batch.data(), n); });
}

uint32_t transport_load::send(instance& who, wrn_handle link, uint32_t n, uint32_t size) {
   n = std::min({n, room(who, link), WRN_BATCH_MAX});
   give(who, link, n, size);
   return n;
}

void open_network(instance& who) {
   if (lives_on_streams(who)) open_listener(who);
   if (who.ext<wrn_udp>(WRN_EXT_UDP) != nullptr) bind_socket(who);
}

void transport_load::begin() {
   if (!world_.wire_tap)
      world_.wire_tap = [this](const datagram& d) {
         if (overheard_.size() < overheard_max) overheard_.push_back(d);
      };
   for (instance* who : all_) {
      listen(*who);
      open_network(*who);
   }
   for (instance* who : all_)
      for (instance* other : all_)
         if (who != other) open(*who, link_to(other));
   if (all_.size() == 1) {
      open_link l = link_to(nullptr);
      l.params.remote = world::address(200);
      open(*all_[0], l);
   }
}

void transport_load::work() {
   for (int turn = 0; turn < 10; turn++) {
      for (instance* who : all_) {
         if (!who->active()) continue;
         for (const wrn_handle l : links_of(*who))
            send(*who, l, static_cast<uint32_t>(world_.dice.between(1, 16)));
      }
      world_.run_for(100 * ms);
   }
   if (ledger.size() > 100'000) {
      first_number += ledger.size();
      ledger.clear();
   }
}

void transport_load::load() {
   for (instance* who : all_) {
      if (!who->active()) continue;
      std::vector<wrn_handle> links;
      for (const auto& [handle, l] : who->part<link_part>().links)
         links.push_back(handle);
      for (const wrn_handle l : links) {
         const auto& t = table(*who);
         who->enter("connect", [&] { t.connect(who->raw(), l); });
         send(*who, l, WRN_BATCH_MAX);
      }
   }
}

uint64_t transport_load::arrived(const instance& from) const {
   return static_cast<uint64_t>(
         std::count_if(ledger.begin(), ledger.end(),
                       [&](const sent_packet& s) { return s.from == &from && s.arrived != 0; }));
}

bool transport_load::settle(wrn_time within) {
   const uint64_t start = first_number + ledger.size();
   const wrn_time end = world_.now + within;
   while (world_.now < end) {
      for (instance* who : all_)
         for (instance* other : all_)
            if (who != other && who->active())
               if (const wrn_handle l = link_of(*who, *other); l != 0) send(*who, l, 1, 128);
      world_.run_for(second / 4);
      const auto heard = [&](const instance* who) {
         for (size_t i = start > first_number ? start - first_number : 0; i < ledger.size(); i++)
            if (ledger[i].from == who && ledger[i].arrived != 0) return true;
         return false;
      };
      if (std::all_of(all_.begin(), all_.end(), heard)) return true;
   }
   return false;
}

std::string transport_load::alive() {
   if (all_.size() < 2) return "";
   for (instance* who : all_)
      for (instance* other : all_)
         if (who != other && who->active() && link_of(*who, *other) == 0) {
            // chance closed it, or opened another one to that key
            open(*who, link_to(other));
         }
   for (instance* who : all_)
      if (!who->failure.empty()) return say("instance ", who->number, " gave up: ", who->failure);
   return settle() ? "" : "no packet arrives within 30 s of the clock, although both sides send";
}

wrn_handle transport_load::any_link(instance& who) {
   const auto& part = who.part<link_part>();
   if (part.links.empty() || (world_.dice.one_in(20) && !part.closed.empty())) {
      if (part.closed.empty()) return 12345;
      auto it = part.closed.begin();
      std::advance(it,
                   static_cast<long>(world_.dice.below(std::min<size_t>(part.closed.size(), 50))));
      return *it;
   }
   auto it = part.links.begin();
   std::advance(it, static_cast<long>(world_.dice.below(part.links.size())));
   return it->first;
}

void transport_load::any_call() {
   instance& who = *all_[0];
   if (!who.active() || any_common_call(world_, who)) return;
   const auto& t = table(who);
   auto& links = who.part<link_part>().links;
   chance& dice = world_.dice;
   const wrn_handle link = any_link(who);
   const auto known = links.find(link);
   open_link l = known != links.end() ? known->second : link_to(nullptr);
   switch (dice.below(12)) {
   case 0:
      if (links.size() >= links_max) return;
      l = link_to(dice.one_in(3) ? all_.back() : nullptr);
      if (l.other == &who) l = link_to(nullptr);
      if (dice.one_in(2))
         l.params.remote = world::address(static_cast<uint32_t>(200 + dice.below(50)));
      if (dice.one_in(4)) l.params.keepalive_s = static_cast<uint32_t>(dice.below(70'000));
      if (dice.one_in(8)) l.params.mtu = static_cast<uint32_t>(dice.between(576, 1500));
      if (l.other != nullptr && link_of(who, *l.other) != 0 && dice.one_in(2))
         l.params.tunnel_key = links.begin()->second.params.tunnel_key;
      open(who, l);
      return;
   case 1:
      if (known != links.end() && (l.other == nullptr || dice.one_in(20)))
         close(who, link);
      else if (known == links.end())
         who.enter("close", [&] { t.close(who.raw(), link); });
      return;
   case 2:
      l.params.keepalive_s = static_cast<uint32_t>(dice.one_in(2) ? 0 : dice.below(100));
      if (l.other == nullptr && dice.one_in(3)) dice.fill(l.params.psk.bytes, 32);
      who.enter("update", [&] { return t.update(who.raw(), link, &l.params); });
      return;
   case 3: {
      wrn_addr to = l.other != nullptr && !dice.one_in(3)
                          ? l.other->address
                          : world::address(static_cast<uint32_t>(200 + dice.below(50)));
      if (dice.one_in(4)) to = {};
      who.enter("set_path", [&] { return t.set_path(who.raw(), link, &to); });
      return;
   }
   case 4:
      who.enter("connect", [&] { t.connect(who.raw(), link); });
      return;
   case 5: {
      wrn_link_stats s{};
      s.size = sizeof s;
      who.enter("stats", [&] { return t.stats(who.raw(), link, &s); });
      return;
   }
   case 6: { // from the wire: noise, or something heard before, whole, cut or bent
      std::vector<datagram> batch;
      for (uint64_t n = dice.between(1, dice.one_in(10) ? 128 : 4); n > 0; n--) {
         datagram d{
               nullptr, world::address(static_cast<uint32_t>(dice.below(60))), who.address, {}};
         if (!overheard_.empty() && !dice.one_in(4))
            d.bytes = overheard_[dice.below(overheard_.size())].bytes;
         if (d.bytes.empty() || dice.one_in(3)) {
            d.bytes.resize(dice.between(1, 200));
            dice.fill(d.bytes.data(), d.bytes.size());
            d.bytes[0] &= 7;
         }
         if (dice.one_in(3)) d.bytes.resize(dice.between(1, d.bytes.size()));
         if (dice.one_in(2))
            d.bytes[dice.below(d.bytes.size())] ^= static_cast<uint8_t>(1 << dice.below(8));
         batch.push_back(std::move(d));
      }
      if (lives_on_streams(who))
         dice.one_in(20) ? reset_streams(who) : call_with(who, std::move(batch[0].bytes));
      else
         receive(who, batch);
      return;
   }
   case 7:
      overheard_.clear(); // hear newer ones
      if (all_.size() > 1 && all_[1]->active()) {
         const wrn_handle back = link_of(*all_[1], who);
         if (back != 0) send(*all_[1], back, static_cast<uint32_t>(dice.between(1, 32)));
      }
      world_.run_for(5 * ms);
      return;
   case 8:
      who.part<stream_part>().window = dice.one_in(3) ? dice.below(3000) : 128u * 1024u;
      who.part<udp_part>().room_max = static_cast<uint32_t>(dice.one_in(3) ? dice.below(4) : 256);
      return;
   default:
      if (known == links.end())
         give(who, link,
              static_cast<uint32_t>(dice.between(1, 4))); // the core's queue ran after close()
      else
         send(who, link, static_cast<uint32_t>(dice.one_in(10) ? 128 : dice.between(1, 8)));
   }
   if (ledger.size() > 20'000) {
      first_number += ledger.size();
      ledger.clear();
   }
}

void transport_load::stale_calls() {
   for (instance* who : all_) {
      std::vector<wrn_handle> stale{1, UINT64_MAX, 0x6cull << 56};
      for (const wrn_handle h : who->part<link_part>().closed)
         stale.push_back(h);
      const auto& t = table(*who);
      for (const wrn_handle h : stale) {
         const auto expect = [&](const char* what, wrn_status status) {
            require(status == WRN_E_NOT_FOUND,
                    say(what, "() of a link that is closed or never was gave ", status,
                        ", not WRN_E_NOT_FOUND (", WRN_E_NOT_FOUND, ")"));
         };
         open_link l = link_to(nullptr);
         const wrn_addr to = world::address(200);
         expect("update", who->enter("update", [&] { return t.update(who->raw(), h, &l.params); }));
         expect("set_path", who->enter("set_path", [&] { return t.set_path(who->raw(), h, &to); }));
         wrn_link_stats s{};
         s.size = sizeof s;
         expect("stats", who->enter("stats", [&] { return t.stats(who->raw(), h, &s); }));
         who->enter("connect", [&] { t.connect(who->raw(), h); });
         room(*who, h);
         give(*who, h, 3);
         who->enter("close", [&] { t.close(who->raw(), h); });
      }
   }
}

void transport_load::end() {
   for (instance* who : all_) {
      if (!who->active()) continue;
      for (const wrn_handle l : links_of(*who))
         close(*who, l);
   }
}

extern const kind transport_kind{
      WRN_KIND_TRANSPORT, "transport", 2, missing,
      [](world& w, std::vector<instance*> all) -> std::unique_ptr<workload> {
         return std::make_unique<transport_load>(w, std::move(all));
      }};

} // namespace warren::check
