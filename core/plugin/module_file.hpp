// The file of a module before it is loaded: who may write it, whether it is whole, and whether it
// is the one that the operator pinned. Control thread.
//
// The file is opened once. What was looked at and hashed is this open file, and still_same() tells
// after loading by path that the path led to it and that nobody wrote to it meanwhile.
#pragma once

#include "core/crypto/digest.hpp"

#include <filesystem>
#include <map>
#include <string>

#include <sys/stat.h>

namespace warren::plugin {

/// What the operator demands of modules, from [plugins] of warren.toml.
struct pins {
   /// File name or absolute path -> SHA-256; the path goes first.
   std::map<std::string, crypto::bytes32, std::less<>> sha256;
   bool only = false; // modules without a pin are refused

   base::result<void> check(const std::filesystem::path& file, const crypto::bytes32& found) const;
};

class module_file {
 public:
   /// Refuses what others than the owner and root could write, and what is no complete ELF file.
   static base::result<module_file> open(const std::filesystem::path& path);
   /// The first of these refusals alone.
   static base::result<void> check_access(const std::filesystem::path& path);
   ~module_file();
   module_file(module_file&& other) noexcept;
   module_file& operator=(module_file&&) = delete;

   const crypto::bytes32& sha256() const { return sha256_; }
   base::result<void> still_same() const;

 private:
   explicit module_file(std::filesystem::path path) : path_(std::move(path)) {}
   base::result<void> inspect();
   base::result<void> check_whole() const;

   std::filesystem::path path_;
   int fd_ = -1;
   struct stat info_ {};
   crypto::bytes32 sha256_{};
};

} // namespace warren::plugin
