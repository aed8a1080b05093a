// Replays corpus files through a fuzz target, so that every build checks what fuzzing once found.
// Arguments are files or folders; each file is one input.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

size_t replay_file(const std::filesystem::path& path) {
   std::ifstream in(path, std::ios::binary);
   std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
   LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
   return 1;
}

} // namespace

int main(int argc, char** argv) {
   size_t count = 0;
   for (int i = 1; i < argc; i++) {
      if (std::filesystem::is_directory(argv[i])) {
         for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
            if (entry.is_regular_file()) count += replay_file(entry.path());
      } else {
         count += replay_file(argv[i]);
      }
   }
   std::printf("%zu inputs replayed\n", count);
   return count != 0 ? 0 : 1; // an empty corpus is a mistake in the tree, not a success
}
