#include "tests/bench/micro/body.hpp"

#include <cstdio>
#include <cstdlib>

namespace warren::bench {

std::vector<entry> all_entries() {
   std::vector<entry> all;
   add_io(all);
   add_route(all);
   add_acl(all);
   add_aead(all);
   return all;
}

void require(bool holds, const char* what) {
   if (holds) return;
   std::fprintf(stderr, "benchmark: %s\n", what);
   std::exit(1);
}

} // namespace warren::bench
