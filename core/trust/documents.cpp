#include "core/trust/documents.hpp"

#include "core/crypto/digest.hpp"
#include "core/trust/documents_body.hpp"

#include <algorithm>

namespace warren::trust {

using base::errc;
using base::fail;

bool any_contains(const std::vector<range>& ranges, uint32_t value) {
   return std::any_of(ranges.begin(), ranges.end(),
                      [&](const range& r) { return r.contains(value); });
}

wrn_addr address_at(const wrn_addr& plan, uint32_t offset) {
   wrn_addr at = plan;
   uint32_t host = 0;
   for (int i = 0; i < 4; i++)
      host = host << 8 | plan.ip[i];
   host += offset;
   for (int i = 0; i < 4; i++)
      at.ip[i] = static_cast<uint8_t>(host >> (24 - 8 * i));
   at.prefix_len = 32;
   return at;
}

namespace {

std::vector<uint8_t> signed_text(const crypto::bytes32& network, statement_type type,
                                 std::span<const uint8_t> body) {
   // The trailing NUL of the literal separates the label from what is signed.
   static constexpr char label[] = "warren/statement/1";
   // Sized first: gcc 12 sees an overflow in insert() that is not there, and warnings are errors.
   std::vector<uint8_t> out(sizeof label + network.size() + 1 + body.size());
   auto at = std::copy(label, label + sizeof label, out.begin());
   at = std::copy(network.begin(), network.end(), at);
   *at++ = static_cast<uint8_t>(type);
   std::copy(body.begin(), body.end(), at);
   return out;
}

short_id id_of(std::span<const uint8_t> bytes) {
   const auto full = crypto::hash("warren/statement-id/1", {bytes});
   short_id id{};
   std::copy_n(full.begin(), id.size(), id.begin());
   return id;
}

} // namespace

statement_type type_of(const document& d) {
   static constexpr statement_type types[] = {
         statement_type::genesis,     statement_type::succession,       statement_type::delegation,
         statement_type::revocation,  statement_type::certificate,      statement_type::grant,
         statement_type::head,        statement_type::network_document, statement_type::node_record,
         statement_type::join_request};
   return types[d.index()];
}

std::string_view name_of(statement_type type) {
   static constexpr std::string_view names[statement_types] = {
         "?",     "genesis", "succession",       "delegation",  "revocation",  "certificate",
         "grant", "head",    "network document", "node record", "join request"};
   return names[static_cast<size_t>(type) < statement_types ? static_cast<size_t>(type) : 0];
}

statement make_statement(const crypto::signing_key& signer, const crypto::bytes32& network,
                         const document& content) {
   statement made;
   made.content = content;
   made.signer = signer.id;
   cbor::writer body;
   put_body(body, content);
   const auto bytes = body.take();
   const auto signature = crypto::sign(signer, signed_text(network, made.type(), bytes));
   cbor::writer whole;
   whole.array(4).number(static_cast<uint64_t>(made.type())).bytes(bytes).bytes(signer.id);
   whole.bytes(signature);
   made.bytes = whole.take();
   made.id = id_of(made.bytes);
   return made;
}

base::result<statement> open_statement(std::span<const uint8_t> bytes,
                                       const crypto::bytes32& network) {
   if (bytes.size() > statement_bytes_max)
      return fail(errc::limit,
                  "a statement of more than " + std::to_string(statement_bytes_max) + " bytes");
   cbor::reader r(bytes);
   if (r.array(4) != 4) r.fail("not a statement");
   const auto type = static_cast<statement_type>(r.number(statement_types - 1));
   const auto body = r.bytes(1, statement_bytes_max);
   statement made;
   made.signer = r.fixed<32>();
   const auto signature = r.fixed<64>();
   if (!r.done()) return r.error();
   // The signature first: the rest of the parser meets only what a key holder has said.
   const crypto::bytes32 zero{};
   const auto& named = type == statement_type::genesis ? zero : network;
   if (!crypto::verify(made.signer, signed_text(named, type, body), signature))
      return fail(errc::invalid, "a " + std::string(name_of(type)) + " with a wrong signature");
   cbor::reader content(body);
   made.content = get_body(content, type);
   if (!content.done())
      return fail(errc::invalid, "a " + std::string(name_of(type)) + ": " + content.error().text);
   made.bytes.assign(bytes.begin(), bytes.end());
   made.id = id_of(bytes);
   return made;
}

crypto::bytes32 network_id_of(std::span<const uint8_t> genesis_bytes) {
   return crypto::hash("warren/network-id/1", {genesis_bytes});
}

crypto::bytes32 commitment_of(const node_id& next_root) {
   return crypto::hash("warren/next-root/1", {next_root});
}

std::vector<uint8_t> proved_text(const join_request& request, const crypto::bytes32& network,
                                 const node_id& asker) {
   std::vector<uint8_t> out(network.begin(), network.end());
   for (const auto part : {std::span<const uint8_t>(asker),
                           {request.admin},
                           {request.tunnel_key},
                           {request.invite},
                           {request.nonce}})
      out.insert(out.end(), part.begin(), part.end());
   return out;
}

} // namespace warren::trust
