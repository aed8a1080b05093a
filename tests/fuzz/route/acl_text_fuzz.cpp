// Access rules as text. Checked: a mistake has a place inside of the text; what parses compiles,
// can be checked, tried and compared with itself without a difference.
#include "core/base/address.hpp"
#include "core/route/rule_set.hpp"

#include <algorithm>

namespace warren {
namespace {

std::vector<route::member_view> members() {
   std::vector<route::member_view> all(3);
   for (size_t i = 0; i < all.size(); i++) {
      all[i].name = std::string(1, static_cast<char>('a' + i));
      all[i].addresses = {*base::parse_prefix("10.0.0." + std::to_string(i + 1)),
                          *base::parse_prefix("fd00::" + std::to_string(i + 1))};
   }
   all[0].tags = {"web"};
   all[1].groups = {"dev"};
   all[2].roles = {"admin"};
   return all;
}

} // namespace
} // namespace warren

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
   using namespace warren;
   const std::string_view text(reinterpret_cast<const char*>(data), size);
   const auto parsed = route::parse_acl(text, "f");
   const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
   for (const auto& m : parsed.mistakes)
      WRN_ASSERT(m.at.line >= 1 && m.at.line <= lines && m.at.column >= 1 && !m.text.empty());
   if (!parsed.ok()) return 0;
   const auto all = members();
   const auto compiled = route::compile(parsed.value, all);
   WRN_ASSERT(compiled.has_value());
   route::check_acl(parsed.value, all);
   size_t asked = 0, left_out = 0;
   route::run_tests(parsed.value, **compiled, all, asked);
   const route::acl_side side{&parsed.value, compiled->get()};
   WRN_ASSERT(route::diff_rules(side, side, all, 10, left_out).empty());
   return 0;
}
