# warren_add_plugin(NAME <name> SOURCES <files...> [LIBS <targets...>])
#
# Builds <name>.so as Warren loads it: hidden visibility and a version script that exports the entry symbol alone (visibility
# by itself leaves template instances of the standard library exported), and no soname, because nobody links against it.
# Where the program `warren` was found (find_package(WarrenSDK) looks for it), it reads the module's description after the build.
set(WARREN_PLUGIN_VERSION_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(warren_add_plugin)
   cmake_parse_arguments(A "" "NAME" "SOURCES;LIBS" ${ARGN})
   if(NOT A_NAME OR NOT A_SOURCES OR A_UNPARSED_ARGUMENTS)
      message(FATAL_ERROR "warren_add_plugin(NAME <name> SOURCES <files...> [LIBS <targets...>])")
   endif()
   add_library(${A_NAME} MODULE ${A_SOURCES})
   target_link_libraries(${A_NAME} PRIVATE Warren::sdk ${A_LIBS})
   set_target_properties(${A_NAME} PROPERTIES PREFIX "" SUFFIX .so NO_SONAME ON
      C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
   if(WARREN_PLUGIN_OUTPUT_DIRECTORY)
      set_target_properties(${A_NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${WARREN_PLUGIN_OUTPUT_DIRECTORY})
   endif()
   target_link_options(${A_NAME} PRIVATE -Wl,--version-script=${WARREN_PLUGIN_VERSION_SCRIPT})
   if(NOT WARREN_SANITIZE)
      target_link_options(${A_NAME} PRIVATE -Wl,-z,defs)
   endif()
   set_property(TARGET ${A_NAME} APPEND PROPERTY LINK_DEPENDS ${WARREN_PLUGIN_VERSION_SCRIPT})
   if(WARREN_PROGRAM AND NOT CMAKE_CROSSCOMPILING)
      add_custom_command(TARGET ${A_NAME} POST_BUILD COMMAND ${WARREN_PROGRAM} plugin describe $<TARGET_FILE:${A_NAME}>
         COMMENT "Checking the description of ${A_NAME}" VERBATIM)
   endif()
endfunction()
