// What a party stores: its documents and its own memory, as one CBOR value with a checksum.
//
//   ["warren-state/1", network id, BLAKE2b of the payload, payload]
//   payload  [[statement …], table of what is ours alone]
//
// The table holds secrets (the network's, the root's, invites'), so the file is the node's own,
// mode 0600. Reading is as strict as for documents: a damaged file is refused whole.
#include "core/trust/party.hpp"

#include "core/crypto/digest.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

namespace {

constexpr std::string_view tag = "warren-state/1";
constexpr size_t items_max = 1 << 20;
constexpr size_t payload_max = 512u << 20;

crypto::secret32 secret_of(cbor::reader& r) {
   const auto in = r.bytes(32, 32);
   return in.size() == 32 ? crypto::secret32(std::span<const uint8_t, 32>(in.data(), 32))
                          : crypto::secret32();
}

void put_texts(cbor::writer& w, const std::vector<std::string>& texts) {
   w.array(texts.size());
   for (const auto& t : texts)
      w.text(t);
}

std::vector<std::string> get_texts(cbor::reader& r, size_t bytes_max) {
   std::vector<std::string> out;
   for (size_t n = r.array(64); n > 0 && r.ok(); n--)
      out.push_back(r.text(bytes_max));
   return out;
}

void put_invite(cbor::writer& w, const invite_state& i) {
   w.array(12).bytes(i.id).bytes(i.secret).number(i.created_ms).number(i.expires_ms);
   w.number(i.uses).number(i.used).number(i.revoked).number(i.auto_accept);
   put_texts(w, i.groups);
   put_texts(w, i.roles);
   put_texts(w, i.tags);
   w.bytes(i.token);
}

invite_state get_invite(cbor::reader& r) {
   invite_state i;
   if (r.array(12) != 12) r.fail("half an invite");
   i.id = r.fixed<16>();
   i.secret = r.fixed<16>();
   i.created_ms = r.number();
   i.expires_ms = r.number();
   i.uses = static_cast<uint32_t>(r.number(UINT32_MAX));
   i.used = static_cast<uint32_t>(r.number(UINT32_MAX));
   i.revoked = r.number(1) != 0;
   i.auto_accept = r.number(1) != 0;
   i.groups = get_texts(r, label_bytes_max);
   i.roles = get_texts(r, label_bytes_max);
   i.tags = get_texts(r, label_bytes_max);
   i.token = r.fixed<32>();
   return i;
}

} // namespace

party::stored party::stored::copy() const {
   stored out;
   out.record_sequence = record_sequence;
   out.instances = instances;
   for (const auto& s : secrets)
      out.secrets.push_back({s.epoch, s.name, s.value.clone()});
   out.invited = invited;
   out.refused = refused;
   out.removed = removed;
   out.why = why;
   out.own_numbers = own_numbers;
   if (next_tunnel) out.next_tunnel = {next_tunnel->public_key, next_tunnel->secret.clone()};
   out.rotate_every_s = rotate_every_s;
   out.rotated_ms = rotated_ms;
   if (root) out.root = {root->id, root->seed.clone()};
   if (next_root) out.next_root = {next_root->id, next_root->seed.clone()};
   out.delegations = delegations;
   out.delegation_serial = delegation_serial;
   out.serial = serial;
   out.head_sequence = head_sequence;
   out.next_number = next_number;
   out.next_offset = next_offset;
   out.issued = issued;
   out.invites = invites;
   out.pending = pending;
   out.nonces = nonces;
   out.member_days = member_days;
   return out;
}

std::vector<uint8_t> party::snapshot() const {
   const stored& s = state_;
   cbor::writer w;
   const auto statements = ledger_.all();
   w.array(2).array(statements.size() + (settling_ != nullptr ? settling_->size() : 0));
   for (const statement* each : statements)
      w.bytes(each->bytes);
   if (settling_ != nullptr)
      for (const statement& each : *settling_)
         w.bytes(each.bytes);
   w.map(19 + (s.invited ? 1u : 0u) + (s.next_tunnel ? 1u : 0u) + (s.root ? 1u : 0u) +
         (s.next_root ? 1u : 0u));
   w.number(1).number(s.record_sequence).number(2).array(s.instances.size());
   for (const auto& i : s.instances)
      w.bytes(i);
   w.number(3).array(s.secrets.size());
   for (const auto& each : s.secrets)
      w.array(3).number(each.epoch).bytes(each.name).bytes(each.value.bytes());
   if (s.invited) {
      const invitation& i = *s.invited;
      w.number(4)
            .array(7)
            .number(i.tampered)
            .bytes(i.admin)
            .bytes(i.id)
            .bytes(i.secret)
            .text(i.token);
      put_texts(w, i.endpoints);
      w.text(i.node_name);
   }
   w.number(5).number((s.refused ? 1u : 0u) | (s.removed ? 2u : 0u)).number(6).text(s.why);
   w.number(7).array(s.own_numbers.size());
   for (const uint32_t n : s.own_numbers)
      w.number(n);
   if (s.next_tunnel) w.number(8).bytes(s.next_tunnel->secret.bytes());
   w.number(9).number(s.rotate_every_s).number(10).number(s.rotated_ms);
   if (s.root) w.number(11).bytes(s.root->seed.bytes());
   if (s.next_root) w.number(12).bytes(s.next_root->seed.bytes());
   w.number(13).array(s.delegations.size());
   for (const auto& id : s.delegations)
      w.bytes(id);
   w.number(14).number(s.delegation_serial).number(15).number(s.serial);
   w.number(16).number(s.head_sequence).number(17).number(s.next_number);
   w.number(18).number(s.next_offset).number(19).array(s.issued.size());
   for (const auto& i : s.issued)
      w.array(5).number(i.number).number(i.offset).number(i.since).bytes(i.who).number(i.stock);
   w.number(20).array(s.invites.size());
   for (const auto& [id, i] : s.invites)
      put_invite(w, i);
   w.number(21).array(s.pending.size());
   for (const auto& p : s.pending) {
      const auto& r = p.request;
      w.array(9).bytes(p.node).bytes(r.tunnel_key).bytes(r.invite).bytes(r.nonce).text(r.name);
      w.text(r.version).number(p.since_ms).text(p.from).number(r.time_ms);
   }
   w.number(22).array(s.nonces.size());
   for (const auto& n : s.nonces)
      w.bytes(n);
   w.number(23).number(s.member_days);
   const auto payload = w.take();
   cbor::writer whole;
   whole.array(4).text(tag).bytes(ledger_.network());
   whole.bytes(crypto::hash("warren/state/1", {payload})).bytes(payload);
   return whole.take();
}

base::result<void> party::save() {
   auto ok = host_.save(snapshot());
   if (ok) unsaved_ = false;
   return ok;
}

base::result<void> party::load(std::span<const uint8_t> state) {
   const auto damaged = [](std::string_view what) {
      return fail(errc::invalid, "the stored state is damaged (" + std::string(what) +
                                       "); join again, or take it from a backup");
   };
   cbor::reader outer(state);
   if (outer.array(4) != 4 || outer.text(32) != tag) return damaged("it is of another kind");
   outer.fixed<32>();
   const auto sum = outer.fixed<32>();
   const auto payload = outer.bytes(1, payload_max);
   if (!outer.done()) return damaged(outer.error().text);
   if (crypto::hash("warren/state/1", {payload}) != sum)
      return damaged("its checksum does not fit");
   cbor::reader r(payload);
   if (r.array(2) != 2) return damaged("no table");
   std::vector<statement> kept;
   uint64_t newest_head_ms = 0;
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--) {
      const auto bytes = r.bytes(1, statement_bytes_max);
      if (!r.ok()) break;
      auto opened = open_statement(bytes, network());
      if (!opened) continue;
      if (const auto* h = std::get_if<head>(&opened->content))
         newest_head_ms = std::max(newest_head_ms, h->time_ms);
      kept.push_back(std::move(*opened));
   }
   // All of this was taken in before. A clock that is wrong at this start, behind the last head or
   // far ahead of it, must not make the node forget it: it would be no member when the clock is
   // set.
   uint64_t at_ms = std::max(host_.wall_ms(), newest_head_ms);
   if (newest_head_ms != 0 && at_ms > newest_head_ms + clock_leap_max_ms) at_ms = newest_head_ms;
   for (statement& each : kept)
      ledger_.admit(std::move(each), at_ms);
   stored& s = state_;
   cbor::map_reader m(r, 64);
   m.need(1);
   s.record_sequence = r.number();
   m.need(2);
   for (size_t n = r.array(64); n > 0 && r.ok(); n--)
      s.instances.push_back(r.fixed<8>());
   m.need(3);
   for (size_t n = r.array(64); n > 0 && r.ok(); n--) {
      if (r.array(3) != 3) r.fail("half a secret");
      network_secret each;
      each.epoch = r.number();
      each.name = r.fixed<8>();
      each.value = secret_of(r);
      s.secrets.push_back(std::move(each));
   }
   if (m.has(4)) {
      invitation i;
      if (r.array(7) != 7) r.fail("half an invitation");
      i.tampered = r.number(1) != 0;
      i.network = network();
      i.admin = r.fixed<32>();
      i.id = r.fixed<16>();
      i.secret = r.fixed<16>();
      i.token = r.text(8192);
      i.endpoints = get_texts(r, 512);
      i.node_name = r.text(label_bytes_max);
      s.invited = std::move(i);
   }
   m.need(5);
   const uint64_t flags = r.number(3);
   s.refused = (flags & 1) != 0;
   s.removed = (flags & 2) != 0;
   m.need(6);
   s.why = r.text(1024);
   m.need(7);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--)
      s.own_numbers.push_back(static_cast<uint32_t>(r.number(UINT32_MAX)));
   if (m.has(8)) s.next_tunnel = crypto::tunnel_key_from_secret(secret_of(r).bytes());
   m.need(9);
   s.rotate_every_s = r.number();
   m.need(10);
   s.rotated_ms = r.number();
   if (m.has(11)) s.root = crypto::signing_key_from_seed(secret_of(r).bytes());
   if (m.has(12)) s.next_root = crypto::signing_key_from_seed(secret_of(r).bytes());
   m.need(13);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--)
      s.delegations.push_back(r.fixed<16>());
   m.need(14);
   s.delegation_serial = r.number();
   m.need(15);
   s.serial = r.number();
   m.need(16);
   s.head_sequence = r.number();
   m.need(17);
   s.next_number = static_cast<uint32_t>(r.number(UINT32_MAX));
   m.need(18);
   s.next_offset = static_cast<uint32_t>(r.number(UINT32_MAX));
   m.need(19);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--) {
      if (r.array(5) != 5) r.fail("half an entry");
      issued_to i;
      i.number = static_cast<uint32_t>(r.number(UINT32_MAX));
      i.offset = static_cast<uint32_t>(r.number(UINT32_MAX));
      i.since = r.number();
      i.who = r.fixed<32>();
      i.stock = r.number(1) != 0;
      s.issued.push_back(i);
   }
   m.need(20);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--) {
      auto i = get_invite(r);
      s.invites[i.id] = std::move(i);
   }
   m.need(21);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--) {
      pending_request p;
      if (r.array(9) != 9) r.fail("half a request");
      p.node = r.fixed<32>();
      p.request.admin = self_->signing.id;
      p.request.tunnel_key = r.fixed<32>();
      p.request.invite = r.fixed<16>();
      p.request.nonce = r.fixed<16>();
      p.request.name = r.text(label_bytes_max);
      p.request.version = r.text(64);
      p.since_ms = r.number();
      p.from = r.text(512);
      p.request.time_ms = r.number();
      s.pending.push_back(std::move(p));
   }
   m.need(22);
   for (size_t n = r.array(items_max); n > 0 && r.ok(); n--)
      s.nonces.push_back(r.fixed<16>());
   m.need(23);
   s.member_days = r.number(36500);
   m.finish();
   if (!r.done()) return damaged(r.error().text);
   refresh();
   return {};
}

} // namespace warren::trust
