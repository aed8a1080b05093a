#pragma once
// A network of engines in memory, in virtual time: messages are delivered by a queue with a delay
// and whatever a test makes of them (lost, twice, late, changed). Deterministic for a seed. Nodes
// stage packets as a plugin would.
#include "plugins/transport/wireguard/engine.hpp"
#include "plugins/transport/wireguard/messages.hpp"
#include <cstring>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <sodium.h>
#include <string>

namespace warren::wireguard::testing {

using bytes = std::vector<uint8_t>;
constexpr uint64_t s = second_ns;
constexpr uint64_t ms = millisecond_ns;

inline endpoint address(uint32_t host, uint16_t port = 51820) {
   endpoint e;
   e.family = 4;
   e.port = port;
   e.ip[0] = 10;
   e.ip[1] = static_cast<uint8_t>(host >> 16);
   e.ip[2] = static_cast<uint8_t>(host >> 8);
   e.ip[3] = static_cast<uint8_t>(host);
   return e;
}

// An IPv4 packet of `size` bytes whose content is known from `number`.
inline bytes ip_packet(size_t size, uint32_t number = 0) {
   bytes p(size);
   for (size_t i = 0; i < size; i++)
      p[i] = static_cast<uint8_t>(number * 31 + i);
   p[0] = 0x45;
   p[2] = static_cast<uint8_t>(size >> 8);
   p[3] = static_cast<uint8_t>(size);
   store_le32(&p[4], number);
   return p;
}

struct key_pair {
   key32 secret{};
   key32 open{};
   explicit key_pair(uint64_t seed) {
      store_le64(secret.data(), seed * 0x9e3779b97f4a7c15);
      secret[9] = 77;
      crypto_scalarmult_curve25519_base(open.data(), secret.data());
   }
   engine::identity identity() const {
      return {open, [secret = secret](const uint8_t* peer, uint8_t* out) {
                 return crypto_scalarmult_curve25519(out, secret.data(), peer) == 0;
              }};
   }
};

// An AEAD that notes under which key and counter something was sealed, and complains about a second
// time.
class recording_aead final : public aead_backend {
 public:
   struct ledger {
      std::set<std::pair<key32, uint64_t>> sealed;
      size_t repeated = 0;
   };
   recording_aead(std::shared_ptr<ledger> l, std::unique_ptr<aead_backend> inner)
       : ledger_(std::move(l)), inner_(std::move(inner)) {}
   std::string_view name() const noexcept override { return inner_->name(); }
   std::unique_ptr<aead_key> make_key(std::span<const uint8_t, 32> key) override {
      return std::make_unique<recording_key>(ledger_, key, inner_->make_key(key));
   }

 private:
   struct recording_key final : aead_key {
      recording_key(std::shared_ptr<ledger> l, std::span<const uint8_t, 32> k,
                    std::unique_ptr<aead_key> i)
          : book(std::move(l)), inner(std::move(i)) {
         std::copy(k.begin(), k.end(), key.begin());
      }
      void seal(std::span<aead_job> jobs) noexcept override {
         for (const aead_job& j : jobs)
            if (!book->sealed.emplace(key, j.counter).second) book->repeated++;
         inner->seal(jobs);
      }
      void open(std::span<aead_job> jobs) noexcept override { inner->open(jobs); }
      std::shared_ptr<ledger> book;
      key32 key{};
      std::unique_ptr<aead_key> inner;
   };
   std::shared_ptr<ledger> ledger_;
   std::unique_ptr<aead_backend> inner_;
};

class network;

struct received_packet {
   peer_id peer;
   bytes packet;
   uint64_t at;
};

class node final : public engine_events {
 public:
   node(network& net, uint32_t number, const timing& times);

   peer_id add(const node& other, uint16_t keepalive_s = 0, key32 psk = {},
               bool know_address = true);
   // Sends an inner packet as a plugin does: seals it, or stages it and asks for a session.
   void push(peer_id to, bytes packet);
   std::vector<receive_result> deliver(std::vector<std::pair<endpoint, bytes>> messages);

   void send(peer_id peer, const endpoint& to, std::span<const uint8_t> message) override;
   void session_ready(peer_id peer) override;
   void session_lost(peer_id peer, lost_reason reason) override {
      lost.emplace_back(peer, reason);
      staged.erase(peer);
   }
   void endpoint_changed(peer_id, const endpoint& remote) override { roamed.push_back(remote); }
   peer_id unknown_peer(const key32& key, const endpoint& from) override {
      strangers.push_back(key);
      return on_stranger ? on_stranger(key, from) : no_peer;
   }

   network& net;
   key_pair keys;
   endpoint at;
   std::unique_ptr<engine> wg;
   std::map<peer_id, std::deque<bytes>> staged;
   std::vector<received_packet> received;
   std::vector<std::pair<peer_id, lost_reason>> lost;
   std::vector<endpoint> roamed;
   std::vector<key32> strangers;
   std::function<peer_id(const key32&, const endpoint&)> on_stranger;
   std::map<receive_result, size_t> results;
   size_t ready_events = 0;

 private:
   bool transmit(peer_id to, const bytes& packet);
};

struct message_in_flight {
   uint64_t at;
   uint64_t order;
   endpoint from;
   endpoint to;
   bytes data;
   bool operator>(const message_in_flight& o) const {
      return std::tie(at, order) > std::tie(o.at, o.order);
   }
};

class network {
 public:
   explicit network(uint64_t seed = 1) : random(seed) {}

   node& make_node(const timing& times = {}) {
      nodes.push_back(
            std::make_unique<node>(*this, static_cast<uint32_t>(nodes.size() + 1), times));
      return *nodes.back();
   }

   void transmit(const endpoint& from, const endpoint& to, bytes data) {
      log.push_back({now, order, from, to, data});
      uint64_t delivery = now + delay;
      if (filter && !filter(log.back(), delivery)) return;
      flying.push({delivery, order++, from, to, std::move(data)});
   }
   void inject(const endpoint& from, const endpoint& to, bytes data) {
      flying.push({now, order++, from, to, std::move(data)});
   }

   void run_until(uint64_t end) {
      while (step(end)) {
      }
      now = end;
   }
   void run_for(uint64_t span) { run_until(now + span); }

   int64_t wall() const { return static_cast<int64_t>(now) + wall_offset; }

   // Messages that were sent since `since` with the given type, from anywhere if `from` is null.
   size_t count_sent(message_type type, const node* from = nullptr, uint64_t since = 0) const {
      size_t n = 0;
      for (const auto& m : log)
         if (m.at >= since && type_of(m.data) == uint32_t(type) && (!from || m.from == from->at))
            n++;
      return n;
   }

   uint64_t now = 1000 * s;
   int64_t wall_offset = 1'700'000'000ll * int64_t{s};
   uint64_t delay = 10 * ms;
   std::mt19937_64 random;
   // Returns false to lose the message; may change when it arrives.
   std::function<bool(const message_in_flight&, uint64_t& delivery)> filter;
   std::vector<message_in_flight> log;
   std::vector<std::unique_ptr<node>> nodes;
   std::shared_ptr<recording_aead::ledger> ledger = std::make_shared<recording_aead::ledger>();
   uint64_t order = 0;

 private:
   bool step(uint64_t end) {
      uint64_t next = flying.empty() ? never : flying.top().at;
      node* due = nullptr;
      for (const auto& n : nodes) {
         const uint64_t deadline = std::max(n->wg->next_deadline(), now);
         if (deadline >= next) continue;
         next = deadline;
         due = n.get();
      }
      if (next > end) return false;
      calls_at_same_time_ = next == now ? calls_at_same_time_ + 1 : 0;
      if (calls_at_same_time_ > 200'000) {
         ADD_FAILURE() << "time stands still";
         return false;
      }
      now = next;
      if (due != nullptr) {
         due->wg->on_time(now, wall());
         return true;
      }
      // Everything that arrives at one place at this instant is one batch.
      const endpoint to = flying.top().to;
      std::vector<std::pair<endpoint, bytes>> batch;
      while (!flying.empty() && flying.top().at == now && flying.top().to == to) {
         batch.emplace_back(flying.top().from, flying.top().data);
         flying.pop();
      }
      for (const auto& n : nodes)
         if (n->at == to) {
            n->deliver(std::move(batch));
            break;
         }
      return true;
   }

   std::priority_queue<message_in_flight, std::vector<message_in_flight>, std::greater<>> flying;
   size_t calls_at_same_time_ = 0;
};

inline node::node(network& n, uint32_t number, const timing& times)
    : net(n), keys(number), at(address(number)) {
   wg = std::make_unique<engine>(
         *this,
         [&n](void* out, size_t size) {
            for (size_t i = 0; i < size; i++)
               static_cast<uint8_t*>(out)[i] = static_cast<uint8_t>(n.random());
         },
         std::make_unique<recording_aead>(n.ledger, find_aead("openssl")), times);
   wg->set_identity(keys.identity(), net.now, net.wall());
}

inline peer_id node::add(const node& other, uint16_t keepalive_s, key32 psk, bool know_address) {
   peer_config c;
   c.public_key = other.keys.open;
   c.psk = psk;
   c.persistent_keepalive_s = keepalive_s;
   if (know_address) c.remote = other.at;
   return wg->add_peer(c);
}

inline void node::push(peer_id to, bytes packet) {
   if (transmit(to, packet)) return;
   staged[to].push_back(std::move(packet));
   wg->want_session(to, net.now);
}

inline bool node::transmit(peer_id to, const bytes& packet) {
   bytes buffer(seal_headroom + packet.size() + seal_tailroom);
   std::copy(packet.begin(), packet.end(), buffer.begin() + seal_headroom);
   frame f{buffer.data() + seal_headroom, static_cast<uint32_t>(packet.size())};
   if (wg->seal(to, {&f, 1}, net.now) == 0) return false;
   net.transmit(at, wg->remote(to), bytes(f.data, f.data + f.len));
   return true;
}

inline std::vector<receive_result> node::deliver(std::vector<std::pair<endpoint, bytes>> messages) {
   std::vector<datagram> in;
   for (auto& [from, data] : messages)
      in.push_back({data.data(), static_cast<uint32_t>(data.size()), from});
   wg->receive(in, net.now, net.wall());
   std::vector<receive_result> out;
   for (const datagram& d : in) {
      results[d.result]++;
      out.push_back(d.result);
      if (d.result == receive_result::data)
         received.push_back({d.peer, bytes(d.plain, d.plain + d.plain_len), net.now});
   }
   return out;
}

inline void node::send(peer_id, const endpoint& to, std::span<const uint8_t> message) {
   net.transmit(at, to, bytes(message.begin(), message.end()));
}

inline void node::session_ready(peer_id peer) {
   ready_events++;
   auto waiting = std::move(staged[peer]);
   staged.erase(peer);
   for (auto& packet : waiting)
      EXPECT_TRUE(transmit(peer, packet));
}

// Two nodes that know each other, before any message.
struct pair_of_nodes {
   explicit pair_of_nodes(const timing& times = {}, uint64_t seed = 1, key32 psk_a = {},
                          key32 psk_b = {})
       : net(seed), a(net.make_node(times)), b(net.make_node(times)), to_b(a.add(b, 0, psk_a)),
         to_a(b.add(a, 0, psk_b)) {}
   // a initiates and one packet goes across.
   void connect() {
      a.push(to_b, ip_packet(100, 1));
      net.run_for(100 * ms);
      ASSERT_TRUE(a.wg->ready(to_b, net.now));
      ASSERT_TRUE(b.wg->ready(to_a, net.now));
   }
   network net;
   node& a;
   node& b;
   peer_id to_b;
   peer_id to_a;
};

} // namespace warren::wireguard::testing
