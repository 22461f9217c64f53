# Flags and functions that every target of the project shares.

set(TROUPE_SANITIZE "" CACHE STRING "Value of -fsanitize= for every file of ours: address,undefined or thread")

add_library(troupe_flags INTERFACE)
target_include_directories(troupe_flags INTERFACE ${PROJECT_SOURCE_DIR})
# -ffp-contract=off: an FMA that the compiler invents would change bits between call sites.
target_compile_options(troupe_flags INTERFACE
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion -Werror
  # A designated initializer that leaves fields to their defaults is how messages are meant to be written.
  -Wno-missing-field-initializers)
if(TROUPE_SANITIZE)
  target_compile_options(troupe_flags INTERFACE
    -fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(troupe_flags INTERFACE -fsanitize=${TROUPE_SANITIZE})
endif()

# Reuses the precompiled header of the first target in the list that has one: msgpack costs 4 s a file and CAF 5 s.
function(troupe_reuse_pch name)
  foreach(linked ${ARGN})
    if(TARGET ${linked})
      get_target_property(owner ${linked} TROUPE_PCH)
      if(owner)
        target_precompile_headers(${name} REUSE_FROM ${owner})
        set_target_properties(${name} PROPERTIES TROUPE_PCH ${owner})
        return()
      endif()
    endif()
  endforeach()
endfunction()

# troupe_library(NAME SOURCES file... [LINK target...] [PCH header]): one static library a folder.
# PCH: a header that it precompiles, for itself and all that link it.
function(troupe_library name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC troupe_flags ${ARG_LINK})
  if(ARG_PCH)
    target_precompile_headers(${name} PRIVATE ${PROJECT_SOURCE_DIR}/${ARG_PCH})
    set_target_properties(${name} PROPERTIES TROUPE_PCH ${name})
  else()
    troupe_reuse_pch(${name} ${ARG_LINK})
  endif()
endfunction()

# troupe_test(NAME SOURCES file... [LINK target...] [LABELS label...] [TIMEOUT seconds]): one Boost.Test executable.
# Tests of pure cores are labelled `quick`: the sanitizer presets run those.
function(troupe_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  # A guard against hangs, not a bar: the slowest without one of its own takes a third of it beside other work. Under
  # ThreadSanitizer some take a hundred times longer.
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(TROUPE_SANITIZE AND ARG_TIMEOUT LESS 1800)
    set(ARG_TIMEOUT 1800)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE troupe_test_main ${ARG_LINK})
  troupe_reuse_pch(${name} ${ARG_LINK})
  add_test(NAME ${name} COMMAND ${name} --log_level=test_suite --color_output=no)
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
