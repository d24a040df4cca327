# Turns shaders/variants.txt into SPIR-V, checks it, and embeds it in C.
#
# A module `m` made from `s.comp` goes through three files in the build tree:
#   glsl/m.main.comp  #version, #define lines, #include "s.comp" (glslang 12 has no preamble option;
#                     not m.comp, which could then include itself)
#   spv/m.spv         compiled, and thrown away again where spirv-val objects
#   words/m.inc       the same words as C initialisers

function(lm_read_variants file out_modules)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} lines ENCODING UTF-8)
  set(modules "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "#.*" "" line "${line}")
    string(STRIP "${line}" line)
    if(line STREQUAL "")
      continue()
    endif()
    if(NOT line MATCHES "^([a-z][a-z0-9_]*)[ \t]+([a-z][a-z0-9_/]*\\.comp)(([ \t]+[A-Z][A-Z0-9_]*=[^ \t]+)*)$")
      message(FATAL_ERROR "${file}: not `name source.comp [DEFINE=VALUE ...]`: ${line}")
    endif()
    set(module ${CMAKE_MATCH_1})
    if(module IN_LIST modules)
      message(FATAL_ERROR "${file}: module ${module} is listed twice")
    endif()
    list(APPEND modules ${module})
    set(${module}_source ${CMAKE_MATCH_2} PARENT_SCOPE)
    string(STRIP "${CMAKE_MATCH_3}" defines)
    separate_arguments(defines UNIX_COMMAND "${defines}")
    set(${module}_defines "${defines}" PARENT_SCOPE)
  endforeach()
  set(${out_modules} "${modules}" PARENT_SCOPE)
endfunction()

# Sets `out` to whether the compiler and the checker know what LM_PREBUILT modules need.
function(lm_probe_compiler out)
  set(probe ${CMAKE_CURRENT_BINARY_DIR}/probe)
  file(WRITE ${probe}.comp "#version 460
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
layout(local_size_x = 32) in;
shared float at[256];
void main()
{
    coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> zero =
        coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);
    coopMatStore(zero, at, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
")
  execute_process(COMMAND ${LM_GLSLANG} -V --quiet --target-env vulkan1.2 -o ${probe}.spv ${probe}.comp
                  RESULT_VARIABLE compiles OUTPUT_QUIET ERROR_QUIET)
  if(compiles EQUAL 0)
    execute_process(COMMAND ${LM_SPIRV_VAL} --target-env vulkan1.2 ${probe}.spv
                    RESULT_VARIABLE compiles OUTPUT_QUIET ERROR_QUIET)
  endif()
  if(compiles EQUAL 0)
    set(${out} ON PARENT_SCOPE)
  else()
    set(${out} OFF PARENT_SCOPE)
  endif()
endfunction()

# Sets `out` to the file of C initialisers of one module.
function(lm_add_module module source defines out)
  set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/glsl/${module}.main.comp)
  set(spirv ${CMAKE_CURRENT_BINARY_DIR}/spv/${module}.spv)
  set(words ${CMAKE_CURRENT_BINARY_DIR}/words/${module}.inc)

  set(text "#version 460\n#extension GL_GOOGLE_include_directive : require\n")
  foreach(define IN LISTS defines)
    string(REPLACE "=" " " define "${define}")
    string(APPEND text "#define ${define}\n")
  endforeach()
  file(CONFIGURE OUTPUT ${wrapper} CONTENT "${text}#include \"${source}\"\n" @ONLY)

  set(prebuilt ${CMAKE_CURRENT_SOURCE_DIR}/prebuilt/${module}.spv)
  if("LM_PREBUILT=1" IN_LIST defines AND NOT lm_compiler_is_new)
    add_custom_command(
      OUTPUT ${spirv}
      COMMAND ${CMAKE_COMMAND} -E copy ${prebuilt} ${spirv}
      DEPENDS ${prebuilt}
      COMMENT "Shader ${module}, prebuilt"
      VERBATIM)
  else()
    add_custom_command(
      OUTPUT ${spirv}
      COMMAND ${LM_GLSLANG} -V --quiet --target-env vulkan1.2 -I${CMAKE_CURRENT_SOURCE_DIR}
              --depfile ${spirv}.d -o ${spirv} ${wrapper}
      COMMAND ${LM_SPIRV_VAL} --target-env vulkan1.2 --scalar-block-layout ${spirv}
      DEPENDS ${wrapper} ${CMAKE_CURRENT_SOURCE_DIR}/${source}
      DEPFILE ${spirv}.d
      COMMENT "Shader ${module}"
      VERBATIM)
  endif()
  if(module STREQUAL lm_faulty_module) # see LM_PLANT_FAULT in shaders/CMakeLists.txt
    add_custom_command(
      OUTPUT ${spirv}.faulty
      COMMAND lm_plant_fault ${spirv} ${spirv}.faulty ${lm_faulty_store}
      COMMAND ${LM_SPIRV_VAL} --target-env vulkan1.2 --scalar-block-layout ${spirv}.faulty
      DEPENDS ${spirv} lm_plant_fault
      VERBATIM)
    set(spirv ${spirv}.faulty)
  endif()
  add_custom_command(
    OUTPUT ${words}
    COMMAND ${CMAKE_COMMAND} -D INPUT=${spirv} -D OUTPUT=${words}
            -P ${PROJECT_SOURCE_DIR}/cmake/EmbedWords.cmake
    DEPENDS ${spirv} ${PROJECT_SOURCE_DIR}/cmake/EmbedWords.cmake
    COMMENT "Embedding ${module}"
    VERBATIM)
  set(${out} ${words} PARENT_SCOPE)
endfunction()

# Writes modules.h and modules.c for the modules named after `words_files`.
function(lm_write_module_table words_files)
  set(enums "")
  set(arrays "")
  set(entries "")
  foreach(module IN LISTS ARGN)
    string(TOUPPER ${module} upper)
    string(APPEND enums "    LM_MODULE_${upper},\n")
    string(APPEND arrays "static const uint32_t ${module}[] = {\n#include \"words/${module}.inc\"\n};\n")
    string(APPEND entries "    [LM_MODULE_${upper}] = {\"${module}\", ${module}, sizeof(${module}) / 4},\n")
  endforeach()
  list(LENGTH ARGN count)
  if(count EQUAL 0)
    set(entries "    {0}\n")
    set(enums "    LM_MODULE_NONE,\n")
  endif()
  configure_file(modules.h.in modules.h @ONLY)
  configure_file(modules.c.in modules.c @ONLY)
  set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/modules.c
                              PROPERTIES OBJECT_DEPENDS "${words_files}")
endfunction()
