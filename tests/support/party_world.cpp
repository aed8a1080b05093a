#include "tests/support/party_world.hpp"

#include "core/base/address.hpp"

#include <algorithm>
#include <cstring>

namespace warren::support {

party_node::party_node(party_world& w, unsigned number) : world(w) {
   (void)number;
   auto made = std::make_shared<trust::identity>();
   const auto chance = [this](void* out, size_t bytes) { random(out, bytes); };
   made->signing = crypto::make_signing_key(chance);
   made->tunnel = crypto::make_tunnel_key(chance);
   identity = made;
}

uint64_t party_node::wall_ms() {
   const int64_t at = static_cast<int64_t>(world.wall) + clock_off_ms;
   return at > 0 ? static_cast<uint64_t>(at) : 0;
}
uint64_t party_node::now_ms() { return world.now; }

void party_node::random(void* out, size_t bytes) {
   auto* to = static_cast<uint8_t*>(out);
   while (bytes > 0) {
      const uint64_t word = world.random();
      const size_t n = std::min(bytes, sizeof word);
      std::memcpy(to, &word, n);
      to += n;
      bytes -= n;
   }
}

bool party_node::send(const trust::node_id& to, std::vector<uint8_t> message) {
   if (!world.links_.contains({id(), to})) return false;
   world.bytes[{id(), to}] += message.size();
   world.under_way_.push_back({world.now + 10, id(), to, std::move(message)});
   return true;
}

base::result<void> party_node::save(std::span<const uint8_t> state) {
   if (disk_full) return base::fail(base::errc::io, "no space left on the device");
   saves++;
   disk.assign(state.begin(), state.end());
   return {};
}

void party_node::event(std::string name, trust::fields what) {
   events.emplace_back(std::move(name), std::move(what));
}

size_t party_node::saw(std::string_view event_name) const {
   return static_cast<size_t>(std::count_if(events.begin(), events.end(),
                                            [&](const auto& e) { return e.first == event_name; }));
}

std::string party_node::last(std::string_view event_name, std::string_view field) const {
   for (size_t i = events.size(); i-- > 0;)
      if (events[i].first == event_name)
         for (const auto& [key, value] : events[i].second)
            if (key == field) return value;
   return "";
}

base::result<void> party_node::restart() {
   auto made = trust::party::restore(*this, identity, disk);
   if (!made) return made.error();
   party = std::move(*made);
   for (const auto& other : world.nodes)
      if (world.linked(*this, *other)) party->on_link(other->id(), true, "restart");
   return {};
}

uint64_t party_world::random() {
   state_ += 0x9e3779b97f4a7c15; // splitmix64
   uint64_t z = state_;
   z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
   z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
   return z ^ (z >> 31);
}

party_node* party_world::find(const trust::node_id& id) {
   const auto it = by_id_.find(id);
   return it == by_id_.end() ? nullptr : it->second;
}

party_node& party_world::add() {
   nodes.push_back(std::make_unique<party_node>(*this, static_cast<unsigned>(nodes.size())));
   by_id_[nodes.back()->id()] = nodes.back().get();
   return *nodes.back();
}

party_node& party_world::add_creator(std::string_view plan) {
   party_node& n = add();
   trust::party::birth birth;
   birth.network_name = "acme";
   birth.node_name = "host";
   birth.plan = *base::parse_prefix(plan);
   n.party = std::move(*trust::party::create(n, n.identity, birth));
   return n;
}

party_node& party_world::add_joiner(party_node& admin, const trust::invite_state& invite,
                                    const std::string& name) {
   party_node& n = add();
   trust::party::invitation with{admin->network(), admin.id(), invite.id, invite.secret,
                                 "token",          false,      {},        name};
   n.party = std::move(*trust::party::join(n, n.identity, with));
   link(n, admin);
   return n;
}

party_node& party_world::add_member(party_node& admin) {
   trust::party::invite_terms terms;
   terms.auto_accept = true;
   const auto invite = *admin->invite(terms);
   party_node& n = add_joiner(admin, invite, "n" + std::to_string(nodes.size()));
   until([&] { return n->state() == trust::standing::member; }, 2000);
   return n;
}

bool party_world::linked(const party_node& a, const party_node& b) const {
   return links_.contains({a.id(), b.id()});
}

void party_world::link(party_node& a, party_node& b) {
   if (!links_.insert({a.id(), b.id()}).second) return;
   links_.insert({b.id(), a.id()});
   if (a.party) a.party->on_link(b.id(), true, "test");
   if (b.party) b.party->on_link(a.id(), true, "test");
}

void party_world::unlink(party_node& a, party_node& b) {
   if (links_.erase({a.id(), b.id()}) == 0) return;
   links_.erase({b.id(), a.id()});
   if (a.party) a.party->on_link(b.id(), false, "");
   if (b.party) b.party->on_link(a.id(), false, "");
}

void party_world::unlink_all() {
   for (const auto& [a, b] : std::set(links_))
      unlink(*find(a), *find(b));
}

void party_world::link_partners() {
   for (const auto& n : nodes)
      if (n->party)
         for (const auto& id : n->party->partners())
            if (party_node* other = find(id); other != nullptr && other->party) link(*n, *other);
}

void party_world::run_ms(uint64_t ms) {
   const uint64_t end = now + ms;
   while (now < end) {
      now += 10;
      wall += 10;
      while (!under_way_.empty() && under_way_.front().at <= now) {
         const message m = std::move(under_way_.front());
         under_way_.pop_front();
         party_node* to = find(m.to);
         if (to != nullptr && to->party && links_.contains({m.from, m.to}))
            to->party->on_message(m.from, m.bytes);
      }
      if (now % 100 == 0)
         for (const auto& n : nodes)
            if (n->party) n->party->tick();
   }
}

bool party_world::until(const std::function<bool()>& pred, uint64_t ms) {
   for (const uint64_t end = now + ms; now < end; run_ms(50))
      if (pred()) return true;
   return pred();
}

} // namespace warren::support
