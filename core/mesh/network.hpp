// One network of this node: the object between the TUN device and the transports.
//
// Lives on its shard; every member is called there (the daemon posts). It sees the world through
// io::shard only, so that tests run whole meshes of it under virtual time. Its configuration
// changes by apply(), which opens everything new before it closes anything old: a plan that cannot
// be carried out leaves the network as it was.
#pragma once

#include "core/base/handle_table.hpp"
#include "core/mesh/frame.hpp"
#include "core/mesh/icmp.hpp"
#include "core/mesh/peer.hpp"
#include "core/mesh/status.hpp"
#include "core/route/filter.hpp"
#include "core/route/flow_cache.hpp"
#include "core/route/owner_table.hpp"
#include "core/trust/key_statement.hpp"
#include "core/trust/table.hpp"

#include <map>
#include <unordered_map>

namespace warren::mesh {

/// What a network shall become. Instances are configured, not started. [moved from control thread
/// to shard]
struct plan {
   config::network settings;
   std::shared_ptr<const trust::identity> identity;
   /// One per settings.transports / settings.plugins: a new instance, or null to keep the running
   /// one of the same use.
   std::vector<std::unique_ptr<plugin::instance>> transports, plugins;
   /// Of a network with certificates; its members are among settings.peers.
   std::shared_ptr<const trust::table> members;
};

/// What a network with certificates hears from other nodes' parties. Called on the shard, at top
/// level; must not block.
struct trust_handler {
   std::function<void(const trust::node_id& from, std::vector<uint8_t> message)> on_message;
   std::function<void(const trust::node_id& peer, bool up, std::string endpoint)> on_link;
   /// Two processes speak with this member's keys in turn.
   std::function<void(const trust::node_id& peer)> on_clone;
   /// What the admin whom this node asks to be let in said of its invite.
   std::function<void(trust::invite_verdict verdict)> on_knock;
};

class network final : public plugin::host_port,
                      public io::tun_sink,
                      public io::udp_sink,
                      public io::tcp_listener_sink,
                      public io::timer_sink {
 public:
   static constexpr uint64_t maintenance_interval_ns = 1'000'000'000;

   network(io::shard& shard, std::string name, event_handler on_event);
   ~network() override; // stopped

   /// Starts, or changes what runs. On failure nothing has changed.
   /// `retired` receives instances that are stopped and shall be destroyed on the control thread.
   base::result<void> apply(plan wanted, std::vector<std::unique_ptr<plugin::instance>>& retired);
   /// Stops and closes everything; idempotent. Transports get a moment's drain without waiting.
   void stop(std::vector<std::unique_ptr<plugin::instance>>& retired);

   network_status status() const;
   /// One echo to a peer (by name, id or address); the answer or the reason comes later, exactly
   /// once.
   void ping(const std::string& target, size_t bytes, uint64_t timeout_ns,
             std::function<void(base::result<ping_result>)> done);

   /// A request of the control API for a plugin; the answer or the reason comes later, exactly
   /// once.
   void request(const plugin_request& what, std::function<void(base::result<plugin_answer>)> done);

   /// Before the first apply().
   void set_trust_handler(trust_handler handler) { trust_ = std::move(handler); }
   /// The transports' names and where they listen.
   std::vector<std::pair<std::string, wrn_addr>> listening() const;
   /// A message for the party of a linked node; false when there is no room or no link.
   bool send_trust(const trust::node_id& to, std::span<const uint8_t> message);
   /// Access rules from now on; null: everything is accepted. Rules of the configuration take their
   /// place when they change.
   void set_acl(std::shared_ptr<const route::acl> rules, bool default_accept);
   /// errc::not_found for a name that no member has.
   base::result<explain_result> explain(const explain_request& request) const;
   drop_report recent_drops() const;

   /// The kernel's view changed or was changed: transports forget sticky addresses, interface
   /// settings are repaired.
   void on_network_changed();

   // io::tun_sink, io::udp_sink, io::tcp_listener_sink, io::timer_sink
   void on_packets(io::tun_device& tun, std::span<wrn_pkt> packets) override;
   void on_link(io::tun_device& tun, bool up) override;
   void on_datagrams(io::udp_socket& socket, std::span<wrn_pkt> datagrams) override;
   void on_writable(io::udp_socket& socket) override;
   void on_accepted(io::tcp_listener& listener, std::unique_ptr<io::tcp_stream> stream,
                    const wrn_addr& from) override;
   void on_timer(uint64_t timer, uint64_t tag) override;

   // plugin::host_port
   const trust::identity& identity() const override { return *identity_; }
   void drop(plugin::instance& from, uint64_t peer, std::span<const wrn_pkt> packets,
             uint32_t reason) override;
   uint32_t udp_room(plugin::instance& from, uint64_t sock) override;
   void udp_send(plugin::instance& from, uint64_t sock, std::span<const wrn_pkt> packets) override;
   wrn_status udp_local(plugin::instance& from, uint64_t sock, wrn_addr& out) override;
   wrn_status link_incoming(plugin::instance& from, const wrn_key& tunnel_key,
                            const wrn_addr& remote, uint64_t& link,
                            wrn_link_params& params) override;
   void link_state(plugin::instance& from, uint64_t link, uint32_t state, wrn_status why) override;
   void link_moved(plugin::instance& from, uint64_t link, const wrn_addr& remote) override;
   void link_deliver(plugin::instance& from, uint64_t link, std::span<wrn_pkt> packets) override;
   void link_writable(plugin::instance& from, uint64_t link) override;
   wrn_status offer(plugin::instance& from, uint64_t peer,
                    std::span<const wrn_endpoint> endpoints) override;
   uint32_t members(std::span<uint64_t> out) const override;
   uint64_t member_by_id(const wrn_key& id) const override;
   wrn_status member_info(uint64_t peer, wrn_member& out) const override;
   wrn_status send_message(plugin::instance& from, uint64_t peer,
                           std::span<const uint8_t> bytes) override;
   wrn_status send_bulk(plugin::instance& from, uint64_t peer, std::span<const uint8_t> bytes,
                        uint64_t tag) override;
   wrn_status publish(plugin::instance& from, std::span<const wrn_route> routes) override;
   bool relays() const override { return settings_.relay; }
   wrn_status respond(plugin::instance& from, uint64_t request, uint32_t status,
                      std::string_view json) override;
   void failed(plugin::instance& from, wrn_status status, std::string_view why) override;

 private:
   struct pending_ping {
      uint64_t peer = 0, sent = 0, deadline = 0;
      uint16_t sequence = 0;
      wrn_addr address{};
      size_t bytes = 0;
      std::function<void(base::result<ping_result>)> done;
   };
   struct pending_request {
      const plugin::instance* from = nullptr;
      uint64_t deadline = 0;
      std::function<void(base::result<plugin_answer>)> done;
   };
   struct queued_frame {
      uint64_t peer = 0; // it came from, or goes to; 0 = our own
      wrn_pkt packet{};
   };
   struct step { // of an overlay packet: onward by a link, or arrived for a transport
      link* onward = nullptr;
      transport* arrived = nullptr;
   };
   struct drop_note {
      drop_record what;
      std::shared_ptr<const route::rule_set> rules;
      uint32_t rule = route::no_rule;
   };
   struct bulk_port;
   friend struct bulk_port;
   struct bucket { // tokens per second with a burst of one second
      uint64_t per_second, tokens, refilled = 0;
      bool take(uint64_t now);
   };

   // network.cpp: life
   struct staged; // what apply() prepared
   base::result<void> prepare(plan& wanted, staged& next);
   base::result<void> prepare_tun(const config::network& wanted, staged& next);
   void commit(plan& wanted, staged& next, std::vector<std::unique_ptr<plugin::instance>>& retired);
   void undo(staged& next, std::vector<std::unique_ptr<plugin::instance>>& retired);
   void commit_peers(const std::vector<config::peer>& wanted);
   void rebuild_owners();
   peer& add_peer(const config::peer& settings);
   void tell_discovery(const peer& p, const plugin::instance& d) const;
   void remove_peer(peer& p);
   void update_peer(peer& p, const config::peer& settings);
   peer* find_peer(const config::peer& settings) const;
   peer* find_peer(std::string_view target) const;
   void release_learned_key(const config::peer& pinned);
   void stop_transport(transport& t, std::vector<std::unique_ptr<plugin::instance>>& retired);

   // network_sockets.cpp: what transports live on
   base::result<std::shared_ptr<bound_socket>>
   open_sockets(const config::plugin_use& use, const transport& t, base::offload_set offload);
   void tell_sockets(transport& t);
   bool is_own_stream(const peer& p, const route::ip_view& ip) const;

   // network_links.cpp: links, endpoints, failures
   void open_links(peer& p);
   void open_link(peer& p, transport& t);
   void close_link(link& l);
   void close_links(peer& p);
   wrn_link_params params_of(const peer& p, const wrn_addr& remote) const;
   link* usable_link(peer& p) const;
   const candidate* candidate_for(const link& l, size_t index) const;
   size_t candidate_count(const link& l) const;
   void move_to_next_endpoint(link& l);
   void tell_unreachable(peer& p);
   transport* transport_of(const plugin::instance& from) const;
   link* link_of(const plugin::instance& from, uint64_t handle) const;
   void maintain();
   void want_maintenance(uint64_t in = maintenance_interval_ns);
   void later(link& l);
   void want_later();
   void run_later();
   void tell_moved(link& l);

   // network_messages.cpp: messages, members
   const plugin::instance* on_channel(uint32_t channel) const;
   link* linked(peer& p) const;
   std::unique_ptr<bulk_channel> make_bulk();
   void end_bulk(peer& p, wrn_status why);
   void want_bulk(uint64_t at);
   void run_bulk();
   void run_messages();
   void clear_frames(std::vector<queued_frame>& queue);
   void news_of(peer& p);
   void run_news();
   void tell_member(const peer& p, const plugin::instance& d, uint32_t change) const;
   void tell_neighbor(const peer& p, const plugin::instance& d) const;
   void introduce(const peer& p, const plugin::instance& d) const;
   uint32_t neighbor_cost(const peer& p) const;
   void forget_plugin(const plugin::instance& d);

   // network_overlay.cpp: ways through other members
   void number_peers();
   bool is_direct(const link& l) const;
   link* next_hop(peer& p, uint32_t source, uint64_t except) const;
   bool has_way(peer& p) const;
   bool has_overlay_way(const link& l) const;
   void take_overlay_path(link& l);
   std::span<const wrn_pkt> take_overlay(transport& t, std::span<const wrn_pkt> packets,
                                         std::vector<wrn_pkt>& rest);
   void push_transit(uint64_t from, const wrn_pkt& packet);
   void run_transit();
   step next_step(queued_frame& item);
   void look_for_direct(peer& p);
   void found_direct(peer& p, const transport& t, const wrn_addr& at);
   bool has_routing() const;

   // network_mtu.cpp: what a link carries
   void place(link& l, const wrn_addr& at);
   uint32_t mtu_of(const link& l) const;
   void renew_mtu();
   void send_fitted(link& l, std::span<wrn_pkt> packets);
   uint32_t cut(peer& p, wrn_pkt& packet, uint32_t mtu, std::span<wrn_pkt> later);
   void clamp(peer& p, const wrn_pkt& packet, const route::ip_view& ip) const;
   bool is_member(uint8_t family, const uint8_t* ip) const;

   // network_control.cpp: requests for plugins
   void end_requests(const std::function<bool(const pending_request&)>& which,
                     const base::error& why);
   void forget_requests(const plugin::instance& d);
   bool expire_requests();

   // network_data.cpp: packets
   void receive(transport& t, std::span<wrn_pkt> datagrams);
   bool keep_frame(peer& p, const wrn_pkt& packet);
   uint64_t owner_of(const route::ip_view& ip);
   void send_to(peer& p, std::span<wrn_pkt> packets, uint32_t longest);
   void send_on(link& l, std::span<wrn_pkt> packets);
   void wait_for_key(peer& p, std::span<wrn_pkt> packets);
   void end_waiting(peer& p, bool send);
   void flush_queue(link& l);
   void count_drop(peer* p, drop_reason why, uint64_t packets = 1);
   void drop_all(peer* p, std::span<const wrn_pkt> packets, drop_reason why);
   void answer(const std::optional<std::vector<uint8_t>>& icmp);
   void answer_unreachable(std::span<const wrn_pkt> packets, unreachable_reason why);
   bool is_own_datagram(const peer& p, const route::ip_view& ip) const;
   bool source_belongs(peer& p, const route::ip_view& ip);
   bool may_wait() const;
   bool send_frame(link& l, uint8_t type, std::span<const uint8_t> body);
   void send_echo(link& l);
   void on_frame(link& l, std::span<const uint8_t> packet);
   bool take_ping_reply(peer& p, std::span<const uint8_t> packet, const route::ip_view& ip);

   // network_acl.cpp: access rules
   base::result<std::shared_ptr<const route::acl>> read_rules(const config::network& wanted) const;
   void renew_rules();
   std::vector<route::member_view> member_views() const;
   uint64_t member_behind(const peer& p, std::span<const uint8_t> packet, bool incoming) const;
   bool passes(const peer& p, std::span<const uint8_t> packet, uint64_t now, bool incoming);
   void note_drop(const peer& p, std::span<const uint8_t> packet, const route::verdict& v,
                  bool incoming);
   rule_verdict ask_rules(const wrn_addr& from, const wrn_addr& to, int protocol,
                          std::optional<uint16_t> port) const;
   std::vector<wrn_addr> addresses_of(const std::string& who, std::string& owner) const;

   // key_exchange.cpp
   void ask_key(peer& p);
   void on_key_datagram(transport& t, const wrn_pkt& datagram);
   void learn_key(peer& p, const trust::key_message& message);
   void send_raw(transport& t, const wrn_addr& to, uint32_t local, std::span<const uint8_t> bytes);
   // network_trust.cpp: strangers who knock, and the keys of members' links
   std::optional<crypto::bytes32> psk_of(const peer& p) const;
   void say_entitlement(const peer& p, trust::key_message& message) const;
   const trust::network_secret* shared_secret(const peer& p) const;
   void on_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message);
   void on_knock_answer(peer& p, const trust::key_message& message);
   void refuse_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message,
                     trust::invite_verdict verdict);
   void answer_knock(transport& t, const wrn_pkt& datagram, const trust::key_message& message,
                     trust::invite_verdict verdict, bool fresh);
   void watch_instance(peer& p, uint64_t instance);
   peer* guest_way(const peer& from, const route::ip_view& ip);
   void pass_on(peer& to, const wrn_pkt& packet, uint8_t family);
   void run_passing();
   void learn_secret(peer& p, uint64_t epoch, const std::array<uint8_t, 8>& name, bool surely_now);
   void mind_joiner(peer& p, const trust::key_message& message);
   void renew_psk(peer& p);
   void renew_psks();
   void end_quarantine(bool all);
   hello own_hello() const;

   bool wants_key(const peer& p) const {
      return p.settings.id.has_value() && !p.settings.tunnel_key.has_value();
   }

   void emit(std::string name, std::vector<std::pair<std::string, std::string>> fields);
   const wrn_addr* own_address(uint8_t family) const;

   io::shard& shard_;
   std::string name_;
   event_handler on_event_;
   bool running_ = false;
   int64_t since_wall_ns_ = 0;

   config::network settings_;
   std::shared_ptr<const trust::identity> identity_;
   std::shared_ptr<const trust::table> members_; // null: the configuration is the trust
   trust_handler trust_;
   std::map<std::array<uint8_t, 17>, uint64_t> guests_; // family and address -> member of the rules
   std::unique_ptr<io::tun_device> tun_;
   bool tun_up_ = true;
   std::vector<std::unique_ptr<transport>> transports_;
   std::vector<std::unique_ptr<plugin::instance>> plugins_;
   base::handle_table<peer> peers_;
   std::unordered_map<uint64_t, link*> links_;
   uint64_t next_handle_ = 1; // links and sockets: never used twice

   route::owner_table owners_;
   route::flow_cache flows_;
   uint32_t epoch_ = 0;
   drop_counters drops_{};

   std::shared_ptr<const route::acl> acl_;
   bool acl_default_accept_ = false;
   std::unique_ptr<route::filter> filter_; // null: no rules
   std::vector<drop_note> drop_notes_;     // a ring, bounded
   size_t next_drop_note_ = 0;
   bucket note_budget_;

   uint64_t maintenance_timer_ = 0, maintenance_at_ = 0;
   uint64_t ping_timer_ = 0;
   // What a plugin's call led to and what calls plugins in turn: done after that call has returned,
   // since host functions never call back.
   uint64_t later_timer_ = 0;
   std::vector<uint64_t> later_links_, later_peers_, later_psks_, news_;
   std::vector<queued_frame> inbox_, outbox_, transit_, moving_; // each bounded; moving_ is scratch
   std::vector<queued_frame> passing_; // between stock clients and other members; bounded
   uint64_t instance_ = 0;             // of this process, in echoes
   bool has_guests_ = false;           // some peer of a network with certificates is a stock client
   std::vector<std::pair<transport*, wrn_pkt>> arrived_; // scratch
   std::unordered_map<uint32_t, uint64_t> numbers_;      // overlay address -> peer
   uint32_t own_number_ = 0;
   uint64_t bulk_timer_ = 0, bulk_at_ = 0;
   std::unordered_map<uint64_t, pending_request> requests_;
   std::vector<pending_ping> pings_;
   uint16_t ping_identifier_ = 0, ping_sequence_ = 0;
   bucket icmp_budget_;
   bucket key_budget_;
   bucket knock_notes_; // refused knocks that are told
};

} // namespace warren::mesh
