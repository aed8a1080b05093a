// plugin new: a folder with a plugin that builds, copied from the SDK's templates. Works on files
// alone.
#include "core/app/commands.hpp"
#include "core/app/paths.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <fstream>

namespace warren::app {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

constexpr size_t name_max = 32;

struct new_options {
   std::string kind, name, lang = "cpp", dir;
   bool stream = false; // a transport over byte streams
};

base::result<void> check_kind(const std::string& kind) {
   for (const uint32_t known : config::kinds)
      if (kind == config::kind_name(known)) return {};
   return fail(errc::invalid, "no kind of plugin '" + kind +
                                    "'; there is transport, discovery, routing and service");
}

base::result<void> check_stream(const new_options& o) {
   if (!o.stream) return {};
   if (o.kind != "transport")
      return fail(errc::invalid, "--stream goes with a transport; a " + o.kind +
                                       " plugin has no connections of its own");
   if (o.lang != "cpp")
      return fail(errc::unsupported,
                  "there is no template for a stream transport in C; leave --lang away for the one "
                  "in C++, or start from warren/host/stream.h");
   return {};
}

/// A word that is right as a plugin's name, a file's name, a target of CMake and, with '-' as '_',
/// part of an identifier.
base::result<void> check_name(const std::string& name) {
   const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
   const auto allowed = [&](char c) {
      return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
   };
   if (name.empty() || name.size() > name_max || !letter(name.front()) ||
       !std::all_of(name.begin(), name.end(), allowed))
      return fail(errc::invalid, "'" + name +
                                       "' cannot be the name of a plugin; take a letter and up to "
                                       "31 of a-z, 0-9, '-' and '_'");
   static constexpr std::array<std::string_view, 9> targets{
         "all",     "clean",   "depend",        "edit_cache", "help",
         "install", "package", "rebuild_cache", "test"};
   if (std::find(targets.begin(), targets.end(), name) != targets.end())
      return fail(errc::invalid,
                  "'" + name +
                        "' is a target of every CMake build; take another name for the plugin");
   return {};
}

base::result<fs::path> template_folder() {
   std::vector<fs::path> places;
   if (const fs::path program = executable(); !program.empty())
      places.push_back(program.parent_path().parent_path() / WARREN_TEMPLATE_DIR);
   places.emplace_back(WARREN_INSTALLED_TEMPLATE_DIR);
   std::error_code ec;
   for (const fs::path& p : places)
      if (fs::is_directory(p / "common", ec)) return p;
   return fail(errc::not_found,
               "no templates in " + places.front().string() + "; install the package warren-dev");
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
   for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
}

/// The template's text with this plugin's words.
std::string filled(std::string text, const new_options& o) {
   std::string identifier = o.name;
   std::replace(identifier.begin(), identifier.end(), '-', '_');
   replace_all(text, "my_plugin", identifier);
   replace_all(text, "my-plugin", o.name);
   replace_all(text, "@KIND@", o.kind);
   replace_all(text, "@ABI@", std::to_string(WRN_ABI_MAJOR) + "." + std::to_string(WRN_ABI_MINOR));
   return text;
}

struct written_file {
   fs::path path;
   std::string text;
};

base::result<std::vector<written_file>> read_template(const new_options& o, const fs::path& to) {
   auto templates = template_folder();
   if (!templates) return templates.error();
   std::vector<written_file> out;
   const std::string kind = o.kind + (o.stream ? "-stream" : "");
   for (const fs::path& folder : {*templates / kind / o.lang, *templates / "common"}) {
      std::error_code ec;
      for (const auto& entry : fs::directory_iterator(folder, ec)) {
         std::ifstream in(entry.path(), std::ios::binary);
         std::string text{std::istreambuf_iterator<char>(in), {}};
         if (!in.good() || text.empty())
            return fail(errc::io, "cannot read the template " + entry.path().string());
         out.push_back({to / entry.path().filename(), filled(std::move(text), o)});
      }
      if (ec)
         return fail(errc::not_found,
                     "cannot read the template " + folder.string() + ": " + ec.message());
   }
   std::sort(out.begin(), out.end(),
             [](const written_file& a, const written_file& b) { return a.path < b.path; });
   return out;
}

/// Nothing that is there already is touched.
base::result<void> write_all(const fs::path& folder, const std::vector<written_file>& files) {
   std::error_code ec;
   for (const written_file& f : files)
      if (fs::exists(fs::symlink_status(f.path, ec)))
         return fail(errc::exists,
                     f.path.string() + " exists already; name another folder with --dir");
   fs::create_directories(folder, ec);
   if (ec) return fail(errc::io, "cannot make the folder " + folder.string() + ": " + ec.message());
   for (const written_file& f : files) {
      std::ofstream out(f.path, std::ios::binary);
      if (!out.write(f.text.data(), static_cast<std::streamsize>(f.text.size())).flush())
         return fail(errc::io, "cannot write " + f.path.string());
   }
   return {};
}

int make_plugin(const command_context& c, const new_options& o) {
   if (auto ok = check_kind(o.kind); !ok) return c.refuse(ok.error());
   if (auto ok = check_stream(o); !ok) return c.refuse(ok.error());
   if (auto ok = check_name(o.name); !ok) return c.refuse(ok.error());
   const fs::path folder = o.dir.empty() ? fs::path(o.name) : fs::path(o.dir);
   auto files = read_template(o, folder);
   if (!files) return c.refuse(files.error());
   if (auto ok = write_all(folder, *files); !ok) return c.refuse(ok.error());
   if (c.json) {
      json::array names;
      for (const written_file& f : *files)
         names.emplace_back(f.path.string());
      c.print(json::object{{"schema", "warren.plugin_new/1"},
                           {"kind", o.kind},
                           {"name", o.name},
                           {"files", std::move(names)}});
      return exit_ok;
   }
   for (const written_file& f : *files)
      c.out << f.path.string() << "\n";
   c.out << "next: cd " << folder.string() << " && cmake -B build && cmake --build build\n";
   return exit_ok;
}

} // namespace

void add_plugin_new_command(CLI::App& plugin, command_context& c) {
   auto o = std::make_shared<new_options>();
   auto* command = plugin.add_subcommand(
         "new", "Start a plugin: write a folder with one that builds and works");
   command->add_option("kind", o->kind, "transport, discovery, routing or service")
         ->required()
         ->type_name("KIND");
   command->add_option("name", o->name, "The plugin's word in configurations")
         ->required()
         ->type_name("NAME");
   command->add_option("--lang", o->lang, "Its language")
         ->type_name("LANG")
         ->default_str(o->lang)
         ->check(CLI::IsMember({"c", "cpp"}));
   command->add_flag("--stream", o->stream, "A transport over TCP instead of UDP (C++ only)");
   command->add_option("--dir", o->dir, "Where; omitted: a folder of its name")
         ->type_name("FOLDER");
   command->callback([&c, o] { c.action = [&c, o] { return make_plugin(c, *o); }; });
}

} // namespace warren::app
