// Links of two transports: they come up, carry, move, close; and they have room or say so.
#include "sdk/check/host_identity.hpp"
#include "sdk/check/properties.hpp"
#include "sdk/check/transport_rig.hpp"

#include <algorithm>

namespace warren::check {

namespace {

/// Packets in both directions, a few per turn; how many of a's and of b's arrived.
void exchange(transport_rig& r, uint32_t packets, uint32_t per_turn, uint32_t size = 0) {
   r.links.forget();
   for (uint32_t sent = 0; sent < packets;) {
      const uint32_t n = r.links.send(r.a(), r.ab(), per_turn, size);
      r.links.send(r.b(), r.ba(), per_turn, size);
      r.home.run_for(5 * ms);
      require(n != 0 || r.home.now < 100'000 * second,
              "room() stays 0 while nothing is in the way");
      sent += std::max(n, 1u);
   }
   r.home.run_for(2 * second);
}

void require_intact(transport_rig& r) {
   require(r.links.foreign == 0,
           say(r.links.foreign, " packet(s) were delivered that nobody had sent, or with other "
                                "bytes than they were sent with"));
   require(r.links.twice == 0 || r.links.plaintext(),
           say(r.links.twice, " packet(s) were delivered twice"));
}

} // namespace

void carries(const subject& s) {
   transport_rig r(s);
   exchange(r, 400, 10);
   require_intact(r);
   for (instance* each : r.all) {
      const uint64_t sent = static_cast<uint64_t>(
            std::count_if(r.links.ledger.begin(), r.links.ledger.end(),
                          [&](const sent_packet& p) { return p.from == each; }));
      require(r.links.arrived(*each) == sent,
              say("of ", sent, " packets ", sent - r.links.arrived(*each),
                  " did not arrive, over a network that loses nothing"));
   }
   for (const uint32_t size : {40u, 41u, 64u, 576u, 1419u, 1420u}) {
      exchange(r, 10, 5, size);
      require_intact(r);
      require(r.links.arrived(r.a()) == 10,
              say("packets of ", size, " bytes do not arrive, at an mtu of ", r.links.mtu));
   }
   for (instance* each : r.all)
      for (const auto& [handle, l] : each->part<link_part>().links)
         require(l.state == WRN_LINK_UP,
                 say("packets arrive, but link state() said ", l.state, " last, not WRN_LINK_UP"));
   r.down();
}

void bad_network(const subject& s) {
   transport_rig r(s, false);
   r.only_datagrams();
   r.home.weather = {100, 0, 2 * ms, 2 * ms, 65535};
   r.load->begin();
   r.links.settle(3 * second); // the first tries are lost
   r.home.weather = {20, 10, 2 * ms, 40 * ms, 65535};
   require(r.links.settle(120 * second),
           "two instances do not come up within two minutes when every fifth datagram is lost");
   exchange(r, 3000, 10);
   require_intact(r);
   for (instance* each : r.all)
      require(r.links.arrived(*each) >= r.links.ledger.size() / 2 * 7 / 10,
              say("of ", r.links.ledger.size() / 2, " packets ", r.links.arrived(*each),
                  " arrived, while the network lost a fifth and reordered the rest"));
   r.home.weather = {};
   require_alive(*r.load, "after the network had become good again");
   r.down();
}

void batches(const subject& s) {
   transport_rig r(s);
   for (uint32_t n = 1; n <= WRN_BATCH_MAX; n += n < 4 || n > 120 ? 1 : 7) {
      for (instance* each : r.all) {
         each->part<udp_part>().room_max = 1024;
         each->part<udp_part>().batch_max = n;
      }
      r.links.forget();
      r.links.give(r.a(), r.ab(), n);
      r.links.give(r.b(), r.ba(), WRN_BATCH_MAX + 1 - n);
      r.home.run_for(second);
      require_intact(r);
      require(r.links.arrived(r.a()) == n,
              say("of a batch of ", n, " packets ", r.links.arrived(r.a()), " arrived"));
      require(r.links.arrived(r.b()) == WRN_BATCH_MAX + 1 - n,
              say("of a batch of ", WRN_BATCH_MAX + 1 - n, " packets ", r.links.arrived(r.b()),
                  " arrived"));
   }
   r.down();
}

void path_mtu(const subject& s) {
   transport_rig r(s);
   r.only_datagrams();
   r.home.weather.mtu = 600;
   exchange(r, 50, 5, 1400); // all lost
   require(r.links.foreign == 0, "a packet that does not fit through the path arrived changed");
   exchange(r, 50, 5, 300);
   require(r.links.arrived(r.a()) >= 45 && r.links.arrived(r.b()) >= 45,
           "small packets do not pass while large ones are lost");
   for (instance* each : r.all) {
      auto& known = each->part<link_part>().links.begin()->second.params;
      known.mtu = 500;
      const auto& t = r.table(*each);
      const wrn_status status = each->enter("update", [&] {
         return t.update(each->raw(), each->part<link_part>().links.begin()->first, &known);
      });
      require(status == WRN_OK, say("update() with a smaller mtu gave ", status));
   }
   exchange(r, 50, 5, 500);
   require(r.links.arrived(r.a()) >= 45, "packets of the new mtu do not pass after update()");
   r.home.weather.mtu = 65535;
   require_alive(*r.load, "after the path became wide again");
   r.down();
}

void writable(const subject& s) {
   transport_rig r(s);
   auto& link = r.a().part<link_part>().links[r.ab()];
   for (int round = 0; round < 5; round++) {
      r.a().part<udp_part>().blocked = r.a().part<stream_part>().blocked = true;
      uint32_t given = 0;
      while (given < 20'000 && r.links.room(r.a(), r.ab()) != 0)
         given += r.links.send(r.a(), r.ab(), 64);
      require(given < 20'000,
              "room() is never 0, although the socket takes nothing: packets are lost or pile up");
      const uint32_t before = link.writable;
      r.home.run_for(second);
      lives_on_streams(r.a()) ? unblock_streams(r.a()) : unblock(r.a());
      r.home.run_for(second);
      require(link.writable != before, "room() was 0, the socket had room again and said "
                                       "on_writable(), and no writable() came for the link");
      require(r.links.room(r.a(), r.ab()) != 0, "writable() came, and room() is still 0");
      require_alive(*r.load, "after the socket had had no room");
   }
   r.down();
}

void bounded_queue(const subject& s) {
   constexpr size_t held_max = 1024; // a quarter of what the real host has for all
   transport_rig r(s, false);
   for (instance* each : r.all) {
      r.links.listen(*each);
      open_network(*each);
   }
   open_link nobody = r.links.link_to(nullptr);
   const wrn_handle nowhere = r.links.open(r.a(), nobody);
   nobody = r.links.link_to(nullptr);
   nobody.params.remote = world::address(200);
   const wrn_handle silent = r.links.open(r.a(), nobody);
   require(nowhere != 0 && silent != 0, "open() refused a link");
   r.a().part<udp_part>().room_max = 1u << 20;
   for (int i = 0; i < 800; i++) {
      for (const wrn_handle link : {nowhere, silent})
         r.links.send(r.a(), link, WRN_BATCH_MAX, 100);
      r.links.forget();
      if (i % 10 == 0) r.home.run_for(10 * ms);
      const size_t held = r.home.pool.held(r.a().number);
      require(held <= 2 * held_max,
              say(held, " packets are held for two links that are not up, and more are taken; keep "
                        "a bounded number and drop the oldest"));
   }
   r.down();
}

void follows_path(const subject& s) {
   transport_rig r(s);
   r.only_datagrams();
   const wrn_addr other = world::address(77, 40'000), home = r.b().address;
   r.home.add_address(other, r.b());
   std::vector<wrn_addr> seen;
   r.overhear(r.a(), [&](const datagram& d) { seen.push_back(d.to); });
   const auto went_to = [&](const wrn_addr& to) {
      return std::all_of(seen.begin(), seen.end(), [&](const wrn_addr& a) {
         return a.port == to.port && std::equal(std::begin(a.ip), std::end(a.ip), to.ip);
      });
   };
   r.set_path(r.a(), r.ab(), other);
   for (int i = 0; i < 20; i++) {
      r.links.send(r.a(), r.ab(), 5);
      r.home.run_for(100 * ms);
   }
   require(!seen.empty(), "after set_path() nothing is sent at all");
   require(went_to(other), "after set_path() a datagram went to the old address");
   seen.clear();
   r.set_path(r.a(), r.ab(), wrn_addr{});
   for (int i = 0; i < 20; i++) {
      r.links.send(r.a(), r.ab(), 5);
      r.home.run_for(100 * ms);
   }
   require(seen.empty(), "after set_path() to nowhere (family 0) datagrams were sent");
   r.set_path(r.a(), r.ab(), home);
   r.home.wire_tap = nullptr;
   require_alive(*r.load, "after set_path() had led back");
   r.down();
}

void reopen(const subject& s) {
   transport_rig r(s);
   const open_link again = r.links.link_to(&r.b());
   require(r.links.open(r.a(), again) == 0,
           "open() of a second link with the same tunnel key is WRN_E_EXISTS");
   require_alive(*r.load, "after a second link to the same key was refused");
   for (int i = 0; i < 5; i++) {
      r.links.send(r.b(), r.ba(), 20); // on its way when the link closes
      r.links.close(r.a(), r.ab());
      r.home.run_for(i % 2 == 0 ? ms : 20 * second);
      require(r.links.open(r.a(), again) != 0, "open() refuses a key whose link was closed");
      require_alive(*r.load, "after close() and open()");
   }
   r.down();
}

void idle_link(const subject& s) {
   transport_rig r(s, false);
   r.only_datagrams();
   size_t sent = 0;
   r.home.wire_tap = [&](const datagram&) { sent++; };
   r.load->begin();
   r.home.run_for(600 * second);
   require(sent == 0, say(sent, " datagram(s) were sent for links without traffic, connect() and "
                                "keepalive_s; open() sends nothing by itself"));
   r.home.wire_tap = nullptr;
   require_alive(*r.load, "after ten idle minutes");
   r.down();
}

void keepalive(const subject& s) {
   transport_rig r(s);
   if (r.links.plaintext()) skip("it declares WRN_TF_PLAINTEXT, and has no session to keep");
   auto& params = r.a().part<link_part>().links[r.ab()].params;
   params.keepalive_s = 10;
   const auto& t = r.table(r.a());
   const wrn_status status =
         r.a().enter("update", [&] { return t.update(r.a().raw(), r.ab(), &params); });
   require(status == WRN_OK, say("update() gave ", status));
   for (int i = 0; i < 5; i++) {
      size_t sent = 0;
      r.overhear(r.a(), [&](const datagram&) { sent++; });
      r.home.run_for(25 * second);
      require(sent != 0, "keepalive_s is 10, and nothing was sent for 25 seconds of the clock");
   }
   r.down();
}

void identity_change(const subject& s) {
   transport_rig r(s);
   r.a().part<identity_part>().generation++;
   r.a().event(WRN_EV_IDENTITY_CHANGED);
   r.links.close(r.b(), r.ba());
   r.home.run_for(second);
   r.links.open(r.b(), r.links.link_to(&r.a()));
   require_alive(*r.load,
                 "after the tunnel key of one side was replaced (WRN_EV_IDENTITY_CHANGED)");
   r.down();
}

void statistics(const subject& s) {
   transport_rig r(s);
   size_t datagrams = 0, bytes = 0;
   const auto& t = r.table(r.a());
   const auto read = [&] {
      wrn_link_stats out{};
      out.size = sizeof out;
      require(r.a().enter("stats", [&] { return t.stats(r.a().raw(), r.ab(), &out); }) == WRN_OK,
              "stats() of an open link failed");
      require(out.size == sizeof out, "stats() changed size");
      return out;
   };
   const wrn_link_stats before = read();
   r.overhear(r.a(), [&](const datagram& d) {
      datagrams++;
      bytes += d.bytes.size();
   });
   exchange(r, 50, 5, 200);
   const wrn_link_stats after = read();
   const bool streams = lives_on_streams(r.a()); // packets share a write() there
   require(streams || after.tx_packets - before.tx_packets == datagrams,
           say("tx_packets grew by ", after.tx_packets - before.tx_packets, ", and ", datagrams,
               " datagrams went out"));
   require(streams || after.tx_bytes - before.tx_bytes == bytes,
           say("tx_bytes grew by ", after.tx_bytes - before.tx_bytes, ", and ", bytes,
               " bytes went out"));
   require(after.rx_packets > before.rx_packets && after.rx_bytes > before.rx_bytes,
           "rx_packets and rx_bytes do not grow while packets arrive");
   require(after.state == WRN_LINK_UP,
           say("the state in the statistics is ", after.state, " while packets arrive"));
   require(after.last_heard > before.last_heard && after.last_heard <= r.home.now,
           "last_heard does not say when the last packet came");
   const bool there =
         (streams || after.remote.port == r.b().address.port) && // callers have ports of their own
         std::equal(std::begin(after.remote.ip), std::end(after.remote.ip), r.b().address.ip);
   require(there, "remote in the statistics is not where datagrams go");
   // A caller of an older minor has less room.
   for (const uint32_t size : {8u, 16u, 40u}) {
      alignas(wrn_link_stats) uint8_t room[sizeof(wrn_link_stats) + 8];
      std::fill(std::begin(room), std::end(room), uint8_t{0x5e});
      auto* small = reinterpret_cast<wrn_link_stats*>(room);
      small->size = size;
      r.a().enter("stats", [&] { return t.stats(r.a().raw(), r.ab(), small); });
      require(std::all_of(room + size, std::end(room), [](uint8_t b) { return b == 0x5e; }),
              say("stats() wrote beyond the ", size, " bytes that the caller had"));
   }
   r.down();
}

} // namespace warren::check
