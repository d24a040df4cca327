# How every C file of ours is compiled: the target lm_compiler carries the flags.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Results must not depend on whether the compiler may fuse a multiplication and an addition: the
# references in tests/ are compared bit for bit on some paths.
add_library(lm_compiler INTERFACE)
target_compile_definitions(lm_compiler INTERFACE _GNU_SOURCE)
target_compile_options(lm_compiler INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -ffp-contract=off
  $<$<BOOL:${LM_WERROR}>:-Werror>)

# What every program is linked with besides its own files.
set(lm_program_sources "")
if(LM_SANITIZE)
  target_compile_options(lm_compiler INTERFACE
    -fsanitize=${LM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lm_compiler INTERFACE -fsanitize=${LM_SANITIZE})
  set(lm_program_sources ${CMAKE_CURRENT_LIST_DIR}/keep_loaded.c)
endif()

# libFuzzer is told which branches an input takes.
if(LM_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang" OR NOT LM_SANITIZE)
    message(FATAL_ERROR "LM_FUZZ needs clang and LM_SANITIZE; see the preset fuzz")
  endif()
  target_compile_options(lm_compiler INTERFACE -fsanitize=fuzzer-no-link)
endif()
