// Networks of parties in one process under virtual time: who is linked to whom is the test's, a
// message takes ten milliseconds, what is stored is kept in memory and may be told to fail.
#pragma once

#include "core/trust/party.hpp"

#include <deque>
#include <memory>
#include <string>

namespace warren::support {

class party_world;

class party_node final : public trust::party_host {
 public:
   party_node(party_world& world, unsigned number);

   uint64_t wall_ms() override;
   uint64_t now_ms() override;
   void random(void* out, size_t bytes) override;
   bool send(const trust::node_id& to, std::vector<uint8_t> message) override;
   base::result<void> save(std::span<const uint8_t> state) override;
   void event(std::string name, trust::fields what) override;

   const trust::node_id& id() const { return identity->signing.id; }
   trust::party& operator*() { return *party; }
   trust::party* operator->() { return party.get(); }
   /// The process ends and starts again from what is stored.
   base::result<void> restart();
   size_t saw(std::string_view event_name) const;
   std::string last(std::string_view event_name, std::string_view field) const;

   party_world& world;
   std::shared_ptr<const trust::identity> identity;
   std::unique_ptr<trust::party> party;
   std::vector<uint8_t> disk;
   int64_t clock_off_ms = 0;
   bool disk_full = false;
   std::vector<std::pair<std::string, trust::fields>> events;
   uint64_t saves = 0;
};

class party_world {
 public:
   explicit party_world(uint64_t seed) : state_(seed * 2 + 1) {}

   party_node& add();
   /// A first node with a network.
   party_node& add_creator(std::string_view plan = "10.100.0.0/16");
   /// A node that is invited by `admin` and linked to it.
   party_node& add_joiner(party_node& admin, const trust::invite_state& invite,
                          const std::string& name);
   /// A member, without waiting: invited, accepted, linked to `admin`.
   party_node& add_member(party_node& admin);

   void link(party_node& a, party_node& b);
   void unlink(party_node& a, party_node& b);
   void unlink_all();
   bool linked(const party_node& a, const party_node& b) const;
   /// Links as the nodes would make them: each to its partners.
   void link_partners();
   void run_ms(uint64_t ms);
   bool until(const std::function<bool()>& pred, uint64_t ms);
   uint64_t random();

   uint64_t now = 1'000; // monotonic, ms
   uint64_t wall = 1'700'000'000'000;
   std::vector<std::unique_ptr<party_node>> nodes;
   /// Bytes since the last clear, by link.
   std::map<std::pair<trust::node_id, trust::node_id>, uint64_t> bytes;

 private:
   friend class party_node;
   struct message {
      uint64_t at = 0;
      trust::node_id from{}, to{};
      std::vector<uint8_t> bytes;
   };
   party_node* find(const trust::node_id& id);
   uint64_t state_;
   std::deque<message> under_way_;
   std::set<std::pair<trust::node_id, trust::node_id>> links_;
   std::map<trust::node_id, party_node*> by_id_;
};

} // namespace warren::support
