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

# troupe_fuzz(NAME SOURCES file... LINK target... [SEEDS folder...] [MAX_BYTES bytes] [DICTIONARY file]): NAME_fuzz, one
# libFuzzer target, which the preset `fuzz` builds. Its test runs 20,000 inputs, the same ones each time, begun from
# corpus/NAME and SEEDS; scripts/fuzz.sh reads the two lists that are written here.
function(troupe_fuzz name)
  cmake_parse_arguments(ARG "" "MAX_BYTES;DICTIONARY" "SOURCES;LINK;SEEDS" ${ARGN})
  add_executable(${name}_fuzz ${ARG_SOURCES})
  target_link_libraries(${name}_fuzz PRIVATE troupe_flags ${ARG_LINK})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  troupe_reuse_pch(${name}_fuzz ${ARG_LINK})
  add_dependencies(fuzz_targets ${name}_fuzz)

  # What one input may take: seconds, megabytes, bytes.
  set(options -timeout=5 -rss_limit_mb=2048)
  if(ARG_MAX_BYTES)
    list(APPEND options -max_len=${ARG_MAX_BYTES})
  endif()
  if(ARG_DICTIONARY)
    list(APPEND options -dict=${CMAKE_CURRENT_SOURCE_DIR}/dictionaries/${ARG_DICTIONARY})
  endif()
  set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name} ${ARG_SEEDS})
  list(JOIN options "\n" options)
  list(JOIN seeds "\n" seeds)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.options "${options}\n")
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.seeds "${seeds}\n")
  # A guard against hangs, as above: each takes some ten seconds of a core.
  set(ARG_TIMEOUT 600)
  add_test(NAME ${name}_fuzz COMMAND ${PROJECT_SOURCE_DIR}/scripts/fuzz.sh --test ${name})
  set_tests_properties(${name}_fuzz PROPERTIES LABELS fuzz TIMEOUT ${ARG_TIMEOUT})
endfunction()
