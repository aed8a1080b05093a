// Goal: keys survive on disk, are never overwritten, and are refused when others can read them.
// Method: a temporary folder per test.
#include "core/trust/identity.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::trust {
namespace {

namespace fs = std::filesystem;

void seeded_random(void* buf, size_t len) {
   static std::mt19937_64 engine(5);
   for (size_t i = 0; i < len; i++)
      static_cast<uint8_t*>(buf)[i] = static_cast<uint8_t>(engine());
}

struct identity_files : ::testing::Test {
   fs::path folder;
   void SetUp() override {
      ASSERT_TRUE(crypto::init());
      char name[] = "/tmp/warren-identity-XXXXXX";
      ASSERT_NE(mkdtemp(name), nullptr);
      folder = name;
   }
   void TearDown() override { fs::remove_all(folder); }
};

TEST_F(identity_files, generated_keys_load_again_and_files_are_0600_in_a_0700_folder) {
   const fs::path keys = folder / "keys";
   const auto made = generate(keys, seeded_random);
   ASSERT_TRUE(made) << made.error().text;
   const auto loaded = load(keys);
   ASSERT_TRUE(loaded) << loaded.error().text;
   EXPECT_EQ(made->signing.id, loaded->signing.id);
   EXPECT_EQ(made->tunnel.public_key, loaded->tunnel.public_key);
   EXPECT_NE(made->signing.id, made->tunnel.public_key);
   struct stat info {};
   for (const char* name : {identity_file, tunnel_file}) {
      ASSERT_EQ(stat((keys / name).c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 0777, 0600u);
   }
   stat(keys.c_str(), &info);
   EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(identity_files, existing_keys_are_never_overwritten) {
   ASSERT_TRUE(generate(folder, seeded_random));
   const auto before = load(folder);
   const auto again = generate(folder, seeded_random);
   ASSERT_FALSE(again);
   EXPECT_EQ(again.error().code, base::errc::exists);
   EXPECT_EQ(load(folder)->signing.id, before->signing.id);
}

TEST_F(identity_files, key_file_that_others_can_read_is_refused_with_the_command_that_mends_it) {
   ASSERT_TRUE(generate(folder, seeded_random));
   ASSERT_EQ(chmod((folder / tunnel_file).c_str(), 0640), 0);
   const auto r = load(folder);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, base::errc::permission);
   EXPECT_NE(r.error().text.find("chmod 600"), std::string::npos);
}

TEST_F(identity_files, missing_and_damaged_files_are_named) {
   auto r = load(folder);
   ASSERT_FALSE(r);
   EXPECT_EQ(r.error().code, base::errc::not_found);
   EXPECT_NE(r.error().text.find("warren key generate"), std::string::npos);
   ASSERT_TRUE(generate(folder, seeded_random));
   std::ofstream(folder / identity_file) << "not a key\n";
   r = load(folder);
   ASSERT_FALSE(r);
   EXPECT_NE(r.error().text.find(identity_file), std::string::npos);
}

} // namespace
} // namespace warren::trust
