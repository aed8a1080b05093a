// plugin call: a request of the control API for a plugin of a running network.
#include "core/app/commands.hpp"
#include "core/control/client.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>

namespace warren::app {

namespace json = boost::json;
using base::errc;
using base::fail;

namespace {

struct call_options {
   std::string plugin, path = "/", data;
   bool post = false;
};

/// "/say/hello you" with each segment encoded.
base::result<std::string> encoded_path(std::string_view path) {
   if (path.empty() || path.front() != '/')
      return fail(errc::invalid, "'" + std::string(path) + "' is not a path; it begins with '/'");
   std::string out;
   while (!path.empty()) {
      path.remove_prefix(1);
      const std::string_view segment = path.substr(0, path.find('/'));
      out += "/" + control::encode_segment(segment);
      path.remove_prefix(segment.size());
   }
   return out;
}

int call(const command_context& c, const call_options& o) {
   const auto path = encoded_path(o.path);
   if (!path) return c.refuse(path.error());
   json::value body = nullptr;
   if (!o.data.empty()) {
      json::error_code ec;
      body = json::parse(o.data, ec);
      if (ec || !body.is_object())
         return c.refuse(fail(errc::invalid, "--data is not a JSON object"));
   }
   auto daemon = c.connect();
   if (!daemon) return c.refuse(daemon.error());
   auto network = c.pick_network(**daemon);
   if (!network) return c.refuse(network.error());
   const bool post = o.post || !o.data.empty();
   auto answer = (*daemon)->request(
         post ? "POST" : "GET",
         network_path(*network, "/plugins/" + control::encode_segment(o.plugin) + *path), body,
         answer_timeout + std::chrono::seconds(2)); // the daemon waits 10 s for the plugin
   if (!answer) return c.refuse(answer.error());
   c.print(*answer);
   return exit_ok;
}

} // namespace

void add_plugin_call_command(CLI::App& plugin, command_context& c) {
   auto o = std::make_shared<call_options>();
   auto* command = plugin.add_subcommand(
         "call", "Ask a plugin of a running network, such as a service; prints its answer, JSON");
   command->add_option("plugin", o->plugin, "The plugin's word")->required()->type_name("NAME");
   command->add_option("path", o->path, "What to ask for")->type_name("PATH")->default_str(o->path);
   command->add_flag("--post", o->post, "Change something instead of reading");
   command->add_option("--data", o->data, "A JSON object to hand over; implies --post")
         ->type_name("JSON");
   command->callback([&c, o] { c.action = [&c, o] { return call(c, *o); }; });
}

} // namespace warren::app
