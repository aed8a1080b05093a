// Goal: whatever lies in a plugin folder, the daemon either gets a checked module or a sentence
// with the path and what is wrong. Method: modules of the test tree that are wrong in one way each,
// loaded as the daemon loads them.
#include "core/plugin/module.hpp"

#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::plugin {
namespace {

namespace fs = std::filesystem;

fs::path variant(std::string_view name) { return fs::path(VARIANTS) / (std::string(name) + ".so"); }

void expect_refused(const fs::path& path, base::errc code, std::string_view text) {
   const auto loaded = module::load(path);
   ASSERT_FALSE(loaded) << path;
   EXPECT_EQ(loaded.error().code, code) << loaded.error().text;
   EXPECT_NE(loaded.error().text.find(text), std::string::npos) << loaded.error().text;
   EXPECT_NE(loaded.error().text.find(path.parent_path().filename().string()), std::string::npos)
         << "no path in: " << loaded.error().text;
}

/// A folder of the test's own, gone at its end.
struct folder {
   fs::path path;
   folder() {
      std::string name = (fs::temp_directory_path() / "warren-module-XXXXXX").string();
      path = mkdtemp(name.data());
   }
   ~folder() { fs::remove_all(path); }
   fs::path copy(std::string_view from, std::string_view to) const {
      fs::copy_file(variant(from), path / to);
      fs::permissions(path / to, fs::perms::owner_all);
      return path / to;
   }
};

TEST(module, good_one_is_loaded_and_described) {
   const auto m = module::load(variant("good"));
   ASSERT_TRUE(m) << m.error().text;
   ASSERT_EQ((*m)->plugins().size(), 1u);
   EXPECT_STREQ((*m)->plugins()[0]->name, "variant");
   const auto again = module::load(variant("good"));
   ASSERT_TRUE(again);
   EXPECT_EQ((*again)->plugins()[0], (*m)->plugins()[0]) << "one file is mapped once";
}

TEST(module, other_abi_minor_is_refused_with_both_versions) {
   expect_refused(variant("other_minor"), base::errc::unsupported, "0.77");
   expect_refused(variant("other_minor"), base::errc::unsupported, "this Warren has 0.");
}

TEST(module, library_without_entry_symbol_is_no_plugin) {
   expect_refused(variant("no_entry"), base::errc::invalid, "wrn_entry_0");
}

TEST(module, incomplete_descriptions_are_refused) {
   expect_refused(variant("no_vendor"), base::errc::invalid, "lacks");
   expect_refused(variant("empty_vendor"), base::errc::invalid, "lacks");
   expect_refused(variant("bad_name"), base::errc::invalid, "other characters");
   expect_refused(variant("bad_kind"), base::errc::invalid, "kind 9");
   expect_refused(variant("no_help"), base::errc::invalid, "'key'");
}

TEST(module, metrics_are_declared_well_or_refused) {
   expect_refused(variant("metric_no_help"), base::errc::invalid, "metric 'a' without");
   expect_refused(variant("metric_bad_type"), base::errc::invalid, "metric 'a' without");
   expect_refused(variant("metric_bad_name"), base::errc::invalid, "metric 'a b' with other");
   expect_refused(variant("metric_twice"), base::errc::invalid, "metric 'a' twice");
}

TEST(module, counts_that_lie_are_refused) {
   expect_refused(variant("count_zero"), base::errc::invalid, "0 plugins");
   expect_refused(variant("count_lies"), base::errc::invalid, "missing");
   expect_refused(variant("count_huge"), base::errc::invalid, "4000000000");
}

TEST(module, failing_init_and_missing_factory_are_said) {
   expect_refused(variant("init_fails"), base::errc::unavailable, "init failed");
   expect_refused(variant("no_factory"), base::errc::invalid, "warren.factory/1");
}

TEST(module, files_that_are_no_library_are_refused) {
   const folder f;
   std::ofstream(f.path / "text.so") << "#!/bin/sh\necho plugin\n";
   std::ofstream(f.path / "empty.so");
   fs::create_directory(f.path / "folder.so");
   for (const char* name : {"text.so", "empty.so", "folder.so"})
      fs::permissions(f.path / name, fs::perms::owner_all);
   expect_refused(f.path / "text.so", base::errc::invalid, "cannot be loaded");
   expect_refused(f.path / "empty.so", base::errc::invalid, "cannot be loaded");
   expect_refused(f.path / "folder.so", base::errc::invalid, "");
   expect_refused(f.path / "missing.so", base::errc::not_found, "no plugin at");
   EXPECT_FALSE(module::load("relative.so"));
}

TEST(module, truncated_library_is_refused) {
   const folder f;
   const fs::path cut = f.copy("good", "cut.so");
   fs::resize_file(cut, 700);
   expect_refused(cut, base::errc::invalid, "cannot be loaded");
}

TEST(module, what_everybody_can_write_is_not_run) {
   const folder f;
   const fs::path file = f.copy("good", "open.so");
   fs::permissions(file, fs::perms::owner_all | fs::perms::others_write);
   expect_refused(file, base::errc::permission, "chmod o-w");
   fs::permissions(file, fs::perms::owner_all);
   fs::permissions(f.path, fs::perms::owner_all | fs::perms::others_write);
   expect_refused(file, base::errc::permission, "chmod o-w");
   fs::permissions(f.path, fs::perms::owner_all);
   EXPECT_TRUE(module::load(file));
   // A link does not hide where the file lies.
   const folder other;
   fs::permissions(f.path, fs::perms::owner_all | fs::perms::others_write);
   fs::create_symlink(file, other.path / "link.so");
   const auto linked = module::load(other.path / "link.so");
   ASSERT_FALSE(linked);
   EXPECT_EQ(linked.error().code, base::errc::permission);
   // A sticky bit protects the names in a folder, not the bytes of a file.
   fs::permissions(f.path, fs::perms::owner_all);
   ASSERT_EQ(chmod(file.c_str(), 01777), 0);
   expect_refused(file, base::errc::permission, "chmod o-w");
}

TEST(module, what_a_group_can_write_is_not_run) {
   const folder f;
   const fs::path file = f.copy("good", "shared.so");
   const auto mode = [](const fs::path& path, mode_t bits) {
      ASSERT_EQ(chmod(path.c_str(), bits), 0);
   };
   mode(file, 0770);
   EXPECT_TRUE(module_file::open(file)) << "root's group, or the user's own";
   if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
   constexpr gid_t nobodys = 54321;
   ASSERT_EQ(chown(file.c_str(), 0, nobodys), 0);
   expect_refused(file, base::errc::permission, "can be written by group 54321");
   mode(file, 0750);
   EXPECT_TRUE(module_file::open(file));
   ASSERT_EQ(chown(f.path.c_str(), 0, nobodys), 0);
   mode(f.path, 0770);
   expect_refused(file, base::errc::permission, "chmod g-w");
   mode(f.path, 01777);
   EXPECT_TRUE(module_file::open(file)) << "in a sticky folder nobody replaces what is ours";
   mode(file, 03770); // on a file the same bit protects nothing
   ASSERT_EQ(chown(file.c_str(), 0, nobodys), 0);
   expect_refused(file, base::errc::permission, "can be written by group");
}

crypto::bytes32 digest_of(const fs::path& path) {
   auto file = module_file::open(path);
   return file ? file->sha256() : crypto::bytes32{};
}

TEST(module, pin_decides_which_file_is_loaded) {
   const folder f;
   const fs::path file = f.copy("good", "acme.so");
   const crypto::bytes32 right = digest_of(file);
   crypto::bytes32 wrong = right;
   wrong[31] ^= 1;
   const auto refusal = [&](const pins& demanded) {
      const auto loaded = module::load(file, demanded);
      return loaded ? std::string("loaded") : loaded.error().text;
   };
   for (const std::string& text :
        {refusal({{{"acme.so", wrong}}, false}), refusal({{{file.string(), wrong}}, false}),
         refusal({{{file.string(), wrong}, {"acme.so", right}}, true})}) {
      EXPECT_NE(text.find(file.string() + " is not the pinned file"), std::string::npos) << text;
      EXPECT_NE(text.find("expects " + crypto::format_hex(wrong)), std::string::npos) << text;
      EXPECT_NE(text.find("found " + crypto::format_hex(right)), std::string::npos) << text;
   }
   const std::string missing = refusal({{{"other.so", right}}, true});
   EXPECT_NE(missing.find("has no pin"), std::string::npos) << missing;
   EXPECT_NE(missing.find("\"acme.so\" = \"" + crypto::format_hex(right)), std::string::npos)
         << missing;
   EXPECT_EQ(refusal({{{"other.so", wrong}}, false}), "loaded");
   EXPECT_EQ(refusal({{{"acme.so", right}}, true}), "loaded");
   EXPECT_NE(refusal({{{"acme.so", wrong}}, false}), "loaded") << "mapped already, but not wanted";
}

TEST(module, pin_is_about_what_was_mapped_not_about_what_lies_there_now) {
   const folder f;
   const fs::path file = f.copy("good", "mapped.so");
   const crypto::bytes32 first = digest_of(file);
   ASSERT_TRUE(module::load(file, {{{"mapped.so", first}}, true}));
   fs::remove(file);
   f.copy("no_vendor", "mapped.so");
   const crypto::bytes32 second = digest_of(file);
   ASSERT_NE(first, second);
   EXPECT_FALSE(module::load(file, {{{"mapped.so", second}}, true}));
   EXPECT_TRUE(module::load(file, {{{"mapped.so", first}}, true}));
}

TEST(module, change_while_loading_is_noticed) {
   const folder f;
   const fs::path file = f.copy("good", "busy.so");
   const auto opened = module_file::open(file);
   ASSERT_TRUE(opened);
   EXPECT_TRUE(opened->still_same());
   std::ofstream(file, std::ios::app) << "x";
   EXPECT_FALSE(opened->still_same()) << "written to";
   const auto again = module_file::open(file);
   ASSERT_TRUE(again);
   fs::rename(f.copy("good", "new.so"), file);
   EXPECT_FALSE(again->still_same()) << "replaced";
}

TEST(module, one_that_changes_its_file_while_it_is_loaded_is_never_used) {
   expect_refused(variant("changes_itself"), base::errc::permission, "changed while");
   expect_refused(variant("changes_itself"), base::errc::permission, "changed while");
}

TEST(module, digest_is_that_of_sha256sum) {
   const folder f;
   std::ofstream(f.path / "abc") << "abc";
   const int fd = ::open((f.path / "abc").c_str(), O_RDONLY);
   const auto digest = crypto::sha256_of_file(fd);
   ::close(fd);
   ASSERT_TRUE(digest);
   EXPECT_EQ(crypto::format_hex(*digest),
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(module, what_another_user_owns_is_not_run) {
   if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
   const folder f;
   const fs::path file = f.copy("good", "foreign.so");
   ASSERT_EQ(chown(file.c_str(), 12345, 0), 0);
   expect_refused(file, base::errc::permission, "12345");
}

} // namespace
} // namespace warren::plugin
