// plugin describe: a plugin's keys and metrics for people, for a configuration, for the reference
// pages and for programs. Everything comes from the module's static data; nothing is started.
#include "core/app/commands.hpp"
#include "core/control/json.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

base::result<plugin::found_plugin> find(const command_context& c, plugin::registry& plugins,
                                        std::string name) {
   const bool is_path = name.find('/') != std::string::npos;
   if (is_path) name = std::filesystem::absolute(name).string();
   scan_plugins(c, plugins);
   base::result<plugin::found_plugin> found = fail(errc::not_found, "");
   for (const uint32_t kind : config::kinds)
      if (!found) found = plugins.find(kind, name);
   if (found || is_path) return found;
   std::string names;
   for (const auto& p : plugins.all())
      names += (names.empty() ? "" : ", ") + std::string(p.desc->name);
   return fail(errc::not_found, "no plugin '" + name + "'; there is " +
                                      (names.empty() ? "none at all" : names) +
                                      ", see 'warren plugin list'");
}

/// "[transport.wireguard]": where its keys stand in a network's file.
std::string table_name(const json::value& d) {
   return text_of(d, "kind") + "." + text_of(d, "name");
}

void print_text(const command_context& c, const json::value& d) {
   const auto shown = [&](std::string_view key) { return printable(text_of(d, key)); };
   c.out << c.paint(shown("name"), tint::strong) << ": " << shown("summary") << "\n";
   for (const char* key : {"kind", "id", "version", "license", "module"})
      c.out << std::string(key) + std::string(9 - std::string_view(key).size(), ' ') << shown(key)
            << "\n";
   if (const json::array& params = list_of(d, "params"); !params.empty()) {
      table t({{"KEY", 100}, {"TYPE", 80}, {"RANGE", 50}, {"DEFAULT", 70}, {"HELP", 60}});
      for (const json::value& p : params)
         t.add({text_of(p, "name"), text_of(p, "type"), text_of(p, "range"),
                flag_of(p, "required") ? "required" : text_of(p, "default"),
                (flag_of(p, "secret") ? "Secret. " : "") + text_of(p, "help")});
      c.out << "\n[" << printable(table_name(d)) << "]\n" << t.render(c.width, c.color);
   }
   if (const json::array& metrics = list_of(d, "metrics"); !metrics.empty()) {
      table t({{"METRIC", 100}, {"TYPE", 80}, {"HELP", 60}});
      for (const json::value& m : metrics)
         t.add({text_of(m, "name"), text_of(m, "type"), text_of(m, "help")});
      c.out << "\n" << t.render(c.width, c.color);
   }
}

/// Something to paste into a network's file; a required key waits for its value in a comment.
void print_toml(const command_context& c, const json::value& d) {
   const auto shown = [](const json::value& object, std::string_view key) {
      return printable(text_of(object, key));
   };
   c.out << "# " << shown(d, "name") << ": " << shown(d, "summary") << "\n[[" << shown(d, "kind")
         << "]]\nplugin = \"" << shown(d, "name") << "\"\n";
   const json::array& params = list_of(d, "params");
   if (params.empty()) return;
   c.out << "\n[" << printable(table_name(d)) << "]\n";
   for (const json::value& p : params) {
      const std::string range = shown(p, "range"), deflt = shown(p, "default");
      c.out << "# " << shown(p, "help") << " " << shown(p, "type")
            << (range.empty() ? "" : ", " + range) << (flag_of(p, "required") ? ", required" : "")
            << (flag_of(p, "secret") ? ", secret; also as " + shown(p, "name") + "_file" : "")
            << "\n"
            << (deflt.empty() ? "# " : "") << shown(p, "name") << " = "
            << (deflt.empty() ? "…" : deflt) << "\n";
   }
}

/// A cell of a Markdown table: no character of it ends the cell or the line.
std::string cell(const std::string& text, bool code = false) {
   std::string out;
   for (const char ch : printable(text)) {
      if (ch == '|') out += '\\';
      out += ch;
   }
   return code && !out.empty() ? "`" + out + "`" : out;
}

/// The reference page. Without the module's path and version, so that it is the same everywhere.
void print_markdown(const command_context& c, const json::value& d) {
   const std::string name = cell(text_of(d, "name")), kind = cell(text_of(d, "kind"));
   c.out << "# " << name << " (" << kind << ")\n\n"
         << cell(text_of(d, "summary")) << "\n\nId `" << cell(text_of(d, "id")) << "`, license "
         << cell(text_of(d, "license")) << ". Chosen by `plugin = \"" << name << "\"` in a `[["
         << kind << "]]` table of a network's file.\n\n## Keys\n\n";
   const json::array& params = list_of(d, "params");
   if (params.empty()) {
      c.out << "None.\n";
   } else {
      c.out << "In `[" << cell(table_name(d))
            << "]`.\n\n| key | type | range | default | what it does |\n|---|---|---|---|---|\n";
      for (const json::value& p : params)
         c.out << "| " << cell(text_of(p, "name"), true) << " | " << cell(text_of(p, "type"))
               << " | " << cell(text_of(p, "range"), true) << " | "
               << (flag_of(p, "required") ? "required" : cell(text_of(p, "default"), true)) << " | "
               << cell(text_of(p, "help"))
               << (flag_of(p, "secret")
                         ? " Secret: never shown; also as `" + cell(text_of(p, "name")) + "_file`."
                         : "")
               << " |\n";
   }
   c.out << "\n## Metrics\n\n";
   const json::array& metrics = list_of(d, "metrics");
   if (metrics.empty()) {
      c.out << "None.\n";
      return;
   }
   c.out << "Per network and instance, in `warren status --json`.\n\n"
         << "| metric | type | what it counts |\n|---|---|---|\n";
   for (const json::value& m : metrics)
      c.out << "| " << cell(text_of(m, "name"), true) << " | " << cell(text_of(m, "type")) << " | "
            << cell(text_of(m, "help")) << " |\n";
}

int describe(const command_context& c, const std::string& name, const std::string& format) {
   plugin::registry plugins;
   const auto found = find(c, plugins, name);
   if (!found) return c.refuse(found.error());
   json::value document = control::to_json(plugin_info_of(*found));
   if (c.json || format == "json") {
      document.as_object()["schema"] = "warren.plugin/1";
      c.print(document);
   } else if (format == "toml") {
      print_toml(c, document);
   } else if (format == "markdown") {
      print_markdown(c, document);
   } else {
      print_text(c, document);
   }
   return exit_ok;
}

} // namespace

void add_plugin_describe_command(CLI::App& plugin, command_context& c) {
   auto name = std::make_shared<std::string>();
   auto format = std::make_shared<std::string>("text");
   auto* command =
         plugin.add_subcommand("describe", "Show a plugin, the keys of its table and its metrics");
   command->add_option("name", *name, "The plugin's word, or the path of a module")
         ->required()
         ->type_name("NAME");
   command
         ->add_option("--format", *format,
                      "text; toml: to paste into a network's file; markdown: a reference page; "
                      "json: as with --json")
         ->type_name("FORMAT")
         ->check(CLI::IsMember({"text", "toml", "markdown", "json"}))
         ->default_str(*format);
   command->callback([&c, name, format] {
      c.action = [&c, name, format] { return describe(c, *name, *format); };
   });
}

} // namespace warren::app
