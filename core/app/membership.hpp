// A network with certificates as the daemon runs it: the party of core/trust with a disk, a clock
// and links under it. Control thread; what happens on the shard arrives as calls of the daemon.
#pragma once

#include "core/config/model.hpp"
#include "core/mesh/status.hpp"
#include "core/trust/party.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <functional>

namespace warren::app {

class membership final : public trust::party_host {
 public:
   struct hooks {
      std::function<bool(const trust::node_id& to, std::vector<uint8_t> message)> send;
      std::function<void(std::string name, trust::fields what)> event;
      /// The table of members has changed, or this node's keys have.
      std::function<void()> changed;
   };

   /// `folder` is the network's in the state folder, `keys` that of its keys.
   membership(boost::asio::io_context& context, std::filesystem::path folder,
              std::filesystem::path keys, hooks with);
   ~membership() override;

   /// From disk; errc::not_found when this node holds nothing of the network.
   base::result<void> open();
   base::result<void> create(const trust::party::birth& wanted);
   base::result<void> join(const trust::party::invitation& with);

   trust::party& operator*() { return *party_; }
   trust::party* operator->() { return party_.get(); }
   std::shared_ptr<const trust::identity> identity() const { return identity_; }

   void on_message(const trust::node_id& from, std::span<const uint8_t> message);
   void on_link(const trust::node_id& peer, bool up, const std::string& endpoint);
   void on_knock(trust::invite_verdict verdict);
   void on_clone(const trust::node_id& peer);
   /// Runs the party soon, and the timer from now on.
   void wake();
   /// Where this node can be reached; asked for every few seconds.
   std::function<std::vector<std::string>()> endpoints;

   /// One line of the audit log, which is a file beside the state; the newest `count` of them.
   void audit(std::string_view action, std::string_view subject, std::string_view detail);
   boost::json::array audit_entries(size_t count) const;
   /// Removes state and audit log; keys stay for the caller to remove.
   std::vector<std::string> remove_files() const;

   // trust::party_host
   uint64_t wall_ms() override;
   uint64_t now_ms() override;
   void random(void* out, size_t bytes) override;
   bool send(const trust::node_id& to, std::vector<uint8_t> message) override;
   base::result<void> save(std::span<const uint8_t> state) override;
   void event(std::string name, trust::fields what) override;

 private:
   base::result<void> load_keys();
   void run();
   void plan(uint64_t in_ms);
   std::filesystem::path state_file() const { return folder_ / "network.state"; }

   boost::asio::io_context& context_;
   std::filesystem::path folder_, keys_;
   hooks hooks_;
   std::shared_ptr<const trust::identity> identity_;
   std::unique_ptr<trust::party> party_;
   boost::asio::steady_timer timer_;
   uint64_t planned_ms_ = 0, endpoints_at_ = 0;
   uint64_t notes_ = 50, notes_at_ = 0; // of refusals that may be told
};

} // namespace warren::app
