#include "sdk/check/elf.hpp"

#include "sdk/check/report.hpp"

#include <cstring>
#include <fstream>
#include <iterator>
#include <link.h>

namespace warren::check {

namespace {

using ehdr = ElfW(Ehdr);
using shdr = ElfW(Shdr);
using sym = ElfW(Sym);

/// A copy of the T at `at`; false when the file ends before.
template <class T> bool read(const std::string& file, uint64_t at, T& out) {
   if (at > file.size() || file.size() - at < sizeof out) return false;
   std::memcpy(&out, file.data() + at, sizeof out);
   return true;
}

std::string identity_problem(const std::string& file, ehdr& head) {
   if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
      return "it is not an ELF file";
   ehdr own{};
   std::ifstream self("/proc/self/exe", std::ios::binary);
   self.read(reinterpret_cast<char*>(&own), sizeof own);
   if (file[EI_CLASS] != own.e_ident[EI_CLASS])
      return say("it is ", file[EI_CLASS] == ELFCLASS32 ? "32" : "64",
                 "-bit, and this program is not");
   if (!read(file, 0, head)) return "it ends within its header";
   if (file[EI_DATA] != own.e_ident[EI_DATA] || head.e_machine != own.e_machine)
      return say("it is for machine type ", head.e_machine, ", this is ", own.e_machine);
   if (head.e_type != ET_DYN)
      return say("it is of ELF type ", head.e_type,
                 ", a module is a shared library (3); link with -shared");
   return "";
}

} // namespace

elf_symbols read_elf(const std::string& path) {
   elf_symbols out;
   std::ifstream in(path, std::ios::binary);
   const std::string file{std::istreambuf_iterator<char>(in), {}};
   ehdr head{};
   if (!in) out.problem = "it cannot be read";
   if (out.problem.empty()) out.problem = identity_problem(file, head);
   if (!out.problem.empty()) return out;
   for (unsigned i = 0; i < head.e_shnum; i++) {
      shdr section{}, strings{};
      if (!read(file, head.e_shoff + uint64_t{i} * head.e_shentsize, section)) break;
      if (section.sh_type != SHT_DYNSYM || section.sh_entsize != sizeof(sym)) continue;
      if (!read(file, head.e_shoff + uint64_t{section.sh_link} * head.e_shentsize, strings)) break;
      for (uint64_t at = sizeof(sym); at < section.sh_size; at += sizeof(sym)) {
         sym s{};
         if (!read(file, section.sh_offset + at, s) || s.st_name >= strings.sh_size) break;
         const uint64_t name_at = strings.sh_offset + s.st_name;
         if (name_at >= file.size()) break;
         const std::string name = file.c_str() + name_at;
         if (s.st_shndx == SHN_UNDEF)
            out.imported.push_back(name);
         else if (const int bind = ELF64_ST_BIND(s.st_info);
                  bind != STB_LOCAL && ELF64_ST_TYPE(s.st_info) != STT_SECTION)
            out.exported.push_back(name);
      }
      return out;
   }
   out.problem = "it has no table of dynamic symbols (was it stripped with 'strip "
                 "--strip-section-headers'?)";
   return out;
}

} // namespace warren::check
