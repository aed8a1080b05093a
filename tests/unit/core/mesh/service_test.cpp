// Goal: services talk to their like, sign what they say, and answer requests. Method: the service
// template on whole nodes over the fake network.
#include "tests/support/mesh_world.hpp"

#include <gmock/gmock.h>

namespace warren::mesh {

namespace {

using support::mesh_node;
using support::mesh_world;
using ::testing::HasSubstr;
using ::testing::Not;

struct service : ::testing::Test {
   mesh_world world{21};

   mesh_node& add(const std::string& lang = "cpp") {
      mesh_node& n = world.add_node();
      config::plugin_use use;
      use.kind = WRN_KIND_SERVICE;
      use.plugin = MODULES "/service-" + lang + ".so";
      if (lang == "cpp")
         use.values.entries["keep"] = {int64_t{100}, {}};
      else
         use.values.entries["greeting"] = {std::string("hello"), {}};
      n.settings.plugins.push_back(use);
      return n;
   }
   static base::result<plugin_answer> ask(mesh_node& n, const std::string& method,
                                          const std::string& path,
                                          const std::string& plugin = "my-plugin") {
      base::result<plugin_answer> got = base::fail(base::errc::internal, "no answer");
      n.network->request({plugin, method, path, method == "POST" ? "{}" : ""},
                         [&](base::result<plugin_answer> r) { got = std::move(r); });
      return got;
   }
   static std::string notes(mesh_node& n) {
      const auto r = ask(n, "GET", "/");
      return r ? r->json : r.error().text;
   }
};

TEST_F(service, a_note_reaches_every_member_with_its_author) {
   mesh_node &a = add(), &b = add(), &c = add();
   world.connect_all(true);
   for (mesh_node* n : {&a, &b, &c})
      ASSERT_TRUE(n->apply());
   a.send(b, 1);
   b.send(c, 1);
   a.send(c, 1);
   world.run_ms(2000);
   EXPECT_EQ(ask(a, "POST", "/say/hello \"you\"")->status, 200u);
   ASSERT_TRUE(world.until([&] { return notes(c).find("hello") != std::string::npos; }, 10));
   EXPECT_THAT(notes(c), HasSubstr(R"({"from":"node1","text":"hello \"you\""})"));
   EXPECT_THAT(notes(b), HasSubstr("node1"));
}

TEST_F(service, who_comes_later_gets_the_notes_of_those_who_are_not_there) {
   mesh_node &a = add(), &b = add(), &c = add();
   world.connect_all(true);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   world.run_ms(2000);
   EXPECT_TRUE(ask(a, "POST", "/say/early"));
   ASSERT_TRUE(world.until([&] { return notes(b).find("early") != std::string::npos; }, 10));
   a.stop();
   ASSERT_TRUE(c.apply());
   c.send(b, 2);
   ASSERT_TRUE(world.until([&] { return notes(c).find("early") != std::string::npos; }, 20));
   EXPECT_THAT(notes(c), HasSubstr(R"("from":"node1")"));
}

TEST_F(service, requests_end_with_a_reason_when_nobody_answers) {
   mesh_node& a = add();
   ASSERT_TRUE(a.apply());
   EXPECT_THAT(ask(a, "GET", "/", "nobody").error().text, HasSubstr("no plugin 'nobody'"));
   EXPECT_EQ(ask(a, "GET", "/", "static").error().code, base::errc::unsupported);
   const auto refused = ask(a, "GET", "/what");
   ASSERT_TRUE(refused);
   EXPECT_EQ(refused->status, 404u);
   EXPECT_THAT(refused->json, HasSubstr("detail"));
   a.stop();
   EXPECT_EQ(ask(a, "GET", "/").error().code, base::errc::state);
}

TEST_F(service, a_peer_without_the_plugin_drops_its_messages_and_counts_them) {
   mesh_node &a = add(), &b = world.add_node();
   world.connect_all(true);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   world.run_ms(2000);
   EXPECT_TRUE(ask(a, "POST", "/say/hello"));
   world.run_ms(1000);
   EXPECT_GE(b.drops("unknown_frame"), 1u);
   EXPECT_THAT(notes(a), HasSubstr("this node"));
}

TEST_F(service, the_template_in_c_greets_and_counts) {
   mesh_node &a = add("c"), &b = add("c");
   world.connect_all(true);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   ASSERT_TRUE(world.until([&] { return notes(a).find("\"hellos\":1") != std::string::npos; }, 10));
   EXPECT_THAT(notes(a), HasSubstr(R"({"members":[{"name":"node2","up":true,"direct":true)"));
   EXPECT_EQ(ask(a, "POST", "/")->status, 404u);
}

TEST_F(service, members_known_only_by_tunnel_key_hear_nothing) {
   mesh_node &a = add(), &b = add();
   world.connect_all(false);
   ASSERT_TRUE(a.apply());
   ASSERT_TRUE(b.apply());
   a.send(b, 1);
   world.run_ms(2000);
   ASSERT_EQ(b.received(1), 1u);
   EXPECT_TRUE(ask(a, "POST", "/say/hello"));
   world.run_ms(2000);
   EXPECT_THAT(notes(b), Not(HasSubstr("hello")));
}

} // namespace

} // namespace warren::mesh
