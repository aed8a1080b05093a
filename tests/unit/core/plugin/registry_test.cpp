// Goal: the one word in TOML finds the plugin the operator means, or says what there is. Method:
// the modules of the test tree and one linked in.
#include "core/plugin/module.hpp"
#include "tests/support/probe_plugin.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace warren::plugin {
namespace {

namespace fs = std::filesystem;

TEST(registry, scan_takes_the_good_and_remembers_why_it_refused_the_others) {
   registry r;
   r.scan({"/does/not/exist", VARIANTS});
   ASSERT_EQ(r.all().size(), 1u);
   EXPECT_STREQ(r.all()[0].desc->name, "variant");
   EXPECT_EQ(r.refused().size(), 17u);
   for (const auto& [path, why] : r.refused())
      EXPECT_FALSE(why.empty()) << path;
}

TEST(registry, first_module_with_a_word_wins) {
   const auto first = module::wrap(probe_entry, "first"),
              second = module::wrap(probe_entry, "second");
   ASSERT_TRUE(first && second);
   registry r;
   r.add(*first);
   r.add(*second);
   EXPECT_EQ(r.all().size(), 2u); // one of each kind
   const auto found = r.find(WRN_KIND_TRANSPORT, "probe");
   ASSERT_TRUE(found);
   EXPECT_EQ(found->from->path(), "first");
   EXPECT_EQ(found->desc, &probe_transport_desc);
   EXPECT_EQ(r.find(WRN_KIND_DISCOVERY, "probe")->desc, &probe_discovery_desc)
         << "kinds have words of their own";
}

TEST(registry, unknown_word_lists_what_there_is_of_that_kind) {
   registry r;
   auto none = r.find(WRN_KIND_TRANSPORT, "quick");
   ASSERT_FALSE(none);
   EXPECT_NE(none.error().text.find("none at all"), std::string::npos) << none.error().text;
   r.add(*module::wrap(probe_entry, "probe"));
   r.scan({VARIANTS});
   none = r.find(WRN_KIND_DISCOVERY, "quick");
   ASSERT_FALSE(none);
   EXPECT_EQ(none.error().code, base::errc::not_found);
   EXPECT_NE(none.error().text.find("'quick'; there is probe, variant"), std::string::npos)
         << none.error().text;
   EXPECT_FALSE(r.find(WRN_KIND_TRANSPORT, ""));
   EXPECT_FALSE(r.find(7, "probe"));
}

TEST(registry, absolute_path_is_loaded_and_must_hold_that_kind) {
   registry r;
   const std::string path = (fs::path(VARIANTS) / "good.so").string();
   const auto found = r.find(WRN_KIND_DISCOVERY, path);
   ASSERT_TRUE(found) << found.error().text;
   EXPECT_STREQ(found->desc->name, "variant");
   EXPECT_TRUE(r.all().empty()) << "a path adds no word";
   const auto wrong = r.find(WRN_KIND_TRANSPORT, path);
   ASSERT_FALSE(wrong);
   EXPECT_NE(wrong.error().text.find("holds no transport"), std::string::npos)
         << wrong.error().text;
   EXPECT_FALSE(r.find(WRN_KIND_DISCOVERY, "/does/not/exist.so"));
}

} // namespace
} // namespace warren::plugin
