// The module around create() and desc of the file that includes this last.
#pragma once

namespace {

uint32_t count() {
   static uint32_t calls = 0;
   if (is(flaw::count_changes)) return 1 + (calls++ > 4 ? calls % 2 : 0);
   return is(flaw::count_lies) ? 0 : 1;
}
const wrn_plugin_desc* description(uint32_t index) {
   static wrn_plugin_desc moving[2] = {desc, desc};
   static uint32_t calls = 0;
   if (index == 0) return is(flaw::desc_moves) ? &moving[calls++ % 2] : &desc;
   return is(flaw::second_missing) && index == 1 ? &desc : nullptr;
}
constexpr wrn_factory factory{count, description, create};

} // namespace

#ifndef NO_ENTRY
extern "C" {
WRN_EXPORT extern const wrn_entry wrn_entry_0;
const wrn_entry wrn_entry_0 = {
      is(flaw::other_major) ? 7u : WRN_ABI_MAJOR,
      is(flaw::other_minor) ? WRN_ABI_MINOR + 1 : WRN_ABI_MINOR,
      [](const char*) -> wrn_status { return is(flaw::entry_init_fails) ? WRN_E_NOMEM : WRN_OK; },
      [] {},
      [](const char* id) -> const void* {
         return std::strcmp(id, WRN_FACTORY) == 0 ? &factory : nullptr;
      }};
}
#endif
#ifdef EXTRA_EXPORT
extern "C" WRN_EXPORT int acme_helper() { return 1; }
#endif
