// trust show, export, import, succeed; key rotate; audit.
#include "core/app/ask.hpp"
#include "core/app/format.hpp"
#include "core/base/encode.hpp"
#include "core/base/limits.hpp"
#include "core/crypto/key_file.hpp"

#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

/// Of a file that is sent as base64 in one string.
constexpr size_t statements_bytes_max = base::limits::control_document_bytes_max / 4 * 3;

void print_trust(const command_context& c, const json::value& t) {
   print_line(c, "network", text_of(t, "network") + "  " + text_of(t, "id"), tint::strong);
   print_line(c, "root", text_of(t, "root"));
   print_line(c, "epoch", std::to_string(number_of(t, "epoch")));
   if (const json::value* head = t.is_object() ? t.as_object().if_contains("head") : nullptr;
       head != nullptr && head->is_object())
      print_line(c, "head",
                 "number " + std::to_string(number_of(*head, "sequence")) + ", signed " +
                       format_ago(static_cast<int64_t>(number_of(*head, "age_s")) * 1000) + ", " +
                       text_of(*head, "level"));
   print_line(c, "admins", std::to_string(number_of(t, "admins")));
   print_line(c, "members",
              std::to_string(number_of(t, "members")) + ", and " +
                    std::to_string(number_of(t, "removed")) + " removed");
   print_line(c, "statements",
              std::to_string(number_of(t, "statements")) + ", " +
                    format_bytes(number_of(t, "bytes")));
}

/// Base64 of any length that it can have, strictly.
std::optional<std::vector<uint8_t>> decode(const std::string& text) {
   if (text.size() % 4 != 0) return std::nullopt;
   const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
   std::vector<uint8_t> bytes(text.size() / 4 * 3 - padding);
   if (!base::base64_decode(text, bytes)) return std::nullopt;
   return bytes;
}

int export_trust(const command_context& c, const std::string& file) {
   const auto api = connect_network(c);
   if (!api) return c.refuse(api.error());
   const auto answer = api->request("GET", "/trust/export");
   if (!answer) return c.refuse(answer.error());
   const auto bytes = decode(text_of(*answer, "text"));
   if (!bytes) return c.refuse(fail(errc::io, "the daemon's answer is not base64"));
   const std::string_view content(reinterpret_cast<const char*>(bytes->data()), bytes->size());
   // Not secret, but it says who is in the network.
   if (const auto ok = crypto::write_private_file(file, content, false); !ok)
      return c.refuse(ok.error());
   if (c.json)
      c.print(json::object{{"schema", "warren.trust_exported/1"},
                           {"network", api->network},
                           {"file", file},
                           {"bytes", bytes->size()}});
   else
      c.out << "wrote " << format_bytes(bytes->size()) << " to " << printable(file) << "\n";
   return exit_ok;
}

int import_trust(const command_context& c, const std::string& file) {
   const auto content = read_small_file(file, statements_bytes_max);
   if (!content) return c.refuse(content.error());
   const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content->data()),
                                        content->size());
   return ask(c, "POST", "/trust/import", json::object{{"text", base::base64_encode(bytes)}},
              [&](const json::value& a) {
                 c.out << number_of(a, "added") << " new statements, " << number_of(a, "known")
                       << " known before, " << number_of(a, "refused") << " refused\n";
              });
}

int rotate(const command_context& c, const std::string& every) {
   json::object body;
   if (every == "never")
      body["every_s"] = 0;
   else if (const auto ok = set_lifetime(body, "every_s", every); !ok)
      return c.refuse(ok.error());
   return ask(c, "POST", "/key/rotate",
              body.empty() ? json::value(nullptr) : json::value(std::move(body)),
              [&](const json::value& a) {
                 print_line(c, "tunnel key", text_of(a, "tunnel_key"));
                 print_line(c, "state", text_of(a, "state"));
              });
}

void print_audit(const command_context& c, const json::value& answer) {
   const json::array& entries = list_of(answer, "entries");
   if (entries.empty()) {
      c.out << "nothing was changed yet\n";
      return;
   }
   table t({{"TIME", 80}, {"ACTOR", 90}, {"ACTION", 100}, {"SUBJECT", 95}, {"DETAIL", 50}});
   for (const json::value& e : entries)
      t.add({text_of(e, "time"), text_of(e, "actor"), text_of(e, "action"), text_of(e, "subject"),
             text_of(e, "detail")});
   c.out << t.render(c.width, c.color);
}

} // namespace

void add_key_rotate_command(CLI::App& key, command_context& c) {
   auto every = std::make_shared<std::string>();
   auto* command =
         key.add_subcommand("rotate", "Take a new tunnel key; node id and addresses stay");
   command->add_option("--every", *every, "Do it by itself that often, such as 30d, or never")
         ->type_name("TIME");
   command->callback([&c, every] { c.action = [&c, every] { return rotate(c, *every); }; });
}

void add_trust_commands(CLI::App& root, command_context& c) {
   auto* trust = root.add_subcommand("trust", "The signed statements that make the network");
   trust->require_subcommand(1, 1);
   trust->add_subcommand("show", "Show root, head and how many statements there are")
         ->callback([&c] {
            c.action = [&c] {
               return ask(c, "GET", "/trust", nullptr,
                          [&c](const json::value& t) { print_trust(c, t); });
            };
         });
   auto to = std::make_shared<std::string>();
   auto* out = trust->add_subcommand("export", "Write the statements to a file");
   out->add_option("file", *to, "It must not exist yet")->required()->type_name("FILE");
   out->callback([&c, to] { c.action = [&c, to] { return export_trust(c, *to); }; });
   auto from = std::make_shared<std::string>();
   auto* in =
         trust->add_subcommand("import", "Read statements; only what is signed rightly counts");
   in->add_option("file", *from, "What 'trust export' wrote")->required()->type_name("FILE");
   in->callback([&c, from] { c.action = [&c, from] { return import_trust(c, *from); }; });
   trust->add_subcommand("succeed", "Replace the network's root key by a new one of this node")
         ->callback([&c] {
            c.action = [&c] {
               return ask(c, "POST", "/trust/succeed", nullptr, [&c](const json::value& a) {
                  print_line(c, "root", text_of(a, "root"));
               });
            };
         });

   root.add_subcommand("audit", "Show who changed what in the network, latest last")
         ->callback([&c] {
            c.action = [&c] {
               return ask(c, "GET", "/audit", nullptr,
                          [&c](const json::value& a) { print_audit(c, a); });
            };
         });
}

} // namespace warren::app
