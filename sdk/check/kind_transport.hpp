// Drives transports: links between the instances of a world, packets that are recognised when they
// arrive.
#pragma once

#include "sdk/check/host_link.hpp"
#include "sdk/check/workload.hpp"

namespace warren::check {

/// A packet that was given to a transport.
struct sent_packet {
   instance* from;
   uint32_t size;
   uint32_t arrived = 0;
};
enum class shape : uint8_t { ipv4, ipv6, mesh };

class transport_load final : public workload {
 public:
   transport_load(world& w, std::vector<instance*> instances);

   void begin() override;
   void work() override;
   void load() override;
   std::string alive() override;
   void any_call() override;
   void stale_calls() override;
   void end() override;

   const wrn_transport& table(instance& who) { return *who.ext<wrn_transport>(WRN_EXT_TRANSPORT); }
   wrn_transport_limits limits(instance& who);
   bool plaintext() { return (limits(*all_[0]).flags & WRN_TF_PLAINTEXT) != 0; }

   /// A link of `who` to another instance, or to a key that nobody has.
   open_link link_to(instance* other, const wrn_key* key = nullptr);
   wrn_handle open(instance& who, const open_link& l);
   void close(instance& who, wrn_handle link);
   /// The open link of `who` to `other`; 0 = none.
   wrn_handle link_of(instance& who, const instance& other);
   uint32_t room(instance& who, wrn_handle link);
   /// Gives up to n packets to tx(), as many as room() says; returns how many.
   uint32_t send(instance& who, wrn_handle link, uint32_t n, uint32_t size = 0);
   /// Gives exactly n, as a host does that has asked for room itself.
   void give(instance& who, wrn_handle link, uint32_t n, uint32_t size = 0);
   /// Small traffic in both directions until packets arrive; false after so long.
   bool settle(wrn_time within = 30 * second);
   /// Takes what the transport delivers to `who` from now on.
   void listen(instance& who);

   uint64_t arrived(const instance& from) const;
   void forget() { ledger.clear(); }

   std::vector<sent_packet> ledger; // by number of the packet
   uint64_t first_number = 0;       // of ledger[0]
   uint64_t foreign = 0;            // delivered packets that nobody gave
   uint64_t twice = 0;
   std::vector<uint8_t> psk; // of all links; empty = none
   uint32_t mtu = 1420;

 private:
   std::vector<uint8_t> packet(uint64_t number, uint32_t size) const;
   void delivered(instance& to, const std::vector<uint8_t>& bytes);
   wrn_handle any_link(instance& who);

   world& world_;
   std::vector<instance*> all_;
   std::vector<datagram> overheard_; // a few, to be said again
   uint32_t next_endpoint_ = 0;
};

/// Opens what the transport lives on: a socket, a listener or both.
void open_network(instance& who);

/// A sequence of bytes that is in every packet of 64 bytes and more.
std::span<const uint8_t> plain_marker();

} // namespace warren::check
