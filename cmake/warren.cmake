# Build rules shared by our own targets: warnings are errors, symbols are hidden, sanitizers by option.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(WARREN_PLUGIN_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/warren/plugins)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

find_program(WARREN_CCACHE ccache)
if(WARREN_CCACHE)
   set(CMAKE_C_COMPILER_LAUNCHER ${WARREN_CCACHE})
   set(CMAKE_CXX_COMPILER_LAUNCHER ${WARREN_CCACHE})
endif()

add_library(warren_options INTERFACE)
set_property(TARGET warren_options PROPERTY INTERFACE_COMPILE_OPTIONS
   -Wall -Wextra -Wpedantic -Wshadow -Wcast-align -Wimplicit-fallthrough -Werror
   $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor$<SEMICOLON>-Woverloaded-virtual>
   -fno-omit-frame-pointer)
if(WARREN_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
   add_compile_options(-Wno-tsan) # Asio has fences, which ThreadSanitizer does not see; what they order is ordered by mutexes, too
endif()
if(WARREN_SANITIZE)
   add_compile_options(-fsanitize=${WARREN_SANITIZE} -fno-sanitize-recover=all)
   add_link_options(-fsanitize=${WARREN_SANITIZE})
endif()

# What every test runs with. A sanitizer's finding ends the program with exit code 99, which no test expects. tests/net/lib/lab.py has the same for
# what it starts; the suppressions are for other people's libraries, each with its reason.
set(WARREN_TEST_ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
set(WARREN_TEST_SLOW 1)
if(WARREN_SANITIZE)
   set(WARREN_TEST_SLOW 4)
   list(APPEND WARREN_TEST_ENVIRONMENT
      "ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
      "UBSAN_OPTIONS=exitcode=99:print_stacktrace=1"
      "LSAN_OPTIONS=exitcode=99:print_suppressions=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp"
      "TSAN_OPTIONS=exitcode=99:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp")
endif()
if(WARREN_FUZZ)
   add_compile_options(-fsanitize=fuzzer-no-link) # coverage of the libraries, too
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
   add_compile_options(-fstack-protector-strong)
   if(NOT WARREN_SANITIZE)
      add_compile_options(-D_FORTIFY_SOURCE=2)
   endif()
   add_link_options(-Wl,-z,relro,-z,now)
endif()

# warren_core_library(base SOURCES ... LIBS ...): folder core/<name> as target warren_<name>.
function(warren_core_library name)
   cmake_parse_arguments(A "" "" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
   add_library(warren_${name} STATIC ${A_SOURCES})
   target_include_directories(warren_${name} PUBLIC ${PROJECT_SOURCE_DIR})
   target_link_libraries(warren_${name} PUBLIC ${A_LIBS} PRIVATE ${A_PRIVATE_LIBS} warren_options)
endfunction()

# warren_unit_test(core_base SOURCES ... LIBS ...): one GoogleTest program per folder, one ctest entry per test.
function(warren_unit_test name)
   if(NOT WARREN_TESTS)
      return()
   endif()
   cmake_parse_arguments(A "" "" "SOURCES;LIBS;LABELS" ${ARGN})
   add_executable(test_${name} ${A_SOURCES})
   target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR})
   target_link_libraries(test_${name} PRIVATE ${A_LIBS} GTest::gtest_main GTest::gmock warren_options)
   add_test(NAME unit.${name} COMMAND test_${name})
   set_tests_properties(unit.${name} PROPERTIES LABELS "unit;sanitize;${A_LABELS}" TIMEOUT 900 ENVIRONMENT "${WARREN_TEST_ENVIRONMENT}")
endfunction()

# warren_fuzz_target(name SOURCES ... LIBS ...): a libFuzzer program in a fuzz build; in every other build the same
# source replays its corpus (tests/fuzz/corpus/<name>) as a ctest entry.
function(warren_fuzz_target name)
   cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
   if(WARREN_FUZZ)
      add_executable(fuzz_${name} ${A_SOURCES})
      target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
      target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
   else()
      add_executable(fuzz_${name} ${A_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
      add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
      set_tests_properties(fuzz.${name} PROPERTIES LABELS "fuzz" TIMEOUT 120 ENVIRONMENT "${WARREN_TEST_ENVIRONMENT}")
   endif()
   target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR})
   target_link_libraries(fuzz_${name} PRIVATE ${A_LIBS} warren_options)
endfunction()
