// The dynamic symbols of a shared library, read from the file itself: nothing of it runs.
#pragma once

#include <string>
#include <vector>

namespace warren::check {

struct elf_symbols {
   std::string problem; // why this is no module for this machine; empty = fine
   std::vector<std::string> exported, imported;
};
elf_symbols read_elf(const std::string& path);

} // namespace warren::check
