# warren_add_plugin(NAME <name> SOURCES <files...> [LIBS <targets...>])
#
# Builds <name>.so as Warren loads it: hidden visibility and a version script that exports the entry symbol alone (visibility
# by itself leaves template instances of the standard library exported), and no soname, because nobody links against it.
set(WARREN_PLUGIN_VERSION_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(warren_add_plugin)
   cmake_parse_arguments(A "" "NAME" "SOURCES;LIBS" ${ARGN})
   add_library(${A_NAME} MODULE ${A_SOURCES})
   target_link_libraries(${A_NAME} PRIVATE Warren::sdk ${A_LIBS})
   set_target_properties(${A_NAME} PROPERTIES PREFIX "" NO_SONAME ON
      C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
   if(WARREN_PLUGIN_OUTPUT_DIRECTORY)
      set_target_properties(${A_NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${WARREN_PLUGIN_OUTPUT_DIRECTORY})
   endif()
   target_link_options(${A_NAME} PRIVATE -Wl,--version-script=${WARREN_PLUGIN_VERSION_SCRIPT})
   if(NOT WARREN_SANITIZE)
      target_link_options(${A_NAME} PRIVATE -Wl,-z,defs)
   endif()
   set_property(TARGET ${A_NAME} APPEND PROPERTY LINK_DEPENDS ${WARREN_PLUGIN_VERSION_SCRIPT})
endfunction()
